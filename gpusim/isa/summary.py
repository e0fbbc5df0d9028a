"""Costs of a lowered kernel by loop, by block and by source line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpusim.isa.backend import BlockCode, LoweredKernel, issue_order
from gpusim.isa.machine import BARRIER, BRANCH, MicroOp

_SPILL = "spill"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopCost:
    """One iteration of a loop in steady state: its own blocks, inner loops excluded."""

    depth: int
    header: int
    blocks: tuple[int, ...]
    line: int
    per_iteration: dict[str, float]


def loop_costs(lowered: LoweredKernel) -> list[LoopCost]:
    """Return what one iteration of each loop costs, loops in source order.

    Parameters
    ----------
    lowered : LoweredKernel
        A kernel after :func:`gpusim.isa.lower_kernel`.

    Returns
    -------
    list of LoopCost
        Every own block counts once: the cost of an iteration that takes all of them, as a warp
        whose lanes disagree does.
    """
    view = lowered.view
    result = []
    for index, loop in enumerate(view.kernel.loops):
        own = tuple(block for block in loop.blocks if view.innermost_loop[block] == index)
        lines = [view.line[i] for block in loop.blocks for i in view.members[block]]
        result.append(
            LoopCost(
                depth=loop.depth,
                header=loop.header,
                blocks=own,
                line=min((line for line in lines if line > 0), default=0),
                per_iteration=_sum([block_cost(lowered, block) for block in own]),
            )
        )
    return sorted(result, key=lambda cost: (cost.line, cost.header))


def block_cost(lowered: LoweredKernel, block: int) -> dict[str, float]:
    """Return the figures of one block under the names of the machine output."""
    code: BlockCode = lowered.blocks[block]
    ops = issue_order(code)
    n_spills = sum(op.name.startswith(_SPILL) for op in ops)
    cost: dict[str, float] = {
        lowered.unit: code.units,
        "issue_cycles": code.issue_cycles,
        "clauses": code.clauses,
        "messages": _messages(lowered.isa, code) - n_spills,
        **code.pipes,
        "arithmetic_instructions": code.arithmetic_instructions,
        "load_store": code.messages,
        "load_store_cycles": code.load_store_cycles,
        "texture": code.texture,
        "barriers": code.barriers,
        "branches": sum(op.kind == BRANCH for op in ops),
        "spills": n_spills,
        "latency_cycles": code.latency_cycles,
    }
    if lowered.isa != "bifrost":
        del cost["clauses"]
    return {name: _tidy(value) for name, value in cost.items()}


def _messages(isa: str, code: BlockCode) -> float:
    """Return what leaves for a shared unit: on Bifrost barriers do, on Midgard only accesses."""
    if isa == "bifrost":
        return code.messages + code.texture + code.barriers
    return code.messages if isa == "midgard" else code.messages + code.texture


def bound(cost: dict[str, float], pipes: int, load_store_per_cycle: float) -> str:
    """Return which pipe of a core limits code of this cost when enough work is resident.

    Parameters
    ----------
    cost : dict
        As :func:`block_cost` gives it.
    pipes : int
        Arithmetic pipes (engines, schedulers) of a core.
    load_store_per_cycle : float
        Load/store operations a core starts per cycle.

    Returns
    -------
    str
        ``arithmetic``, ``load_store``, ``texture``, or empty for a block that does nothing.
    """
    cycles = {
        "arithmetic": cost["issue_cycles"] / pipes,
        "load_store": cost["load_store_cycles"] / load_store_per_cycle,
        "texture": cost["texture"],
    }
    name = max(cycles, key=lambda key: cycles[key])
    return name if cycles[name] > 0 else ""


def line_costs(lowered: LoweredKernel) -> list[tuple[int, dict[str, int]]]:
    """Return the operations per source line and pipe, lines in order.

    Returns
    -------
    list of (int, dict)
        Line number (0 = not attributable) and operations per pipe name.
    """
    lines: dict[int, dict[str, int]] = {}
    for code in lowered.blocks:
        for op in issue_order(code):
            row = lines.setdefault(op.line, {})
            pipe = pipe_name(op)
            row[pipe] = row.get(pipe, 0) + 1
    return sorted(lines.items())


def pipe_name(op: MicroOp) -> str:
    """Return the pipe column that an operation counts in."""
    if op.kind in (BRANCH, BARRIER, "load", "store", "atomic", "texture"):
        return {"branch": "branch", "barrier": "barrier", "texture": "texture"}.get(
            op.kind, "load/store"
        )
    return op.unit


def as_dict(lowered: LoweredKernel, pipes: int, load_store_per_cycle: float) -> dict[str, Any]:
    """Return the machine-readable form of a lowered kernel."""
    view = lowered.view
    blocks = []
    for index, name in enumerate(view.kernel.block_names):
        cost = block_cost(lowered, index)
        lines = sorted({view.line[i] for i in view.members[index] if view.line[i] > 0})
        blocks.append(
            {
                "index": index,
                "name": name,
                "loop": view.innermost_loop[index],
                "lines": lines,
                "bound": bound(cost, pipes, load_store_per_cycle),
                **cost,
            }
        )
    return {
        "kernel": view.kernel.name,
        "isa": lowered.isa,
        "unit": lowered.unit,
        "per": "work-item" if lowered.isa == "midgard" else "warp",
        "registers": lowered.registers,
        "threads_per_core": lowered.threads_per_core,
        "spills": lowered.spills,
        "loops": [
            {
                "depth": cost.depth,
                "line": cost.line,
                "bound": bound(cost.per_iteration, pipes, load_store_per_cycle),
                "per_iteration": cost.per_iteration,
                "blocks": list(cost.blocks),
            }
            for cost in loop_costs(lowered)
        ],
        "blocks": blocks,
    }


def _sum(costs: list[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for cost in costs:
        for name, value in cost.items():
            total[name] = total.get(name, 0) + value
    return {name: _tidy(value) for name, value in total.items()}


def _tidy(value: float) -> float:
    """Return whole numbers as integers, for readers of JSON."""
    return int(value) if value == int(value) else value
