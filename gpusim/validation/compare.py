"""Compare simulated with measured times; here two tables, in :mod:`compare_trace` a trace."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpusim.errors import GpusimError, TraceError, located
from gpusim.validation.errors import ErrorSummary, summarise_errors
from gpusim.validation.residuals import Residual, features_of_sizes, residuals
from gpusim.validation.tables import FULL_JOIN, PLAIN_JOIN, TimeTable, read_time_table

_SIZES = ("global", "local")
_DRIVERS_CHOICE = ("null", "driver", "none")
"""How tables write a local size that the driver chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One measured time and its simulated one."""

    label: str
    measured_ms: float
    simulated_ms: float | None
    """None where the simulated side lacks the row."""
    features: Mapping[str, str] = field(default_factory=dict)
    """Feature (of `residuals.FEATURES`) -> value."""
    n_measured: int = 1
    """Measured rows that this is the mean of."""

    @property
    def error(self) -> float | None:
        """(simulated - measured) / measured."""
        if self.simulated_ms is None:
            return None
        return (self.simulated_ms - self.measured_ms) / self.measured_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Pairs of times and where they come from."""

    pairs: tuple[Pair, ...]
    mapping: tuple[str, ...]
    """How the columns were understood, and on what the tables were joined."""

    @property
    def summary(self) -> ErrorSummary:
        """Errors; a measured row without a simulated one counts against the coverage."""
        known = [
            (pair.simulated_ms, pair.measured_ms)
            for pair in self.pairs
            if pair.simulated_ms is not None
        ]
        return summarise_errors(
            [pair[0] for pair in known], [pair[1] for pair in known], len(self.pairs)
        )

    @property
    def residuals(self) -> tuple[Residual, ...]:
        """Errors by feature."""
        return residuals(self.pairs)

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``gpusim compare --json`` prints."""
        return {
            "mapping": list(self.mapping),
            "coverage": self.summary.n / self.summary.n_tried,
            **self.summary.as_json(),
            "residuals": [row.as_json() for row in self.residuals],
            "pairs": [
                {
                    "label": pair.label,
                    "measured_ms": pair.measured_ms,
                    "simulated_ms": pair.simulated_ms,
                    "error": pair.error,
                    **pair.features,
                }
                for pair in self.pairs
            ],
        }


def compare_tables(simulated: Path, measured: Path) -> Comparison:
    """Compare two tables, joined on launch, else on device, kernel, parameters and sizes.

    Rows of equal keys are joined by their mean. Simulated rows that nobody measured are left out.

    Raises
    ------
    TraceError
        When the tables have no keys in common, or no row of one is in the other.
    """
    ours = read_time_table(simulated, prefer="simulated")
    truth = read_time_table(measured, prefer="measured")
    join = _join(ours, truth)
    predicted = _means(ours, join)
    expected = _means(truth, join)
    if not expected:
        raise TraceError(located(measured.name, "no measured times", expected="at least one"))
    features = _features(ours, join) | _features(truth, join)
    pairs = []
    for key, time_ms in expected.items():
        pairs.append(
            Pair(
                label=_label(key),
                measured_ms=check_positive(time_ms, f"{measured.name}: {_label(key)}"),
                simulated_ms=predicted.get(key),
                features=features.get(key, {}),
            )
        )
    if all(pair.simulated_ms is None for pair in pairs):
        raise TraceError(
            located(
                simulated.name,
                f"no row matches {measured.name} on {', '.join(join)}",
                expected=pairs[0].label,
                found=_label(next(iter(predicted), ())),
            )
        )
    unused = len(set(predicted) - set(expected))
    mapping = [ours.describe(), truth.describe(), f"joined on {', '.join(join)}"]
    if unused:
        mapping.append(f"{unused} simulated rows were not measured")
    return Comparison(pairs=tuple(pairs), mapping=tuple(mapping))


def exceeds(summary: ErrorSummary, limit: float) -> bool:
    """Return whether the mean error is above `limit` or a measured row has no prediction."""
    return summary.n < summary.n_tried or summary.mape is None or summary.mape > limit


def parse_share(text: str) -> float:
    """Return ``10%`` or ``0.1`` as a fraction.

    Raises
    ------
    GpusimError
        For anything else, or a negative share.
    """
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = math.nan
    if rest or not share >= 0:
        raise GpusimError(
            located("--fail-above", "not a share", expected="such as 10% or 0.1", found=text)
        )
    return share


def _join(ours: TimeTable, truth: TimeTable) -> tuple[str, ...]:
    shared = [name for name in FULL_JOIN if name in ours.keys and name in truth.keys]
    if all(name in ours.keys and name in truth.keys for name in PLAIN_JOIN):
        # A launch number means something only within one run of one device.
        return tuple(name for name in ("device", *PLAIN_JOIN) if name in [*shared, *PLAIN_JOIN])
    if "kernel" in shared:
        return tuple(shared)
    raise TraceError(
        located(
            "join",
            "the tables have no keys in common",
            expected="launch, or kernel",
            found=f"{', '.join(ours.keys) or 'none'} and {', '.join(truth.keys) or 'none'}",
        )
    )


def _means(table: TimeTable, join: Sequence[str]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], list[float]] = {}
    for key, time_ms in zip(_keys(table, join), table.times_ms, strict=True):
        if time_ms is not None:
            found.setdefault(key, []).append(time_ms)
    return {key: math.fsum(times) / len(times) for key, times in found.items()}


def _keys(table: TimeTable, join: Sequence[str]) -> list[tuple[str, ...]]:
    cells = [[cell_text(cell, name) for cell in table.frame[table.keys[name]]] for name in join]
    return list(zip(*cells, strict=True))


def _features(table: TimeTable, join: Sequence[str]) -> dict[tuple[str, ...], dict[str, str]]:
    """Return what a table says of its rows, by key."""
    columns = {
        name: [cell_text(cell, name) for cell in table.frame[header]]
        for name, header in {**table.features, **table.keys}.items()
        if name in ("kernel", "dtype", "bound", "global", "local")
    }
    found = {}
    for number, key in enumerate(_keys(table, join)):
        cells = {name: column[number] for name, column in columns.items()}
        sizes = [cells.pop("global", ""), cells.pop("local", "")]
        known = {name: cell for name, cell in cells.items() if cell}
        found[key] = {**known, **(features_of_sizes(*sizes) if any(sizes) else {})}
    return found


def check_positive(time_ms: float, where: str) -> float:
    """Return a measured time.

    Raises
    ------
    TraceError
        When it is not above zero.
    """
    if not 0 < time_ms < math.inf:
        raise TraceError(located(where, "time not positive", found=time_ms))
    return time_ms


def cell_text(value: object, meaning: str) -> str:
    """Return a key cell as text: 3 and 3.0 are one launch, ``4x1`` and ``4, 1`` one size."""
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() else str(value)
    text = "" if value is None else "".join(str(value).split())
    if meaning not in _SIZES:
        return text
    return "" if text.lower() in _DRIVERS_CHOICE else text.lower().replace("x", ",")


def _label(key: Sequence[str]) -> str:
    return " ".join(part for part in key if part)
