"""Machine code of ptxas: decoding by hand-made binaries, and our estimate beside it."""

import struct
from pathlib import Path
from statistics import median

import pytest

from gpusim.compiler import compile_kernel, compile_program
from gpusim.compiler.ptx import kernel_ptx
from gpusim.errors import CompileError
from gpusim.isa import cost_kernel, lower_kernel
from gpusim.isa.sass import find_ptxas, read_code, sass_kernel, text_section
from gpusim.isa.sass_compare import compare, sass_cost
from tests.conftest import need

KERNELS = Path(__file__).parents[2] / "golden" / "isa_kernels.cl"
OTHER_LOOPS = {"conv3x3_naive_pad", "im2col_generic"}
"""ptxas or LLVM splits or unrolls their loops even where they are told not to."""

FFMA, LDG, BRA, NOP = 0x5980, 0xEED4, 0xE240, 0x50B0
LOOPING = "kernel void k(global float *a, int n) { float s = 0; "
LOOPING += "for (int i = 0; i < n; ++i) s += a[i]; a[get_global_id(0)] = s; }"


def binary(*opcodes):
    """Return code with a control word before every three instructions; a pair is a branch."""
    code = b""
    for number, opcode in enumerate(opcodes):
        if number % 3 == 0:
            code += struct.pack("<Q", 0)
        if isinstance(opcode, tuple):
            target = opcode[1]
            place = len(code)
            home = 8 * (target + target // 3 + 1)
            distance = (home - place - 8) & 0xFFFFFF
            code += struct.pack("<Q", BRA << 48 | distance << 20)
        else:
            code += struct.pack("<Q", opcode << 48)
    return code


def test_a_loop_is_what_a_backward_branch_spans():
    code = binary(FFMA, FFMA, LDG, FFMA, (BRA, 1), FFMA)
    found = read_code(code, arch="sm_53", registers=7)
    assert found.instructions == 6
    assert [(one.depth, one.instructions, one.messages) for one in found.loops] == [(1, 4, 1)]
    assert found.outside.instructions == 2


def test_inner_loops_are_counted_apart():
    code = binary(FFMA, FFMA, LDG, (BRA, 2), FFMA, LDG, (BRA, 1))
    found = read_code(code, arch="sm_53", registers=7)
    assert [(one.depth, one.instructions, one.messages) for one in found.loops] == [
        (1, 4, 1),
        (2, 2, 1),
    ]


def test_padding_and_the_branch_to_itself_are_no_code():
    code = binary(FFMA, (BRA, 1), NOP, NOP)
    found = read_code(code, arch="sm_53", registers=7)
    assert found.loops == ()
    assert found.instructions == 2


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\0" * 200])
def test_something_that_is_no_binary_is_refused(content):
    with pytest.raises(CompileError):
        text_section(content, "k")


def test_ptx_keeps_the_loop_and_forbids_unrolling():
    kernel = compile_kernel(LOOPING, "k")
    text = kernel_ptx(kernel, "sm_62")
    assert ".target sm_62" in text
    assert text.count('.pragma "nounroll"') == len(kernel.loops) == 1
    assert "%ctaid.x" in text


def test_a_function_without_counterpart_is_named():
    source = "kernel void k(global float *a) { a[get_global_id(0)] = tgamma(a[0]); }"
    kernel = compile_kernel(source, "k")
    names = [name for name in kernel.callees if "tgamma" in name]
    if not names:
        pytest.skip("the compiler spells tgamma out")
    with pytest.raises(CompileError, match="tgamma"):
        kernel_ptx(kernel, "sm_53")


def test_other_families_have_no_machine_code_here():
    with pytest.raises(CompileError, match="maxwell or pascal"):
        sass_kernel(compile_kernel(LOOPING, "k"), "bifrost")


def test_ptxas_finds_the_loop():
    need(find_ptxas(), "ptxas (extra sass)")
    found = sass_kernel(compile_kernel(LOOPING, "k"), "maxwell")
    assert found.arch == "sm_53"
    assert 4 <= found.registers <= 32
    assert [loop.messages for loop in found.loops] == [1]
    assert found.outside.messages == 1


@pytest.mark.parametrize("isa", ["maxwell", "pascal"])
def test_instructions_per_loop_are_within_10_percent_of_ptxas_in_the_median(isa):
    need(find_ptxas(), "ptxas (extra sass)")
    program = compile_program(KERNELS.read_text(encoding="utf-8"), where=KERNELS.name)
    errors = []
    for name in program.kernels:
        if name in OTHER_LOOPS:
            continue
        loops = compare(program.kernel(name), isa).loops
        errors += [abs(loop.error) for loop in loops]
        # Loads and stores decide more than arithmetic: they are right.
        assert [loop.ours_messages for loop in loops] == [loop.sass_messages for loop in loops], (
            name
        )
    assert len(errors) >= 19
    assert median(errors) <= 0.10
    assert max(errors) <= 0.27


def test_costs_from_ptxas_differ_from_the_estimate_as_its_loops_do():
    need(find_ptxas(), "ptxas (extra sass)")
    kernel = compile_kernel(KERNELS.read_text(encoding="utf-8"), "gemm_4x4_k1")
    loop = compare(kernel, "pascal").loops[0]
    ours, theirs = cost_kernel(kernel, "pascal"), sass_cost(kernel, "pascal")
    ratio = theirs.blocks["issue_units"] / ours.blocks["issue_units"]
    assert ratio[list(loop.blocks)] == pytest.approx(loop.sass / loop.ours)
    assert theirs.registers == compare(kernel, "pascal").sass.registers


def test_a_kernel_of_other_loops_keeps_the_estimate_and_says_so():
    need(find_ptxas(), "ptxas (extra sass)")
    kernel = compile_kernel(KERNELS.read_text(encoding="utf-8"), "conv3x3_naive_pad")
    cost = sass_cost(kernel, "maxwell")
    assert cost.registers == cost_kernel(kernel, "maxwell").registers
    assert "other loops" in cost.notes[0]


def test_ptxas_missing_is_said(monkeypatch):
    monkeypatch.setattr("gpusim.isa.sass.find_ptxas", lambda: None)
    with pytest.raises(CompileError, match="ptxas is not there"):
        sass_kernel(compile_kernel(LOOPING, "k"), "maxwell")


def test_unrolling_is_left_out_of_the_comparison():
    source = "kernel void k(global float *a) { float s = 0; "
    source += "for (int i = 0; i < 16; ++i) s += a[16 * get_global_id(0) + i]; a[0] = s; }"
    kernel = compile_kernel(source, "k")
    unrolled, plain = (
        lower_kernel(kernel, "pascal", unrolls=unrolls).blocks[kernel.loops[0].header].units
        for unrolls in (True, False)
    )
    # Counter, comparison, branch and the advance of the pointer are gone.
    assert unrolled == 2
    assert plain >= 6
