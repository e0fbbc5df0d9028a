"""All shader cores of a GPU running the work-groups of one job, step by step.

A *unit* is what is scheduled: a thread on Midgard, a warp elsewhere. Its code is a list of steps
per basic block (words, clauses or instructions in issue order); the integer part of the kernel
says which block comes next and which addresses are touched. Pipes are servers that are busy until
a time; a unit that finds one busy takes the next free place. Events are kept in a wheel of
integer cycles, so the order is the same on every machine.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gpusim.loops._jit import loop
from gpusim.loops.memory_system import MemoryFigures, MemoryState, access_line, scatter
from gpusim.loops.thread_run import advance

NO_SITE = -1
"""Access of a spill: a private line of the unit."""
UNKNOWN_SITE = -2
"""Access whose address depends on data: some line of `CoreFigures.unknown_lines`."""
NO_CACHE = -3
"""Message that reads no memory the caches hold, e.g. the id of a work-item."""
LOCAL_SPACE = 3
_WHEEL = 1 << 13

(
    UNITS,
    STEPS,
    ISSUE_CYCLES,
    LOAD_STORE_CYCLES,
    LOCAL_CYCLES,
    BARRIERS,
    ACCESSES,
    DIVERGED_BLOCKS,
    BLOCKS,
    WAITS,
    LOOKUP_CYCLES,
) = range(11)
"""Indices of the counts that `run_job` fills."""
N_CORE_COUNTS = 11


class Steps(NamedTuple):
    """What the blocks of a kernel issue."""

    block_start: npt.NDArray[np.int64]
    """(n_block + 1,) steps of each block."""
    issue_cycles: npt.NDArray[np.float64]
    """Of an arithmetic pipe (Bifrost engine, NVIDIA scheduler); 0 = does not pass one."""
    unit_class: npt.NDArray[np.int64]
    """Further unit of the pipe that is busy (special functions...), 0 = none."""
    unit_cycles: npt.NDArray[np.float64]
    latency: npt.NDArray[np.float64]
    """From the issue to the unit's next issue."""
    wait_back: npt.NDArray[np.int64]
    """Messages, counted from the latest, that may still be on their way at the issue."""
    is_barrier: npt.NDArray[np.bool_]
    texture: npt.NDArray[np.float64]
    """Operations of the texture pipe."""
    access_start: npt.NDArray[np.int64]
    """(n_step + 1,) accesses of each step."""
    site: npt.NDArray[np.int64]
    """Per access: place among the block's addresses, NO_SITE, UNKNOWN_SITE or NO_CACHE."""
    offset: npt.NDArray[np.int64]
    access_bytes: npt.NDArray[np.int64]
    is_store: npt.NDArray[np.bool_]
    space: npt.NDArray[np.int64]
    pipe_cycles: npt.NDArray[np.float64]
    """Of the load/store pipe for one unit, cache effects apart."""


class Program(NamedTuple):
    """Integer part of the kernel, as `gpusim.loops.thread_run.advance` takes it."""

    code: npt.NDArray[np.int64]
    edges: npt.NDArray[np.int64]
    copies: npt.NDArray[np.int64]
    initial: npt.NDArray[np.int64]
    n_sites: int
    """Most addresses of a block."""


class Geometry(NamedTuple):
    """Sizes of the job, x first."""

    n_groups: npt.NDArray[np.int64]
    local_size: npt.NDArray[np.int64]
    item_offset: npt.NDArray[np.int64]
    group_offset: npt.NDArray[np.int64]
    global_offset: npt.NDArray[np.int64]
    global_size: npt.NDArray[np.int64]
    private_base: int
    private_bytes: int


class CoreFigures(NamedTuple):
    """What does not change while a job runs."""

    n_cores: int
    width: int
    n_pipes: int
    bound_to_pipe: bool
    """Whether a unit stays on one pipe (warps) or takes any (Midgard threads)."""
    issue_efficiency: float
    """Share of the cycles in which a busy arithmetic pipe issues."""
    n_slots: int
    """Units a core holds."""
    max_groups: int
    whole_groups: bool
    units_per_group: int
    group_items: int
    groups_per_task: int
    create_cycles: float
    """Per unit."""
    dispatch_cycles: float
    start_cycles: float
    blocks_on_access: bool
    """Whether a unit waits for its access before its next step (Midgard)."""
    restart_cycles: float
    line_bytes: int
    sector_bytes: int
    bytes_per_cycle: float
    """Of L1 towards the pipe; limits the sectors of a warp's access."""
    lookup_lanes: int
    """Lanes that L1 looks up together, beside the pipe that takes messages and serves local
    memory; 0 = the pipe looks up the whole warp."""
    lookups_per_cycle: int
    lookup_line_bytes: int
    """What one lookup of a group of lanes covers."""
    texture_cycles: float
    local_on_chip: bool
    local_banks: int
    local_latency: float
    local_bytes: int
    """Of one group; places the groups' local memories apart where they are cached memory."""
    barrier_cycles: float
    in_flight: int
    """Messages a unit may wait for."""
    unknown_lines: int


class Sampling(NamedTuple):
    """When to stop handing out work-groups."""

    every: int
    """Steps between two marks."""
    least_steps: int
    """Steps to run before the rate is looked at."""
    agreement: float
    """Most relative difference between the rates of the last half and the last quarter of the
    run so far; 0 = never stop."""


@loop
def _is_steady(marks: npt.NDArray[np.float64], n: int, agreement: float) -> bool:
    """Return whether the last half and the last quarter of `n` marks show the same rate."""
    half = (marks[n - 1] - marks[n // 2 - 1]) / (n - n // 2)
    quarter = (marks[n - 1] - marks[n - n // 4 - 1]) / (n // 4)
    return bool(abs(quarter - half) < agreement * half)


@loop
def fill_ids(registers: npt.NDArray[np.int64], shape: Geometry, group: int, item: int) -> None:
    """Set the first registers to the ids of a work-item (`work_item_ids.ID_NAMES`)."""
    nx, ny = shape.n_groups[0], shape.n_groups[1]
    lx, ly = shape.local_size[0], shape.local_size[1]
    local = (item % lx, item // lx % ly, item // (lx * ly))
    number = (group % nx, group // nx % ny, group // (nx * ny))
    linear = np.int64(0)
    for axis in range(2, -1, -1):
        place = shape.item_offset[axis] + number[axis] * shape.local_size[axis] + local[axis]
        registers[axis] = place + shape.global_offset[axis]
        registers[3 + axis] = local[axis]
        registers[6 + axis] = number[axis] + shape.group_offset[axis]
        linear = linear * shape.global_size[axis] + place
    registers[9] = item
    registers[10] = linear
    items = lx * ly * shape.local_size[2]
    registers[11] = shape.private_base + (group * items + item) * shape.private_bytes


class Wheel(NamedTuple):
    """Events by cycle: a list per bucket, first in first out."""

    head: npt.NDArray[np.int64]
    tail: npt.NDArray[np.int64]
    following: npt.NDArray[np.int64]
    wake: npt.NDArray[np.int64]


@loop
def _push(wheel: Wheel, event: int, time: int, now: int) -> None:
    """Plan `event` for cycle `time`; one far ahead is looked at again on the way."""
    wheel.wake[event] = time
    bucket = min(max(time, now), now + _WHEEL - 1) % _WHEEL
    wheel.following[event] = -1
    if wheel.head[bucket] < 0:
        wheel.head[bucket] = event
    else:
        wheel.following[wheel.tail[bucket]] = event
    wheel.tail[bucket] = event


@loop
def _bank_cycles(
    figures: CoreFigures,
    addresses: npt.NDArray[np.int64],
    first: int,
    n_places: int,
    active: npt.NDArray[np.bool_],
    unit: int,
    offset: int,
    access_bytes: int,
    words: npt.NDArray[np.int64],
    same_bank: npt.NDArray[np.int64],
    newest: npt.NDArray[np.int64],
) -> float:
    """Return the cycles of an on-chip local access: the most different words asked of one bank.

    `addresses[first + lane * n_places]` is that of a lane. `newest` holds -1 for every bank
    before and after; `words` and `same_bank` have room for all words of a warp.
    """
    n_words = 0
    most = 1
    for lane in range(active.shape[1]):
        if not active[unit, lane]:
            continue
        word = (addresses[first + lane * n_places] + offset) >> 2
        for each in range(word, word + max(1, access_bytes // 4)):
            bank = each % figures.local_banks
            asked = 1
            earlier = newest[bank]
            while earlier >= 0 and words[earlier] != each:
                earlier = same_bank[earlier]
                asked += 1
            if earlier < 0:
                words[n_words] = each
                same_bank[n_words] = newest[bank]
                newest[bank] = n_words
                n_words += 1
                most = max(most, asked)
    for i in range(n_words):
        newest[words[i] % figures.local_banks] = -1
    return float(most)


@loop
def _collect_lines(
    figures: CoreFigures,
    addresses: npt.NDArray[np.int64],
    first: int,
    n_places: int,
    active: npt.NDArray[np.bool_],
    unit: int,
    offset: int,
    access_bytes: int,
    lines: npt.NDArray[np.int64],
) -> tuple[int, int]:
    """Fill `lines` with the distinct lines of a unit's access; return how many, and sectors."""
    n_lines = 0
    n_sectors = 0
    last_sector = -1
    for lane in range(active.shape[1]):
        if not active[unit, lane]:
            continue
        begin = addresses[first + lane * n_places] + offset
        last = begin + access_bytes - 1
        for line in range(begin // figures.line_bytes, last // figures.line_bytes + 1):
            is_new = True
            for i in range(n_lines - 1, -1, -1):
                if lines[i] == line:
                    is_new = False
                    break
            if is_new:
                lines[n_lines] = line
                n_lines += 1
        for sector in range(begin // figures.sector_bytes, last // figures.sector_bytes + 1):
            if sector != last_sector:
                n_sectors += 1
                last_sector = sector
    return n_lines, n_sectors


@loop
def _lookup_cycles(
    figures: CoreFigures,
    addresses: npt.NDArray[np.int64],
    first: int,
    n_places: int,
    active: npt.NDArray[np.bool_],
    unit: int,
    offset: int,
    access_bytes: int,
) -> float:
    """Return the cycles of a warp that L1 takes as groups of a few lanes.

    A group needs a cycle per line its lanes touch, and one per beat of the bytes they ask for;
    a lane counts as asking for other bytes than the lane before it unless both read the same.
    """
    beat_bytes = figures.bytes_per_cycle / figures.lookups_per_cycle
    total = 0.0
    width = active.shape[1]
    for start in range(0, width, figures.lookup_lanes):
        n_lines = 0
        n_asked = 0
        for lane in range(start, min(start + figures.lookup_lanes, width)):
            if not active[unit, lane]:
                continue
            address = addresses[first + lane * n_places]
            low = (address + offset) // figures.lookup_line_bytes
            high = (address + offset + access_bytes - 1) // figures.lookup_line_bytes
            is_new = True
            is_same = False
            for other in range(start, lane):
                if active[unit, other]:
                    before = addresses[first + other * n_places]
                    is_same = is_same or before == address
                    begin = (before + offset) // figures.lookup_line_bytes
                    end = (before + offset + access_bytes - 1) // figures.lookup_line_bytes
                    if begin <= low and high <= end:
                        is_new = False
            if not is_same:
                n_asked += 1
            if is_new:
                n_lines += high - low + 1
        if n_asked > 0:
            total += max(float(n_lines), np.ceil(n_asked * access_bytes / beat_bytes))
    return total / figures.lookups_per_cycle


@loop
def run_job(
    program: Program,
    steps: Steps,
    shape: Geometry,
    figures: CoreFigures,
    memory: MemoryFigures,
    state: MemoryState,
    n_groups: int,
    sampling: Sampling,
    marks: npt.NDArray[np.float64],
    mark_counts: npt.NDArray[np.float64],
    core_end: npt.NDArray[np.float64],
    counts: npt.NDArray[np.float64],
) -> tuple[float, int, int]:
    """Run the work-groups of a job on all cores, in order, until the rate is known.

    Once two windows agree on the rate, no more groups are handed out; those that were are run to
    their end.

    Parameters
    ----------
    program, steps, shape, figures, memory : named tuples
    state : MemoryState
        Updated.
    n_groups : int
        Work-groups of the job.
    sampling : Sampling
    marks : (n,) float64
        Filled: when the first, second... `sampling.every` steps had been issued.
    mark_counts : (n, N_CORE_COUNTS + N_COUNTS) float64
        Filled: `counts` and `state.counts` at each mark.
    core_end : (n_cores,) float64
        Filled: when each core ended its last group.
    counts : (N_CORE_COUNTS,) float64
        Added to.

    Returns
    -------
    end : float
        Cycles until the last group ended.
    handed_out : int
        Groups that were run.
    n_marks : int
        Marks made before the last group was handed out.
    """
    n_cores, width, n_slots = figures.n_cores, figures.width, figures.n_slots
    n_units = n_cores * n_slots
    n_events = n_units + n_cores
    wheel = Wheel(
        np.full(_WHEEL, -1, np.int64),
        np.full(_WHEEL, -1, np.int64),
        np.full(n_events, -1, np.int64),
        np.zeros(n_events, np.int64),
    )
    n_registers, n_places = len(program.initial), program.n_sites + 1
    registers = np.empty(n_units * width * n_registers, dtype=np.int64)
    rows = np.full((n_units, width), -1, dtype=np.int64)
    addresses = np.zeros(n_units * width * n_places, dtype=np.int64)
    active = np.zeros((n_units, width), dtype=np.bool_)
    moved = np.empty(len(program.copies) + 1, dtype=np.int64)
    step = np.zeros(n_units, dtype=np.int64)
    step_end = np.zeros(n_units, dtype=np.int64)
    done = np.zeros((n_units, figures.in_flight), dtype=np.float64)
    n_messages = np.zeros(n_units, dtype=np.int64)
    unit_group = np.zeros(n_units, dtype=np.int64)
    group_left = np.zeros((n_cores, figures.max_groups), dtype=np.int64)
    arrived = np.zeros((n_cores, figures.max_groups), dtype=np.int64)
    waiting = np.full((n_cores, figures.max_groups), -1, dtype=np.int64)
    group_used = np.zeros((n_cores, figures.max_groups), dtype=np.bool_)
    free_slots = np.empty((n_cores, n_slots), dtype=np.int64)
    n_free = np.full(n_cores, n_slots, dtype=np.int64)
    for core in range(n_cores):
        for slot in range(n_slots):
            free_slots[core, slot] = n_slots - 1 - slot
    pipe_free = np.zeros((n_cores, figures.n_pipes), dtype=np.float64)
    class_free = np.zeros((n_cores, figures.n_pipes, 8), dtype=np.float64)
    load_store_free = np.zeros(n_cores, dtype=np.float64)
    lookup_free = np.zeros(n_cores, dtype=np.float64)
    texture_free = np.zeros(n_cores, dtype=np.float64)
    create_free = np.zeros(n_cores, dtype=np.float64)
    task_next = np.zeros(n_cores, dtype=np.int64)
    task_end = np.zeros(n_cores, dtype=np.int64)
    task_ready = np.zeros(n_cores, dtype=np.float64)
    open_group = np.full(n_cores, -1, dtype=np.int64)
    next_unit = np.zeros(n_cores, dtype=np.int64)
    creator_waits = np.zeros(n_cores, dtype=np.bool_)
    lines = np.empty(2 * width + 2, dtype=np.int64)
    widest = 1
    if len(steps.access_bytes) > 0:
        widest = max(widest, steps.access_bytes.max() // 4)
    words = np.empty(width * widest, dtype=np.int64)
    same_bank = np.empty(width * widest, dtype=np.int64)
    newest = np.full(figures.local_banks, -1, dtype=np.int64)
    next_group = 0
    dispatcher_free = 0.0
    total_steps = 0
    n_unknown = 0
    limit = n_groups
    n_marks = 0
    next_mark = sampling.every
    end = 0.0
    now = 0
    n_pending = n_cores
    for core in range(n_cores):
        _push(wheel, n_units + core, 0, 0)
    while n_pending > 0:
        event = wheel.head[now % _WHEEL]
        if event < 0:
            now += 1
            continue
        wheel.head[now % _WHEEL] = wheel.following[event]
        if wheel.wake[event] > now:
            _push(wheel, event, wheel.wake[event], now)
            continue
        n_pending -= 1
        if event >= n_units:
            core = event - n_units
            # A core's creator: take a task, start one unit, come back for the next.
            if open_group[core] < 0 and task_next[core] >= task_end[core]:
                if next_group >= limit:
                    continue
                dispatcher_free = max(float(now), dispatcher_free) + figures.dispatch_cycles
                task_next[core] = next_group
                next_group = min(limit, next_group + figures.groups_per_task)
                task_end[core] = next_group
                # Starting a task takes a while, but does not keep the core from the next one.
                task_ready[core] = dispatcher_free + figures.start_cycles
                _push(wheel, event, int(np.ceil(dispatcher_free)), now)
                n_pending += 1
                continue
            if open_group[core] < 0:
                place = -1
                for i in range(figures.max_groups):
                    if not group_used[core, i]:
                        place = i
                        break
                needed = figures.units_per_group if figures.whole_groups else 1
                if place < 0 or n_free[core] < needed:
                    creator_waits[core] = True
                    continue
                group_used[core, place] = True
                group_left[core, place] = figures.units_per_group
                arrived[core, place] = 0
                waiting[core, place] = -1
                open_group[core] = place
                next_unit[core] = 0
            if n_free[core] == 0:
                creator_waits[core] = True
                continue
            place = open_group[core]
            n_free[core] -= 1
            unit = core * n_slots + free_slots[core, n_free[core]]
            group = task_next[core]
            for lane in range(width):
                item = next_unit[core] * width + lane
                active[unit, lane] = False
                rows[unit, lane] = -1
                if item < figures.group_items:
                    mine = registers[
                        (unit * width + lane) * n_registers : (unit * width + lane + 1)
                        * n_registers
                    ]
                    mine[:] = program.initial
                    fill_ids(mine, shape, group, item)
                    rows[unit, lane] = 0
            step[unit] = step_end[unit] = 0
            n_messages[unit] = 0
            unit_group[unit] = place
            counts[UNITS] += 1
            create_free[core] = max(float(now), create_free[core]) + figures.create_cycles
            again = int(np.ceil(create_free[core]))
            _push(wheel, unit, max(again, now + 1, int(np.ceil(task_ready[core]))), now)
            n_pending += 1
            next_unit[core] += 1
            if next_unit[core] >= figures.units_per_group:
                open_group[core] = -1
                task_next[core] += 1
            _push(wheel, event, max(again, now + 1), now)
            n_pending += 1
            continue
        unit = event
        core = unit // n_slots
        time = float(now)
        is_gone = False
        while step[unit] == step_end[unit]:
            # The next block: that of the lanes furthest behind in block order.
            block = np.int64(-1)
            for lane in range(width):
                row = rows[unit, lane]
                if row >= 0 and (block < 0 or program.code[row, 2] < block):
                    block = program.code[row, 2]
            if block < 0:
                is_gone = True
                break
            n_active = 0
            n_alive = 0
            for lane in range(width):
                row = rows[unit, lane]
                n_alive += row >= 0
                active[unit, lane] = row >= 0 and program.code[row, 2] == block
                if active[unit, lane]:
                    n_active += 1
                    rows[unit, lane], _ = advance(
                        program.code,
                        program.edges,
                        program.copies,
                        registers,
                        (unit * width + lane) * n_registers,
                        row,
                        moved,
                        addresses,
                        (unit * width + lane) * n_places,
                    )
            counts[BLOCKS] += 1
            if n_active < n_alive:
                counts[DIVERGED_BLOCKS] += 1
            step[unit] = steps.block_start[block]
            step_end[unit] = steps.block_start[block + 1]
        if is_gone:
            place = unit_group[unit]
            group_left[core, place] -= 1
            slot = unit - core * n_slots
            if not figures.whole_groups:
                free_slots[core, n_free[core]] = slot
                n_free[core] += 1
            else:
                # Slots of a whole group come free together.
                rows[unit, 0] = -2
            if group_left[core, place] == 0:
                group_used[core, place] = False
                end = max(end, time)
                core_end[core] = max(core_end[core], time)
                if figures.whole_groups:
                    for other in range(n_slots):
                        number = core * n_slots + other
                        if rows[number, 0] == -2 and unit_group[number] == place:
                            rows[number, 0] = -1
                            free_slots[core, n_free[core]] = other
                            n_free[core] += 1
            if creator_waits[core]:
                creator_waits[core] = False
                _push(wheel, n_units + core, now, now)
                n_pending += 1
            continue
        s = step[unit]
        in_flight = figures.in_flight
        n_accesses = steps.access_start[s + 1] - steps.access_start[s]
        # Wait for the messages this step needs, and for room to send another one.
        ready = time
        if n_messages[unit] > steps.wait_back[s]:
            ready = max(ready, done[unit, (n_messages[unit] - 1 - steps.wait_back[s]) % in_flight])
        if n_accesses > 0 and n_messages[unit] >= in_flight:
            ready = max(ready, done[unit, n_messages[unit] % in_flight])
        if ready > time:
            counts[WAITS] += 1
            _push(wheel, unit, int(np.ceil(ready)), now)
            n_pending += 1
            continue
        total_steps += 1
        counts[STEPS] += 1
        if total_steps == next_mark:
            next_mark += sampling.every
            if next_group < limit and n_marks < len(marks):
                marks[n_marks] = time
                mark_counts[n_marks, :N_CORE_COUNTS] = counts
                mark_counts[n_marks, N_CORE_COUNTS:] = state.counts
                n_marks += 1
                if (
                    total_steps >= sampling.least_steps
                    and n_marks >= 8
                    and _is_steady(marks, n_marks, sampling.agreement)
                ):
                    limit = next_group
        start = time
        if steps.issue_cycles[s] > 0:
            pipe = unit % figures.n_pipes
            if not figures.bound_to_pipe:
                for other in range(figures.n_pipes):
                    if pipe_free[core, other] < pipe_free[core, pipe]:
                        pipe = other
            start = max(start, pipe_free[core, pipe])
            kind = steps.unit_class[s]
            if kind > 0:
                start = max(start, class_free[core, pipe, kind])
                class_free[core, pipe, kind] = start + steps.unit_cycles[s]
            pipe_free[core, pipe] = start + steps.issue_cycles[s] / figures.issue_efficiency
            counts[ISSUE_CYCLES] += steps.issue_cycles[s]
        onward = start + steps.latency[s]
        if steps.texture[s] > 0:
            begin = max(start + steps.issue_cycles[s], texture_free[core])
            texture_free[core] = begin + steps.texture[s] * figures.texture_cycles
            onward = max(onward, texture_free[core])
        if n_accesses > 0:
            sent = start + steps.issue_cycles[s]
            finished = sent
            for access in range(steps.access_start[s], steps.access_start[s + 1]):
                site = steps.site[access]
                begin = max(sent, load_store_free[core])
                busy = steps.pipe_cycles[access]
                counts[ACCESSES] += 1
                if site == NO_CACHE:
                    counts[LOAD_STORE_CYCLES] += busy
                    load_store_free[core] = begin + busy
                    finished = max(finished, begin + busy + memory.l1_latency)
                    continue
                if site == UNKNOWN_SITE:
                    for lane in range(width):
                        if active[unit, lane]:
                            n_unknown += 1
                            addresses[(unit * width + lane) * n_places + program.n_sites] = (
                                scatter(n_unknown, 1) % figures.unknown_lines
                            ) * figures.line_bytes + (np.int64(1) << 50)
                    site = program.n_sites
                elif site == NO_SITE:
                    for lane in range(width):
                        addresses[(unit * width + lane) * n_places + program.n_sites] = (
                            np.int64(1) << 51
                        ) + (unit * width + lane) * 16
                    site = program.n_sites
                if steps.space[access] == LOCAL_SPACE and figures.local_on_chip:
                    busy = max(
                        busy,
                        _bank_cycles(
                            figures,
                            addresses,
                            unit * width * n_places + site,
                            n_places,
                            active,
                            unit,
                            steps.offset[access],
                            steps.access_bytes[access],
                            words,
                            same_bank,
                            newest,
                        ),
                    )
                    counts[LOCAL_CYCLES] += busy
                    load_store_free[core] = begin + busy
                    finished = max(finished, begin + busy + figures.local_latency)
                    continue
                shift = steps.offset[access]
                if steps.space[access] == LOCAL_SPACE:
                    shift += (core * figures.max_groups + unit_group[unit]) * figures.local_bytes
                n_lines, n_sectors = _collect_lines(
                    figures,
                    addresses,
                    unit * width * n_places + site,
                    n_places,
                    active,
                    unit,
                    shift,
                    steps.access_bytes[access],
                    lines,
                )
                if figures.lookup_lanes > 0:
                    looked_up = _lookup_cycles(
                        figures,
                        addresses,
                        unit * width * n_places + site,
                        n_places,
                        active,
                        unit,
                        shift,
                        steps.access_bytes[access],
                    )
                    load_store_free[core] = begin + busy
                    counts[LOAD_STORE_CYCLES] += busy
                    begin = max(begin, lookup_free[core])
                    busy = looked_up
                elif width > 1:
                    moved_cycles = n_sectors * figures.sector_bytes / figures.bytes_per_cycle
                    busy = max(busy, float(n_lines), moved_cycles)
                for i in range(n_lines):
                    arrives, is_miss = access_line(
                        memory, state, core, lines[i], time, begin + i, steps.is_store[access]
                    )
                    if is_miss:
                        busy += figures.restart_cycles
                    if not steps.is_store[access] or figures.blocks_on_access:
                        finished = max(finished, arrives)
                if figures.lookup_lanes > 0:
                    counts[LOOKUP_CYCLES] += busy
                    lookup_free[core] = begin + busy
                else:
                    counts[LOAD_STORE_CYCLES] += busy
                    load_store_free[core] = begin + busy
                finished = max(finished, begin + busy)
            if figures.blocks_on_access:
                onward = max(onward, finished)
            else:
                turn = n_messages[unit] % in_flight
                if n_messages[unit] > 0:
                    finished = max(finished, done[unit, (n_messages[unit] - 1) % in_flight])
                done[unit, turn] = finished
                n_messages[unit] += 1
        step[unit] += 1
        if steps.is_barrier[s]:
            counts[BARRIERS] += 1
            place = unit_group[unit]
            arrived[core, place] += 1
            if arrived[core, place] < group_left[core, place]:
                wheel.following[unit] = waiting[core, place]
                waiting[core, place] = unit
                continue
            # The last one opens the barrier for all.
            arrived[core, place] = 0
            onward = max(onward, time + figures.barrier_cycles)
            other = waiting[core, place]
            waiting[core, place] = -1
            while other >= 0:
                following = wheel.following[other]
                _push(wheel, other, int(np.ceil(onward)), now)
                n_pending += 1
                other = following
        _push(wheel, unit, max(int(np.ceil(onward)), now), now)
        n_pending += 1
    return end, limit, n_marks
