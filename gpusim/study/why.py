"""The causal difference between two launches or two runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpusim.device import DeviceSpec, load_device
from gpusim.errors import DeviceError, TraceError, located
from gpusim.pipeline import prepare
from gpusim.report.report import Failure, LaunchRow, Report, summarise
from gpusim.study.attribution import Attribution, attribute, n_runs
from gpusim.study.mechanisms import MECHANISMS
from gpusim.timing import simulate
from gpusim.trace import Trace, load_trace

FIDELITIES = ("analytic", "wave")
"""Models that take a cost of zero and a rate beyond measure; one that steps through cycles and
cache lines has no use for a cache of a tebibyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two things compared."""

    trace: str
    device: str
    launch: int | None
    """Index of the launch compared; None = the whole run."""
    time_ps: int
    warp_width: int
    report: Report = field(repr=False)

    @property
    def label(self) -> str:
        """Trace, launch and device, as typed."""
        launch = "" if self.launch is None else f"#{self.launch}"
        return f"{self.trace}{launch} on {self.device}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one mechanism has to do with the difference."""

    name: str
    words: str
    alone_a_ps: int
    """Time that A saves when this alone is switched off."""
    alone_b_ps: int
    contribution_ps: int
    """Its part of B - A; see :mod:`gpusim.study.attribution`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A launch of A and its counterpart in B, or one that has none."""

    kernel: str
    a: LaunchRow | None
    b: LaunchRow | None
    contributions_ps: Mapping[str, int]
    remainder_ps: int

    @property
    def a_ps(self) -> int:
        """Time in A; 0 if it is not there."""
        return 0 if self.a is None else self.a.predicted_ps

    @property
    def b_ps(self) -> int:
        """Time in B; 0 if it is not there."""
        return 0 if self.b is None else self.b.predicted_ps

    @property
    def difference_ps(self) -> int:
        """B - A; the contributions and the remainder add up to it."""
        return self.b_ps - self.a_ps


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Why B takes longer than A, or less."""

    a: Side
    b: Side
    effects: tuple[Effect, ...]
    """In the order of `MECHANISMS`."""
    remainder_ps: int
    """Part of the difference that stays with every mechanism switched off, and rounding."""
    pairs: tuple[Pair, ...]
    between_a_ps: int
    """Of a whole run: time in which no launch is on the GPU; 0 for a launch."""
    between_b_ps: int
    failures: tuple[tuple[str, Failure], ...]
    """Side (``A``, ``B``) and launch that could not be replayed."""

    @property
    def difference_ps(self) -> int:
        """B - A; the contributions of the effects and the remainder add up to it."""
        return self.b.time_ps - self.a.time_ps

    @property
    def interaction_ps(self) -> int:
        """Part of the difference that no mechanism explains by itself."""
        return self.difference_ps - sum(e.alone_b_ps - e.alone_a_ps for e in self.effects)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    side: Side
    shares: Attribution
    position: dict[int, int]
    """Launch index -> column of the attribution."""
    failures: list[Failure]

    def share(self, column: int, name: str) -> int:
        """Return twice the share of a mechanism."""
        return int(self.shares.twice_shared[name][column])


def explain(
    a: Trace | str | Path,
    b: Trace | str | Path,
    device: DeviceSpec | str,
    device_b: DeviceSpec | str | None = None,
    *,
    launch_a: int | None = None,
    launch_b: int | None = None,
    fidelity: str = "wave",
    on_progress: Callable[[int, int], None] | None = None,
) -> Difference:
    """Explain why B takes longer, or less, than A.

    Parameters
    ----------
    a, b : Trace, str or Path
    device : DeviceSpec or str
        Of A, and of B unless `device_b` is given.
    device_b : DeviceSpec or str, optional
    launch_a, launch_b : int, optional
        Compare these two launches, as they run within their programs; both or neither.
    fidelity : str
        ``analytic`` or ``wave``.
    on_progress : callable, optional
        Called with (simulations done, simulations in all).

    Returns
    -------
    Difference

    Raises
    ------
    TraceError
        If a launch does not exist or could not be replayed.
    DeviceError
        If the fidelity is not one of `FIDELITIES`.
    """
    if fidelity not in FIDELITIES:
        raise DeviceError(
            located(
                "fidelity",
                "mechanisms can be switched off in the closed models only",
                expected=" or ".join(FIDELITIES),
                found=fidelity,
            )
        )
    if (launch_a is None) != (launch_b is None):
        given = f"A#{launch_a}" if launch_b is None else f"B#{launch_b}"
        raise TraceError(
            located("launches", "one side names a launch", expected="both or neither", found=given)
        )
    total, done = 2 * n_runs(), 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, total)

    runs = [
        _run(trace, model, launch, fidelity, step)
        for trace, model, launch in (
            (a, device, launch_a),
            (b, device if device_b is None else device_b, launch_b),
        )
    ]
    return _difference(*runs)


def _run(
    trace: Trace | str | Path,
    device: DeviceSpec | str,
    launch: int | None,
    fidelity: str,
    step: Callable[[], None],
) -> _Run:
    trace = trace if isinstance(trace, Trace) else load_trace(trace)
    device = device if isinstance(device, DeviceSpec) else load_device(device)
    prepared, failures = prepare(trace, device)
    works = tuple(prepared)
    name = Path(trace.name).name
    position = {work.launch.index: k for k, work in enumerate(works, start=1)}
    if launch is not None and launch not in position:
        reason = next((row.reason for row in failures if row.launch == launch), None)
        last = max((row.index for row in trace.launches), default=-1)
        raise TraceError(
            reason or located(name, "no such launch", expected=f"0 to {last}", found=launch)
        )
    timeline = simulate(device, works, commands=trace.commands, fidelity=fidelity)
    report = summarise(name, device, works, timeline, failures)
    shares = attribute(device, works, trace.commands, fidelity=fidelity, on_run=step)
    column = 0 if launch is None else position[launch]
    side = Side(
        trace=name,
        device=device.id,
        launch=launch,
        time_ps=int(shares.base[column]),
        warp_width=int(device.core.warp_width.value),
        report=report,
    )
    return _Run(side=side, shares=shares, position=position, failures=failures)


def _difference(a: _Run, b: _Run) -> Difference:
    columns = (_column(a), _column(b))
    effects = []
    for mechanism in MECHANISMS:
        name = mechanism.name
        effects.append(
            Effect(
                name=name,
                words=mechanism.words,
                alone_a_ps=int(a.shares.alone[name][columns[0]]),
                alone_b_ps=int(b.shares.alone[name][columns[1]]),
                contribution_ps=_contribution(a, b, columns, name),
            )
        )
    difference = b.side.time_ps - a.side.time_ps
    whole = a.side.launch is None
    return Difference(
        a=a.side,
        b=b.side,
        effects=tuple(effects),
        remainder_ps=difference - sum(effect.contribution_ps for effect in effects),
        pairs=tuple(_pair(a, b, x, y) for x, y in _matched(a.side, b.side)),
        between_a_ps=_between(a) if whole else 0,
        between_b_ps=_between(b) if whole else 0,
        failures=tuple([("A", row) for row in a.failures] + [("B", row) for row in b.failures]),
    )


def _column(run: _Run) -> int:
    return 0 if run.side.launch is None else run.position[run.side.launch]


def _contribution(a: _Run, b: _Run, columns: tuple[int | None, int | None], name: str) -> int:
    """Return a mechanism's part of B - A in whole ps; a side without a column counts as 0."""
    column_a, column_b = columns
    twice = 0 if column_b is None else b.share(column_b, name)
    twice -= 0 if column_a is None else a.share(column_a, name)
    return twice // 2


def _between(run: _Run) -> int:
    return int(run.shares.base[0] - run.shares.base[1:].sum())


def _matched(a: Side, b: Side) -> list[tuple[LaunchRow | None, LaunchRow | None]]:
    """Return launches of equal kernel name, the first with the first and so on, then the rest."""
    if a.launch is not None:
        return [(_launch(a), _launch(b))]
    waiting: dict[str, list[LaunchRow]] = {}
    for row in b.report.launches:
        waiting.setdefault(row.kernel, []).append(row)
    pairs: list[tuple[LaunchRow | None, LaunchRow | None]] = []
    for row in a.report.launches:
        others = waiting.get(row.kernel)
        pairs.append((row, others.pop(0) if others else None))
    left = [row for rows in waiting.values() for row in rows]
    return pairs + [(None, row) for row in sorted(left, key=lambda row: row.index)]


def _launch(side: Side) -> LaunchRow:
    return next(row for row in side.report.launches if row.index == side.launch)


def _pair(a: _Run, b: _Run, row_a: LaunchRow | None, row_b: LaunchRow | None) -> Pair:
    columns = (
        None if row_a is None else a.position[row_a.index],
        None if row_b is None else b.position[row_b.index],
    )
    contributions = {m.name: _contribution(a, b, columns, m.name) for m in MECHANISMS}
    kernels = dict.fromkeys(row.kernel for row in (row_a, row_b) if row is not None)
    times = [0 if row is None else row.predicted_ps for row in (row_a, row_b)]
    return Pair(
        kernel=" / ".join(kernels),
        a=row_a,
        b=row_b,
        contributions_ps=contributions,
        remainder_ps=times[1] - times[0] - sum(contributions.values()),
    )


def as_json(difference: Difference, chain: Sequence[str]) -> dict[str, Any]:
    """Return what ``gpusim why --json`` prints; all times in ps."""
    return {
        "a": _side_json(difference.a),
        "b": _side_json(difference.b),
        "difference_ps": difference.difference_ps,
        "chain": list(chain),
        "mechanisms": [
            {
                "name": effect.name,
                "words": effect.words,
                "alone_a_ps": effect.alone_a_ps,
                "alone_b_ps": effect.alone_b_ps,
                "contribution_ps": effect.contribution_ps,
            }
            for effect in difference.effects
        ],
        "remainder_ps": difference.remainder_ps,
        "interaction_ps": difference.interaction_ps,
        "between_launches": {"a_ps": difference.between_a_ps, "b_ps": difference.between_b_ps},
        "launches": [_pair_json(pair) for pair in difference.pairs],
        "failures": [
            {"side": side, "index": row.launch, "kernel": row.kernel, "reason": row.reason}
            for side, row in difference.failures
        ],
    }


def _side_json(side: Side) -> dict[str, Any]:
    return {
        "trace": side.trace,
        "device": side.device,
        "launch": side.launch,
        "time_ps": side.time_ps,
        "evidence": dict(side.report.evidence),
    }


def _pair_json(pair: Pair) -> dict[str, Any]:
    return {
        "kernel": pair.kernel,
        "a": _launch_json(pair.a),
        "b": _launch_json(pair.b),
        "difference_ps": pair.difference_ps,
        "contributions_ps": dict(pair.contributions_ps),
        "remainder_ps": pair.remainder_ps,
    }


def _launch_json(row: LaunchRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "index": row.index,
        "global": list(row.global_size),
        "local": None if row.local_size is None else list(row.local_size),
        "time_ps": row.predicted_ps,
        "jobs": [
            {
                "global": list(job.global_size),
                "local": list(job.local_size),
                "work_groups": job.work_groups,
                "time_ps": job.duration_ps,
                "bound": job.bound,
                "bounds_ps": dict(job.bounds_ps),
            }
            for job in row.jobs
        ],
    }
