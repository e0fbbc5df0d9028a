"""Blocks and addresses of chosen work-items of a job, by running the kernel's integer part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.loops.thread_run import run_threads
from gpusim.lower.job import Job
from gpusim.timing.thread_program import ThreadProgram
from gpusim.timing.work_item_ids import ID_NAMES, job_sizes, parameter_values, work_item_ids

MAX_BLOCKS = 10_000_000
"""Blocks one work-item may execute; a kernel that needs more is not traced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadTrace:
    """What some work-items do, one after the other."""

    blocks: npt.NDArray[np.int32]
    addresses: npt.NDArray[np.int64]
    """Of the known access sites of the blocks, in program order."""
    ends: npt.NDArray[np.int64]
    """(n_thread, 2) end of each work-item's part of `blocks` and of `addresses`."""

    @property
    def n_threads(self) -> int:
        """Number of work-items that were run."""
        return len(self.ends)


def trace_threads(
    program: ThreadProgram,
    kernel: KernelIR,
    job: Job,
    groups: npt.NDArray[np.int64],
    *,
    capacity: int = 1 << 22,
) -> ThreadTrace | None:
    """Run all work-items of `groups`, in order, x fastest.

    Parameters
    ----------
    program : ThreadProgram
        Of `kernel`.
    kernel : KernelIR
    job : Job
        Supplies sizes and arguments.
    groups : (n,) int64
        Linear numbers of work-groups within the job.
    capacity : int
        Most blocks, and most addresses, to record. Work-items beyond are left out.

    Returns
    -------
    ThreadTrace or None
        None if not even one work-item ran to its end.
    """
    registers = program.initial.copy()
    for name, value in job_sizes(job).items():
        registers[program.names[name]] = value
    for index, value in parameter_values(kernel, job).items():
        registers[program.names[f"parameter{index}"]] = value
    ids = work_item_ids(job, groups, kernel.private_memory_bytes)
    inputs = np.stack([ids[name] for name in ID_NAMES], axis=1)
    blocks = np.empty(capacity, dtype=np.int32)
    addresses = np.empty(capacity, dtype=np.int64)
    ends = np.zeros((len(inputs), 2), dtype=np.int64)
    n_run, _ = run_threads(
        program.code,
        program.edges,
        program.copies,
        registers,
        inputs,
        MAX_BLOCKS,
        max((len(sites) for sites in program.block_sites), default=0),
        blocks,
        addresses,
        ends,
    )
    if n_run == 0:
        return None
    ends = ends[:n_run]
    return ThreadTrace(
        blocks=blocks[: ends[-1, 0]].copy(), addresses=addresses[: ends[-1, 1]].copy(), ends=ends
    )
