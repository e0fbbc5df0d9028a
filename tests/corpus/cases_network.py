"""Launches and oracles of kernels/network.cl."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tests.corpus.case import Data, Family, Local, dyadic

CASES = family = Family("network.cl")
i32, u8, f32 = np.int32, np.uint8, np.float32


@family((16,), (4,), ulp=12)
def softmax_rows(rng):
    x = rng.normal(size=(16, 10)).astype(f32)
    e = np.exp(x.astype("f8"))
    return Data((x, np.zeros_like(x), i32(10)), {1: e / e.sum(1, keepdims=True)})


@family((32,), (8,), absolute=1e-5)
def layer_norm(rng):
    x = rng.normal(size=(4, 30)).astype(f32)
    w = x.astype("f8")
    centred = w - w.mean(1, keepdims=True)
    wanted = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
    return Data((x, i32(30), f32(1e-5), Local(64)), {0: wanted})


@family((3, 20), (3, 5))
def batch_norm(rng):
    x, scale, shift = dyadic(rng, 20, 12), dyadic(rng, 12), dyadic(rng, 12)
    return Data((x, scale, shift), {0: x * scale + shift})


@family((6, 5), (3, 5))
def max_pool(rng):
    image = dyadic(rng, 11, 13)
    wanted = sliding_window_view(image, (3, 3))[::2, ::2].max((2, 3))
    return Data((image, np.zeros((5, 6), f32), i32(13), i32(3), i32(2)), {1: wanted})


@family((12,), (4,), ulp=1)
def average_pool(rng):
    image = dyadic(rng, 12, 5, 7)
    wanted = image.astype("f8").mean((1, 2))
    return Data((image, np.zeros(12, f32), i32(5), i32(7)), {1: wanted})


@family((64,), (16,), ulp=4)
def activations(rng):
    x = (rng.normal(size=64) * 4).astype(f32)
    w = x.astype("f8")
    rows = [np.clip(w, 0, 6), np.where(w > 0, w, w / 8), 1 / (1 + np.exp(-w)), np.tanh(w)]
    return Data((x, np.zeros(256, f32), i32(64)), {1: np.array(rows)})


@family((8, 10), (8, 5))
def embedding(rng):
    tokens, table = rng.integers(0, 20, 10).astype(i32), dyadic(rng, 20, 8)
    return Data((tokens, table, np.zeros((10, 8), f32), i32(8)), {2: table[tokens]})


@family((100,), (10,))
def quantize(rng):
    x = dyadic(rng, 100, limit=400)
    wanted = np.clip(np.rint(x / f32(0.25) + 20), 0, 255)
    return Data((x, np.zeros(100, u8), f32(0.25), i32(20)), {1: wanted})


@family((12, 8), (4, 4))
def gemm_int8(rng):
    a, b = (rng.integers(-128, 128, (n, 16)).astype(np.int8) for n in (8, 12))
    wanted = a.astype(i32) @ b.astype(i32).T
    return Data((a, b, np.zeros((8, 12), i32), i32(16)), {2: wanted})


@family((64,), (16,))
def requantize(rng):
    x = rng.integers(-(10**6), 10**6, 64).astype(i32)
    scaled = (x.astype("i8") * 1500000000 >> 32) * 2
    wanted = np.clip((scaled + 2048) >> 12, -128, 127)
    return Data((x, np.zeros(64, np.int8), i32(1500000000), i32(12)), {1: wanted})


@family((12, 10), (4, 5))
def box_blur(rng):
    image = rng.integers(0, 256, (10, 12)).astype(u8)
    window = (slice(None), slice(None), slice(None), slice(None))
    sums = sliding_window_view(np.pad(image.astype(int), 1), (3, 3))[window].sum((2, 3))
    n = sliding_window_view(np.pad(np.ones((10, 12), int), 1), (3, 3)).sum((2, 3))
    return Data((image, np.zeros_like(image), i32(12), i32(10)), {1: sums // n})


@family((12, 8), (4, 4))
def sobel(rng):
    image = rng.integers(0, 256, (10, 14)).astype(u8)
    taps = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    patches = sliding_window_view(image.astype(int), (3, 3))
    dx, dy = (np.einsum("yxij,ij->yx", patches, t) for t in (taps, taps.T))
    return Data((image, np.zeros((8, 12), np.uint16), i32(14)), {1: abs(dx) + abs(dy)})


@family((12, 8), (4, 4))
def median3x3(rng):
    image = rng.integers(0, 256, (10, 14)).astype(u8)
    wanted = np.median(sliding_window_view(image, (3, 3)), (2, 3))
    return Data((image, np.zeros((8, 12), u8), i32(14)), {1: wanted})


@family((20, 16), (5, 4))
def bilinear(rng):
    image = dyadic(rng, 8, 10)
    fy, fx = np.arange(16) * 0.5, np.arange(20) * 0.5
    y, x = fy.astype(int), fx.astype(int)
    below, right = np.minimum(y + 1, 7), np.minimum(x + 1, 9)
    ay, ax = (fy - y)[:, None], (fx - x)[None]
    rows = image.astype("f8")

    def along_x(at):
        return rows[at][:, x] * (1 - ax) + rows[at][:, right] * ax

    wanted = along_x(y) * (1 - ay) + along_x(below) * ay
    return Data((image, np.zeros((16, 20), f32), i32(10), i32(8), f32(0.5)), {1: wanted})


@family((60,), (12,))
def gray(rng):
    colours = rng.integers(0, 256, (60, 4)).astype(u8)
    wanted = (colours[:, :3].astype(int) @ [77, 150, 29] + 128) >> 8
    return Data((colours, np.zeros(60, u8)), {1: wanted})


@family((12, 10), (4, 5))
def transpose_naive(rng):
    a = dyadic(rng, 10, 12)
    return Data((a, np.zeros((12, 10), f32)), {1: a.T})


@family((16, 24), (8, 8))
def transpose_local(rng):
    a = rng.integers(0, 2**32, (21, 13), dtype=np.uint32)
    return Data((a, np.zeros((13, 21), np.uint32), i32(13), i32(21)), {1: a.T})


@family((9, 3), (3, 1))
def pack_panels(rng):
    a = dyadic(rng, 10, 9)
    padded = np.pad(a, ((0, 2), (0, 0))).reshape(3, 4, 9)
    return Data((a, np.zeros((3, 9, 4), f32), i32(10), i32(9)), {1: padded.transpose(0, 2, 1)})


@family((6, 5, 4), (3, 5, 2))
def nchw_to_nhwc(rng):
    a = rng.integers(0, 2**16, (4, 5, 6)).astype(np.uint16)
    return Data((a, np.zeros((5, 6, 4), np.uint16)), {1: a.transpose(1, 2, 0)})


@family((12, 8), (4, 4))
def pixel_shuffle(rng):
    a = dyadic(rng, 2, 2, 4, 6)
    return Data((a, np.zeros((8, 12), f32), i32(2)), {1: a.transpose(2, 0, 3, 1)})


@family((8,), (4,))
def pack_bits(rng):
    x = rng.normal(size=(8, 32)).astype(f32)
    wanted = (x > 0).astype("u8") @ (np.uint64(1) << np.arange(32, dtype="u8"))
    return Data((x, np.zeros(8, np.uint32)), {1: wanted})
