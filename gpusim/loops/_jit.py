"""The one decorator of all loops, so that compiler flags change in one place.

No ``fastmath``: results equal the plain-Python oracle. No on-disk cache: Numba keys it by path
and time stamp, and a moved checkout then fails to import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])


def loop(function: F) -> F:
    """Compile `function` in nopython mode."""
    return numba.njit(function)  # type: ignore[no-any-return]
