"""Lock-step execution of warps: which lanes run together, block by block, on real data.

Every block (and every piece behind a barrier) becomes a state of the work-item function. A warp
always runs the lowest state that one of its lanes is in, in reverse post-order of the control-flow
graph, for exactly the lanes that are there: diverged lanes meet again at the first block that is
after all of them, which for structured code is the post-dominator. Lanes at a barrier wait until
the whole group is there. Nobody documents the hardware's rule; this one is assumed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpusim.count import layout
from gpusim.count.instrument import ItemBody
from gpusim.count.ir_text import KernelText
from gpusim.count.regions import (
    INCOMING,
    Frame,
    Segment,
    defined,
    live_in,
    split_blocks,
    tokens,
)

WAITING = 1 << 20
"""Added to the state behind a barrier while a lane waits there."""
DONE = 1 << 30


@dataclass(slots=True)
class LockstepBody:
    """Text of the state functions' blocks."""

    prologue: list[str]
    blocks: list[tuple[str, list[str]]]
    n_states: int
    block_of_state: list[int]
    """Original block that a state begins; -1 = a piece behind a barrier."""
    frame_bytes: int


def _order(segments: list[Segment]) -> list[Segment]:
    """Return the segments in reverse post-order."""
    by_name = {segment.name: segment for segment in segments}
    seen, found = {segments[0].name}, []
    stack = [(segments[0].name, iter(segments[0].successors))]
    while stack:
        name, following = stack[-1]
        target = next((t for t in following if t not in seen), None)
        if target is None:
            found.append(by_name[name])
            stack.pop()
        else:
            seen.add(target)
            stack.append((target, iter(by_name[target].successors)))
    return found[::-1]


class _Cutter:
    """Writes one block per state; values travel between states through the frame."""

    def __init__(self, kernel: KernelText, body: ItemBody, frame: Frame) -> None:
        successors = {block.name: block.successors for block in kernel.blocks}
        self.segments = _order(split_blocks(body.blocks, successors))
        self.state = {segment.name: i for i, segment in enumerate(self.segments)}
        self.types = body.types
        live = live_in(self.segments)
        phis = {defined(phi) for segment in self.segments for phi in segment.phis}
        shared = {name for names in live.values() for name in names} | phis
        self.places = {
            name: frame.place(kernel.sizes.get(body.types[name], 8))
            for name in sorted(name for name in shared if name)
        }
        self._count = 0

    def _load(self, name: str, lines: list[str]) -> str:
        self._count += 1
        loaded = f"%s.l{self._count}"
        lines.append(f"{loaded} = load {self.types[name]}, ptr {self.places[name]}, align 1")
        return loaded

    def _replace(self, text: str, known: dict[str, str], lines: list[str]) -> str:
        """Replace shared values by what was loaded, loading each once per state."""
        for name in sorted(tokens(text, set(self.places))):
            if name not in known:
                known[name] = self._load(name, lines)
            if known[name] != name:
                text = re.sub(re.escape(name) + r"(?![\w.])", known[name], text)
        return text

    def blocks(self, segment: Segment) -> list[tuple[str, list[str]]]:
        """Return the blocks of one state: its code, then one per way out."""
        lines: list[str] = []
        known: dict[str, str] = {}
        content = segment.lines if segment.barrier else segment.lines[:-1]
        for line in content:
            head, separator, right = line.partition(" = ")
            if not separator or not head.startswith("%"):
                lines.append(self._replace(line, known, lines))
                continue
            lines.append(f"{head} = {self._replace(right, known, lines)}")
            if head in self.places:
                known[head] = head
                lines.append(f"store {self.types[head]} {head}, ptr {self.places[head]}, align 1")
        number = self.state[segment.name]
        if segment.barrier:
            lines.append(f"ret i32 {WAITING + self.state[segment.successors[0]]}")
            return [(f"g.state.{number}", lines)]
        last = segment.lines[-1]
        if last.startswith(("ret", "unreachable")):
            lines.append(f"ret i32 {DONE}" if last.startswith("ret") else last)
            return [(f"g.state.{number}", lines)]
        exits = []
        for way, target in enumerate(segment.successors):
            name = f"g.exit.{number}.{way}"
            last = re.sub(rf"label %{re.escape(target)}(?![\w.])", f"label %{name}", last)
            exits.append((name, self._leave(segment, target, known)))
        lines.append(self._replace(last, known, lines))
        return [(f"g.state.{number}", lines), *exits]

    def _leave(self, segment: Segment, target: str, known: dict[str, str]) -> list[str]:
        """Return the block that gives the target's PHIs their values, all read before any write."""
        lines: list[str] = []
        stores = []
        mine = dict(known)
        for phi in self.segments[self.state[target]].phis:
            name = defined(phi)
            value = next(v for v, block in INCOMING.findall(phi) if block == segment.name)
            value = self._replace(value, mine, lines)
            kind, place = self.types[str(name)], self.places[str(name)]
            stores.append(f"store {kind} {value}, ptr {place}, align 1")
        return [*lines, *stores, f"ret i32 {self.state[target]}"]


def cut_every_block(kernel: KernelText, body: ItemBody, frame: Frame) -> LockstepBody:
    """Make every block of a work-item function a state.

    Parameters
    ----------
    kernel : KernelText
        For successors and type sizes.
    body : ItemBody
        The instrumented function.
    frame : Frame
        Where values are kept between states; may already hold private arrays.
    """
    cutter = _Cutter(kernel, body, frame)
    numbers = {block.name: i for i, block in enumerate(kernel.blocks)}
    blocks = [block for segment in cutter.segments for block in cutter.blocks(segment)]
    return LockstepBody(
        prologue=frame.prologue,
        blocks=blocks,
        n_states=len(cutter.segments),
        block_of_state=[numbers.get(segment.name, -1) for segment in cutter.segments],
        frame_bytes=frame.used_bytes,
    )


def warp_function(formals: str, block_of_state: list[int], n_blocks: int) -> str:
    """Return the loop that runs one work-group in warps.

    Parameters
    ----------
    formals : str
        What the work-item function takes besides state and local ids.
    block_of_state : list of int
        Original block that each state begins, -1 = none.
    n_blocks : int
        The counters hold executions per lane, then executions per warp.
    """
    table = ", ".join(f"i64 {n_blocks + b if b >= 0 else 2 * n_blocks}" for b in block_of_state)
    return f"""
@gpusim.issue = internal constant [{len(block_of_state)} x i64] [{table}]
define internal i32 @gpusim.region(i32 %g.state, {formals}) nounwind {{
entry:
  %warp.at = getelementptr i64, ptr %g.ctx, i64 {layout.WARP_WIDTH}
  %width = load i64, ptr %warp.at
  %states.at = getelementptr i64, ptr %g.ctx, i64 {layout.STATES}
  %states = load ptr, ptr %states.at
  %bytes = mul i64 %g.items, 4
  call void @llvm.memset.p0.i64(ptr %states, i8 0, i64 %bytes, i1 false)
  br label %round
round:
  br label %warp
warp:
  %first = phi i64 [ 0, %round ], [ %first.next, %warp.end ]
  %end.full = add i64 %first, %width
  %end = call i64 @llvm.umin.i64(i64 %end.full, i64 %g.items)
  br label %step
step:
  br label %scan
scan:
  %i = phi i64 [ %first, %step ], [ %i.next, %scan ]
  %low = phi i32 [ {DONE}, %step ], [ %low.next, %scan ]
  %i.at = getelementptr i32, ptr %states, i64 %i
  %i.state = load i32, ptr %i.at
  %low.next = call i32 @llvm.umin.i32(i32 %low, i32 %i.state)
  %i.next = add nuw nsw i64 %i, 1
  %i.more = icmp ult i64 %i.next, %end
  br i1 %i.more, label %scan, label %pick
pick:
  %is.stuck = icmp uge i32 %low.next, {WAITING}
  br i1 %is.stuck, label %warp.end, label %issue
issue:
  %low.wide = zext i32 %low.next to i64
  %place.at = getelementptr [{len(block_of_state)} x i64], ptr @gpusim.issue, i64 0, i64 %low.wide
  %place = load i64, ptr %place.at
  %count.at = getelementptr i64, ptr %g.counters, i64 %place
  %count = load i64, ptr %count.at
  %count.new = add i64 %count, 1
  store i64 %count.new, ptr %count.at
  br label %lane
lane:
  %j = phi i64 [ %first, %issue ], [ %j.next, %lane.end ]
  %j.at = getelementptr i32, ptr %states, i64 %j
  %j.state = load i32, ptr %j.at
  %is.here = icmp eq i32 %j.state, %low.next
  br i1 %is.here, label %run, label %lane.end
run:
  %x = urem i64 %j, %g.lsize.0
  %yz = udiv i64 %j, %g.lsize.0
  %y = urem i64 %yz, %g.lsize.1
  %z = udiv i64 %yz, %g.lsize.1
  %reached = call i32 @gpusim.item(i32 %low.next, i64 %x, i64 %y, i64 %z, {formals})
  store i32 %reached, ptr %j.at
  br label %lane.end
lane.end:
  %j.next = add nuw nsw i64 %j, 1
  %j.more = icmp ult i64 %j.next, %end
  br i1 %j.more, label %lane, label %step
warp.end:
  %first.next = add i64 %first, %width
  %warp.more = icmp ult i64 %first.next, %g.items
  br i1 %warp.more, label %warp, label %meet
meet:
  %leader = load i32, ptr %states
  br label %check
check:
  %k = phi i64 [ 0, %meet ], [ %k.next, %checked ]
  %k.at = getelementptr i32, ptr %states, i64 %k
  %k.state = load i32, ptr %k.at
  %apart = icmp ne i32 %k.state, %leader
  br label %checked
checked:
  call void @gpusim.check.barrier(i1 %apart, ptr %g.ctx, i64 %g.group, i64 %k, i64 0, i64 0)
  %behind = sub i32 %k.state, {WAITING}
  store i32 %behind, ptr %k.at
  %k.next = add nuw nsw i64 %k, 1
  %k.more = icmp ult i64 %k.next, %g.items
  br i1 %k.more, label %check, label %after
after:
  %is.done = icmp eq i32 %leader, {DONE}
  br i1 %is.done, label %finish, label %round
finish:
  ret i32 -1
}}"""
