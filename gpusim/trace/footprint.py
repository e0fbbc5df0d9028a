"""How much device memory a program held, over time: a cumulative sum over object life times."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from gpusim.errors import TraceError, located
from gpusim.trace.records import Image, Trace

FOOTPRINT = np.dtype([("host_ns", np.int64), ("bytes", np.int64)])
"""One row per moment at which the footprint changes."""

_MAX_HELD = 2**63 - 1

# Channels per pixel of an image channel order and bytes per channel of a channel type; OpenCL 3.0
# API specification, section 5.3.1.1, names without their CL_ prefix.
_CHANNELS = {
    **dict.fromkeys(("R", "A", "INTENSITY", "LUMINANCE", "DEPTH"), 1),
    **dict.fromkeys(("RG", "RA", "Rx"), 2),
    **dict.fromkeys(("RGB", "RGx", "sRGB"), 3),
    **dict.fromkeys(("RGBA", "BGRA", "ARGB", "ABGR", "RGBx", "sRGBA", "sBGRA", "sRGBx"), 4),
}
_CHANNEL_BYTES = {
    **dict.fromkeys(("SNORM_INT8", "UNORM_INT8", "SIGNED_INT8", "UNSIGNED_INT8"), 1),
    **dict.fromkeys(("SNORM_INT16", "UNORM_INT16", "SIGNED_INT16", "UNSIGNED_INT16"), 2),
    **dict.fromkeys(("SIGNED_INT32", "UNSIGNED_INT32", "FLOAT"), 4),
    "HALF_FLOAT": 2,
}
_PACKED_PIXEL_BYTES = {
    "UNORM_SHORT_565": 2,
    "UNORM_SHORT_555": 2,
    "UNORM_INT_101010": 4,
    "UNORM_INT_101010_2": 4,
    "UNORM_INT24": 4,
}


def pixel_bytes(image: Image) -> int | None:
    """Return the bytes of one pixel; None for a format that OpenCL 3.0 does not define."""
    packed = _PACKED_PIXEL_BYTES.get(image.channel_type)
    if packed is not None:
        return packed
    channels = _CHANNELS.get(image.channel_order)
    per_channel = _CHANNEL_BYTES.get(image.channel_type)
    return None if channels is None or per_channel is None else channels * per_channel


def image_bytes(image: Image) -> int | None:
    """Return the bytes of an image as the program sees them, without a driver's tiling.

    Parameters
    ----------
    image : Image
        Its recorded row pitch wins over width times pixel size.

    Returns
    -------
    int or None
        0 for an image made from a buffer; None when neither pitch nor format tells.
    """
    if image.buffer is not None:
        return 0
    pixel = pixel_bytes(image)
    if image.row_pitch_bytes == 0 and pixel is None:
        return None
    row = image.row_pitch_bytes or image.width * (pixel or 0)
    return row * image.height * image.depth * image.array_size


def _lives(trace: Trace) -> Iterator[tuple[int, int | None, int]]:
    """Yield creation, release and size of every object that has memory of its own."""
    for buffer in trace.buffers.values():
        if buffer.parent is None:
            yield buffer.created_ns, buffer.released_ns, buffer.size_bytes
    for image in trace.images.values():
        size = image_bytes(image)
        if size:
            yield image.created_ns, image.released_ns, size


def footprint(trace: Trace) -> NDArray[np.void]:
    """Return the memory that buffers and images held after every change.

    Parameters
    ----------
    trace : Trace
        Sub-buffers, images made from buffers and images of unknown format count as nothing;
        an object without a release lives to the end.

    Returns
    -------
    array of `FOOTPRINT`
        Ascending ``host_ns``, each once; empty for a trace without objects.

    Raises
    ------
    TraceError
        When more is held than int64 can count.
    """
    changes: dict[int, int] = {}
    for created_ns, released_ns, size in _lives(trace):
        changes[created_ns] = changes.get(created_ns, 0) + size
        if released_ns is not None:
            changes[released_ns] = changes.get(released_ns, 0) - size
    moments = sorted(changes)
    held = list(accumulate(changes[host_ns] for host_ns in moments))
    if max(held, default=0) > _MAX_HELD:
        raise TraceError(
            located(
                trace.name, "objects too large", expected=f"at most {_MAX_HELD} bytes at a time"
            )
        )
    result = np.zeros(len(changes), dtype=FOOTPRINT)
    result["host_ns"] = moments
    result["bytes"] = held
    return result
