"""What the pinned pipeline promises about the normalised IR."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from gpusim.compiler import KernelIR, compile_kernel
from gpusim.compiler.builtins import maths
from gpusim.compiler.mangling import demangle
from tests.unit.compiler.jit import run


def opcodes(kernel: KernelIR) -> list[str]:
    """Return the opcode of every instruction."""
    return [kernel.opcodes[code] for code in kernel.instructions["opcode"]]


def accesses(kernel: KernelIR, *, in_loops: bool = False) -> list[tuple[str, int, int]]:
    """Return (opcode, address space, bytes) of every access, of those in loops only if asked."""
    looped = {block for loop in kernel.loops for block in loop.blocks}
    return [
        (opcode, int(row["address_space"]), int(row["access_bytes"]))
        for opcode, row in zip(opcodes(kernel), kernel.instructions, strict=True)
        if row["address_space"] >= 0 and (not in_loops or row["block"] in looped)
    ]


ACCUMULATE = """kernel void k(global float *restrict conv, global const float *restrict a,
                              global const float *restrict b, int n) {
  int base = convert_int(get_group_id(0)) * 64 + convert_int(get_local_id(0));
  conv[base] = 0.0f;
  conv[base + 32] = 0.0f;
  for (int r = 0; r < n; ++r) {
    for (int c = 0; c < 16; ++c) {
      conv[base] = conv[base] + a[r * 16 + c] * b[c];
      conv[base + 32] = conv[base + 32] + a[r * 16 + c] * b[c + 16];
    }
  }
}"""


def test_accumulators_in_global_memory_are_promoted() -> None:
    kernel = compile_kernel(ACCUMULATE, "k")
    assert set(accesses(kernel, in_loops=True)) == {("load", 1, 4)}
    assert len(accesses(kernel, in_loops=True)) == 3
    assert accesses(kernel).count(("store", 1, 4)) in (2, 4)


def test_accumulators_behind_vstore_are_promoted() -> None:
    source = """kernel void k(global float *restrict conv, global float *restrict a, int n) {
      vstore4((float4)(0.0f), 0, conv + get_group_id(0) * 16);
      for (int i = 0; i < n; ++i)
        vstore4(vload4(0, conv + get_group_id(0) * 16) + vload4(i, a), 0,
                conv + get_group_id(0) * 16);
    }"""
    kernel = compile_kernel(source, "k")
    assert accesses(kernel, in_loops=True) == [("load", 1, 16)]


def test_several_hundred_accumulators_are_promoted() -> None:
    lines = "".join(f"conv[{i}] = conv[{i}] + a[r * 300 + {i}];\n" for i in range(300))
    source = f"""kernel void k(global float *restrict conv, global float *restrict a, int n) {{
      for (int r = 0; r < n; ++r) {{ {lines} }}
    }}"""
    kernel = compile_kernel(source, "k")
    assert accesses(kernel, in_loops=True) == [("load", 1, 4)] * 300


def test_private_tiles_become_registers() -> None:
    source = """kernel void k(global float *restrict out, global float *restrict a, int n) {
      float tile[4][4];
      for (int i = 0; i < 4; ++i) for (int j = 0; j < 4; ++j) tile[i][j] = 0;
      for (int r = 0; r < n; ++r)
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j) tile[i][j] += a[r * 8 + i] * a[r * 8 + 4 + j];
      for (int i = 0; i < 4; ++i) for (int j = 0; j < 4; ++j) out[i * 4 + j] = tile[i][j];
    }"""
    kernel = compile_kernel(source, "k")
    assert kernel.private_memory_bytes == 0
    assert len(kernel.loops) == 1
    assert accesses(kernel, in_loops=True) == [("load", 1, 4)] * 8


def test_loops_are_unrolled_only_on_request() -> None:
    source = """kernel void k(global float *a, int n) {
      %s
      for (int i = 0; i < %s; ++i) a[i * n] += 1.0f;
    }"""
    plain = compile_kernel(source % ("", "4"), "k")
    assert accesses(plain) == [("load", 1, 4), ("store", 1, 4)]
    assert len(plain.loops) == 1
    for pragma in ("#pragma unroll", "__attribute__((opencl_unroll_hint))"):
        full = compile_kernel(source % (pragma, "4"), "k")
        assert len(accesses(full)) == 8
        assert full.loops == ()
    partial = compile_kernel(source % ("#pragma unroll 4", "n"), "k")
    sizes = [
        len([b for b in partial.instructions["block"] if b in loop.blocks])
        for loop in partial.loops
    ]
    assert len(partial.loops) == 2
    assert max(sizes) > 2 * min(sizes)


def test_an_array_that_stays_private_keeps_its_loops() -> None:
    source = """kernel void k(global float *a, global int *at, int n) {
      float t[64];
      for (int i = 0; i < 64; ++i) t[i] = a[i];
      for (int i = 0; i < n; ++i) a[i] = t[at[i] & 63];
    }"""
    kernel = compile_kernel(source, "k")
    assert kernel.private_memory_bytes == 256
    assert len(kernel.loops) == 2


def test_nothing_becomes_a_memory_intrinsic() -> None:
    source = """typedef struct { int a[9]; } S;
    kernel void k(global float *a, global float *b, global S *s, int n, int x) {
      for (int i = 0; i < n; ++i) a[i] = 0;
      for (int i = 0; i < n; ++i) a[i + n] = b[i];
      b[0] = 0; b[1] = 0; b[2] = 0; b[3] = 0; b[4] = 0; b[5] = 0; b[6] = 0; b[7] = 0;
      float t[300] = {0};
      t[n] = 1;
      b[8] = t[x];
      s[1] = s[0];
    }"""
    kernel = compile_kernel(source, "k")
    assert "llvm.mem" not in kernel.text
    assert accesses(kernel).count(("store", 1, 4)) == 12
    # 36 bytes of structure: two of 16 and one of 4.
    assert accesses(kernel).count(("store", 1, 16)) == 2
    assert ("store", 0, 16) in accesses(kernel, in_loops=True)


def test_copies_of_known_size_copy() -> None:
    source = """typedef struct { int a[301]; } S;
    kernel void k(global S *s, global int *r, int x, int y) {
      S t = s[0];
      int zero[333] = {7};
      t.a[x] += 1;
      zero[y] += 5;
      s[1] = t;
      for (int i = 0; i < 333; i++) r[i] = zero[i];
    }"""
    kernel = compile_kernel(source, "k")
    s = np.arange(602, dtype=np.int32)
    r = np.full(333, -1, np.int32)
    run(kernel, s, r, 300, 332)
    expected = np.arange(301)
    expected[300] += 1
    assert np.array_equal(s[301:], expected)
    assert (r[0], r[1], r[331], r[332]) == (7, 0, 0, 5)


ALLOWED = re.compile(
    r"llvm\.(?!mem|lifetime|assume)[\w.]+|printf|_Z\d+(?:get_|read_image|write_image|barrier"
    r"|work_group_barrier|mem_fence|read_mem_fence|write_mem_fence).*"
)

LIBRARY = """
float helper(float4 v) { return dot(v, v) + length(v) + smoothstep(0.0f, 1.0f, v.x); }
kernel void k(global float4 *a, global int4 *b, local float4 *l, global half4 *h, global uchar8 *u,
              read_only image2d_t in, write_only image2d_t out) {
  size_t i = get_global_id(0) + get_global_linear_id() + get_local_linear_id();
  l[get_local_id(0)] = exp(a[i]) + pow(a[i], a[i + 1]) + native_sin(a[i]) + half_exp(a[i]);
  barrier(CLK_LOCAL_MEM_FENCE);
  a[i] = l[get_local_size(0) - 1] + helper(a[i]) + fma(a[0], a[1], a[2]) + tanh(a[3]) * hypot(a[i],
         a[i+1]);
  b[i] = convert_int4_sat_rte(a[i]) + mul_hi(b[i], b[i + 1]) + popcount(b[i]) + b[i] / b[i + 1];
  h[i] = convert_half4_rtz(a[i]) + exp(h[i]) + sqrt(h[i]);
  u[i] = add_sat(u[i], u[i + 1]) + convert_uchar8_sat(convert_int8(u[i]) * 3);
  mem_fence(CLK_GLOBAL_MEM_FENCE);
  int2 place = (int2)(get_global_id(0), get_global_id(1));
  write_imagef(out, place, read_imagef(in, place) * (float)get_image_width(in));
  printf("%d", (int)i);
}"""


def test_only_the_agreed_calls_are_left() -> None:
    kernel = compile_kernel(LIBRARY, "k", "-cl-std=CL2.0")
    for callee in kernel.callees:
        if ALLOWED.fullmatch(callee):
            continue
        signature = demangle(callee)
        assert signature is not None, callee
        assert signature.name in maths.EXTERNAL
        assert all(kind.lanes == 1 for kind in signature.parameters)
    assert kernel.has_barrier
    declarations = [line for line in kernel.text.splitlines() if line.startswith("declare")]
    groups = dict(re.findall(r"attributes (#\d+) = \{ (.*) \}", kernel.text))
    for line in declarations:
        attributes = groups[line.rsplit(" ", 1)[1]]
        if "get_" in line or "_Z3exp" in line:
            assert "memory(none)" in attributes
            assert "convergent" not in attributes
        if "barrier" in line:
            assert "convergent" in attributes


def test_helpers_are_inlined_and_attributes_gone() -> None:
    kernel = compile_kernel(LIBRARY, "k", "-cl-std=CL2.0")
    assert kernel.text.count("define ") == 1
    for word in ("helper", "tail call", "spir_func", "spir_kernel", "convergent norecurse", "tbaa"):
        assert word not in kernel.text


def test_generic_pointers_get_their_address_space() -> None:
    source = """float total(float *p, int n) {
      float s = 0; for (int i = 0; i < n; ++i) s += p[i]; return s;
    }
    void bump(float *p) { vstore4(vload4(0, p) + 1.0f, 0, p); }
    kernel void k(global float *a, local float *l, int n) {
      float t[4];
      for (int i = 0; i < 4; ++i) t[i] = a[i * n];
      l[0] = total(a, n);
      barrier(CLK_LOCAL_MEM_FENCE);
      bump(n > 3 ? a : a + 8);
      a[0] = total(l, n) + total(t, n & 3);
    }"""
    kernel = compile_kernel(source, "k", "-cl-std=CL2.0")
    assert "addrspace(4)" not in kernel.text
    assert "addrspacecast" not in kernel.text
    assert {space for _, space, _ in accesses(kernel)} == {0, 1, 3}


def test_barriers_keep_local_memory_in_order() -> None:
    source = """kernel void k(global float *restrict out, local float *restrict l, int n) {
      local float t[64];
      size_t i = get_local_id(0);
      float before = t[n] + l[n];
      t[i] = i; l[i] = 2 * i;
      barrier(CLK_LOCAL_MEM_FENCE);
      out[i] = before + t[n] + l[n];
    }"""
    kernel = compile_kernel(source, "k")
    assert accesses(kernel).count(("load", 3, 4)) == 4
    assert kernel.local_memory_bytes == 256


def test_endless_loops_stay_endless() -> None:
    source = """kernel void k(global int *a, int n) {
      while (1) { if (n == 3) break; }
      for (int i = 0; ; ++i) { if (n == 4) break; n ^= n << 1; }
      a[0] = 1;
    }"""
    kernel = compile_kernel(source, "k")
    assert len(kernel.loops) == 2
    assert ("store", 1, 4) in accesses(kernel)


def test_division_keeps_the_code_around_it() -> None:
    # ACL's col2im computes `% 0` for tensors without a step; LLVM would delete the kernel.
    source = """kernel void k(global int *a, global int *b) {
      a[1] = a[2] % STEP;
      a[3] = b[0] / b[1] + 100 / 7;
      a[4] = a[5] / 4 + (int)((uint)a[5] % 8u);
    }"""
    kernel = compile_kernel(source, "k", "-DSTEP=0")
    stores = [item for item in accesses(kernel) if item[0] == "store"]
    assert len(stores) == 3
    assert opcodes(kernel).count("sdiv") == 2
    assert "srem" not in opcodes(kernel)
    assert "udiv" not in opcodes(kernel)
    assert "gpusim." not in kernel.text


def test_division_by_a_constant_found_late_is_plain() -> None:
    source = """int part(int x, int by) { return x / by + x % by; }
    kernel void k(global int *a) {
      a[0] = part(a[0], 6);
      a[1] = part(a[1], -1);
      a[2] = part(a[2], 0);
      #pragma unroll
      for (int i = 1; i < 4; ++i) a[2 + i] = a[2 + i] / i;
    }"""
    kernel = compile_kernel(source, "k")
    a = np.array([-20, -(2**31), 5, 9, 9, -9], np.int32)
    run(kernel, a)
    assert a.tolist() == [-3 + -2, -(2**31), 0, 9, 4, -3]
    divisors = {
        kernel.operand_text[kernel.operand_start[number] + 1]
        for number, opcode in enumerate(opcodes(kernel))
        if opcode in ("sdiv", "srem", "udiv", "urem")
    }
    assert divisors <= {"6", "2", "3"}


def test_shifts_wrap() -> None:
    source = "kernel void k(global int *a, int n) { a[0] = a[1] << n; a[2] = a[3] >> 33; }"
    kernel = compile_kernel(source, "k")
    a = np.array([0, 3, 0, 8], np.int32)
    run(kernel, a, 34)
    assert a.tolist() == [12, 3, 4, 8]


def test_half_arithmetic_stays_half() -> None:
    source = """kernel void k(global half4 *a, global half4 *b) {
      a[0] = a[0] * b[0] + b[1]; b[2] = fma(a[0], b[0], b[1]);
    }"""
    kernel = compile_kernel(source, "k")
    assert {"llvm.fmuladd.v4f16", "llvm.fma.v4f16"} <= set(kernel.callees)
    assert "fpext" not in opcodes(kernel)


def test_multiply_and_add_contract_as_the_language_allows() -> None:
    source = """kernel void k(global float *a) {
      a[0] = a[1] * a[2] + a[3];
      float t = a[4] * a[5];
      a[6] = t + a[7];
    }"""
    kernel = compile_kernel(source, "k")
    assert opcodes(kernel).count("fmul") == 1
    assert kernel.callees == ("llvm.fmuladd.f32",)


@pytest.mark.parametrize("lanes", [2, 3, 4, 8, 16])
def test_vector_memory_instructions_count_once(lanes: int) -> None:
    source = f"""kernel void k(global float *a, global half *h, int n) {{
      vstore{lanes}(vload{lanes}(n, a), n + 1, a);
      vstore_half{lanes}(vload_half{lanes}(n, h), n + 1, h);
    }}"""
    kernel = compile_kernel(source, "k")
    assert accesses(kernel) == [
        ("load", 1, 4 * lanes),
        ("store", 1, 4 * lanes),
        ("load", 1, 2 * lanes),
        ("store", 1, 2 * lanes),
    ]
    aligned = [int(row["align_bytes"]) for row in kernel.instructions if row["address_space"] >= 0]
    assert aligned == [4, 4, 2, 2]


def test_structures_by_value_are_copied_for_each_work_item() -> None:
    source = """typedef struct { int a; float b[3]; } S;
    kernel void k(S s, global float *r, int n) { s.b[n] += s.a; r[0] = s.b[n]; r[1] = s.b[0]; }"""
    kernel = compile_kernel(source, "k")
    assert kernel.parameters[0].kind == "value"
    assert kernel.parameters[0].size_bytes == 16
    assert "byval(%struct.S) align 4" in kernel.text


@pytest.mark.parametrize("options", ["", "-cl-std=CL2.0", "-cl-std=CL3.0", "-cl-fast-relaxed-math"])
def test_the_whole_language_is_accepted(options: str) -> None:
    source = (Path(__file__).parent / "language.cl").read_text()
    kernel = compile_kernel(source, "language", options)
    assert kernel.local_memory_bytes == 4 * 80 + 4 * 8 * 4
    assert kernel.has_barrier
    assert all(ALLOWED.fullmatch(name) or "hypot" in name for name in kernel.callees)
    assert {"atomicrmw"} <= set(kernel.opcodes)
