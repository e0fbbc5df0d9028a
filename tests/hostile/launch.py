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
    Image,
    Kernel,
    Launch,
    Program,
    Sampler,
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


@dataclass(frozen=True)
class ImageRef:
    """An image argument by the id of its image."""

    image: int


@dataclass(frozen=True)
class SamplerRef:
    """A sampler argument."""

    sampler: int


PIXELS, INTEGERS, CUBE, READ_ONLY, ENORMOUS, CUT_OFF, LAYERS = range(10, 17)
"""Images: 8 x 8 of bytes that are fractions; of ints; 3D; one the host made read-only; one of
2^31 x 2^31; one whose contents are too short; an array of 3."""
CLAMPED, LINEAR, NORMALIZED, REPEATED = range(4)
"""Samplers; the last one is of coordinates that are not normalised."""


def _image(number: int, **fields: Any) -> Image:
    shape = {"type": "image2d", "width": 8, "height": 8, "channel_type": "UNORM_INT8"}
    return Image(id=number, **{**shape, **fields})


IMAGES = (
    _image(PIXELS),
    _image(INTEGERS, channel_type="SIGNED_INT32"),
    _image(CUBE, type="image3d", depth=8),
    _image(READ_ONLY, flags=4),
    _image(ENORMOUS, width=1 << 31, height=1 << 31),
    _image(CUT_OFF, content=hashlib.sha256(b"short").hexdigest()),
    _image(LAYERS, type="image2d_array", array_size=3),
)
SAMPLERS = (
    Sampler(id=CLAMPED, normalized=False, addressing="CLAMP", filter="NEAREST"),
    Sampler(id=LINEAR, normalized=False, addressing="CLAMP", filter="LINEAR"),
    Sampler(id=NORMALIZED, normalized=True, addressing="CLAMP", filter="NEAREST"),
    Sampler(id=REPEATED, normalized=False, addressing="REPEAT", filter="NEAREST"),
)

NULL = None


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One hostile launch and the error it must end in."""

    source: str
    error: str
    """Regular expression found in the reason."""
    args: tuple[Any, ...] = (Ref(A),)
    """`Ref`, `ImageRef`, `SamplerRef`, `Local`, NumPy scalars, an `Argument`, None for NULL."""
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
    if isinstance(value, ImageRef):
        return Argument(index=index, kind=ArgumentKind.IMAGE, size_bytes=8, ref=value.image)
    if isinstance(value, SamplerRef):
        return Argument(index=index, kind=ArgumentKind.SAMPLER, size_bytes=8, ref=value.sampler)
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
    blobs[hashlib.sha256(b"short").hexdigest()] = b"short"
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
        images={image.id: image for image in IMAGES},
        samplers={sampler.id: sampler for sampler in SAMPLERS},
        launches=(good_launch(0), hostile, good_launch(2)),
        read_blob=blobs.__getitem__,
    )
