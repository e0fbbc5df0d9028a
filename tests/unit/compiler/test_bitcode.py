"""Ready bitcode is read as it is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gpusim.compiler import kernel_from_bitcode
from gpusim.errors import CompileError
from tests.conftest import need

SOURCE = """
float helper(float x) { return x * 2; }
kernel void k(global float* restrict conv, global const float* a, int n, local float* l) {
  size_t i = get_global_id(0);
  local float t[32];
  conv[i] = 0;
  t[get_local_id(0)] = helper(a[i]);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int j = 0; j < n; j++) conv[i] = conv[i] + a[j] * t[j] + l[j] / n;
  conv[1] = n / (int)i;
}
kernel void other(global int *p) { *p = 1; }
"""


@pytest.fixture(scope="module")
def bitcode(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    need(shutil.which("clang-14"), "clang-14")
    folder: Path = tmp_path_factory.mktemp("bitcode")
    (folder / "k.cl").write_text(SOURCE)
    subprocess.run(
        [
            "clang-14",
            "-x",
            "cl",
            "-cl-std=CL1.2",
            "-target",
            "spir64",
            "-O2",
            "-Xclang",
            "-finclude-default-header",
            "-emit-llvm",
            "-c",
            "k.cl",
            "-o",
            "k.bc",
        ],
        cwd=folder,
        check=True,
    )
    return (folder / "k.bc").read_bytes()


@pytest.mark.oclgrind
def test_typed_pointers_are_upgraded(bitcode: bytes) -> None:
    kernel = kernel_from_bitcode(bitcode, "k")
    assert kernel.pipeline == "none"
    assert [item.kind for item in kernel.parameters] == ["buffer", "buffer", "value", "local"]
    assert [item.type_name for item in kernel.parameters] == ["float*", "float*", "int", "float*"]
    assert kernel.local_memory_bytes == 128
    assert kernel.has_barrier
    assert "sdiv" in kernel.opcodes
    assert len(kernel.loops) == 1
    assert "spir_kernel" not in kernel.text
    assert "@other" not in kernel.text


@pytest.mark.oclgrind
def test_every_kernel_of_the_module_can_be_read(bitcode: bytes) -> None:
    kernel = kernel_from_bitcode(bitcode, "other")
    assert kernel.opcodes == ("store", "ret")
    with pytest.raises(CompileError, match="no such kernel"):
        kernel_from_bitcode(bitcode, "gone")


def test_text_is_accepted_too() -> None:
    body = b"  store i32 1, ptr addrspace(1) %0\n  ret void\n}\n"
    text = b"define spir_kernel void @k(ptr addrspace(1) %0) {\n" + body
    kernel = kernel_from_bitcode(text, "k")
    assert kernel.opcodes == ("store", "ret")
    assert kernel.parameters[0].kind == "buffer"


def test_what_is_no_bitcode_is_refused() -> None:
    with pytest.raises(CompileError, match="LLVM rejects the IR"):
        kernel_from_bitcode(b"BC\xc0\xde" + b"\0" * 64, "k")
    with pytest.raises(CompileError, match="not inlined"):
        kernel_from_bitcode(
            b"define void @f() {\n  ret void\n}\n"
            b"define void @k() {\n  call void @f()\n  ret void\n}\n",
            "k",
        )
