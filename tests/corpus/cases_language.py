"""Launches and oracles of kernels/language.cl."""

from __future__ import annotations

import math

import numpy as np

from tests.corpus.case import Data, Family, Local, dyadic

CASES = Family("language.cl")
MACROS = "-DTYPE=int -DOPERATION(x,y)=((x)*(y)+1) -D FACTOR=7"
i32, u32, f16, f32 = np.int32, np.uint32, np.float16, np.float32


def family(global_size, local_size, **more):
    """Register a case; every kernel of the file needs the macros of one of them."""
    return CASES(global_size, local_size, **{"options": MACROS, **more})


@family((16,), (4,))
def half_storage(rng):
    x = rng.normal(size=64).astype(f16)
    wide = x.astype(f32)
    exact = wide * f32(1.0009765625)
    nearest = exact.astype(f16)
    over = np.abs(nearest.astype(f32)) > np.abs(exact)
    cut = np.where(over, np.nextafter(nearest, f16(0)), nearest)
    args = (x, np.zeros(64, f16), np.zeros(64, f32))
    return Data(args, {1: cut, 2: wide * f32(3)})


@family((16,), (4,))
def swizzles(rng):
    a = dyadic(rng, 16, 4)
    v = a[:, [2, 1, 0, 3]]
    pair = np.concatenate([v, a[:, ::-1]], 1)
    odd = pair[:, 4:][:, [1, 3]]
    wanted = pair[:, [0, 2, 5, 7]] + pair[:, ::2] - odd[:, [0, 1, 0, 1]]
    return Data((a, np.zeros_like(a)), {1: wanted})


@family((16,), (4,))
def shuffles(rng):
    a = rng.integers(-99, 99, (16, 4)).astype(i32)
    order = rng.integers(0, 2**32, (16, 4), dtype=u32)
    one = np.take_along_axis(a, (order % 4).astype(int), 1)
    two = np.take_along_axis(np.concatenate([a, a * 10], 1), (order % 8).astype(int), 1)
    return Data((a, order, np.zeros((16, 8), i32)), {2: np.concatenate([one, two], 1)})


@family((16,), (4,))
def selections(rng):
    a, b = rng.integers(-99, 99, (2, 16, 4)).astype(i32)
    less = a < b
    mixed = (a & ~0xF0) | (b & 0xF0)
    found = 2 * less.any(1) + less.all(1) + 4 * (mixed[:, 0] & 1)
    args = (a, b, np.zeros((16, 4), i32), np.zeros(16, i32))
    return Data(args, {2: np.where(less, b, a), 3: found})


@family((40,), (8,))
def convert_saturated(rng):
    x = np.concatenate(
        [dyadic(rng, 32, limit=3000), f32([1e20, -1e20, 0, 255.5, -0.5, 7e4, 4e9, -9])]
    )
    w = x.astype("f8")
    outs = [
        np.clip(np.trunc(w), 0, 255).astype(np.uint8),
        np.clip(np.floor(w), -128, 127).astype(np.int8),
        np.clip(np.ceil(w), -(2**15), 2**15 - 1).astype(np.int16),
        np.clip(np.rint(w), 0, 2**32 - 1).astype(u32),
    ]
    return Data((x, *map(np.zeros_like, outs)), dict(enumerate(outs, 1)))


@family((48,), (8,))
def integer_builtins(rng):
    a, b = rng.integers(-(2**31), 2**31, (2, 48)).astype(i32)
    x, y = a.astype("i8"), b.astype("i8")
    unsigned, turn = x % 2**32, y % 32
    rows = [
        [32 - int(v).bit_length() for v in unsigned],
        [int(v).bit_count() for v in unsigned],
        x * y >> 32,
        (x + y) >> 1,
        (unsigned << turn | unsigned >> (32 - turn)) & (2**32 - 1),
        abs(x - y),
        np.clip(x + y, -(2**31), 2**31 - 1),
        np.clip(x - y, -(2**31), 2**31 - 1),
        (x >> 8) * (y >> 8) + 7,
        (x + y + 1) >> 1,
    ]
    wanted = np.array([np.array(row, "i8") for row in rows]).astype(i32)
    return Data((a, b, np.zeros((10, 48), i32), i32(48)), {2: wanted})


@family((20,), (5,), ulp=4, absolute=1e-6)
def geometry(rng):
    a, b = rng.normal(size=(2, 20, 4)).astype(f32)
    p, q = a.astype("f8"), b.astype("f8")
    normal = np.pad(np.cross(p[:, :3], q[:, :3]), ((0, 0), (0, 1)))
    angle = (p * q).sum(1) / np.sqrt((p * p).sum(1) * (q * q).sum(1))
    args = (a, b, np.zeros((20, 4), f32), np.zeros(20, f32))
    return Data(args, {2: normal, 3: angle})


@family((32,), (8,))
def polynomial_double(rng):
    x = dyadic(rng, 32, dtype="f8")
    return Data((x, np.zeros(32)), {1: ((0.5 * x - 1.25) * x + 3) * x + 0.125})


@family((32,), (8,))
def long_arithmetic(rng):
    a, b = rng.integers(-(2**62), 2**62, (2, 32))

    def one(x, y):
        u = x % 2**64
        divisor = x | 1
        quotient = abs(y) // abs(divisor) * (1 if (y < 0) == (divisor < 0) else -1)
        turned = (u << 13 | u >> 51) % 2**64
        return (x * y % 2**64) ^ (u >> 7) ^ (quotient % 2**64) ^ turned

    wanted = np.array([one(int(x), int(y)) for x, y in zip(a, b, strict=True)], "u8")
    return Data((a, b, np.zeros(32, "u8")), {2: wanted})


@family((20,), (5,))
def vectors_of_three(rng):
    a = dyadic(rng, 20, 3)
    scale = f32([1, 2, -4, 0])
    value = scale.view(np.dtype((np.void, 16)))[0]
    return Data((a, np.zeros_like(a), value), {1: a[:, ::-1] * scale[:3]})


@family((12,), (4,))
def bytes_of_sixteen(rng):
    a = rng.integers(0, 256, (12, 16)).astype(np.uint8)
    return Data((a, np.zeros(12, np.uint16)), {1: a.astype(int).sum(1)})


@family((24,), (8,))
def reinterpreted(rng):
    x = rng.normal(size=24).astype(f32)
    bits = x.view(u32)
    return Data((x, np.zeros(24, i32)), {1: (bits ^ bits.byteswap()).view(i32)})


PLAN = np.dtype([("weights", f32, 4), ("offset", i32), ("steps", np.int16, 3), ("pad", "V6")])


@family((16,), (4,))
def structure_by_value(rng):
    x = dyadic(rng, 32)
    plan = np.zeros((), PLAN)
    plan["weights"], plan["offset"], plan["steps"] = [2, 0, 0, -0.5], 3, [1, 5, 9]
    i = np.arange(16)
    wanted = 2 * x[i + 3] - 0.5 * (x[i + 1] + x[i + 5] + x[i + 9])
    return Data((x, np.zeros(16, f32), plan[()]), {1: wanted})


@family((24,), (8,))
def structures(rng):
    entries = np.zeros((24, 2), i32)
    entries[:, 0] = rng.integers(-50, 50, 24)
    values = dyadic(rng, 24)
    entries[:, 1] = values.view(i32)
    changed = np.where(entries[:, 0] % 2 == 1, 2 * values, -values).astype(f32)
    wanted = np.stack([-entries[:, 0], changed.view(i32)], 1)
    return Data((entries, np.zeros_like(entries)), {1: wanted})


@family((16,), (4,))
def constant_tables(rng):
    data = rng.integers(0, 256, (16, 6)).astype(np.uint8)
    polynomials = [0xEDB88320, 0x82F63B78, 0xEB31D82E, 0xD5828281]
    turns = [[1, -1, 2], [-2, 3, 0]]
    wanted = []
    for i, row in enumerate(data):
        total = 2**32 - 1
        for byte in row:
            total ^= int(byte)
            for _ in range(8):
                total = total >> 1 ^ (polynomials[i & 3] if total & 1 else 0)
        wanted.append((total + turns[i & 1][i % 3]) % 2**32)
    return Data((data, np.zeros(16, u32), i32(6)), {1: np.array(wanted)})


@family((32,), (8,))
def function_calls(rng):
    a, b = rng.integers(1, 1000, (2, 32)).astype(i32)
    return Data((a, b, np.zeros(32, i32)), {2: np.lcm(a, b) - np.gcd(a, b)})


@family((16,), (4,))
def interpreter(rng):
    program = np.array([0, 1, 2, 5, 3, 4, 0, 2, 1, 3], np.uint8)
    i = np.arange(16)
    wanted = (-((i + 1) ** 2) + i) * 8
    return Data((program, np.zeros(16, i32), i32(10)), {1: wanted})


@family((8,), (4,))
def quick_sort(rng):
    values = rng.integers(-999, 999, (8, 24)).astype(i32)
    return Data((values, i32(24)), {0: np.sort(values, 1)})


@family((16,), (4,))
def state_machine(rng):
    text = (rng.random((16, 30)) < 0.6).astype(np.uint8)
    starts = np.diff(text.astype(int), prepend=0, axis=1) == 1
    return Data((text, np.zeros(16, i32), i32(30)), {1: starts.sum(1)})


@family((32,), (8,))
def uniform_barrier(rng):
    a = rng.integers(0, 50, (4, 8)).astype(i32)
    wanted = a
    for _ in range(3):
        wanted = wanted + np.roll(wanted, -1, 1)
    return Data((a, Local(32), i32(3)), {0: wanted})


@family((32,), (8,))
def two_local_arguments(rng):
    a = rng.integers(0, 9999, (4, 8)).astype(i32)
    wanted = a[:, ::-1] * 4
    return Data((a, np.zeros_like(a), Local(32), Local(16)), {1: wanted})


@family((6, 4), (3, 2), offset=(5, 7))
def identifiers(rng):
    y, x = (axis.ravel() for axis in np.mgrid[:4, :6])
    rows = [x + 5, y + 7, x % 3 + y % 2 * 10, x // 3 + y // 2 * 10]
    constants = [2 + 10 * 2, 3 + 10 * 2, 2 + 10 * 5, 6 + 10 * 4]
    wanted = np.stack([*rows, *(np.full(24, c) for c in constants)], 1)
    return Data((np.zeros((24, 8), i32),), {0: wanted})


@family((32,), (8,))
def macros(rng):
    a = rng.integers(-99, 99, 32).astype(i32)
    return Data((a,), {0: a * 7 + 1})


@family((32,), (8,))
def prints(rng):
    a = rng.integers(0, 99, 32).astype(i32)
    return Data((a,), {0: a + 1})


@family((8,), (4,))
def edge_arithmetic(rng):
    lowest = -(2**31)
    a = np.array([5, -7, lowest, lowest, lowest, 9, 0, 1], i32)
    b = np.array([0, 0, -1, 0, 1, -2, 33, 31], i32)
    quotient = [0, 0, lowest, 0, lowest, -4, 0, 0]
    rest = [0, 0, 0, 0, 0, 1, 0, 1]
    left = [math.trunc(int(x)) << (int(y) & 31) for x, y in zip(a, b, strict=True)]
    right = [int(x) % 2**32 >> (int(y) & 31) for x, y in zip(a, b, strict=True)]
    rows = [
        np.array([v % 2**32 for v in row], u32).view(i32) for row in (quotient, rest, left, right)
    ]
    return Data((a, b, np.zeros((4, 8), i32), i32(8)), {2: np.array(rows)})


@family((48,), (8,))
def async_tile(rng):
    x = dyadic(rng, 6, 8)
    return Data((x, np.zeros_like(x), Local(32)), {1: 2 * x[:, ::-1]})


@family((40,), (8,))
def async_strided(rng):
    x = rng.integers(-99, 99, (8, 5, 2)).astype(i32)
    wanted = x.transpose(1, 0, 2)[..., ::-1]
    return Data((x, np.zeros((5, 8, 2), i32), Local(64), i32(5)), {1: wanted})


@family((64,), (16,))
def half_rounding(rng):
    x = (rng.normal(size=64) * np.exp2(rng.integers(-26, 15, 64))).astype(f32)
    nearest = x.astype(f16)
    wide = nearest.astype(f32)
    up = np.where(wide < x, np.nextafter(nearest, f16(np.inf)), nearest)
    down = np.where(wide > x, np.nextafter(nearest, f16(-np.inf)), nearest)
    cut = np.where(x < 0, up, down)
    return Data(
        (x, np.zeros((64, 6), f16)), {1: np.stack([nearest, nearest, cut, up, down, cut], 1)}
    )
