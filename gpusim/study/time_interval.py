"""Intervals of predicted launches, layers and networks: residuals and assumed figures together.

Where kernels like the predicted one were measured, the residuals already contain what assumed
figures do to such kernels; elsewhere both are added as independent errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpusim.device.spec import DeviceSpec
from gpusim.library.plan import Phase, PlannedLayer
from gpusim.network.layers import Layer, LayerKind
from gpusim.study.figure_spread import bound_spread, figure_spread
from gpusim.study.launch_time import TimedLaunch
from gpusim.study.time_store import TimeStore
from gpusim.trace.records import Launch, Trace
from gpusim.validation.intervals import (
    HOST,
    Interval,
    Part,
    Spread,
    Status,
    spread_of,
    template_correlation,
    total_interval,
)
from gpusim.validation.nearest import (
    CalibrationSet,
    Neighbour,
    Subject,
    calibration_set,
    launch_features,
)

if TYPE_CHECKING:
    from gpusim.report import Report

_PS_PER_MS = 10**9
_PS_PER_US = 10**6
ESTIMATE = Spread(low=-0.45, high=1.4, status=Status.UNCALIBRATED)
"""Of a layer without kernels: its estimate is a lower bound, real kernels take up to four times
as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A predicted kernel: what it is compared by, and its time with its spread."""

    subject: Subject
    part: Part
    nearest: tuple[Neighbour, ...] = ()
    """The measured kernels nearest to it; empty where nothing was measured on the device."""

    @property
    def interval(self) -> Interval:
        """80 % interval of its time."""
        return self.part.spread.of(self.part.time_ms)

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--evidence`` prints."""
        return {
            "template": self.subject.template,
            "predicted_ms": self.part.time_ms,
            **self.interval.as_json(),
            "nearest": [near.as_json() for near in self.nearest],
        }


def judge_launch(
    launch: Launch,
    trace: Trace,
    timed: TimedLaunch,
    device: DeviceSpec,
    store: TimeStore,
    *,
    dtype: str = "",
) -> Judged:
    """Return a launch's time with its spread.

    Parameters
    ----------
    launch : Launch
        Of `trace`.
    trace : Trace
    timed : TimedLaunch
        Its prediction.
    device : DeviceSpec
    store : TimeStore
        Where effects of figures are kept.
    dtype : str
        Of its data, where it is known.
    """
    subject = _subject([timed], launch.kernel, dtype)
    calibration = calibration_set(device)
    spread = spread_of(calibration, subject)
    if spread.status is not Status.INSIDE:
        spread = spread.widened(figure_spread(launch, trace, device, store))
    time_ms = timed.duration_ps / _PS_PER_MS
    return Judged(
        subject=subject,
        part=Part(template=subject.template, time_ms=time_ms, spread=spread),
        nearest=calibration.nearest(subject) if calibration else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedReplay:
    """A replay with the intervals of its times."""

    report: Report
    launches: tuple[Judged, ...]
    """In the order of the report's."""
    total: Interval
    """Of the report's total."""

    def as_json(self, *, evidence: bool = False) -> dict[str, Any]:
        """Return the object that ``gpusim replay --json`` prints."""
        document = self.report.as_json()
        for launch, one in zip(document["launches"], self.launches, strict=True):
            launch.update(one.interval.as_json())
        document.update(self.total.as_json())
        if evidence:
            document["support"] = self.support()
        return document

    def support(self) -> list[dict[str, Any]]:
        """Return per launch the measured kernels that are nearest to it."""
        return [
            {"launch": row.index, "kernels": [one.as_json()]}
            for row, one in zip(self.report.launches, self.launches, strict=True)
        ]


def judge_replay(report: Report, device: DeviceSpec) -> JudgedReplay:
    """Return a replay with the intervals of its launches and of its total.

    The launches are no longer at hand, so what assumed figures do comes from the bounds of their
    jobs instead of simulating them again.

    Parameters
    ----------
    report : Report
    device : DeviceSpec
        It was replayed on.
    """
    calibration = calibration_set(device)
    found = []
    for number, row in enumerate(report.launches):
        mine = report.timeline.jobs["launch"] == number
        totals = {
            name: int(values[mine].sum()) for name, values in report.timeline.job_totals.items()
        }
        subject = Subject(
            template=row.kernel,
            features=launch_features(
                predicted_us=row.predicted_ps / _PS_PER_US,
                work_items=totals["work_items"],
                arithmetic=totals["arithmetic_instructions"],
                dram_bytes=totals["dram_read_bytes"] + totals["dram_write_bytes"],
            ),
        )
        spread = spread_of(calibration, subject)
        if spread.status is not Status.INSIDE:
            bounds = {
                name: int(values[mine].sum())
                for name, values in report.timeline.job_bounds_ps.items()
            }
            figures = report.timeline.figures
            spread = spread.widened(bound_spread(bounds, row.predicted_ps, figures))
        time_ms = row.predicted_ps / _PS_PER_MS
        found.append(
            Judged(
                subject=subject,
                part=Part(template=row.kernel, time_ms=time_ms, spread=spread),
                nearest=calibration.nearest(subject) if calibration else (),
            )
        )
    total = sum_interval(
        [one.part for one in found], report.total_ms, template_correlation(calibration)
    )
    return JudgedReplay(report=report, launches=tuple(found), total=total)


def judge_layer(
    plan: PlannedLayer,
    launches: Sequence[TimedLaunch],
    device: DeviceSpec,
    store: TimeStore,
) -> tuple[Judged, ...]:
    """Return the kernels of a planned layer; as one where records measure whole operators.

    Parameters
    ----------
    plan : PlannedLayer
    launches : sequence of TimedLaunch
        Of its inference, in order; none failed.
    device : DeviceSpec
    store : TimeStore
    """
    calibration = calibration_set(device)
    template = operator_template(plan.library, plan.layer, calibration)
    dtype = plan.options.dtype
    if template:
        subject = _subject(launches, template, dtype)
        spread = spread_of(calibration, subject)
        if spread.status is Status.INSIDE:
            time_ms = sum(one.duration_ps for one in launches) / _PS_PER_MS
            part = Part(template=template, time_ms=time_ms, spread=spread)
            nearest = calibration.nearest(subject) if calibration else ()
            return (Judged(subject=subject, part=part, nearest=nearest),)
    recorded = [launch for phase, launch in plan.launches if phase is Phase.RUN]
    return tuple(
        judge_launch(launch, plan.trace, timed, device, store, dtype=dtype)
        for launch, timed in zip(recorded, launches, strict=True)
    )


def operator_template(library: str, layer: Layer, calibration: CalibrationSet | None) -> str:
    """Return the template under which a library's operator was measured; empty if it was not."""
    if library != "tvm" or calibration is None:
        return ""
    if layer.kind is LayerKind.CONVOLUTION:
        stem = "depthwise_conv2d" if layer.groups > 1 else "conv2d"
    elif layer.kind is LayerKind.FULLY_CONNECTED:
        stem = "dense"
    else:
        return ""
    return next((name for name in calibration.templates if name.startswith(stem)), "")


def sum_interval(parts: Sequence[Part], total_ms: float, correlation: float) -> Interval:
    """Return the interval of a sum of kernels' times to which host and driver add.

    Parameters
    ----------
    parts : sequence of Part
    total_ms : float
        Time of all.
    correlation : float
        Of the errors of two templates.
    """
    known = list(parts)
    status = total_interval(known, correlation).status
    rest_ms = total_ms - sum(part.time_ms for part in known)
    if rest_ms > 0:
        known.append(Part(template="host and driver", time_ms=rest_ms, spread=HOST))
    found = total_interval(known, correlation)
    return Interval(low_ms=found.low_ms, high_ms=found.high_ms, status=status)


def _subject(launches: Sequence[TimedLaunch], template: str, dtype: str) -> Subject:
    jobs = [job for launch in launches for job in launch.jobs]

    def total(*names: str) -> int:
        return sum(job.totals.get(name, 0) for job in jobs for name in names)

    work_items = 0
    for launch in launches:
        x, y, z = launch.global_size
        work_items += x * y * z
    return Subject(
        template=template,
        dtype=dtype,
        features=launch_features(
            predicted_us=sum(launch.duration_ps for launch in launches) / _PS_PER_US,
            work_items=work_items,
            arithmetic=total("arithmetic_instructions"),
            dram_bytes=total("dram_read_bytes", "dram_write_bytes"),
            n_launches=len(launches),
        ),
    )
