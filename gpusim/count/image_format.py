"""Formats and layout of images: what a texel is, and where it lies.

Images are laid out row by row (pitch-linear), as the OpenCL API presents them. Which of a texel's
channels is which follows the tables of the OpenCL 1.2 specification, sections 5.3.1.1 and 8.3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpusim.errors import CountError, located

if TYPE_CHECKING:
    from gpusim.trace.records import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOrder:
    """Which channels a texel has, and what the others read as."""

    name: str
    number: int
    """The API's constant."""
    channels: int
    """In memory."""
    read: tuple[int, int, int, int]
    """For red, green, blue, alpha: the channel in memory; 4 = always 0, 5 = always 1."""
    written: tuple[int, ...]
    """For each channel in memory: 0 red, 1 green, 2 blue, 3 alpha."""


def _order(name: str, number: int, read: tuple[int, int, int, int], *written: int) -> ChannelOrder:
    return ChannelOrder(name=name, number=number, channels=len(written), read=read, written=written)


ORDERS = (
    _order("R", 0x10B0, (0, 4, 4, 5), 0),
    _order("A", 0x10B1, (4, 4, 4, 0), 3),
    _order("RG", 0x10B2, (0, 1, 4, 5), 0, 1),
    _order("RA", 0x10B3, (0, 4, 4, 1), 0, 3),
    _order("RGBA", 0x10B5, (0, 1, 2, 3), 0, 1, 2, 3),
    _order("BGRA", 0x10B6, (2, 1, 0, 3), 2, 1, 0, 3),
    _order("ARGB", 0x10B7, (1, 2, 3, 0), 3, 0, 1, 2),
    _order("INTENSITY", 0x10B8, (0, 0, 0, 0), 0),
    _order("LUMINANCE", 0x10B9, (0, 0, 0, 5), 0),
    _order("ABGR", 0x10C3, (3, 2, 1, 0), 3, 2, 1, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelType:
    """How a channel is stored."""

    name: str
    number: int
    """The API's constant."""
    ir: str
    """LLVM type of one channel."""
    bytes: int
    family: str
    """``f``: `read_imagef` and `read_imageh`; ``i``: `read_imagei`; ``ui``: `read_imageui`."""
    scale: int = 0
    """Of normalised integers: what 1.0 is stored as; 0 = stored as it is."""
    is_signed: bool = True


CHANNEL_TYPES = (
    ChannelType(name="SNORM_INT8", number=0x10D0, ir="i8", bytes=1, family="f", scale=127),
    ChannelType(name="SNORM_INT16", number=0x10D1, ir="i16", bytes=2, family="f", scale=32767),
    ChannelType(
        name="UNORM_INT8", number=0x10D2, ir="i8", bytes=1, family="f", scale=255, is_signed=False
    ),
    ChannelType(
        name="UNORM_INT16", number=0x10D3, ir="i16", bytes=2, family="f", scale=65535,
        is_signed=False,
    ),
    ChannelType(name="SIGNED_INT8", number=0x10D7, ir="i8", bytes=1, family="i"),
    ChannelType(name="SIGNED_INT16", number=0x10D8, ir="i16", bytes=2, family="i"),
    ChannelType(name="SIGNED_INT32", number=0x10D9, ir="i32", bytes=4, family="i"),
    ChannelType(
        name="UNSIGNED_INT8", number=0x10DA, ir="i8", bytes=1, family="ui", is_signed=False
    ),
    ChannelType(
        name="UNSIGNED_INT16", number=0x10DB, ir="i16", bytes=2, family="ui", is_signed=False
    ),
    ChannelType(
        name="UNSIGNED_INT32", number=0x10DC, ir="i32", bytes=4, family="ui", is_signed=False
    ),
    ChannelType(name="HALF_FLOAT", number=0x10DD, ir="half", bytes=2, family="f"),
    ChannelType(name="FLOAT", number=0x10DE, ir="float", bytes=4, family="f"),
)  # fmt: skip
LANES = (1, 2, 4)
"""Channels that a texel may have in memory."""

_ORDER = {order.name: number for number, order in enumerate(ORDERS)}
_TYPE = {kind.name: number for number, kind in enumerate(CHANNEL_TYPES)}
EXTENTS = {
    "image1d": 1,
    "image1d_buffer": 1,
    "image1d_array": 1,
    "image2d": 2,
    "image2d_array": 2,
}
"""Image types that are executed -> coordinates of a texel, the layer of an array not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayout:
    """Where the texels of an image lie, in bytes from its first one."""

    order: ChannelOrder
    type: ChannelType
    width: int
    height: int
    layers: int
    texel_bytes: int
    row_pitch_bytes: int
    slice_pitch_bytes: int

    @property
    def size_bytes(self) -> int:
        """Bytes up to the end of the last texel."""
        return (
            (self.layers - 1) * self.slice_pitch_bytes
            + (self.height - 1) * self.row_pitch_bytes
            + self.width * self.texel_bytes
        )

    @property
    def tight_bytes(self) -> int:
        """Bytes of all texels."""
        return self.layers * self.height * self.width * self.texel_bytes

    @property
    def case(self) -> int:
        """Number of the way in which a texel is read: channel type and channels."""
        return _TYPE[self.type.name] * len(LANES) + LANES.index(self.order.channels)

    def words(self) -> list[int]:
        """Return what native code is told, in the order of `image_texels.WORDS`."""
        return [
            self.row_pitch_bytes,
            self.slice_pitch_bytes,
            self.width,
            self.height,
            self.layers,
            self.texel_bytes,
            self.case,
            _ORDER[self.order.name],
            self.type.number,
            self.order.number,
        ]


def image_layout(image: Image, *, where: str = "") -> ImageLayout:
    """Return the layout of an image.

    An image made from a buffer has the pitch it was made with; others are stored without gaps,
    whatever the pitch of the memory that they were filled from.

    Parameters
    ----------
    image : Image
        As recorded.
    where : str
        In front of messages.

    Raises
    ------
    CountError
        A 3D image, or a format that is not executed.
    """
    where = where or f"image {image.id}"
    if image.type not in EXTENTS:
        raise CountError(
            located(where, "image type not supported", expected=_names(EXTENTS), found=image.type)
        )
    if image.channel_order not in _ORDER:
        raise CountError(
            located(
                where,
                "channel order not supported",
                expected=_names(_ORDER),
                found=image.channel_order,
            )
        )
    if image.channel_type not in _TYPE:
        raise CountError(
            located(
                where,
                "channel type not supported",
                expected=_names(_TYPE),
                found=image.channel_type,
            )
        )
    order, kind = ORDERS[_ORDER[image.channel_order]], CHANNEL_TYPES[_TYPE[image.channel_type]]
    height = image.height if EXTENTS[image.type] == 2 else 1
    layers = image.array_size if image.type.endswith("_array") else 1
    if min(image.width, height, layers) < 1:
        found = f"{image.width} x {height} x {layers}"
        raise CountError(located(where, "an image without texels", found=found))
    texel = order.channels * kind.bytes
    row = image.width * texel
    if image.buffer is not None and image.row_pitch_bytes:
        row = image.row_pitch_bytes
    return ImageLayout(
        order=order,
        type=kind,
        width=image.width,
        height=height,
        layers=layers,
        texel_bytes=texel,
        row_pitch_bytes=row,
        slice_pitch_bytes=row * height,
    )


def _names(table: dict[str, int]) -> str:
    return ", ".join(table)
