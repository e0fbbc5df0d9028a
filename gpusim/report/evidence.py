"""The figures that nobody has documented or measured, with value, source and note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpusim.device.quantity import Quantity
from gpusim.device.spec import DeviceSpec
from gpusim.isa.table import load_table


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """One figure of a device model or of its ISA's cost table, as its file states it."""

    path: str
    value: str
    unit: str
    kind: str
    source: str
    """Citations, joined by ``; ``."""
    note: str


def figure_rows(device: DeviceSpec, paths: Sequence[str]) -> tuple[FigureRow, ...]:
    """Return the figures at `paths`, in that order; a path that no file has keeps its name."""
    table = load_table(device.isa)
    known = dict(device.figures())
    known |= {q.path: q for q in (*table.issue.values(), *table.operations.values())}
    sources = {**table.sources, **device.sources}
    return tuple(_row(path, known.get(path), sources) for path in paths)


def _row(path: str, quantity: Quantity | None, sources: dict[str, str]) -> FigureRow:
    if quantity is None:
        return FigureRow(path=path, value="", unit="", kind="", source="", note="")
    return FigureRow(
        path=path,
        value=_text(quantity.given),
        unit=quantity.unit,
        kind=quantity.kind.value,
        source="; ".join(sources.get(key, key) for key in quantity.source),
        note=quantity.note,
    )


def _text(given: Any) -> str:
    if isinstance(given, dict):
        return ", ".join(f"{key}: {value}" for key, value in given.items())
    return str(given)
