"""Kernel name of a measured row -> our own kernel, its NDRange, and how its time was taken.

=======================================  =====================================  ==================
``kernel`` of the row                    kernel of :mod:`gpusim.library.hand`   timed by
=======================================  =====================================  ==================
``gemm_interleaved_transposed_vec4``     matrix product by 4x4 blocks           enqueue and finish
``mat_interleave_vec4``                  row blocks of A                        enqueue and finish
``mat_trans_vec4``                       column blocks of B                     enqueue and finish
``global_bandwidth_vecW``                copy of one W-vector per work-item     enqueue and finish
``clpeak/global_memory_bandwidth/T``     16 reads, both strides, better counts  back to back
``clpeak/*_compute/T``                   chain of 4096 operations               back to back
``clpeak/kernel_launch_latency``         one small work-group per core          event, START-QUEUED
=======================================  =====================================  ==================

A row whose kernel is not here is a failure with its reason, never left out. A row that states its
own timing (``params.timing``: ``event`` or ``latency``, as ``gpusim measure`` writes) is simulated
that way instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gpusim.device import DeviceSpec
from gpusim.errors import TraceError, located
from gpusim.library.hand import (
    HandLaunch,
    element_type,
    plan_copy,
    plan_gemm,
    plan_interleave,
    plan_latency_probe,
    plan_peak_compute,
    plan_peak_read,
    plan_transpose,
)
from gpusim.validation.measured_rows import RATE_UNITS, TIME_UNITS_MS, MeasuredRow, parse_size
from gpusim.validation.timed import Timing

_MATRIX = {"gemm_interleaved_transposed_vec4", "mat_interleave_vec4", "mat_trans_vec4"}
_COMPUTE = {
    "single-precision_compute": "float",
    "half-precision_compute": "half",
    "double-precision_compute": "double",
    "integer_compute": "int",
}


_STATED = {"event": Timing.EVENT, "latency": Timing.LATENCY}
"""``params.timing`` of a row -> how its time was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A measured row as something to simulate."""

    key: tuple[object, ...]
    """Rows with equal keys have equal predictions."""
    alternatives: tuple[HandLaunch, ...]
    """The fastest counts."""
    timing: Timing
    template: str
    """What the row is reported under: the kernel's name without the vector width."""
    dtype: str

    def amount(self, unit: str) -> float | None:
        """Return what a rate counts (operations or bytes); None for a unit of time."""
        if unit in TIME_UNITS_MS:
            return None
        launch = self.alternatives[0]
        return float(launch.moved_bytes if unit.upper().startswith("GB") else launch.operations)


def case_of(row: MeasuredRow, device: DeviceSpec) -> Case:
    """Return what to simulate for a measured row.

    Raises
    ------
    TraceError
        When we have no such kernel, or the row contradicts the kernel's launch rule.
    """
    where = row.kernel
    if row.unit not in TIME_UNITS_MS and row.unit.upper() not in RATE_UNITS:
        known = ", ".join([*TIME_UNITS_MS, *RATE_UNITS])
        raise TraceError(located(where, "unknown unit", expected=known, found=row.unit))
    if row.kernel in _MATRIX:
        case = _matrix_case(row, where)
    elif match := re.fullmatch(r"global_bandwidth_vec(1|2|4|8|16)", row.kernel):
        case = _copy_case(row, int(match[1]), where)
    elif row.kernel.startswith("clpeak/"):
        case = _peak_case(row, device, where)
    else:
        raise TraceError(located(where, "no kernel of ours by that name"))
    case = _as_stated(row, case, where)
    _check_global_size(row, case, where)
    if case.amount(row.unit) == 0:
        raise TraceError(located(where, "this kernel has no such rate", found=row.unit))
    return case


def _as_stated(row: MeasuredRow, case: Case, where: str) -> Case:
    """Return the case with the timing that the row itself states, if it does."""
    stated = row.params.get("timing")
    if stated is None:
        return case
    if stated not in _STATED:
        expected = ", ".join(_STATED)
        raise TraceError(
            located(f"{where}: params.timing", "unknown", expected=expected, found=stated)
        )
    return replace(case, timing=_STATED[stated], key=(*case.key, stated))


def _matrix_case(row: MeasuredRow, where: str) -> Case:
    scalar = _option(row, "CL_INPUT_TYPE") or "float"
    kind = element_type(scalar)
    local = parse_size(row.local_size, f"{where}: local_size")
    extents = _extents(row, "MNK", 3 if row.kernel.startswith("gemm") else 2, where)
    if row.kernel == "gemm_interleaved_transposed_vec4":
        planned = plan_gemm(extents[0], extents[1], extents[2], kind, local)
    elif row.kernel == "mat_interleave_vec4":
        planned = plan_interleave(extents[0], extents[1], kind, local)
    else:
        planned = plan_transpose(extents[0], extents[1], kind, local)
    return Case(
        key=(row.kernel, extents, scalar, local),
        alternatives=(planned,),
        timing=Timing.WALL_CLOCK,
        template=row.kernel,
        dtype=scalar,
    )


def _copy_case(row: MeasuredRow, width: int, where: str) -> Case:
    default = "float" + (str(width) if width > 1 else "")
    kind = element_type(str(row.params.get("cl_elem_type", default)))
    if kind.width != width:
        raise TraceError(
            located(
                where,
                "element type contradicts the name",
                expected=f"{width} lanes",
                found=kind.name,
            )
        )
    rows, columns = _extents(row, "matrix", 2, where)
    local = parse_size(row.local_size, f"{where}: local_size")
    return Case(
        key=(row.kernel, kind.name, rows, columns, local),
        alternatives=(plan_copy(rows * columns, kind, local),),
        timing=Timing.WALL_CLOCK,
        template="global_bandwidth",
        dtype=kind.scalar,
    )


def _peak_case(row: MeasuredRow, device: DeviceSpec, where: str) -> Case:
    _, test, *rest = row.kernel.split("/")
    if test == "kernel_launch_latency":
        return Case(
            key=(row.kernel,),
            alternatives=(plan_latency_probe(device),),
            timing=Timing.LATENCY,
            template=row.kernel,
            dtype="float",
        )
    if test == "global_memory_bandwidth" and rest:
        kind = element_type(rest[0])
        both = tuple(plan_peak_read(device, kind, stride=stride) for stride in ("local", "global"))
        return Case(
            key=(row.kernel,),
            alternatives=both,
            timing=Timing.BACK_TO_BACK,
            template=f"clpeak/{test}",
            dtype=kind.scalar,
        )
    if test in _COMPUTE and rest:
        kind = element_type(rest[0])
        if kind.scalar != _COMPUTE[test]:
            raise TraceError(
                located(where, "type contradicts the test", expected=_COMPUTE[test], found=rest[0])
            )
        return Case(
            key=(row.kernel,),
            alternatives=(plan_peak_compute(device, kind),),
            timing=Timing.BACK_TO_BACK,
            template=f"clpeak/{test}",
            dtype=kind.scalar,
        )
    if test == "transfer_bandwidth":
        raise TraceError(located(where, "a transfer by the host, no kernel"))
    raise TraceError(located(where, "no kernel of ours by that name"))


def _option(row: MeasuredRow, name: str) -> str | None:
    """Return the value of a macro in the row's build options."""
    match = re.search(rf"-D\s*{name}=(\S+)", str(row.params.get("build", "")))
    return match[1] if match else None


def _extents(row: MeasuredRow, name: str, n: int, where: str) -> tuple[int, ...]:
    text = str(row.params.get(name, ""))
    parts = text.split("x")
    if len(parts) != n or not all(part.strip().isdecimal() for part in parts):
        raise TraceError(
            located(
                f"{where}: params.{name}",
                "not a size",
                expected=f"{n} numbers such as 1024x1020",
                found=text,
            )
        )
    return tuple(int(part) for part in parts)


def _check_global_size(row: MeasuredRow, case: Case, where: str) -> None:
    recorded = parse_size(row.global_size, f"{where}: global_size")
    planned = case.alternatives[0].trace.launches[0].global_size
    if recorded is not None and recorded != planned:
        raise TraceError(
            located(
                where, "another NDRange than our kernel's", expected=str(planned), found=recorded
            )
        )
