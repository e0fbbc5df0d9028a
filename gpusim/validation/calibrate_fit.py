"""The fit itself: robust Gauss-Newton on logarithms, held near the start by a prior.

With t(p) the simulated and m the measured time, r = ln((t + launches * c) / m), where c is the
launch constant of the record's measuring session, the objective is::

    sum_i w_i * 2 s^2 (sqrt(1 + (r_i / s)^2) - 1) / s^2 / N_RELATED  +  sum_j ((p_j - p0_j) / q_j)^2

p and p0 are logarithms of figures and their starts, q the widths of their priors. Records of one
network are not independent; dividing by N_RELATED counts that many of them as one. The loss is
quadratic below s and linear above (soft L1), so that a record whose mechanism the model lacks
does not bend the others. Derivatives are finite differences; every step solves the linearised
problem by reweighted least squares and is halved until the objective falls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpusim.validation.calibrate_parameters import Fitted
from gpusim.validation.calibrate_samples import Bench, Floats

SCALE = 0.1
"""Of a log ratio: twice the noise of the measurements."""
N_RELATED = 3.0
STEP = 0.12
"""Of a derivative, in ln(figure); large enough to move figures that are whole numbers."""
_MAX_STEP = 0.8
_N_REWEIGHTS = 30
_MAX_SESSION_S = 1e-3
_SESSION_PRIOR_S = 1e-4
"""How large a session's constant may easily be."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Figures and session constants that fit some samples."""

    theta: Floats
    """(n_parameter,) ln(figure)."""
    session_s: dict[int, float]
    """Session -> seconds per launch."""


class Problem:
    """Samples on their bench, the figures to fit, and the sessions with a constant of their own.

    Parameters
    ----------
    bench : Bench
    parameters : sequence of Fitted
    session_of : (n_sample,) array of int
        Session with a constant of its own; -1 = none.
    """

    def __init__(
        self, bench: Bench, parameters: Sequence[Fitted], session_of: npt.NDArray[np.int64]
    ) -> None:
        self.bench = bench
        self.parameters = tuple(parameters)
        self.session_of = session_of
        self.measured_s = np.array([one.measured_s for one in bench.samples])
        self.n_launches = np.array([float(one.n_launches) for one in bench.samples])
        self.weights = np.array([one.weight for one in bench.samples])
        self.start = np.array([one.ln_start for one in parameters])
        self.low = np.log([one.low for one in parameters])
        self.high = np.log([one.high for one in parameters])
        self.spread = np.array([one.spread for one in parameters])

    def values(self, theta: Floats) -> dict[str, float]:
        """Return figure -> value."""
        return {one.path: float(np.exp(x)) for one, x in zip(self.parameters, theta, strict=True)}

    def seconds(self, theta: Floats, chosen: Bools | None = None) -> Floats:
        """Return (n_sample,) simulated seconds without session constants."""
        return self.bench.seconds(self.values(theta), chosen)

    def with_sessions(self, seconds: Floats, session_s: dict[int, float]) -> Floats:
        """Add the launch constants of the samples' sessions."""
        extra = np.array([session_s.get(int(one), 0.0) for one in self.session_of])
        total: Floats = seconds + self.n_launches * extra
        return total

    def fit_sessions(self, seconds: Floats, used: Bools) -> dict[int, float]:
        """Return the constants that suit given simulated times best."""
        from scipy.optimize import minimize_scalar

        found = {}
        for session in sorted({int(one) for one in self.session_of[used] if one >= 0}):
            rows = used & (self.session_of == session)

            def loss(constant: float, rows: Bools = rows) -> float:
                ratios = np.log(
                    (seconds[rows] + self.n_launches[rows] * constant) / self.measured_s[rows]
                )
                return _soft_l1(ratios) / N_RELATED + (constant / _SESSION_PRIOR_S) ** 2

            best = minimize_scalar(loss, bounds=(0.0, _MAX_SESSION_S), method="bounded")
            found[session] = float(best.x)
        return found

    def ratios(self, seconds: Floats, session_s: dict[int, float]) -> Floats:
        """Return (n_sample,) ln(simulated / measured)."""
        found: Floats = np.log(self.with_sessions(seconds, session_s) / self.measured_s)
        return found

    def objective(self, ratios: Floats, theta: Floats, used: Bools) -> float:
        """Return the objective over the samples in use."""
        data = _soft_l1(ratios[used], self.weights[used]) / N_RELATED
        return data + float((((theta - self.start) / self.spread) ** 2).sum())

    def slopes(
        self,
        theta: Floats,
        seconds: Floats,
        session_s: dict[int, float],
        chosen: Bools | None = None,
    ) -> Floats:
        """Return (n_sample, n_parameter) derivatives of the ratios by finite differences."""
        here = self.with_sessions(seconds, session_s)
        columns = []
        for position in range(len(theta)):
            moved = theta.copy()
            up = theta[position] + STEP <= self.high[position]
            moved[position] += STEP if up else -STEP
            there = self.with_sessions(self.seconds(moved, chosen), session_s)
            columns.append(np.log(there / here) / (moved[position] - theta[position]))
        return np.stack(columns, axis=1) if columns else np.zeros((len(seconds), 0))

    def linear_step(
        self, theta: Floats, ratios: Floats, slopes: Floats, used: Bools, free: Bools | None = None
    ) -> Floats:
        """Return the minimum of the linearised objective within bounds and step limits."""
        from scipy.optimize import lsq_linear

        free = np.ones(len(theta), bool) if free is None else free
        result = theta.copy()
        if not free.any():
            return result
        a, b, w = slopes[used][:, free], ratios[used], self.weights[used] / N_RELATED
        low = np.maximum(self.low, theta - _MAX_STEP)[free]
        high = np.minimum(self.high, theta + _MAX_STEP)[free]
        step = np.zeros(int(free.sum()))
        for _ in range(_N_REWEIGHTS):
            now = b + a @ step
            root = np.sqrt(w / np.sqrt(1 + (now / SCALE) ** 2)) / SCALE
            prior = np.diag(1 / self.spread[free])
            matrix = np.vstack([a * root[:, None], prior])
            target = np.concatenate([-b * root, ((self.start - theta) / self.spread)[free]])
            solved = lsq_linear(
                matrix, target, (low - theta[free] - 1e-9, high - theta[free] + 1e-9)
            ).x
            if np.abs(solved - step).max() < 1e-4:
                step = solved
                break
            step = solved
        result[free] = np.clip(theta[free] + step, self.low[free], self.high[free])
        return result

    def covariance(self, ratios: Floats, slopes: Floats, used: Bools) -> Floats:
        """Return the covariance of ln(figure) near the optimum, prior included."""
        root = np.sqrt(1 + (ratios[used] / SCALE) ** 2)
        w: Floats = self.weights[used] / (N_RELATED * SCALE**2) / root
        a = slopes[used]
        information = (a * w[:, None]).T @ a + np.diag(self.spread**-2.0)
        return np.asarray(np.linalg.inv(information), dtype=np.float64)


def _soft_l1(ratios: Floats, weights: Floats | float = 1.0) -> float:
    return float((weights * 2 * (np.sqrt(1 + (ratios / SCALE) ** 2) - 1)).sum())


def fit(
    problem: Problem,
    used: Bools,
    *,
    max_steps: int = 3,
    on_step: Callable[[str], None] | None = None,
) -> tuple[Fit, Floats, Floats]:
    """Fit figures and session constants to the samples in use.

    Returns
    -------
    Fit
    (n_sample,) array of float
        Simulated seconds at the optimum, of every sample, without session constants.
    (n_sample, n_parameter) array of float
        Derivatives of the ratios at the last linearisation.
    """
    theta = np.clip(problem.start, problem.low, problem.high)
    seconds = problem.seconds(theta)
    session_s = problem.fit_sessions(seconds, used)
    ratios = problem.ratios(seconds, session_s)
    value = problem.objective(ratios, theta, used)
    slopes = np.zeros((len(seconds), len(theta)))
    for step in range(max_steps):
        slopes = problem.slopes(theta, seconds, session_s)
        target = problem.linear_step(theta, ratios, slopes, used)
        improved = False
        for share in (1.0, 0.5, 0.25):
            trial = theta + share * (target - theta)
            trial_s = problem.seconds(trial)
            constants = problem.fit_sessions(trial_s, used)
            trial_ratios = problem.ratios(trial_s, constants)
            trial_value = problem.objective(trial_ratios, trial, used)
            if trial_value < value:
                improved = value - trial_value > 0.005 * value
                theta, seconds, session_s = trial, trial_s, constants
                ratios, value = trial_ratios, trial_value
                break
        if on_step is not None:
            on_step(f"step {step + 1}: objective {value:.1f}, {problem.values(theta)}")
        if not improved:
            break
    return Fit(theta=theta, session_s=session_s), seconds, slopes


def fit_without(
    problem: Problem, whole: Fit, seconds: Floats, slopes: Floats, held_out: Bools
) -> tuple[Fit, Floats]:
    """Refit without some samples and predict them.

    The refit starts from the start values and uses the derivatives that the whole fit found, as
    if the model were linear in ln(figure) between the two; the held-out samples are then
    simulated with the refitted figures, not extrapolated.

    Returns
    -------
    Fit
    (n_sample,) array of float
        Simulated seconds, session constants included; nan where not held out.
    """
    used = ~held_out
    theta: Floats = whole.theta
    session_s = whole.session_s
    for _ in range(3):
        moved: Floats = seconds * np.exp(slopes @ (theta - whole.theta))
        session_s = problem.fit_sessions(moved, used)
        ratios = problem.ratios(moved, session_s)
        theta = problem.linear_step(theta, ratios, slopes, used)
    predicted = problem.seconds(theta, held_out)
    return Fit(theta=theta, session_s=session_s), problem.with_sessions(predicted, session_s)
