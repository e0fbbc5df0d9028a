"""The arrays of `KernelIR` against expectations written by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from gpusim.compiler import compile_kernel
from gpusim.compiler.extract import ExtractedKernel
from gpusim.compiler.ir_reader import Instruction, read_kernel
from gpusim.compiler.kernel_ir import (
    BLOCK,
    CONSTANT,
    INSTRUCTION,
    PARAMETER,
    KernelIR,
    Parameter,
)
from gpusim.compiler.layout import access_bytes, size_and_align, split_list, value_type
from gpusim.compiler.packing import pack_kernel, unpack_kernel
from gpusim.compiler.program_text import KernelSignature
from gpusim.errors import CompileError

MODULE = """\
%struct.S = type { i32, [3 x float], i8 }
@c = internal addrspace(2) constant [2 x float] [float 1.0, float 2.0], align 4
@k.tile = addrspace(3) global [10 x <3 x float>] undef, align 16
@k.more = addrspace(3) global i8 undef, align 1

define void @k(ptr addrspace(1) noalias align 4 %0, i32 %1, ptr byval(%struct.S) align 4 %2) #0 {
  %4 = alloca [5 x i64], align 8
  %5 = call i64 @_Z13get_global_idj(i32 0)
  %6 = getelementptr inbounds nuw %struct.S, ptr %2, i64 0, i32 1, i64 %5
  %7 = load float, ptr %6, align 4
  switch i32 %1, label %20 [
    i32 0, label %8
    i32 -7, label %11
  ]

8:                                                ; preds = %8, %3
  %9 = phi float [ %7, %3 ], [ %10, %8 ]
  %10 = fadd nnan nsz float %9, 0x3FF8000000000000
  %11 = fcmp olt float %10, 1.000000e+01
  br i1 %11, label %8, label %20

12:                                               ; preds = %3
  %13 = load <4 x float>, ptr addrspace(1) %0, align 4
  %14 = shufflevector <4 x float> %13, <4 x float> poison, <2 x i32> <i32 3, i32 0>
  %15 = extractelement <4 x float> %13, i64 2
  %16 = insertelement <2 x float> %14, float %15, i64 1
  store volatile <2 x float> %16, ptr addrspace(1) inttoptr (i64 8 to ptr addrspace(1)), align 8
  %17 = atomicrmw umax ptr addrspace(1) %0, i32 %1 monotonic, align 4
  %18 = cmpxchg ptr addrspace(3) @k.tile, i32 %17, i32 splat (i32 3) monotonic monotonic, align 4
  %19 = extractvalue { i32, i1 } %18, 0
  call void @_Z7barrierj(i32 1)
  br label %20

20:                                               ; preds = %12, %8, %3
  %21 = phi i32 [ 0, %3 ], [ 1, %8 ], [ %19, %12 ]
  %22 = select i1 true, i32 %21, i32 %1
  %23 = zext nneg i32 %22 to i64
  %24 = getelementptr i64, ptr %4, i64 %23
  store i64 %23, ptr %24, align 8
  %25 = call float @llvm.fmuladd.f32(float %7, float 2.000000e+00, float %7)
  %26 = load float, ptr addrspace(2) @c, align 4
  ret void
}
""".replace("label %11", "label %12")


OPCODES = """
alloca call getelementptr load switch phi fadd fcmp br load shufflevector extractelement
insertelement store atomicrmw cmpxchg extractvalue call br phi select zext getelementptr store
call load ret
"""


def arrays() -> KernelIR:
    """Return the module above on the way that a kernel takes from the worker to its user."""
    parameters = tuple(Parameter(name=n, type_name="", kind="", size_bytes=8) for n in "abc")
    kernel = ExtractedKernel(
        signature=KernelSignature("k", parameters, (4, 2, 1)),
        code=read_kernel(MODULE, "k", [7, 0, 9], where="x"),
        has_barrier=True,
        text=MODULE,
    )
    payload = pack_kernel(kernel, pipeline="p", key="q", source_lines=["kernel", "}"])
    return unpack_kernel(payload)


def test_what_is_not_code_survives_packing() -> None:
    kernel = arrays()
    assert kernel.instructions.dtype == INSTRUCTION
    assert kernel.instructions.dtype.names == Instruction._fields
    assert kernel.instructions["line"].tolist()[:4] == [7, 0, 9, 0]
    assert [item.name for item in kernel.parameters] == ["a", "b", "c"]
    assert (kernel.name, kernel.text, kernel.pipeline, kernel.key) == ("k", MODULE, "p", "q")
    assert kernel.source_lines == ("kernel", "}")
    assert kernel.required_local_size == (4, 2, 1)
    assert kernel.has_barrier
    assert kernel.loops[0].blocks == (1,)


def test_the_worker_does_not_load_numpy() -> None:
    code = (
        "import sys; from gpusim.compiler import worker, normalise, extract, packing;"
        "normalise.load_llvm(); sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_instructions_by_hand() -> None:
    kernel = arrays()
    opcodes = [kernel.opcodes[code] for code in kernel.instructions["opcode"]]
    assert opcodes == OPCODES.split()
    assert kernel.block_names == ("3", "8", "12", "20")
    assert kernel.instructions["block"].tolist() == [0] * 5 + [1] * 4 + [2] * 10 + [3] * 8
    assert kernel.edges.tolist() == [[0, 3], [0, 1], [0, 2], [1, 1], [1, 3], [2, 3]]
    assert [(loop.header, loop.latches) for loop in kernel.loops] == [(1, (1,))]
    types = [kernel.types[code].text for code in kernel.instructions["type"]]
    assert types[2:4] == ["ptr", "float"]
    assert types[7] == "i1"
    assert types[10:13] == ["<2 x float>", "float", "<2 x float>"]
    assert types[15:17] == ["{ i32, i1 }", "i32"]
    first = [kernel.types[code].text for code in kernel.instructions["operand_type"]]
    assert first[13] == "<2 x float>"
    assert first[21] == "i32"
    elements = {
        number: kernel.types[code].text
        for number, code in enumerate(kernel.instructions["element_type"])
        if code >= 0
    }
    assert elements == {0: "[5 x i64]", 2: "%struct.S", 22: "i64"}


def test_memory_accesses_by_hand() -> None:
    kernel = arrays()
    seen = [
        (
            kernel.opcodes[row["opcode"]],
            row["address_space"],
            row["access_bytes"],
            row["align_bytes"],
        )
        for row in kernel.instructions
        if row["address_space"] >= 0
    ]
    assert seen == [
        ("load", 0, 4, 4),
        ("load", 1, 16, 4),
        ("store", 1, 8, 8),
        ("atomicrmw", 1, 4, 4),
        ("cmpxchg", 3, 4, 4),
        ("store", 0, 8, 8),
        ("load", 2, 4, 4),
    ]
    assert kernel.local_memory_bytes == 161
    assert kernel.private_memory_bytes == 40
    assert [kernel.callees[code] for code in kernel.instructions["callee"] if code >= 0] == [
        "_Z13get_global_idj",
        "_Z7barrierj",
        "llvm.fmuladd.f32",
    ]
    predicates = [kernel.predicates[c] for c in kernel.instructions["predicate"] if c >= 0]
    assert predicates == ["olt", "umax"]


def operands(kernel: KernelIR, number: int) -> list[tuple[int, str]]:
    start, end = kernel.operand_start[number : number + 2]
    texts = kernel.operand_text[start:end]
    return list(zip(kernel.operands[start:end].tolist(), texts, strict=True))


def test_operands_by_hand() -> None:
    kernel = arrays()
    assert operands(kernel, 2) == [
        (PARAMETER - 2, "%2"),
        (CONSTANT, "0"),
        (CONSTANT, "1"),
        (1, "%5"),
    ]
    assert operands(kernel, 4) == [
        (PARAMETER - 1, "%1"),
        (BLOCK - 3, "label %20"),
        (CONSTANT, "0"),
        (BLOCK - 1, "label %8"),
        (CONSTANT, "-7"),
        (BLOCK - 2, "label %12"),
    ]
    assert operands(kernel, 5) == [
        (3, "%7"),
        (BLOCK, "label %3"),
        (6, "%10"),
        (BLOCK - 1, "label %8"),
    ]
    assert operands(kernel, 13) == [
        (12, "%16"),
        (CONSTANT, "inttoptr (i64 8 to ptr addrspace(1))"),
    ]
    assert operands(kernel, 15)[2] == (CONSTANT, "splat (i32 3)")
    assert operands(kernel, 24)[2] == (3, "%7")


@pytest.mark.parametrize(
    "line",
    [
        "  %4 = va_arg ptr %0, i32",
        "  %4 = call i32 %0(i32 1)",
        "  invoke void @f() to label %1 unwind label %2",
        "  indirectbr ptr %0, [label %3]",
        "  store i32 %99, ptr %0, align 4",
        "  %4 = alloca i32, i32 %1, align 4",
    ],
)
def test_what_the_reader_does_not_know_is_an_error(line: str) -> None:
    text = f"define void @k(ptr %0, i32 %1, i32 %2) {{\n{line}\n  ret void\n}}\n"
    with pytest.raises(CompileError):
        read_kernel(text, "k", [], where="x")


def test_a_kernel_that_is_not_there() -> None:
    with pytest.raises(CompileError, match="no kernel z"):
        read_kernel(MODULE, "z", [], where="x")


@pytest.mark.parametrize(
    ("text", "size", "align", "moved"),
    [
        ("i1", 1, 1, 1),
        ("i24", 4, 4, 3),
        ("half", 2, 2, 2),
        ("<3 x float>", 16, 16, 12),
        ("<16 x i8>", 16, 16, 16),
        ("ptr addrspace(3)", 8, 8, 8),
        ("[3 x <3 x i16>]", 24, 8, 24),
        ("{ i8, i32, i8 }", 12, 4, 12),
        ("<{ i8, i32, i8 }>", 6, 1, 6),
        ("%struct.S", 20, 4, 20),
        ("[2 x %struct.S]", 40, 4, 40),
    ],
)
def test_sizes_of_types(text: str, size: int, align: int, moved: int) -> None:
    structs = {"%struct.S": "{ i32, [3 x float], i8 }"}
    assert size_and_align(text, structs) == (size, align)
    assert access_bytes(text, structs) == moved


def test_kinds_of_types() -> None:
    assert value_type("<4 x ptr addrspace(1)>").address_space == 1
    assert value_type("<4 x half>").lanes == 4
    assert value_type("[4 x half]").kind == "aggregate"
    assert value_type("void").kind == "void"
    assert split_list("a, { b, c }, <2 x i8> d, e(f, g)") == [
        "a",
        "{ b, c }",
        "<2 x i8> d",
        "e(f, g)",
    ]


def test_real_kernels_read_consistently() -> None:
    source = """kernel void k(global float *a, global int *b, int n, local float4 *t) {
      for (int i = 0; i < n; ++i) {
        if (b[i] > 3) { a[i] = sqrt(a[i]); continue; }
        for (int j = i; j < 16; ++j) t[j] += vload4(j, a);
        switch (b[i]) { case 1: a[0] = 1; break; case 2: a[1] = 2; break; case 9: a[2] = b[1]; }
      }
    }"""
    kernel = compile_kernel(source, "k")
    check_consistency(kernel)
    assert [loop.depth for loop in kernel.loops] == [1, 2]


def check_consistency(kernel: KernelIR) -> None:
    """Assert what holds for every kernel."""
    blocks = kernel.instructions["block"]
    assert np.array_equal(blocks, np.sort(blocks))
    assert set(blocks.tolist()) == set(range(kernel.n_blocks))
    last = {int(block): number for number, block in enumerate(blocks)}
    opcodes = [kernel.opcodes[code] for code in kernel.instructions["opcode"]]
    terminators = {number for number, name in enumerate(opcodes) if name in ("br", "switch", "ret")}
    assert terminators == set(last.values())
    for number, name in enumerate(opcodes):
        start, end = kernel.operand_start[number : number + 2]
        for code in kernel.operands[start:end].tolist():
            assert code < len(opcodes)
            if code >= 0 and name != "phi":
                assert blocks[code] < blocks[number] or code < number or _is_back(kernel, number)
            if PARAMETER >= code > BLOCK:
                assert PARAMETER - code < len(kernel.parameters)
            if code <= BLOCK:
                assert BLOCK - code < kernel.n_blocks
    for loop in kernel.loops:
        assert loop.header in loop.blocks
        assert set(loop.latches) <= set(loop.blocks)
        for latch in loop.latches:
            assert [latch, loop.header] in kernel.edges.tolist()


def _is_back(kernel: KernelIR, number: int) -> bool:
    """Whether an instruction may use a value defined later in the text: its block comes earlier."""
    return any(target <= source for source, target in kernel.edges.tolist())
