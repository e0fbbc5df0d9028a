"""JSON that cannot surprise: bounded size and depth, no NaN, no duplicate keys, valid text."""

from __future__ import annotations

import json
import math
from typing import Any

from gpusim.errors import TraceError, located

MAX_DEPTH = 32
MAX_INTEGER_DIGITS = 20


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number {text[:40]} is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError(f"integer of {len(text)} digits")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return result


def _check(value: Any, depth: int) -> None:
    """Refuse deep nesting and text that is not valid Unicode (lone surrogates)."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            key.encode()
            _check(item, depth + 1)


def loads(data: bytes, *, where: str, max_bytes: int) -> dict[str, Any]:
    """Parse one JSON object.

    Parameters
    ----------
    data : bytes
        UTF-8 text.
    where : str
        File and place, for messages.
    max_bytes : int
        Largest text accepted.

    Returns
    -------
    dict

    Raises
    ------
    TraceError
        When `data` is not one JSON object within the limits.
    """
    if len(data) > max_bytes:
        raise TraceError(
            located(where, "JSON too long", expected=f"at most {max_bytes} bytes", found=len(data))
        )
    try:
        value = json.loads(
            data.decode(),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
        _check(value, 0)
    except (ValueError, RecursionError) as error:
        raise TraceError(located(where, "bad JSON", expected="one object", found=error)) from None
    if not isinstance(value, dict):
        raise TraceError(
            located(where, "bad JSON", expected="an object", found=type(value).__name__)
        )
    return value
