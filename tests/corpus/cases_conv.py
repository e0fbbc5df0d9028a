"""Launches and oracles of kernels/conv.cl."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tests.corpus.case import Data, Family, dyadic

CASES = family = Family("conv.cl")
i32, f32 = np.int32, np.float32


def _patches(image, size, stride=1, pad=0):
    """Return the (channel, y, x, i, j) patches of a (channel, height, width) image."""
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    return sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]


@family((6, 5, 4), (3, 5, 2))
def conv_nchw(rng):
    image, weights, bias = dyadic(rng, 3, 10, 12), dyadic(rng, 4, 3, 3, 3), dyadic(rng, 4)
    wanted = np.einsum("cyxij,ocij->oyx", _patches(image, 3, 2, 1), weights)
    sizes = [i32(v) for v in (3, 10, 12, 3, 2, 1)]
    args = (image, weights, bias, np.zeros((4, 5, 6), f32), *sizes)
    return Data(args, {3: wanted + bias[:, None, None]})


@family((2, 10, 8), (2, 5, 2))
def conv_nhwc(rng):
    image, weights = dyadic(rng, 10, 12, 5), dyadic(rng, 3, 3, 5, 8)
    patches = _patches(image.transpose(2, 0, 1), 3)
    wanted = np.einsum("cyxij,ijco->yxo", patches, weights)
    return Data((image, weights, np.zeros((8, 10, 8), f32), i32(12), i32(5)), {2: wanted})


@family((12, 10, 3), (4, 5, 1))
def conv_depthwise(rng):
    image, weights = dyadic(rng, 3, 10, 12), dyadic(rng, 3, 3, 3)
    wanted = np.einsum("cyxij,cij->cyx", _patches(image, 3, pad=1), weights)
    return Data((image, weights, np.zeros((3, 10, 12), f32), i32(10), i32(12)), {2: wanted})


@family((30, 6), (10, 2))
def conv_1x1(rng):
    pixels, weights = dyadic(rng, 30, 12), dyadic(rng, 6, 12)
    return Data((pixels, weights, np.zeros((6, 30), f32), i32(3)), {2: weights @ pixels.T})


@family((6, 5, 3), (3, 5, 1))
def im2col(rng):
    image = dyadic(rng, 3, 10, 12)
    wanted = _patches(image, 3, 2, 1).transpose(0, 3, 4, 1, 2)
    sizes = [i32(v) for v in (3, 10, 12, 3, 2, 1)]
    return Data((image, np.zeros(wanted.shape, f32), *sizes), {1: wanted})


@family((8, 6, 2), (4, 3, 1))
def col2im(rng):
    columns = dyadic(rng, 2, 3, 3, 6, 8)
    wanted = np.zeros((2, 8, 10), f32)
    for i in range(3):
        for j in range(3):
            wanted[:, i : i + 6, j : j + 8] += columns[:, i, j]
    sizes = [i32(v) for v in (6, 8, 3, 1, 6, 8)]
    return Data((columns, np.zeros((2, 6, 8), f32), *sizes), {1: wanted[:, 1:-1, 1:-1]})


_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
_B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])


@family((10,), (5,))
def winograd_filter(rng):
    weights = dyadic(rng, 10, 3, 3)
    wanted = np.einsum("ia,fab,jb->ijf", _G, weights, _G)
    return Data((weights, np.zeros((4, 4, 10), f32), i32(10)), {1: wanted})


@family((5, 4), (5, 2))
def winograd_input(rng):
    image = dyadic(rng, 10, 12)
    tiles = _patches(image[None], 4, 2)[0]
    wanted = np.einsum("ia,yxab,jb->ijyx", _B, tiles, _B)
    return Data((image, np.zeros((4, 4, 4, 5), f32), i32(12)), {1: wanted})


@family((5, 4), (5, 2))
def winograd_output(rng):
    products = dyadic(rng, 4, 4, 4, 5)
    wanted = np.einsum("ia,abyx,jb->yixj", _A, products, _A)
    return Data((products, np.zeros((8, 10), f32)), {1: wanted})


@family((12, 10), (4, 5))
def conv_transposed(rng):
    image, weights = dyadic(rng, 5, 6), dyadic(rng, 2, 2)
    args = (image, weights, np.zeros((10, 12), f32), i32(5), i32(6))
    return Data(args, {2: np.kron(image, weights)})


@family((16, 8), (8, 8))
def conv_local_tile(rng):
    image, taps = dyadic(rng, 12, 20), dyadic(rng, 5, 5)
    wanted = np.einsum("yxij,ij->yx", _patches(image[None], 5)[0], taps)
    return Data((image, taps, np.zeros((8, 16), f32), i32(20)), {2: wanted})
