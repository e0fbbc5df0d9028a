"""What a job demands of each part of the GPU: the input of `analytic` and `wave`.

Consecutive work-groups of similar work form a *segment*. Its figures are the means over its
groups, exact in sum: a segment's total demand is that of the groups it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gpusim.count.work_count import WorkCount
from gpusim.isa.cost import KernelCost
from gpusim.lower.job import Job
from gpusim.timing.figures import GpuFigures
from gpusim.timing.memory_traffic import Traffic
from gpusim.timing.residency import residency
from gpusim.timing.traffic_memo import TrafficMemo
from gpusim.timing.work import LaunchWork

THROUGHPUT = (
    "arithmetic",
    "load_store",
    "special",
    "texture",
    "l2",
    "translation",
    "thread_creation",
)
"""Parts of a core that serve one resident work-group after the other."""

MAX_SEGMENTS = 8
"""Per region. More runs of classes than this are cut into that many pieces of equal length."""

SEGMENT = np.dtype(
    [
        ("n_groups", np.int64),
        ("groups_per_task", np.int64),
        ("units_per_group", np.int64),  # threads (Midgard) or warps
        ("resident_units", np.int64),  # that a core holds
        *((name, np.float64) for name in THROUGHPUT),  # ps per group
        ("latency", np.float64),  # ps from first to last issue of one unit, mean
        ("longest", np.float64),  # ps, the slowest class of the segment
        ("dram_bytes", np.float64),  # per group, both directions
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWork:
    """Totals of a job, for counters and for the flush at its end."""

    work_items: int
    work_groups: int
    tasks: int
    warps: int
    """0 on Midgard."""
    issue_units: int
    arithmetic_instructions: int
    load_store: int
    texture: int
    l2_read_bytes: int
    l2_write_bytes: int
    dram_read_bytes: int
    dram_write_bytes: int
    flushed_bytes: int
    """Part of the written bytes that stays in L2 until the flush at the job's end."""
    tlb_misses: int
    l1_lookups: int = 0
    """Lines looked up; 0 where the model does not follow single accesses."""
    l1_misses: int = 0
    l2_lookups: int = 0
    l2_misses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDemand:
    """One submission to the job manager, with the regions that run as one job."""

    jobs: tuple[Job, ...]
    segments: npt.NDArray[np.void]
    """(n_segment,) SEGMENT in the order in which groups are handed out."""
    work: JobWork
    notes: tuple[str, ...] = ()

    @property
    def n_tasks(self) -> int:
        """Tasks handed to cores."""
        return self.work.tasks


def launch_demand(
    work: LaunchWork, figures: GpuFigures, memo: TrafficMemo | None = None
) -> tuple[JobDemand, ...]:
    """Return the submissions of a launch; joined regions share one."""
    memo = memo or TrafficMemo()
    regions = [
        _region(job, count, work.cost, figures, memo)
        for job, count in zip(work.jobs, work.counts, strict=True)
    ]
    submissions: list[list[JobDemand]] = []
    for region in regions:
        if submissions and region.jobs[0].joined:
            submissions[-1].append(region)
        else:
            submissions.append([region])
    return tuple(_join(parts) for parts in submissions)


def _join(parts: list[JobDemand]) -> JobDemand:
    if len(parts) == 1:
        return parts[0]
    totals = {
        item.name: sum(getattr(part.work, item.name) for part in parts) for item in fields(JobWork)
    }
    return JobDemand(
        jobs=tuple(part.jobs[0] for part in parts),
        segments=np.concatenate([part.segments for part in parts]),
        work=JobWork(**totals),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _region(
    job: Job, count: WorkCount, cost: KernelCost, figures: GpuFigures, memo: TrafficMemo
) -> JobDemand:
    """Return the demand of one region."""
    resident = residency(
        figures,
        group_items=job.group_items,
        registers=cost.registers,
        has_barrier=count.kernel.has_barrier,
        local_bytes=local_bytes(job, count),
    )
    traffic = memo.traffic(job, count, figures, resident)
    issued = _unit_executions(count, job.group_items, figures)
    per_group = {name: issued @ cost.blocks[name] for name in cost.blocks.dtype.names or ()}
    groups = count.class_groups.astype(np.float64)
    in_phase = resident.resident_units
    if count.kernel.has_barrier:
        here = -(-job.n_work_groups // figures.n_cores)
        in_phase = min(here, resident.resident_units // resident.units_per_group)
    # One message may stand for several accesses, which then meet the same conflicts.
    conflicts = issued @ (traffic.bank_conflicts * _messages_per_access(count, cost))
    per_group["load_store_cycles"] = per_group["load_store_cycles"] + conflicts
    per_class, moved = _class_rows(
        per_group, traffic, groups, figures, units=resident.units_per_group, in_phase=in_phase
    )
    groups_per_task = max(1, figures.min_task_threads // job.group_items)
    segments = _segments(count.class_runs, per_class)
    segments["groups_per_task"] = groups_per_task
    segments["units_per_group"] = resident.units_per_group
    segments["resident_units"] = resident.resident_units

    def total(values: npt.NDArray[np.float64]) -> int:
        return round(float(groups @ values))

    n_tasks = int((-(-segments["n_groups"] // groups_per_task)).sum())
    return JobDemand(
        jobs=(job,),
        segments=segments,
        work=JobWork(
            work_items=job.n_work_items,
            work_groups=job.n_work_groups,
            tasks=n_tasks,
            warps=resident.units_per_group * job.n_work_groups if figures.has_warps else 0,
            issue_units=total(per_group["issue_units"]),
            arithmetic_instructions=total(per_group["arithmetic_instructions"]),
            load_store=total(per_group["load_store"]),
            texture=total(per_group["texture"]),
            l2_read_bytes=moved.l2_read_bytes,
            l2_write_bytes=moved.l2_write_bytes,
            dram_read_bytes=moved.dram_read_bytes,
            dram_write_bytes=moved.dram_write_bytes,
            flushed_bytes=moved.flushed_bytes,
            tlb_misses=round(traffic.tlb_misses),
        ),
        notes=(*((resident.note,) if resident.note else ()), *cost.notes),
    )


def _messages_per_access(count: WorkCount, cost: KernelCost) -> npt.NDArray[np.float64]:
    """Return (n_block,) messages of a block over the accesses of its IR, at most 1."""
    rows = count.kernel.instructions
    accesses = np.bincount(
        rows["block"][rows["access_bytes"] > 0], minlength=len(cost.blocks)
    ).astype(np.float64)
    ratio: npt.NDArray[np.float64] = cost.blocks["load_store"] / np.maximum(accesses, 1.0)
    return np.minimum(1.0, ratio)


def local_bytes(job: Job, count: WorkCount) -> int:
    """Return the local memory of one group: variables of the kernel and local arguments."""
    arguments = sum(bound.size_bytes for bound in job.arguments if bound.argument.kind == "local")
    return count.kernel.local_memory_bytes + arguments


def _unit_executions(
    count: WorkCount, group_items: int, figures: GpuFigures
) -> npt.NDArray[np.float64]:
    """Return (n_class, n_block) block executions per group, by thread or by warp.

    A warp executes a block once for all lanes that reach it together. Classes of which groups ran
    in lock-step, under the reconvergence policy of the device's ISA, have the issues counted
    there; others issue more than full warps would in the proportion of the job's SIMT efficiency.
    Without lock-step runs lanes are taken to reach a block together, as they do without
    divergence.
    """
    executions = count.class_blocks.astype(np.float64)
    if not figures.has_warps:
        return executions
    width = figures.warp_width
    n_warps = -(-group_items // width)
    filled = group_items / (n_warps * width)
    efficiency = filled
    if int(count.simt.get("warp_width", 0)) == width:
        efficiency = min(filled, count.simt.get("efficiency", filled)) or filled
    issued = executions / (width * efficiency)
    if count.lockstep is None or count.lockstep.warp_width != width:
        return issued
    ran = count.lockstep.class_issues(len(executions))
    return np.where(np.isnan(ran), issued, ran)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    """Bytes a job moves, in whole lines."""

    l2_read_bytes: int
    l2_write_bytes: int
    dram_read_bytes: int
    dram_write_bytes: int
    flushed_bytes: int


def _moved(traffic: Traffic, figures: GpuFigures) -> _Moved:
    line = figures.fill_bytes
    written = round(traffic.l2_store_misses) * line
    return _Moved(
        l2_read_bytes=round(traffic.l1_load_misses) * line,
        l2_write_bytes=round(traffic.l1_store_misses) * line,
        dram_read_bytes=round(traffic.l2_load_misses) * line,
        dram_write_bytes=written,
        flushed_bytes=min(written, figures.l2_size_bytes),
    )


def _class_rows(
    per_group: dict[str, npt.NDArray[np.float64]],
    traffic: Traffic,
    groups: npt.NDArray[np.float64],
    figures: GpuFigures,
    *,
    units: int,
    in_phase: int,
) -> tuple[npt.NDArray[np.void], _Moved]:
    """Return (n_class,) SEGMENT rows for one group of each class, and the bytes of the job.

    Memory traffic is an estimate for the whole job; classes share it by the bytes they access.
    """
    rows = np.zeros(len(groups), dtype=SEGMENT)
    cycle_ps = figures.cycle_ps
    moved = _moved(traffic, figures)
    accessed = float(groups @ traffic.accessed_bytes)
    share = traffic.accessed_bytes / accessed if accessed else np.zeros(len(groups))
    misses = traffic.l1_load_misses + traffic.l1_store_misses
    beyond = (traffic.l2_load_misses + traffic.l2_store_misses) / misses if misses else 0.0
    load_store = np.maximum(
        per_group["load_store_cycles"], per_group["load_store"] / figures.load_store_per_cycle
    )
    if not figures.has_warps:
        # Threads issue one by one, so every byte they move passes the pipe; lanes of a warp
        # that read the same word share it.
        bytes_cycles = traffic.accessed_bytes / figures.load_store_bytes_per_cycle
        load_store = np.maximum(load_store, bytes_cycles)
    extra = traffic.extra_load_store_cycles + misses * figures.load_store_restart_cycles
    if figures.lookup_lanes:
        load_store = _two_paths(load_store, share * extra, in_phase)
    else:
        load_store = load_store + share * extra
    created = units * figures.warp_width / figures.thread_create_per_cycle
    wait_ps = figures.l2_latency_cycles * cycle_ps + beyond * figures.dram_latency_ps
    l2_bytes = moved.l2_read_bytes + moved.l2_write_bytes
    issuing = figures.n_pipes * figures.issue_efficiency
    rows["arithmetic"] = per_group["issue_cycles"] / issuing * cycle_ps
    rows["load_store"] = load_store * cycle_ps
    rows["special"] = per_group["special_cycles"] / figures.n_pipes * cycle_ps
    rows["texture"] = per_group["texture"] / figures.texture_per_cycle * cycle_ps
    # A core has so many misses in flight, each for a round trip.
    rows["l2"] = share * max(
        l2_bytes / figures.l2_bytes_per_cycle * cycle_ps,
        traffic.l1_load_misses * wait_ps / figures.l1_outstanding_misses,
    )
    walk_ps, translation = _translation(traffic, figures)
    rows["translation"] = share * translation * cycle_ps
    rows["thread_creation"] = created * cycle_ps
    rows["dram_bytes"] = share * (
        moved.dram_read_bytes + moved.dram_write_bytes - moved.flushed_bytes
    )
    # Waits are per work-item or per warp; lanes of a warp wait together, and loads of a block
    # that are issued before the first of them is needed wait together too. Threads of Midgard come
    # by one after the other: the first waits for a line, those behind find it on its way.
    waited = traffic.waits / figures.warp_width if figures.has_warps else traffic.l1_load_misses
    waits = np.minimum(share * waited, per_group["load_store"])
    waited_ps = waits * wait_ps + share * walk_ps
    rows["latency"] = (per_group["latency_cycles"] * cycle_ps + waited_ps) / units
    rows["longest"] = rows["latency"]
    return rows, moved


def _two_paths(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], in_phase: int
) -> npt.NDArray[np.float64]:
    """Return the time of two units that work side by side for groups that use one at a time.

    A group between two barriers asks for one of them, so its own phases never overlap; those of
    `in_phase` independent groups do.
    """
    total: npt.NDArray[np.float64] = np.maximum(one, other) + np.minimum(one, other) / in_phase
    return total


def _translation(traffic: Traffic, figures: GpuFigures) -> tuple[float, float]:
    """Return the ps that units wait for address translation, and cycles that keep it busy.

    A thread of Midgard waits for a whole walk of the tables while other threads go on; what the
    walk keeps busy is the way to L2. Elsewhere misses are served one after the other.
    """
    if not figures.has_warps:
        busy = traffic.tlb_misses * figures.fill_bytes / figures.l2_bytes_per_cycle
        return traffic.tlb_misses * figures.walk_cycles * figures.cycle_ps, busy
    walk = max(0.0, figures.walk_cycles - figures.tlb_hit_cycles)
    return 0.0, traffic.tlb_misses * figures.tlb_hit_cycles + traffic.walks * walk


def _segments(
    class_runs: npt.NDArray[np.int64], per_class: npt.NDArray[np.void]
) -> npt.NDArray[np.void]:
    """Return the segments that stand for the runs of classes, in order."""
    runs = class_runs[class_runs[:, 1] > 0]
    ends = np.cumsum(runs[:, 1])
    n_groups = int(ends[-1]) if len(ends) else 0
    if len(runs) <= MAX_SEGMENTS:
        bounds = np.concatenate([[0], ends])
    else:
        bounds = np.unique(np.linspace(0, n_groups, MAX_SEGMENTS + 1).astype(np.int64))
    mixes = np.diff(
        np.stack([_class_prefix(runs, ends, int(end), len(per_class)) for end in bounds]), axis=0
    )
    segments = np.zeros(len(mixes), dtype=SEGMENT)
    segments["n_groups"] = mixes.sum(axis=1)
    weights = mixes / np.maximum(segments["n_groups"], 1)[:, None]
    for name in (*THROUGHPUT, "latency", "dram_bytes"):
        segments[name] = weights @ per_class[name]
    present = np.where(mixes > 0, per_class["longest"][None, :], 0.0)
    segments["longest"] = present.max(axis=1) if mixes.size else 0.0
    return segments


def _class_prefix(
    runs: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], end: int, n_class: int
) -> npt.NDArray[np.int64]:
    """Return how many of the first `end` groups belong to each class."""
    whole = int(np.searchsorted(ends, end, side="right"))
    prefix = np.bincount(runs[:whole, 0], weights=runs[:whole, 1], minlength=n_class).astype(
        np.int64
    )
    done = int(ends[whole - 1]) if whole else 0
    if end > done:
        prefix[runs[whole, 0]] += end - done
    return prefix
