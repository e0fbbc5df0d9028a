"""Count a kernel that lies around as a file or a string, without any trace."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.compiler.compile import compile_kernel
from gpusim.count import totals
from gpusim.count.argument_specs import ArgumentSpec, array_argument, parse_argument
from gpusim.count.coalescing import coalescing
from gpusim.count.engine import count_job
from gpusim.count.limits import Limits
from gpusim.count.memory import Memory
from gpusim.count.work_count import WorkCount
from gpusim.errors import CountError, located
from gpusim.lower.job import BoundArgument, Job
from gpusim.lower.local_size import power_of_two_divisors
from gpusim.trace.records import Argument, ArgumentKind, Size3

DEFAULT_WARP_WIDTH = 32
DEFAULT_LANE_ADDRESSES = 1 << 21
"""Room for addresses of the sampled work-groups."""
DEFAULT_GROUP_ITEMS = 64
"""Without a local size: the largest power-of-two divisors, x first, up to this product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCount:
    """What one execution of a kernel did."""

    count: WorkCount
    memory: Memory
    compile_seconds: float
    count_seconds: float
    lockstep_seconds: float = 0.0

    def buffer(self, index: int, dtype: npt.DTypeLike = np.uint8) -> npt.NDArray[Any]:
        """Return the contents of buffer or image argument `index` after the run."""
        return self.memory.contents(index).view(dtype)

    def as_dict(self) -> dict[str, Any]:
        """Return the keys of ``gpusim count --json``."""
        memory: dict[str, Any] = dict(totals.memory(self.count))
        stream = self.count.lockstep.stream if self.count.lockstep is not None else None
        if stream is not None:
            memory["coalescing"] = coalescing(stream)
        return {
            "kernel": self.count.kernel.name,
            "work_items": self.count.n_work_items,
            "work_groups": self.count.n_work_groups,
            "local_size": list(self.count.local_size),
            "mode": self.count.mode,
            "bounds": self.count.bounds,
            "instructions": totals.instructions(self.count),
            "opcodes": totals.opcodes(self.count),
            "calls": totals.calls(self.count),
            "memory": memory,
            "barriers": totals.barriers(self.count),
            "simt": dict(self.count.simt),
            "count_classes": len(self.count.class_blocks),
            "pipeline": self.count.kernel.pipeline,
            "seconds": {
                "compile": self.compile_seconds,
                "count": self.count_seconds,
                "lockstep": self.lockstep_seconds,
            },
        }


def size3(sizes: Sequence[int], what: str) -> Size3:
    """Return one to three sizes as three, missing ones 1.

    Raises
    ------
    CountError
        None or more than three, or one that is not positive.
    """
    if not 1 <= len(sizes) <= 3 or min(sizes) < 1:
        raise CountError(
            located(what, "not a size", expected="one to three positive numbers", found=str(sizes))
        )
    x, y, z = (*sizes, 1, 1)[:3]
    return (int(x), int(y), int(z))


def _local_size(
    global_size: Size3, local_size: Sequence[int] | None, required: Size3 | None
) -> Size3:
    if local_size is None:
        return required or power_of_two_divisors(global_size, DEFAULT_GROUP_ITEMS)
    local = size3(local_size, "local size")
    if required is not None and local != required:
        raise CountError(
            located(
                "local size",
                "the kernel requires another work-group size",
                expected=str(required),
                found=str(local),
            )
        )
    return local


def _bind(index: int, spec: ArgumentSpec, memory: Memory) -> BoundArgument:
    argument = Argument(
        index=index,
        kind=ArgumentKind(spec.kind),
        size_bytes=8 if spec.kind in ("buffer", "image") else spec.size_bytes,
        ref=index if spec.kind in ("buffer", "image", "sampler") else None,
        value=bytes(spec.data) if spec.kind == "value" and spec.data is not None else None,
    )
    if spec.kind == "buffer":
        memory.add(index, spec.size_bytes, content=spec.data)
        memory.mark_known(index)
    if spec.image is not None:
        content = None if spec.data is None else bytes(spec.data)
        memory.add_image(spec.image, content)
        memory.mark_known(index)
    return BoundArgument(
        argument=argument, size_bytes=spec.size_bytes, image=spec.image, sampler=spec.sampler
    )


def count_kernel(
    source: str,
    kernel: str,
    global_size: Sequence[int],
    local_size: Sequence[int] | None = None,
    args: Sequence[str | npt.NDArray[Any] | np.generic] = (),
    build_options: str = "",
    *,
    warp_width: int = DEFAULT_WARP_WIDTH,
    policy: str = "",
    lane_addresses: int = DEFAULT_LANE_ADDRESSES,
    mode: str = "auto",
    limits: Limits | None = None,
    where: str = "<source>",
) -> KernelCount:
    """Compile an OpenCL C kernel, run all its work-items, and count what they executed.

    Parameters
    ----------
    source : str
        OpenCL C.
    kernel : str
        Name of the kernel.
    global_size, local_size : sequence of int
        One to three sizes; without a local size the largest power-of-two divisors, x first, with
        a product of at most 64.
    args : sequence
        In argument order: specifications as on the command line (``buffer:4096:random``,
        ``image:64x64:RGBA:FLOAT``, ``local:256``, ``i32:5``), NumPy arrays (buffers) or NumPy
        scalars (values).
    build_options : str
        As given to clBuildProgram.
    warp_width : int
        Lanes per warp for `simt`, from lock-step execution of sampled work-groups; 0 = don't.
    policy : str
        Where diverged lanes meet again: ``post-dominator`` or ``lowest-pc``; ``""`` = that of the
        known devices of this width.
    lane_addresses : int
        Room for addresses of the sampled work-groups, for coalescing; 0 = record none.
    mode : str
        ``auto``, ``full`` or ``slice``.
    limits : Limits, optional
        Time, instructions and memory allowed.
    where : str
        Name of the source, for messages.

    Returns
    -------
    KernelCount
        `as_dict` gives the keys of ``gpusim count --json``.

    Raises
    ------
    CompileError, CountError
        The kernel does not compile, the arguments don't match, or it faults.
    """
    limits = limits or Limits()
    started = time.perf_counter()
    ir = compile_kernel(source, kernel, build_options, where=where, limits=limits)
    compiled = time.perf_counter() - started
    sizes = size3(global_size, "global size")
    local = _local_size(sizes, local_size, ir.required_local_size)
    memory = Memory(limits.memory_bytes)
    if len(args) != len(ir.parameters):
        raise CountError(
            located(
                f"{where}: kernel {kernel}",
                "wrong number of arguments",
                expected=", ".join(f"{p.type_name} {p.name}" for p in ir.parameters) or "none",
                found=str(len(args)),
            )
        )
    specs = [
        parse_argument(value, ir.parameters[i], i)
        if isinstance(value, str)
        else array_argument(value)
        for i, value in enumerate(args)
    ]
    job = Job(
        launch=0,
        index=0,
        kernel=kernel,
        program=0,
        global_size=sizes,
        local_size=local,
        launch_global_size=sizes,
        launch_num_groups=tuple(-(-g // n) for g, n in zip(sizes, local, strict=True)),  # type: ignore[arg-type]
        enqueued_local_size=local,
        work_dim=len(global_size),
        arguments=tuple(_bind(i, spec, memory) for i, spec in enumerate(specs)),
    )
    started = time.perf_counter()
    count = count_job(
        ir,
        job,
        memory,
        mode=mode,
        limits=limits,
        warp_width=warp_width,
        policy=policy,
        lane_addresses=lane_addresses,
        where=where,
    )
    elapsed = time.perf_counter() - started
    warps = count.lockstep.seconds if count.lockstep is not None else 0.0
    return KernelCount(
        count=count,
        memory=memory,
        compile_seconds=compiled + count.compile_seconds,
        count_seconds=elapsed - count.compile_seconds - warps,
        lockstep_seconds=warps,
    )
