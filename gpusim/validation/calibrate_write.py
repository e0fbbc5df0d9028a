"""Put fitted values into the YAML text of a device model, touching nothing else in it."""

from __future__ import annotations

import re

from gpusim.device import DeviceSpec
from gpusim.device.quantity import Quantity
from gpusim.device.schema import FIGURES
from gpusim.errors import DeviceError, located
from gpusim.units import UNITS
from gpusim.validation.calibration_record import FOLDER, CalibrationRecord

SOURCE = "calibration"
"""Key under ``sources`` that fitted figures cite."""
_CITATION = "Calibration record of this device, written by gpusim calibrate"
_DIGITS = 4


def write_fitted(text: str, device: DeviceSpec, record: CalibrationRecord) -> str:
    """Return the text of a model with the fitted figures of a record.

    A figure that the file states is replaced on its line; one that a shared part states is added
    to the file's section, so that other devices keep theirs.

    Raises
    ------
    DeviceError
        When a figure to be replaced spans several lines.
    """
    lines = text.splitlines()
    figures = device.figures()
    for parameter in record.parameters:
        section, _, name = parameter.name.partition(".")
        node = _node(figures[parameter.name], parameter.after, section, name, record)
        _set(lines, section, name, node, device.file)
    if record.parameters and SOURCE not in device.sources:
        _add_source(lines)
    return "\n".join(lines) + "\n"


def rounded(path: str, value: float, unit: str) -> float:
    """Return a value in `unit` as the file will state it, back in the canonical unit."""
    factor = UNITS[unit][1]
    given = float(f"{value / factor:.{_DIGITS}g}")
    section, _, name = path.partition(".")
    exact = given * factor
    return float(round(exact)) if FIGURES[section][name].whole else exact


def _node(old: Quantity, value: float, section: str, name: str, record: CalibrationRecord) -> str:
    factor = UNITS[old.unit][1]
    given = f"{value / factor:.{_DIGITS}g}"
    if FIGURES[section][name].whole and factor == 1:
        given = str(round(value))
    if "e" in given:
        given = f"{float(given):f}".rstrip("0").rstrip(".")
    before = next(one for one in record.parameters if one.name == f"{section}.{name}")
    start = f"{before.before / factor:.{_DIGITS}g}"
    where = f"{FOLDER}/{record.device}.yaml of {record.date.isoformat()}"
    return (
        f"  {name}: {{value: {given}, unit: {old.unit}, source: {SOURCE}, kind: fitted, "
        f'calibration: "{where}", note: "start value {start}, {before.kind}"}}'
    )


def _set(lines: list[str], section: str, name: str, node: str, file: str) -> None:
    start = next((i for i, line in enumerate(lines) if line.rstrip() == f"{section}:"), None)
    if start is None:
        # Views come last; a section after them would read as one of theirs only if indented.
        lines += [f"{section}:", node]
        return
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or lines[end][0] in " #"):
        if re.match(rf"  {re.escape(name)}:", lines[end]):
            if not re.search(r"\{.*\}\s*(#.*)?$", lines[end]):
                place = f"{file}:{end + 1}"
                raise DeviceError(located(place, "figure on several lines", expected="one line"))
            lines[end] = node
            return
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    lines.insert(end, node)


def _add_source(lines: list[str]) -> None:
    start = next((i for i, line in enumerate(lines) if line.rstrip() == "sources:"), None)
    entry = f'  {SOURCE}: "{_CITATION}"'
    if start is not None:
        if entry not in lines:
            lines.insert(start + 1, entry)
        return
    lines += ["sources:", entry]
