"""Errors by feature: which kernels, types, local sizes, bounds and sizes a model gets wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gpusim.validation.errors import summarise_errors

if TYPE_CHECKING:
    from gpusim.validation.compare import Pair

FEATURES = ("kernel", "dtype", "local", "bound", "work_groups")
"""In the order in which they are shown; a pair has those that its source knows."""
_GROUP_LIMITS = (1, 4, 16, 64, 256, 1024, 4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """The errors of the pairs that share a value of a feature."""

    feature: str
    value: str
    n: int
    bias: float
    """Geometric mean of simulated / measured, minus 1."""
    mape: float
    median_log_error: float
    """Median of |ln(simulated / measured)|."""
    errors: tuple[float, ...]
    """(simulated - measured) / measured of each pair."""

    def as_json(self) -> dict[str, Any]:
        """Return the figures, without the single errors."""
        return {name: value for name, value in asdict(self).items() if name != "errors"}


def residuals(pairs: Sequence[Pair]) -> tuple[Residual, ...]:
    """Return the errors per feature and value, for features with at least two values.

    Values are in the order of their number of pairs, the most first; ranges of work-groups
    ascend.
    """
    found = []
    for feature in FEATURES:
        groups: dict[str, list[Pair]] = {}
        for pair in pairs:
            if pair.simulated_ms is not None and feature in pair.features:
                groups.setdefault(pair.features[feature], []).append(pair)
        if len(groups) < 2:
            continue
        values = list(groups)
        if feature == "work_groups":
            values.sort(key=_first_number)
        else:
            values.sort(key=lambda value: (-len(groups[value]), value))
        found += [_residual(feature, value, groups[value]) for value in values]
    return tuple(found)


def _residual(feature: str, value: str, pairs: Sequence[Pair]) -> Residual:
    errors = summarise_errors(
        [pair.simulated_ms or 0.0 for pair in pairs], [pair.measured_ms for pair in pairs]
    )
    return Residual(
        feature=feature,
        value=value,
        n=errors.n,
        bias=errors.bias or 0.0,
        mape=errors.mape or 0.0,
        median_log_error=errors.median_log_error or 0.0,
        errors=tuple(pair.error or 0.0 for pair in pairs),
    )


def work_group_range(n_groups: int) -> str:
    """Return the range of work-groups that a launch falls into, such as ``16 to 63``."""
    below = [limit for limit in _GROUP_LIMITS if limit <= n_groups]
    low = below[-1] if below else 0
    above = [limit for limit in _GROUP_LIMITS if limit > n_groups]
    return f"{low} to {above[0] - 1}" if above else f"{low} and more"


def features_of_sizes(global_text: str, local_text: str) -> Mapping[str, str]:
    """Return local size and work-groups of an NDRange written as ``64,32,1`` and ``8,4,1``."""
    features = {"local": local_text or "driver"}
    sizes = [_numbers(global_text), _numbers(local_text)]
    if all(sizes) and len(sizes[0]) == len(sizes[1]):
        groups = 1
        for extent, local in zip(*sizes, strict=True):
            groups *= -(-extent // local)
        features["work_groups"] = work_group_range(groups)
    return features


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    return [int(part) for part in parts] if all(p.isdecimal() and int(p) for p in parts) else []


def _first_number(value: str) -> int:
    return int(value.split(maxsplit=1)[0])
