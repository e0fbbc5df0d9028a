"""The native module around a work-item function: groups, work-items, faults.

``gpusim.run(context)`` executes the groups that the context block names and returns 0, or 1 after
a fault: it sets a jump target first, and a failed check writes the fault and jumps there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gpusim.count import layout
from gpusim.count.instrument import ItemBody
from gpusim.count.ir_text import Formal, KernelText
from gpusim.count.lockstep import LockstepBody, cut_every_block
from gpusim.count.regions import BARRIER, Frame, cut
from gpusim.count.work_items import PROLOGUE, SHAPE_NAMES

ENTRY = "gpusim_run"


def argument_layout(formals: tuple[Formal, ...]) -> tuple[tuple[int, ...], int]:
    """Return the offset of every parameter in the argument block and the block's size."""
    offsets, position = [], 0
    for formal in formals:
        size = 16 if formal.is_pointer else formal.size_bytes
        step = min(128, max(16, 1 << (size - 1).bit_length()))
        position = -(-position // step) * step
        offsets.append(position)
        position += size
    return tuple(offsets), position


def signature(kernel: KernelText) -> str:
    """Return the parameters that the work-item function takes beside state and local ids."""
    fixed = [("ptr", "%g.ctx"), ("ptr", "%g.counters"), ("ptr", "%g.fuel"), ("ptr", "%g.frame")]
    fixed += [("i64", "%g.items"), ("i64", "%g.group")]
    fixed += [("i64", f"%g.from.{d}") for d in range(3)]
    fixed += [("i64", f"%g.to.{d}") for d in range(3)]
    fixed += [("i64", f"%g.first.{d}") for d in range(3)] + [
        ("i64", f"%g.grp.{d}") for d in range(3)
    ]
    fixed += [("i64", name) for name in SHAPE_NAMES]
    for formal in kernel.formals:
        if formal.is_pointer:
            fixed += [("ptr", formal.name), ("i64", f"%g.size.{formal.name[1:]}")]
        elif formal.byval:
            fixed.append(("ptr", f"%g.byval.{formal.name[1:]}"))
        else:
            fixed.append((formal.type, formal.name))
    return ", ".join(f"{kind} {name}" for kind, name in fixed)


def _private(
    kernel: KernelText, body: ItemBody, frame: Frame | None
) -> tuple[list[str], list[str]]:
    """Return (prologue, start) lines for private arrays and structures passed by value."""
    prologue, start = [], []
    copies = {formal.name: formal for formal in kernel.formals if formal.byval}
    for name, (kind, size, align) in body.allocas.items():
        if frame is None:
            prologue.append(f"{name} = alloca {kind}, align {max(align, 1)}")
        else:
            prologue.append(f"{name} = getelementptr i8, ptr {frame.place(max(size, 64))}, i64 0")
        if name in copies:
            start.append(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {name}, ptr %g.byval.{name[1:]}, "
                f"i64 {size}, i1 false)"
            )
        else:
            start.append(f"call void @llvm.memset.p0.i64(ptr {name}, i8 0, i64 {size}, i1 false)")
    return prologue, start


@dataclass(frozen=True, slots=True)
class ItemFunction:
    """The work-item function's text, and what its driver must know."""

    text: str
    frame_bytes: int
    """Kept per work-item between calls."""
    n_states: int
    """Barriers that it can be resumed behind; 0 = it runs through."""
    lockstep: LockstepBody | None = None
    """In lock-step: what the warps' driver must know."""


def item_function(kernel: KernelText, body: ItemBody, *, lockstep: bool = False) -> ItemFunction:
    """Build the function that runs one work-item, to its next barrier or block.

    Parameters
    ----------
    kernel : KernelText
        The kernel.
    body : ItemBody
        Its instrumented blocks.
    lockstep : bool
        Return after every block instead of at barriers only.
    """
    has_barrier = any(BARRIER in lines for lines in body.blocks.values())
    frame = Frame() if has_barrier or lockstep else None
    private, start = _private(kernel, body, frame)
    entry: list[str] = []
    first, labels = kernel.blocks[0].name, {}
    found = ItemFunction("", 0, 0)
    if frame is None:
        pieces = list(body.blocks.items())
    elif lockstep:
        steps = cut_every_block(kernel, body, frame)
        pieces, entry, first = steps.blocks, steps.prologue, "g.state.0"
        labels = {state: f"g.state.{state}" for state in range(1, steps.n_states)}
        found = ItemFunction("", steps.frame_bytes, 0, steps)
    else:
        kept = cut(kernel, body.blocks, body.types, frame)
        entry, private = frame.prologue, [*private, *kept.prologue]
        pieces = [(s.name, [*s.phis, *s.lines]) for s in kept.segments]
        pieces += [(f"g.resume.{state}", lines) for state, lines in kept.resumes.items()]
        labels = {state: f"g.resume.{state}" for state in range(1, kept.states + 1)}
        found = ItemFunction("", kept.frame_bytes, kept.states)
    cases = " ".join(f"i32 {state}, label %{name}" for state, name in labels.items())
    lines = ["g.entry:", *PROLOGUE, *entry, *private, *body.prologue]
    lines.append(f"switch i32 %g.state, label %g.start [ {cases} ]")
    lines += ["g.start:", *start, f"br label %{first}"]
    for name, content in pieces:
        lines.append(f"{name}:")
        lines += ["ret i32 -1" if line == "ret void" else line for line in content]
    head = (
        "define internal i32 @gpusim.item(i32 %g.state, i64 %g.lx, i64 %g.ly, i64 %g.lz, "
        f"{signature(kernel)}) alwaysinline nounwind {{"
    )
    return replace(found, text="\n".join([head, *lines, "}"]))


def region_function(kernel: KernelText, has_barrier: bool) -> str:
    """Return the loop nest over the work-items of a group, from one state to the next."""
    formals = signature(kernel)
    meeting = """
  %expected.old = load i32, ptr %expected
  %is.first = icmp eq i64 %lane, 0
  %expected.new = select i1 %is.first, i32 %reached, i32 %expected.old
  store i32 %expected.new, ptr %expected
  %apart = icmp ne i32 %reached, %expected.new
  call void @gpusim.check.barrier(i1 %apart, ptr %g.ctx, i64 %g.group, i64 %x, i64 %y, i64 %z)"""
    return f"""
define internal i32 @gpusim.region(i32 %g.state, {formals}) alwaysinline nounwind {{
entry:
  %expected = alloca i32
  store i32 -1, ptr %expected
  br label %z.loop
z.loop:
  %z = phi i64 [ %g.from.2, %entry ], [ %z.next, %y.end ]
  %z.lane = mul i64 %z, %g.lsize.1
  br label %y.loop
y.loop:
  %y = phi i64 [ %g.from.1, %z.loop ], [ %y.next, %x.end ]
  %y.sum = add i64 %z.lane, %y
  %y.lane = mul i64 %y.sum, %g.lsize.0
  br label %x.loop
x.loop:
  %x = phi i64 [ %g.from.0, %y.loop ], [ %x.next, %x.loop ]
  %lane = add i64 %y.lane, %x
  %reached = call i32 @gpusim.item(i32 %g.state, i64 %x, i64 %y, i64 %z, {formals}){
        meeting if has_barrier else ""
    }
  %x.next = add nuw nsw i64 %x, 1
  %x.more = icmp ult i64 %x.next, %g.to.0
  br i1 %x.more, label %x.loop, label %x.end
x.end:
  %y.next = add nuw nsw i64 %y, 1
  %y.more = icmp ult i64 %y.next, %g.to.1
  br i1 %y.more, label %y.loop, label %y.end
y.end:
  %z.next = add nuw nsw i64 %z, 1
  %z.more = icmp ult i64 %z.next, %g.to.2
  br i1 %z.more, label %z.loop, label %z.end
z.end:
  %next = load i32, ptr %expected
  ret i32 %next
}}"""


def _load_word(name: str, word: int, kind: str = "i64") -> list[str]:
    return [
        f"  {name}.at = getelementptr i64, ptr %g.ctx, i64 {word}",
        f"  {name} = load {kind}, ptr {name}.at",
    ]


def _load_arguments(kernel: KernelText, offsets: tuple[int, ...], align: int) -> list[str]:
    lines = []
    for formal, offset in zip(kernel.formals, offsets, strict=True):
        stem = f"%g.arg.{formal.name[1:]}"
        lines.append(f"  {stem} = getelementptr i8, ptr %g.arguments, i64 {offset}")
        if formal.is_pointer:
            size = f"%g.size.{formal.name[1:]}"
            lines += [
                f"  {formal.name} = load ptr, ptr {stem}",
                f'  call void @llvm.assume(i1 true) ["align"(ptr {formal.name}, i64 {align})]',
                f"  {stem}.s = getelementptr i8, ptr {stem}, i64 8",
                f"  {size} = load i64, ptr {stem}.s",
            ]
        elif formal.byval:
            lines.append(f"  %g.byval.{formal.name[1:]} = getelementptr i8, ptr {stem}, i64 0")
        else:
            lines.append(f"  {formal.name} = load {formal.type}, ptr {stem}, align 16")
    return lines


def groups_function(
    kernel: KernelText, offsets: tuple[int, ...], n_counters: int, states: int, align: int
) -> str:
    """Return the loop over the work-groups of the current chunk."""
    formals = signature(kernel)
    lines = [
        "define internal void @gpusim.groups(ptr %g.ctx) noinline nounwind {",
        "entry:",
        f"  %g.counters = alloca [{n_counters} x i64]",
        "  %g.fuel = alloca i64",
    ]
    lines += _load_word("%first", layout.FIRST_GROUP) + _load_word("%count", layout.N_GROUPS_NOW)
    for d in range(3):
        lines += _load_word(f"%groups.{d}", layout.JOB_GROUPS + d)
        lines += _load_word(f"%g.lsize.{d}", layout.LOCAL_SIZE + d)
        lines += _load_word(f"%g.from.{d}", layout.LOOP_START + d)
        lines += _load_word(f"%run.{d}", layout.LOOP_SIZE + d)
        lines.append(f"  %g.to.{d} = add i64 %g.from.{d}, %run.{d}")
        lines += _load_word(f"%base.{d}", layout.ITEM_BASE + d)
        lines += _load_word(f"%offset.{d}", layout.GROUP_OFFSET + d)
        lines += _load_word(f"%g.gsize.{d}", layout.GLOBAL_SIZE + d)
        lines += _load_word(f"%g.ngrp.{d}", layout.NUM_GROUPS + d)
        lines += _load_word(f"%g.esize.{d}", layout.ENQUEUED_LOCAL_SIZE + d)
        lines += _load_word(f"%g.goff.{d}", layout.GLOBAL_OFFSET + d)
    lines += _load_word("%g.wdim", layout.WORK_DIM)
    lines += _load_word("%rows", layout.ROWS, "ptr") + _load_word("%g.frame", layout.FRAMES, "ptr")
    lines += _load_word("%g.arguments", layout.ARGUMENTS, "ptr")
    lines += _load_word("%fuel.now", layout.FUEL)
    lines += _load_arguments(kernel, offsets, align)
    cases = " ".join(f"i32 {s}, label %region.{s}" for s in range(states + 1))
    lines += [
        "  store i64 %fuel.now, ptr %g.fuel",
        "  %plane = mul i64 %g.lsize.0, %g.lsize.1",
        "  %g.items = mul i64 %plane, %g.lsize.2",
        "  br label %group",
        "group:",
        "  %n = phi i64 [ 0, %entry ], [ %n.next, %done ]",
        "  %g.group = add i64 %first, %n",
        "  %id.0 = urem i64 %g.group, %groups.0",
        "  %rest.0 = udiv i64 %g.group, %groups.0",
        "  %id.1 = urem i64 %rest.0, %groups.1",
        "  %id.2 = udiv i64 %rest.0, %groups.1",
    ]
    for d in range(3):
        lines += [
            f"  %start.{d} = mul i64 %id.{d}, %g.lsize.{d}",
            f"  %g.first.{d} = add i64 %base.{d}, %start.{d}",
            f"  %g.grp.{d} = add i64 %offset.{d}, %id.{d}",
        ]
    bytes_now = 8 * n_counters
    lines.append(
        f"  call void @llvm.memset.p0.i64(ptr %g.counters, i8 0, i64 {bytes_now}, i1 false)"
    )
    if states:
        lines += [
            "  br label %dispatch",
            "dispatch:",
            "  %state = phi i32 [ 0, %group ]"
            + "".join(f", [ %state.{s}, %region.{s} ]" for s in range(states + 1)),
            f"  switch i32 %state, label %done [ {cases} ]",
        ]
        for s in range(states + 1):
            lines += [
                f"region.{s}:",
                f"  %state.{s} = call i32 @gpusim.region(i32 {s}, {formals})",
                "  br label %dispatch",
            ]
    else:
        lines += [f"  %end = call i32 @gpusim.region(i32 0, {formals})", "  br label %done"]
    lines += [
        "done:",
        f"  %row.at = mul i64 %n, {bytes_now}",
        "  %row = getelementptr i8, ptr %rows, i64 %row.at",
        f"  call void @llvm.memcpy.p0.p0.i64(ptr %row, ptr %g.counters, i64 {bytes_now}, i1 false)",
        "  %n.next = add nuw nsw i64 %n, 1",
        "  %more = icmp ult i64 %n.next, %count",
        "  br i1 %more, label %group, label %end.all",
        "end.all:",
        "  %fuel.left = load i64, ptr %g.fuel",
        "  store i64 %fuel.left, ptr %fuel.now.at",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def fault_functions() -> str:
    """Return the entry function and what a failed check calls."""
    ids = "i64 %group, i64 %x, i64 %y, i64 %z"
    words = ["%code", "%site", "%offset", "%group", "%x", "%y", "%z", "%length"]
    stores = "\n".join(
        f"  %p{i} = getelementptr i64, ptr %ctx, i64 {layout.FAULT + i}\n  store i64 {w}, ptr %p{i}"
        for i, w in enumerate(words)
    )
    simple = "\n".join(
        f"""
define internal void @gpusim.check.{name}(i1 %bad, ptr %ctx, {ids}) alwaysinline nounwind {{
  br i1 %bad, label %fault, label %good, !prof !0
fault:
  call void @gpusim.fault(i64 {code}, i64 0, i64 0, i64 0, ptr %ctx, {ids})
  unreachable
good:
  ret void
}}"""
        for name, code in (("fuel", layout.FAULT_FUEL), ("barrier", layout.FAULT_BARRIER))
    )
    return f"""
declare i32 @_setjmp(ptr) returns_twice nounwind
declare void @longjmp(ptr, i32) noreturn nounwind
define internal void @gpusim.fault(i64 %code, i64 %site, i64 %offset, i64 %length, ptr %ctx, {ids})
    cold noinline noreturn nounwind {{
{stores}
  %j.at = getelementptr i64, ptr %ctx, i64 {layout.JUMP_BUFFER}
  %j = load ptr, ptr %j.at
  call void @longjmp(ptr %j, i32 1)
  unreachable
}}
define internal void @gpusim.check(i1 %bad, i64 %site, i64 %offset, i64 %length, ptr %ctx, {ids})
    alwaysinline nounwind {{
  br i1 %bad, label %fault, label %good, !prof !0
fault:
  call void @gpusim.fault(i64 {layout.FAULT_ACCESS}, i64 %site, i64 %offset, i64 %length,
    ptr %ctx, {ids})
  unreachable
good:
  ret void
}}
{simple}
define internal void @gpusim.unreachable(ptr %ctx, {ids}) alwaysinline noreturn nounwind {{
  call void @gpusim.fault(i64 {layout.FAULT_UNREACHABLE}, i64 0, i64 0, i64 0, ptr %ctx, {ids})
  unreachable
}}
define i32 @{ENTRY}(ptr %ctx) nounwind {{
  %j.at = getelementptr i64, ptr %ctx, i64 {layout.JUMP_BUFFER}
  %j = load ptr, ptr %j.at
  %again = call i32 @_setjmp(ptr %j) returns_twice
  %faulted = icmp ne i32 %again, 0
  br i1 %faulted, label %bad, label %good
good:
  call void @gpusim.groups(ptr %ctx)
  ret i32 0
bad:
  ret i32 1
}}
!0 = !{{!"branch_weights", i32 1, i32 1048576}}
"""
