"""A program's IR, or ready bitcode -> `KernelIR`; runs in the worker process."""

from __future__ import annotations

import re
from functools import lru_cache

from gpusim.compiler.builtins.catalogue import SYNCHRONISING
from gpusim.compiler.ir_reader import read_kernel
from gpusim.compiler.kernel_ir import KernelIR
from gpusim.compiler.kernel_module import kernel_module, ready_module
from gpusim.compiler.mangling import demangle
from gpusim.compiler.normalise import normalise, parse, strip_annotations
from gpusim.compiler.program_text import KernelSignature, ProgramText
from gpusim.errors import CompileError, located

_MODULE_ID = re.compile(r"^; ModuleID.*\n|^source_filename.*\n", re.MULTILINE)


def kernel_from_program(text: str, kernel: str, *, where: str) -> KernelIR:
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
    KernelIR
        Without ``pipeline``, ``key`` and ``source_lines``.

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


def kernel_from_module(data: bytes, kernel: str, *, where: str) -> KernelIR:
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


def _kernel(text: str, lines: list[int], signature: KernelSignature, *, where: str) -> KernelIR:
    text = _MODULE_ID.sub("", text)
    arrays = read_kernel(text, signature.name, lines, where=where)
    names = {found.name for callee in arrays.callees if (found := demangle(callee))}
    return KernelIR(
        name=signature.name,
        parameters=signature.parameters,
        opcodes=arrays.opcodes,
        types=arrays.types,
        callees=arrays.callees,
        predicates=arrays.predicates,
        block_names=arrays.block_names,
        instructions=arrays.instructions,
        operand_start=arrays.operand_start,
        operands=arrays.operands,
        operand_text=arrays.operand_text,
        edges=arrays.edges,
        loops=arrays.loops,
        local_memory_bytes=arrays.local_memory_bytes,
        private_memory_bytes=arrays.private_memory_bytes,
        has_barrier=bool(names & SYNCHRONISING),
        required_local_size=signature.required_local_size,
        text=text,
    )
