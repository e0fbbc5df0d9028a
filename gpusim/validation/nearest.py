"""Which measured kernels of a device's calibration record are nearest to a prediction.

Distances are taken over the features that both have, on a logarithmic scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.device import DeviceSpec
from gpusim.validation.calibration_record import Residual, calibration_path, load_calibration

_MIN_SCALE = 0.25
"""Least width of a feature, in powers of e: kernels closer than this are the same for us."""
_INSIDE_QUANTILE = 0.95
"""A prediction is inside when its nearest kernel is no farther than this share of the measured
kernels are from their own nearest one of another fold."""
_DTYPES = {"f32": "float32", "f16": "float16", "float": "float32", "half": "float16"}
"""Names that libraries and hand-written kernels use -> name in the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a predicted kernel is compared by."""

    template: str
    dtype: str = ""
    features: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A measured kernel and how far it is from a prediction."""

    residual: Residual
    distance: float
    """Root mean square over the shared features, in widths of the feature; inf with none."""

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--evidence`` prints."""
        return {
            "template": self.residual.template,
            "dtype": self.residual.dtype,
            "features": dict(self.residual.features),
            "error": math.expm1(self.residual.ln_ratio),
            "distance": self.distance if math.isfinite(self.distance) else None,
        }


class CalibrationSet:
    """The residuals of one device.

    Parameters
    ----------
    device : str
        Id.
    residuals : sequence of Residual
        Not empty.
    """

    def __init__(self, device: str, residuals: Sequence[Residual]) -> None:
        self.device = device
        self.residuals = tuple(residuals)
        self.templates = tuple(dict.fromkeys(one.template for one in self.residuals))
        self.names = tuple(sorted({name for one in self.residuals for name in one.features}))
        self._table = np.array([_row(one.features, self.names) for one in self.residuals]).reshape(
            len(self.residuals), len(self.names)
        )
        # Wide features (bytes from 1e3 to 1e8) must not drown narrow ones (filter sizes).
        spread = np.zeros(len(self.names))
        for column in range(len(self.names)):
            values = self._table[:, column]
            values = values[~np.isnan(values)]
            spread[column] = values.std() if len(values) else 0.0
        self._scale = np.maximum(spread, _MIN_SCALE)
        self._radius: dict[str, float] = {}

    def __iter__(self) -> Iterator[Residual]:
        return iter(self.residuals)

    def __len__(self) -> int:
        return len(self.residuals)

    def without(self, *, fold: int | None = None, template: str | None = None) -> CalibrationSet:
        """Return the set without one fold or one template; for held-out checks."""
        kept = [one for one in self.residuals if one.fold != fold and one.template != template]
        return CalibrationSet(self.device, kept)

    def nearest(self, subject: Subject, count: int = 3) -> tuple[Neighbour, ...]:
        """Return the nearest measured kernels, those of the same template and dtype first."""
        distances = self._distances(subject.features)
        dtype = dtype_name(subject.dtype)
        order = sorted(
            range(len(self.residuals)),
            key=lambda i: (
                self.residuals[i].template != subject.template,
                bool(dtype) and dtype_name(self.residuals[i].dtype) != dtype,
                distances[i],
                i,
            ),
        )
        return tuple(
            Neighbour(residual=self.residuals[i], distance=float(distances[i]))
            for i in order[:count]
        )

    def is_inside(self, subject: Subject) -> bool:
        """Return whether a kernel like this one was measured: same template, features near."""
        if subject.template not in self.templates:
            return False
        nearest = min(
            distance
            for distance, one in zip(self._distances(subject.features), self, strict=True)
            if one.template == subject.template
        )
        return bool(nearest <= self.radius(subject.template))

    def radius(self, template: str) -> float:
        """Return up to which distance a kernel of a template counts as measured."""
        if template not in self._radius:
            members = [i for i, one in enumerate(self) if one.template == template]
            found = []
            for i in members:
                others = [j for j in members if self.residuals[j].fold != self.residuals[i].fold]
                if others:
                    found.append(self._distances(self.residuals[i].features)[others].min())
            finite = [value for value in found if math.isfinite(value)]
            self._radius[template] = (
                max(float(np.quantile(finite, _INSIDE_QUANTILE)), _MIN_SCALE) if finite else 0.0
            )
        return self._radius[template]

    def _distances(self, features: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """Return the distance to every residual, inf where no feature is shared."""
        row = np.array(_row(features, self.names))
        steps = ((self._table - row) / self._scale) ** 2
        known = ~np.isnan(steps)
        total = np.where(known, steps, 0.0).sum(axis=1)
        number = known.sum(axis=1)
        far = np.full(len(self.residuals), np.inf)
        mean: npt.NDArray[np.float64] = np.divide(total, number, out=far, where=number > 0)
        return np.asarray(np.sqrt(mean), dtype=np.float64)


def launch_features(
    *, predicted_us: float, work_items: int, arithmetic: int, dram_bytes: int, n_launches: int = 1
) -> dict[str, float]:
    """Return those features of :mod:`gpusim.validation.features` that every timed launch has.

    Parameters
    ----------
    predicted_us : float
    work_items : int
    arithmetic : int
        Arithmetic instructions of all work-items.
    dram_bytes : int
        Exchanged with external memory.
    n_launches : int
        Launches that were timed together.
    """
    return {
        "predicted_us": predicted_us,
        "work_items": float(work_items),
        "arithmetic_instructions": float(arithmetic),
        "dram_bytes": float(dram_bytes),
        "n_launches": float(n_launches),
    }


def dtype_name(name: str) -> str:
    """Return the name under which records list a type: ``f32`` and ``float`` are ``float32``."""
    return _DTYPES.get(name, name)


def calibration_set(device: DeviceSpec) -> CalibrationSet | None:
    """Return the residuals of a device's calibration record; None where there are none.

    Raises
    ------
    DeviceError
        For a record that is malformed.
    """
    key = str(calibration_path(device))
    if key not in _known:
        record = load_calibration(device)
        _known[key] = (
            CalibrationSet(device.id, record.residuals) if record and record.residuals else None
        )
    return _known[key]


_known: dict[str, CalibrationSet | None] = {}


def _row(features: Mapping[str, float], names: Sequence[str]) -> list[float]:
    """Return features on a logarithmic scale; nan where one is missing."""
    values = [features.get(name, math.nan) for name in names]
    return [math.log1p(value) if value >= 0 else math.nan for value in values]
