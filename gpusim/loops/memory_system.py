"""Caches, address translation and external memory of a GPU, one line at a time.

Times are GPU cycles (float64). Servers (ports, slices, external memory) have a backlog that
grows with each request and shrinks as time passes; a request is served when it has arrived and
the backlog it found is done. So a request that arrives late, because it waited elsewhere, does not
hold up those that arrive before it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gpusim.loops._jit import loop
from gpusim.loops.cache_sets import CacheSets, find, victim

(
    L1_LOOKUPS,
    L1_MISSES,
    L1_WRITEBACKS,
    L2_LOOKUPS,
    L2_MISSES,
    L2_WRITEBACKS,
    TLB_LOOKUPS,
    TLB_MISSES,
    WALKS,
    DRAM_READS,
    DRAM_WRITES,
    ROW_HITS,
    ROW_MISSES,
    ROW_CONFLICTS,
    L1_FILLS,
) = range(15)
"""Indices of `MemoryState.counts`."""
N_COUNTS = 15
ROWS_QUEUED = 4
"""Rows of one bank whose requests a memory controller brings together while it has a backlog;
assumed, no vendor publishes how far its controllers look ahead."""


class MemoryFigures(NamedTuple):
    """What does not change while a job runs."""

    line_bytes: int
    page_bytes: int
    l1_latency: float
    l1_writes_through: bool
    l1_outstanding: int
    l2_latency: float
    """From the request of a core to its line, beyond an L1 hit."""
    port_cycles: float
    """A line occupies a core's port to L2."""
    l2_outstanding: int
    tlb_hit_cycles: float
    """Of a miss in a core's buffer that hits the shared one."""
    walk_accesses: int
    dram_latency: float
    """Of an access to an open row."""
    dram_cycles: float
    """A line occupies a channel of external memory."""
    n_channels: int
    interleave_lines: int
    """Consecutive lines on one channel."""
    n_banks: int
    """Per channel."""
    row_lines: int
    activate_cycles: float
    """To open a row of an idle bank; closing another one first takes as long again."""
    page_seed: int
    """Physical pages are scattered by a hash of this and the virtual page."""


class MemoryState(NamedTuple):
    """What changes; arrays, updated in place."""

    l1: CacheSets
    l2: CacheSets
    """One "cache" per slice."""
    tlb: CacheSets
    """One fully associative set per core."""
    shared_tlb: CacheSets
    clock: npt.NDArray[np.int64]
    """(1,) uses so far, for replacement."""
    now: npt.NDArray[np.float64]
    """(1,) time of the event being handled."""
    port_free: npt.NDArray[np.float64]
    """(n_cores,) when the backlog of each core's port is done."""
    slice_free: npt.NDArray[np.float64]
    walker_free: npt.NDArray[np.float64]
    """(n_cores,) a core translates one page at a time."""
    dram_free: npt.NDArray[np.float64]
    """(n_channels,)"""
    bank_free: npt.NDArray[np.float64]
    """(n_channels x n_banks,)"""
    open_rows: npt.NDArray[np.int64]
    """(n_channels x n_banks, ROWS_QUEUED) rows of the latest requests, the open one first; -1 =
    none."""
    l1_flight: npt.NDArray[np.float64]
    """(n_cores, outstanding) ends of the latest misses."""
    l1_turn: npt.NDArray[np.int64]
    l2_flight: npt.NDArray[np.float64]
    """(outstanding,)"""
    l2_turn: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


_TABLE_BASE = 1 << 52
"""Lines of the page table, out of the way of data."""


@loop
def scatter(value: int, seed: int) -> int:
    """Return a non-negative pseudo-random number that depends on `value` and `seed` only."""
    mixed = np.uint64(value) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(2))


@loop
def _serve(
    free: npt.NDArray[np.float64], which: int, time: float, now: float, cost: float
) -> float:
    """Return when a server starts on a request that arrives at `time`; its backlog grows."""
    start: float = max(time, free[which])
    free[which] = max(now, free[which]) + cost
    return start


@loop
def _dram(figures: MemoryFigures, state: MemoryState, line: int, time: float) -> float:
    """Return when external memory has moved a physical line asked for at `time`.

    The row of the line must be open in its bank. Banks open rows side by side, lines follow each
    other on their channel. While a channel has a backlog, requests to the rows asked for lately
    are brought together, so that they count as hits.
    """
    chunk = line // figures.interleave_lines
    channel = chunk % figures.n_channels
    inner = chunk // figures.n_channels * figures.interleave_lines + line % figures.interleave_lines
    row = inner // figures.row_lines
    bank = channel * figures.n_banks + row % figures.n_banks
    rows = state.open_rows
    opening = 0.0
    if rows[bank, 0] == row:
        state.counts[ROW_HITS] += 1
    else:
        place = 1
        while place < ROWS_QUEUED - 1 and rows[bank, place] != row:
            place += 1
        if rows[bank, place] == row and state.dram_free[channel] > time:
            state.counts[ROW_HITS] += 1
        elif rows[bank, 0] < 0:
            state.counts[ROW_MISSES] += 1
            opening = figures.activate_cycles
        else:
            state.counts[ROW_CONFLICTS] += 1
            opening = 2.0 * figures.activate_cycles
        for i in range(place, 0, -1):
            rows[bank, i] = rows[bank, i - 1]
        rows[bank, 0] = row
    cost = figures.dram_cycles
    now = state.now[0]
    ready = _serve(state.bank_free, bank, time, now, opening + cost) + opening
    return _serve(state.dram_free, channel, ready, now, cost) + cost


@loop
def _l2(
    figures: MemoryFigures,
    state: MemoryState,
    line: int,
    time: float,
    is_write: bool,
) -> float:
    """Return when L2 has served `line` (a physical line), asked for at `time`."""
    l2 = state.l2
    n_slices, n_sets = l2.line.shape[0], l2.line.shape[1]
    which = line % n_slices
    index = (line // n_slices) % n_sets
    state.counts[L2_LOOKUPS] += 1
    state.clock[0] += 1
    start = _serve(state.slice_free, which, time, state.now[0], 1.0)
    way = find(l2, which, index, line)
    if way >= 0:
        l2.used[which, index, way] = state.clock[0]
        if is_write:
            l2.dirty[which, index, way] = True
        there: float = max(start, l2.ready[which, index, way])
        return there
    state.counts[L2_MISSES] += 1
    way = victim(l2, which, index)
    if l2.line[which, index, way] >= 0 and l2.dirty[which, index, way]:
        state.counts[L2_WRITEBACKS] += 1
        state.counts[DRAM_WRITES] += 1
        _dram(figures, state, l2.line[which, index, way], start)
    arrived = start
    if not is_write:
        # A whole line that is written need not be read first.
        turn = state.l2_turn[0] % figures.l2_outstanding
        state.l2_turn[0] += 1
        begin = max(start, state.l2_flight[turn])
        state.counts[DRAM_READS] += 1
        arrived = _dram(figures, state, line, begin) + figures.dram_latency
        state.l2_flight[turn] = arrived
    l2.line[which, index, way] = line
    l2.used[which, index, way] = state.clock[0]
    l2.ready[which, index, way] = arrived
    l2.dirty[which, index, way] = is_write
    return arrived


@loop
def _translate(
    figures: MemoryFigures, state: MemoryState, core: int, page: int, time: float
) -> float:
    """Return when a core knows the physical page of `page`."""
    tlb, shared = state.tlb, state.shared_tlb
    state.counts[TLB_LOOKUPS] += 1
    state.clock[0] += 1
    way = find(tlb, core, 0, page)
    if way >= 0:
        tlb.used[core, 0, way] = state.clock[0]
        there: float = max(time, tlb.ready[core, 0, way])
        return there
    state.counts[TLB_MISSES] += 1
    known: float = max(time, state.walker_free[core]) + figures.tlb_hit_cycles
    if shared.line.shape[2] > 0:
        index = page % shared.line.shape[1]
        hit = find(shared, 0, index, page)
        if hit < 0:
            state.counts[WALKS] += 1
            for level in range(figures.walk_accesses):
                # Eight bytes an entry: neighbouring pages share a line of the table.
                entry = (
                    _TABLE_BASE + (level << 40) + (page >> (9 * level)) * 8 // figures.line_bytes
                )
                known = _l2(figures, state, entry, known, False) + figures.l2_latency
            hit = victim(shared, 0, index)
            shared.line[0, index, hit] = page
        shared.used[0, index, hit] = state.clock[0]
    state.walker_free[core] = known
    way = victim(tlb, core, 0)
    tlb.line[core, 0, way] = page
    tlb.used[core, 0, way] = state.clock[0]
    tlb.ready[core, 0, way] = known
    return known


@loop
def _physical(figures: MemoryFigures, line: int) -> int:
    """Return the physical line of a virtual one: pages lie scattered, lines in order."""
    per_page = figures.page_bytes // figures.line_bytes
    page = line // per_page
    return scatter(page, figures.page_seed) % (1 << 36) * per_page + line % per_page


@loop
def _write_back(
    figures: MemoryFigures, state: MemoryState, core: int, line: int, time: float
) -> None:
    """Send a line from L1 to L2."""
    state.counts[L1_WRITEBACKS] += 1
    start = _serve(state.port_free, core, time, state.now[0], figures.port_cycles)
    _l2(figures, state, _physical(figures, line), start, True)


@loop
def access_line(
    figures: MemoryFigures,
    state: MemoryState,
    core: int,
    line: int,
    now: float,
    time: float,
    is_store: bool,
) -> tuple[float, bool]:
    """Load or store (a part of) a line.

    Parameters
    ----------
    figures : MemoryFigures
    state : MemoryState
        Updated.
    core : int
    line : int
        Virtual address over line size.
    now : float
        Time of the event that leads to the access; never decreases from call to call.
    time : float
        When the load/store pipe handles it.
    is_store : bool

    Returns
    -------
    done : float
        When the data are there; of a store: when the pipe has let go of it.
    is_miss : bool
        Whether L1 did not hold the line.
    """
    l1 = state.l1
    index = line % l1.line.shape[1]
    state.now[0] = now
    state.counts[L1_LOOKUPS] += 1
    state.clock[0] += 1
    way = find(l1, core, index, line)
    if way >= 0:
        l1.used[core, index, way] = state.clock[0]
        if is_store:
            if figures.l1_writes_through:
                _write_back(figures, state, core, line, time)
            else:
                l1.dirty[core, index, way] = True
            return time + figures.l1_latency, False
        return max(time, l1.ready[core, index, way]) + figures.l1_latency, False
    state.counts[L1_MISSES] += 1
    page = line * figures.line_bytes // figures.page_bytes
    begin = _translate(figures, state, core, page, time)
    if is_store and figures.l1_writes_through:
        _write_back(figures, state, core, line, begin)
        return time + figures.l1_latency, True
    way = victim(l1, core, index)
    if l1.line[core, index, way] >= 0 and l1.dirty[core, index, way]:
        _write_back(figures, state, core, l1.line[core, index, way], begin)
    arrived = begin
    if not is_store:
        turn = state.l1_turn[core] % figures.l1_outstanding
        state.l1_turn[core] += 1
        begin = max(begin, state.l1_flight[core, turn])
        state.counts[L1_FILLS] += 1
        served = _l2(figures, state, _physical(figures, line), begin, False)
        start = _serve(state.port_free, core, served, state.now[0], figures.port_cycles)
        arrived = max(start + figures.port_cycles, served + figures.l2_latency)
        state.l1_flight[core, turn] = arrived
    l1.line[core, index, way] = line
    l1.used[core, index, way] = state.clock[0]
    l1.ready[core, index, way] = arrived
    l1.dirty[core, index, way] = is_store
    return max(time, arrived) + figures.l1_latency, True


@loop
def flush(figures: MemoryFigures, state: MemoryState, time: float) -> float:
    """Write back every dirty line and forget all lines; return when external memory is done."""
    state.now[0] = time
    for core in range(state.l1.line.shape[0]):
        for index in range(state.l1.line.shape[1]):
            for way in range(state.l1.line.shape[2]):
                if state.l1.line[core, index, way] >= 0 and state.l1.dirty[core, index, way]:
                    _write_back(figures, state, core, state.l1.line[core, index, way], time)
    end = time
    for which in range(state.l2.line.shape[0]):
        for index in range(state.l2.line.shape[1]):
            for way in range(state.l2.line.shape[2]):
                if state.l2.line[which, index, way] >= 0 and state.l2.dirty[which, index, way]:
                    state.counts[L2_WRITEBACKS] += 1
                    state.counts[DRAM_WRITES] += 1
                    end = max(end, _dram(figures, state, state.l2.line[which, index, way], time))
    state.l1.line[:] = -1
    state.l1.dirty[:] = False
    state.l2.line[:] = -1
    state.l2.dirty[:] = False
    return end
