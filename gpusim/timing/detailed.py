"""The `detailed` fidelity: one job on simulated cores, unit by unit and line by line.

Short jobs run in full. Of a long job work-groups are handed out until the rate of work done is the
same in two windows; the rest is extrapolated at that rate, and the tail kept as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.work_count import WorkCount
from gpusim.isa.backend import LoweredKernel, lower_kernel
from gpusim.loops.core_run import (
    N_CORE_COUNTS,
    STEPS,
    UNITS,
    Geometry,
    Program,
    Sampling,
    Steps,
    run_job,
)
from gpusim.loops.memory_system import N_COUNTS, MemoryState
from gpusim.lower.job import Job
from gpusim.timing.detailed_figures import DetailedFigures, memory_state
from gpusim.timing.residency import Residency
from gpusim.timing.step_table import step_table
from gpusim.timing.thread_program import ThreadProgram, thread_program
from gpusim.timing.work_item_ids import PRIVATE_BASE, job_sizes, parameter_values

FULL_STEPS = 3_000_000
"""A job of fewer steps runs in full."""
WINDOW_AGREEMENT = 0.01
"""Two windows of a sampled job, one twice as long as the other, must give the same rate within
this."""
_WAVES = 2.0
"""Times the cores are filled before the rate is looked at: the first filling is in step."""
_EVERY = 1 << 15
"""Steps between two looks at the rate."""
_MAX_MARKS = 1 << 14


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
    state: MemoryState | None = None,
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
    state : MemoryState, optional
        What the caches hold at the start; updated. None = nothing.
    """
    if code.program is None or code.steps is None:
        return None
    weights = _group_steps(count, code.steps, figures.core.width)
    run = _JobRun(job, count.kernel, code, figures, resident, local_bytes)
    return run.run(weights, memory_state(figures) if state is None else state)


def _group_steps(count: WorkCount, steps: Steps, width: int) -> npt.NDArray[np.float64]:
    """Return (n_work_groups,) steps of each group, as if its warps were full."""
    per_block = np.diff(steps.block_start).astype(np.float64)
    per_class = count.class_blocks.astype(np.float64) @ per_block / width
    return np.repeat(per_class[count.class_runs[:, 0]], count.class_runs[:, 1])


class _JobRun:
    """A job made ready for the loop."""

    def __init__(
        self,
        job: Job,
        kernel: KernelIR,
        code: KernelCode,
        figures: DetailedFigures,
        resident: Residency,
        local_bytes: int,
    ) -> None:
        program = code.program
        if program is None or code.steps is None:
            raise AssertionError("a kernel without an integer part cannot be followed")
        self._job = job
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
        self._memory = figures.memory
        if code.lowered.isa == "midgard":
            # What a word waits for others is simulated: only the pipe's own latency is given.
            pipe = float(code.lowered.table.rule("pipe_latency_cycles"))
            self._memory = figures.memory._replace(l1_latency=pipe)

    def run(self, weights: npt.NDArray[np.float64], state: MemoryState) -> DetailedRun:
        """Run the job, or as much of it as it takes to know its rate.

        Parameters
        ----------
        weights : (n_work_groups,) float64
            Steps of each group, by their counts.
        state : MemoryState
            Updated.
        """
        total = float(weights.sum())
        n_units = self._job.n_work_groups * self._core.units_per_group
        filled = self._core.n_cores * self._core.n_slots / n_units * total
        is_sampled = total > FULL_STEPS
        n_marks = min(_MAX_MARKS, int(total // _EVERY)) + 1 if is_sampled else 0
        core_end = np.zeros(self._core.n_cores)
        counts = np.zeros(N_CORE_COUNTS)
        marks = np.zeros(n_marks)
        mark_counts = np.zeros((n_marks, N_CORE_COUNTS + N_COUNTS))
        cycles, n_run, n_marks = run_job(
            self._program,
            self._steps,
            self._shape,
            self._core,
            self._memory,
            state,
            self._job.n_work_groups,
            Sampling(
                every=_EVERY,
                least_steps=int(max(FULL_STEPS / 2, _WAVES * filled)),
                agreement=WINDOW_AGREEMENT if is_sampled else 0.0,
            ),
            marks,
            mark_counts,
            core_end,
            counts,
        )
        every = np.concatenate([counts, state.counts])
        extra = 0.0
        if n_run < self._job.n_work_groups:
            # The last half of the marks shows what the rest of the job would do.
            done = float(weights[:n_run].sum())
            rest = (total - done) / done * counts[STEPS]
            first, last = n_marks // 2 - 1, n_marks - 1
            window = mark_counts[last] - mark_counts[first]
            times = rest / window[STEPS]
            extra = times * float(marks[last] - marks[first])
            every = every + times * window
            # Units start in bursts; how many there are is known.
            every[UNITS] = n_units
        dirty = int(state.l1.dirty.sum()) + int(state.l2.dirty.sum())
        return DetailedRun(
            core_cycles=core_end + extra * (core_end > 0),
            cycles=float(cycles) + extra,
            counts=every[:N_CORE_COUNTS],
            memory_counts=every[N_CORE_COUNTS:],
            dirty_bytes=float(dirty * self._figures.memory.line_bytes),
            simulated_groups=n_run,
            is_full=n_run == self._job.n_work_groups,
        )


def _buffer_lines(job: Job, line_bytes: int) -> int:
    return sum(bound.size_bytes for bound in job.arguments) // line_bytes
