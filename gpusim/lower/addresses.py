"""Virtual addresses of a trace's buffers on the modelled device.

Host addresses would leak this machine's allocator into cache and page counts, and change from
run to run; a driver hands out aligned ranges, and so does this map, in the order of buffer ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gpusim.device.spec import DeviceSpec
from gpusim.errors import LowerError, located
from gpusim.trace.records import Buffer, Image, Trace

FIRST_ADDRESS = 1 << 32
"""Start of the first buffer; away from zero so that a NULL pointer is no buffer's address."""

_CHANNELS = {"R": 1, "A": 1, "INTENSITY": 1, "LUMINANCE": 1, "DEPTH": 1, "RG": 2, "RA": 2}
_CHANNEL_BYTES = {"8": 1, "16": 2, "32": 4}


def image_bytes(image: Image) -> int:
    """Return the bytes an image occupies, from its pitches or else from its format."""
    if image.buffer is None and image.slice_pitch_bytes and image.depth * image.array_size > 1:
        return image.slice_pitch_bytes * image.depth * image.array_size
    digits = "".join(letter for letter in image.channel_type if letter.isdigit())
    channel = _CHANNEL_BYTES.get(digits, 2 if "HALF" in image.channel_type.upper() else 4)
    texel = channel * _CHANNELS.get(image.channel_order.upper(), 4)
    row = image.row_pitch_bytes or image.width * texel
    return row * image.height * image.depth * image.array_size


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressMap:
    """Where every buffer and image of a trace lies.

    Buffers never share addresses, even when their life times do not overlap.
    """

    buffers: Mapping[int, int]
    """Buffer id -> virtual address of its first byte, sub-buffers inside their parents."""
    images: Mapping[int, int]

    @classmethod
    def from_trace(cls, trace: Trace, device: DeviceSpec) -> AddressMap:
        """Assign page-aligned addresses in the order of buffer ids, then of image ids.

        Raises
        ------
        LowerError
            If a sub-buffer names a parent that the trace lacks, or reaches beyond it.
        """
        page = int(device.tlb.page_bytes.value)
        step = max(page, int(device.policy.buffer_alignment_bytes.value))
        next_address = FIRST_ADDRESS
        addresses: dict[int, int] = {}
        for identifier in sorted(trace.buffers):
            buffer = trace.buffers[identifier]
            if buffer.parent is None:
                addresses[identifier] = next_address
                next_address += -(-max(buffer.size_bytes, 1) // step) * step
        for identifier in sorted(trace.buffers):
            buffer = trace.buffers[identifier]
            if buffer.parent is not None:
                _check_parent(trace, buffer)
                # OpenCL has no sub-buffers of sub-buffers: the parent is always a root.
                addresses[identifier] = addresses[buffer.parent] + buffer.offset_bytes
        images: dict[int, int] = {}
        for identifier in sorted(trace.images):
            image = trace.images[identifier]
            if image.buffer is not None and image.buffer in addresses:
                images[identifier] = addresses[image.buffer]
                continue
            images[identifier] = next_address
            next_address += -(-max(image_bytes(image), 1) // step) * step
        return cls(buffers=addresses, images=images)


def _check_parent(trace: Trace, buffer: Buffer) -> None:
    """Raise LowerError unless the parent is a root buffer of the trace that holds `buffer`."""
    where = f"{trace.name}: buffer {buffer.id}"
    parent = trace.buffers.get(buffer.parent) if buffer.parent is not None else None
    if parent is None or parent.parent is not None:
        raise LowerError(
            located(where, "parent of a sub-buffer is no buffer", found=f"buffer {buffer.parent}")
        )
    end = buffer.offset_bytes + buffer.size_bytes
    if buffer.offset_bytes < 0 or end > parent.size_bytes:
        raise LowerError(
            located(
                where,
                "sub-buffer reaches beyond its parent",
                expected=f"an end within {parent.size_bytes} bytes",
                found=f"bytes {buffer.offset_bytes} to {end}",
            )
        )
