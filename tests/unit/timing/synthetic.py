"""A small made-up device, kernel and work for timing tests; no figure of a real GPU."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache

import numpy as np

from gpusim.compiler import kernel_from_bitcode
from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.work_count import WorkCount
from gpusim.device import load_device
from gpusim.device.quantity import Kind, Quantity
from gpusim.device.spec import SECTIONS, DeviceSpec
from gpusim.isa.cost import BLOCK_COST, KernelCost
from gpusim.lower import AddressMap, lower_launch
from gpusim.timing.work import LaunchWork
from gpusim.trace.records import Argument, ArgumentKind, Buffer, Launch, Trace

FIGURES = {
    "core.n_shader_cores": 4,
    "core.clock_khz": 500_000,
    "core.warp_width": 4,
    "core.n_arithmetic_pipes": 2,
    "core.lanes_per_pipe": 4,
    "core.max_threads": {4: 256, 8: 128, 16: 64},
    "core.max_work_groups": 64,
    "core.thread_create_per_cycle": 4,
    "core.load_store_per_cycle": 1,
    "core.load_store_bytes_per_cycle": 16,
    "core.lookup_lanes": 0,
    "core.lookups_per_cycle": 1,
    "core.arithmetic_latency_cycles": 8,
    "core.registers": 0,
    "core.register_granule": 1,
    "core.local_memory_bytes": 0,
    "core.fma_per_lane": 1,
    "core.half_fma_per_lane": 2,
    "core.load_store_operations_per_word": 1,
    "core.load_store_restart_cycles": 0,
    "core.atomics_per_cycle": 1,
    "core.texture_per_cycle": 1,
    "core.local_memory_banks": 0,
    "core.local_memory_latency_cycles": 20,
    "core.barrier_cycles": 10,
    "l1.size_bytes": 16384,
    "l1.line_bytes": 64,
    "l1.ways": 4,
    "l1.hit_latency_cycles": 20,
    "l1.bytes_per_cycle": 64,
    "l1.outstanding_misses": 16,
    "l1.n_slices": 1,
    "l1.sector_bytes": 64,
    "l1.write_policy": "write_back",
    "l2.size_bytes": 262144,
    "l2.line_bytes": 64,
    "l2.ways": 8,
    "l2.hit_latency_cycles": 80,
    "l2.bytes_per_cycle": 16,
    "l2.outstanding_misses": 64,
    "l2.n_slices": 1,
    "l2.sector_bytes": 64,
    "l2.write_policy": "write_back",
    "tlb.page_bytes": 4096,
    "tlb.entries": 48,
    "tlb.miss_cycles": 40,
    "tlb.shared_entries": 256,
    "tlb.shared_ways": 4,
    "tlb.shared_hit_cycles": 20,
    "tlb.walk_accesses": 2,
    "dram.peak_bytes_per_s": 10_000_000_000,
    "dram.efficiency": 0.5,
    "dram.latency_ps": 200_000,
    "dram.bus_bytes_per_cycle": 16,
    "dram.n_channels": 2,
    "dram.n_banks": 8,
    "dram.row_bytes": 2048,
    "dram.burst_bytes": 32,
    "dram.row_miss_ps": 40_000,
    "dram.interleave_bytes": 256,
    "host.launch_latency_ps": 60_000_000,
    "host.enqueue_ps": 20_000_000,
    "host.submit_ps": 30_000_000,
    "host.mmio_access_ps": 200_000,
    "host.mmio_writes_per_submit": 7,
    "host.mmio_reads_per_submit": 1,
    "host.mmio_accesses_per_interrupt": 5,
    "host.interrupt_ps": 5_000_000,
    "host.interrupt_spacing_ps": 20_000_000,
    "host.wakeup_ps": 15_000_000,
    "host.flush_period": 0,
    "host.power_on_ps": 100_000_000,
    "host.power_off_idle_ps": 400_000_000,
    "job_manager.n_slots": 1,
    "job_manager.slot_depth": 2,
    "job_manager.queue_order": "hardware",
    "job_manager.descriptor_fetch_ps": 300_000,
    "job_manager.task_dispatch_cycles": 20,
    "job_manager.task_start_cycles": 30,
    "job_manager.min_task_threads": 32,
    "job_manager.caches_between_jobs": "invalidated",
    "job_manager.cache_flush_fixed_cycles": 500,
    "job_manager.cache_flush_bytes_per_cycle": 16,
    "limits.max_work_group_size": 256,
    "limits.global_memory_bytes": 1 << 30,
    "limits.max_allocation_bytes": 1 << 29,
    "policy.null_local_size": "power_of_two_divisors_64",
    "policy.job_split": "uniform_and_remainder",
    "policy.buffer_alignment_bytes": 128,
}


def device(family: str = "bifrost", **changes) -> DeviceSpec:
    """Build the device; `changes` are figures with ``__`` for the dot."""
    values = FIGURES | {path.replace("__", "."): value for path, value in changes.items()}
    if family == "midgard":
        values = values | {"core.warp_width": 1, "core.thread_create_per_cycle": 1}
    sections = {}
    # Figures that no timing test depends on are those of some device that ships.
    other = load_device("mali-g72").figures()
    for section, cls in SECTIONS.items():
        quantities = {}
        for item in fields(cls):
            path = f"{section}.{item.name}"
            value = values.get(path, other[path].value)
            quantities[item.name] = Quantity(
                path=path,
                value=value,
                given=value,
                unit="count",
                source=("made_up",),
                kind=Kind.ASSUMED,
            )
        sections[section] = cls(**quantities)
    return DeviceSpec(
        id="synthetic",
        name="Synthetic",
        board="none",
        family=family,
        isa=family,
        sources={"made_up": "tests"},
        file="synthetic.yaml",
        **sections,
    )


def scaled(spec: DeviceSpec, k: float) -> DeviceSpec:
    """Return `spec` with every clock and bandwidth times k and every fixed time over k."""
    sections = {}
    for section, cls in SECTIONS.items():
        changed = {}
        for item in fields(cls):
            quantity = getattr(getattr(spec, section), item.name)
            value = quantity.value
            if item.name.endswith("_khz") or item.name.endswith("_per_s"):
                value = value * k
            elif item.name.endswith("_ps"):
                value = value / k
            changed[item.name] = replace(quantity, value=value)
        sections[section] = cls(**changed)
    return replace(spec, **sections)


@cache
def kernel_ir(*, loads: int = 2, stores: int = 1, has_barrier: bool = False) -> KernelIR:
    """Return a kernel of three blocks: entry, a loop with some 4-byte accesses, exit.

    Iteration t of work-item i loads ``a[(i + t) % n]`` and stores to ``b[i + k]``: the addresses
    of the loads move by one element per iteration, those of the stores stand still.
    """
    body = []
    for k in range(loads):
        body += [
            f"  %la{k} = getelementptr float, ptr addrspace(1) %0, i64 %sum",
            f"  %l{k} = getelementptr i8, ptr addrspace(1) %la{k}, i64 {1024 * k}",
            f"  %v{k} = load float, ptr addrspace(1) %l{k}, align 4",
        ]
    for k in range(stores):
        body += [
            f"  %sa{k} = getelementptr float, ptr addrspace(1) %1, i64 %i",
            f"  %s{k} = getelementptr i8, ptr addrspace(1) %sa{k}, i64 {1024 * k}",
            f"  store float 1.0, ptr addrspace(1) %s{k}, align 4",
        ]
    if has_barrier:
        body.append("  call void @_Z7barrierj(i32 1)")
    text = "\n".join(
        [
            'target triple = "spir64"',
            "define void @made_up(ptr addrspace(1) %0, ptr addrspace(1) %1, i64 %2) {",
            "  %i = call i64 @_Z13get_global_idj(i32 0)",
            "  br label %body",
            "body:",
            "  %t = phi i64 [ 0, %3 ], [ %next, %body ]",
            "  %sum = add i64 %i, %t",
            *body,
            "  %next = add i64 %t, 1",
            "  %more = icmp slt i64 %next, %2",
            "  br i1 %more, label %body, label %exit",
            "exit:",
            "  ret void",
            "}",
            "declare i64 @_Z13get_global_idj(i32)",
            "declare void @_Z7barrierj(i32)",
            "",
        ]
    )
    return kernel_from_bitcode(text.encode(), "made_up", where="made-up")


def kernel_cost(*, issue: float = 10.0, load_store: float = 3.0, registers: int = 4) -> KernelCost:
    """Return costs for `kernel_ir`: entry and exit are free, the body as given."""
    blocks = np.zeros(3, dtype=BLOCK_COST)
    blocks["issue_cycles"][1] = blocks["issue_units"][1] = issue
    blocks["arithmetic_instructions"][1] = 2 * issue
    blocks["load_store"][1] = blocks["load_store_cycles"][1] = load_store
    blocks["latency_cycles"][1] = 8 * issue + 20 * load_store
    return KernelCost(isa="made_up", unit="tuples", registers=registers, blocks=blocks)


def launch_work(
    spec: DeviceSpec,
    *,
    global_size=(1024, 1, 1),
    local_size=(64, 1, 1),
    trips: int = 10,
    index: int = 0,
    buffer_bytes: int | None = None,
    ir: KernelIR | None = None,
    cost: KernelCost | None = None,
    class_factors: tuple[int, ...] = (1,),
) -> LaunchWork:
    """Lower a launch for `spec`; each work-item runs the body `trips` times.

    Buffers are as large as the accesses need unless `buffer_bytes` says otherwise. With several
    `class_factors`, consecutive groups cycle through classes that do that many
    times the work.
    """
    ir = ir or kernel_ir()
    cost = cost or kernel_cost()
    if buffer_bytes is None:
        buffer_bytes = 4 * (global_size[0] + trips * max(class_factors)) + 16384
    buffers = {i: Buffer(id=i, size_bytes=buffer_bytes) for i in (1, 2)}
    arguments = tuple(
        Argument(index=i, kind=ArgumentKind.BUFFER, size_bytes=8, ref=i + 1) for i in range(2)
    )
    value = max(trips, 0).to_bytes(8, "little")
    arguments += (Argument(index=2, kind=ArgumentKind.VALUE, size_bytes=8, value=value),)
    launch = Launch(
        index=index,
        seq=index,
        kernel=ir.name,
        program=0,
        work_dim=3,
        global_size=global_size,
        local_size=local_size,
        arguments=arguments,
    )
    trace = Trace(name="made-up", buffers=buffers, launches=(launch,))
    jobs = lower_launch(launch, trace, spec, AddressMap.from_trace(trace, spec))
    counts = []
    for job in jobs:
        class_blocks = np.array(
            [
                [job.group_items, job.group_items * trips * factor, job.group_items]
                for factor in class_factors
            ],
            dtype=np.int64,
        )
        n_class = len(class_factors)
        if n_class == 1:
            runs = np.array([[0, job.n_work_groups]], dtype=np.int64)
        else:
            classes = np.arange(job.n_work_groups) % n_class
            runs = np.stack([classes, np.ones_like(classes)], axis=1).astype(np.int64)
        counts.append(
            WorkCount(
                kernel=ir,
                local_size=job.local_size,
                n_work_groups=job.n_work_groups,
                n_work_items=job.n_work_items,
                class_blocks=class_blocks,
                class_runs=runs,
                mode="slice",
                bounds="proven",
            )
        )
    return LaunchWork(launch=launch, jobs=jobs, counts=tuple(counts), cost=cost)
