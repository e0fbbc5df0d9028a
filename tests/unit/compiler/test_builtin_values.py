"""The built-in functions that gpusim defines compute what NumPy computes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from gpusim.compiler import compile_kernel
from tests.unit.compiler.jit import run

Reference = Callable[..., np.ndarray]

FLOAT_TYPES = {"float": np.float32, "double": np.float64, "half": np.float16}
INTEGER_TYPES = {
    "char": np.int8,
    "uchar": np.uint8,
    "short": np.int16,
    "ushort": np.uint16,
    "int": np.int32,
    "uint": np.uint32,
    "long": np.int64,
    "ulong": np.uint64,
}
PAD = 4


def evaluate(
    calls: list[tuple[str, str]], types: list[str], inputs: list[np.ndarray], result: str, size: str
) -> np.ndarray:
    """Return (n_call, n) results of calls over arrays; vectors take `size` values at a time.

    `calls` holds (name, arguments); arguments name the inputs a, b, c.
    """
    names = "abc"[: len(types)]
    parameters = "".join(
        f"global const {kind}{size} *{name}, " for kind, name in zip(types, names, strict=True)
    )
    body = "".join(
        f"  r[{row} * n + i] = {name}({', '.join(f'{argument}[i]' for argument in arguments)});\n"
        for row, (name, arguments) in enumerate(calls)
    )
    source = (
        f"kernel void k({parameters}global {result}{size} *r, int n) {{\n"
        f" for (int i = 0; i < n; i++) {{\n{body} }}\n}}\n"
    )
    lanes = int(size or 1)
    count = len(inputs[0])
    dtype = {**FLOAT_TYPES, **INTEGER_TYPES}[result]
    out = np.zeros((len(calls), count), dtype)
    padded = [np.ascontiguousarray(item) for item in inputs]
    run(compile_kernel(source, "k"), *padded, out, count // lanes)
    return out


def floats(kind: type) -> np.ndarray:
    """Return edge cases and ordinary numbers, a multiple of 16 of them."""
    info = np.finfo(kind)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, math.inf, -math.inf, math.nan]
    special += [float(info.max), -float(info.max), float(info.tiny), float(info.smallest_subnormal)]
    special += [3.25, -7.75, 100.0, 2000.0, 0.1, -0.3, 1e-3, 4.0, 9.0, -3.5, 5.0, 6.5, 7.0, 8.0]
    return np.array([*special, 11.0, -12.0], kind)


def pairs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all pairs of values as two flat arrays."""
    left, right = np.meshgrid(values, values)
    return left.ravel().copy(), right.ravel().copy()


def same(actual: np.ndarray, expected: np.ndarray) -> None:
    """Compare floats by value: NaN equals NaN, zeros of both signs are equal."""
    assert np.array_equal(actual, expected, equal_nan=True)


def _round_half_away(x: np.ndarray) -> np.ndarray:
    return np.copysign(np.floor(np.abs(x) + x.dtype.type(0.5)), x)


UNARY: dict[str, Reference] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "trunc": np.trunc,
    "rint": np.rint,
    "fabs": np.abs,
    "round": _round_half_away,
    "sqrt": np.sqrt,
    "sign": lambda x: np.where(np.isnan(x), x.dtype.type(0), np.sign(x)),
    "degrees": lambda x: x * x.dtype.type(180 / math.pi),
    "radians": lambda x: x * x.dtype.type(math.pi / 180),
}
BINARY: dict[str, Reference] = {
    "fmin": np.fmin,
    "fmax": np.fmax,
    "copysign": np.copysign,
    "fdim": lambda x, y: np.where(x <= y, x.dtype.type(0), x - y),
    "step": lambda edge, x: np.where(x < edge, x.dtype.type(0), x.dtype.type(1)),
    "maxmag": lambda x, y: np.where(
        np.abs(x) > np.abs(y), x, np.where(np.abs(y) > np.abs(x), y, np.fmax(x, y))
    ),
    "minmag": lambda x, y: np.where(
        np.abs(x) < np.abs(y), x, np.where(np.abs(y) < np.abs(x), y, np.fmin(x, y))
    ),
}
RELATIONAL: dict[str, Reference] = {
    "isequal": np.equal,
    "isnotequal": np.not_equal,
    "isgreater": np.greater,
    "isgreaterequal": np.greater_equal,
    "isless": np.less,
    "islessequal": np.less_equal,
    "islessgreater": lambda x, y: (x < y) | (x > y),
    "isordered": lambda x, y: ~(np.isnan(x) | np.isnan(y)),
    "isunordered": lambda x, y: np.isnan(x) | np.isnan(y),
}
CLASSIFY: dict[str, Reference] = {
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "isnan": np.isnan,
    "isnormal": lambda x: np.isfinite(x) & (np.abs(x) >= np.finfo(x.dtype).tiny),
    "signbit": np.signbit,
}


@pytest.mark.parametrize("size", ["", "4"])
@pytest.mark.parametrize("kind", ["float", "double", "half"])
def test_unary(kind: str, size: str) -> None:
    values = floats(FLOAT_TYPES[kind])
    calls = [(name, "a") for name in UNARY]
    with np.errstate(all="ignore"):
        actual = evaluate(calls, [kind], [values], kind, size)
        for row, reference in enumerate(UNARY.values()):
            same(actual[row], reference(values))


@pytest.mark.parametrize("size", ["", "16"])
@pytest.mark.parametrize("kind", ["float", "double", "half"])
def test_binary(kind: str, size: str) -> None:
    left, right = pairs(floats(FLOAT_TYPES[kind]))
    calls = [(name, "ab") for name in BINARY]
    with np.errstate(all="ignore"):
        actual = evaluate(calls, [kind, kind], [left, right], kind, size)
        for row, reference in enumerate(BINARY.values()):
            same(actual[row], reference(left, right).astype(FLOAT_TYPES[kind]))


@pytest.mark.parametrize(
    ("kind", "flag"), [("float", "int"), ("double", "long"), ("half", "short")]
)
def test_relations_of_vectors_are_minus_one(kind: str, flag: str) -> None:
    left, right = pairs(floats(FLOAT_TYPES[kind]))
    actual = evaluate([(name, "ab") for name in RELATIONAL], [kind, kind], [left, right], flag, "4")
    for row, reference in enumerate(RELATIONAL.values()):
        assert np.array_equal(actual[row], -reference(left, right).astype(int))
    actual = evaluate([(name, "a") for name in CLASSIFY], [kind], [left], flag, "4")
    for row, reference in enumerate(CLASSIFY.values()):
        assert np.array_equal(actual[row], -reference(left).astype(int))


@pytest.mark.parametrize("kind", ["float", "double", "half"])
def test_relations_of_scalars_are_one(kind: str) -> None:
    left, right = pairs(floats(FLOAT_TYPES[kind]))
    actual = evaluate([(name, "ab") for name in RELATIONAL], [kind, kind], [left, right], "int", "")
    for row, reference in enumerate(RELATIONAL.values()):
        assert np.array_equal(actual[row], reference(left, right).astype(int))
    actual = evaluate([(name, "a") for name in CLASSIFY], [kind], [left], "int", "")
    for row, reference in enumerate(CLASSIFY.values()):
        assert np.array_equal(actual[row], reference(left).astype(int))


def integers(kind: type) -> np.ndarray:
    """Return the edges of an integer type and some numbers inside, a multiple of 4."""
    info = np.iinfo(kind)
    inside = [0, 1, 2, 3, 5, 7, 31, 100]
    edges = [info.min, info.min + 1, info.max, info.max - 1]
    return np.array([*inside, *edges, *(info.max // 2 + step for step in range(4))], kind)


def exact(values: np.ndarray) -> list[int]:
    return [int(value) for value in values]


def wrap(number: int, kind: type) -> int:
    """Return a number modulo the type's range."""
    bits = np.iinfo(kind).bits
    number &= (1 << bits) - 1
    return number - (1 << bits) if np.iinfo(kind).min < 0 and number >> (bits - 1) else number


def clip(number: int, kind: type) -> int:
    info = np.iinfo(kind)
    return min(max(number, int(info.min)), int(info.max))


INTEGER_BINARY: dict[str, Callable[[int, int, type], int]] = {
    "add_sat": lambda x, y, kind: clip(x + y, kind),
    "sub_sat": lambda x, y, kind: clip(x - y, kind),
    "hadd": lambda x, y, _: (x + y) >> 1,
    "rhadd": lambda x, y, _: (x + y + 1) >> 1,
    "mul_hi": lambda x, y, kind: (x * y) >> np.iinfo(kind).bits,
    "max": lambda x, y, _: max(x, y),
    "min": lambda x, y, _: min(x, y),
    "rotate": lambda x, y, kind: _rotated(x, y, kind),
}


def _rotated(x: int, y: int, kind: type) -> int:
    bits = np.iinfo(kind).bits
    mask = (1 << bits) - 1
    y %= bits
    return wrap(((x & mask) << y) | ((x & mask) >> (bits - y)), kind)


@pytest.mark.parametrize("size", ["", "8"])
@pytest.mark.parametrize("kind", list(INTEGER_TYPES))
def test_integer_functions(kind: str, size: str) -> None:
    dtype = INTEGER_TYPES[kind]
    left, right = pairs(integers(dtype))
    actual = evaluate(
        [(name, "ab") for name in INTEGER_BINARY], [kind] * 2, [left, right], kind, size
    )
    for row, reference in enumerate(INTEGER_BINARY.values()):
        expected = [reference(x, y, dtype) for x, y in zip(exact(left), exact(right), strict=True)]
        assert exact(actual[row]) == expected
    ternary = {
        "mad_sat": lambda x, y, z: clip(x * y + z, dtype),
        "mad_hi": lambda x, y, z: wrap(((x * y) >> np.iinfo(dtype).bits) + z, dtype),
    }
    third = np.roll(left, 3)
    actual = evaluate(
        [(name, "abc") for name in ternary], [kind] * 3, [left, right, third], kind, size
    )
    for row, reference in enumerate(ternary.values()):
        triples = zip(exact(left), exact(right), exact(third), strict=True)
        expected = [reference(*row3) for row3 in triples]
        assert exact(actual[row]) == expected
    unsigned = kind if kind.startswith("u") else "u" + kind
    actual = evaluate([("abs_diff", "ab")], [kind] * 2, [left, right], unsigned, size)
    assert exact(actual[0]) == [abs(x - y) for x, y in zip(exact(left), exact(right), strict=True)]
    actual = evaluate([("abs", "a")], [kind], [left], unsigned, size)
    assert exact(actual[0]) == [abs(x) for x in exact(left)]
    bits = np.iinfo(dtype).bits
    mask = (1 << bits) - 1
    actual = evaluate([("clz", "a"), ("popcount", "a")], [kind], [left], kind, size)
    assert exact(actual[0]) == [bits - (x & mask).bit_length() for x in exact(left)]
    assert exact(actual[1]) == [bin(x & mask).count("1") for x in exact(left)]


def test_any_all_select() -> None:
    source = """kernel void k(global const int4 *a, global const int4 *b, global int4 *r, int n) {
      for (int i = 0; i < n; i++) {
        r[3 * i] = (int4)(any(a[i]), all(a[i]), any(a[i].x), all(a[i].xyz));
        r[3 * i + 1] = select(a[i], b[i], b[i]);
        r[3 * i + 2] = (int4)(select(a[i].x, b[i].x, 1), bitselect(a[i], b[i], (int4)(0xff)).yzw);
      }
    }"""
    rng = np.random.default_rng(1)
    a = rng.integers(-3, 3, (64, 4)).astype(np.int32)
    b = rng.integers(-3, 3, (64, 4)).astype(np.int32)
    r = np.zeros((64, 3, 4), np.int32)
    run(compile_kernel(source, "k"), a, b, r, 64)
    negative = a < 0
    assert np.array_equal(r[:, 0, 0], negative.any(1))
    assert np.array_equal(r[:, 0, 1], negative.all(1))
    assert np.array_equal(r[:, 0, 2], negative[:, 0])
    assert np.array_equal(r[:, 0, 3], negative[:, :3].all(1))
    assert np.array_equal(r[:, 1], np.where(b < 0, b, a))
    assert np.array_equal(r[:, 2, 0], b[:, 0])
    assert np.array_equal(r[:, 2, 1:], ((a & ~0xFF) | (b & 0xFF))[:, 1:])


def test_geometric() -> None:
    source = """kernel void k(global float4 *a, global float4 *b, global float4 *r, int n) {
      for (int i = 0; i < n; i++) {
        r[2 * i] = (float4)(dot(a[i], b[i]), length(a[i]), distance(a[i], b[i]), length(a[i].xy));
        r[2 * i + 1] = cross(a[i], b[i]);
      }
    }"""
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 32, 4)).astype(np.float32)
    r = np.zeros((32, 2, 4), np.float32)
    run(compile_kernel(source, "k"), a, b, r, 32)
    assert np.allclose(r[:, 0, 0], (a * b).sum(1), rtol=1e-5, atol=1e-6)
    assert np.allclose(r[:, 0, 1], np.linalg.norm(a, axis=1), rtol=1e-6)
    assert np.allclose(r[:, 0, 2], np.linalg.norm(a - b, axis=1), rtol=1e-6)
    assert np.allclose(r[:, 0, 3], np.linalg.norm(a[:, :2], axis=1), rtol=1e-6)
    assert np.allclose(r[:, 1, :3], np.cross(a[:, :3], b[:, :3]), rtol=1e-4, atol=1e-6)
    assert np.array_equal(r[:, 1, 3], np.zeros(32))


def test_fract_and_modf_split_a_number() -> None:
    source = """kernel void k(global const float *a, global float *r, int n) {
      for (int i = 0; i < n; i++) {
        float whole, down;
        r[4 * i] = modf(a[i], &whole);
        r[4 * i + 1] = whole;
        r[4 * i + 2] = fract(a[i], &down);
        r[4 * i + 3] = down;
      }
    }"""
    a = np.array([0.0, 1.25, -1.25, 7.0, -1e-10, 3e9, 0.75, math.inf], np.float32)
    r = np.zeros((len(a), 4), np.float32)
    run(compile_kernel(source, "k"), a, r, len(a))
    part, whole = np.modf(a)
    assert np.array_equal(r[:, 0], part)
    assert np.array_equal(r[:, 1], whole)
    finite = np.isfinite(a)
    below_one = np.float32(np.nextafter(np.float32(1), np.float32(0)))
    assert np.array_equal(r[finite, 2], np.minimum(a[finite] - np.floor(a[finite]), below_one))
    assert np.array_equal(r[:, 3], np.floor(a))


ROUNDINGS: dict[str, Reference] = {"rte": np.rint, "rtz": np.trunc, "rtp": np.ceil, "rtn": np.floor}


@pytest.mark.parametrize("target", ["char", "uchar", "short", "int", "uint", "long", "ulong"])
@pytest.mark.parametrize("source", ["float", "double", "half"])
def test_saturating_conversions(source: str, target: str) -> None:
    values = floats(FLOAT_TYPES[source])
    with np.errstate(all="ignore"):
        values = np.concatenate([values, values * values.dtype.type(37)])
    dtype = INTEGER_TYPES[target]
    calls = [(f"convert_{target}_sat_{rounding}", "a") for rounding in ROUNDINGS]
    with np.errstate(all="ignore"):
        actual = evaluate(calls, [source], [values], target, "")
        for row, reference in enumerate(ROUNDINGS.values()):
            rounded = reference(values.astype(np.float64))
            expected = []
            for value in rounded:
                if math.isnan(value):
                    expected.append(0)
                elif math.isinf(value):
                    expected.append(clip(int(math.copysign(1 << 80, value)), dtype))
                else:
                    expected.append(clip(int(value), dtype))
            assert exact(actual[row]) == expected


@pytest.mark.parametrize("source", ["int", "uint", "long", "ulong", "short"])
@pytest.mark.parametrize("target", ["float", "half", "double"])
def test_directed_conversions_of_integers(source: str, target: str) -> None:
    values = integers(INTEGER_TYPES[source])
    more = np.array([16777217, 16777219, 2049, 2051, 4099, 65519], np.int64)
    if source != "short":
        values = np.concatenate([values, more[:4].astype(values.dtype)])
    kind = FLOAT_TYPES[target]
    calls = [(f"convert_{target}4_{rounding}", "a") for rounding in ("rte", "rtz", "rtp", "rtn")]
    actual = evaluate(calls, [source], [values], target, "4")
    with np.errstate(all="ignore"):
        for index, value in enumerate(exact(values)):
            nearest = np.array(value, dtype=object).astype(kind) if target != "half" else None
            if nearest is None:
                nearest = (
                    np.float16(value)
                    if abs(value) < 1 << 20
                    else np.float16(math.copysign(math.inf, value))
                )
            below, above = _neighbours(value, kind(nearest))
            toward = below if value >= 0 else above
            assert actual[1][index] == toward
            assert actual[2][index] == above
            assert actual[3][index] == below
            assert actual[0][index] in (below, above)


def _neighbours(value: int, nearest: np.floating) -> tuple[np.floating, np.floating]:
    """Return the largest float not above a number and the smallest not below it."""
    infinity = type(nearest)(math.inf)

    def compare(candidate: np.floating) -> int:
        if np.isinf(candidate):
            return 1 if candidate > 0 else -1
        exact_value = int(float(candidate)) if float(candidate).is_integer() else float(candidate)
        return (exact_value > value) - (exact_value < value)

    below = above = nearest
    while compare(below) > 0:
        below = np.nextafter(below, -infinity)
    while compare(above) < 0:
        above = np.nextafter(above, infinity)
    return below, above


def test_half_loads_and_stores() -> None:
    source = """kernel void k(global half *h, global float *f, int n) {
      for (int i = 0; i < n; i++) {
        f[i] = vload_half(i, h);
        vstore_half_rtz(f[i] * 1.0001f, i + n, h);
        vstore_half(f[i] * 1.0003f, i + 2 * n, h);
      }
      vstorea_half3((float3)(1, 2, 3), n, h);
      float3 v = vloada_half3(n, h);
      f[n] = v.x + v.y * 10 + v.z * 100;
    }"""
    n = 64
    h = np.zeros(4 * n + 16, np.float16)
    h[:n] = np.linspace(-4, 4, n)
    f = np.zeros(n + 1, np.float32)
    original = h[:n].copy()
    run(compile_kernel(source, "k"), h, f, n)
    assert np.array_equal(f[:n], original.astype(np.float32))
    assert f[n] == 321
    wide = f[:n] * np.float32(1.0001)
    nearest = wide.astype(np.float16)
    too_big = np.abs(nearest.astype(np.float32)) > np.abs(wide)
    truncated = np.where(too_big, np.nextafter(nearest, np.float16(0)), nearest)
    assert np.array_equal(h[n : 2 * n], truncated)
    assert np.array_equal(h[2 * n : 3 * n], (f[:n] * np.float32(1.0003)).astype(np.float16))


def test_shuffles_and_vector_memory() -> None:
    source = """kernel void k(global float *a, global uint4 *m, global float *r) {
      float4 v = vload4(0, a), w = vload4(1, a);
      vstore4(shuffle(v, m[0]), 0, r);
      vstore4(shuffle2(v, w, m[1]), 1, r);
      vstore3(vload3(1, a + 1), 3, r);
      vstore2(vload2(3, a), 7, r);
    }"""
    a = np.arange(16, dtype=np.float32)
    m = np.array([[3, 1, 0, 2], [7, 0, 5, 12]], np.uint32)
    r = np.full(20, -1, np.float32)
    run(compile_kernel(source, "k"), a, m, r)
    assert r[:4].tolist() == [3, 1, 0, 2]
    assert r[4:8].tolist() == [7, 0, 5, 4]
    assert r[9:12].tolist() == [4, 5, 6]
    assert r[14:16].tolist() == [6, 7]


def test_atomics() -> None:
    source = """kernel void k(global int *a, global uint *u, global float *f, global int *r) {
      r[0] = atomic_add(a, 5); r[1] = atomic_inc(a); r[2] = atomic_min(a, -7);
      r[3] = atomic_cmpxchg(a, -7, 9); r[4] = atom_xor(a, 3); r[5] = atomic_max(u, 0xfffffff0u);
      atomic_xchg(f, 2.5f);
    }"""
    a = np.array([10], np.int32)
    u = np.array([1], np.uint32)
    f = np.zeros(1, np.float32)
    r = np.zeros(6, np.int32)
    run(compile_kernel(source, "k"), a, u, f, r)
    assert r.tolist() == [10, 15, 16, -7, 9, 1]
    assert (a[0], u[0], f[0]) == (10, 0xFFFFFFF0, 2.5)


def test_async_copies() -> None:
    source = """kernel void k(global float4 *a, global float4 *r, global float *s, int n) {
      local float4 t[64];
      local float u[16];
      event_t e = async_work_group_copy(t, a, (size_t)n, 0);
      e = async_work_group_strided_copy(u, (global float *)a, (size_t)16, (size_t)4, e);
      wait_group_events(1, &e);
      e = async_work_group_copy(r, t, (size_t)n, 0);
      async_work_group_strided_copy(s, u, (size_t)16, (size_t)2, e);
    }"""
    kernel = compile_kernel(source, "k")
    assert kernel.has_barrier
    assert kernel.local_memory_bytes == 64 * 16 + 16 * 4
    opcodes = [kernel.opcodes[code] for code in kernel.instructions["opcode"]]
    spaces = kernel.instructions["address_space"]
    traffic = {
        (opcode, int(space)) for opcode, space in zip(opcodes, spaces, strict=True) if space >= 0
    }
    assert traffic == {("load", 1), ("store", 3), ("load", 3), ("store", 1)}


def test_division_by_zero_is_defined() -> None:
    source = """kernel void k(global int *a, global int *b, global int *q, global int *r, int n) {
      for (int i = 0; i < n; i++) { q[i] = a[i] / b[i]; r[i] = a[i] % b[i]; }
      q[n] = a[0] % 0;
      q[n + 1] = a[1] / -1;
    }"""
    kernel = compile_kernel(source, "k")
    assert {"sdiv", "srem"} <= set(kernel.opcodes)
    assert "select" not in kernel.opcodes
    assert "unreachable" not in kernel.opcodes
    constant = compile_kernel("kernel void k(global int *a, int z) { a[0] = a[1] % (z * 0); }", "k")
    out = np.array([5, 6], np.int32)
    run(constant, out, 3)
    assert out.tolist() == [0, 6]
