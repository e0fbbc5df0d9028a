"""Sums of a base per work-item and a stride per loop, and what integer operations make of them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]


@dataclass(slots=True)
class Form:
    """``base + sum over loops of stride * iteration``."""

    base: Any
    """int64, (n_thread,) or a scalar: value in the first iteration of every loop."""
    strides: dict[int, Any] = field(default_factory=dict)
    """Loop -> change per iteration; keys below zero stand for a value still being solved."""
    is_exact: bool = True
    """False where a choice or rounding that varies from iteration to iteration was left out."""


def total(a: Form, b: Form, sign: int) -> Form:
    """Return a + sign * b."""
    strides = dict(a.strides)
    for loop, stride in b.strides.items():
        strides[loop] = strides.get(loop, 0) + sign * stride
    return Form(a.base + sign * b.base, strides, a.is_exact and b.is_exact)


def scaled(a: Form, factor: int) -> Form:
    """Return factor * a."""
    return Form(a.base * factor, {k: v * factor for k, v in a.strides.items()}, a.is_exact)


def product(a: Form, b: Form) -> Form:
    """Return a * b; inexact where both move in a loop."""
    if a.strides and b.strides:
        return Form(a.base * b.base, {}, is_exact=False)
    moving, fixed = (a, b) if a.strides else (b, a)
    strides = {loop: stride * fixed.base for loop, stride in moving.strides.items()}
    return Form(a.base * b.base, strides, a.is_exact and b.is_exact)


def _divide(a: Any, b: Any) -> Any:
    """Divide rounding towards zero; by zero gives zero."""
    safe = np.where(b == 0, 1, b)
    quotient = np.abs(a) // np.abs(safe)
    return np.where(b == 0, 0, np.where((a < 0) != (safe < 0), -quotient, quotient))


def _remainder(a: Any, b: Any) -> Any:
    return np.where(b == 0, 0, a - _divide(a, b) * b)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "lshr": lambda a, b: a >> (b & 63),
    "ashr": lambda a, b: a >> (b & 63),
    "sdiv": _divide,
    "udiv": _divide,
    "srem": _remainder,
    "urem": _remainder,
    "smin": np.minimum,
    "smax": np.maximum,
    "umin": np.minimum,
    "umax": np.maximum,
}
PREDICATES: dict[str, Callable[..., Any]] = {
    "eq": lambda a, b: np.int64(a == b),
    "ne": lambda a, b: np.int64(a != b),
    "slt": lambda a, b: np.int64(a < b),
    "sle": lambda a, b: np.int64(a <= b),
    "sgt": lambda a, b: np.int64(a > b),
    "sge": lambda a, b: np.int64(a >= b),
    "ult": lambda a, b: np.int64(a < b),
    "ule": lambda a, b: np.int64(a <= b),
    "ugt": lambda a, b: np.int64(a > b),
    "uge": lambda a, b: np.int64(a >= b),
}
