"""The hardware figures that `analytic` and `wave` rest on, as plain numbers.

Every one is read through the evidence log, so a timeline can list what it assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpusim.device.quantity import Evidence
from gpusim.device.spec import DeviceSpec
from gpusim.units import PS_PER_S, cycles_to_ps


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFigures:
    """CPU and driver side; times in ps."""

    enqueue_ps: int
    submit_ps: int
    register_writes_per_submit: int
    register_reads_per_submit: int
    registers_ps: int
    """All register accesses of one submission."""
    accesses_per_interrupt: int
    interrupt_ps: int
    interrupt_gap_ps: int
    """From one interrupt to the earliest next one: the hardware's spacing or the handler."""
    wakeup_ps: int
    flush_period: int
    power_on_ps: int
    power_off_idle_ps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFigures:
    """GPU side; cycles are of the GPU clock, one clock for all parts."""

    family: str
    clock_khz: int
    n_cores: int
    warp_width: int
    n_pipes: int
    issue_efficiency: float
    """Share of the cycles in which a busy arithmetic pipe issues."""
    max_threads: tuple[tuple[int, int], ...]
    """(registers, threads), ascending."""
    max_work_groups: int
    registers: int
    register_granule: int
    local_memory_bytes: int
    thread_create_per_cycle: float
    load_store_per_cycle: float
    """Operations, those that share an issue slot counted each."""
    load_store_restart_cycles: float
    load_store_bytes_per_cycle: float
    texture_per_cycle: float
    fill_bytes: int
    """What one miss brings: a line, or a sector where lines have sectors."""
    l1_fills: float
    """Capacity in fills."""
    l1_line_bytes: int
    l1_bytes_per_cycle: float
    l1_sector_bytes: int
    lookup_lanes: int
    """Work-items of a warp looked up together in L1, 0 = all."""
    lookups_per_cycle: int
    local_banks: int
    """Of on-chip local memory, 4 bytes each; 0 = local memory is cached memory."""
    l1_outstanding_misses: int
    page_bytes: int
    tlb_entries: int
    tlb_hit_cycles: float
    """Of a miss in a core's buffer that hits the shared one."""
    shared_tlb_entries: int
    walk_cycles: float
    """Of a miss in both."""
    l2_latency_cycles: float
    """Of an L2 hit, beyond an L1 hit."""
    l2_bytes_per_cycle: float
    l2_size_bytes: int
    dram_bytes_per_s: float
    """Achievable: the peak's efficient share, or what the misses in flight can ask for."""
    dram_latency_ps: int
    compute_slot: int
    """Job slot that compute jobs go through."""
    slot_depth: int
    processor_orders: bool
    """Whether the driver holds back a launch until the one before it has ended."""
    descriptor_fetch_ps: int
    task_dispatch_cycles: float
    task_start_cycles: float
    min_task_threads: int
    flush_fixed_cycles: float
    flush_bytes_per_cycle: float

    @property
    def cycle_ps(self) -> float:
        """Length of a GPU cycle."""
        return 10**9 / self.clock_khz

    @property
    def dram_ps_per_byte(self) -> float:
        """Time one byte occupies external memory."""
        return PS_PER_S / self.dram_bytes_per_s

    @property
    def has_warps(self) -> bool:
        """Whether work-items are issued in warps; Midgard runs each thread by itself."""
        return self.warp_width > 1

    @property
    def whole_groups(self) -> bool:
        """Whether a core takes work-groups only whole, with or without barriers.

        NVIDIA and Adreno allocate registers and local memory per group; a Mali core without a
        barrier to honour starts threads or warps as slots become free.
        """
        return self.family in ("maxwell", "pascal", "adreno")

    def ps(self, cycles: float) -> int:
        """Return a duration in ps, rounded to nearest."""
        return cycles_to_ps(cycles, self.clock_khz)


def read_host(device: DeviceSpec, evidence: Evidence) -> HostFigures:
    """Read the figures of the CPU and driver side."""
    host = device.host
    mmio_ps = evidence(host.mmio_access_ps)
    writes = int(evidence(host.mmio_writes_per_submit))
    reads = int(evidence(host.mmio_reads_per_submit))
    interrupt_ps = round(evidence(host.interrupt_ps))
    return HostFigures(
        enqueue_ps=round(evidence(host.enqueue_ps)),
        submit_ps=round(evidence(host.submit_ps)),
        register_writes_per_submit=writes,
        register_reads_per_submit=reads,
        registers_ps=round(mmio_ps * (writes + reads)),
        accesses_per_interrupt=int(evidence(host.mmio_accesses_per_interrupt)),
        interrupt_ps=interrupt_ps,
        interrupt_gap_ps=max(round(evidence(host.interrupt_spacing_ps)), interrupt_ps),
        wakeup_ps=round(evidence(host.wakeup_ps)),
        flush_period=int(evidence(host.flush_period)),
        power_on_ps=round(evidence(host.power_on_ps)),
        power_off_idle_ps=round(evidence(host.power_off_idle_ps)),
    )


def read_gpu(device: DeviceSpec, evidence: Evidence, clock_khz: int | None = None) -> GpuFigures:
    """Read the figures of the GPU; `clock_khz` replaces the model's clock."""
    core, l1, l2, manager = device.core, device.l1, device.l2, device.job_manager
    table = evidence(core.max_threads)
    clock = clock_khz if clock_khz is not None else evidence(core.clock_khz)
    peak = evidence(device.dram.peak_bytes_per_s)
    l1_latency = evidence(l1.hit_latency_cycles)
    fill_bytes = int(evidence(l2.sector_bytes))
    latency_ps = round(evidence(device.dram.latency_ps))
    # So many misses in flight, each for a latency: more bandwidth cannot be asked for.
    asked = PS_PER_S * evidence(l2.outstanding_misses) * fill_bytes / max(latency_ps, 1)
    return GpuFigures(
        family=device.family,
        clock_khz=round(clock),
        n_cores=int(evidence(core.n_shader_cores)),
        warp_width=int(evidence(core.warp_width)),
        n_pipes=int(evidence(core.n_arithmetic_pipes)),
        issue_efficiency=float(evidence(core.issue_efficiency)),
        max_threads=tuple(sorted((int(k), int(v)) for k, v in table.items())),
        max_work_groups=int(evidence(core.max_work_groups)),
        registers=int(evidence(core.registers)),
        register_granule=int(evidence(core.register_granule)),
        local_memory_bytes=int(evidence(core.local_memory_bytes)),
        thread_create_per_cycle=float(evidence(core.thread_create_per_cycle)),
        load_store_per_cycle=float(
            evidence(core.load_store_per_cycle) * evidence(core.load_store_operations_per_word)
        ),
        load_store_restart_cycles=float(evidence(core.load_store_restart_cycles)),
        load_store_bytes_per_cycle=float(evidence(core.load_store_bytes_per_cycle)),
        texture_per_cycle=float(evidence(core.texture_per_cycle)),
        fill_bytes=fill_bytes,
        l1_fills=evidence(l1.size_bytes) / fill_bytes,
        l1_line_bytes=int(evidence(l1.line_bytes)),
        l1_bytes_per_cycle=float(evidence(l1.bytes_per_cycle)),
        l1_sector_bytes=int(evidence(l1.sector_bytes)),
        lookup_lanes=int(evidence(core.lookup_lanes)),
        lookups_per_cycle=int(evidence(core.lookups_per_cycle)),
        local_banks=int(evidence(core.local_memory_banks)),
        l1_outstanding_misses=int(evidence(l1.outstanding_misses)),
        page_bytes=int(evidence(device.tlb.page_bytes)),
        tlb_entries=int(evidence(device.tlb.entries)),
        tlb_hit_cycles=float(evidence(device.tlb.shared_hit_cycles)),
        shared_tlb_entries=int(evidence(device.tlb.shared_entries)),
        walk_cycles=float(evidence(device.tlb.miss_cycles)),
        l2_latency_cycles=max(0.0, float(evidence(l2.hit_latency_cycles)) - l1_latency),
        l2_bytes_per_cycle=float(evidence(l2.bytes_per_cycle)),
        l2_size_bytes=int(evidence(l2.size_bytes)),
        dram_bytes_per_s=float(min(asked, peak * evidence(device.dram.efficiency))),
        dram_latency_ps=latency_ps,
        # A job bound to the second core group of a GPU goes through the second compute slot.
        compute_slot=2 if device.view and evidence(manager.n_compute_slots) > 1 else 1,
        slot_depth=int(evidence(manager.slot_depth)),
        processor_orders=evidence(manager.queue_order) == "processor",
        descriptor_fetch_ps=round(evidence(manager.descriptor_fetch_ps)),
        task_dispatch_cycles=float(evidence(manager.task_dispatch_cycles)),
        task_start_cycles=float(evidence(manager.task_start_cycles)),
        min_task_threads=int(evidence(manager.min_task_threads)),
        flush_fixed_cycles=float(evidence(manager.cache_flush_fixed_cycles)),
        flush_bytes_per_cycle=float(evidence(manager.cache_flush_bytes_per_cycle)),
    )
