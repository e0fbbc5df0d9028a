"""Types and packed layouts of the records that the shim writes; twin of ``shim/log.c``."""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np

NO_ID = 2**32 - 1


class Record(IntEnum):
    """Type of a record: JSON payloads below 32, packed ones from 32 on."""

    SESSION = 1
    PLATFORM = 2
    DEVICE = 3
    CONTEXT = 4
    QUEUE = 5
    PROGRAM = 6
    BUILD = 7
    KERNEL = 8
    MEMORY = 9
    SAMPLER = 10
    NOTE = 11
    END = 12
    ARGUMENTS = 32
    LAUNCH = 33
    TIMES = 34
    COMMAND = 35
    RELEASE = 36


class ObjectKind(IntEnum):
    """What a release record is about."""

    PLATFORM = 1
    DEVICE = 2
    CONTEXT = 3
    QUEUE = 4
    PROGRAM = 5
    KERNEL = 6
    MEMORY = 7
    SAMPLER = 8


class Execution(IntEnum):
    """How a launch was executed, compared with what the program asked for."""

    AS_ASKED = 0
    LOCAL_NULL = 1
    SPLIT = 2
    DRY = 3
    INEXACT = 4


class LaunchFlags(IntFlag):
    """Which sizes follow a launch record, one per dimension: global always, then these."""

    LOCAL = 1
    OFFSET = 2
    WIDE = 4
    """Sizes are u64, not u32."""


class ContentState(IntEnum):
    """What is known of the bytes that a command carried."""

    ABSENT = 0
    HASHED = 1
    STORED = 2


LAUNCH = np.dtype(
    [
        ("sequence", "<u4"),
        ("queue", "<u4"),
        ("kernel", "<u4"),
        ("argument_set", "<u4"),
        ("rc", "<i4"),
        ("duration_ns", "<u4"),
        ("dimensions", "u1"),
        ("flags", "u1"),
        ("execution", "u1"),
        ("reserved", "u1"),
        ("waits", "<u4"),
    ]
)
"""Followed by the sizes, see `LaunchFlags`, and the wait list."""

TIMES = np.dtype(
    [
        ("sequence", "<u4"),
        ("part", "<u4"),
        ("queued", "<u8"),
        ("submit", "<u8"),
        ("start", "<u8"),
        ("end", "<u8"),
    ]
)
COMMAND = np.dtype(
    [
        ("sequence", "<u4"),
        ("queue", "<u4"),
        ("rc", "<i4"),
        ("kind", "<u2"),
        ("api", "<u2"),
        ("blocking", "<u4"),
        ("source", "<u4"),
        ("target", "<u4"),
        ("duration_ns", "<u4"),
        ("offset", "<u8"),
        ("source_offset", "<u8"),
        ("size", "<u8"),
        ("digest", "u1", 32),
        ("content_state", "<u4"),
        ("box", "<u4"),
        ("waits", "<u4"),
        ("reserved", "<u4"),
    ]
)
BOX = np.dtype(
    [
        ("target_origin", "<u8", 3),
        ("source_origin", "<u8", 3),
        ("region", "<u8", 3),
        ("target_pitch", "<u8", 2),
        ("source_pitch", "<u8", 2),
    ]
)
RELEASE = np.dtype([("kind", "<u4"), ("id", "<u4")])
ARGUMENT = np.dtype(
    [
        ("index", "<u2"),
        ("kind", "u1"),
        ("guessed", "u1"),
        ("size", "<u4"),
        ("reference", "<u4"),
    ]
)

IMAGE_TYPES = {
    0x10F1: "image2d",
    0x10F2: "image3d",
    0x10F3: "image2d_array",
    0x10F4: "image1d",
    0x10F5: "image1d_array",
    0x10F6: "image1d_buffer",
}
CHANNEL_ORDERS = dict(
    enumerate(
        [
            "R",
            "A",
            "RG",
            "RA",
            "RGB",
            "RGBA",
            "BGRA",
            "ARGB",
            "INTENSITY",
            "LUMINANCE",
            "Rx",
            "RGx",
            "RGBx",
            "DEPTH",
            "DEPTH_STENCIL",
            "sRGB",
            "sRGBx",
            "sRGBA",
            "sBGRA",
            "ABGR",
        ],
        start=0x10B0,
    )
)
CHANNEL_TYPES = dict(
    enumerate(
        [
            "SNORM_INT8",
            "SNORM_INT16",
            "UNORM_INT8",
            "UNORM_INT16",
            "UNORM_SHORT_565",
            "UNORM_SHORT_555",
            "UNORM_INT_101010",
            "SIGNED_INT8",
            "SIGNED_INT16",
            "SIGNED_INT32",
            "UNSIGNED_INT8",
            "UNSIGNED_INT16",
            "UNSIGNED_INT32",
            "HALF_FLOAT",
            "FLOAT",
            "UNORM_INT24",
            "UNORM_INT_101010_2",
        ],
        start=0x10D0,
    )
)
ADDRESSING_MODES = dict(
    enumerate(["NONE", "CLAMP_TO_EDGE", "CLAMP", "REPEAT", "MIRRORED_REPEAT"], start=0x1130)
)
FILTER_MODES = {0x1140: "NEAREST", 0x1141: "LINEAR"}
