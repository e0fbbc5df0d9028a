"""How one of our kernels is called: its text, macros, arguments, and the tensors they name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.network.layers import Layer

Argument = str | int
"""A tensor by name, or a 32-bit integer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of up to four dimensions in one buffer, innermost first, padded in the first two.

    Padding is what the library asks for, so that vector accesses at an edge stay inside.
    """

    dims: tuple[int, int, int, int]
    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0
    tail: int = 0
    """Elements behind the last plane."""

    @property
    def row(self) -> int:
        """Elements from one index of the second dimension to the next."""
        return self.left + self.dims[0] + self.right

    @property
    def plane(self) -> int:
        """Elements from one index of the third dimension to the next."""
        return self.row * (self.top + self.dims[1] + self.bottom)

    @property
    def volume(self) -> int:
        """Elements from one index of the fourth dimension to the next."""
        return self.plane * self.dims[2]

    @property
    def offset(self) -> int:
        """Elements before the first one."""
        return self.top * self.row + self.left

    @property
    def elements(self) -> int:
        """Elements of the buffer."""
        return self.volume * self.dims[3] + self.tail

    def pack(self, values: npt.NDArray[Any], fill: float = 0.0) -> npt.NDArray[Any]:
        """Return the buffer's contents, flat, for `values` with the outermost dimension first."""
        flat = np.full(self.elements, fill, values.dtype)
        self._view(flat)[...] = values.reshape(self.dims[::-1])
        return flat

    def unpack(self, flat: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the values in a buffer, outermost dimension first."""
        return self._view(flat).copy()

    def _view(self, flat: npt.NDArray[Any]) -> npt.NDArray[Any]:
        d0, d1, d2, d3 = self.dims
        rows = self.top + d1 + self.bottom
        grid = flat[: self.volume * d3].reshape(d3, d2, rows, self.row)
        return grid[:, :, self.top : self.top + d1, self.left : self.left + d0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A call of one of our kernels."""

    source: str
    """File in this package."""
    macros: str = ""
    """Build options beside the element type: what doesn't depend on the output channels."""
    arguments: tuple[Argument, ...] = ()


@cache
def source_text(name: str) -> str:
    """Return the text of an OpenCL file of this package, the shared preamble before it."""
    folder = Path(__file__).parent
    return "".join((folder / file).read_text(encoding="utf-8") for file in ("element.cl", name))


def axis_macros(layer: Layer) -> str:
    """Return the macros of a layer's strides and of the padding before its image."""
    (stride_y, stride_x), (top, left, _, _) = layer.strides, layer.pads
    return macros(STRIDE_X=stride_x, STRIDE_Y=stride_y, PAD_LEFT=left, PAD_TOP=top)


def macros(**values: int | str) -> str:
    """Return build options that define the names."""
    return " ".join(f"-D{name}={value}" for name, value in values.items())
