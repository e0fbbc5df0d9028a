"""Launches and oracles of kernels/reduce.cl."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tests.corpus.case import Data, Family, Local, dyadic

CASES = family = Family("reduce.cl")
i32, u32, f32 = np.int32, np.uint32, np.float32


def _ints(rng, *shape, limit=10**6):
    return rng.integers(-limit, limit, shape).astype(i32)


@family((256,), (32,))
def reduce_sum_tree(rng):
    values = _ints(rng, 8, 32)
    return Data((values, np.zeros(8, i32), Local(128)), {1: values.sum(1)})


@family((64,), (32,))
def reduce_minimum_index(rng):
    values = rng.permutation(500).astype(f32)
    mine = np.arange(500) % 64 // 32
    where = [np.flatnonzero(mine == g)[values[mine == g].argmin()] for g in range(2)]
    args = (values, np.zeros(2, f32), np.zeros(2, i32), i32(500))
    return Data(args, {1: values[where], 2: np.array(where)})


@family((24,), (8,))
def reduce_columns(rng):
    matrix = _ints(rng, 30, 24)
    wanted = (matrix.astype("i8") << 20).sum(0)
    return Data((matrix, np.zeros(24, "i8"), i32(30), i32(24)), {1: wanted})


@family((256,), (64,))
def scan_stepwise(rng):
    values = _ints(rng, 4, 64)
    return Data((values, np.zeros_like(values)), {1: values.cumsum(1)})


@family((64,), (16,))
def scan_work_efficient(rng):
    values = _ints(rng, 4, 32)
    wanted = values.cumsum(1) - values
    return Data((values, np.zeros(4, i32), Local(128)), {0: wanted, 1: values.sum(1)})


@family((96,), (8,))
def scan_add_offsets(rng):
    values, offsets = _ints(rng, 8, 12), _ints(rng, 8)
    return Data((values, offsets, i32(12)), {0: values + offsets[:, None]})


@family((256,), (64,))
def bitonic_local(rng):
    keys = rng.integers(0, 2**32, (4, 64), dtype=u32)
    return Data((keys,), {0: np.sort(keys, 1)})


@family((64,), (16,))
def bitonic_step(rng):
    keys = _ints(rng, 128)
    wanted = keys.copy()
    for low in range(128):
        if not low & 8:
            low_first = not low & 32
            pair = sorted((keys[low], keys[low + 8]), reverse=not low_first)
            wanted[low], wanted[low + 8] = pair
    return Data((keys, u32(32), u32(8)), {0: wanted})


@family((20,), (20,))
def odd_even_sort(rng):
    keys = rng.integers(-999, 999, 40).astype(np.int16)
    return Data((keys, i32(40)), {0: np.sort(keys)})


@family((60,), (12,))
def rank_sort(rng):
    keys = dyadic(rng, 60)
    return Data((keys, np.zeros(60, f32), i32(60)), {1: np.sort(keys)})


@family((96,), (32,))
def radix_histogram(rng):
    keys = rng.integers(0, 2**32, 1000, dtype=u32)
    group = np.arange(1000) % 96 // 32
    wanted = np.zeros((16, 3), u32)
    np.add.at(wanted, (keys >> u32(8) & u32(15), group), 1)
    return Data((keys, np.zeros((16, 3), u32), u32(8), i32(1000)), {1: wanted})


@family((512,), (32,))
def histogram_global(rng):
    pixels = rng.integers(0, 256, 500).astype(np.uint8)
    wanted = np.bincount(pixels, minlength=256)
    return Data((pixels, np.zeros(256, i32), i32(500)), {1: wanted})


@family((128,), (16,), unordered=True)
def compact(rng):
    values = _ints(rng, 128)
    kept = np.where(values > 0, values, 0)
    return Data(
        (values, np.zeros(128, i32), np.zeros(1, i32)), {1: kept, 2: np.array([(values > 0).sum()])}
    )


@family((64,), (16,))
def atomic_extremes(rng):
    values = _ints(rng, 64)
    start = np.array([0, 0, -1, 0, 0, 0, 0], i32)
    fold = [np.bitwise_and, np.bitwise_or, np.bitwise_xor]
    folded = [op.reduce(values) for op in fold]
    largest = values.view(u32).max().view(i32)
    wanted = np.array([values.min(), values.max(), *folded, -values.sum(), largest], i32)
    return Data((values, start), {1: wanted})


@family((40,), (8,))
def float_add_by_swap(rng):
    values = dyadic(rng, 40)
    wanted = np.array([values.sum() + f32(2)], f32).view(u32)
    return Data((values, np.array([2], f32).view(u32)), {1: wanted})


@family((30,), (10,))
def segmented_sum(rng):
    starts = np.sort(rng.integers(0, 200, 31)).astype(i32)
    values = _ints(rng, 200)
    wanted = [values[a:b].sum() for a, b in pairwise(starts)]
    return Data((starts, values, np.zeros(30, i32)), {2: np.array(wanted)})
