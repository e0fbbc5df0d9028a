"""Run a normalised kernel natively, one work-item, so that tests can look at its results."""

from __future__ import annotations

import ctypes
import re
from typing import Any

import numpy as np

from gpusim.compiler import KernelIR
from gpusim.count.half_helpers import HALF_HELPERS

_WORK_ITEM = re.compile(r"^declare i(64|32) @(_Z\d+get_\w+)\((.*?)\).*$", re.MULTILINE)


def run(kernel: KernelIR, *arguments: Any) -> None:
    """Call a kernel as work-item 0 of a work-group of one.

    Parameters
    ----------
    kernel : KernelIR
        Without external functions but work-item ones.
    *arguments
        NumPy arrays for buffers, Python numbers or NumPy scalars for values.
    """
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        opt=0, cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten()
    )
    text = re.sub(r"^target .*\n", "", kernel.text, flags=re.MULTILINE)
    text = _WORK_ITEM.sub(_work_item, text)
    module = llvm.parse_assembly(text + HALF_HELPERS, llvm.create_context())
    with llvm.create_mcjit_compiler(module, machine) as engine:
        engine.finalize_object()
        address = engine.get_function_address(kernel.name)
        aligned = [_aligned(item) if isinstance(item, np.ndarray) else item for item in arguments]
        passed = [_pass(argument) for argument in aligned]
        prototype = ctypes.CFUNCTYPE(None, *(type(item) for item in passed))
        prototype(address)(*passed)
        for argument, copy in zip(arguments, aligned, strict=True):
            if isinstance(argument, np.ndarray):
                argument[...] = copy


def _aligned(array: np.ndarray) -> np.ndarray:
    """Return a copy aligned as OpenCL aligns buffers (the widest vector has 128 bytes)."""
    raw = np.zeros(array.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 128
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _work_item(match: re.Match[str]) -> str:
    value = "1" if "size" in match[2] or "num" in match[2] or "dim" in match[2] else "0"
    return f"define i{match[1]} @{match[2]}({match[3]}) {{ ret i{match[1]} {value} }}"


def _pass(argument: Any) -> Any:
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(argument.ctypes.data)
    if isinstance(argument, np.generic):
        return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())
    return ctypes.c_float(argument) if isinstance(argument, float) else ctypes.c_int(argument)
