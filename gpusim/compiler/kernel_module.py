"""One kernel of a program as a module of its own, ready for the optimiser."""

from __future__ import annotations

import re

from gpusim.compiler import division
from gpusim.compiler.builtins import link_builtins
from gpusim.compiler.builtins.catalogue import ATTRIBUTES
from gpusim.compiler.program_text import KernelSignature, ProgramText
from gpusim.errors import CompileError, located

_NODE = re.compile(r"!(\d+)\b")
_DEFINE = re.compile(r"^define (?:internal |available_externally |linkonce_odr |weak_odr )?")
"""An `inline` function of the program has a body that LLVM would otherwise drop."""
_LINKAGE = re.compile(r" = (?:internal |private )?addrspace\((\d)\) (?:externally_initialized )?")
_BY_VALUE = re.compile(r" byval\([^()]*(?:\([^()]*\)[^()]*)*\)")
_NOALIAS_LOCAL = re.compile(r"(ptr addrspace\(3\)) noalias\b")
_SAMPLER = "__translate_sampler_initializer"


def kernel_module(program: ProgramText, signature: KernelSignature) -> str:
    """Return the text of a module with one kernel and everything it needs.

    Called functions become internal and are marked for inlining, built-in functions are defined,
    calling conventions and clang's attributes (``convergent`` above all) are gone.

    Parameters
    ----------
    program : ProgramText
    signature : KernelSignature
        One of ``program.kernels()``.

    Returns
    -------
    str
        LLVM IR.

    Raises
    ------
    CompileError
        The kernel needs something that is refused.
    """
    names = program.check_kernel(signature)
    parts = [*program.layout, *program.types]
    parts += [_global(program, name) for name in names if name in program.globals]
    for name in names:
        if name in program.functions:
            parts.append(_function(program, name, is_kernel=name == signature.name))
    parts += _library(program, names, "\n".join(parts))
    parts += [f"attributes {group} = {{ {text} }}" for group, text in ATTRIBUTES.items()]
    parts += program.named_metadata
    parts += _metadata(program, "\n".join(parts))
    return "\n".join(parts) + "\n"


def ready_module(program: ProgramText, signature: KernelSignature) -> str:
    """Return the text of a module with one kernel of ready bitcode, its code unchanged.

    Raises
    ------
    CompileError
        The kernel calls functions of its module, which should have been inlined.
    """
    names = program.check_kernel(signature)
    for name in names:
        if name in program.functions and name != signature.name:
            raise CompileError(
                located(program.where, "bitcode calls a function that is not inlined", found=name)
            )
    function = program.functions[signature.name]
    parts = [*program.layout, *program.types]
    parts += [program.globals[name] for name in names if name in program.globals]
    parts.append("\n".join([f"{function.head} {{", *function.lines, "}"]))
    parts += [program.declarations[name] for name in names if name in program.declarations]
    parts += _metadata(program, "\n".join(parts))
    return "\n".join(parts) + "\n"


def _global(program: ProgramText, name: str) -> str:
    line = program.globals[name]
    match = _LINKAGE.search(line)
    space = int(match[1]) if match else 0
    if match is None or space not in (2, 3):
        raise CompileError(
            located(
                program.where,
                "not supported: variables of a program in global memory",
                found=name,
            )
        )
    # Local memory must look shared, or LLVM assumes that a barrier cannot change it.
    linkage = " = " if space == 3 else " = internal "
    return _LINKAGE.sub(f"{linkage}addrspace({space}) ", line, count=1)


def _function(program: ProgramText, name: str, *, is_kernel: bool) -> str:
    function = program.functions[name]
    subprogram = program.subprogram(name)
    debug = f" !dbg !{subprogram}" if subprogram is not None else ""
    head = _NOALIAS_LOCAL.sub(r"\1", function.head)
    lines = [_BY_VALUE.sub("", line) for line in function.lines]
    if is_kernel:
        head += " #0"
    else:
        # A structure that the kernel got by value is already the work-item's own copy.
        head = "define internal " + _DEFINE.sub("", _BY_VALUE.sub("", head))
        head += " #1"
    return "\n".join([f"{head}{debug} {{", *lines, "}"])


def _library(program: ProgramText, names: list[str], text: str) -> list[str]:
    wanted, parts = [], []
    for name in names:
        if name in program.declarations:
            if name == _SAMPLER:
                parts.append(f"define internal i32 @{_SAMPLER}(i32 %s) #1 {{\n  ret i32 %s\n}}")
            elif name.startswith("llvm."):
                parts.append(program.declarations[name])
            else:
                wanted.append(program.declarations[name])
    linked = link_builtins(wanted, where=program.where)
    parts += linked.definitions
    have = {part.split("@")[1].split("(")[0] for part in parts if part.startswith("declare")}
    for line in linked.declarations:
        if line.split("@")[1].split("(")[0] not in have:
            parts.append(line)
    return parts + [f"{line} #2" for line in division.declarations("\n".join([text, *parts]))]


def _metadata(program: ProgramText, text: str) -> list[str]:
    """Return the metadata nodes that a text refers to, directly or not."""
    pending = {int(number) for number in _NODE.findall(text)}
    kept: set[int] = set()
    while pending:
        node = pending.pop()
        if node in kept or node not in program.metadata:
            continue
        kept.add(node)
        pending.update(int(number) for number in _NODE.findall(program.metadata[node]))
    return [f"!{node} = {program.metadata[node]}" for node in sorted(kept)]
