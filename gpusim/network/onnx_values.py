"""Values of the integer tensors from which ONNX graphs compute their shapes.

Exporters write ``Reshape(x, Concat(Gather(Shape(x), 0), [-1]))`` where they mean a flatten. These
few operators on a few numbers are computed here, so that the shapes behind them are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Value = npt.NDArray[np.int64]

_MAX_VALUE = 1024
"""Elements; shapes are short."""
_ARITHMETIC = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}


def evaluate(
    op: str,
    attributes: Mapping[str, Any],
    inputs: Sequence[Value | None],
    shape: Sequence[int] | None,
) -> Value | None:
    """Return the value of an operator, None where it cannot be told.

    Parameters
    ----------
    op : str
    attributes : mapping
    inputs : sequence of array or None
        Values of its inputs, None where unknown.
    shape : sequence of int, optional
        Shape of its first input.
    """
    if op in ("Shape", "Size"):
        if shape is None:
            return None
        part = list(shape)[slice(attributes.get("start"), attributes.get("end"))]
        return np.array(part if op == "Shape" else int(np.prod(shape)), dtype=np.int64)
    if not inputs or any(value is None for value in inputs):
        return None
    known = [value for value in inputs if value is not None]
    try:
        result = _evaluate(op, attributes, known)
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError):
        # Broken shape arithmetic; whoever needs the shape reports that it is not known.
        return None
    return result if result is not None and result.size <= _MAX_VALUE else None


def _evaluate(op: str, attributes: Mapping[str, Any], known: list[Value]) -> Value | None:
    first = known[0]
    if op in ("Identity", "Cast"):
        return first
    if op in _ARITHMETIC:
        result: Value = _ARITHMETIC[op](first, known[1])
        return result
    if op == "Div":
        return first // known[1]
    if op == "Concat":
        return np.concatenate([np.atleast_1d(value) for value in known])
    if op == "Gather":
        return np.take(first, known[1], axis=int(attributes.get("axis", 0)))
    if op == "Unsqueeze":
        # Below two dimensions every choice of axes gives one row.
        return first.reshape(1) if first.ndim == 0 else None
    if op == "Squeeze":
        return first.reshape(()) if first.size == 1 else None
    if op == "Slice":
        return _slice(first, attributes, known[1:])
    if op == "Reshape" and first.size == 1:
        return first.reshape(known[1].tolist())
    return None


def _slice(data: Value, attributes: Mapping[str, Any], more: list[Value]) -> Value | None:
    """Return a part of a vector; older graphs give its bounds as attributes."""
    if data.ndim != 1:
        return None
    if more:
        start, end = int(more[0].ravel()[0]), int(more[1].ravel()[0])
        step = int(more[3].ravel()[0]) if len(more) > 3 else 1
    else:
        start, end, step = int(attributes["starts"][0]), int(attributes["ends"][0]), 1
    return data[start:end:step]
