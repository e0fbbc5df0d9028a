"""One kernel of the corpus: where its text is, how it is launched, what it must compute."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

KERNELS = Path(__file__).parent / "kernels"


@dataclass(frozen=True)
class Local:
    """A local memory argument of so many bytes."""

    size_bytes: int


@dataclass(frozen=True)
class Image:
    """A 2D image or image array argument; `texels` is (layers,) height, width, channels."""

    texels: np.ndarray
    order: str
    """Channel order and type by the constants of the OpenCL API, without ``CL_``."""
    type: str


@dataclass(frozen=True)
class Sampler:
    """A nearest sampler."""

    addressing: str
    normalized: bool = False


def contents(value: Any) -> np.ndarray | None:
    """Return what a buffer or image argument holds, None for other arguments."""
    if isinstance(value, Image):
        return value.texels
    return value if isinstance(value, np.ndarray) else None


@dataclass(frozen=True)
class Data:
    """Arguments of a launch and the contents expected afterwards.

    Arrays are buffers, NumPy scalars are values, besides `Image`, `Sampler` and `Local`.
    `expected` maps an argument's position to its contents after the launch; a float64 array may
    stand for a narrower buffer.
    """

    args: tuple[Any, ...]
    expected: Mapping[int, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A launch of one kernel with its oracle."""

    name: str
    """Of the kernel and of the test."""
    file: str
    global_size: tuple[int, ...]
    local_size: tuple[int, ...]
    build: Callable[[np.random.Generator], Data]
    offset: tuple[int, ...] = ()
    options: str = ""
    ulp: float = 0
    """Distance allowed from the oracle; 0 = the same bits."""
    absolute: float = 0
    """Allowed besides `ulp`: results near zero of sums that cancel."""
    unordered: bool = False
    """Whether the results may come in any order."""

    @property
    def source(self) -> str:
        """OpenCL C of the kernel's file."""
        return (KERNELS / self.file).read_text()

    def data(self) -> Data:
        """Return arguments and expected contents, the same on every call."""
        return self.build(np.random.default_rng(zlib.crc32(self.name.encode())))


class Family:
    """The cases of one .cl file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.cases: dict[str, Case] = {}

    def __call__(
        self, global_size: tuple[int, ...], local_size: tuple[int, ...], **more: Any
    ) -> Callable[[Callable[[np.random.Generator], Data]], Callable[..., Data]]:
        """Register the decorated function as the builder of the kernel of its name."""

        def register(build: Callable[[np.random.Generator], Data]) -> Callable[..., Data]:
            name = build.__name__
            assert name not in self.cases
            self.cases[name] = Case(
                name=name,
                file=self.file,
                global_size=global_size,
                local_size=local_size,
                build=build,
                **more,
            )
            return build

        return register


def dyadic(rng: np.random.Generator, *shape: int, limit: int = 16, dtype: Any = np.float32) -> Any:
    """Return multiples of 1/8 up to `limit`/8: sums of their products are exact in float."""
    return (rng.integers(-limit, limit + 1, shape) / 8).astype(dtype)


def mismatch(case: Case, got: np.ndarray, expected: np.ndarray) -> str:
    """Return how `got` differs from `expected` by more than the case allows, or ''."""
    expected = np.ravel(expected)
    got = got[: expected.size]
    if case.unordered:
        got, expected = np.sort(got), np.sort(expected)
    if got.dtype.kind != "f" or (case.ulp == 0 and case.absolute == 0):
        wrong = ~((got == expected.astype(got.dtype)) | (_is_nan(got) & _is_nan(expected)))
    else:
        exact = expected.astype(np.float64)
        spacing = np.spacing(np.abs(exact.astype(got.dtype))).astype(np.float64)
        with np.errstate(invalid="ignore"):
            near = np.abs(got.astype(np.float64) - exact) <= case.ulp * spacing + case.absolute
        wrong = ~(near | (got == exact) | (_is_nan(got) & _is_nan(exact)))
    if not wrong.any():
        return ""
    first = int(np.flatnonzero(wrong)[0])
    return (
        f"{int(wrong.sum())} of {wrong.size} differ, first at {first}: "
        f"{got[first]!r} instead of {expected[first]!r}"
    )


def _is_nan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
