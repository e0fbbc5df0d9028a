"""The dated record of a calibration: what was fitted to which data, and what stayed unexplained.

One file a device, ``device_models/calibration/DEVICE.yaml``. It holds figures and features only:
no measured time and no text of a measured file. Written by ``gpusim calibrate``, read by
``gpusim validate`` (the value of each figure before the fit, the sessions' launch constants) and
by everything that needs residuals of records that a fit has not seen.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpusim.device import DeviceSpec
from gpusim.device.strict_yaml import parse_yaml
from gpusim.errors import DeviceError, located
from gpusim.resources import device_models_dir

FOLDER = "calibration"
"""Of `device_models`, or beside a user's own model file."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(_Part):
    """One measured file that the fit used."""

    file: str
    """Its name, without a folder."""
    n: int = Field(ge=1)
    """Records or rows used."""
    weight: float = Field(default=1.0, gt=0)
    """Of one record in the objective."""


class Parameter(_Part):
    """One fitted figure, in the canonical unit of its field."""

    name: str
    """Path in the device model, such as ``job_manager.task_dispatch_cycles``."""
    before: float
    after: float
    bounds: tuple[float, float]
    kind: str
    """Of the figure before the first fit: ``assumed``, or ``fitted`` by a prototype."""
    note: str = ""
    """Of the figure before the first fit."""
    source: tuple[str, ...]
    """Of the figure before the first fit."""
    ablation: float | None = None
    """MAPE without this parameter (it stays at `before`, the others are fitted) less MAPE with
    it; positive = it helps. A fraction."""


class Session(_Part):
    """Records measured from `first` to `last` day (UTC) cost that much more per launch."""

    first: date
    last: date
    launch_us: float
    n: int


class Objective(_Part):
    """Robust loss over the data: mean soft-L1 of ln(simulated / measured)."""

    loss: str = "soft_l1"
    scale: float = Field(gt=0)
    """Of a log ratio, from which on the loss grows linearly."""
    before: float
    after: float


class Residual(_Part):
    """A record predicted by figures fitted without it or its relatives."""

    template: str
    dtype: str
    features: dict[str, float]
    """See :mod:`gpusim.validation.features`."""
    bound: str
    """What held it up, by the simulator's own opinion."""
    ln_ratio: float
    """ln(simulated / measured)."""
    fold: int
    """Of the grouped folds; equal for related shapes."""


class CalibrationRecord(_Part):
    """What ``gpusim calibrate`` did to one device model."""

    device: str
    date: date
    data: tuple[Data, ...]
    fidelity: str = "wave"
    objective: Objective
    parameters: tuple[Parameter, ...] = Field(max_length=10)
    covariance: tuple[tuple[float, ...], ...]
    """Of ln(parameter), in the order of `parameters`."""
    sessions: tuple[Session, ...] = ()
    accuracy: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Which data and folds -> measure -> fraction; see ``docs/calibration.md``."""
    residuals: tuple[Residual, ...] = ()

    def launch_ps(self, unix_time: float | None) -> int:
        """Return the extra time per launch of the session that a time belongs to; 0 if none."""
        if unix_time is None or not math.isfinite(unix_time):
            return 0
        try:
            day = datetime.fromtimestamp(unix_time, UTC).date()
        except (OverflowError, ValueError, OSError):
            return 0
        for session in self.sessions:
            if session.first <= day <= session.last:
                return round(session.launch_us * 10**6)
        return 0


def calibration_path(device: DeviceSpec) -> Path:
    """Return where the record of a device is: beside its model, all views in one."""
    own = Path(device.file)
    folder = own.parent if own.is_absolute() or len(own.parts) > 1 else device_models_dir()
    return folder / FOLDER / f"{device.gpu or device.id}.yaml"


def load_calibration(device: DeviceSpec) -> CalibrationRecord | None:
    """Return the calibration record of a device; None where it was never calibrated.

    Raises
    ------
    DeviceError
        When the record is malformed.
    """
    path = calibration_path(device)
    return read_calibration(path) if path.is_file() else None


def read_calibration(path: Path) -> CalibrationRecord:
    """Read a calibration record.

    Raises
    ------
    DeviceError
        When the file can't be read or is malformed, with the place.
    """
    try:
        document = parse_yaml(path.read_text(encoding="utf-8"), path.name)
        return CalibrationRecord.model_validate(document)
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceError(located(path, "can't be read", found=error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise DeviceError(located(f"{path.name}: {place}", first["msg"])) from None


def write_calibration(record: CalibrationRecord, path: Path) -> None:
    """Write a calibration record; residuals take one line each."""
    document = record.model_dump(mode="json")
    residuals = document.pop("residuals")
    text = _yaml(document, flow=False)
    if residuals:
        lines = [_yaml(residual, flow=True) for residual in residuals]
        text += "residuals:\n" + "".join(f"- {line}" for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _yaml(node: Any, *, flow: bool) -> str:
    return yaml.safe_dump(
        node,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=flow or None,
        width=10**6 if flow else 100,
    )
