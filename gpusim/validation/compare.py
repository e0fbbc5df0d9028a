"""Compare simulated with measured times: two tables, or a trace against its own recorded times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpusim.errors import GpusimError, TraceError, located
from gpusim.pipeline import replay
from gpusim.trace.records import Trace
from gpusim.validation.errors import ErrorSummary, summarise_errors
from gpusim.validation.tables import FULL_JOIN, PLAIN_JOIN, TimeTable, read_time_table

_PS_PER_MS = 10**9
_NS_PER_MS = 10**6
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

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``gpusim compare --json`` prints."""
        return {
            "mapping": list(self.mapping),
            "coverage": self.summary.n / self.summary.n_tried,
            **self.summary.as_json(),
            "pairs": [
                {
                    "label": pair.label,
                    "measured_ms": pair.measured_ms,
                    "simulated_ms": pair.simulated_ms,
                    "error": pair.error,
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
    pairs = []
    for key, time_ms in expected.items():
        if time_ms <= 0:
            raise TraceError(
                located(f"{measured.name}: {_label(key)}", "time not positive", found=time_ms)
            )
        pairs.append(Pair(label=_label(key), measured_ms=time_ms, simulated_ms=predicted.get(key)))
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


def compare_trace(trace: Trace, device: str, *, fidelity: str = "wave") -> Comparison:
    """Compare a replay with the START..END times that a real board recorded in the trace.

    Raises
    ------
    TraceError
        When the trace was captured as if on another device, or holds no times.
    """
    if trace.impersonated:
        raise TraceError(
            located(
                trace.name,
                "its times are of another device than the one presented",
                expected="a trace captured on the real board",
                found="impersonated",
            )
        )
    measured = {
        launch.index: (launch.times.end_ns - launch.times.start_ns) / _NS_PER_MS
        for launch in trace.launches
        if launch.times is not None and launch.times.end_ns > launch.times.start_ns > 0
    }
    if not measured:
        raise TraceError(
            located(trace.name, "no START..END times", expected="a capture with profiling")
        )
    report = replay(trace, device, fidelity=fidelity)
    simulated = {row.index: row.predicted_ps / _PS_PER_MS for row in report.launches}
    names = {launch.index: launch.kernel for launch in trace.launches}
    return Comparison(
        pairs=tuple(
            Pair(
                label=f"{index} {names[index]}",
                measured_ms=time_ms,
                simulated_ms=simulated.get(index),
            )
            for index, time_ms in measured.items()
        ),
        mapping=(
            f"measured: START..END of {len(measured)} launches; simulated: GPU time on {device}",
            "joined on launch",
        ),
    )


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
    cells = [[_cell(cell, name) for cell in table.frame[table.keys[name]]] for name in join]
    found: dict[tuple[str, ...], list[float]] = {}
    for key, time_ms in zip(zip(*cells, strict=True), table.times_ms, strict=True):
        if time_ms is not None:
            found.setdefault(key, []).append(time_ms)
    return {key: math.fsum(times) / len(times) for key, times in found.items()}


def _cell(value: object, meaning: str) -> str:
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
