"""Jobs at the `detailed` fidelity, as the event-driven machine and the counters want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.device.quantity import Evidence
from gpusim.device.spec import DeviceSpec
from gpusim.loops import core_run
from gpusim.loops import memory_system as memory
from gpusim.loops.memory_system import MemoryState
from gpusim.timing.core_plan import CorePlan, JobExecution, Portion, execute
from gpusim.timing.demand import JobDemand, JobWork, local_bytes
from gpusim.timing.detailed import DetailedRun, KernelCode, run_detailed
from gpusim.timing.detailed_figures import contents_key, memory_state, read_detailed
from gpusim.timing.figures import GpuFigures
from gpusim.timing.residency import residency
from gpusim.timing.work import LaunchWork

_DATA_DEPENDENT = (
    "control flow depends on loaded data, so the detailed model cannot follow it; timed by waves"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    """A job as it runs from some contents of the caches."""

    demand: JobDemand
    """Kept, so that its id is not used again."""
    result: tuple[JobDemand, JobExecution]
    state: MemoryState
    """What it leaves behind."""


_MAX_VARIANTS = 3
"""Times one job is simulated because the caches held something else; later ones repeat the last
result. The second time shows what the job itself leaves behind, the third that it settles."""


class DetailedModel:
    """Runs jobs on simulated cores, in order: caches keep what one leaves for the next."""

    def __init__(self, device: DeviceSpec, gpu: GpuFigures, evidence: Evidence) -> None:
        self._isa = device.isa
        self._gpu = gpu
        self._figures = read_detailed(device, evidence, gpu.clock_khz)
        self._codes: dict[int, tuple[KernelIR, KernelCode]] = {}
        self._state = memory_state(self._figures)
        self._known: dict[int, dict[bytes, _Variant]] = {}

    def execute(self, work: LaunchWork, demand: JobDemand) -> tuple[JobDemand, JobExecution]:
        """Return a job with the traffic that was simulated, and what its cores do.

        Jobs are given in the order in which they run. One that finds the same contents of the
        caches as an equal one before it has the same result.
        """
        variants = self._known.setdefault(id(demand), {})
        found = contents_key(self._figures, self._state)
        if found not in variants:
            if len(variants) >= _MAX_VARIANTS:
                found = next(reversed(variants))
            else:
                result = self._simulate(work, demand)
                variants[found] = _Variant(demand=demand, result=result, state=self._state)
        variant = variants[found]
        self._state = variant.state
        return variant.result

    def _simulate(self, work: LaunchWork, demand: JobDemand) -> tuple[JobDemand, JobExecution]:
        """Run a job from the present contents of the caches; keep what it leaves in them.

        Regions that share a submission run one after the other. A job that cannot be followed
        keeps its demand and gains a note.
        """
        runs = []
        for job in demand.jobs:
            # The job may be that of an equal launch before this one.
            count = work.counts[[other.index for other in work.jobs].index(job.index)]
            code = self._code(count.kernel)
            resident = residency(
                self._gpu,
                group_items=job.group_items,
                registers=work.cost.registers,
                has_barrier=count.kernel.has_barrier,
                local_bytes=local_bytes(job, count),
            )
            state = memory_state(self._figures, before=self._state)
            run = run_detailed(
                job, count, code, self._figures, resident, local_bytes(job, count), state
            )
            if run is None:
                noted = replace(demand, notes=(*demand.notes, _DATA_DEPENDENT))
                return noted, execute(demand, self._gpu)
            self._state = state
            runs.append(run)
        return self._demand(demand, runs), self._execution(demand, runs)

    def _code(self, kernel: KernelIR) -> KernelCode:
        if id(kernel) not in self._codes:
            # The kernel is kept along, so that its id is not used again.
            self._codes[id(kernel)] = (kernel, KernelCode(kernel, self._isa))
        return self._codes[id(kernel)][1]

    def _demand(self, demand: JobDemand, runs: Sequence[DetailedRun]) -> JobDemand:
        """Return the demand with the totals that the caches saw."""
        line = self._figures.memory.line_bytes
        counts = np.sum([run.memory_counts for run in runs], axis=0)
        dirty = round(sum(run.dirty_bytes for run in runs))
        work = replace(
            demand.work,
            l1_lookups=round(float(counts[memory.L1_LOOKUPS])),
            l1_misses=round(float(counts[memory.L1_MISSES])),
            l2_lookups=round(float(counts[memory.L2_LOOKUPS])),
            l2_misses=round(float(counts[memory.L2_MISSES])),
            l2_read_bytes=line
            * round(float(counts[memory.L2_LOOKUPS] - counts[memory.L1_WRITEBACKS])),
            l2_write_bytes=line * round(float(counts[memory.L1_WRITEBACKS])),
            dram_read_bytes=line * round(float(counts[memory.DRAM_READS])),
            dram_write_bytes=line * round(float(counts[memory.DRAM_WRITES])) + dirty,
            flushed_bytes=dirty,
            tlb_misses=round(float(counts[memory.TLB_MISSES])),
        )
        return replace(demand, work=work, segments=self._segments(demand, runs, work))

    def _segments(
        self, demand: JobDemand, runs: Sequence[DetailedRun], work: JobWork
    ) -> npt.NDArray[np.void]:
        """Return segments whose bounds are those of what was simulated.

        Latency and translation overlap with everything else here and bound nothing by themselves.
        """
        segments = demand.segments.copy()
        for name in ("latency", "longest", "translation", "load_store", "l2"):
            segments[name] = 0.0
        groups = float(segments["n_groups"].sum())
        counts = np.sum([run.counts for run in runs], axis=0)
        # L1 and local memory may work side by side.
        cycles = max(
            float(counts[core_run.LOAD_STORE_CYCLES] + counts[core_run.LOCAL_CYCLES]),
            float(counts[core_run.LOOKUP_CYCLES]),
        )
        moved = (work.l2_read_bytes + work.l2_write_bytes) / self._gpu.l2_bytes_per_cycle
        if groups:
            segments["load_store"] = cycles / groups * self._gpu.cycle_ps
            segments["l2"] = moved / groups * self._gpu.cycle_ps
        return segments

    def _execution(self, demand: JobDemand, runs: Sequence[DetailedRun]) -> JobExecution:
        gpu = self._gpu
        cycles = np.sum([run.core_cycles for run in runs], axis=0)
        dirty = sum(run.dirty_bytes for run in runs)
        n_busy = max(1, int(np.count_nonzero(cycles)))
        plans = tuple(
            CorePlan(
                core=core,
                n_groups=0,
                portions=(
                    Portion(
                        duration_ps=float(cycles[core]) * gpu.cycle_ps,
                        last_wave_ps=0.0,
                        dram_bytes=0.0,
                        n_groups=demand.work.work_groups / n_busy,
                    ),
                ),
            )
            for core in range(len(cycles))
            if cycles[core] > 0
        )
        flush_ps = max(
            gpu.ps(dirty / gpu.flush_bytes_per_cycle), round(dirty * gpu.dram_ps_per_byte)
        )
        return JobExecution(plans=plans, first_task_ps=0, dispatch_ps=0, flush_ps=flush_ps)
