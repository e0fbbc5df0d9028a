"""Compile: OpenCL C -> normalised LLVM IR -> SSA blocks as plain arrays.

The names below are loaded on first use: the worker process is a module of this package, and starts
without what only its parent needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpusim.compiler.clang import Clang, find_clang
    from gpusim.compiler.compile import (
        PIPELINE_VERSION,
        KernelInfo,
        Program,
        compile_kernel,
        compile_program,
        kernel_from_bitcode,
        pipeline_name,
    )
    from gpusim.compiler.kernel_ir import KernelIR

__all__ = [
    "PIPELINE_VERSION",
    "Clang",
    "KernelIR",
    "KernelInfo",
    "Program",
    "compile_kernel",
    "compile_program",
    "find_clang",
    "kernel_from_bitcode",
    "pipeline_name",
]

_ELSEWHERE = {
    "Clang": "gpusim.compiler.clang",
    "find_clang": "gpusim.compiler.clang",
    "KernelIR": "gpusim.compiler.kernel_ir",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_ELSEWHERE.get(name, "gpusim.compiler.compile")), name)
    raise AttributeError(f"module 'gpusim.compiler' has no attribute {name!r}")
