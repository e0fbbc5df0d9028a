"""What is known of the speed of cuDNN's kernels: `calibration.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from gpusim.device.quantity import Kind
from gpusim.device.strict_yaml import parse_yaml
from gpusim.library.plan import Efficiency


@cache
def calibration() -> dict[str, Any]:
    """Return the record of the fit."""
    path = Path(__file__).with_name("calibration.yaml")
    record: dict[str, Any] = parse_yaml(path.read_text(encoding="utf-8"), path.name)
    return record


def efficiency_of(kernel: str, kind: str, target: str) -> Efficiency:
    """Return the efficiency of a kernel.

    Parameters
    ----------
    kernel : str
        Its name.
    kind : str
        Its tile (``128x64``) or ``winograd``.
    target : str
        Device id; the factors are fitted on one and assumed on the others.
    """
    record = calibration()
    fitted = record["efficiency"]
    if kind in fitted and target == record["fitted_on"]:
        return Efficiency(kernel=kernel, factor=fitted[kind], kind=Kind.FITTED)
    factor = fitted[kind] if kind in fitted else record["assumed"][kind]
    return Efficiency(kernel=kernel, factor=factor, kind=Kind.ASSUMED)
