"""Launches and oracles of kernels/images.cl."""

from __future__ import annotations

import numpy as np

from tests.corpus.case import Data, Family, Image, Local, Sampler, dyadic

CASES = Family("images.cl")
i32, u32, f16, f32, u8 = np.int32, np.uint32, np.float16, np.float32, np.uint8


def pixels(rng, *shape):
    """Return bytes that a UNORM_INT8 image holds."""
    return rng.integers(0, 256, shape).astype(u8)


def empty(like, dtype, order="RGBA", kind="FLOAT"):
    """Return an image of the extents of an array."""
    lanes = {"R": 1, "RG": 2, "RGBA": 4, "BGRA": 4}[order]
    return Image(np.zeros((*like, lanes), dtype), order, kind)


@CASES((12, 8), (4, 4))
def image_copy(rng):
    x = pixels(rng, 8, 12, 4)
    # Out of BGRA into RGBA: the bytes change places.
    to = empty((8, 12), u8, "RGBA", "UNORM_INT8")
    return Data((Image(x, "BGRA", "UNORM_INT8"), to), {1: x[:, :, [2, 1, 0, 3]]})


@CASES((16, 8), (8, 4))
def image_blur(rng):
    x = dyadic(rng, 8, 16, 4)
    wide = np.pad(x, ((1, 1), (1, 1), (0, 0)), "edge")
    total = sum(wide[dy : dy + 8, dx : dx + 16] for dy in range(3) for dx in range(3))
    return Data((Image(x, "RGBA", "FLOAT"), empty((8, 16), f32)), {1: total / 8})


@CASES((16, 12), (4, 4))
def image_transpose(rng):
    x = rng.integers(0, 2**32, (12, 16, 4), dtype=u32)
    to = empty((16, 12), u32, "RGBA", "UNSIGNED_INT32")
    args = (Image(x, "RGBA", "UNSIGNED_INT32"), to, Local(256))
    return Data(args, {1: x.transpose(1, 0, 2)})


@CASES((16, 12), (8, 4), ulp=4, absolute=1e-6)
def image_sobel(rng):
    x = pixels(rng, 11, 14, 1)
    v = np.pad(x[..., 0].astype("f8") / 255, 1)
    w = np.array([1, 2, 1])
    gx = sum(w[d] * (v[d : d + 11, 2:16] - v[d : d + 11, :14]) for d in range(3))
    gy = sum(w[d] * (v[2:13, d : d + 14] - v[:11, d : d + 14]) for d in range(3))
    args = (Image(x, "R", "UNORM_INT8"), np.zeros((11, 14), f32), i32(14))
    return Data(args, {1: np.abs(gx) + np.abs(gy)})


@CASES((20, 6), (4, 2))
def image_resize(rng):
    x = pixels(rng, 9, 8, 4)
    rows = ((np.arange(6) + 0.5) / 6 * 9).astype(int)
    columns = ((np.arange(20) + 0.5) / 20 * 8).astype(int)
    args = (
        Image(x, "RGBA", "UNORM_INT8"),
        Sampler("CLAMP_TO_EDGE", normalized=True),
        empty((6, 20), u8, "RGBA", "UNORM_INT8"),
    )
    return Data(args, {2: x[rows][:, columns]})


@CASES((8, 4), (4, 2))
def image_layers(rng):
    x = rng.integers(-(2**15), 2**15, (3, 4, 8, 4)).astype(np.int16)
    wanted = np.concatenate([x.astype(i32).sum(0)[None], x[::-1].astype(i32)])
    to = Image(np.zeros((4, 4, 8, 4), i32), "RGBA", "SIGNED_INT32")
    return Data((Image(x, "RGBA", "SIGNED_INT16"), to), {1: wanted})


@CASES((8, 6, 9), (4, 2, 1))
def image_im2col(rng):
    x = dyadic(rng, 6, 8, 4)
    wide = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    taps = [wide[dy : dy + 6, dx : dx + 8] for dy in range(3) for dx in range(3)]
    args = (Image(x, "RGBA", "FLOAT"), np.zeros((6, 8, 9, 4), f32), i32(3), i32(8))
    return Data(args, {1: np.stack(taps, 2)})


@CASES((32,), (8,))
def image_repeat(rng):
    x = dyadic(rng, 4, 8, 4)
    i = np.arange(32)
    places = (i * 0.1875 - 2.96875, 1.53125 - i * 0.0625)
    sizes = (8, 4)
    wrap, mirror = [], []
    for at, size in zip(places, sizes, strict=True):
        wrap.append(np.floor((at - np.floor(at)) * size).astype(int))
        back = np.abs(at - 2 * np.rint(at / 2))
        mirror.append(np.minimum(np.floor(back * size).astype(int), size - 1))
    wanted = np.stack([x[wrap[1], wrap[0]], x[mirror[1], mirror[0]]])
    args = (
        Image(x, "RGBA", "FLOAT"),
        Sampler("REPEAT", normalized=True),
        Sampler("MIRRORED_REPEAT", normalized=True),
        np.zeros((2, 32, 4), f32),
        i32(32),
    )
    return Data(args, {3: wanted})


@CASES((8, 4), (4, 4))
def image_saturate(rng):
    x = rng.integers(-400, 400, (4, 8, 4)).astype(i32)
    bits = x.astype("i8") % 2**32
    args = (
        Image(x, "RGBA", "SIGNED_INT32"),
        empty((4, 8), np.int8, "RGBA", "SIGNED_INT8"),
        empty((4, 8), np.uint16, "RGBA", "UNSIGNED_INT16"),
    )
    wanted = {1: np.clip(x, -128, 127).astype(np.int8), 2: np.minimum(bits, 65535)}
    return Data(args, wanted)


@CASES((8, 4), (4, 4))
def image_normalised(rng):
    x = (rng.integers(-50, 50, (4, 8, 4)) / 32).astype(f32)

    def stored(scale, low):
        return np.clip(np.rint(x * f32(scale)), low, scale)

    return Data(
        (
            Image(x, "RGBA", "FLOAT"),
            empty((4, 8), u8, "RGBA", "UNORM_INT8"),
            empty((4, 8), np.int8, "RGBA", "SNORM_INT8"),
            empty((4, 8), np.uint16, "RGBA", "UNORM_INT16"),
            empty((4, 8), np.int16, "RGBA", "SNORM_INT16"),
            empty((4, 8), f16, "RGBA", "HALF_FLOAT"),
        ),
        {
            1: stored(255, 0).astype(u8),
            2: stored(127, -128).astype(np.int8),
            3: stored(65535, 0).astype(np.uint16),
            4: stored(32767, -32768).astype(np.int16),
            5: x.astype(f16),
        },
    )


@CASES((16,), (4,), ulp=1)
def image_formats(rng):
    bgra = pixels(rng, 4, 4, 4)
    halves = rng.normal(size=(4, 4, 4)).astype(f16)
    snorm = rng.integers(-128, 128, (4, 4, 4)).astype(np.int8)
    rows = [
        bgra[..., [2, 1, 0, 3]] / 255,
        halves.astype("f8"),
        np.maximum(snorm / 127, -1),
    ]
    args = (
        Image(bgra, "BGRA", "UNORM_INT8"),
        Image(halves, "RGBA", "HALF_FLOAT"),
        Image(snorm, "RGBA", "SNORM_INT8"),
        np.zeros((16, 3, 4), f32),
    )
    return Data(args, {3: np.stack([row.reshape(16, 4) for row in rows], 1)})


@CASES((16,), (4,), ulp=1)
def image_channels(rng):
    rg, r, a = pixels(rng, 4, 4, 2), pixels(rng, 4, 4, 1), dyadic(rng, 4, 4, 1)
    moved = np.zeros((4, 4))
    moved[1:, 1:] = r[:3, :3, 0] / 255
    zero, one = np.zeros((4, 4)), np.ones((4, 4))
    rows = [
        np.stack([rg[..., 0] / 255, rg[..., 1] / 255, zero, one], -1),
        np.stack([moved, zero, zero, one], -1),
        np.stack([zero, zero, zero, a[..., 0]], -1),
    ]
    args = (
        Image(rg, "RG", "UNORM_INT8"),
        Image(r, "R", "UNORM_INT8"),
        Image(a, "A", "FLOAT"),
        Image(np.zeros((4, 4, 2), f32), "RA", "FLOAT"),
        np.zeros((16, 3, 4), f32),
    )
    both = np.concatenate([a, np.full((4, 4, 1), 0.5)], 2)
    return Data(args, {3: both, 4: np.stack([row.reshape(16, 4) for row in rows], 1)})


@CASES((32,), (8,))
def image_gather(rng):
    x = rng.integers(1, 2**16, (6, 10, 1)).astype(np.uint16)
    places = rng.integers(-4, 14, (32, 2)).astype(i32)
    places[0], places[1] = [2**31 - 1, 0], [-(2**31), 3]
    inside = (places >= 0).all(1) & (places[:, 0] < 10) & (places[:, 1] < 6)
    row, column = np.clip(places[:, 1], 0, 5), np.clip(places[:, 0], 0, 9)
    wanted = np.where(inside, x[row, column, 0], 0)
    args = (Image(x, "R", "UNSIGNED_INT16"), places, np.zeros(32, u32))
    return Data(args, {2: wanted})
