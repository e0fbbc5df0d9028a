"""What the work-groups of a job ask of caches, address translation and external memory.

The addresses of every access are known as a base per work-item and a stride per loop, so the
lines and pages that the work-items resident on a core, and on several cores, touch together
follow without running the kernel. Neighbouring work-groups are taken to be resident together, and
cores to be as much in step as suits L2 best; the detailed model deals groups as the device does
and needs no such assumption. Lists of indices that a planned trace holds are looked up. Any other
access whose address depends on loaded data is taken to touch a line of its own each time, unless
its whole buffer fits the cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.work_count import WorkCount
from gpusim.isa.ir_view import IRView
from gpusim.lower.job import Job
from gpusim.timing.address_form import Access, access_forms
from gpusim.timing.figures import GpuFigures
from gpusim.timing.image_access import NO_IMAGES, accessed_images, image_places
from gpusim.timing.loop_reuse import Floats, LoopReuse, Stream, streams
from gpusim.timing.residency import Residency
from gpusim.timing.work_item_ids import address_symbols, parameter_values, work_item_ids
from gpusim.trace.records import ArgumentKind

CACHED_SPACES = (0, 1, 2, 4)
"""SPIR address spaces looked at: private arrays, global, constant, generic."""
LOCAL_SPACE = 3
WORD_BYTES = 4
"""Of a bank of on-chip local memory."""
MAX_WORK_ITEMS = 1 << 13
"""Most work-items whose addresses are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Totals of a job; fractional, being estimates."""

    accessed_bytes: Floats
    """(n_class,) bytes loaded and stored per work-group, exact."""
    l1_load_misses: float
    """Lines."""
    l1_store_misses: float
    """Lines written, each counted when it first has to be brought to or allocated in L1."""
    l2_load_misses: float
    l2_store_misses: float
    tlb_misses: float
    """In the cores' own buffers."""
    walks: float
    """Misses in the shared buffer, too."""
    waits: float
    """Loads that wait for a line that is not in L1, per work-item or warp, summed."""
    extra_load_store_cycles: float
    """Cycles of the load/store pipes beyond one per operation, from lines per access."""
    bank_conflicts: Floats
    """(n_block,) cycles beyond the fewest that the accesses of a block to on-chip local memory
    take, per warp and execution, each access by itself."""


def estimate_traffic(
    job: Job, count: WorkCount, figures: GpuFigures, resident: Residency
) -> Traffic:
    """Return the traffic of a job.

    Parameters
    ----------
    job : Job
        Its arguments say where each buffer is.
    count : WorkCount
        Executed blocks of the same job; gives the iterations of every loop.
    figures : GpuFigures
    resident : Residency
        How many work-items of the job share a core's cache.
    """
    model = _JobTraffic(job, count, figures, resident)
    return model.traffic()


def loop_trips(kernel: KernelIR, executions: npt.NDArray[np.float64]) -> dict[int, float]:
    """Return the mean iterations of each loop per entry, from executed blocks."""
    sources: dict[int, list[int]] = {}
    for source, target in kernel.edges.tolist():
        sources.setdefault(target, []).append(source)
    trips = {}
    for number, loop in enumerate(kernel.loops):
        outside = [s for s in set(sources.get(loop.header, [])) if s not in loop.blocks]
        entries = float(sum(executions[s] for s in outside))
        runs = float(executions[loop.header])
        trips[number] = max(1.0, runs / entries) if entries > 0 and runs > 0 else 1.0
    return trips


class _JobTraffic:
    def __init__(
        self, job: Job, count: WorkCount, figures: GpuFigures, resident: Residency
    ) -> None:
        self._job = job
        self._count = count
        self._kernel = count.kernel
        self._view = IRView(count.kernel)
        self._waves: dict[int, _Wave] = {}
        self._reuses: dict[tuple[int, int], LoopReuse] = {}
        self._figures = figures
        self._executions = count.block_executions.astype(np.float64)
        self._trips = loop_trips(self._kernel, self._executions)
        self._images = image_places(job)
        self._contents = {
            bound.address: np.frombuffer(bound.index_content, np.int32)
            for bound in job.arguments
            if bound.index_content is not None
        }
        self._parents = [loop.parent for loop in self._kernel.loops]
        self._groups_per_core = min(
            job.n_work_groups, max(1, resident.resident_units // resident.units_per_group)
        )
        # A group may be resident in part only.
        units = min(resident.resident_units, self._groups_per_core * resident.units_per_group)
        self._limit = min(
            MAX_WORK_ITEMS,
            units * figures.warp_width,
            self._groups_per_core * job.group_items,
        )

    def traffic(self) -> Traffic:
        rows = self._kernel.instructions
        cached = (rows["access_bytes"] > 0) & np.isin(rows["address_space"], CACHED_SPACES)
        blocks, sizes = rows["block"][cached], rows["access_bytes"][cached]
        touched = accessed_images(self._kernel, self._view, self._images)
        blocks = np.append(blocks, rows["block"][list(touched)])
        sizes = np.append(sizes, [place.layout.texel_bytes for place in touched.values()])
        accessed = self._count.class_blocks[:, blocks].astype(np.float64) @ sizes
        if not np.any(accessed):
            return Traffic(
                accessed_bytes=accessed,
                l1_load_misses=0.0,
                l1_store_misses=0.0,
                l2_load_misses=0.0,
                l2_store_misses=0.0,
                tlb_misses=0.0,
                walks=0.0,
                waits=0.0,
                extra_load_store_cycles=0.0,
                bank_conflicts=self._bank_conflicts(),
            )
        core = self._wave(1)
        l1_loads, l1_stores, waits = self._first_level(core)
        tlb_misses, walks = self._translation(core, l1_loads + l1_stores)
        l2_loads, l2_stores = self._second_level(l1_loads, l1_stores)
        return Traffic(
            accessed_bytes=accessed,
            l1_load_misses=l1_loads,
            l1_store_misses=l1_stores,
            l2_load_misses=l2_loads,
            l2_store_misses=l2_stores,
            tlb_misses=tlb_misses,
            walks=walks,
            waits=waits,
            extra_load_store_cycles=self._extra_cycles(core),
            bank_conflicts=self._bank_conflicts(),
        )

    def _wave(self, n_waves: int) -> _Wave:
        """Return the work-items of some waves in a row, in the middle of the job.

        A wave is what one core holds; several are those of several cores, or of one core at
        several times.
        """
        if n_waves not in self._waves:
            n_groups = min(self._groups_per_core * n_waves, self._job.n_work_groups)
            first = (self._job.n_work_groups - n_groups) // 2
            in_row = self._job.n_groups[0]
            if n_groups <= in_row:
                # The ends of rows are rare: groups of one row stand for the others.
                first -= max(0, first % in_row + n_groups - in_row)
            groups = np.arange(first, first + n_groups, dtype=np.int64)
            limit = min(MAX_WORK_ITEMS, self._limit * n_waves)
            self._waves[n_waves] = _Wave(self, groups, limit)
        return self._waves[n_waves]

    def _bank_conflicts(self) -> Floats:
        """Return (n_block,) cycles of on-chip local accesses beyond the fewest, per warp."""
        figures = self._figures
        conflicts = np.zeros(self._kernel.n_blocks)
        local = self._kernel.instructions["address_space"] == LOCAL_SPACE
        if figures.local_memory_bytes == 0 or not np.any(local):
            return conflicts
        items = min(self._job.group_items, MAX_WORK_ITEMS)
        middle = np.array([self._job.n_work_groups // 2], dtype=np.int64)
        forms, _ = self.accesses(middle, items, (LOCAL_SPACE,))
        for access in forms:
            # Where a lane reads depends on data: taken to be free of conflicts.
            if access.form is not None:
                warps = warp_addresses(access.form.base, self._job.group_items, figures.warp_width)
                conflicts[access.block] += bank_cycles(
                    warps, access.access_bytes, figures.local_banks
                )
        return conflicts

    def accesses(
        self,
        groups: npt.NDArray[np.int64],
        limit: int,
        address_spaces: tuple[int, ...] = CACHED_SPACES,
    ) -> tuple[list[Access], int]:
        """Return the accesses of the work-items of some groups, and how many those are."""
        job, kernel = self._job, self._kernel
        keep = -(-limit // job.group_items)
        ids = work_item_ids(job, groups[:keep], kernel.private_memory_bytes)
        ids = {name: values[:limit] for name, values in ids.items()}
        forms = access_forms(
            kernel,
            self._view,
            ids=ids,
            sizes=address_symbols(job),
            parameters=parameter_values(kernel, job),
            trips=self._trips,
            address_spaces=address_spaces,
            images=self._images if address_spaces == CACHED_SPACES else NO_IMAGES,
            contents=self._contents,
        )
        return forms, len(ids["local_linear_id"])

    def share(self, access: Access) -> float:
        """Return executions of an access per work-item and iteration of its loops."""
        iterations = float(self._job.n_work_items)
        for loop in access.loops:
            iterations *= self._trips[loop]
        return float(self._executions[access.block]) / iterations

    def _reuse(self, n_waves: int, unit_bytes: int) -> LoopReuse:
        """Return the loop footprints of some waves in a row."""
        key = (n_waves, unit_bytes)
        if key not in self._reuses:
            self._reuses[key] = LoopReuse(
                self._wave(n_waves).streams,
                self._parents,
                self._trips,
                unit_bytes,
                is_sharp=unit_bytes == self._figures.page_bytes,
            )
        return self._reuses[key]

    def _first_level(self, core: _Wave) -> tuple[float, float, float]:
        """Return lines fetched into and allocated in the cores' L1, and waits for them."""
        fill, capacity = self._figures.fill_bytes, self._figures.l1_fills
        n_waves = self._job.n_work_items / core.n_work_items
        fetched = self._per_wave(1, fill, capacity)
        # A line that several work-items want at once makes each of them wait: the waits of one
        # work-item are the iterations in which it meets a new line.
        direct = self._reuse(1, fill).touched_at_once()
        loads = np.array([stream.is_load for stream in core.streams], dtype=np.bool_)
        executed = np.array([self._runs(stream) for stream in core.streams])
        met = np.minimum(fetched / np.maximum(direct, 1e-9), executed)
        unknown = sum(self._executions[a.block] for a in core.unknown if a.is_load)
        unknown_stores = sum(self._executions[a.block] for a in core.unknown if a.is_store)
        fit = self._unknown_fit(capacity)
        return (
            float(fetched[loads].sum()) * n_waves + unknown * fit,
            float(fetched[~loads].sum()) * n_waves + unknown_stores * fit,
            float(met[loads].sum()) * self._job.n_work_items + unknown * fit,
        )

    def _runs(self, stream: Stream) -> float:
        """Return how often one work-item executes one access of a stream."""
        runs = stream.share
        for loop in stream.nest:
            runs *= self._trips[loop]
        return runs

    def _unknown_fit(self, capacity: float) -> float:
        """Return the share of accesses without known address that miss `capacity` lines."""
        lines = self._buffer_bytes() / self._figures.fill_bytes
        return max(0.0, 1.0 - capacity / lines) if lines else 0.0

    def _translation(self, core: _Wave, l1_misses: float) -> tuple[float, float]:
        """Return misses of the cores' buffers, and of the shared one; only L1 misses ask."""
        figures = self._figures
        page = figures.page_bytes
        n_waves = self._job.n_work_items / core.n_work_items
        own = float(self._per_wave(1, page, figures.tlb_entries).sum()) * n_waves
        walks = own
        cores = 1
        while cores <= figures.n_cores:
            shared = float(self._per_wave(cores, page, figures.shared_tlb_entries).sum())
            walks = min(walks, shared * self._job.n_work_items / self._wave(cores).n_work_items)
            cores *= 2
        return min(own, l1_misses), min(walks, own, l1_misses)

    def _per_wave(self, cores: int, unit_bytes: int, capacity: float) -> Floats:
        """Return (n_stream,) units that a wave of some cores fetches, mean over the job.

        A cache that holds all that some waves touched gives the next one what they share; how
        much that is shows in how the footprint grows with the number of waves.
        """
        n_work_items = self._wave(cores).n_work_items
        reuse = self._reuse(cores, unit_bytes)
        cold = reuse.fetched(capacity)
        n_waves = self._job.n_work_items / n_work_items
        held, n_held = reuse.everything(), 1
        steady = cold
        while (
            held.sum() <= capacity
            and 2 * n_held <= n_waves
            and 2 * n_held * n_work_items <= MAX_WORK_ITEMS
        ):
            grown = self._reuse(cores * 2 * n_held, unit_bytes).everything()
            if len(grown) != len(held):
                # Work-items of other waves fall into other streams: only sums compare.
                grown = held * (grown.sum() / max(float(held.sum()), 1e-9))
            # The longest history counts: a short one may or may not cross into a new unit.
            steady = np.maximum(0.0, grown - held) / n_held
            held, n_held = grown, 2 * n_held
        mean: Floats = (cold + max(0.0, n_waves - 1.0) * steady) / max(1.0, n_waves)
        return mean

    def _second_level(self, l1_loads: float, l1_stores: float) -> tuple[float, float]:
        """Return the lines that L2 reads from and writes to external memory."""
        figures = self._figures
        buffers = self._buffer_bytes()
        if l1_loads + l1_stores == 0:
            return 0.0, 0.0
        if buffers <= figures.l2_size_bytes:
            once = min(1.0, buffers / figures.fill_bytes / (l1_loads + l1_stores))
            return l1_loads * once, l1_stores * once
        best = (l1_loads, l1_stores)
        cores = 1
        while cores <= figures.n_cores:
            found = self._beyond_l2(cores)
            if sum(found) < sum(best):
                best = found
            cores *= 2
        return best

    def _beyond_l2(self, cores: int) -> tuple[float, float]:
        """Return the lines L2 reads and writes if so many cores move in step."""
        figures = self._figures
        capacity = figures.l2_size_bytes / figures.fill_bytes
        wave = self._wave(cores)
        fetched = self._per_wave(cores, figures.fill_bytes, capacity)
        n_waves = self._job.n_work_items / wave.n_work_items
        loads = np.array([stream.is_load for stream in wave.streams], dtype=np.bool_)
        fit = self._unknown_fit(capacity)
        read = sum(self._executions[a.block] for a in wave.unknown if a.is_load)
        written = sum(self._executions[a.block] for a in wave.unknown if a.is_store)
        return (
            float(fetched[loads].sum()) * n_waves + float(read) * fit,
            float(fetched[~loads].sum()) * n_waves + float(written) * fit,
        )

    def _buffer_bytes(self) -> float:
        """Return the bytes of all buffers and images bound to the kernel, each once."""
        memory = (ArgumentKind.BUFFER, ArgumentKind.IMAGE)
        ranges = {
            (bound.address, bound.size_bytes)
            for bound in self._job.arguments
            if bound.argument.kind in memory
        }
        return float(sum(size for _, size in ranges))

    def _extra_cycles(self, core: _Wave) -> float:
        """Return the load/store cycles beyond one per warp access: further lines of the warp."""
        width = self._figures.warp_width
        if width == 1:
            return 0.0
        total = 0.0
        items_per_warp = self._job.n_work_items / (
            self._job.n_work_groups * -(-self._job.group_items // width)
        )
        for access in core.accesses:
            runs = float(self._executions[access.block]) / items_per_warp
            cycles = (
                float(width)
                if access.form is None
                else lines_per_warp(access, self._job.group_items, self._figures)
            )
            total += runs * max(0.0, cycles - 1.0)
        return total


def lines_per_warp(access: Access, group_items: int, figures: GpuFigures) -> float:
    """Return the cycles a warp's access takes: its distinct lines, or its sectors' bytes.

    Work-items fill warps in order; a warp never spans two groups.
    """
    if access.form is None:
        return float(figures.warp_width)
    width, base = figures.warp_width, np.atleast_1d(access.form.base)
    if len(base) == 1:
        return 1.0
    warps = warp_addresses(base, group_items, width)
    if figures.lookup_lanes:
        return _lookup_cycles(warps, access.access_bytes, figures)
    lines = _distinct(warps, access.access_bytes, figures.l1_line_bytes)
    sectors = _distinct(warps, access.access_bytes, figures.l1_sector_bytes)
    moved = sectors * figures.l1_sector_bytes / figures.l1_bytes_per_cycle
    return float(np.maximum(lines, moved).mean())


def warp_addresses(
    base: npt.NDArray[np.int64], group_items: int, width: int
) -> npt.NDArray[np.int64]:
    """Return (n_warp, width) of the addresses of work-items, group by group.

    Missing lanes of a short warp repeat its last one: they touch nothing of their own.
    """
    base = np.atleast_1d(base)
    if len(base) == 1:
        return np.repeat(base, width)[None, :]
    n_groups = max(1, len(base) // group_items)
    items = min(group_items, len(base))
    rows = base[: n_groups * items].reshape(n_groups, items)
    short = -items % width
    if short:
        rows = np.concatenate([rows, np.repeat(rows[:, -1:], short, axis=1)], axis=1)
    return rows.reshape(-1, width)


def bank_cycles(warps: npt.NDArray[np.int64], access_bytes: int, n_banks: int) -> float:
    """Return the cycles beyond the fewest that banked memory takes for a warp, mean over warps.

    A bank serves one word of 4 bytes per cycle, and lanes that read the same word share it. The
    fewest cycles are those of all lanes reading words side by side.
    """
    n_words = max(1, access_bytes // WORD_BYTES)
    words = (warps[:, :, None] // WORD_BYTES + np.arange(n_words)).reshape(len(warps), -1)
    fewest = -(-words.shape[1] // n_banks)
    words.sort(axis=1)
    is_first = np.ones(words.shape, dtype=np.bool_)
    is_first[:, 1:] = words[:, 1:] != words[:, :-1]
    rows, places = np.nonzero(is_first)
    # Only banks that are asked have a number, however many there are.
    asked, times = np.unique(rows * n_banks + words[rows, places] % n_banks, return_counts=True)
    busiest = np.zeros(len(words), dtype=np.int64)
    np.maximum.at(busiest, asked // n_banks, times)
    return max(0.0, float(busiest.mean()) - fewest)


def _lookup_cycles(warps: npt.NDArray[np.int64], access_bytes: int, figures: GpuFigures) -> float:
    """Return the cycles of a warp that L1 takes as groups of a few lanes, mean over warps.

    A group needs a cycle per line its lanes touch, and one per beat of the bytes they ask for.
    """
    groups = warps.reshape(-1, figures.lookup_lanes)
    lines = _distinct(groups, access_bytes, figures.l1_line_bytes)
    beat_bytes = figures.l1_bytes_per_cycle / figures.lookups_per_cycle
    beats = np.ceil(_distinct(groups, 1, 1) * access_bytes / beat_bytes)
    per_warp = np.maximum(lines, beats).reshape(len(warps), -1).sum(axis=1)
    return float(per_warp.mean()) / figures.lookups_per_cycle


def _distinct(
    warps: npt.NDArray[np.int64], access_bytes: int, unit_bytes: int
) -> npt.NDArray[np.float64]:
    """Return the distinct aligned units that each row of addresses touches."""
    steps = np.arange(0, access_bytes + unit_bytes - 1, unit_bytes)
    offsets = np.unique(np.minimum(steps, access_bytes - 1))
    units = np.sort(
        ((warps[:, :, None] + offsets[None, None, :]) // unit_bytes).reshape(len(warps), -1), axis=1
    )
    distinct: Floats = 1.0 + np.count_nonzero(np.diff(units, axis=1), axis=1).astype(np.float64)
    return distinct


class _Wave:
    """The work-items resident together, on one core or on all."""

    def __init__(self, model: _JobTraffic, groups: npt.NDArray[np.int64], limit: int) -> None:
        self.accesses, self.n_work_items = model.accesses(groups, limit)
        self.unknown = [access for access in self.accesses if access.form is None]
        self.streams = streams(self.accesses, [model.share(a) for a in self.accesses])
