"""Predict traces in worker processes: one task a set of equivalent programs, one answer each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial

from gpusim.device import DeviceSpec, load_device
from gpusim.errors import GpusimError
from gpusim.pipeline import prepare
from gpusim.trace.records import Trace
from gpusim.validation.roofline import roofline_ps
from gpusim.validation.timed import Timed, Timing, timed

_PS_PER_MS = 10**9
_CHUNK = 4

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Programs of which the fastest counts, and how their time is taken."""

    traces: tuple[Trace, ...]
    timing: Timing = Timing.BACK_TO_BACK
    extra_ps: int = 0
    """On top of a repetition: what its measuring session costs more than others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a task."""

    simulated_ms: float | None = None
    reason: str = ""
    """Why there is no prediction."""
    roofline_ms: float | None = None
    """The crude roofline of the same program, see :mod:`gpusim.validation.roofline`."""
    bounds_ms: dict[str, float] = field(default_factory=dict)
    """Bound -> time of the jobs if only that bound existed, summed over jobs."""
    evidence: dict[str, int] = field(default_factory=dict)
    """Kind of figure -> number used."""
    weak_figures: tuple[str, ...] = ()
    """Paths of the fitted and assumed figures used."""


def predict_all(
    tasks: Sequence[Task],
    device: DeviceSpec | str,
    fidelity: str,
    *,
    workers: int,
    on_progress: OnProgress | None = None,
) -> list[Outcome]:
    """Predict every task; the result does not depend on the number of workers.

    Raises
    ------
    GpusimError
        When a worker process dies (killed, or out of memory).
    """
    predict = partial(predict_task, device=device, fidelity=fidelity)
    outcomes: list[Outcome] = []
    if workers <= 1 or len(tasks) == 1:
        for task in tasks:
            outcomes.append(predict(task))
            _report(on_progress, len(outcomes), len(tasks))
        return outcomes
    try:
        with ProcessPoolExecutor(workers) as pool:
            for outcome in pool.map(predict, tasks, chunksize=_CHUNK):
                outcomes.append(outcome)
                _report(on_progress, len(outcomes), len(tasks))
    except BrokenProcessPool as error:
        done = f"after {len(outcomes)} of {len(tasks)} predictions"
        raise GpusimError(f"a worker process died {done}: out of memory or killed") from error
    return outcomes


def _report(on_progress: OnProgress | None, done: int, total: int) -> None:
    if on_progress is not None:
        on_progress(done, total)


def predict_task(task: Task, *, device: DeviceSpec | str, fidelity: str) -> Outcome:
    """Return the prediction of one task; a failure is an outcome with its reason."""
    try:
        spec = device if isinstance(device, DeviceSpec) else load_device(device)
        # Equal times: the first counts, so that the answer is reproducible.
        best = min(
            (_predict(trace, spec, task.timing, fidelity) for trace in task.traces),
            key=lambda pair: pair[0].time_ps,
        )
    except GpusimError as error:
        return Outcome(reason=str(error))
    except Exception as error:
        # A bug of ours in one record must not take the others with it.
        return Outcome(reason=f"internal error: {type(error).__name__}: {error}")
    result, roofline = best
    return Outcome(
        simulated_ms=(result.time_ps + task.extra_ps) / _PS_PER_MS,
        roofline_ms=roofline / _PS_PER_MS,
        bounds_ms={name: value / _PS_PER_MS for name, value in result.bounds_ps.items()},
        evidence=result.evidence,
        weak_figures=result.weak_figures,
    )


def _predict(
    trace: Trace, device: DeviceSpec, timing: Timing, fidelity: str
) -> tuple[Timed, float]:
    works, failures = prepare(trace, device)
    if failures:
        raise GpusimError(failures[0].reason)
    return timed(device, works, timing, fidelity), roofline_ps(device, works)
