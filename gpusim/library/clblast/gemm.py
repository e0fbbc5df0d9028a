"""How CLBlast 1.5.3 computes a matrix product: directly, or by copies around a tiled kernel.

Below a threshold one kernel takes matrices as they are. Above it the tiled kernel wants A with m
and B with n as the fast dimension and all three in whole tiles; operands that are not so are
copied into a temporary buffer first, and C is copied back.

Nothing here is the library's text; the decisions were read in its public source (Nugteren,
CLBlast, Apache 2.0: routines/level3/xgemm.cpp, routines/common.hpp) and hold in captures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

import numpy as np

from gpusim.library.clblast.parameters import build_options, parameters
from gpusim.library.plan import Phase
from gpusim.library.planned_trace import BufferRef, PlannedTrace

_KERNELS = Path(__file__).parent / "kernels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A matrix in a buffer."""

    buffer: BufferRef
    offset: int
    """Elements."""
    is_row_major: bool
    """Whether its second dimension is the fast one."""
    ld: int
    """Elements from one row (column) to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """C (m, n) = alpha * A (m, k) * B (k, n) + beta * C."""

    m: int
    n: int
    k: int
    a: Operand
    b: Operand
    c: Operand
    alpha: float = 1.0
    beta: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A matrix as a kernel sees it: fast and slow extent, distance, where."""

    one: int
    two: int
    ld: int
    offset: int
    buffer: BufferRef


class Routines:
    """CLBlast's routines on one device, adding launches to a plan."""

    def __init__(self, plan: PlannedTrace, target: str, dtype: str) -> None:
        self.plan = plan
        self.dtype = dtype
        self.element_bytes = 4 if dtype == "f32" else 2
        self.parameters = parameters(target, dtype)

    def gemm(self, product: Product) -> str:
        """Add the launches of a product; returns ``direct`` or ``indirect``."""
        threshold = self.parameters["XGEMM_MIN_INDIRECT_SIZE"]
        if product.m * product.n * product.k < threshold**3:
            self._direct(product)
            return "direct"
        self._indirect(product)
        return "indirect"

    def im2col(
        self, sizes: tuple[int, ...], image: BufferRef, image_offset: int, columns: BufferRef
    ) -> None:
        """Add the launch of im2col.

        Parameters
        ----------
        sizes : tuple of int
            Input height, width, channels; output height, width; kernel height, width; padding,
            stride and dilation, each height then width.
        image, columns : BufferRef
        image_offset : int
            Elements.
        """
        value = self.parameters
        out_height, out_width, channels = sizes[3], sizes[4], sizes[2]
        local = (value["COPY_DIMX"], value["COPY_DIMY"], 1)
        arguments = [np.int32(size) for size in sizes]
        self._launch(
            "im2col.cl",
            ("copy",),
            "Xim2colKernelNormal",
            (_up(out_width, local[0]), _up(out_height, local[1]) * channels, 1),
            local,
            [*arguments, image, np.int32(image_offset), columns, np.int32(0)],
        )

    def _direct(self, product: Product) -> None:
        value = self.parameters
        a, b, c = product.a, product.b, product.c
        turned_a, turned_b = a.is_row_major, not b.is_row_major
        side = value["WGD"]
        name = f"XgemmDirect{'NT'[turned_a]}{'NT'[turned_b]}"
        self._launch(
            "xgemm_direct.cl",
            ("direct",),
            name,
            (
                _up(product.m, side) * value["MDIMCD"] // side,
                _up(product.n, side) * value["NDIMCD"] // side,
                1,
            ),
            (value["MDIMCD"], value["NDIMCD"], 1),
            [
                np.int32(product.m),
                np.int32(product.n),
                np.int32(product.k),
                self._real(product.alpha),
                self._real(product.beta),
                a.buffer,
                np.int32(a.offset),
                np.int32(a.ld),
                b.buffer,
                np.int32(b.offset),
                np.int32(b.ld),
                c.buffer,
                np.int32(c.offset),
                np.int32(c.ld),
                np.int32(c.is_row_major),
            ],
            f" -DNAME={name} -DA_TURNED={int(turned_a)} -DB_TURNED={int(turned_b)}",
        )

    def _indirect(self, product: Product) -> None:
        value = self.parameters
        m, n = _up(product.m, value["MWG"]), _up(product.n, value["NWG"])
        k = _up(product.k, value["KWG"])
        given = (
            _placed(product.a, product.m, product.k),
            _placed(product.b, product.k, product.n),
            _placed(product.c, product.m, product.n),
        )
        is_turned = (product.a.is_row_major, not product.b.is_row_major, product.c.is_row_major)
        shapes = ((m, k), (n, k), (m, n))
        # Operands in whole tiles and in the wanted order are used as they are.
        is_kept = [
            not turned and (one.one, one.two, one.ld, one.offset) == (*shape, shape[0], 0)
            for one, turned, shape in zip(given, is_turned, shapes, strict=True)
        ]
        wanted = self._temporaries(given, shapes, is_kept)
        for operand in (0, 1, 2):
            if not is_kept[operand] and (operand < 2 or product.beta != 0):
                self._copy(
                    given[operand], wanted[operand], is_turned=is_turned[operand], is_padded=True
                )
        a, b, c = wanted
        self._launch(
            "xgemm.cl",
            ("gemm",),
            "Xgemm",
            (m * value["MDIMC"] // value["MWG"], n * value["NDIMC"] // value["NWG"], 1),
            (value["MDIMC"], value["NDIMC"], 1),
            [
                np.int32(m),
                np.int32(n),
                np.int32(k),
                self._real(product.alpha),
                self._real(product.beta),
                a.buffer,
                b.buffer,
                c.buffer,
                np.int32(b.offset // value["VWN"]),
                np.int32(c.offset // value["VWM"]),
            ],
        )
        if not is_kept[2]:
            self._copy(wanted[2], given[2], is_turned=is_turned[2], is_padded=False)

    def _temporaries(
        self,
        given: tuple[_Placed, ...],
        shapes: tuple[tuple[int, int], ...],
        is_kept: list[bool],
    ) -> list[_Placed]:
        """Return where the tiled kernel finds each operand: all copies share one buffer."""
        total = sum(prod(shape) for shape, kept in zip(shapes, is_kept, strict=True) if not kept)
        buffer = self.plan.buffer(total * self.element_bytes) if total else given[0].buffer
        offset = 0
        wanted = []
        for one, shape, kept in zip(given, shapes, is_kept, strict=True):
            if kept:
                wanted.append(one)
                continue
            wanted.append(
                _Placed(one=shape[0], two=shape[1], ld=shape[0], offset=offset, buffer=buffer)
            )
            offset += prod(shape)
        return wanted

    def _copy(self, source: _Placed, target: _Placed, *, is_turned: bool, is_padded: bool) -> None:
        value = self.parameters
        is_equal = (source.one, source.two, source.ld) == (target.one, target.two, target.ld)
        plain = is_equal and source.offset == target.offset == 0
        if is_turned:
            side = value["TRA_WPT"] * value["TRA_DIM"]
            is_fast = (
                plain
                and source.ld % value["TRA_WPT"] == 0
                and source.one % side == 0
                and source.two % side == 0
            )
        else:
            is_fast = (
                plain
                and source.ld % value["COPY_VW"] == 0
                and source.one % (value["COPY_VW"] * value["COPY_DIMX"]) == 0
                and source.two % (value["COPY_WPT"] * value["COPY_DIMY"]) == 0
            )
        name = ("TransposeMatrix" if is_turned else "CopyMatrix") + ("Fast" if is_fast else "")
        if is_padded and not is_fast:
            name = name.replace("Matrix", "PadMatrix")
        arguments: list[BufferRef | np.generic]
        if is_fast:
            arguments = [np.int32(source.ld), source.buffer, target.buffer, self._real(1.0)]
        else:
            arguments = [
                *_described(source),
                source.buffer,
                *_described(target),
                target.buffer,
                self._real(1.0),
            ]
        global_size, local_size = self._copy_shape(target, is_turned=is_turned, is_fast=is_fast)
        self._launch(
            "copies.cl", ("copy", "pad", "tra", "padtra"), name, global_size, local_size, arguments
        )

    def _copy_shape(
        self, target: _Placed, *, is_turned: bool, is_fast: bool
    ) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Return the global and the local size of a copy."""
        value = self.parameters
        if is_fast and is_turned:
            local, per_item = (value["TRA_DIM"],) * 2, (value["TRA_WPT"],) * 2
        elif is_fast:
            local = (value["COPY_DIMX"], value["COPY_DIMY"])
            per_item = (value["COPY_VW"], value["COPY_WPT"])
        elif is_turned:
            local, per_item = (value["PADTRA_TILE"],) * 2, (value["PADTRA_WPT"],) * 2
        else:
            local = (value["PAD_DIMX"], value["PAD_DIMY"])
            per_item = (value["PAD_WPTX"], value["PAD_WPTY"])
        return (
            (
                _up(-(-target.one // per_item[0]), local[0]),
                _up(-(-target.two // per_item[1]), local[1]),
                1,
            ),
            (*local, 1),
        )

    def _launch(
        self,
        file: str,
        groups: tuple[str, ...],
        kernel: str,
        global_size: tuple[int, int, int],
        local_size: tuple[int, int, int],
        arguments: list[BufferRef | np.generic],
        more_options: str = "",
    ) -> None:
        self.plan.launch(
            Phase.RUN,
            source=_source(file),
            options=build_options(self.parameters, groups, self.dtype) + more_options,
            kernel=kernel,
            global_size=global_size,
            local_size=local_size,
            arguments=arguments,
            work_dim=2,
        )

    def _real(self, value: float) -> np.generic:
        return np.float32(value) if self.dtype == "f32" else np.float16(value)


def _placed(operand: Operand, rows: int, columns: int) -> _Placed:
    one, two = (columns, rows) if operand.is_row_major else (rows, columns)
    return _Placed(one=one, two=two, ld=operand.ld, offset=operand.offset, buffer=operand.buffer)


def _described(matrix: _Placed) -> list[np.generic]:
    return [np.int32(size) for size in (matrix.one, matrix.two, matrix.ld, matrix.offset)]


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


@cache
def _source(file: str) -> str:
    return (_KERNELS / file).read_text()
