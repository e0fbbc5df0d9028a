"""A hardware figure together with its evidence, and the log of the figures a result rests on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How we know a figure."""

    DOCUMENTED = "documented"
    MEASURED = "measured"
    REVERSE_ENGINEERED = "reverse-engineered"
    FITTED = "fitted"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A figure in the canonical unit of its field, with what the YAML said.

    `value` is in the unit that the field's suffix names (``_khz``, ``_bytes``, ``_ps``,
    ``_cycles``...); `given` and `unit` are what the file says, for display.
    """

    path: str
    """Place in the device model, e.g. ``l2.size_bytes``."""
    value: Any
    given: Any
    unit: str
    source: tuple[str, ...]
    kind: Kind
    note: str = ""
    file: str = ""
    """Model file or shared part that states the figure, e.g. ``family/bifrost.yaml``."""
    calibration: str = ""
    """Calibration record of a fitted figure; empty for every other kind."""


@dataclass(slots=True)
class Evidence:
    """Record which figures a simulation reads; calling it returns the plain value."""

    used: dict[str, Quantity] = field(default_factory=dict)

    def __call__(self, quantity: Quantity) -> Any:
        """Return `quantity.value` and remember that it was used."""
        self.used[quantity.path] = quantity
        return quantity.value

    def by_kind(self) -> dict[str, int]:
        """Return the number of figures used per kind, every kind present."""
        counts = Counter(quantity.kind.value for quantity in self.used.values())
        return {kind.value: counts.get(kind.value, 0) for kind in Kind}
