"""Run a case on our own engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpusim.compiler import compile_kernel
from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.engine import count_job
from gpusim.count.memory import Memory
from gpusim.count.work_count import WorkCount
from gpusim.lower.job import BoundArgument, Job
from gpusim.trace import records
from gpusim.trace.records import Argument, ArgumentKind
from tests.corpus.case import Case, Data, Image, Local, Sampler, contents


@dataclass(frozen=True)
class Run:
    """What a case did."""

    count: WorkCount
    buffers: dict[int, np.ndarray]
    """Contents of the buffer and image arguments after the launch, flat, by position."""


def three(sizes: tuple[int, ...], missing: int = 1) -> tuple[int, int, int]:
    """Return sizes with the missing ones filled in."""
    return (*sizes, missing, missing, missing)[:3]  # type: ignore[return-value]


def bind(data: Data, memory: Memory) -> tuple[BoundArgument, ...]:
    """Create the buffers of a case and return its arguments."""
    bound = []
    for index, value in enumerate(data.args):
        size, ref, content, image, sampler = 8, None, None, None, None
        if isinstance(value, Local):
            kind, size = ArgumentKind.LOCAL, value.size_bytes
        elif isinstance(value, Image):
            kind, ref, image = ArgumentKind.IMAGE, index, image_record(value, index)
            memory.add_image(image, np.ascontiguousarray(value.texels).tobytes())
        elif isinstance(value, Sampler):
            kind, ref = ArgumentKind.SAMPLER, index
            sampler = records.Sampler(
                id=index,
                normalized=value.normalized,
                addressing=value.addressing,
                filter="NEAREST",
            )
        elif isinstance(value, np.ndarray):
            kind, ref = ArgumentKind.BUFFER, index
            memory.add(index, value.nbytes, content=np.ascontiguousarray(value).tobytes())
        else:
            content = value.tobytes()
            kind, size = ArgumentKind.VALUE, len(content)
        argument = Argument(index=index, kind=kind, size_bytes=size, ref=ref, value=content)
        bound.append(
            BoundArgument(argument=argument, size_bytes=size, image=image, sampler=sampler)
        )
    return tuple(bound)


def image_record(value: Image, number: int) -> records.Image:
    """Return the record of an image argument."""
    *layers, height, width, _ = value.texels.shape
    return records.Image(
        id=number,
        type="image2d_array" if layers else "image2d",
        width=width,
        height=height,
        array_size=layers[0] if layers else 1,
        channel_order=value.order,
        channel_type=value.type,
    )


def job_of(case: Case, arguments: tuple[BoundArgument, ...]) -> Job:
    """Return the job that a launch of the case is."""
    sizes, local = three(case.global_size), three(case.local_size)
    groups = tuple(g // n for g, n in zip(sizes, local, strict=True))
    return Job(
        launch=0,
        index=0,
        kernel=case.name,
        program=0,
        global_size=sizes,
        local_size=local,
        launch_global_size=sizes,
        launch_global_offset=three(case.offset, 0),
        launch_num_groups=groups,  # type: ignore[arg-type]
        enqueued_local_size=local,
        work_dim=len(case.global_size),
        arguments=arguments,
    )


def run_case(case: Case, kernel: KernelIR | None = None, mode: str = "full") -> Run:
    """Execute a case; `kernel` replaces the one that our compiler makes of its source."""
    kernel = kernel or compile_kernel(case.source, case.name, case.options, where=case.file)
    data = case.data()
    memory = Memory()
    try:
        job = job_of(case, bind(data, memory))
        count = count_job(kernel, job, memory, mode=mode, where=case.file)
        held = {i: contents(value) for i, value in enumerate(data.args)}
        dtypes = {index: array.dtype for index, array in held.items() if array is not None}
        memory.settle(list(dtypes))
        buffers = {index: memory.view(index).view(kind).copy() for index, kind in dtypes.items()}
    finally:
        memory.close()
    return Run(count, buffers)
