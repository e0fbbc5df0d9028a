"""Programs that are refused, each with one line, and hostile ones that end in an error."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gpusim.compiler import compile_kernel, compile_program, process
from gpusim.compiler.limits import CompileLimits
from gpusim.errors import CompileError

REFUSED = {
    "inline assembly": (
        """kernel void k(global int *a) {
  __asm__("nop");
  a[0] = 1;
}""",
        "p.cl:2: not supported: inline assembly",
    ),
    "recursion": (
        """int f(int n) { return n < 2 ? 1 : n * f(n - 1); }
kernel void k(global int *a) { a[0] = f(a[1]); }""",
        "not supported: recursion, found f",
    ),
    "mutual recursion": (
        """int g(int); int f(int n) { return n ? g(n - 1) : 1; }
int g(int n) { return n ? f(n - 2) : 2; }
kernel void k(global int *a) { a[0] = f(a[1]); }""",
        "not supported: recursion",
    ),
    "unknown function": (
        """int gone(int);
kernel void k(global int *a) { a[0] = gone(1); }""",
        "calls a function it does not define, found gone",
    ),
    "variable-size array": (
        """kernel void k(global int *a, int n) {
  int *p = __builtin_alloca(n);
  a[0] = p[n];
}""",
        "p.cl:2: not supported: variable-size arrays",
    ),
    "3D image": (
        """kernel void k(read_only image3d_t i, global float4 *a) {
  a[0] = read_imagef(i, (int4)(0));
}""",
        "p.cl: kernel k: not supported: 3D, multi-sample and depth images, found image3d_t i",
    ),
    "filtering sampler": (
        """constant sampler_t s = CLK_FILTER_LINEAR;
kernel void k(read_only image2d_t i, global float4 *a) {
  a[0] = read_imagef(i, s, (float2)(0));
}""",
        "p.cl:1: not supported: filtering samplers",
    ),
    "64-bit atomics": (
        """#pragma OPENCL EXTENSION cl_khr_int64_base_atomics : enable
kernel void k(global long *a) { atom_add(a, 1L); }""",
        "not supported: 64-bit atomics, found atom_add",
    ),
    "global variable": (
        """global int counter = 3;
kernel void k(global int *a) { a[0] = counter++; }""",
        "not supported: variables of a program in global memory, found counter",
    ),
    "function pointer": (
        """int one(int x) { return 1; }
kernel void k(global int *a) { int (*f)(int) = one; a[0] = f(2); }""",
        "pointers to functions are not allowed",
    ),
    "pipe": (
        """kernel void k(read_only pipe int p, global int *a) { read_pipe(p, a); }""",
        "not supported: pipe objects",
    ),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_refused(name: str) -> None:
    source, message = REFUSED[name]
    with pytest.raises(CompileError) as caught:
        compile_kernel(source, "k", "-cl-std=CL2.0", where="p.cl")
    text = str(caught.value)
    assert message in text.replace(" (", ", ").replace(")", "")
    assert "\n" not in text
    assert text.startswith("p.cl")


def test_what_one_kernel_does_wrong_does_not_harm_another() -> None:
    source = REFUSED["recursion"][0] + "\nkernel void good(global int *a) { a[0] = 1; }"
    program = compile_program(source)
    assert program.kernel("good").text
    with pytest.raises(CompileError):
        program.kernel("k")


SECRET = "gpusim_secret_9d1f"

READERS = [
    '#include "{path}"',
    "#include <{path}>",
    '#include_next "{path}"',
    '#import "{path}"',
    '#define FILE "{path}"\n#include FILE',
    "#define STR(x) #x\n#define XSTR(x) STR(x)\n#include XSTR({path})",
    '#include "../../../../../../../../../../{path}"',
    '#include "header.h/../../../../../../{path}"',
    '#if __has_include("{path}")\n#error visible\n#endif\nint gone;\n#include "missing"',
    'constant char text[] = {{\n#embed "{path}"\n}};',
    '#if __has_embed("{path}")\n#error visible\n#endif\n#include "missing"',
    '#pragma GCC dependency "{path}"\n#include "missing"',
    '#pragma clang __debug parser_crash\n#include "{path}"',
    '#line 1 "{path}"\n#include "missing"',
    'kernel void k() {{ }}\n#pragma clang module import "{path}"\n#include "{path}"',
]


@pytest.mark.parametrize("reader", READERS)
def test_no_file_of_the_host_can_be_read(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "secret.h"
    path.write_text(f"{SECRET} = 1;\n#error {SECRET}\n")
    for option in ("", f"-I{tmp_path}", f"-I {tmp_path} -DX=1 -include {path}"):
        with pytest.raises(CompileError) as caught:
            compile_program(
                reader.format(path=path), option, {"header.h": "int ok;\n"}, where="p.cl"
            )
        assert SECRET not in str(caught.value)
        assert "visible" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_include_options_reach_given_headers_only(tmp_path: Path) -> None:
    (tmp_path / "mine.h").write_text("#define V 666\n")
    source = '#include "mine.h"\nkernel void k(global int *a) { a[0] = V; }'
    with pytest.raises(CompileError, match="file not found"):
        compile_program(source, f"-I{tmp_path}")
    kernel = compile_kernel(source, "k", f"-I{tmp_path}", {"mine.h": "#define V 7\n"})
    assert "i32 7" in kernel.text


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.h", "a//b.h", "nul\0.h", "", "a/../../b.h"])
def test_header_names_stay_inside(name: str) -> None:
    with pytest.raises(CompileError, match="header name is not a relative path"):
        compile_program("", headers={name: "int x;"})


def _laughs() -> str:
    levels = ["#define A0 1+"]
    levels += [f"#define A{n} " + f"A{n - 1} " * 10 for n in range(1, 12)]
    return "\n".join([*levels, "kernel void k(global int *a) { a[0] = A11 0; }"])


def _calls() -> str:
    levels = ["int f0(int x) { return x; }"]
    levels += [f"int f{n}(int x) {{ return f{n - 1}(x) + f{n - 1}(x + 1); }}" for n in range(1, 40)]
    return "\n".join([*levels, "kernel void k(global int *a) { a[0] = f39(a[1]); }"])


def _deep(opening: str, closing: str, depth: int) -> str:
    return f"kernel void k(global int *a) {{ a[0] = {opening * depth}1{closing * depth}; }}"


HOSTILE = {
    "billion laughs": _laughs,
    "doubling calls": _calls,
    "deep parentheses": lambda: _deep("(", ")", 200_000),
    "deep blocks": lambda: "kernel void k() " + "{" * 100_000 + "}" * 100_000,
    "deep unary": lambda: _deep("-~", "", 300_000),
    "huge constant": lambda: (
        "constant char c[1l << 40] = {1}; kernel void k(global char *a) { a[0] = c[a[1]]; }"
    ),
    "huge local": lambda: "kernel void k(global int *a) { local int l[1 << 30]; l[a[0]] = a[1]; }",
    "huge private": lambda: (
        "kernel void k(global int *a) { int p[1 << 30]; p[a[0]] = 1; a[1] = p[a[2]]; }"
    ),
    "endless include": lambda: '#include "again.h"\n',
    "garbage": lambda: "\x00\x01\xff" * 50_000,
    "crash": lambda: "#pragma clang __debug crash\nkernel void k() {}",
    "overflow": lambda: "#pragma clang __debug overflow_stack\nkernel void k() {}",
    "fatal": lambda: "#pragma clang __debug llvm_fatal_error\nkernel void k() {}",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_programs_end_in_an_error(name: str) -> None:
    limits = CompileLimits(
        front_end_seconds=4, front_end_memory_bytes=1 << 30, front_end_output_bytes=1 << 24
    )
    headers = {"again.h": '#include "again.h"\n#include "again.h"\n'}
    with pytest.raises(CompileError) as caught:
        compile_kernel(HOSTILE[name](), "k", headers=headers, where="p.cl", limits=limits)
    text = str(caught.value)
    assert text.startswith("p.cl")
    assert "\n" not in text
    assert len(text) < 400


def test_a_ten_megabyte_program_compiles_or_is_refused() -> None:
    line = "// " + "x" * 97 + "\n"
    source = line * 100_000 + "kernel void k(global int *a) { a[0] = 1; }"
    assert compile_kernel(source, "k").text
    with pytest.raises(CompileError, match=r"program text is too large.*--limit source_bytes=N"):
        compile_program(line * 200_000)
    assert compile_kernel(source, "k", limits=CompileLimits(source_bytes=len(source))).text
    with pytest.raises(CompileError, match="program text is too large"):
        compile_program(source + " ", limits=CompileLimits(source_bytes=len(source)))


def test_a_worker_that_dies_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = process.Worker()
    head = {"task": "list", "where": "p.cl"}
    assert worker.ask(head, b"")[0]["kernels"] == []
    running = worker._process
    assert running is not None
    running.kill()
    running.wait()
    assert worker.ask(head, b"")[0]["kernels"] == []
    worker.close()


def test_a_worker_that_hangs_is_killed() -> None:
    limits = CompileLimits(optimiser_seconds=0.5)
    worker = process.Worker()
    start = time.monotonic()
    body = "".join(
        f"@g{n} = addrspace(2) constant i32 {n}\n!{n} = !{{}}\n" for n in range(1_000_000)
    )
    pattern = r"p\.cl: LLVM did not finish in 0\.5 s .*--limit optimiser_seconds=N"
    with pytest.raises(CompileError, match=pattern):
        worker.ask({"task": "list", "where": "p.cl"}, body.encode(), limits)
    assert time.monotonic() - start < 20
    worker.close()


def test_text_that_is_no_module_is_refused() -> None:
    with pytest.raises(CompileError, match=r"p\.cl: LLVM rejects the IR"):
        process.WORKERS.ask(
            {
                "task": "bitcode",
                "where": "p.cl",
                "kernel": "k",
                "key": "",
                "pipeline": "",
                "source": [],
            },
            b"BC\xc0\xde nothing of this is bitcode",
        )
