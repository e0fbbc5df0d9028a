"""A program's IR, or ready bitcode -> one kernel's code; runs in the worker process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from gpusim.compiler.builtins.catalogue import SYNCHRONISING
from gpusim.compiler.ir_reader import KernelCode, read_kernel
from gpusim.compiler.kernel_module import kernel_module, ready_module
from gpusim.compiler.mangling import demangle
from gpusim.compiler.normalise import normalise, parse, strip_annotations
from gpusim.compiler.program_text import KernelSignature, ProgramText
from gpusim.errors import CompileError, located

_MODULE_ID = re.compile(r"^; ModuleID.*\n|^source_filename.*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractedKernel:
    """What a `KernelIR` is made of."""

    signature: KernelSignature
    code: KernelCode
    has_barrier: bool
    text: str
    """Normalised IR."""


def kernel_from_program(text: str, kernel: str, *, where: str) -> ExtractedKernel:
    """Normalise one kernel of a program.

    Parameters
    ----------
    text : str
        Unoptimised IR from clang.
    kernel : str
        Name of the kernel.
    where : str
        Name of the program, for messages.

    Returns
    -------
    ExtractedKernel

    Raises
    ------
    CompileError
        There is no such kernel, or it needs something that is refused.
    """
    program = _program(text, where)
    signatures = {item.name: item for item in program.kernels()}
    if kernel not in signatures:
        names = ", ".join(signatures) or "none"
        raise CompileError(located(where, "no such kernel", expected=names, found=kernel))
    signature = signatures[kernel]
    optimised = normalise(kernel_module(program, signature), kernel, where=where)
    clean, lines = strip_annotations(optimised)
    if re.search(r"^  unreachable$", clean, re.MULTILINE):
        place = f"{where}: kernel {kernel}"
        raise CompileError(located(place, "the optimiser found a path with undefined behaviour"))
    return _kernel(clean, lines, signature, where=where)


@lru_cache(maxsize=2)
def _program(text: str, where: str) -> ProgramText:
    """Take a program apart once for all its kernels, which are usually asked for in a row."""
    return ProgramText(text, where=where)


def kernel_from_module(data: bytes, kernel: str, *, where: str) -> ExtractedKernel:
    """Read a kernel out of ready bitcode or IR text, as it is.

    Raises
    ------
    CompileError
        LLVM rejects the data, or there is no such kernel.
    """
    module = parse(data if data.startswith((b"BC", b"\xde\xc0")) else data.decode(), where=where)
    program = ProgramText(str(module), where=where, is_ready=True)
    if kernel not in program.functions:
        raise CompileError(located(where, "no such kernel", found=kernel))
    signature = program.signature(kernel)
    clean, lines = strip_annotations(ready_module(program, signature), keep_marks=True)
    return _kernel(clean, lines, signature, where=where)


def _kernel(
    text: str, lines: list[int], signature: KernelSignature, *, where: str
) -> ExtractedKernel:
    text = _MODULE_ID.sub("", text)
    code = read_kernel(text, signature.name, lines, where=where)
    names = {found.name for callee in code.callees if (found := demangle(callee))}
    return ExtractedKernel(
        signature=signature, code=code, has_barrier=bool(names & SYNCHRONISING), text=text
    )
