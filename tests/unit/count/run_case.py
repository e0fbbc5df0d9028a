"""Run a case of the corpus through the counter."""

from typing import Any

import numpy as np

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count import Limits, Memory, WorkCount, count_job
from gpusim.lower.job import BoundArgument, Job
from gpusim.trace.records import Argument, ArgumentKind, Size3
from tests.unit.count.corpus import Case


def three(sizes: tuple[int, ...]) -> Size3:
    x, y, z = (*sizes, 1, 1)[:3]
    return (x, y, z)


def bind(values: list[Any], memory: Memory) -> tuple[BoundArgument, ...]:
    """Create buffers for arrays; bind scalars and ``local:BYTES``."""
    bound = []
    for index, value in enumerate(values):
        if isinstance(value, str):
            size = int(value.split(":")[1])
            argument = Argument(index=index, kind=ArgumentKind.LOCAL, size_bytes=size)
            bound.append(BoundArgument(argument=argument, size_bytes=size))
        elif isinstance(value, np.ndarray):
            memory.add(index, value.nbytes, content=value.tobytes())
            argument = Argument(index=index, kind=ArgumentKind.BUFFER, size_bytes=8, ref=index)
            bound.append(BoundArgument(argument=argument, size_bytes=value.nbytes))
        else:
            raw = value.tobytes()
            argument = Argument(
                index=index, kind=ArgumentKind.VALUE, size_bytes=len(raw), value=raw
            )
            bound.append(BoundArgument(argument=argument, size_bytes=len(raw)))
    return tuple(bound)


def make_job(
    kernel: str, global_size: tuple[int, ...], local_size: tuple[int, ...], values: list[Any]
) -> tuple[Job, Memory]:
    memory = Memory()
    sizes, local = three(global_size), three(local_size)
    x, y, z = (-(-g // n) for g, n in zip(sizes, local, strict=True))
    job = Job(
        launch=0,
        index=0,
        kernel=kernel,
        program=0,
        global_size=sizes,
        local_size=local,
        launch_global_size=sizes,
        launch_num_groups=(x, y, z),
        enqueued_local_size=local,
        work_dim=len(global_size),
        arguments=bind(values, memory),
    )
    return job, memory


def count_case(
    case: Case, kernel: KernelIR, mode: str = "auto", limits: Limits | None = None
) -> tuple[WorkCount, Memory]:
    job, memory = make_job(case.kernel, case.global_size, case.local_size, case.arguments())
    return count_job(kernel, job, memory, mode=mode, limits=limits), memory


def per_group(count: WorkCount) -> np.ndarray:
    """Return the block counts of every work-group, (n_group, n_block)."""
    return count.class_blocks[np.repeat(count.class_runs[:, 0], count.class_runs[:, 1])]
