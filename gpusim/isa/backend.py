"""The back end of each family: select, schedule, count what each block costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.isa.allocate import Allocation, allocate, insert_spill
from gpusim.isa.dependence import block_ties, break_cycles
from gpusim.isa.ir_view import IRView
from gpusim.isa.machine import (
    ATOMIC,
    BARRIER,
    BRANCH,
    LOAD,
    MESSAGES,
    STORE,
    TEXTURE,
    MachineKernel,
    MicroOp,
)
from gpusim.isa.pressure import order_for_pressure
from gpusim.isa.registers import aliases, live_out_sets, threads_for
from gpusim.isa.schedule_bifrost import Clause, legalise_words, schedule_bifrost
from gpusim.isa.schedule_inorder import PIPES, add_waits, schedule_inorder, unit_cycles
from gpusim.isa.schedule_midgard import Word, access_cycles, schedule_midgard
from gpusim.isa.select_midgard import select_midgard
from gpusim.isa.select_scalar import select_scalar
from gpusim.isa.table import IsaTable, load_table

_ACCESSES = frozenset({LOAD, STORE, ATOMIC})
_MAX_SPILL_ROUNDS = 200
_SPILL_SHARE = 3
_EITHER_UNIT = {"bifrost": "E", "midgard": "ANY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCode:
    """One basic block after scheduling, with what it costs."""

    issued: tuple[object, ...]
    """Clauses (Bifrost), words (Midgard) or micro-operations, in issue order."""
    units: float
    """Tuples, bundles and other words, or instructions."""
    issue_cycles: float
    arithmetic_instructions: float
    pipes: dict[str, float]
    """Pipe -> cycles (or filled slots) it is busy."""
    messages: float
    load_store_cycles: float
    texture: int
    clauses: int
    barriers: int
    latency_cycles: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoweredKernel:
    """A kernel as machine code of one family."""

    isa: str
    unit: str
    blocks: tuple[BlockCode, ...]
    machine: MachineKernel = field(repr=False)
    view: IRView = field(repr=False)
    table: IsaTable = field(repr=False)
    registers: int
    """128-bit registers on Midgard, 32-bit registers elsewhere."""
    threads_per_core: int
    """Work-items resident on a core by registers alone."""
    spills: int
    """Spill stores and reloads in the code."""

    def figures(self) -> dict[str, str]:
        """Return the figures of the table that the costs rest on: path -> kind."""
        used = {op.name.split(".")[0] for block in self.machine.blocks for op in block.ops}
        quantities = [*self.table.issue.values()]
        quantities += [self.table.operations[n] for n in sorted(used) if n in self.table.operations]
        return {quantity.path: quantity.kind.value for quantity in quantities}


def lower_kernel(kernel: KernelIR, isa: str, *, unrolls: bool = True) -> LoweredKernel:
    """Compile a kernel to a family's issue words.

    Parameters
    ----------
    kernel : KernelIR
        The kernel.
    isa : str
        One of :data:`gpusim.isa.table.ISAS`.
    unrolls : bool
        Whether small counted loops are unrolled, where the family's compiler does.

    Returns
    -------
    LoweredKernel

    Raises
    ------
    CompileError
        The kernel uses something that the family's table does not cover.
    DeviceError
        Unknown family or malformed table.
    """
    table = load_table(isa)
    view = IRView(kernel)
    if isa == "midgard":
        machine = select_midgard(view, table)
    else:
        machine = select_scalar(view, table, unrolls=unrolls)
    break_cycles(machine, _EITHER_UNIT.get(isa, table.sequence("mov")[0]))
    if isa == "bifrost":
        legalise_words(machine)
    elif "loads_per_wait" in table.issue:
        add_waits(machine, table)
    blocks, allocation, n_spills = _allocated(machine, view, table)
    row_words = _row_words(table)
    registers = int(table.rule("reserved_registers")) + -(-allocation.words // row_words)
    registers = max(1, min(registers, int(table.rule("registers"))))
    if "register_aim" in table.issue and not n_spills:
        registers = min(registers, int(table.rule("register_aim")))
    return LoweredKernel(
        isa=isa,
        unit=table.unit,
        blocks=blocks,
        machine=machine,
        view=view,
        table=table,
        registers=registers,
        threads_per_core=threads_for(registers, table),
        spills=n_spills,
    )


def _allocated(
    machine: MachineKernel, view: IRView, table: IsaTable
) -> tuple[tuple[BlockCode, ...], Allocation, int]:
    """Schedule and colour; spill and start again until everything has a register."""
    row_words = _row_words(table)
    available = int(table.rule("registers")) - int(table.rule("reserved_registers"))
    n_spills = 0
    for _ in range(_MAX_SPILL_ROUNDS):
        blocks = _schedule_all(machine, view, table)
        orders = [issue_order(code) for code in blocks]
        forwarded = forwarded_values(machine, blocks)
        allocation = allocate(machine, view, orders, available * row_words, row_words, forwarded)
        if allocation.n_unplaced == 0:
            break
        # A third at a time: each spill makes room for others, but rounds are expensive.
        n_values = max(1, allocation.n_unplaced // _SPILL_SHARE)
        for value in allocation.candidates[:n_values]:
            n_spills += insert_spill(machine, value, table.sequence("load")[0])
    return blocks, allocation, n_spills


def _row_words(table: IsaTable) -> int:
    return int(table.rule("vector_bytes")) // 4 if "vector_bytes" in table.issue else 1


def _schedule_all(machine: MachineKernel, view: IRView, table: IsaTable) -> tuple[BlockCode, ...]:
    ties = block_ties(machine)
    alias = aliases(machine)
    live_out = live_out_sets(machine, view, [code.ops for code in machine.blocks])
    result = []
    for index, code in enumerate(machine.blocks):
        needed = {number for number, root in alias.items() if root in live_out[index]}
        scheduled = _schedule(code.ops, machine, table, ties[index], needed)
        if index in machine.copies:
            scheduled = _overlapped(scheduled, machine.copies[index], ties[index], table)
        result.append(scheduled)
    return tuple(result)


def forwarded_values(machine: MachineKernel, blocks: Sequence[BlockCode]) -> set[int]:
    """Return the values that never occupy a work register.

    Those are results that only their own issue word or the next tuple of the clause reads, and
    Midgard addresses, which have registers of their own.
    """
    written: set[int] = set()
    kept: set[int] = set()
    for code in blocks:
        for item in code.issued:
            if isinstance(item, Clause):
                _visit_clause(item, written, kept)
            elif isinstance(item, Word):
                _visit_word(item, written, kept)
    shared = {number for phi, value, _ in machine.ties for number in (phi, value)}
    return written - kept - shared


def _visit_clause(clause: Clause, written: set[int], kept: set[int]) -> None:
    before: set[int] = set()
    for entry in clause.tuples:
        inside: set[int] = set()
        for op in entry.ops:
            kept.update(number for number in op.reads if number not in inside | before)
            kept.update(op.staging)
            made = () if op.kind in MESSAGES else op.writes
            kept.update(number for number in op.writes if number in written)
            written.update(made)
            inside.update(made)
        before = inside


def _visit_word(word: Word, written: set[int], kept: set[int]) -> None:
    inside = {number for op in word.slots.values() for number in op.writes}
    for op in word.ops:
        is_access = op.kind in _ACCESSES
        kept.update(n for n in op.reads if n not in inside and not is_access)
        kept.update(op.staging)
        kept.update(number for number in op.writes if number in written)
        if not is_access:
            written.update(op.writes)


def issue_order(code: BlockCode) -> list[MicroOp]:
    """Return the micro-operations of a block in the order they are issued."""
    result: list[MicroOp] = []
    for item in code.issued:
        if isinstance(item, Clause):
            result += [op for entry in item.tuples for op in entry.ops]
        elif isinstance(item, Word):
            result += item.ops
        elif isinstance(item, MicroOp):
            result.append(item)
    return result


def _schedule(
    ops: list[MicroOp],
    machine: MachineKernel,
    table: IsaTable,
    ties: list[tuple[int, int]],
    live_out: set[int],
) -> BlockCode:
    if table.isa == "bifrost":
        ordered = order_for_pressure(ops, ties, live_out, machine.register_words)
        return _bifrost_code(schedule_bifrost(ordered, table, ties, live_out), table)
    if table.isa == "midgard":
        words = schedule_midgard(ops, table, ties, live_out, machine.register_words)
        return _midgard_code(words, table)
    ordered = order_for_pressure(ops, ties, live_out, machine.register_words)
    return _inorder_code(schedule_inorder(ordered, ties), table)


def _bifrost_code(clauses: list[Clause], table: IsaTable) -> BlockCode:
    tuples = [item for clause in clauses for item in clause.tuples]
    ops = [op for item in tuples for op in item.ops]
    n_fma = sum(item.fma is not None for item in tuples)
    n_add = sum(item.add is not None or item.is_whole for item in tuples)
    messages = [op for op in ops if op.kind in _ACCESSES]
    control = sum(op.kind == BRANCH or op.kind in MESSAGES for op in ops)
    return BlockCode(
        issued=tuple(clauses),
        units=len(tuples),
        issue_cycles=float(len(tuples)),
        # A slot that holds a message or a branch is counted as such, not as arithmetic; an empty
        # slot is issued with its tuple and counts.
        arithmetic_instructions=float(2 * len(tuples) - control),
        pipes={"fma_slots": float(n_fma), "add_slots": float(n_add)},
        messages=len(messages),
        load_store_cycles=len(messages) * float(table.rule("message_cycles")),
        texture=sum(op.kind == TEXTURE for op in ops),
        clauses=len(clauses),
        barriers=sum(op.kind == BARRIER for op in ops),
        latency_cycles=_latency(ops, table, len(tuples)),
    )


def _midgard_code(words: list[Word], table: IsaTable) -> BlockCode:
    ops = [op for word in words for op in word.ops]
    accesses = [op for op in ops if op.kind in _ACCESSES]
    slots = dict.fromkeys(("vmul", "sadd", "vadd", "smul", "lut", "branch"), 0.0)
    for word in words:
        for slot in word.slots:
            slots["branch" if slot == "BR" else slot.lower()] += 1
    n_alu = sum(word.kind == "alu" for word in words)
    n_texture = sum(word.kind == "tex" for word in words)
    return BlockCode(
        issued=tuple(words),
        units=len(words),
        issue_cycles=float(n_alu),
        arithmetic_instructions=float(sum(slots.values()) - slots["branch"]),
        pipes={
            "alu_bundles": float(n_alu),
            **slots,
            "load_store_words": float(len(words) - n_alu - n_texture),
        },
        messages=len(accesses),
        load_store_cycles=sum(access_cycles(op) for op in accesses)
        * float(table.rule("message_cycles")),
        texture=n_texture,
        clauses=0,
        barriers=sum(op.kind == BARRIER for op in ops),
        latency_cycles=_word_latency(words, table),
    )


def _word_latency(words: Sequence[Word], table: IsaTable) -> float:
    """Return the cycles of a Midgard block for one thread alone.

    A thread is in one pipe at a time and its words run strictly in order: nothing overlaps.
    """
    bundle, message = table.rule("bundle_latency_cycles"), table.rule("message_latency_cycles")
    return sum(float(bundle if word.kind == "alu" else message) for word in words)


def _inorder_code(order: list[MicroOp], table: IsaTable) -> BlockCode:
    pipes: dict[str, float] = {}
    n_issues = 0.0
    for op in order:
        pipe, _, is_wide = PIPES[table.isa][op.unit]
        issues = op.share * (int(table.rule("wide_issue_cycles")) if is_wide else 1)
        pipes[pipe] = pipes.get(pipe, 0.0) + issues * unit_cycles(op, table)
        n_issues += issues
    messages = sum(op.share for op in order if op.kind in _ACCESSES)
    shared = ("load_store", "texture")
    arithmetic = [cycles for pipe, cycles in pipes.items() if pipe not in shared]
    width = float(table.rule("dual_issue")) if "dual_issue" in table.issue else 1.0
    busiest = max([n_issues / width, *arithmetic]) if order else 0.0
    return BlockCode(
        issued=tuple(order),
        units=_whole(sum(op.share for op in order)),
        issue_cycles=busiest,
        arithmetic_instructions=float(
            sum(op.kind not in MESSAGES and op.kind != BRANCH for op in order)
        ),
        pipes=pipes,
        messages=_whole(messages),
        load_store_cycles=pipes.get("load_store", 0.0),
        texture=sum(op.kind == TEXTURE for op in order),
        clauses=0,
        barriers=sum(op.kind == BARRIER for op in order),
        latency_cycles=_latency(order, table, n_issues),
    )


def _latency(ops: list[MicroOp], table: IsaTable, n_issues: float) -> float:
    """Return the cycles from the block's first issue to its last result, one warp alone."""
    step = _step_cycles(table)
    ready: dict[int, float] = {}
    latest = 0.0
    for op in ops:
        start = max((ready.get(number, 0.0) for number in (*op.reads, *op.staging)), default=0.0)
        finish = start + _op_latency(op, table, step)
        for number in op.writes:
            ready[number] = finish
        latest = max(latest, finish)
    return max(latest, n_issues * 1.0)


def _whole(number: float) -> float:
    """Return a count as an integer where it is one; shares of a message make it a fraction."""
    return int(number) if float(number).is_integer() else number


def _overlapped(
    code: BlockCode, copies: int, ties: Sequence[tuple[int, int]], table: IsaTable
) -> BlockCode:
    """Return a block of an unrolled loop with the latency of one of its copies.

    The copies stand one after the other: each starts as soon as the one before has issued and
    has passed on what the loop carries.
    """
    order = issue_order(code)
    step = _step_cycles(table)
    ready = {phi: 0.0 for phi, _ in ties}
    for op in order:
        known = [ready[number] for number in (*op.reads, *op.staging) if number in ready]
        if known:
            ready.update(dict.fromkeys(op.writes, max(known) + _op_latency(op, table, step)))
    carried = max((ready.get(value, 0.0) for _, value in ties), default=0.0)
    each = max(float(code.units), carried)
    latency = (code.latency_cycles + (copies - 1) * each) / copies
    return replace(code, latency_cycles=latency)


def _step_cycles(table: IsaTable) -> float:
    for name in ("instruction_latency_cycles", "bundle_latency_cycles", "tuple_latency_cycles"):
        if name in table.issue:
            return float(table.rule(name))
    return 1.0


def _op_latency(op: MicroOp, table: IsaTable, step: float) -> float:
    if op.kind in (LOAD, ATOMIC, TEXTURE):
        is_local = op.space == "local" and "local_latency_cycles" in table.issue
        name = "local_latency_cycles" if is_local else "message_latency_cycles"
        return float(table.rule(name))
    if op.unit == "SFU" and "sfu_latency_cycles" in table.issue:
        return float(table.rule("sfu_latency_cycles"))
    if op.name in ("icmp", "fcmp") and "predicate_latency_cycles" in table.issue:
        return float(table.rule("predicate_latency_cycles"))
    return step
