"""Error measures of predicted against measured times. All errors are fractions: 0.06 = 6 %."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummary:
    """Errors over the records that gave a prediction; coverage is ``n / n_tried``."""

    n: int
    n_tried: int
    mape: float | None
    """Mean of |simulated - measured| / measured."""
    rmspe: float | None
    median_ape: float | None
    p90_ape: float | None
    max_ape: float | None
    median_log_error: float | None
    """Median of |ln(simulated / measured)|: symmetric in over- and under-prediction."""
    bias: float | None
    """Geometric mean of simulated / measured, minus 1."""
    kendall_tau: float | None
    """Rank agreement (tau-b); None below two records or when all are tied."""

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)


def summarise_errors(
    simulated: npt.ArrayLike, measured: npt.ArrayLike, n_tried: int | None = None
) -> ErrorSummary:
    """Compare times pair by pair.

    Parameters
    ----------
    simulated, measured : (n,) array_like of float
        Times in one unit; measured ones positive.
    n_tried : int, optional
        Records that should have been predicted, failures included; `n` by default.

    Returns
    -------
    ErrorSummary
        With None in every measure when there is no pair.

    Raises
    ------
    ValueError
        For lengths that differ or measured times that are not positive.
    """
    ours = np.asarray(simulated, dtype=np.float64)
    truth = np.asarray(measured, dtype=np.float64)
    if ours.shape != truth.shape or ours.ndim != 1:
        raise ValueError(f"shapes differ: {ours.shape} and {truth.shape}")
    tried = len(ours) if n_tried is None else n_tried
    if len(ours) == 0:
        return ErrorSummary(
            n=0,
            n_tried=tried,
            mape=None,
            rmspe=None,
            median_ape=None,
            p90_ape=None,
            max_ape=None,
            median_log_error=None,
            bias=None,
            kendall_tau=None,
        )
    if not (truth > 0).all():
        raise ValueError("measured times must be positive")
    error = np.abs(ours - truth) / truth
    log_ratio = np.log(np.maximum(ours, np.finfo(float).tiny) / truth)
    return ErrorSummary(
        n=len(ours),
        n_tried=tried,
        mape=float(error.mean()),
        rmspe=float(np.sqrt((error**2).mean())),
        median_ape=float(np.median(error)),
        p90_ape=float(np.quantile(error, 0.9)),
        max_ape=float(error.max()),
        median_log_error=float(np.median(np.abs(log_ratio))),
        bias=float(np.exp(log_ratio.mean()) - 1),
        kendall_tau=_kendall_tau(ours, truth),
    )


def _kendall_tau(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float | None:
    from scipy.stats import kendalltau

    if len(a) < 2:
        return None
    tau = float(kendalltau(a, b).statistic)
    return None if np.isnan(tau) else tau
