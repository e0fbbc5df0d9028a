"""IR text -> machine code in memory, with object files cached by content."""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from gpusim.count.driver import ENTRY
from gpusim.count.half_helpers import HALF_HELPERS, HALF_SYMBOLS
from gpusim.count.maths import libm_symbols
from gpusim.errors import CountError

VERSION = "13"
"""Raise when the instrumentation changes: part of every object file's key."""

_names = itertools.count()


@cache
def _target() -> tuple[Any, str, str]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu = llvm.get_host_cpu_name()
    features = llvm.get_host_cpu_features().flatten()
    triple = llvm.get_process_triple()
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small", jit=True
    )
    return machine, triple, f"{cpu} {features}"


@cache
def _jit() -> Any:
    return llvm.create_lljit_compiler(_target()[0])


@cache
def _helpers() -> tuple[dict[str, int], Any]:
    builder = llvm.JITLibraryBuilder().add_object_img(compile_object(HALF_HELPERS))
    for symbol in HALF_SYMBOLS:
        builder.export_symbol(symbol)
    tracker = builder.link(_jit(), "half")
    return {symbol: tracker[symbol] for symbol in HALF_SYMBOLS}, tracker


def object_key(text: str, variant: str) -> str:
    """Return the cache key of a kernel's object file: text, variant, machine and versions."""
    parts = (VERSION, llvmlite.__version__, _target()[2], variant, text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def compile_object(text: str) -> bytes:
    """Optimise a module at O3 and return its object file.

    Raises
    ------
    CountError
        LLVM rejects the module.
    """
    machine, triple, _ = _target()
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CountError(f"the instrumented kernel is not valid IR: {reason}") from None
    module.triple = triple
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    lower = llvm.create_new_module_pass_manager()
    lower.add_lower_atomic_pass()
    lower.run(module, builder)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def load_object(data: bytes) -> tuple[Callable[[int], int], Any]:
    """Link an object file into this process.

    Returns
    -------
    tuple
        The entry function, and what keeps its code in memory.
    """
    name = f"kernel{next(_names)}"
    builder = llvm.JITLibraryBuilder().add_object_img(data).export_symbol(ENTRY)
    symbols = dict(libm_symbols())
    if any(symbol.encode() in data for symbol in HALF_SYMBOLS):
        symbols |= _helpers()[0]
    for symbol, address in symbols.items():
        builder.import_symbol(symbol, address)
    tracker = builder.link(_jit(), name)
    entry = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(tracker[ENTRY])
    return entry, tracker


def write_atomically(path: Path, data: bytes) -> None:
    """Write a cache file so that a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
