"""Device models with some figures changed: what a fit varies, and what a device was before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gpusim.device import DeviceSpec, load_device
from gpusim.device.quantity import Kind
from gpusim.device.schema import FIGURES
from gpusim.device.spec import SECTIONS
from gpusim.errors import DeviceError, located
from gpusim.validation.calibration_record import load_calibration


def with_figures(device: DeviceSpec, values: Mapping[str, float]) -> DeviceSpec:
    """Return a device with other values, in canonical units, rounded where they must be whole.

    Raises
    ------
    DeviceError
        For a figure that does not exist.
    """
    sections: dict[str, dict[str, object]] = {}
    for path, value in values.items():
        section, _, name = path.partition(".")
        if section not in SECTIONS or name not in FIGURES[section]:
            raise DeviceError(located(device.file, "no such figure", found=path))
        old = getattr(getattr(device, section), name)
        number = round(value) if FIGURES[section][name].whole else float(value)
        sections.setdefault(section, {})[name] = replace(old, value=number)
    changed = {
        section: replace(getattr(device, section), **figures)
        for section, figures in sections.items()
    }
    return replace(device, **changed)


def load_variant(id_or_path: str, *, uncalibrated: bool = False) -> DeviceSpec:
    """Load a device model; `uncalibrated` puts its fitted figures back to before the fit.

    Raises
    ------
    DeviceError
        When the model or its calibration record can't be loaded, or when a figure is fitted
        and the record does not tell what it was before.
    """
    device = load_device(id_or_path)
    if not uncalibrated:
        return device
    record = load_calibration(device)
    before = {} if record is None else {one.name: one for one in record.parameters}
    for path, quantity in device.figures().items():
        if quantity.kind is Kind.FITTED and path not in before:
            raise DeviceError(
                located(device.file, f"no calibration record tells {path} before the fit")
            )
    plain = with_figures(device, {path: one.before for path, one in before.items()})
    for path, one in before.items():
        section, _, name = path.partition(".")
        figures = getattr(plain, section)
        old = replace(
            getattr(figures, name),
            kind=Kind(one.kind),
            source=one.source,
            note=one.note,
            calibration="",
        )
        plain = replace(plain, **{section: replace(figures, **{name: old})})
    return plain
