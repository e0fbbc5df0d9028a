"""Compile: OpenCL C -> normalised LLVM IR -> SSA blocks as plain arrays."""

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
