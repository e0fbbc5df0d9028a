"""Arithmetic that the counter executes: half precision as half, maths within 4 ULP."""

import math

import numpy as np
import pytest

from gpusim.compiler.compile import compile_kernel
from gpusim.count import count_job
from tests.unit.count.run_case import make_job


def execute(body: str, values: list[np.ndarray], out: np.ndarray) -> np.ndarray:
    names = "abc"
    of = {"float16": "half", "float32": "float", "float64": "double", "int32": "int"}
    formals = [
        f"__global const {of[v.dtype.name]} *{n}" for n, v in zip(names, values, strict=False)
    ]
    source = (
        "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n"
        "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n"
        f"__kernel void k({', '.join(formals)}, __global {of[out.dtype.name]} *out) {{\n"
        f"  size_t i = get_global_id(0); out[i] = {body}; }}"
    )
    kernel = compile_kernel(source, "k")
    job, memory = make_job("k", (len(out),), (1,), [*values, out])
    count_job(kernel, job, memory, mode="full")
    return memory.contents(len(values)).view(out.dtype)


def halves(n: int, seed: int) -> np.ndarray:
    bits = np.random.default_rng(seed).integers(0, 1 << 16, n).astype(np.uint16)
    value = bits.view(np.float16)
    return np.where(np.isfinite(value), value, np.float16(1.5)).astype(np.float16)


def exact_fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Round a * b + c once: exact in rationals, then to the nearest half, ties to even."""
    from fractions import Fraction

    found = []
    for x, y, z in zip(a.tolist(), b.tolist(), c.tolist(), strict=True):
        exact = Fraction(x) * Fraction(y) + Fraction(z)
        near = np.float16(float(exact))
        with np.errstate(over="ignore"):
            steps = [
                near,
                np.nextafter(near, np.float16(-np.inf)),
                np.nextafter(near, np.float16(np.inf)),
            ]
        finite = [s for s in steps if np.isfinite(s)]
        best = min(finite, key=lambda s: (abs(Fraction(float(s)) - exact), s.view(np.uint16) & 1))
        overflow = abs(exact) >= Fraction(65520)
        found.append(math.copysign(math.inf, exact) if overflow else best)
    return np.array(found, np.float16)


@pytest.mark.filterwarnings("ignore:overflow")
def test_half_fma_rounds_once() -> None:
    a, b, c = halves(3000, 1), halves(3000, 2), halves(3000, 3)
    # Products near the half-way points of c: where rounding twice goes wrong.
    a[:500] = np.float16(1) + np.arange(500).astype(np.float16) * np.float16(2.0**-10)
    b[:500] = np.float16(1) + np.float16(2.0**-10)
    c[:500] = np.float16(2.0**-14) * np.float16(1.5)
    found = execute("fma(a[i], b[i], c[i])", [a, b, c], np.zeros(3000, np.float16))
    np.testing.assert_array_equal(found + np.float16(0), exact_fma(a, b, c) + np.float16(0))


@pytest.mark.parametrize("operator", ["+", "-", "*", "/"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_half_arithmetic_is_that_of_numpy(operator: str) -> None:
    a, b = halves(4000, 4), halves(4000, 5)
    with np.errstate(all="ignore"):
        expected = {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[operator]
    found = execute(f"a[i] {operator} b[i]", [a, b], np.zeros(4000, np.float16))
    np.testing.assert_array_equal(found, expected)


def test_double_to_half_rounds_once() -> None:
    near = np.float16(1) + np.arange(64).astype(np.float16) * np.float16(2.0**-10)
    values = np.concatenate(
        [near.astype(np.float64) + 2.0**-11 + d for d in (-(2.0**-40), 0.0, 2.0**-40)]
        + [np.array([6e-8, 3e-8, 2.98e-8, 65519.99, 65520.0, 1e300, -0.0, 2.0**-14])]
    )
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16)
    found = execute("(half)a[i]", [values], np.zeros(len(values), np.float16))
    np.testing.assert_array_equal(found.view(np.uint16), expected.view(np.uint16))


CASES = {
    "exp": np.exp,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "cbrt": np.cbrt,
    "sinpi": lambda x: np.sin(np.pi * np.remainder(x, 2)),
    "exp10": lambda x: 10.0**x,
    "native_exp": np.exp,
    "half_sin": np.sin,
    "atanpi": lambda x: np.arctan(x) / np.pi,
}


@pytest.mark.parametrize("name", CASES)
def test_float_maths_within_4_ulp(name: str) -> None:
    x = np.random.default_rng(3).uniform(0.01, 8, 2000).astype(np.float32)
    exact = CASES[name](x.astype(np.float64))
    found = execute(f"{name}(a[i])", [x], np.zeros(2000, np.float32))
    ulp = np.maximum(np.spacing(np.abs(exact).astype(np.float32)), 2.0**-149)
    # Near the zeros of sinpi NumPy's own reduction is the less exact one.
    is_safe = np.abs(exact) > 1e-4
    assert (np.abs(found - exact) / ulp)[is_safe].max() <= 4


def test_vectors_run_lane_by_lane() -> None:
    x = np.linspace(0.1, 3, 64).astype(np.float32)
    source = """__kernel void k(__global const float4 *a, __global float4 *out) {
        size_t i = get_global_id(0); out[i] = pow(a[i], (float4)(0.5f, 1, 2, -1)); }"""
    job, memory = make_job("k", (16,), (4,), [x, np.zeros(64, np.float32)])
    count_job(compile_kernel(source, "k"), job, memory)
    expected = x.reshape(-1, 4).astype(np.float64) ** [0.5, 1, 2, -1]
    found = memory.contents(1).view(np.float32).reshape(-1, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
