"""Fit the soft figures of a device model to measured times, and tell what the fit is worth.

Everything is judged on records that the fit has not seen: folds of related shapes, one template
left out, one measuring session left out. The result is a dated record, see
:mod:`gpusim.validation.calibration_record`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt

from gpusim.device import DeviceSpec
from gpusim.device.quantity import Kind
from gpusim.errors import GpusimError
from gpusim.validation.baselines import black_box, nearest_neighbour
from gpusim.validation.calibrate_fit import SCALE, Bools, Fit, Problem, fit, fit_without
from gpusim.validation.calibrate_parameters import parameters_of
from gpusim.validation.calibrate_samples import Bench, Floats, Sample
from gpusim.validation.calibrate_write import rounded
from gpusim.validation.calibration_record import (
    CalibrationRecord,
    Data,
    Objective,
    Parameter,
    Residual,
    Session,
    load_calibration,
)
from gpusim.validation.errors import ErrorSummary, summarise_errors
from gpusim.validation.folds import day, deal_groups, related_groups, sessions

N_FOLDS = 8
MIN_SESSION = 15
"""Records that a session needs for a launch constant of its own."""
OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fit and how it does on records it has not seen."""

    record: CalibrationRecord
    worse: tuple[str, ...]
    """Checks on shapes and templates held out that came out worse than the uncalibrated model,
    in plain words. A session left out is reported in the record but not held against the fit:
    without its own days a fit can't know what they cost."""


def calibrate(
    device: DeviceSpec,
    samples: Sequence[Sample],
    *,
    chosen: Sequence[str] = (),
    sessions_only: bool = False,
    fidelity: str = "wave",
    workers: int = 2,
    max_steps: int = 3,
    ablate: bool = True,
    baselines: bool = False,
    today: date | None = None,
    on_step: OnStep | None = None,
) -> Calibration:
    """Fit figures of kind fitted or assumed, and judge the fit by what it has not seen.

    Parameters
    ----------
    device : DeviceSpec
    samples : sequence of Sample
        Of `calibrate_samples.read_samples`.
    chosen : sequence of str
        Figures; empty = all that may be fitted.
    sessions_only : bool
        Fit no figure, only the launch constants of sessions.
    fidelity : str
    workers : int
    max_steps : int
        Of Gauss-Newton.
    ablate : bool
        Fit again without each parameter.
    baselines : bool
        Add the nearest neighbour and the black box (scikit-learn) on the same folds.
    today : date, optional
        Of the record.
    on_step : callable, optional
        Told what is going on.

    Raises
    ------
    DeviceError
        When a figure is not the fit's to change.
    GpusimError
        When a sample can't be predicted, or there are none.
    """
    if not samples:
        raise GpusimError("nothing to fit to")
    earlier = load_calibration(device)
    known = {} if earlier is None else {one.name: one for one in earlier.parameters}
    starts = {path: one.before for path, one in known.items()}
    parameters = [] if sessions_only else parameters_of(device, starts, list(chosen))
    all_sessions = sessions([one.unix_time for one in samples])
    own_session = _own_sessions(all_sessions)
    groups = related_groups(
        [f"{one.file} {one.template}" for one in samples],
        [one.shape or (number,) for number, one in enumerate(samples)],
    )
    folds = deal_groups(groups, N_FOLDS)
    tell = on_step or _silent
    with Bench(device, samples, fidelity, workers) as bench:
        problem = Problem(bench, parameters, own_session)
        everything = np.ones(len(samples), bool)
        before_s = problem.seconds(problem.start)
        tell("prepared")
        whole, seconds, slopes = fit(
            problem, everything, max_steps=max_steps if parameters else 0, on_step=tell
        )
        whole = _as_written(problem, whole, device)
        seconds = problem.seconds(whole.theta)
        after_s = problem.with_sessions(seconds, whole.session_s)
        held_out = _cross_validate(problem, whole, seconds, slopes, folds)
        tell("cross-validated")
        templates = np.unique([one.template for one in samples], return_inverse=True)[1]
        by_template = _cross_validate(problem, whole, seconds, slopes, templates)
        by_session = _cross_validate(problem, whole, seconds, slopes, all_sessions)
        tell("left out templates and sessions")
        gains: list[float | None] = [None] * len(parameters)
        if ablate:
            gains = [
                _ablation(problem, whole, seconds, slopes, position)
                for position in range(len(parameters))
            ]
        described = bench.describe(problem.values(whole.theta))
    measured = problem.measured_s
    accuracy: dict[str, dict[str, float]] = {}
    judged = {
        "uncalibrated": before_s,
        "fitted, in sample": after_s,
        "held out by related shapes": held_out,
        "held out by template": by_template,
        "held out by session": by_session,
        "roofline": np.array([one["roofline_us"] * 1e-6 for one in described]),
    }
    if baselines:
        judged |= _baselines(samples, described, folds, measured)
    for file in dict.fromkeys(one.file for one in samples):
        rows = np.array([one.file == file for one in samples])
        for name, predicted in judged.items():
            accuracy[f"{file}: {name}"] = _measures(predicted[rows], measured[rows])
        accuracy[f"{file}: held out by related shapes"] |= _spread(
            held_out[rows], measured[rows], folds[rows]
        )
    ratios = problem.ratios(seconds, whole.session_s)
    record = CalibrationRecord(
        device=device.gpu or device.id,
        date=today or datetime.now(UTC).date(),
        data=tuple(
            Data(file=file, n=sum(one.file == file for one in samples))
            for file in dict.fromkeys(one.file for one in samples)
        ),
        fidelity=fidelity,
        objective=Objective(
            scale=SCALE,
            before=problem.objective(np.log(before_s / measured), problem.start, everything),
            after=problem.objective(ratios, whole.theta, everything),
        ),
        parameters=tuple(
            Parameter(
                name=one.path,
                before=one.start,
                after=value,
                bounds=(one.low, one.high),
                kind=_evidence(device, known, one.path)[0],
                note=_evidence(device, known, one.path)[1],
                source=_evidence(device, known, one.path)[2],
                ablation=gain,
            )
            for one, value, gain in zip(
                parameters, problem.values(whole.theta).values(), gains, strict=True
            )
        ),
        covariance=tuple(
            tuple(float(f"{cell:.4g}") for cell in row)
            for row in problem.covariance(ratios, slopes, everything)
        ),
        sessions=_session_rows(samples, own_session, whole),
        accuracy=accuracy,
        residuals=tuple(
            Residual(
                template=one.template,
                dtype=one.dtype,
                features={
                    **{key: float(f"{value:.5g}") for key, value in about["features"].items()},
                    "macs": one.macs,
                },
                bound=about["bound"],
                ln_ratio=round(float(np.log(predicted / truth)), 4),
                fold=int(fold),
            )
            for one, about, predicted, truth, fold in zip(
                samples, described, held_out, measured, folds, strict=True
            )
        ),
    )
    return Calibration(record=record, worse=_worse(accuracy))


def _silent(_: str) -> None:
    """Take a message and do nothing with it."""


def _own_sessions(found: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the sessions that get a constant: large ones, except the largest."""
    sizes = np.bincount(found[found >= 0]) if (found >= 0).any() else np.zeros(1)
    keeps = sizes >= MIN_SESSION
    keeps[int(sizes.argmax())] = False
    return np.where((found >= 0) & keeps[np.maximum(found, 0)], found, -1)


def _as_written(problem: Problem, whole: Fit, device: DeviceSpec) -> Fit:
    """Return the fit with its figures rounded as the model file will state them."""
    figures = device.figures()
    theta = np.array(
        [
            np.log(rounded(path, value, figures[path].unit))
            for path, value in problem.values(whole.theta).items()
        ]
    )
    session_s = {key: round(value * 1e6, 1) / 1e6 for key, value in whole.session_s.items()}
    return Fit(theta=theta, session_s=session_s)


def _cross_validate(
    problem: Problem,
    whole: Fit,
    seconds: Floats,
    slopes: Floats,
    folds: npt.NDArray[np.int64],
) -> Floats:
    """Return (n_sample,) each sample's seconds by a fit that has not seen its fold."""
    found = np.full(len(folds), np.nan)
    for fold in np.unique(folds):
        held_out: Bools = folds == fold
        if held_out.all():
            # Nothing to fit to: the start values.
            found[held_out] = problem.seconds(problem.start, held_out)[held_out]
            continue
        _, predicted = fit_without(problem, whole, seconds, slopes, held_out)
        found[held_out] = predicted[held_out]
    return found


def _ablation(
    problem: Problem, whole: Fit, seconds: Floats, slopes: Floats, position: int
) -> float:
    """Return how much the error grows when one figure stays at its start."""
    used = np.ones(len(seconds), bool)
    free = np.ones(len(whole.theta), bool)
    free[position] = False
    theta = whole.theta.copy()
    theta[position] = problem.start[position]
    moved = seconds * np.exp(slopes @ (theta - whole.theta))
    ratios = problem.ratios(moved, whole.session_s)
    theta = problem.linear_step(theta, ratios, slopes, used, free)
    simulated = problem.seconds(theta)
    constants = problem.fit_sessions(simulated, used)
    without = problem.with_sessions(simulated, constants)
    with_it = problem.with_sessions(seconds, whole.session_s)
    errors = [np.abs(one / problem.measured_s - 1).mean() for one in (without, with_it)]
    return round(float(errors[0] - errors[1]), 5)


def _baselines(
    samples: Sequence[Sample],
    described: Sequence[dict[str, object]],
    folds: npt.NDArray[np.int64],
    measured: Floats,
) -> dict[str, Floats]:
    """Return the baselines of the samples that have shapes; nan for the others."""
    rows = [number for number, one in enumerate(samples) if one.shape]
    found = {name: np.full(len(samples), np.nan) for name in ("nearest neighbour", "black box")}
    if rows:
        some = [samples[number] for number in rows]
        templates, dtypes = [one.template for one in some], [one.dtype for one in some]
        macs = np.array([one.macs for one in some])
        shapes = [one.shape for one in some]
        found["nearest neighbour"][rows] = nearest_neighbour(
            templates, dtypes, shapes, macs, measured[rows], folds[rows]
        )
        features = [described[number]["features"] for number in rows]
        found["black box"][rows] = black_box(
            features,  # type: ignore[arg-type]
            templates,
            dtypes,
            macs,
            measured[rows],
            folds[rows],
        )
    return found


def _measures(predicted: Floats, measured: Floats) -> dict[str, float]:
    known = ~np.isnan(predicted)
    errors: ErrorSummary = summarise_errors(predicted[known], measured[known], len(measured))
    values = {
        "n": errors.n,
        "n_tried": errors.n_tried,
        "mape": errors.mape,
        "median_ape": errors.median_ape,
        "p90_ape": errors.p90_ape,
        "kendall_tau": errors.kendall_tau,
    }
    return {name: round(float(value), 4) for name, value in values.items() if value is not None}


def _spread(predicted: Floats, measured: Floats, folds: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return the smallest and largest MAPE of any fold with at least three records."""
    errors = np.abs(predicted / measured - 1)
    means = [
        float(errors[folds == fold].mean())
        for fold in np.unique(folds)
        if (folds == fold).sum() >= 3
    ]
    if not means:
        return {}
    return {"fold_mape_min": round(min(means), 4), "fold_mape_max": round(max(means), 4)}


def _evidence(
    device: DeviceSpec, known: dict[str, Parameter], path: str
) -> tuple[str, str, tuple[str, ...]]:
    """Return kind, note and source of a figure before its first fit."""
    if path in known:
        return known[path].kind, known[path].note, known[path].source
    quantity = device.figures()[path]
    kind = Kind.ASSUMED if quantity.kind is Kind.FITTED else quantity.kind
    return kind.value, quantity.note, quantity.source


def _session_rows(
    samples: Sequence[Sample], own_session: npt.NDArray[np.int64], whole: Fit
) -> tuple[Session, ...]:
    rows = []
    for session, constant_s in sorted(whole.session_s.items()):
        times = [
            one.unix_time
            for one, own in zip(samples, own_session, strict=True)
            if own == session and one.unix_time is not None
        ]
        rows.append(
            Session(
                first=date.fromisoformat(day(min(times))),
                last=date.fromisoformat(day(max(times))),
                launch_us=round(constant_s * 1e6, 1),
                n=len(times),
            )
        )
    return tuple(rows)


def _worse(accuracy: dict[str, dict[str, float]]) -> tuple[str, ...]:
    found = []
    for name, errors in accuracy.items():
        file, _, how = name.rpartition(": ")
        if not how.startswith("held out") or how.endswith("session"):
            continue
        plain = accuracy[f"{file}: uncalibrated"]
        if errors["mape"] > plain["mape"]:
            found.append(
                f"{file}, {how}: MAPE {errors['mape']:.1%}, uncalibrated {plain['mape']:.1%}"
            )
    return tuple(found)
