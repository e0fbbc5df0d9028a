"""Launches and oracles of kernels/science.cl."""

from __future__ import annotations

import math

import numpy as np

from tests.corpus.case import Data, Family, dyadic

CASES = family = Family("science.cl")
i32, u32, f32 = np.int32, np.uint32, np.float32


def _cross(grid):
    return grid[1:-1, :-2] + grid[1:-1, 2:] + grid[:-2, 1:-1] + grid[2:, 1:-1]


@family((16, 12), (8, 4))
def jacobi_2d(rng):
    grid = dyadic(rng, 11, 15)
    wanted = np.zeros_like(grid)
    wanted[1:-1, 1:-1] = _cross(grid) / 4
    return Data((grid, np.zeros_like(grid), i32(15), i32(11)), {1: wanted})


@family((8, 6, 4), (4, 3, 2))
def stencil_3d(rng):
    grid = dyadic(rng, 4, 6, 8)
    p = np.pad(grid, 1)
    sides = p[1:-1, 1:-1, :-2] + p[1:-1, 1:-1, 2:] + p[1:-1, :-2, 1:-1]
    sides = sides + p[1:-1, 2:, 1:-1] + p[:-2, 1:-1, 1:-1] + p[2:, 1:-1, 1:-1]
    wanted = f32(-6) * grid + f32(0.5) * sides
    return Data((grid, np.zeros_like(grid), f32(-6), f32(0.5)), {1: wanted})


@family((20, 12), (5, 4))
def life(rng):
    cells = rng.integers(0, 2, (12, 20)).astype(np.uint8)
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    alive = sum(np.roll(cells, shift, (0, 1)).astype(int) for shift in shifts)
    return Data((cells, np.zeros_like(cells)), {1: (alive == 3) | ((alive == 2) & (cells == 1))})


@family((32,), (32,))
def wave_steps(rng):
    now, before = dyadic(rng, 32), dyadic(rng, 32)
    new, old = now.astype("f8"), before.astype("f8")
    for _ in range(5):
        p = np.pad(new, 1)
        new, old = 2 * new - old + 0.25 * (p[:-2] + p[2:] - 2 * new), new
    return Data((now, before, i32(32), i32(5)), {0: new, 1: old})


@family((12, 8), (4, 4))
def red_black_sweep(rng):
    grid = dyadic(rng, 10, 14)
    wanted = grid.copy()
    y, x = np.mgrid[1:9, 1:13]
    wanted[1:-1, 1:-1] = np.where((x + y) % 2 == 1, _cross(grid) / 4, grid[1:-1, 1:-1])
    return Data((grid, i32(14), i32(1)), {0: wanted})


@family((40,), (8,), ulp=16, absolute=2e-5)
def nbody_step(rng):
    bodies = rng.uniform(0.5, 2, (40, 4)).astype(f32)
    place, mass = bodies[:, :3].astype("f8"), bodies[:, 3].astype("f8")
    d = place[None] - place[:, None]
    inverse = 1 / np.sqrt((d**2).sum(2) + 0.125)
    force = np.einsum("j,ij,ijk->ik", mass, inverse**3, d)
    wanted = np.pad(force, ((0, 0), (0, 1)))
    return Data((bodies, np.zeros_like(bodies), i32(40), f32(0.125)), {1: wanted})


@family((48,), (16,), ulp=16)
def nbody_tiles(rng):
    bodies = rng.uniform(0.5, 2, (48, 4)).astype(f32)
    place = bodies[:, :3].astype("f8")
    d = ((place[None] - place[:, None]) ** 2).sum(2)
    wanted = (bodies[:, 3].astype("f8") / (d + 1)).sum(1)
    return Data((bodies, np.zeros(48, f32), i32(48)), {1: wanted})


@family((24, 16), (8, 4))
def mandelbrot(rng):
    cx = f32(-2) + f32(0.125) * np.arange(24, dtype=f32)[None]
    cy = f32(-1) + f32(0.125) * np.arange(16, dtype=f32)[:, None]
    x, y = np.zeros((16, 24), f32), np.zeros((16, 24), f32)
    count = np.zeros((16, 24), i32)
    for _ in range(50):
        inside = x * x + y * y <= 4
        count += inside
        new = x * x - y * y + cx
        y = np.where(inside, f32(2) * x * y + cy, y)
        x = np.where(inside, new, x)
    args = (np.zeros((16, 24), i32), f32(-2), f32(-1), f32(0.125), i32(50))
    return Data(args, {0: count})


@family((32,), (8,), ulp=8, absolute=1e-6)
def fft_step(rng):
    signal = rng.normal(size=(64, 2)).astype(f32)
    z = signal.astype("f8") @ [1, 1j]
    k = np.arange(32) % 4
    turned = z[32:] * np.exp(-1j * math.pi * k / 4)
    out = ((np.arange(32) - k) * 2) + k
    wanted = np.zeros(64, complex)
    wanted[out], wanted[out + 4] = z[:32] + turned, z[:32] - turned
    pairs = np.stack([wanted.real, wanted.imag], 1)
    return Data((signal, np.zeros_like(signal), i32(4)), {1: pairs})


@family((64,), (16,))
def collatz(rng):
    starts = rng.integers(1, 10**6, 64).astype(u32)

    def steps(n):
        count = 0
        while n != 1:
            n, count = (3 * n + 1 if n & 1 else n >> 1), count + 1
        return count

    return Data((starts, np.zeros(64, i32)), {1: np.array([steps(int(n)) for n in starts])})


@family((32,), (8,))
def pi_by_lcg(rng):
    state = (12345 + np.arange(32) * 747796405) % 2**32
    hits = np.zeros(32, int)
    for _ in range(40):
        state = (state * 1664525 + 1013904223) % 2**32
        x = state >> 18
        state = (state * 1664525 + 1013904223) % 2**32
        hits += x * x + (state >> 18) ** 2 < 2**28
    return Data((np.zeros(32, u32), u32(12345), i32(40)), {0: hits})


def _graph(rng, n, degree):
    adjacent = rng.random((n, n)) < degree / n
    node, to = np.nonzero(adjacent)
    return adjacent, np.searchsorted(node, np.arange(n + 1)).astype(i32), to.astype(i32)


@family((64,), (16,))
def bfs_level(rng):
    adjacent, starts, edges = _graph(rng, 64, 3)
    depth = np.full(64, -1, i32)
    depth[rng.choice(64, 6, replace=False)] = 2
    reached = adjacent[depth == 2].any(0) & (depth < 0)
    wanted = np.where(reached, 3, depth)
    return Data((starts, edges, depth, np.zeros(1, i32), i32(2)), {2: wanted, 3: np.ones(1)})


@family((120,), (24,))
def relax_edges(rng):
    source, target = rng.integers(0, 30, (2, 120)).astype(i32)
    weight = rng.integers(1, 50, 120).astype(i32)
    old = np.where(rng.random(30) < 0.5, rng.integers(0, 90, 30), 2**31 - 1).astype(i32)
    wanted = old.copy()
    known = old[source] < 2**31 - 1
    np.minimum.at(wanted, target[known], old[source[known]] + weight[known])
    return Data((source, target, weight, old.copy(), old), {3: wanted})


@family((24,), (8,))
def count_triangles(rng):
    upper = np.triu(rng.random((24, 24)) < 0.4, 1)
    full = (upper | upper.T).astype(np.uint8)
    wanted = np.einsum("ab,ac,bc->a", upper.astype(int), upper.astype(int), upper.astype(int))
    return Data((full, np.zeros(24, i32), i32(24)), {1: wanted})


@family((16,), (16,))
def edit_distance(rng):
    a, b = rng.integers(0, 3, (2, 16)).astype(np.uint8)
    start = np.zeros((17, 17), i32)
    start[0], start[:, 0] = np.arange(17), np.arange(17)
    wanted = start.copy()
    for i in range(1, 17):
        for j in range(1, 17):
            change = wanted[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            wanted[i, j] = min(change, wanted[i - 1, j] + 1, wanted[i, j - 1] + 1)
    return Data((a, b, start, i32(16)), {2: wanted})


@family((40,), (8,), absolute=3e-5, ulp=4)
def black_scholes(rng):
    price, strike = rng.uniform(5, 30, (2, 40)).astype(f32)
    p, k = price.astype("f8"), strike.astype("f8")
    rate, volatility, years = (float(f32(v)) for v in (0.02, 0.3, 1.5))
    root = volatility * math.sqrt(years)
    d1 = (np.log(p / k) + (rate + volatility**2 / 2) * years) / root
    normal = np.vectorize(lambda d: math.erfc(-d / math.sqrt(2)) / 2)
    wanted = p * normal(d1) - k * math.exp(-rate * years) * normal(d1 - root)
    args = (price, strike, np.zeros(40, f32), f32(0.02), f32(0.3), f32(1.5))
    return Data(args, {2: wanted})
