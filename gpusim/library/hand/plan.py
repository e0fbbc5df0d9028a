"""One launch of a hand-written kernel as a trace, the type that a capture has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpusim.errors import TraceError, located
from gpusim.trace.records import (
    Argument,
    ArgumentKind,
    Buffer,
    Kernel,
    Launch,
    Program,
    Size3,
    Trace,
)

_POINTER_BYTES = 8
_WIDTHS = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandLaunch:
    """A planned launch and what it is worth."""

    trace: Trace
    """One program, one launch."""
    operations: int = 0
    """Arithmetic operations of all work-items; a multiply-add is two."""
    moved_bytes: int = 0
    """Bytes that the kernel's rate counts: read, or read and written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeChoice:
    """An OpenCL element type: a scalar or a vector of it."""

    scalar: str
    width: int
    scalar_bytes: int

    @property
    def name(self) -> str:
        """Name in OpenCL C, e.g. ``half4``."""
        return self.scalar + (str(self.width) if self.width > 1 else "")

    @property
    def size_bytes(self) -> int:
        """Bytes of one element, all lanes."""
        return self.scalar_bytes * self.width


_SCALAR_BYTES = {
    "char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "long": 8, "ulong": 8,
    "half": 2, "float": 4, "double": 8,
}  # fmt: skip


def element_type(name: str) -> TypeChoice:
    """Return the type of that OpenCL C name.

    Raises
    ------
    TraceError
        For a type that is none of the scalars or their vectors of 2, 4, 8 or 16.
    """
    scalar = name.rstrip("0123456789")
    width = int(name[len(scalar) :] or 1)
    if scalar not in _SCALAR_BYTES or width not in _WIDTHS:
        raise TraceError(
            located("element type", "unknown", expected="such as float or half4", found=name)
        )
    return TypeChoice(scalar=scalar, width=width, scalar_bytes=_SCALAR_BYTES[scalar])


def plan_launch(
    *,
    source: str,
    kernel: str,
    build_options: str,
    arguments: Sequence[int | bytes],
    buffers: Sequence[int],
    global_size: Size3,
    local_size: Size3 | None,
    work_dim: int,
) -> Trace:
    """Return a trace of one launch of a kernel of this package.

    Parameters
    ----------
    source : str
        Name of a file in this package.
    kernel : str
        OpenCL function in it.
    build_options : str
        As given to clBuildProgram.
    arguments : sequence of int or bytes
        In parameter order: the index of a buffer, or the little-endian bytes of a value.
    buffers : sequence of int
        Size of each, bytes.
    global_size, local_size : tuple of int
        NDRange; a local size of None leaves the choice to the driver.
    work_dim : int
        Dimensions of the NDRange.
    """
    text = (Path(__file__).parent / source).read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    bound = []
    for index, value in enumerate(arguments):
        if isinstance(value, bytes):
            bound.append(
                Argument(index=index, kind=ArgumentKind.VALUE, size_bytes=len(value), value=value)
            )
        else:
            bound.append(
                Argument(
                    index=index, kind=ArgumentKind.BUFFER, size_bytes=_POINTER_BYTES, ref=value
                )
            )
    launch = Launch(
        index=0,
        seq=0,
        kernel=kernel,
        program=0,
        kernel_id=0,
        work_dim=work_dim,
        global_size=global_size,
        local_size=local_size,
        arguments=tuple(bound),
        queue=0,
    )
    return Trace(
        name=f"hand/{source}",
        manifest={"format": "planned launch"},
        programs={0: Program(id=0, kind="source", blob=digest, build_options=build_options)},
        kernels={0: Kernel(id=0, name=kernel, program=0)},
        buffers={number: Buffer(id=number, size_bytes=size) for number, size in enumerate(buffers)},
        launches=(launch,),
        read_blob={digest: text}.__getitem__,
    )


def int32(value: int) -> bytes:
    """Return a kernel argument of type int."""
    return np.int32(value).tobytes()


def half_option(kind: TypeChoice) -> str:
    """Return the build option that enables half where the type needs it."""
    return " -DHALF=1" if kind.scalar == "half" else ""
