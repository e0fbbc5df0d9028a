"""The steps of a kernel's blocks for the detailed model: what is issued, on what it waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gpusim.isa.backend import BlockCode, LoweredKernel
from gpusim.isa.machine import ATOMIC, BARRIER, LOAD, STORE, TEXTURE, MicroOp
from gpusim.isa.schedule_bifrost import Clause
from gpusim.isa.schedule_inorder import PIPES, unit_cycles
from gpusim.isa.schedule_midgard import Word, access_cycles
from gpusim.loops.core_run import NO_CACHE, NO_SITE, UNKNOWN_SITE, Steps
from gpusim.timing.thread_program import ThreadProgram

_ACCESSES = (LOAD, STORE, ATOMIC)
_RESULTS = (LOAD, ATOMIC, TEXTURE)
_SPACES = {"private": 0, "global": 1, "constant": 2, "local": 3, "generic": 4}
_ANY = 1 << 20
"""As `wait_back`: no message is needed."""


@dataclass(slots=True)
class _Step:
    issue: float = 0.0
    unit_class: int = 0
    unit: float = 0.0
    latency: float = 0.0
    is_barrier: bool = False
    texture: float = 0.0
    ops: Sequence[MicroOp] = ()
    """All operations, to find what the step reads."""
    accesses: Sequence[MicroOp] = field(default_factory=list)


def step_table(lowered: LoweredKernel, program: ThreadProgram) -> Steps:
    """Return the steps of all blocks.

    Midgard: one step a word; the thread waits for a load/store word. Bifrost: one step a clause;
    its message leaves when the clause has issued. Others: one step an instruction, at the distance
    that the results it needs dictate.
    """
    rules = _Rules(lowered)
    blocks = [rules.steps(code) for code in lowered.blocks]
    home = _message_homes(blocks)
    ties = {phi: value for phi, value, _ in lowered.machine.ties}
    places = _site_places(program)
    rows: list[tuple[float, int, float, float, int, bool, float]] = []
    accesses: list[tuple[int, int, int, bool, int, float]] = []
    block_start, access_start = [0], [0]
    for number, steps in enumerate(blocks):
        offsets: dict[int, int] = {}
        n_sent = 0
        for step in steps:
            back = _wait_back(step, number, n_sent, home, ties)
            rows.append(
                (
                    step.issue,
                    step.unit_class,
                    step.unit,
                    step.latency,
                    back,
                    step.is_barrier,
                    step.texture,
                )
            )
            accesses += [
                _access(op, places, offsets, rules.access_cycles(op)) for op in step.accesses
            ]
            n_sent += bool(step.accesses)
            access_start.append(len(accesses))
        block_start.append(len(rows))
    issue, kind, unit, latency, wait, barrier, texture = _columns(rows, 7)
    site, offset, size, store, space, cycles = _columns(accesses, 6)
    return Steps(
        block_start=np.array(block_start, dtype=np.int64),
        issue_cycles=np.array(issue, dtype=np.float64),
        unit_class=np.array(kind, dtype=np.int64),
        unit_cycles=np.array(unit, dtype=np.float64),
        latency=np.array(latency, dtype=np.float64),
        wait_back=np.array(wait, dtype=np.int64),
        is_barrier=np.array(barrier, dtype=np.bool_),
        texture=np.array(texture, dtype=np.float64),
        access_start=np.array(access_start, dtype=np.int64),
        site=np.array(site, dtype=np.int64),
        offset=np.array(offset, dtype=np.int64),
        access_bytes=np.array(size, dtype=np.int64),
        is_store=np.array(store, dtype=np.bool_),
        space=np.array(space, dtype=np.int64),
        pipe_cycles=np.array(cycles, dtype=np.float64),
    )


def _columns(rows: Sequence[tuple[object, ...]], n: int) -> list[list[object]]:
    return [[row[i] for row in rows] for i in range(n)]


class _Rules:
    """How a family turns issued items into steps."""

    def __init__(self, lowered: LoweredKernel) -> None:
        self._table = lowered.table
        self._isa = lowered.isa
        classes = sorted({pipe for pipe, _, _ in PIPES.get(self._isa, {}).values()})
        self._classes = {name: i for i, name in enumerate(classes, start=1)}

    def _rule(self, *names: str) -> float:
        for name in names:
            if name in self._table.issue:
                return float(self._table.rule(name))
        return 1.0

    def access_cycles(self, op: MicroOp) -> float:
        """Return the cycles of the load/store pipe for one message, cache effects apart."""
        if self._isa == "midgard":
            return float(access_cycles(op)) * self._rule("message_cycles")
        return op.share * self._rule("load_store_cycles", "message_cycles")

    def steps(self, code: BlockCode) -> list[_Step]:
        """Return the steps of a block."""
        if self._isa == "midgard":
            return [self._word(item) for item in code.issued if isinstance(item, Word)]
        if self._isa == "bifrost":
            return [self._clause(item) for item in code.issued if isinstance(item, Clause)]
        return self._instructions([item for item in code.issued if isinstance(item, MicroOp)])

    def _word(self, word: Word) -> _Step:
        if word.kind == "alu":
            return _Step(issue=1.0, latency=self._rule("pipe_latency_cycles"), ops=word.ops)
        is_barrier = any(op.kind == BARRIER for op in word.accesses)
        if word.kind == "tex":
            latency = 0.0 if is_barrier else self._rule("pipe_latency_cycles")
            return _Step(texture=1.0, latency=latency, is_barrier=is_barrier, ops=word.ops)
        return _Step(ops=word.ops, accesses=word.accesses)

    def _clause(self, clause: Clause) -> _Step:
        ops = clause.ops
        issue = float(len(clause.tuples))
        return _Step(
            issue=issue,
            latency=issue,
            is_barrier=any(op.kind == BARRIER for op in ops),
            texture=float(sum(op.kind == TEXTURE for op in ops)),
            ops=ops,
            accesses=[op for op in ops if op.kind in _ACCESSES],
        )

    def _instructions(self, ops: Sequence[MicroOp]) -> list[_Step]:
        """Issue in order; an instruction waits for the fixed-latency results it reads."""
        slot = 1.0 / self._rule("dual_issue")
        step = self._rule("instruction_latency_cycles")
        ready: dict[int, float] = {}
        now, times, steps = 0.0, [], []
        for op in ops:
            pipe, _, is_wide = PIPES[self._isa][op.unit]
            issues = op.share * (self._rule("wide_issue_cycles") if is_wide else 1.0)
            now = max([now, *(ready.get(n, 0.0) for n in (*op.reads, *op.staging))])
            times.append(now)
            cycles = issues * unit_cycles(op, self._table)
            latency = step
            if op.unit.startswith("SFU"):
                latency = self._rule("sfu_latency_cycles", "instruction_latency_cycles")
            elif op.name in ("icmp", "fcmp"):
                latency = self._rule("predicate_latency_cycles", "instruction_latency_cycles")
            if op.kind not in _RESULTS:
                ready.update(dict.fromkeys(op.writes, now + latency))
            shared = pipe in ("load_store", "texture")
            steps.append(
                _Step(
                    issue=slot * issues,
                    unit_class=0 if shared else self._classes[pipe],
                    unit=0.0 if shared else cycles,
                    is_barrier=op.kind == BARRIER,
                    texture=float(op.kind == TEXTURE),
                    ops=(op,),
                    accesses=[op] if op.kind in _ACCESSES else [],
                )
            )
            now += slot * issues
        for item, this, following in zip(steps, times, [*times, now][1:], strict=True):
            item.latency = max(0.0, following - this)
        return steps


def _message_homes(blocks: Sequence[Sequence[_Step]]) -> dict[int, tuple[int, int]]:
    """Return register -> (block, number of the message in its block) that brings its value."""
    home = {}
    for number, steps in enumerate(blocks):
        n_sent = 0
        for step in steps:
            for op in step.accesses:
                if op.kind in _RESULTS:
                    home.update(dict.fromkeys(op.writes, (number, n_sent)))
            n_sent += bool(step.accesses)
    return home


def _wait_back(
    step: _Step,
    block: int,
    n_sent: int,
    home: dict[int, tuple[int, int]],
    ties: dict[int, int],
) -> int:
    """Return how many of the latest messages the step need not wait for.

    A value that a message of another block, or of an earlier iteration, brings is there once all
    messages sent before this block are done.
    """
    back = _ANY
    own = {id(op) for op in step.accesses}
    for op in step.ops:
        for register in (*op.reads, *op.staging):
            source = home.get(register) or home.get(ties.get(register, -1))
            if source is None:
                continue
            where, sent = source
            if where == block and sent < n_sent and register in home:
                back = min(back, n_sent - sent - 1)
            elif not (where == block and id(op) in own and sent >= n_sent):
                back = min(back, n_sent)
    return back


def _site_places(program: ThreadProgram) -> dict[int, int]:
    """Return IR access -> place of its address among those of its block, or UNKNOWN_SITE."""
    places = {int(site): UNKNOWN_SITE for site in program.sites["instruction"]}
    for members in program.block_sites:
        for place, site in enumerate(members):
            places[int(program.sites["instruction"][site])] = place
    return places


def _access(
    op: MicroOp, places: dict[int, int], offsets: dict[int, int], cycles: float
) -> tuple[int, int, int, bool, int, float]:
    """Return the access of a message; the parts of a wide IR access follow each other."""
    offset = offsets.get(op.instruction, 0)
    offsets[op.instruction] = offset + op.bytes
    site = NO_SITE if op.instruction < 0 else places.get(op.instruction, NO_CACHE)
    space = _SPACES.get(op.space, 0)
    return (site, offset, max(1, op.bytes), op.kind == STORE, space, cycles)
