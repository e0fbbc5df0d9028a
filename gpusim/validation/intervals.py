"""80 % intervals of predicted times, from the residuals of a device's calibration record.

Jackknife+ (Barber, Candes, Ramdas, Tibshirani: Predictive inference with the jackknife+, 2021) on
the logarithm of simulated over measured, with folds left out instead of single records. The model
whose residuals it takes is "the simulator, right up to a constant factor": the constant is
estimated without the fold (near) or without the template (far) of the record at hand.

All spreads here are offsets of ln(true / predicted).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.validation.calibration_record import Residual
from gpusim.validation.nearest import CalibrationSet, Subject, dtype_name

LEVEL = 0.8
"""Share of the true times that an interval should hold."""
Z = 1.2816
"""Half-width of a normal 80 % interval in standard deviations."""
MIN_RECORDS = 20
"""Below this many records a kernel's own residuals are pooled with others and widened."""
_FEW = 5
DEFAULT_SPREAD = 0.45
"""Half-width of the interval, ln, of a device that nothing was calibrated on: the 80 % quantile
of |ln(simulated / measured)| over the boards measured so far, each left out of no fit because
none was made (docs/intervals.md)."""
HOST_SPREAD = 0.7
"""Half-width, ln, of the time outside jobs: host calls, driver and interrupts are assumed figures
of which boards differ by a factor of two."""


class Status(StrEnum):
    """How far the measured kernels bear an interval."""

    INSIDE = "inside"
    """Kernels like this one were measured on the device."""
    EXTRAPOLATING = "extrapolating"
    """Others were; the interval is that of kernels whose template was left out."""
    UNCALIBRATED = "uncalibrated"
    """None were; the interval is a default."""


_WORST = (Status.INSIDE, Status.EXTRAPOLATING, Status.UNCALIBRATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """An interval as factors of a predicted time, on a logarithmic scale."""

    low: float
    """ln(lower end / predicted), at most 0."""
    high: float
    """ln(upper end / predicted), at least 0."""
    status: Status

    def widened(self, figures: float) -> Spread:
        """Return the spread with independent uncertainty of assumed figures added.

        Parameters
        ----------
        figures : float
            Half-width of their 80 % interval, ln.
        """
        return Spread(
            low=-math.hypot(self.low, figures),
            high=math.hypot(self.high, figures),
            status=self.status,
        )

    def of(self, predicted_ms: float) -> Interval:
        """Return the interval of a predicted time."""
        return Interval(
            low_ms=predicted_ms * math.exp(self.low),
            high_ms=predicted_ms * math.exp(self.high),
            status=self.status,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The 80 % interval of a time."""

    low_ms: float
    high_ms: float
    status: Status

    def as_json(self) -> dict[str, Any]:
        """Return the keys that predictions carry."""
        return {
            "predicted_low_ms": self.low_ms,
            "predicted_high_ms": self.high_ms,
            "interval_status": self.status.value,
        }

    def words(self) -> str:
        """Return the interval as tables show it: ``0.91-1.32``, in ms."""
        return f"{self.low_ms:.3f}-{self.high_ms:.3f}"


UNCALIBRATED = Spread(low=-DEFAULT_SPREAD, high=DEFAULT_SPREAD, status=Status.UNCALIBRATED)
HOST = Spread(low=-HOST_SPREAD, high=HOST_SPREAD, status=Status.UNCALIBRATED)


def spread_of(calibration: CalibrationSet | None, subject: Subject) -> Spread:
    """Return the spread of one predicted kernel, assumed figures not yet added.

    Parameters
    ----------
    calibration : CalibrationSet or None
        Of the device; None where it has no calibration record.
    subject : Subject
        The kernel.
    """
    if calibration is None or not len(calibration):
        return UNCALIBRATED
    if calibration.is_inside(subject):
        return near_spread(calibration, subject.template, subject.dtype)
    return far_spread(calibration)


def near_spread(calibration: CalibrationSet, template: str, dtype: str) -> Spread:
    """Return the spread of a kernel whose like was measured.

    The records of its template and dtype count if there are `MIN_RECORDS`, else those of its
    template, else all, templates weighing the same; then the interval is widened as one from as
    many draws of a normal error as there are of the template, at least `_FEW`.
    """
    own = [one for one in calibration if one.template == template]
    same = [one for one in own if dtype_name(one.dtype) == dtype_name(dtype)]
    for rows in (same, own):
        if len(rows) >= MIN_RECORDS:
            return _clamped(*_jackknife(rows, [one.fold for one in rows]), Status.INSIDE)
    factor = small_sample_factor(max(len(own), _FEW))
    low, high = _pooled(calibration)
    return _clamped(low * factor, high * factor, Status.INSIDE)


def far_spread(calibration: CalibrationSet) -> Spread:
    """Return the spread of a kernel whose template was never measured.

    Every template weighs the same, and its records are judged by the constant of the others.
    With a single template nothing is known about another one: the default spread is added. Of
    two, one may have a few lucky records, so the spread is no narrower than the near one of either.
    """
    low, high = _pooled(calibration)
    for template in calibration.templates if len(calibration.templates) == 2 else ():
        own = [one for one in calibration if one.template == template]
        if len(own) >= MIN_RECORDS:
            near = _jackknife(own, [one.fold for one in own])
            low, high = min(low, near[0]), max(high, near[1])
    spread = _clamped(low, high, Status.EXTRAPOLATING)
    return spread.widened(DEFAULT_SPREAD) if len(calibration.templates) < 2 else spread


def _pooled(calibration: CalibrationSet) -> tuple[float, float]:
    """Return the ends from all records, templates left out where there are several."""
    rows = list(calibration)
    by_template = len(calibration.templates) > 1
    return _jackknife(rows, [one.template if by_template else one.fold for one in rows])


def _clamped(low: float, high: float, status: Status) -> Spread:
    """Return a spread that holds the prediction itself."""
    return Spread(low=min(low, 0.0), high=max(high, 0.0), status=status)


def _jackknife(rows: Sequence[Residual], groups: Sequence[object]) -> tuple[float, float]:
    """Return the ends of the jackknife+ interval of ln(true / predicted), groups left out."""
    offsets = np.array([-one.ln_ratio for one in rows])
    names, member = np.unique([str(group) for group in groups], return_inverse=True)
    if len(names) < 2:
        centres = np.full(len(rows), np.median(offsets))
        weights = np.ones(len(rows))
    else:
        by_group = [offsets[member == group] for group in range(len(names))]
        medians = np.array([np.median(values) for values in by_group])
        sizes = np.array([len(values) for values in by_group])
        is_template = all(name == row.template for name, row in zip(groups, rows, strict=True))
        if is_template:
            # A new template is a draw among templates, however many records each has.
            others = [np.delete(medians, group).mean() for group in range(len(names))]
            weights = 1.0 / sizes[member]
        else:
            others = [np.median(offsets[member != group]) for group in range(len(names))]
            weights = np.ones(len(rows))
        centres = np.array(others)[member]
    errors = np.abs(offsets - centres)
    return (
        -_quantile(-(centres - errors), weights),
        _quantile(centres + errors, weights),
    )


def _quantile(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
    """Return the smallest value with at least `LEVEL` of the weight, one more record at infinity.

    Where too few records are there for that, the largest value.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    aim = LEVEL * (weights.sum() + weights.mean())
    place = min(int(np.searchsorted(reached, aim * (1 - 1e-12))), len(values) - 1)
    return float(values[order[place]])


@cache
def small_sample_factor(count: int) -> float:
    """Return how much wider an 80 % interval from `count` draws of a normal error is."""
    from scipy.stats import t

    return float(t.ppf(0.5 + LEVEL / 2, count - 1)) * math.sqrt(1 + 1 / count) / Z


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A time that is part of a total."""

    template: str
    time_ms: float
    spread: Spread


def total_interval(parts: Iterable[Part], correlation: float) -> Interval:
    """Return the interval of a sum of times.

    Errors of one template are taken as one and the same error; those of two templates are
    correlated by `correlation`, so part of them cancels.

    Parameters
    ----------
    parts : iterable of Part
    correlation : float
        Between the errors of different templates, 0 to 1: `template_correlation`.
    """
    total = 0.0
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    worst = 0
    for part in parts:
        total += part.time_ms
        lows[part.template] = lows.get(part.template, 0.0) - part.time_ms * math.expm1(
            part.spread.low
        )
        highs[part.template] = highs.get(part.template, 0.0) + part.time_ms * math.expm1(
            part.spread.high
        )
        if part.time_ms > 0:
            worst = max(worst, _WORST.index(part.spread.status))
    return Interval(
        low_ms=max(total - _combined(lows, correlation), 0.0),
        high_ms=total + _combined(highs, correlation),
        status=_WORST[worst],
    )


def _combined(widths: Mapping[str, float], correlation: float) -> float:
    together = sum(widths.values()) ** 2
    apart = sum(width**2 for width in widths.values())
    return math.sqrt(correlation * together + (1 - correlation) * apart)


def template_correlation(calibration: CalibrationSet | None) -> float:
    """Return the correlation of the errors of two templates on a device, 0 to 1.

    The mean product of two templates' mean log errors over the mean squared log error, templates
    weighing the same; 1 (nothing cancels) where fewer than three templates were measured.
    """
    if calibration is None or len(calibration.templates) < 3:
        return 1.0
    means, squares = [], []
    for template in calibration.templates:
        errors = [one.ln_ratio for one in calibration if one.template == template]
        means.append(math.fsum(errors) / len(errors))
        squares.append(math.fsum(error**2 for error in errors) / len(errors))
    number = len(means)
    products = (sum(means) ** 2 - sum(mean**2 for mean in means)) / (number * (number - 1))
    scale = sum(squares) / number
    return min(max(products / scale, 0.0), 1.0) if scale else 1.0


def gain_interval(
    gain: float, calibration: CalibrationSet | None, template: str
) -> tuple[float, float, Status]:
    """Return the 80 % interval of the share of time that a change of local size saves.

    Two local sizes of one kernel share most of their error, so it is the differences of the
    residuals within a sweep that count (:func:`pair_differences`).

    Parameters
    ----------
    gain : float
        1 - time after / time before.
    calibration : CalibrationSet or None
    template : str
        Of the kernel; its own differences count if there are `MIN_RECORDS`.

    Returns
    -------
    low, high : float
        Ends of the interval of the gain; negative = it may be slower.
    status : Status
    """
    if gain <= 0:
        return gain, gain, Status.INSIDE
    own, pooled = (
        ([], [])
        if calibration is None
        else (pair_differences(calibration, template), pair_differences(calibration, None))
    )
    if len(own) >= MIN_RECORDS:
        width, status = _pair_width(own), Status.INSIDE
    elif len(pooled) >= MIN_RECORDS:
        width = _pair_width(pooled) * small_sample_factor(max(len(own), MIN_RECORDS // 2))
        status = Status.EXTRAPOLATING
    else:
        width, status = DEFAULT_PAIR_SPREAD, Status.UNCALIBRATED
    ratio = math.log1p(-gain)
    return 1 - math.exp(ratio + width), 1 - math.exp(ratio - width), status


DEFAULT_PAIR_SPREAD = 0.25
"""Half-width, ln, of the ratio of two local sizes of one kernel without residuals of a sweep."""


_WORK = ("work_items", "argument_bytes")
"""Features that records of one sweep share."""


def pair_differences(calibration: CalibrationSet, template: str | None) -> list[float]:
    """Return |difference of log errors| of all pairs of records that do the same work.

    Same template, dtype, number of work-items and arguments: local sizes of one kernel, or
    schedules of one operator.
    """
    groups: dict[tuple[object, ...], list[float]] = {}
    for one in calibration:
        if template in (None, one.template):
            work = tuple(one.features.get(name) for name in _WORK)
            groups.setdefault((one.template, one.dtype, *work), []).append(one.ln_ratio)
    return [
        abs(a - b)
        for errors in groups.values()
        for position, a in enumerate(errors)
        for b in errors[:position]
    ]


def _pair_width(differences: Sequence[float]) -> float:
    values = np.array(differences)
    return _quantile(values, np.ones(len(values)))


def record_support(
    template: str,
    dtype: str,
    simulated_ms: float | None,
    calibration: CalibrationSet | None,
    *,
    evidence: bool = False,
) -> dict[str, Any]:
    """Return the keys that a predicted record carries: its interval, and what it rests on.

    Empty for a record without a prediction. With `evidence`, its nearest measured kernels: for
    a record of the calibration file that is the record itself.
    """
    if simulated_ms is None:
        return {}
    subject = Subject(template=template, dtype=dtype, features={"predicted_us": simulated_ms * 1e3})
    keys = spread_of(calibration, subject).of(simulated_ms).as_json()
    if evidence:
        nearest = () if calibration is None else calibration.nearest(subject)
        keys["nearest"] = [near.as_json() for near in nearest]
    return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many held-out records lay within their intervals."""

    n: int
    """Records judged."""
    n_templates: int
    share: float
    """Share of the records within; far: of each template's, then the mean over templates."""
    median_factor: float
    """Median of upper over lower end."""


def held_out_coverage(calibration: CalibrationSet, *, far: bool) -> Coverage | None:
    """Return how many records lie in intervals that were made without them.

    Parameters
    ----------
    calibration : CalibrationSet
    far : bool
        Leave out whole templates and use the far spread, which is for a template drawn at
        random; else folds and the near one, and records whose fold is their whole template
        don't count.

    Returns
    -------
    Coverage or None
        None where nothing can be held out.
    """
    spreads: dict[tuple[object, ...], Spread] = {}
    within: dict[str, list[bool]] = {}
    factors = []
    for one in calibration:
        key: tuple[object, ...] = (one.template,) if far else (one.template, one.dtype, one.fold)
        if key not in spreads:
            if far:
                rest = calibration.without(template=one.template)
            else:
                rest = calibration.without(fold=one.fold)
            if not len(rest) or not (far or one.template in rest.templates):
                continue
            spreads[key] = far_spread(rest) if far else near_spread(rest, one.template, one.dtype)
        spread = spreads[key]
        group = one.template if far else ""
        within.setdefault(group, []).append(spread.low <= -one.ln_ratio <= spread.high)
        factors.append(math.exp(spread.high - spread.low))
    if not factors:
        return None
    shares = [sum(hits) / len(hits) for hits in within.values()]
    return Coverage(
        n=len(factors),
        n_templates=len({key[0] for key in spreads}),
        share=math.fsum(shares) / len(shares),
        median_factor=float(np.median(factors)),
    )
