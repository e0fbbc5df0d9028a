"""The one decorator of all loops, so that compiler flags change in one place.

No ``fastmath``: results equal the plain-Python oracle. Compiled code is kept in the user's cache
folder under a hash of all loops, their place and Numba's version: Numba itself keys an entry by
path and time stamp of one file, so it would miss a change in a loop that another one calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numba

from gpusim.resources import cache_dir

F = TypeVar("F", bound=Callable[..., object])


def _cache_folder() -> Path:
    """Return the folder for the compiled form of exactly these sources."""
    folder = Path(__file__).resolve().parent
    digest = hashlib.sha256(f"{numba.__version__} {folder}".encode())
    for source in sorted(folder.glob("*.py")):
        digest.update(source.read_bytes())
    return cache_dir() / "loops" / digest.hexdigest()[:16]


def _can_cache() -> bool:
    """Point Numba at the cache folder; without a writable one, compile anew in each process."""
    folder = _cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    numba.config.CACHE_DIR = str(folder)
    return True


_CACHE = _can_cache()


def loop(function: F) -> F:
    """Compile `function` in nopython mode."""
    return numba.njit(cache=_CACHE)(function)  # type: ignore[no-any-return]
