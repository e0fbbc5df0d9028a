"""Whether a launch may be counted by a slice: proven, or a proof of another launch repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from gpusim.count.executions import NoClosedFormError, block_executions
from gpusim.count.pieces import Axis, cut_axes
from gpusim.count.plan import Plan
from gpusim.count.planner import plan_kernel
from gpusim.count.prover import Prover
from gpusim.count.recording import Recorder, TooLongError
from gpusim.count.slice import Ids, Kinds, Tables, cell_points, tables

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR

_MAX_PROOF_CELLS = 64
"""Boxes that a proof may be split into."""
_MAX_ROUNDS = 1 << 48
"""Loop iterations of a launch; above it counts of instructions might not fit 64 bits. A slice
takes no longer for more rounds, so it has to look before it counts."""
_MAX_PLANS = 4096
_MAX_RECORDINGS = 8
"""Per kernel that are tried; the one that fitted last first."""
_MAX_RECORDED = 32
"""Per kernel in all; whose launches differ that much is proven anew each time."""

_MAX_PROOFS = 20_000
_LEAST_SIZE = (*(1,) * 6, *(0,) * 6, *(1,) * 9, *(0,) * 3, 1)
"""Of each of the 25 words of an NDRange: sizes and numbers of groups are positive."""

_plans: dict[str, Plan] = {}
_proofs: dict[tuple[object, ...], LaunchProof] = {}
"""By everything that a proof depends on; the plans they name are kept in `_plans`."""


def plan_of(kernel: KernelIR) -> Plan:
    """Return the kernel's plan, made once."""
    key = kernel.key or kernel.text
    plan = _plans.get(key)
    if plan is None:
        if len(_plans) >= _MAX_PLANS:
            _plans.clear()
            _proofs.clear()
        plan = _plans[key] = plan_kernel(kernel)
    return plan


@dataclass(slots=True)
class LaunchProof:
    """What is known about one launch before it runs."""

    plan: Plan
    refusal: str
    """Why it must be counted in full; empty when a slice is valid."""
    axes: tuple[Axis, Axis, Axis] | None = None
    """The NDRange in boxes; None when every work-item along the axes that matter must run."""
    tables: Tables | None = None
    """Where all boxes have counts in closed form."""
    group_runs: Kinds = ()
    """Of the axes."""


def prove_launch(
    kernel: KernelIR,
    arguments: list[int | None],
    sizes: list[int],
    root_bytes: dict[str, int],
    base_align: int,
) -> LaunchProof:
    """Prove that a launch stays inside its buffers, and cut its NDRange.

    Parameters
    ----------
    kernel : KernelIR
        The kernel.
    arguments : list
        By-value integers as signed numbers; None for everything else.
    sizes : list of int
        The 25 words of the NDRange (`layout`).
    root_bytes : dict
        Size of what each pointer argument ``aN`` points to.
    base_align : int
        Alignment that all pointer arguments have at least.
    """
    plan = plan_of(kernel)
    if plan.refusal:
        return LaunchProof(plan, plan.refusal)
    roots = tuple(root_bytes.values())
    key = (id(plan), tuple(arguments), tuple(sizes), roots, base_align)
    proof = _proofs.get(key)
    if proof is None:
        proof = _repeated_proof(plan, arguments, sizes, roots, base_align)
        if proof is None:
            proof = _new_proof(plan, arguments, sizes, root_bytes, base_align)
        if len(_proofs) >= _MAX_PROOFS:
            _proofs.clear()
        _proofs[key] = proof
    return proof


@dataclass(frozen=True, slots=True)
class Recording:
    """A proof that other launches may repeat, and the constant parts of its result."""

    base_align: int
    replay: Callable[..., Any]
    """(arguments, sizes, bytes of roots) -> cells, kinds and counts of groups, classes."""
    is_cut: bool
    ids: Ids | None


def _repeated_proof(
    plan: Plan,
    arguments: list[int | None],
    sizes: list[int],
    roots: tuple[int, ...],
    base_align: int,
) -> LaunchProof | None:
    """Return a proof that was recorded for another launch and holds for this one too."""
    recordings: list[Recording] = plan.recordings
    for place, recording in enumerate(recordings):
        if recording.base_align > base_align:
            continue
        result = recording.replay(arguments, sizes, roots)
        if result is None:
            continue
        if place:
            recordings.insert(0, recordings.pop(place))
        if not recording.is_cut:
            return LaunchProof(plan, "")
        if recording.ids is not None:
            return LaunchProof(plan, "", None, Tables(result[1], recording.ids), result[0])
        axes = tuple(Axis(cells, (), kinds, runs) for cells, kinds, runs in result)
        return LaunchProof(plan, "", axes)  # type: ignore[arg-type]
    return None


def _new_proof(
    plan: Plan,
    arguments: list[int | None],
    sizes: list[int],
    root_bytes: dict[str, int],
    base_align: int,
) -> LaunchProof:
    """Prove a launch; from the second of a kernel on, note how."""
    plan.n_proven += 1
    if plan.n_proven < 2 or plan.n_recorded >= _MAX_RECORDED:
        return _prove(plan, arguments, sizes, root_bytes, base_align)
    recorder = Recorder()
    try:
        proof = _prove(
            plan,
            [None if a is None else recorder.input(f"A[{i}]", a) for i, a in enumerate(arguments)],
            [recorder.input(f"S[{i}]", n, _LEAST_SIZE[i]) for i, n in enumerate(sizes)],
            {
                name: recorder.input(f"R[{i}]", n, 0)
                for i, (name, n) in enumerate(root_bytes.items())
            },
            base_align,
        )
        if proof.refusal:
            return LaunchProof(plan, proof.refusal)
        plan.n_recorded += 1
        plan.recordings.insert(0, _recording(recorder, proof, base_align))
        del plan.recordings[_MAX_RECORDINGS:]
    except TooLongError:
        plan.n_recorded = _MAX_RECORDED
    return _prove(plan, arguments, sizes, root_bytes, base_align)


def _recording(recorder: Recorder, proof: LaunchProof, base_align: int) -> Recording:
    if proof.tables is not None:
        result: Any = (proof.group_runs, proof.tables.classes)
        return Recording(base_align, recorder.function(result), True, proof.tables.ids)
    if proof.axes is not None:
        result = tuple((axis.cells, axis.group_classes, axis.group_runs) for axis in proof.axes)
        return Recording(base_align, recorder.function(result), True, None)
    return Recording(base_align, recorder.function(()), False, None)


def _prove(
    plan: Plan,
    arguments: list[int | None],
    sizes: list[int],
    root_bytes: dict[str, int],
    base_align: int,
) -> LaunchProof:
    prover = Prover(plan, arguments, sizes, root_bytes, base_align)
    if not prover.is_bounded():
        return LaunchProof(plan, "a loop's number of iterations has no known bound")
    if prover.most_rounds() * prod(sizes[:6]) >= _MAX_ROUNDS:
        return LaunchProof(plan, f"its loops may run more than {_MAX_ROUNDS} rounds")
    axes = cut_axes(prover, sizes[:6])
    unproven = prover.first_unproven()
    if axes is None:
        return LaunchProof(plan, f"not proven in bounds: {unproven}" if unproven else "")
    if len(axes[0].cells) * len(axes[1].cells) * len(axes[2].cells) > _MAX_PROOF_CELLS:
        refusal = "not proven in bounds: too many cases" if unproven else ""
        return LaunchProof(plan, refusal, axes)
    cells = _cells(prover, axes)
    if unproven:
        unproven = _prove_by_cells(cells)
    if unproven:
        return LaunchProof(plan, f"not proven in bounds: {unproven}")
    try:
        rows = [block_executions(cell) for cell in cells]
    except NoClosedFormError:
        return LaunchProof(plan, "", axes)
    group_runs = tuple(axis.group_runs for axis in axes)
    return LaunchProof(plan, "", axes, tables(axes, rows), group_runs)


def _prove_by_cells(cells: list[Prover]) -> str:
    return next((unproven for cell in cells if (unproven := cell.first_unproven())), "")


def _cells(prover: Prover, axes: tuple[Axis, Axis, Axis]) -> list[Prover]:
    """Return provers for the cells of an NDRange, x fastest."""
    ranges = product(axes[2].ranges, axes[1].ranges, axes[0].ranges)
    points = (dict(enumerate(point)) for point in cell_points(axes))
    return [
        prover.restrict(x | y | z, point) for (z, y, x), point in zip(ranges, points, strict=True)
    ]


def value_argument(data: bytes) -> int | None:
    """Return a by-value argument as a signed integer; None for vectors and structures."""
    return int.from_bytes(data, "little", signed=True) if len(data) in (1, 2, 4, 8) else None
