"""The micro-benchmarks that a user with a new board runs, under the names of the registry.

Peak compute and read bandwidth by vector width, copies, a matrix product with its local size
swept, and the launch latency: kernels of :mod:`gpusim.library.hand`, by the definitions in
:mod:`gpusim.validation.registry`, so that the rows can be validated and calibrated with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gpusim.capture.replayer import Experiment, Wanted
from gpusim.capture.replayer.experiment import EVENT, LATENCY
from gpusim.library.hand import (
    HandLaunch,
    PeakLimits,
    TypeChoice,
    element_type,
    plan_copy,
    plan_gemm,
    plan_latency_probe,
    plan_peak_compute,
    plan_peak_read,
)
from gpusim.trace.records import Kernel, Size3

_WIDTHS = ("", "2", "4", "8", "16")
_COMPUTE = (
    ("single-precision_compute", "float", "GFLOPS"),
    ("half-precision_compute", "half", "GFLOPS"),
    ("integer_compute", "int", "GIOPS"),
)
_COPY_EDGE = 2048
_GEMM = (1024, 1024, 1020)
_GEMM_LOCALS: tuple[Size3 | None, ...] = (
    None, (1, 1, 1), (4, 1, 1), (16, 1, 1), (64, 1, 1), (1, 4, 1), (4, 4, 1), (16, 4, 1),
    (64, 4, 1), (1, 16, 1), (4, 16, 1), (16, 16, 1), (1, 64, 1), (4, 64, 1),
)  # fmt: skip


def plan_suite(
    limits: PeakLimits, *, has_half: bool = True, only: str = ""
) -> tuple[Experiment, ...]:
    """Return the experiments of the suite for a device.

    Parameters
    ----------
    limits : PeakLimits
        Of the device that will run them.
    has_half : bool
        Whether it knows fp16.
    only : str
        Keep rows whose kernel name contains this.
    """
    return tuple(
        experiment
        for experiment in _experiments(limits, has_half)
        if only in experiment.rows[0].kernel
    )


def _experiments(limits: PeakLimits, has_half: bool) -> Iterator[Experiment]:
    for test, scalar, unit in _COMPUTE:
        if scalar == "half" and not has_half:
            continue
        for width in _WIDTHS:
            kind = element_type(scalar + width)
            planned = plan_peak_compute(limits, kind)
            yield _rate(f"clpeak/{test}/{kind.name}", planned, unit, planned.operations)
    for width in _WIDTHS:
        yield _read(limits, element_type("float" + width))
    for width in _WIDTHS:
        kind = element_type("float" + width)
        planned = plan_copy(_COPY_EDGE * _COPY_EDGE, kind, None)
        params = {"cl_elem_type": kind.name, "matrix": f"{_COPY_EDGE}x{_COPY_EDGE}"}
        name = f"global_bandwidth_vec{kind.width}"
        yield _one(planned, _wanted(name, planned, "kernel_time_median", "us", params=params))
    for scalar in ("float", "half") if has_half else ("float",):
        for local in _GEMM_LOCALS:
            if local is None or local[0] * local[1] <= limits.max_group:
                yield _gemm(element_type(scalar), local)
    planned = plan_latency_probe(limits)
    row = _wanted("clpeak/kernel_launch_latency", planned, "launch_latency", "us", timing=LATENCY)
    yield replace(_one(planned, row), timing=LATENCY)


def _read(limits: PeakLimits, kind: TypeChoice) -> Experiment:
    """Return both strides as one experiment: same program and buffers, the faster counts."""
    near = plan_peak_read(limits, kind, stride="local")
    far = plan_peak_read(limits, kind, stride="global").trace.launches[0]
    name = f"clpeak/global_memory_bandwidth/{kind.name}"
    row = _wanted(name, near, "throughput", "GBPS", amount=near.moved_bytes)
    trace = replace(
        near.trace,
        kernels={**near.trace.kernels, 1: Kernel(id=1, name=far.kernel, program=0)},
        launches=(near.trace.launches[0], replace(far, index=1, seq=1, kernel_id=1)),
    )
    return Experiment(trace=trace, rows=(row,), row_of_launch=(0, 0))


def _gemm(kind: TypeChoice, local: Size3 | None) -> Experiment:
    m, n, k = _GEMM
    planned = plan_gemm(m, n, k, kind, local)
    params = {"MNK": f"{m}x{n}x{k}", "build": f"-D CL_INPUT_TYPE={kind.name}"}
    name = "gemm_interleaved_transposed_vec4"
    return _one(planned, _wanted(name, planned, "kernel_time_median", "us", params=params))


def _rate(name: str, planned: HandLaunch, unit: str, amount: float) -> Experiment:
    return _one(planned, _wanted(name, planned, "throughput", unit, amount=amount))


def _one(planned: HandLaunch, row: Wanted) -> Experiment:
    return Experiment(trace=planned.trace, rows=(row,), row_of_launch=(0,))


def _wanted(
    name: str,
    planned: HandLaunch,
    metric: str,
    unit: str,
    *,
    amount: float = 0.0,
    params: dict[str, str] | None = None,
    timing: str = EVENT,
) -> Wanted:
    launch = planned.trace.launches[0]
    return Wanted(
        kernel=name,
        params={**(params or {}), "timing": timing},
        global_size=launch.global_size,
        local_size=launch.local_size,
        metric=metric,
        unit=unit,
        amount=amount,
    )
