"""Affine descriptors give the addresses that executing the kernel gives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.compiler import KernelIR, compile_kernel
from gpusim.compiler.affine import affine_addresses
from gpusim.compiler.polynomial import Polynomial
from tests.unit.compiler.interpreter import Interpreter

SIZES = {
    "local_size0": 4, "local_size1": 2, "local_size2": 3,
    "global_size0": 12, "global_size1": 8, "global_size2": 9,
    "num_groups0": 3, "num_groups1": 4, "num_groups2": 3,
    "global_offset0": 5, "global_offset1": 0, "global_offset2": 7,
    "first_item0": 5, "first_item1": 0, "first_item2": 7,
}  # fmt: skip

GEMM = """kernel void k(global float *restrict c, global const float *a, global const float *b,
                        int m, int n, int depth) {
  int x = get_global_id(0), y = get_global_id(1);
  float4 sum = 0;
  for (int i = 0; i < depth; ++i) sum += vload4(0, a + y * depth * 4 + i * 4) * b[i * n + x];
  vstore4(sum, x, c + y * n * 4);
}"""
TILED = """kernel void k(global float *c, global const float *a, int n, local float *scratch) {
  local float tile[8][16];
  uint lx = get_local_id(0), ly = get_local_id(1);
  for (uint t = 0; t < n; t += 8) {
    tile[ly][lx] = a[(get_group_id(1) * 2 + ly) * n + t + lx];
    scratch[lx] = tile[ly][0];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = 0; i < 4; ++i) c[i * 64 + lx * 2 + 1] = tile[i][lx] + scratch[ly * 4 + i];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}"""
STRUCTS = """typedef struct { float4 v; struct { short s; float f[6]; } in[3]; char end; } Item;
kernel void k(global Item *items, global int *r, int n) {
  size_t i = get_group_id(2) * 3 + get_local_id(2);
  for (int j = 2; j >= 0; --j)
    for (int q = 0; q < 6; q += 2) items[i].in[j].f[q + 1] = items[n].v.y;
  r[get_global_linear_id() * 2 + get_local_linear_id()] = 1;
}"""
POINTERS = """kernel void k(global float *a, global float *out, int rows, int pitch) {
  global float *p = a + get_global_id(0);
  float sum = 0;
  for (int r = 0; r < rows; ++r) { sum += p[0] + p[1]; p += pitch; }
  out[get_global_id(0) | 0] = sum;
  out[(get_local_id(0) << 2 | 3) + (pitch / 3) * 4] = sum;
}"""
CORPUS = {"gemm": GEMM, "tiled": TILED, "structs": STRUCTS, "pointers": POINTERS}
ARGUMENTS = {
    "gemm": {3: 8, 4: 6, 5: 5},
    "tiled": {2: 16},
    "structs": {2: 4},
    "pointers": {2: 3, 3: 17},
}


def symbols_of(kernel: KernelIR, interpreter: Interpreter, arguments: dict[int, int]) -> dict:
    """Return what polynomials need: sizes, arguments and uniform results."""
    values = {f"value{n}": v for n, v in interpreter.values.items() if isinstance(v, int)}
    return {**SIZES, **{f"arg{index}": v for index, v in arguments.items()}, **values}


@pytest.mark.parametrize("name", list(CORPUS))
def test_descriptors_give_the_executed_addresses(name: str) -> None:
    kernel = compile_kernel(CORPUS[name], "k", "-cl-std=CL2.0")
    descriptors = affine_addresses(kernel)
    assert descriptors
    assert all(item is not None for item in descriptors.values())
    arguments = ARGUMENTS[name]
    n_checked = 0
    groups = itertools.product((0, 2), (0, 3), (0, 1))
    items = itertools.product((0, 3), (0, 1), (0, 2))
    for group, local in itertools.product(groups, items):
        interpreter = Interpreter(kernel, arguments, SIZES, group, local)
        for event in interpreter.run():
            descriptor = descriptors[event.instruction]
            symbols = symbols_of(kernel, interpreter, arguments)
            address = descriptor.address(symbols, group, local, event.iterations)
            assert (descriptor.base, address) == (event.place.base, event.place.offset)
            n_checked += 1
    assert n_checked > 100


def test_coefficients_of_a_matrix_product_by_hand() -> None:
    kernel = compile_kernel(GEMM, "k")
    found = {item.base: item for item in affine_addresses(kernel).values() if item}
    store, a, b = found["arg0"], found["arg1"], found["arg2"]
    four, depth, n = Polynomial.number(4), Polynomial.symbol("arg5"), Polynomial.symbol("arg4")
    rows = Polynomial.symbol("local_size1")
    assert a.group == (Polynomial(), four * four * depth * rows, Polynomial())
    assert a.local == (Polynomial(), four * four * depth, Polynomial())
    assert a.loops == ((0, Polynomial.number(16)),)
    assert b.local == (four, Polynomial(), Polynomial())
    assert b.loops == ((0, four * n),)
    assert store.local[0] == Polynomial.number(16)
    assert store.loops == ()
    assert (store.access_bytes, store.address_space) == (16, 1)


NOT_AFFINE = [
    "kernel void k(global int *a, global int *b) { a[b[get_global_id(0)]] = 1; }",
    "kernel void k(global int *a) { a[get_global_id(0) * get_local_id(1)] = 1; }",
    "kernel void k(global int *a) { a[get_global_id(0) / 3] = 1; }",
    "kernel void k(global int *a, int n) { int i = 1; while (i < n) { a[i] = 1; i *= 2; } }",
    """kernel void k(global int *a, int n) {
      int i = 0;
      for (int j = 0; j < n; j += i) { i += 3; a[j] = 1; }
    }""",
    "kernel void k(global int *a, global int *b) { for (int i = b[0]; i < b[1]; ++i) a[i] = 1; }",
    """kernel void k(global int *a, global int *b, int n) {
      global int *p = get_local_id(0) ? a : b;
      p[n] = 1;
    }""",
    "kernel void k(global int *a, int n) { int i = 0; for (; a[i] < n; ++i) ; a[i] = 1; }",
]


@pytest.mark.parametrize("source", NOT_AFFINE)
def test_what_is_not_affine_has_no_descriptor(source: str) -> None:
    kernel = compile_kernel(source, "k")
    stores = [
        item
        for number, item in affine_addresses(kernel).items()
        if kernel.opcodes[kernel.instructions["opcode"][number]] == "store"
    ]
    assert stores == [None] * len(stores)
    assert stores


def test_nested_starts_that_depend_on_the_outer_loop() -> None:
    source = """kernel void k(global int *a, int n) {
      for (int i = 0; i < 6; ++i)
        for (int j = i; j < n; j += 2) a[j * 3 + i] = 1;
    }"""
    kernel = compile_kernel(source, "k")
    (descriptor,) = affine_addresses(kernel).values()
    assert descriptor is not None
    assert [coefficient.constant for _, coefficient in descriptor.loops] == [16, 24]


polynomials = st.recursive(
    st.one_of(
        st.integers(-3, 3).map(Polynomial.number), st.sampled_from("xyz").map(Polynomial.symbol)
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
    ),
    max_leaves=8,
)
points = st.fixed_dictionaries({name: st.integers(-9, 9) for name in "xyz"})


@given(polynomials, polynomials, points)
def test_polynomials_compute_as_integers_do(a: Polynomial, b: Polynomial, at: dict) -> None:
    assert (a + b).value(at) == a.value(at) + b.value(at)
    assert (a * b).value(at) == a.value(at) * b.value(at)
    assert (a - b).value(at) == a.value(at) - b.value(at)
    assert not a - a
    assert (a * b).symbols <= a.symbols | b.symbols
    if a.constant is not None:
        assert a.value({}) == a.constant


def test_polynomials_print_as_sums() -> None:
    x, y = Polynomial.symbol("x"), Polynomial.symbol("y")
    assert str(x * y * Polynomial.number(4) + Polynomial.number(2)) == "2 + 4*x*y"
    assert str(Polynomial()) == "0"
