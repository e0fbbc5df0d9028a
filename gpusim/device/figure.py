"""One figure of a device model: from its YAML node to a checked :class:`Quantity`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from gpusim.device.quantity import Kind, Quantity
from gpusim.device.schema import Figure
from gpusim.device.strict_yaml import shown
from gpusim.errors import DeviceError, located
from gpusim.units import UNITS

_REQUIRED = ("value", "unit", "source", "kind")
_KEYS = (*_REQUIRED, "note", "calibration")
_WORD_LENGTH = 60


def did_you_mean(word: object, known: Iterable[object]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known word, or nothing."""
    close = difflib.get_close_matches(str(word)[:_WORD_LENGTH], [str(k) for k in known], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def reject_unknown_keys(node: dict[Any, Any], known: Iterable[str], where: str) -> None:
    """Raise a DeviceError for the first key of `node` that is not in `known`."""
    names = tuple(known)
    for key in node:
        if key not in names:
            hint = did_you_mean(key, names)
            raise DeviceError(
                located(where, f"unknown key {shown(key)}{hint}", expected=", ".join(names))
            )


def read_figure(node: Any, path: str, rule: Figure, file: str) -> Quantity:
    """Check a figure's node and convert its value to the canonical unit.

    Parameters
    ----------
    node : object
        What YAML holds: ``{value, unit, source, kind, note?, calibration?}``.
    path : str
        Place in the model, e.g. ``l2.size_bytes``.
    rule : Figure
        Dimension and range.
    file : str
        For messages and provenance.

    Returns
    -------
    Quantity
        Value converted exactly: clocks in whole kHz, times in whole ps, sizes in whole bytes.

    Raises
    ------
    DeviceError
        If a key is missing or unknown, or the value is not what `rule` allows.
    """
    where = f"{file}: {path}"
    if not isinstance(node, dict):
        raise DeviceError(
            located(
                where, "not a figure", expected="{value, unit, source, kind}", found=shown(node)
            )
        )
    reject_unknown_keys(node, _KEYS, where)
    for key in _REQUIRED:
        if node.get(key) is None:
            have = ", ".join(str(k) for k, v in node.items() if v is not None) or "nothing"
            raise DeviceError(
                located(where, f"missing {key!r}", expected=", ".join(_REQUIRED), found=have)
            )
    kind = _kind(node["kind"], where)
    unit = _unit(node["unit"], rule, where)
    calibration = _line(node.get("calibration", ""), "calibration", where)
    if (kind is Kind.FITTED) != bool(calibration):
        raise DeviceError(
            located(
                where,
                "'calibration' belongs to fitted figures and only to them",
                expected="the calibration record of a fitted figure, nothing else",
                found=f"kind {kind.value} {'with' if calibration else 'without'} calibration",
            )
        )
    return Quantity(
        path=path,
        value=_value(node["value"], unit, rule, where),
        given=node["value"],
        unit=unit,
        source=_sources(node["source"], where),
        kind=kind,
        note=_line(node.get("note", ""), "note", where),
        file=file,
        calibration=calibration,
    )


def _line(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str):
        raise DeviceError(located(where, f"{key!r} is not text", found=shown(value)))
    return " ".join(value.split())


def _kind(value: Any, where: str) -> Kind:
    known = [kind.value for kind in Kind]
    if not isinstance(value, str) or value not in known:
        hint = did_you_mean(value, known)
        raise DeviceError(
            located(where, f"unknown kind{hint}", expected=" | ".join(known), found=shown(value))
        )
    return Kind(value)


def _unit(value: Any, rule: Figure, where: str) -> str:
    fitting = [name for name, (dimension, _) in UNITS.items() if dimension == rule.dimension]
    if not isinstance(value, str) or value not in UNITS:
        hint = did_you_mean(value, UNITS)
        raise DeviceError(
            located(where, f"unknown unit{hint}", expected=" | ".join(fitting), found=shown(value))
        )
    if value not in fitting:
        raise DeviceError(
            located(
                where,
                "unit of the wrong dimension",
                expected=" | ".join(fitting),
                found=f"{value} ({UNITS[value][0]})",
            )
        )
    return value


def _sources(value: Any, where: str) -> tuple[str, ...]:
    keys = value if isinstance(value, list) else [value]
    if not keys or not all(isinstance(key, str) and key for key in keys):
        raise DeviceError(
            located(
                where, "bad source", expected="a key of 'sources', or a list", found=shown(value)
            )
        )
    return tuple(keys)


def _value(given: Any, unit: str, rule: Figure, where: str) -> Any:
    if rule.dimension == "text":
        return _word(given, rule, where)
    if rule.dimension == "table":
        return _table(given, rule, where)
    return _number(given, unit, rule, where)


def _word(given: Any, rule: Figure, where: str) -> str:
    if not isinstance(given, str) or given not in rule.choices:
        hint = did_you_mean(given, rule.choices)
        raise DeviceError(
            located(
                where, f"unknown word{hint}", expected=" | ".join(rule.choices), found=shown(given)
            )
        )
    return given


def _table(given: Any, rule: Figure, where: str) -> dict[int, int]:
    """Return {registers per thread, upper bound: threads}, checked and in rising order."""
    expected = "{registers: threads, ...}"
    if not isinstance(given, dict) or not given:
        raise DeviceError(located(where, "not a table", expected=expected, found=shown(given)))
    for key, value in given.items():
        for number, high in ((key, 1024), (value, rule.high)):
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= high:
                raise DeviceError(
                    located(
                        where,
                        "bad table entry",
                        expected=f"whole numbers from 1, at most {high:.0f}",
                        found=shown({key: value}),
                    )
                )
    table = dict(sorted(given.items()))
    threads = list(table.values())
    if threads != sorted(threads, reverse=True):
        raise DeviceError(
            located(
                where,
                "more threads with more registers",
                expected="threads that fall as registers rise",
                found=shown(table),
            )
        )
    return table


def _number(given: Any, unit: str, rule: Figure, where: str) -> int | float:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise DeviceError(located(where, "not a number", expected=unit, found=shown(given)))
    # repr gives the shortest decimal that reads back equal, which is what the file says.
    exact = Fraction(repr(given)) * Fraction(UNITS[unit][1])
    base = canonical_unit(rule.dimension)
    if rule.whole and exact.denominator != 1:
        raise DeviceError(
            located(where, f"not a whole number of {base}", found=f"{shown(given)} {unit}")
        )
    if not rule.low <= exact <= rule.high:
        raise DeviceError(
            located(
                where,
                "impossible value",
                expected=f"{_tidy(rule.low)} to {_tidy(rule.high)} {base}",
                found=f"{shown(given)} {unit}",
            )
        )
    if rule.power_of_two and int(exact).bit_count() != 1:
        raise DeviceError(
            located(where, "not a power of two", expected=base, found=f"{shown(given)} {unit}")
        )
    return int(exact) if exact.denominator == 1 else float(exact)


def canonical_unit(dimension: str) -> str:
    """Return the unit that values of `dimension` have after loading."""
    return next(name for name, (d, factor) in UNITS.items() if d == dimension and factor == 1)


def _tidy(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else f"{number:g}"
