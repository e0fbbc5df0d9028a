"""The hardware figures of the detailed model, in GPU cycles."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from gpusim.device.quantity import Evidence
from gpusim.device.spec import DeviceSpec
from gpusim.loops.cache_sets import empty_caches, settled
from gpusim.loops.core_run import CoreFigures
from gpusim.loops.memory_system import N_COUNTS, ROWS_QUEUED, MemoryFigures, MemoryState


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailedFigures:
    """Figures of cores and memory, plus the shapes of the caches."""

    core: CoreFigures
    """Per-job fields hold placeholders."""
    memory: MemoryFigures
    min_task_threads: int
    l1_lines: int
    l1_ways: int
    l2_lines: int
    l2_ways: int
    l2_slices: int
    tlb_entries: int
    shared_tlb_entries: int
    shared_tlb_ways: int
    keeps_l2: bool
    """Whether a job finds in L2 what the one before it left there."""


def read_detailed(device: DeviceSpec, evidence: Evidence, clock_khz: int) -> DetailedFigures:
    """Read the figures through the evidence log."""
    core, l1, l2, tlb = device.core, device.l1, device.l2, device.tlb
    dram, manager = device.dram, device.job_manager
    line = int(evidence(l2.sector_bytes))
    width = int(evidence(core.warp_width))
    n_cores = int(evidence(core.n_shader_cores))
    n_channels = int(evidence(dram.n_channels))
    bytes_per_s = evidence(dram.peak_bytes_per_s) * evidence(dram.efficiency)
    cycles_per_ps = clock_khz / 10**9
    return DetailedFigures(
        core=CoreFigures(
            n_cores=n_cores,
            width=width,
            n_pipes=int(evidence(core.n_arithmetic_pipes)),
            bound_to_pipe=width > 1,
            issue_efficiency=float(evidence(core.issue_efficiency)),
            n_slots=1,
            max_groups=int(evidence(core.max_work_groups)),
            whole_groups=False,
            units_per_group=1,
            group_items=1,
            groups_per_task=1,
            create_cycles=width / float(evidence(core.thread_create_per_cycle)),
            dispatch_cycles=float(evidence(manager.task_dispatch_cycles)),
            start_cycles=float(evidence(manager.task_start_cycles)),
            blocks_on_access=width == 1,
            restart_cycles=float(evidence(core.load_store_restart_cycles)),
            line_bytes=line,
            sector_bytes=int(evidence(l1.sector_bytes)),
            bytes_per_cycle=float(evidence(l1.bytes_per_cycle)),
            lookup_lanes=int(evidence(core.lookup_lanes)),
            lookups_per_cycle=int(evidence(core.lookups_per_cycle)),
            lookup_line_bytes=int(evidence(l1.line_bytes)),
            texture_cycles=1.0 / float(evidence(core.texture_per_cycle)),
            local_on_chip=int(evidence(core.local_memory_bytes)) > 0,
            local_banks=max(1, int(evidence(core.local_memory_banks))),
            local_latency=float(evidence(core.local_memory_latency_cycles)),
            local_bytes=1,
            barrier_cycles=float(evidence(core.barrier_cycles)),
            in_flight=max(1, int(evidence(core.messages_in_flight))),
            unknown_lines=1,
        ),
        memory=MemoryFigures(
            line_bytes=line,
            page_bytes=int(evidence(tlb.page_bytes)),
            l1_latency=float(evidence(l1.hit_latency_cycles)),
            l1_writes_through=evidence(l1.write_policy) == "write_through",
            l1_outstanding=int(evidence(l1.outstanding_misses)),
            l2_latency=max(
                0.0, float(evidence(l2.hit_latency_cycles) - evidence(l1.hit_latency_cycles))
            ),
            port_cycles=line / float(evidence(l2.bytes_per_cycle)),
            l2_outstanding=int(evidence(l2.outstanding_misses)),
            tlb_hit_cycles=float(evidence(tlb.shared_hit_cycles)),
            walk_accesses=int(evidence(tlb.walk_accesses)),
            dram_latency=float(evidence(dram.latency_ps)) * cycles_per_ps,
            dram_cycles=line * n_channels / bytes_per_s * 10**12 * cycles_per_ps,
            n_channels=n_channels,
            interleave_lines=max(1, int(evidence(dram.interleave_bytes)) // line),
            n_banks=int(evidence(dram.n_banks)),
            row_lines=max(1, int(evidence(dram.row_bytes)) // line),
            # Half of it closes the open row, half opens the other one.
            activate_cycles=float(evidence(dram.row_miss_ps)) / 2 * cycles_per_ps,
            page_seed=1,
        ),
        min_task_threads=int(evidence(manager.min_task_threads)),
        l1_lines=int(evidence(l1.size_bytes)) // line,
        l1_ways=int(evidence(l1.ways)),
        l2_lines=int(evidence(l2.size_bytes)) // line,
        l2_ways=int(evidence(l2.ways)),
        l2_slices=int(evidence(l2.n_slices)),
        tlb_entries=int(evidence(tlb.entries)),
        shared_tlb_entries=int(evidence(tlb.shared_entries)),
        shared_tlb_ways=int(evidence(tlb.shared_ways)),
        keeps_l2=evidence(manager.caches_between_jobs) == "kept",
    )


def memory_state(figures: DetailedFigures, before: MemoryState | None = None) -> MemoryState:
    """Return the memory as a job finds it: idle servers, and what the job `before` left.

    Translations stay; L2 stays where the driver does not invalidate it, cleaned; L1 is empty.
    """
    n_cores = figures.core.n_cores
    slices = figures.l2_slices
    memory = figures.memory
    shared_ways = figures.shared_tlb_ways if figures.shared_tlb_entries else 0
    l2 = empty_caches(slices, figures.l2_lines // slices, figures.l2_ways)
    tlb = empty_caches(n_cores, figures.tlb_entries, figures.tlb_entries)
    shared_tlb = empty_caches(1, figures.shared_tlb_entries, shared_ways)
    clock = np.zeros(1, dtype=np.int64)
    if before is not None:
        clock = before.clock.copy()
        tlb, shared_tlb = settled(before.tlb), settled(before.shared_tlb)
        if figures.keeps_l2:
            l2 = settled(before.l2)
    n_banks = memory.n_channels * memory.n_banks
    return MemoryState(
        l1=empty_caches(n_cores, figures.l1_lines, figures.l1_ways),
        l2=l2,
        tlb=tlb,
        shared_tlb=shared_tlb,
        clock=clock,
        now=np.zeros(1),
        port_free=np.zeros(n_cores),
        slice_free=np.zeros(slices),
        walker_free=np.zeros(n_cores),
        dram_free=np.zeros(memory.n_channels),
        bank_free=np.zeros(n_banks),
        open_rows=np.full((n_banks, ROWS_QUEUED), -1, dtype=np.int64),
        l1_flight=np.zeros((n_cores, memory.l1_outstanding)),
        l1_turn=np.zeros(n_cores, dtype=np.int64),
        l2_flight=np.zeros(memory.l2_outstanding),
        l2_turn=np.zeros(1, dtype=np.int64),
        counts=np.zeros(N_COUNTS, dtype=np.int64),
    )


def contents_key(figures: DetailedFigures, state: MemoryState) -> bytes:
    """Return a digest of what the next job will find: equal keys, equal results."""
    digest = hashlib.sha256()
    kept = [state.tlb, state.shared_tlb]
    if figures.keeps_l2:
        kept.append(state.l2)
    for cache in kept:
        # Only the order of the uses within a set matters, not when they were.
        order = np.argsort(cache.used, axis=2, kind="stable")
        digest.update(np.take_along_axis(cache.line, order, axis=2).tobytes())
    return digest.digest()
