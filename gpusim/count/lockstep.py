"""Cut a work-item function at every block, so that warps can run it block by block.

Every block (and every piece behind a barrier) becomes a state of the work-item function, numbered
in block order. `gpusim.count.warp_driver` decides which lanes run a state together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpusim.count import layout
from gpusim.count.instrument import RECORD, ItemBody
from gpusim.count.ir_text import KernelText
from gpusim.count.reconvergence import block_order, immediate_post_dominators
from gpusim.count.regions import (
    INCOMING,
    Frame,
    Segment,
    defined,
    live_in,
    split_blocks,
    tokens,
)
from gpusim.count.warp_driver import DONE, WAITING

Site = tuple[int, str, int, int]
"""Instruction, kind, address space and bytes of an access whose address is recorded."""


@dataclass(slots=True)
class LockstepBody:
    """Text of the state functions' blocks, and what the warps' driver must know of each state."""

    prologue: list[str]
    blocks: list[tuple[str, list[str]]]
    block_of_state: list[int]
    """Original block that a state belongs to."""
    is_piece: list[bool]
    """Whether a state begins behind a barrier, within its block."""
    meeting_of_state: list[int]
    """State where lanes that part meet again, `DONE` = at the end."""
    sites_of_state: list[list[Site]]
    frame_bytes: int

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.block_of_state)


def _order(segments: list[Segment]) -> list[Segment]:
    """Return the segments in block order."""
    by_name = {segment.name: segment for segment in segments}
    graph = {segment.name: segment.successors for segment in segments}
    return [by_name[name] for name in block_order(graph, segments[0].name)]


def _meetings(segments: list[Segment]) -> list[int]:
    """Return the state at which the lanes that part in each segment meet again."""
    graph = {segment.name: segment.successors for segment in segments}
    exits = [s.name for s in segments if s.lines and s.lines[-1].startswith("ret")]
    state = {segment.name: i for i, segment in enumerate(segments)}
    found = immediate_post_dominators(graph, exits)
    meetings = (found[segment.name] for segment in segments)
    return [DONE if name is None else state[name] for name in meetings]


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
        self.sites: list[list[Site]] = [[] for _ in self.segments]

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
        number = self.state[segment.name]
        for line in content:
            if line.startswith(RECORD):
                self._record(number, self._replace(line, known, lines), lines)
                continue
            head, separator, right = line.partition(" = ")
            if not separator or not head.startswith("%"):
                lines.append(self._replace(line, known, lines))
                continue
            lines.append(f"{head} = {self._replace(right, known, lines)}")
            if head in self.places:
                known[head] = head
                lines.append(f"store {self.types[head]} {head}, ptr {self.places[head]}, align 1")
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

    def _record(self, state: int, line: str, lines: list[str]) -> None:
        """Write the address of an access to the lane's place in the recorded stream."""
        _, instruction, kind, space, n_bytes, pointer = line.split(" ", 5)
        place = f"%g.out.{state}.{len(self.sites[state])}"
        lines += [
            f"{place} = getelementptr i64, ptr %g.out, i64 {len(self.sites[state])}",
            f"{place}.a = ptrtoint ptr {pointer} to i64",
            f"store i64 {place}.a, ptr {place}",
        ]
        self.sites[state].append((int(instruction), kind, int(space), int(n_bytes)))

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
    out = [
        f"%g.out.at = getelementptr i64, ptr %g.ctx, i64 {layout.LANE_OUT}",
        "%g.out = load ptr, ptr %g.out.at",
    ]
    return LockstepBody(
        prologue=[*frame.prologue, *out],
        blocks=blocks,
        block_of_state=[numbers[segment.block] for segment in cutter.segments],
        is_piece=[segment.name != segment.block for segment in cutter.segments],
        meeting_of_state=_meetings(cutter.segments),
        sites_of_state=cutter.sites,
        frame_bytes=frame.used_bytes,
    )
