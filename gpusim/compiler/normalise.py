"""The pinned pipeline: one kernel's module -> normalised IR, through llvmlite.

No vectorisers, no unrolling that the source does not ask for, no memset or memcpy made from loops
and stores. Runs in the worker process only: options of LLVM are global to a process.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from gpusim.compiler import division, memory_intrinsics
from gpusim.compiler.builtins.catalogue import ATTRIBUTES, call_attributes
from gpusim.compiler.generic_pointers import has_generic, resolve_generic
from gpusim.compiler.ir_reader import KernelCode, read_kernel
from gpusim.compiler.layout import end_of_group
from gpusim.compiler.private_arrays import blocking_loops, mark_for_unrolling
from gpusim.errors import CompileError, located

TARGET = "spirv64-unknown-unknown"
"""Cost model of the optimiser: LLVM's generic one, equal on every host."""

LLVM_OPTIONS = (
    "-disable-loop-idiom-all",
    "-disable-vector-combine",
    # Tiles of a few hundred accumulators are promoted out of loops; the default stops at 250.
    "-licm-mssa-max-acc-promotion=4000",
    "-licm-mssa-optimization-cap=4000",
    "-memssa-check-limit=2000",
    "-alias-set-saturation-threshold=2000",
)
_MAX_ROUNDS = 3


@cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    for option in LLVM_OPTIONS:
        llvm.set_option("gpusim", option)
    return llvm


def load_llvm() -> None:
    """Load and initialise LLVM before the first request needs it."""
    _machine()


@cache
def _machine() -> Any:
    return _llvm().Target.from_triple(TARGET).create_target_machine()


_DIVISION_CALL = re.compile(r" call [^\n]*@gpusim\.[us](?:div|rem)\.")


def parse(text: str | bytes, *, where: str) -> Any:
    """Return a verified llvmlite module of LLVM text or bitcode.

    Raises
    ------
    CompileError
        LLVM rejects it.
    """
    llvm = _llvm()
    try:
        # A context of its own: names of structures would otherwise depend on earlier modules.
        context = llvm.create_context()
        if isinstance(text, bytes):
            module = llvm.parse_bitcode(text, context)
        else:
            module = llvm.parse_assembly(text, context)
        module.verify()
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CompileError(located(where, f"LLVM rejects the IR: {reason}")) from error
    return module


def _inline(module: Any) -> None:
    """Inline everything and bring locals into registers, so that constants can be seen."""
    builder = _builder()
    passes = _llvm().create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_sroa_pass()
    passes.add_sccp_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, builder)


def _optimise(module: Any) -> None:
    """Run O2 twice: what its last passes uncover (repeated address parts) goes in the second."""
    for _ in range(2):
        builder = _builder()
        passes = builder.getModulePassManager()
        passes.run(module, builder)


def _builder() -> Any:
    llvm = _llvm()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_interleaving = False
    options.loop_unrolling = False
    return llvm.create_pass_builder(_machine(), options)


def normalise(text: str, kernel: str, *, where: str) -> str:
    """Run the pinned pipeline over a module with one kernel.

    Parameters
    ----------
    text : str
        As `kernel_module` returns it.
    kernel : str
        Name of the kernel.
    where : str
        Name of the program, for messages.

    Returns
    -------
    str
        The module as LLVM prints it, debug locations still attached.

    Raises
    ------
    CompileError
        LLVM rejects the module, or a generic pointer has no provable address space.
    """
    module = parse(text, where=where)
    _inline(module)
    text = str(module)
    resolved, changed = division.resolve_constants(text)
    if has_generic(resolved):
        resolved = resolve_generic(resolved, where=where)
        changed += 1
    if changed:
        module = parse(resolved, where=where)
    text = _optimise_fully(module, where=where)
    text = _promote_private_arrays(text, kernel, where=where)
    text, has_loops = memory_intrinsics.expand(division.restore(text))
    if _DIVISION_CALL.search(text):
        raise CompileError(located(where, "a division in the IR has a form gpusim cannot read"))
    if has_loops:
        module = parse(text, where=where)
        passes = _llvm().create_new_module_pass_manager()
        passes.add_always_inliner_pass()
        passes.run(module, _builder())
        text = str(module)
    return text


def _optimise_fully(module: Any, *, where: str) -> str:
    """Run O2, again while unrolling that the source asked for makes more divisors constant."""
    for _ in range(_MAX_ROUNDS):
        _optimise(module)
        text, changed = division.resolve_constants(str(module))
        if not changed:
            break
        module = parse(text, where=where)
    return text


def _promote_private_arrays(text: str, kernel: str, *, where: str) -> str:
    """Unroll loops where that brings private arrays into registers, and only there."""
    for _ in range(_MAX_ROUNDS):
        if " = alloca " not in text:
            break
        before = _read(text, kernel, where=where)
        latches = blocking_loops(before)
        if not latches:
            break
        module = parse(mark_for_unrolling(text, kernel, latches), where=where)
        unrolled = _optimise_fully(module, where=where)
        after = _read(unrolled, kernel, where=where)
        if after.private_memory_bytes >= before.private_memory_bytes:
            break
        text = unrolled
    return text


def _read(text: str, kernel: str, *, where: str) -> KernelCode:
    clean, _ = strip_annotations(text)
    return read_kernel(clean, kernel, [], where=where)


_ATTACHMENT = re.compile(r", ![\w.]+ ![\w.]+")
_GROUP = re.compile(r" #\d+\b")
_DEBUG = re.compile(r", !dbg !(\d+)")
_LOCATION = re.compile(r"^!(\d+) = (?:distinct )?!DILocation\(line: (\d+).*?scope: !(\d+)", re.M)
_ARGUMENT_ATTRIBUTES = re.compile(
    r" (?:noundef|nonnull|writeonly|readonly|readnone|dead_on_return|returned|signext|zeroext"
    r"|nocapture|captures\([^)]*\)|dereferenceable(?:_or_null)?\(\d+\)|initializes\(\([^)]*\)\)"
    r"|range\([^)]*\)|nofpclass\([^)]*\)|nofree)(?=[ ,)])"
)
_MARKER = re.compile(r"\b(?:tail|musttail|notail) call ")
_UNNAMED = re.compile(r" (?:local_)?unnamed_addr\b")
_MARK = re.compile(
    r"  (?:tail )?call void @llvm\.(?:lifetime\.|assume|experimental\.noalias|donothing|dbg\.)"
)
"""Calls that tell the optimiser something and execute nothing."""
_DECLARED = re.compile(r"^declare .*?@(?P<name>[\w.$]+)\(")
_SCOPE_FILE = re.compile(r"^!(\d+) = .*?!DI\w+\(.*?\bfile: !(\d+)", re.MULTILINE)
_FILE = re.compile(r'^!(\d+) = !DIFile\(filename: "(.*?)"', re.MULTILINE)


def strip_annotations(text: str, *, keep_marks: bool = False) -> tuple[str, list[int]]:
    """Reduce an optimised module to code: no metadata, no attributes that analyses added.

    Parameters
    ----------
    text : str
        As `normalise` returns it.
    keep_marks : bool
        Keep calls such as ``llvm.lifetime.start``, which execute nothing.

    Returns
    -------
    text : str
        Canonical module text; values and blocks are numbered.
    lines : list of int
        Source line of every instruction of the kernel in order, 0 = unknown or in a header.
    """
    in_main = _lines_of_main(text)
    lines: list[int] = []
    kept: list[str] = []
    in_body = in_switch = False
    for line in text.split("\n"):
        if line.startswith(("!", "attributes ", "; ", "source_filename")):
            continue
        if line.startswith("declare "):
            kept.append(_plain_declaration(line))
            continue
        if line.startswith("define "):
            head = _ARGUMENT_ATTRIBUTES.sub("", line)
            kept.append(head[: end_of_group(head, head.index("(", head.index("@")))] + " #0 {")
            in_body = True
            continue
        if line == "}":
            in_body = False
        elif in_body and not keep_marks and _MARK.match(line):
            continue
        elif in_body and line.startswith("  ") and not in_switch:
            match = _DEBUG.search(line)
            lines.append(in_main.get(match[1], 0) if match else 0)
            in_switch = line.rstrip().endswith("[")
        elif in_switch and line.startswith("  ]"):
            in_switch = False
        kept.append(_plain_instruction(line) if in_body else _UNNAMED.sub("", line))
    kept += [f"attributes {group} = {{ {what} }}" for group, what in ATTRIBUTES.items()]
    module = parse("\n".join(kept) + "\n", where="normalised IR")
    passes = _llvm().create_new_module_pass_manager()
    passes.add_strip_dead_prototype_pass()
    passes.run(module, _builder())
    for function in module.functions:
        for block in function.blocks:
            block.name = ""
            for instruction in block.instructions:
                instruction.name = ""
    module.name = "kernel"
    return str(module), lines


def _plain_instruction(line: str) -> str:
    line = _MARKER.sub("call ", _ATTACHMENT.sub("", line))
    return _ARGUMENT_ATTRIBUTES.sub("", _GROUP.sub("", line)) if " call " in line else line


def _plain_declaration(line: str) -> str:
    match = _DECLARED.match(line)
    if match is None:
        return line
    start = match.end() - 1
    name = match["name"]
    bare = _ARGUMENT_ATTRIBUTES.sub("", line[: end_of_group(line, start)])
    if name.startswith("llvm."):
        return bare
    return f"{bare} {call_attributes(name)}"


def _lines_of_main(text: str) -> dict[str, int]:
    """Return the source line of each debug location that lies in the program's own text."""
    files = dict(_FILE.findall(text))
    scopes = {scope: files.get(file, "") for scope, file in _SCOPE_FILE.findall(text)}
    return {
        node: int(line)
        for node, line, scope in _LOCATION.findall(text)
        if scopes.get(scope, "").endswith("source.cl")
    }
