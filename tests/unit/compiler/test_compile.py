"""From a program's text to kernels: the public functions, the cache, build options, messages."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gpusim.compiler import compile as compile_module
from gpusim.compiler import compile_kernel, compile_program, find_clang, pipeline_name
from gpusim.compiler.cache import entry_path, read_entry
from gpusim.compiler.options import parse_options
from gpusim.errors import CompileError
from gpusim.resources import cache_dir

SCALE = """#include "factor.h"
typedef struct { int offset; float factor; } Options;
__kernel __attribute__((reqd_work_group_size(8, 4, 1)))
void scale(__global float *restrict out, __constant float *in, Options options, float3 v,
           __local float *scratch, uint n, read_only image2d_t image, sampler_t sampler) {
  size_t i = get_global_id(0);
  if (i < n) out[i] = in[i] * options.factor * FACTOR + v.z;
}
__kernel void other(__global int *a) { a[0] = 1; }
"""
HEADERS = {"factor.h": "#define FACTOR 2.0f\n"}


def test_a_program_lists_its_kernels_with_parameters() -> None:
    program = compile_program(SCALE, headers=HEADERS)
    assert list(program.kernels) == ["scale", "other"]
    info = program.kernels["scale"]
    assert info.required_local_size == (8, 4, 1)
    seen = [(item.name, item.type_name, item.kind, item.size_bytes) for item in info.parameters]
    assert seen == [
        ("out", "float*", "buffer", 8),
        ("in", "float*", "buffer", 8),
        ("options", "Options", "value", 8),
        ("v", "float3", "value", 16),
        ("scratch", "float*", "local", 8),
        ("n", "uint", "value", 4),
        ("image", "image2d_t", "image", 8),
        ("sampler", "sampler_t", "sampler", 4),
    ]
    assert [item.address_space for item in info.parameters[:5]] == [1, 2, 0, 0, 3]
    assert [item.is_const for item in info.parameters[:3]] == [False, True, False]
    assert info.parameters[6].access == "read_only"


def test_a_kernel_knows_where_it_comes_from() -> None:
    kernel = compile_program(SCALE, headers=HEADERS).kernel("scale")
    assert kernel.name == "scale"
    assert kernel.pipeline == pipeline_name()
    assert kernel.required_local_size == (8, 4, 1)
    assert kernel.source_lines[1].startswith("typedef struct")
    stores = kernel.instructions[kernel.instructions["opcode"] == kernel.opcodes.index("store")]
    assert stores["line"].tolist() == [7]


def test_a_kernel_is_alone_in_its_module() -> None:
    kernel = compile_program(SCALE, headers=HEADERS).kernel("other")
    assert kernel.text.count("define ") == 1
    assert "scale" not in kernel.text
    assert "!" not in kernel.text.replace("!=", "")


def test_same_input_same_bytes() -> None:
    script = (
        "import sys; from gpusim.compiler import compile_kernel;"
        "sys.stdout.write(compile_kernel(sys.argv[1], 'k').text)"
    )
    first = compile_kernel("kernel void warm(global struct { int a; } *p) { p->a = 1; }", "warm")
    assert first.text
    source = """struct Pair { int a; float b; };
    kernel void k(global struct Pair *p, constant float *c, int n) {
      float t[4]; for (int i = 0; i < 4; i++) t[i] = c[i * n];
      for (int i = 0; i < n; i++) p[i].b = t[i & 3] / (p[i].a % n);
    }"""
    here = compile_kernel(source, "k").text
    for path in cache_dir().rglob("*.kernel"):
        path.unlink()
    there = subprocess.run(
        [sys.executable, "-c", script, source], capture_output=True, text=True, check=True
    ).stdout
    assert here == there


def test_the_second_compile_comes_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "kernel void k(global int *a) { a[get_global_id(0)] = 3; }"
    first = compile_kernel(source, "k")

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(compile_module, "clang_to_ir", fail)
    monkeypatch.setattr(compile_module.WORKERS, "ask", fail)
    second = compile_kernel(source, "k")
    for name in ("text", "opcodes", "types", "loops", "parameters", "operand_text", "key"):
        assert getattr(first, name) == getattr(second, name)
    for name in ("instructions", "operands", "operand_start", "edges"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_a_damaged_entry_is_compiled_again(damage: str) -> None:
    source = f"kernel void k(global int *a) {{ a[1] = {len(damage)}; }} // {damage}"
    first = compile_kernel(source, "k")
    path = entry_path(first.key, "kernel")
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes(b"" if damage == "empty" else bytes(data[: -1 if damage != "flip" else None]))
    assert read_entry(first.key, "kernel") is None
    assert compile_kernel(source, "k").text == first.text
    assert read_entry(first.key, "kernel") is not None


def test_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPUSIM_CACHE_DIR", "/dev/null/cache")
    assert compile_kernel("kernel void k(global int *a) { a[2] = 4; }", "k").text


def test_what_changes_the_code_changes_the_key() -> None:
    source = "kernel void k(global float *a) { a[0] = V * a[1]; }"
    one = compile_kernel(source, "k", "-DV=1.5f")
    two = compile_kernel(source, "k", "-DV=2.5f")
    fast = compile_kernel(source, "k", "-DV=1.5f -cl-fast-relaxed-math")
    assert len({one.key, two.key, fast.key}) == 3
    assert one.text != two.text
    assert "fmul reassoc" in fast.text


@pytest.mark.parametrize(
    "options",
    [
        "-cl-mad-enable -cl-no-signed-zeros -cl-denorms-are-zero -Werror -w",
        "-cl-std=CL2.0 -cl-arm-non-uniform-work-group-size",
        "-cl-std=CL1.1 -cl-fp32-correctly-rounded-divide-sqrt -cl-strict-aliasing",
        "-cl-finite-math-only -cl-unsafe-math-optimizations -cl-single-precision-constant",
        "-cl-nv-verbose -O3 -g -cl-opt-disable",
        '-D WIDTH=3 -DNAME="a b" -I . -I/usr/include',
    ],
)
def test_options_that_libraries_pass_are_accepted(options: str) -> None:
    program = compile_program("kernel void k(global float *a) { a[0] *= 2; }", options)
    assert program.warnings == ()
    assert program.kernel("k").text


def test_unknown_options_are_named_and_ignored() -> None:
    program = compile_program(
        "kernel void k(global int *a) { a[0] = 1; }", "-fancy -cl-std=CL9 x.cl", where="p.cl"
    )
    assert [warning.split()[3] for warning in program.warnings] == ["-fancy", "-cl-std=CL9", "x.cl"]
    assert all(warning.startswith("p.cl: ") for warning in program.warnings)


def test_malformed_options_are_an_error() -> None:
    with pytest.raises(CompileError, match=r"p\.cl: build options are malformed"):
        compile_program("", '-DX="', where="p.cl")
    with pytest.raises(CompileError, match="-D has no value"):
        parse_options("-D", where="p.cl")


def test_macros_of_a_mali_are_defined() -> None:
    source = """
    #if __OPENCL_VERSION__ < 120 || !defined(__ENDIAN_LITTLE__) || !defined(__IMAGE_SUPPORT__)
    #error version
    #endif
    #if !defined(cl_khr_fp16) || !defined(cl_khr_byte_addressable_store)
    #error extensions
    #endif
    #if !defined(cl_khr_global_int32_base_atomics) || !defined(cl_khr_local_int32_base_atomics)
    #error atomics
    #endif
    #ifdef cl_khr_subgroups
    #error no Mali before Valhall has these
    #endif
    #pragma OPENCL EXTENSION cl_khr_fp16 : enable
    kernel void k(global half *a, global float *b) {
      a[0] = (half)M_PI_F + HALF_MAX; b[0] = FLT_MAX + INT_MAX + INFINITY; b[1] = MAXFLOAT;
    }"""
    for standard in ("CL1.2", "CL2.0", "CL3.0"):
        assert compile_kernel(source, "k", f"-cl-std={standard}").text


def test_headers_in_folders() -> None:
    source = '#include "src/all.h"\n#include <one.h>\nkernel void k(global int *a) { a[0] = A+B; }'
    headers = {
        "src/all.h": '#include "two.h"\n',
        "src/two.h": "#define B 2",
        "inc/one.h": "#define A 1",
    }
    kernel = compile_kernel(source, "k", "-I./inc", headers)
    assert "store i32 3" in kernel.text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("kernel void k(global int *a) {\n  a[0] = b;\n}", "p.cl:2: use of undeclared"),
        ("#error not today\n", "p.cl:1: not today"),
        ('#include "gone.h"\n', "p.cl:1: 'gone.h' file not found"),
        ('#include "bad.h"\nkernel void k() {}', "p.cl: bad.h:1: unknown type name 'nonsense'"),
    ],
)
def test_errors_name_file_and_line(source: str, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile_program(source, headers={"bad.h": "nonsense x;\n"}, where="p.cl")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_kernel_is_named_with_the_known_ones() -> None:
    with pytest.raises(CompileError, match=r"expected scale, other, found nope"):
        compile_kernel(SCALE, "nope", headers=HEADERS)


def test_import_does_not_load_llvm() -> None:
    script = "import sys, gpusim.compiler; print('llvmlite' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_clang_is_found() -> None:
    clang = find_clang()
    assert clang.major >= 15
    assert clang.origin in ("ziglang", "system")


def test_threads_compile_in_parallel_workers() -> None:
    sources = [f"kernel void k(global int *a) {{ a[{n}] = a[0] * {n}; }}" for n in range(12)]
    with ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(lambda source: compile_kernel(source, "k").text, sources))
    assert texts == [compile_kernel(source, "k").text for source in sources]
    assert len(set(texts)) == len(sources)


def test_a_forked_child_compiles_with_workers_of_its_own() -> None:
    compile_kernel("kernel void k(global int *a) { a[0] = 70; }", "k")
    source = "kernel void k(global int *a) { a[0] = 71; }"
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=compile_kernel, args=(source, "k"))
        child.start()
        child.join(60)
    assert child.exitcode == 0
    assert compile_kernel("kernel void k(global int *a) { a[0] = 72; }", "k").text
