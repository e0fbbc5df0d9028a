"""OpenCL C -> `KernelIR`, through the cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gpusim.compiler.cache import content_key, read_entry, write_entry
from gpusim.compiler.clang import clang_to_ir, front_end_version
from gpusim.compiler.kernel_ir import READY, KernelIR, Parameter
from gpusim.compiler.limits import CompileLimits
from gpusim.compiler.options import FrontEndOptions, parse_options
from gpusim.compiler.packing import unpack_kernel
from gpusim.compiler.process import WORKERS
from gpusim.errors import CompileError, located

PIPELINE_VERSION = "2"
"""Raised whenever the normalised IR of some program may change."""


@dataclass(frozen=True, slots=True)
class KernelInfo:
    """A kernel as its program declares it, before it is compiled."""

    name: str
    parameters: tuple[Parameter, ...]
    required_local_size: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that the front end has accepted."""

    where: str
    key: str
    kernels: Mapping[str, KernelInfo]
    """By name, in source order."""
    warnings: tuple[str, ...]
    """Build options that were not understood, one line each."""
    _ir: bytes = field(repr=False)
    _source: str = field(repr=False)
    _limits: CompileLimits = field(repr=False, default_factory=CompileLimits)

    def kernel(self, name: str) -> KernelIR:
        """Return a kernel in normalised form.

        Parameters
        ----------
        name : str
            One of `kernels`.

        Raises
        ------
        CompileError
            There is no such kernel, or it needs something that is refused.
        """
        if name not in self.kernels:
            names = ", ".join(self.kernels) or "none"
            raise CompileError(located(self.where, "no such kernel", expected=names, found=name))
        key = content_key(self.key, "kernel", name)
        cached = _cached_kernel(key)
        if cached is not None:
            return cached
        head = {
            "task": "kernel",
            "where": self.where,
            "kernel": name,
            "key": key,
            "pipeline": pipeline_name(),
            "source": self._source.split("\n"),
        }
        _, payload = WORKERS.ask(head, self._ir, self._limits)
        return _keep(key, payload)


@cache
def pipeline_name() -> str:
    """Return the versions that decide what the normalised IR looks like."""
    from importlib.metadata import version

    return f"{PIPELINE_VERSION}/{front_end_version()}/llvmlite-{version('llvmlite')}"


def compile_program(
    source: str,
    options: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    where: str = "<source>",
    limits: CompileLimits | None = None,
) -> Program:
    """Compile an OpenCL program's text.

    Parameters
    ----------
    source : str
        OpenCL C.
    options : str
        Build options as given to clBuildProgram.
    headers : mapping of str to str, optional
        Name to text of the headers that ``#include`` may find; nothing else can be included.
    where : str
        Name of the program, for messages.
    limits : CompileLimits, optional
        Time, memory and text allowed, also when a kernel is normalised.

    Returns
    -------
    Program
        The kernels by name; ``program.kernel(name)`` normalises one.

    Raises
    ------
    CompileError
        One line with file, line and reason.
    """
    headers = dict(headers or {})
    limits = limits or CompileLimits()
    parsed = parse_options(options, where=where)
    key = _program_key(source, parsed, headers)
    entry = read_entry(key, "program")
    if entry is None:
        # Python and llvmlite start in the child while clang runs here.
        WORKERS.start(limits)
        text = clang_to_ir(source, parsed, headers, where=where, limits=limits).encode()
        head, _ = WORKERS.ask({"task": "list", "where": where}, text, limits)
        listed = json.dumps(head["kernels"]).encode()
        entry = len(listed).to_bytes(8, "little") + listed + text
        write_entry(key, "program", entry)
    size = int.from_bytes(entry[:8], "little")
    kernels = {
        row["name"]: KernelInfo(
            row["name"],
            tuple(_parameter(item) for item in row["parameters"]),
            tuple(row["required_local_size"]) if row["required_local_size"] else None,
        )
        for row in json.loads(entry[8 : 8 + size])
    }
    return Program(
        where=where,
        key=key,
        kernels=kernels,
        warnings=parsed.warnings,
        _ir=entry[8 + size :],
        _source=source,
        _limits=limits,
    )


def compile_kernel(
    source: str,
    kernel: str,
    options: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    where: str = "<source>",
    limits: CompileLimits | None = None,
) -> KernelIR:
    """Compile one kernel of a program's text; see `compile_program` for the parameters.

    Returns
    -------
    KernelIR

    Raises
    ------
    CompileError
        One line with file, line and reason.
    """
    parsed = parse_options(options, where=where)
    program_key = _program_key(source, parsed, headers or {})
    cached = _cached_kernel(content_key(program_key, "kernel", kernel))
    if cached is not None:
        return cached
    return compile_program(source, options, headers, where=where, limits=limits).kernel(kernel)


def kernel_from_bitcode(data: bytes, kernel: str, *, where: str = "<bitcode>") -> KernelIR:
    """Read a kernel out of ready LLVM bitcode (or IR text), as it is.

    The pipeline does not run, so the counts are those of the instructions that are in there; meant
    for comparison with other tools that execute the same bitcode. Calls of the program's own
    functions must have been inlined.

    Parameters
    ----------
    data : bytes
        Bitcode of LLVM 14 or later.
    kernel : str
        Name of the kernel.
    where : str
        Name of the data, for messages.

    Raises
    ------
    CompileError
        LLVM rejects the data, there is no such kernel, or it holds something that is refused.
    """
    key = content_key("bitcode", pipeline_name(), _own_digest(), data, kernel)
    cached = _cached_kernel(key)
    if cached is not None:
        return cached
    head = {
        "task": "bitcode",
        "where": where,
        "kernel": kernel,
        "key": key,
        "pipeline": READY,
        "source": [],
    }
    _, payload = WORKERS.ask(head, data)
    return _keep(key, payload)


@cache
def _own_digest() -> str:
    """Return a hash of the compiler's own files: no entry outlives a change of the pipeline."""
    folder = Path(__file__).parent
    files = sorted([*folder.rglob("*.py"), *folder.rglob("*.h")])
    return content_key(*(file.read_bytes() for file in files))


def _program_key(source: str, options: FrontEndOptions, headers: Mapping[str, str]) -> str:
    parts = [pipeline_name(), _own_digest(), source, options.standard]
    groups = (options.macros, options.include_dirs, options.math)
    parts += ["\0".join(group) for group in groups]
    for name in sorted(headers):
        parts += [name, headers[name]]
    return content_key(*parts)


def _cached_kernel(key: str) -> KernelIR | None:
    payload = read_entry(key, "kernel")
    if payload is None:
        return None
    try:
        return unpack_kernel(payload)
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _keep(key: str, payload: bytes) -> KernelIR:
    kernel = unpack_kernel(payload)
    write_entry(key, "kernel", payload)
    return kernel


def _parameter(row: list[object]) -> Parameter:
    name, type_name, kind, size, space, access, is_const = row
    return Parameter(
        name=str(name),
        type_name=str(type_name),
        kind=str(kind),
        size_bytes=int(str(size)),
        address_space=int(str(space)),
        access=str(access),
        is_const=bool(is_const),
    )
