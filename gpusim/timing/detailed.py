"""The `detailed` fidelity: one job on simulated cores, unit by unit and line by line.

Short jobs run in full. Of a long job the first work-groups run until the rate of work done is the
same in two windows; the rest is extrapolated at that rate, and the tail kept as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.work_count import WorkCount
from gpusim.isa.backend import LoweredKernel, lower_kernel
from gpusim.loops.core_run import N_CORE_COUNTS, Geometry, Program, Steps, run_job
from gpusim.lower.job import Job
from gpusim.timing.detailed_figures import DetailedFigures, memory_state
from gpusim.timing.residency import Residency
from gpusim.timing.step_table import step_table
from gpusim.timing.thread_program import ThreadProgram, thread_program
from gpusim.timing.work_item_ids import PRIVATE_BASE, job_sizes, parameter_values

MAX_STEPS = 6_000_000
"""Steps that are simulated of one job, about; a job with fewer runs in full."""
WINDOW_AGREEMENT = 0.01
"""Two windows of a sampled job must give the same rate within this."""
_N_MARKS = 32
_WINDOWS = ((8, 16), (16, 24), (8, 24))
"""Early, late and both, in marks: the start and the tail are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailedRun:
    """What the cores did with one job."""

    core_cycles: npt.NDArray[np.float64]
    """(n_cores,) when each core ended its last group."""
    cycles: float
    """Until the last group ended."""
    counts: npt.NDArray[np.float64]
    """Counts of `core_run`, scaled to the whole job."""
    memory_counts: npt.NDArray[np.float64]
    """Counts of `memory_system`, scaled to the whole job."""
    dirty_bytes: float
    """Left in the caches at the end."""
    simulated_groups: int
    is_full: bool


class KernelCode:
    """What the detailed model needs of a kernel, built once."""

    def __init__(self, kernel: KernelIR, isa: str) -> None:
        self.lowered: LoweredKernel = lower_kernel(kernel, isa)
        self.program: ThreadProgram | None = thread_program(kernel)
        self.steps: Steps | None = (
            step_table(self.lowered, self.program) if self.program is not None else None
        )


def run_detailed(
    job: Job,
    count: WorkCount,
    code: KernelCode,
    figures: DetailedFigures,
    resident: Residency,
    local_bytes: int,
) -> DetailedRun | None:
    """Return what the cores do with `job`; None if its control flow depends on loaded data.

    Parameters
    ----------
    job : Job
    count : WorkCount
        Of the same job: says how much work each group is.
    code : KernelCode
    figures : DetailedFigures
    resident : Residency
    local_bytes : int
        Local memory of one group.
    """
    if code.program is None or code.steps is None:
        return None
    weights = _group_steps(count, code.steps, figures.core.width)
    total = float(weights.sum())
    sampler = _Sampler(job, count.kernel, code, figures, resident, local_bytes, weights)
    n_groups = job.n_work_groups
    if total <= MAX_STEPS:
        run, _ = sampler.run(n_groups, total)
        return run
    per_wave = figures.core.n_cores * max(1, resident.resident_units // resident.units_per_group)
    budget = int(np.searchsorted(np.cumsum(weights), MAX_STEPS / 2))
    n_simulated = max(4 * per_wave, budget)
    while n_simulated < n_groups:
        run, is_steady = sampler.run(n_simulated, total)
        if is_steady:
            return run
        n_simulated *= 2
    run, _ = sampler.run(n_groups, total)
    return run


def _group_steps(count: WorkCount, steps: Steps, width: int) -> npt.NDArray[np.float64]:
    """Return (n_work_groups,) steps of each group, as if its warps were full."""
    per_block = np.diff(steps.block_start).astype(np.float64)
    per_class = count.class_blocks.astype(np.float64) @ per_block / width
    return np.repeat(per_class[count.class_runs[:, 0]], count.class_runs[:, 1])


class _Sampler:
    """Runs a part of a job and says what the whole of it would be."""

    def __init__(
        self,
        job: Job,
        kernel: KernelIR,
        code: KernelCode,
        figures: DetailedFigures,
        resident: Residency,
        local_bytes: int,
        weights: npt.NDArray[np.float64],
    ) -> None:
        program = code.program
        if program is None or code.steps is None:
            raise AssertionError("a kernel without an integer part is not sampled")
        self._job = job
        self._weights = weights
        self._figures = figures
        self._steps = code.steps
        initial = program.initial.copy()
        for name, value in job_sizes(job).items():
            initial[program.names[name]] = value
        for index, value in parameter_values(kernel, job).items():
            initial[program.names[f"parameter{index}"]] = value
        self._program = Program(
            code=program.code,
            edges=program.edges,
            copies=program.copies,
            initial=initial,
            n_sites=max((len(sites) for sites in program.block_sites), default=0),
        )
        self._shape = Geometry(
            n_groups=np.array(job.n_groups, dtype=np.int64),
            local_size=np.array(job.local_size, dtype=np.int64),
            item_offset=np.array(job.item_offset, dtype=np.int64),
            group_offset=np.array(job.group_offset, dtype=np.int64),
            global_offset=np.array(job.launch_global_offset, dtype=np.int64),
            global_size=np.array(job.launch_global_size, dtype=np.int64),
            private_base=PRIVATE_BASE,
            private_bytes=kernel.private_memory_bytes,
        )
        self._core = figures.core._replace(
            n_slots=resident.resident_units,
            whole_groups=resident.whole_groups,
            units_per_group=resident.units_per_group,
            group_items=job.group_items,
            groups_per_task=max(1, figures.min_task_threads // job.group_items),
            local_bytes=max(1, local_bytes),
            unknown_lines=max(1, _buffer_lines(job, figures.core.line_bytes)),
        )

    def run(self, n_groups: int, total: float) -> tuple[DetailedRun, bool]:
        """Run the first groups; scale to `total` steps of the job.

        Returns
        -------
        DetailedRun
        bool
            Whether two windows in the middle agree on the rate.
        """
        state = memory_state(self._figures)
        core_end = np.zeros(self._core.n_cores)
        counts = np.zeros(N_CORE_COUNTS)
        marks = np.zeros(_N_MARKS)
        is_full = n_groups >= self._job.n_work_groups
        every = max(1, int(self._weight(n_groups) / _N_MARKS))
        cycles = run_job(
            self._program,
            self._steps,
            self._shape,
            self._core,
            self._figures.memory,
            state,
            np.arange(n_groups, dtype=np.int64),
            marks,
            every,
            core_end,
            counts,
        )
        dirty = int(state.l1.dirty.sum()) + int(state.l2.dirty.sum())
        extra, scale, is_steady = 0.0, 1.0, True
        if not is_full:
            early, late, both = (
                (b - a) * every / (marks[b - 1] - marks[a - 1]) for a, b in _WINDOWS
            )
            is_steady = abs(early / late - 1.0) <= WINDOW_AGREEMENT
            extra = (total - self._weight(n_groups)) / both
            scale = total / self._weight(n_groups)
        run = DetailedRun(
            core_cycles=core_end + extra * (core_end > 0),
            cycles=float(cycles) + extra,
            counts=counts * scale,
            memory_counts=state.counts.astype(np.float64) * scale,
            dirty_bytes=float(dirty * self._figures.memory.line_bytes),
            simulated_groups=n_groups,
            is_full=is_full,
        )
        return run, is_steady

    def _weight(self, n_groups: int) -> float:
        """Return the steps of the first groups, by their counts."""
        return float(self._weights[:n_groups].sum())


def _buffer_lines(job: Job, line_bytes: int) -> int:
    return sum(bound.size_bytes for bound in job.arguments) // line_bytes
