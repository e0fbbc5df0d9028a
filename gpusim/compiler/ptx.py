"""A normalised kernel as PTX, through LLVM's NVPTX target.

The address spaces of SPIR become those of NVPTX, work-item functions read the special registers,
and what NVIDIA's compiler takes from a library of its own (native functions, barriers) is spelled
out. Loops keep their shape: nothing is unrolled, so that each stands beside the one it came from.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.errors import CompileError, located

_TRIPLE = "nvptx64-nvidia-cuda"
_LAYOUT = "e-p:64:64-p3:32:32-p4:64:64-p5:32:32-i64:64-i128:128-v16:16-v32:32-n16:32:64"
_SPACES = {"0": "0", "1": "1", "2": "4", "3": "3", "4": "0"}
"""SPIR address space -> NVPTX: constant is 4 there, generic 0."""
_AXES = "xyz"
_SIZE_FUNCTIONS = {
    "_Z12get_local_idj": ("tid",),
    "_Z12get_group_idj": ("ctaid",),
    "_Z14get_local_sizej": ("ntid",),
    "_Z23get_enqueued_local_sizej": ("ntid",),
    "_Z14get_num_groupsj": ("nctaid",),
    "_Z15get_global_sizej": ("nctaid", "*", "ntid"),
    "_Z13get_global_idj": ("ctaid", "*", "ntid", "+", "tid"),
}
"""Work-item function -> special registers and what joins them, from left to right."""
_LOG2_E = "0x3FF7154760000000"
_NATIVE = {
    "exp": f"%m = fmul float %x, {_LOG2_E}\n  %r = call float @llvm.nvvm.ex2.approx.f(float %m)",
    "exp2": "%r = call float @llvm.nvvm.ex2.approx.f(float %x)",
    "log2": "%r = call float @llvm.nvvm.lg2.approx.f(float %x)",
    "sin": "%r = call float @llvm.nvvm.sin.approx.f(float %x)",
    "cos": "%r = call float @llvm.nvvm.cos.approx.f(float %x)",
    "sqrt": "%r = call float @llvm.nvvm.sqrt.approx.f(float %x)",
    "rsqrt": "%r = call float @llvm.nvvm.rsqrt.approx.f(float %x)",
    "recip": "%r = call float @llvm.nvvm.rcp.approx.ftz.f(float %x)",
}
_DECLARED = re.compile(r"^declare [^@\n]*@\"?([\w.$]+)\"?\(.*$", re.MULTILINE)
_LABEL = re.compile(r"^(\$L\w+):")
_BRANCH = re.compile(r"\bbra(?:\.uni)?\s+(\$L\w+)")


def kernel_ptx(kernel: KernelIR, arch: str, *, where: str = "") -> str:
    """Return a kernel as PTX.

    Parameters
    ----------
    kernel : KernelIR
    arch : str
        ``sm_53``, ``sm_62``...
    where : str
        Name of the kernel's program, for messages.

    Raises
    ------
    CompileError
        The kernel calls something that PTX has no instruction for, or LLVM gives up.
    """
    from gpusim.compiler.process import WORKERS

    head = {
        "task": "ptx",
        "where": where or kernel.name,
        "kernel": kernel.name,
        "arch": arch,
    }
    _, payload = WORKERS.ask(head, kernel.text.encode())
    return payload.decode()


def emit_ptx(text: str, kernel: str, arch: str, *, where: str) -> str:
    """Return normalised IR text as PTX; runs in the worker process."""
    llvm, machine = _target(arch)
    try:
        module = llvm.parse_assembly(nvptx_module(text, kernel, where=where))
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = False
        options.slp_vectorization = False
        options.loop_interleaving = False
        options.loop_unrolling = False
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        assembly: str = machine.emit_assembly(module)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CompileError(located(where, f"no PTX: {reason}")) from error
    return _without_unrolling(assembly)


@cache
def _target(arch: str) -> tuple[Any, Any]:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(_TRIPLE)
    return llvm, target.create_target_machine(cpu=arch, opt=3)


def nvptx_module(text: str, kernel: str, *, where: str) -> str:
    """Return normalised IR text as a module for NVPTX.

    Parameters
    ----------
    text : str
        Normalised LLVM IR with one kernel.
    kernel : str
        Its name.
    where : str
        For messages.

    Raises
    ------
    CompileError
        The kernel calls a function that has no counterpart.
    """
    text = re.sub(r"^target (?:datalayout|triple) = .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(
        r"addrspace\((\d+)\)", lambda found: f"addrspace({_SPACES[found.group(1)]})", text
    )
    # PTX has no dots in names.
    text = re.sub(rf"@{re.escape(kernel)}\.([\w.]+)", lambda m: f"@v_{_plain(m.group(1))}", text)
    text = re.sub(
        r"^define (?:dso_local )?(?:spir_kernel )?void @",
        "define ptx_kernel void @",
        text,
        flags=re.M,
    )
    bodies: list[str] = []
    for name in _DECLARED.findall(text):
        if name.startswith("llvm."):
            continue
        body = _body(name)
        if body is None:
            raise CompileError(
                located(where, "a function without a counterpart in PTX", found=name)
            )
        bodies.append(body)
        text = re.sub(
            rf"^declare [^@\n]*@\"?{re.escape(name)}\"?\(.*\n", "", text, flags=re.MULTILINE
        )
    used = sorted(set(re.findall(r"@(llvm\.nvvm\.[\w.]+)\(", "\n".join(bodies))))
    header = [f'target datalayout = "{_LAYOUT}"', f'target triple = "{_TRIPLE}"']
    return "\n".join([*header, text, *bodies, *map(_declaration, used)])


def _plain(name: str) -> str:
    return name.replace(".", "_")


def _body(name: str) -> str | None:
    """Return the definition of a built-in function for NVPTX, None for an unknown one."""
    if name in _SIZE_FUNCTIONS:
        return _register_function(name, _SIZE_FUNCTIONS[name])
    if name in ("_Z7barrierj", "_Z18work_group_barrierj"):
        return (
            f"define internal void @{name}(i32 %flags) alwaysinline convergent {{\n"
            "  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n  ret void\n}"
        )
    native = re.fullmatch(r"_Z\d+(?:native|half)_(\w+?)f", name)
    if native and native.group(1) in _NATIVE:
        return (
            f"define internal float @{name}(float %x) alwaysinline {{\n"
            f"  {_NATIVE[native.group(1)]}\n  ret float %r\n}}"
        )
    return None


def _register_function(name: str, parts: tuple[str, ...]) -> str:
    """Return a work-item function: special registers joined by products and sums."""
    lines = [
        f"define internal i64 @{name}(i32 %axis) alwaysinline {{",
        "  switch i32 %axis, label %other [i32 0, label %at0 i32 1, label %at1 i32 2, label %at2]",
    ]
    for number, axis in enumerate(_AXES):
        lines.append(f"at{number}:")
        value = ""
        operation = ""
        for place, part in enumerate(parts):
            if part in "*+":
                operation = "mul" if part == "*" else "add"
                continue
            register = f"%r{number}.{place}"
            lines.append(f"  {register} = call i32 @llvm.nvvm.read.ptx.sreg.{part}.{axis}()")
            if value:
                joined = f"%j{number}.{place}"
                lines.append(f"  {joined} = {operation} i32 {value}, {register}")
                register = joined
            value = register
        lines += [f"  %w{number} = zext i32 {value} to i64", f"  ret i64 %w{number}"]
    return "\n".join([*lines, "other:", "  ret i64 0", "}"])


def _declaration(name: str) -> str:
    if ".sreg." in name:
        return f"declare i32 @{name}()"
    if ".barrier." in name:
        return f"declare void @{name}(i32)"
    return f"declare float @{name}(float)"


def _without_unrolling(assembly: str) -> str:
    """Return PTX whose loops ptxas may not unroll: a pragma behind every label jumped back to."""
    lines = assembly.split("\n")
    places = {
        found.group(1): number
        for number, line in enumerate(lines)
        if (found := _LABEL.match(line)) is not None
    }
    headers = {
        places[found.group(1)]
        for number, line in enumerate(lines)
        if (found := _BRANCH.search(line)) is not None
        and places.get(found.group(1), number + 1) <= number
    }
    return "\n".join(
        line + ('\n\t.pragma "nounroll";' if number in headers else "")
        for number, line in enumerate(lines)
    )
