"""What a device model states: frozen, every figure a :class:`Quantity` with its evidence.

The suffix of a field is the canonical unit of its value. One schema serves all families; a
field that a family lacks (warps on Midgard, arithmetic pipes on NVIDIA) is documented below.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from gpusim.device.quantity import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreSpec:
    """Shader cores (an NVIDIA SM is a shader core)."""

    n_shader_cores: Quantity
    clock_khz: Quantity
    warp_width: Quantity
    """Work-items issued together; 1 on Midgard."""
    n_arithmetic_pipes: Quantity
    """Midgard A-pipes, Bifrost execution engines, NVIDIA warp schedulers, per core."""
    lanes_per_pipe: Quantity
    """Work-items a pipe serves per cycle (1 on Midgard, 4 on G72, 32 on NVIDIA)."""
    max_threads: Quantity
    """Table {registers per thread (upper bound): resident work-items per core}."""
    max_work_groups: Quantity
    """Resident work-groups per core."""
    thread_create_per_cycle: Quantity
    """Work-items started per cycle and core."""
    load_store_per_cycle: Quantity
    """Load/store operations (Midgard: per work-item; else: per warp message) per cycle, core."""
    load_store_bytes_per_cycle: Quantity
    lookup_lanes: Quantity
    """Work-items of a warp whose addresses L1 looks up together, for as many cycles as they need
    lines or beats; 0 = the whole warp (NVIDIA's texture path takes four)."""
    lookups_per_cycle: Quantity
    """Such groups of work-items looked up per cycle and core."""
    arithmetic_latency_cycles: Quantity
    """Dependent issue latency of the arithmetic pipe."""
    registers: Quantity
    """Registers per core that limit residency (NVIDIA); 0 where `max_threads` says it all."""
    register_granule: Quantity
    """Registers of a work-item are allocated in multiples of this."""
    local_memory_bytes: Quantity
    """On-chip local memory per core; 0 where local memory is ordinary cached memory."""
    fma_per_lane: Quantity
    """fp32 multiply-adds of one lane per cycle (4 on Midgard's vector pipe, else 1)."""
    half_fma_per_lane: Quantity
    """fp16 multiply-adds of one lane per cycle, with packed operands; 0 = no fp16."""
    load_store_operations_per_word: Quantity
    """Operations that one load/store issue may hold (2 in a Midgard word, else 1)."""
    load_store_restart_cycles: Quantity
    """Extra load/store cycles of a word that misses L1 and is issued again (Midgard)."""
    atomics_per_cycle: Quantity
    """Atomic operations (work-items) per cycle and core."""
    texture_per_cycle: Quantity
    """Image reads or writes (work-items) per cycle and core."""
    local_memory_banks: Quantity
    """Banks of 4 bytes of the on-chip local memory; 0 where there is none."""
    local_memory_latency_cycles: Quantity
    barrier_cycles: Quantity
    """From the last arrival at a barrier to the next issue."""
    issue_per_pipe: Quantity
    """Instructions of one warp (Midgard: words of one work-item) that a pipe can issue in one
    cycle; 2 = dual issue, to different units."""
    issue_efficiency: Quantity
    """Share of the cycles in which a busy arithmetic pipe issues; 1 = no loss is known."""
    clause_switch_cycles: Quantity
    """Cycles a pipe loses between clauses of different warps; 0 where there are no clauses."""
    messages_in_flight: Quantity
    """Memory messages that one warp (work-item) may wait for at the same time."""
    instruction_cache_bytes: Quantity
    """First-level instruction cache; 0 = not known, taken as large enough."""
    texture_cache_bytes: Quantity
    """Cache of image reads; 0 = they go through L1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSpec:
    """One cache level; per core for L1, shared for L2."""

    size_bytes: Quantity
    line_bytes: Quantity
    ways: Quantity
    hit_latency_cycles: Quantity
    """From the issue of a load to the use of its result; L2's includes the miss in L1."""
    bytes_per_cycle: Quantity
    """Throughput towards the cores: per core for L1, per core for L2 too."""
    outstanding_misses: Quantity
    """Lines in flight: per core for L1, in all for L2."""
    n_slices: Quantity
    """Parts that serve one access a cycle each, chosen by address."""
    sector_bytes: Quantity
    """Unit of a fill; equal to the line where lines have no sectors."""
    write_policy: Quantity
    """``write_back`` or ``write_through``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlbSpec:
    """Address translation: a small buffer per core, a shared one, a walker behind it."""

    page_bytes: Quantity
    entries: Quantity
    """Pages that the buffer of one core holds."""
    miss_cycles: Quantity
    """Cost of a miss in the core's buffer, all levels behind it lumped together."""
    shared_entries: Quantity
    """Pages that the shared buffer holds; 0 = none."""
    shared_ways: Quantity
    """Entries of the shared buffer among which a page may lie."""
    shared_hit_cycles: Quantity
    """Cost of a miss in the core's buffer that hits the shared one."""
    walk_accesses: Quantity
    """Table entries read from L2 by one walk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DramSpec:
    """External memory."""

    peak_bytes_per_s: Quantity
    efficiency: Quantity
    """Achievable share of the peak, 0..1."""
    latency_ps: Quantity
    """From an L2 miss to its line in L2, unloaded; the L2 hit latency is not part of it."""
    bus_bytes_per_cycle: Quantity
    """Bus between one L2 (all slices) and memory, per GPU cycle."""
    n_channels: Quantity
    n_banks: Quantity
    """Per channel."""
    row_bytes: Quantity
    """Row (page) of one bank of one channel."""
    burst_bytes: Quantity
    """Smallest transfer of one channel."""
    row_miss_ps: Quantity
    """Precharge and activate, beyond an access to an open row."""
    interleave_bytes: Quantity
    """Consecutive bytes on one channel before the next one follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """CPU and driver side of a launch."""

    launch_latency_ps: Quantity
    """CL_PROFILING START - QUEUED of a launch on an idle, powered GPU. Not a cost by itself:
    `enqueue_ps`, `submit_ps`, the register accesses of a submission, the descriptor fetch and
    the fixed cache flush add up to it."""
    enqueue_ps: Quantity
    """CPU time of one clEnqueueNDRangeKernel."""
    submit_ps: Quantity
    """System call and submission of one flush group."""
    mmio_access_ps: Quantity
    mmio_writes_per_submit: Quantity
    mmio_reads_per_submit: Quantity
    mmio_accesses_per_interrupt: Quantity
    interrupt_ps: Quantity
    """From the end of a job to the interrupt handler's end."""
    interrupt_spacing_ps: Quantity
    """Completions closer than this share one interrupt."""
    wakeup_ps: Quantity
    """From the interrupt to the waiting host thread."""
    flush_period: Quantity
    """Enqueues after which the driver flushes by itself; 0 = only on demand."""
    power_on_ps: Quantity
    power_off_idle_ps: Quantity
    """Idle time after which the GPU powers down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobManagerSpec:
    """The hardware that turns a job into tasks on cores."""

    n_slots: Quantity
    n_compute_slots: Quantity
    """Slots that may run compute jobs at the same time."""
    slot_depth: Quantity
    """Jobs a slot holds: the running one and the next."""
    descriptor_fetch_ps: Quantity
    task_dispatch_cycles: Quantity
    """Per task, one dispatcher for all cores."""
    task_start_cycles: Quantity
    """From the dispatch of a task to its first issue on the core."""
    min_task_threads: Quantity
    """Small work-groups are handed out together, up to this many work-items."""
    queue_order: Quantity
    """Who holds back a command of an in-order queue until the previous one has ended:
    ``processor`` (the driver submits it after the interrupt) or ``hardware``."""
    caches_between_jobs: Quantity
    """``invalidated`` (the driver asks for it) or ``kept`` (L2 cleaned, its lines stay)."""
    cache_flush_fixed_cycles: Quantity
    cache_flush_bytes_per_cycle: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSpec:
    """What the OpenCL driver allows."""

    max_work_group_size: Quantity
    global_memory_bytes: Quantity
    max_allocation_bytes: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySpec:
    """Names of driver policies; each is a function in `lower`."""

    null_local_size: Quantity
    """``mali_g72`` | ``power_of_two_divisors_64`` | ``power_of_two_divisors_256``."""
    job_split: Quantity
    """``uniform_and_remainder`` (Mali) | ``none`` (padded or refused)."""
    buffer_alignment_bytes: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """A device model, loaded and checked."""

    id: str
    name: str
    """CL_DEVICE_NAME of the device."""
    board: str
    family: str
    """``midgard``, ``bifrost``, ``valhall``, ``maxwell``, ``pascal`` or ``adreno``."""
    isa: str
    """Name of the ISA back end."""
    core: CoreSpec
    l1: CacheSpec
    l2: CacheSpec
    tlb: TlbSpec
    dram: DramSpec
    host: HostSpec
    job_manager: JobManagerSpec
    limits: LimitsSpec
    policy: PolicySpec
    sources: dict[str, str]
    """Source key -> citation, of the keys that the figures use."""
    file: str
    """File it was read from, for messages."""
    gpu: str = ""
    """Id of the GPU: equal for two views of one GPU (``mali-t628``, ``mali-t628:mp2``), which
    share clock, address translation, job manager and DRAM."""
    view: str = ""
    """Part of `id` after the colon; empty for the GPU's main view."""

    def figures(self) -> dict[str, Quantity]:
        """Return every figure by path (``l2.size_bytes``), in the order of the sections."""
        return {
            f"{section}.{field.name}": getattr(getattr(self, section), field.name)
            for section in SECTIONS
            for field in fields(getattr(self, section))
        }

    def peak_flops(self, *, half: bool = False) -> int:
        """Return the peak rate of multiply-adds in operations per second.

        Parameters
        ----------
        half : bool
            fp16 with packed operands instead of fp32; 0 where the device has no fp16.

        Returns
        -------
        int
            2 x cores x pipes x lanes x multiply-adds per lane x clock.
        """
        core = self.core
        per_lane = core.half_fma_per_lane if half else core.fma_per_lane
        lanes = core.n_shader_cores.value * core.n_arithmetic_pipes.value
        lanes *= core.lanes_per_pipe.value
        return int(2 * lanes * per_lane.value * core.clock_khz.value * 1000)


SECTIONS: dict[str, type[Any]] = {
    "core": CoreSpec,
    "l1": CacheSpec,
    "l2": CacheSpec,
    "tlb": TlbSpec,
    "dram": DramSpec,
    "host": HostSpec,
    "job_manager": JobManagerSpec,
    "limits": LimitsSpec,
    "policy": PolicySpec,
}
"""Sections of a device model, in the order in which they are shown."""
