"""A hostile launch between two good ones of the same trace."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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

GOOD = """
kernel void good(global const int *from, global int *to) {
  int i = get_global_id(0);
  to[i] = from[i] + 1;
}
"""
GOOD_ITEMS = 64
A, B, SUB = 2, 3, 4
"""Buffers that a hostile launch may use: 64 ints 0, 1, 2...; 16 ints; ints 16 to 31 of the first,
as a sub-buffer."""
A_BYTES, B_BYTES, SUB_OFFSET, SUB_BYTES = 256, 64, 64, 64
TRACE = "hostile.gptrace"


@dataclass(frozen=True)
class Local:
    """A local memory argument."""

    size_bytes: int


@dataclass(frozen=True)
class Ref:
    """A buffer argument by the id of its buffer."""

    buffer: int


NULL = None


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One hostile launch and the error it must end in."""

    source: str
    error: str
    """Regular expression found in the reason."""
    args: tuple[Any, ...] = (Ref(A),)
    """`Ref`, `Local`, NumPy scalars, `Argument` as it is, or None for NULL."""
    global_size: Size3 = (16, 1, 1)
    local_size: Size3 | None = (4, 1, 1)
    kernel: str = "k"
    options: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)


def argument(index: int, value: Any) -> Argument:
    """Return the record of one argument."""
    if isinstance(value, Argument):
        return value
    if isinstance(value, Ref):
        kind = ArgumentKind.BUFFER
        return Argument(index=index, kind=kind, size_bytes=8, ref=value.buffer)
    if isinstance(value, Local):
        return Argument(index=index, kind=ArgumentKind.LOCAL, size_bytes=value.size_bytes)
    if value is None:
        return Argument(index=index, kind=ArgumentKind.NULL, size_bytes=8)
    data = value.tobytes()
    return Argument(index=index, kind=ArgumentKind.VALUE, size_bytes=len(data), value=data)


def good_launch(seq: int) -> Launch:
    """Return a launch of the good kernel."""
    return Launch(
        index=seq,
        seq=seq,
        kernel="good",
        program=0,
        kernel_id=0,
        work_dim=1,
        global_size=(GOOD_ITEMS, 1, 1),
        local_size=(16, 1, 1),
        arguments=(argument(0, Ref(0)), argument(1, Ref(1))),
        queue=0,
    )


def trace_of(case: Hostile) -> Trace:
    """Return a trace of three launches, the hostile one in the middle."""
    texts = [GOOD, case.source, *case.headers.values()]
    blobs = {hashlib.sha256(text.encode()).hexdigest(): text.encode() for text in texts}
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    iota = np.arange(A_BYTES // 4, dtype=np.int32).tobytes()
    contents = hashlib.sha256(iota).hexdigest()
    blobs[contents] = iota
    hostile = Launch(
        index=1,
        seq=1,
        kernel=case.kernel,
        program=1,
        kernel_id=1,
        work_dim=3,
        global_size=case.global_size,
        local_size=case.local_size,
        arguments=tuple(argument(i, value) for i, value in enumerate(case.args)),
        queue=0,
    )
    buffers = [
        *(Buffer(id=i, size_bytes=4 * GOOD_ITEMS) for i in (0, 1)),
        Buffer(id=A, size_bytes=A_BYTES, content=contents),
        Buffer(id=B, size_bytes=B_BYTES),
        Buffer(id=SUB, size_bytes=SUB_BYTES, parent=A, offset_bytes=SUB_OFFSET),
    ]
    return Trace(
        name=TRACE,
        programs={
            0: Program(id=0, kind="source", blob=hashes[0]),
            1: Program(
                id=1,
                kind="source",
                blob=hashes[1],
                build_options=case.options,
                headers=tuple(zip(case.headers, hashes[2:], strict=True)),
            ),
        },
        kernels={
            0: Kernel(id=0, name="good", program=0),
            1: Kernel(id=1, name=case.kernel, program=1),
        },
        buffers={buffer.id: buffer for buffer in buffers},
        launches=(good_launch(0), hostile, good_launch(2)),
        read_blob=blobs.__getitem__,
    )
