"""Recorded warp accesses: from the native record to arrays, and from lanes to lines and banks.

The record of one block issue is its state and active lanes, its warp, the lane mask, and every
active lane's addresses, lane by lane (`gpusim.count.layout`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpusim.loops._jit import loop

Words = npt.NDArray[np.int64]

HEADER_WORDS = 2
_HASH = 0x9E3779B97F4A7C15 - (1 << 64)


@loop
def measure(words: Words, first_site: Words, mask_words: int) -> tuple[int, int]:
    """Return the warp accesses and the lane accesses of a record.

    Parameters
    ----------
    words : (n,) int64
        The record.
    first_site : (n_state + 1,) int64
        Where each state's access sites begin.
    mask_words : int
        64-bit words of the lane mask.
    """
    at, n_accesses, n_lanes = 0, 0, 0
    while at < len(words):
        state, active = words[at] & 0xFFFFFFFF, words[at] >> 32
        sites = first_site[state + 1] - first_site[state]
        n_accesses += sites
        n_lanes += sites * active
        at += HEADER_WORDS + mask_words + sites * active
    return n_accesses, n_lanes


@loop
def _place(address: int, ranges: Words, hint: int) -> int:
    """Return the range that an address lies in, -1 = none; `hint` is tried first."""
    if ranges[hint, 0] <= address < ranges[hint, 1]:
        return hint
    for i in range(len(ranges)):
        if ranges[i, 0] <= address < ranges[i, 1]:
            return i
    return -1


@loop
def decode(
    words: Words,
    first_site: Words,
    ranges: Words,
    elsewhere: int,
    warp: npt.NDArray[np.int32],
    site: npt.NDArray[np.int32],
    first: Words,
    mask: npt.NDArray[np.uint64],
    addresses: Words,
) -> None:
    """Write a record's warp accesses, in order, and their lanes' addresses, lane by lane.

    Parameters
    ----------
    words : (n,) int64
        The record.
    first_site : (n_state + 1,) int64
        Where each state's access sites begin.
    ranges : (n_range, 3) int64
        Start, end and new start of memory: addresses are moved from where the run had them. The
        first range that fits counts.
    elsewhere : int
        What an address outside of all ranges becomes.
    warp, site : (n_access,) int32
    first : (n_access + 1,) int64
        Where an access's lanes begin in `addresses`.
    mask : (n_access, mask_words) uint64
    addresses : (n_lane_access,) int64
    """
    mask_words = mask.shape[1]
    at, access, position = 0, 0, 0
    hints = np.zeros(first_site[-1] + 1, np.int64)
    while at < len(words):
        state, active = words[at] & 0xFFFFFFFF, words[at] >> 32
        start = first_site[state]
        sites = first_site[state + 1] - start
        body = at + HEADER_WORDS + mask_words
        for k in range(sites):
            warp[access] = words[at + 1]
            site[access] = start + k
            first[access] = position
            for word in range(mask_words):
                mask[access, word] = np.uint64(words[at + HEADER_WORDS + word])
            hint = hints[start + k]
            for lane in range(active):
                address = words[body + lane * sites + k]
                hint = _place(address, ranges, max(0, hint))
                moved = elsewhere
                if hint >= 0:
                    moved = address - ranges[hint, 0] + ranges[hint, 2]
                addresses[position] = moved
                position += 1
            hints[start + k] = max(0, hint)
            access += 1
        at = body + sites * active
    first[access] = position


def table_bits(most: int) -> int:
    """Return the size, as a base-2 logarithm, of a table that `most` numbers fill to a quarter."""
    return max(6, (4 * most - 1).bit_length())


@loop
def _insert(table: Words, stamps: Words, bits: int, stamp: int, line: int) -> bool:
    """Return whether `line` is new among those with the same stamp."""
    slot = ((line * _HASH) >> (64 - bits)) & ((1 << bits) - 1)
    while stamps[slot] == stamp:
        if table[slot] == line:
            return False
        slot = (slot + 1) & ((1 << bits) - 1)
    stamps[slot] = stamp
    table[slot] = line
    return True


@loop
def lines_of_accesses(
    first: Words,
    addresses: Words,
    n_bytes: Words,
    shift: int,
    bits: int,
    counts: Words,
    lines: Words,
) -> int:
    """Find the distinct cache lines of every warp access, in order of lanes.

    Parameters
    ----------
    first : (n_access + 1,) int64
        Where an access's lanes begin in `addresses`.
    addresses : (n_lane_access,) int64
    n_bytes : (n_access,) int64
        Size of the access of one lane; 0 is taken as 1.
    shift : int
        Base-2 logarithm of the line size.
    bits : int
        `table_bits` of the most lines of one access.
    counts : (n_access,) int64
        Written: number of lines.
    lines : (n,) int64
        Written: line numbers, access after access, as far as there is room.

    Returns
    -------
    int
        Lines of all accesses.
    """
    table = np.empty(1 << bits, np.int64)
    stamps = np.full(1 << bits, -1, np.int64)
    total = 0
    room = len(lines)
    for access in range(len(counts)):
        beyond = max(1, n_bytes[access]) - 1
        found = 0
        last = -1
        for position in range(first[access], first[access + 1]):
            address = addresses[position]
            high = (address + beyond) >> shift
            line = address >> shift
            while line <= high:
                if line != last:
                    last = line
                    if _insert(table, stamps, bits, access, line):
                        if total < room:
                            lines[total] = line
                        total += 1
                        found += 1
                line += 1
        counts[access] = found
    return total


@loop
def bank_passes(
    first: Words,
    addresses: Words,
    n_bytes: Words,
    n_banks: int,
    bits: int,
    passes: Words,
    fewest: Words,
) -> None:
    """Count how often banked local memory is read for every warp access.

    A bank gives one 4-byte word a pass, to all lanes that want it. Wider accesses are served for
    as many lanes at a time as want one word of every bank.

    Parameters
    ----------
    first, addresses, n_bytes
        As in `lines_of_accesses`.
    n_banks : int
    bits : int
        `table_bits` of the most words read together.
    passes : (n_access,) int64
        Written: passes needed.
    fewest : (n_access,) int64
        Written: passes that as many lanes need without a conflict.
    """
    table = np.empty(1 << bits, np.int64)
    stamps = np.full(1 << bits, -1, np.int64)
    wanted = np.zeros(n_banks, np.int64)
    stamp = 0
    for access in range(len(passes)):
        words = (max(1, n_bytes[access]) + 3) // 4
        together = max(1, n_banks // words)
        position, end = first[access], first[access + 1]
        total, batches = 0, 0
        while position < end:
            stamp += 1
            batches += 1
            wanted[:] = 0
            most = 0
            for lane in range(position, min(end, position + together)):
                low = addresses[lane] >> 2
                for word in range(low, low + words):
                    if _insert(table, stamps, bits, stamp, word):
                        bank = word % n_banks
                        wanted[bank] += 1
                        most = max(most, wanted[bank])
            total += most
            position += together
        passes[access] = total
        fewest[access] = batches
