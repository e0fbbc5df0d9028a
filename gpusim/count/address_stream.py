"""Addresses of the warps of sampled work-groups, in the order in which the warps issued them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR

LOCAL_BASE = 1 << 46
"""Where local memory begins in a stream: program-scope variables, then arguments."""
CONSTANT_BASE = LOCAL_BASE + (1 << 40)
"""Where program-scope constants begin."""
ELSEWHERE = 1 << 47
"""Address of everything else: private memory behind a generic pointer."""

SITE = np.dtype(
    [
        ("instruction", np.int64),  # index into KernelIR.instructions
        ("block", np.int64),
        ("address_space", np.int64),  # as declared: 1 global, 2 constant, 3 local, 4 generic
        ("bytes", np.int64),  # of one lane's access, 0 = known at run time only
        ("is_load", np.bool_),
        ("is_store", np.bool_),  # an atomic is both
        ("line", np.int64),  # OpenCL C source line, 0 = unknown
    ]
)

LANE_ACCESS_FIELDS = [
    ("group", np.int64),
    ("warp", np.int32),
    ("site", np.int32),
    ("lane", np.int32),
]


def warp_access_dtype(warp_width: int) -> np.dtype[np.void]:
    """Return the row of one warp access; the lane mask has a 64-bit word for each 64 lanes."""
    return np.dtype(
        [
            ("group", np.int64),  # linear number within the job
            ("warp", np.int32),  # within the group
            ("site", np.int32),  # index into AddressStream.sites
            ("n_lanes", np.int32),
            ("mask", np.uint64, (-(-warp_width // 64),)),  # lane i is bit i % 64 of word i // 64
            ("bytes", np.int64),  # of one lane
            ("is_store", np.bool_),
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressStream:
    """What the warps of some work-groups accessed: group after group, warps of a group in turn."""

    warp_width: int
    sites: npt.NDArray[np.void]
    """(n_site,) SITE."""
    accesses: npt.NDArray[np.void]
    """(n_access,) `warp_access_dtype`, in issue order."""
    first: npt.NDArray[np.int64]
    """(n_access + 1,) where the lanes of each access begin in `addresses`."""
    addresses: npt.NDArray[np.int64]
    """(n_lane_access,) of the active lanes in ascending order: virtual addresses of the buffers
    as the driver placed them; local memory from `LOCAL_BASE`, constants from `CONSTANT_BASE`."""
    recorded: float
    """Fraction of the lane accesses of the sampled groups that is in the stream; 1 = all."""

    def lanes(self) -> npt.NDArray[np.void]:
        """Return one row per lane access.

        Returns
        -------
        (n_lane_access,) structured array
            ``group``, ``warp``, ``site``, ``lane``, ``mask`` (of the whole warp access),
            ``address``, ``bytes``, ``is_store``.
        """
        counts = np.diff(self.first)
        mask = self.accesses["mask"]
        rows = np.empty(
            len(self.addresses),
            [
                *LANE_ACCESS_FIELDS,
                ("mask", np.uint64, mask.shape[1:]),
                ("address", np.int64),
                ("bytes", np.int64),
                ("is_store", np.bool_),
            ],
        )
        for name in ("group", "warp", "site", "bytes", "is_store"):
            rows[name] = np.repeat(self.accesses[name], counts)
        rows["mask"] = np.repeat(mask, counts, axis=0)
        rows["address"] = self.addresses
        bits = np.unpackbits(
            np.ascontiguousarray(mask).view(np.uint8), axis=1, bitorder="little"
        ).astype(bool)
        rows["lane"] = np.nonzero(bits)[1]
        return rows

    def lines(self, line_bytes: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the distinct lines of every warp access.

        Parameters
        ----------
        line_bytes : int
            A power of two.

        Returns
        -------
        counts : (n_access,) int64
            Lines of each access.
        lines : (sum of counts,) int64
            Line numbers (address / `line_bytes`), access after access, in order of lanes.
        """
        from gpusim.loops.warp_stream import lines_of_accesses, table_bits

        n_bytes = np.ascontiguousarray(self.accesses["bytes"])
        counts = np.zeros(len(self.accesses), np.int64)
        span = 1 + (int(n_bytes.max(initial=1)) + line_bytes - 2) // line_bytes
        lines = np.empty(len(self.addresses) * span, np.int64)
        total = lines_of_accesses(
            self.first,
            self.addresses,
            n_bytes,
            line_bytes.bit_length() - 1,
            table_bits(span * self.warp_width),
            counts,
            lines,
        )
        return counts, lines[:total]

    def bank_passes(self, n_banks: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return passes through a banked local memory: needed, and without conflicts.

        Parameters
        ----------
        n_banks : int
            Of 4 bytes each.

        Returns
        -------
        passes, fewest : (n_access,) int64
            0 for accesses outside of local memory.
        """
        from gpusim.loops.warp_stream import bank_passes, table_bits

        is_local = self.is_local
        passes, fewest = np.zeros((2, len(self.accesses)), np.int64)
        chosen = np.flatnonzero(is_local)
        counts = np.diff(self.first)
        keep = np.repeat(is_local, counts)
        starts = np.concatenate([[0], np.cumsum(counts[chosen])])
        found = np.zeros((2, len(chosen)), np.int64)
        n_bytes = np.ascontiguousarray(self.accesses["bytes"][chosen])
        most = max(n_banks, self.warp_width, int(n_bytes.max(initial=4)))
        bank_passes(
            starts, self.addresses[keep], n_bytes, n_banks, table_bits(most), found[0], found[1]
        )
        passes[chosen], fewest[chosen] = found
        return passes, fewest

    @property
    def is_local(self) -> npt.NDArray[np.bool_]:
        """(n_access,) whether an access goes to local memory, by its first lane."""
        if not len(self.accesses):
            return np.zeros(0, bool)
        start = self.addresses[self.first[:-1]]
        local: npt.NDArray[np.bool_] = (start >= LOCAL_BASE) & (start < CONSTANT_BASE)
        return local


def site_table(
    kernel: KernelIR, recorded: Sequence[Sequence[Sequence[int | str]]]
) -> npt.NDArray[np.void]:
    """Return the sites of a lock-step variant's states, state after state."""
    flat = [site for sites in recorded for site in sites]
    table = np.zeros(len(flat), SITE)
    for row, (instruction, kind, space, n_bytes) in zip(table, flat, strict=True):
        row["instruction"] = instruction
        row["block"] = kernel.instructions["block"][int(instruction)]
        row["line"] = kernel.instructions["line"][int(instruction)]
        row["address_space"], row["bytes"] = space, n_bytes
        row["is_load"], row["is_store"] = kind != "store", kind != "load"
    return table


def decode_stream(
    words: npt.NDArray[np.int64],
    ends: Sequence[int],
    *,
    groups: Sequence[int],
    warp_width: int,
    sites: npt.NDArray[np.void],
    first_site: npt.NDArray[np.int64],
    ranges: npt.NDArray[np.int64],
    all_lanes: int,
) -> AddressStream:
    """Return the stream that a native record stands for.

    Parameters
    ----------
    words : (n,) int64
        The record.
    ends : sequence of int
        Where each group's part ends.
    groups : sequence of int
        Linear numbers of the groups.
    warp_width : int
    sites : (n_site,) SITE
    first_site : (n_state + 1,) int64
        Where the sites of each state begin.
    ranges : (n_range, 3) int64
        Start, end, new start of the run's memory.
    all_lanes : int
        Lane accesses of the groups, recorded or not.
    """
    from gpusim.loops.warp_stream import decode, measure

    mask_words = -(-warp_width // 64)
    starts = [0, *ends[:-1]]
    sizes = [measure(words[a:b], first_site, mask_words) for a, b in zip(starts, ends, strict=True)]
    n_accesses = sum(size[0] for size in sizes)
    warp, site = np.empty((2, n_accesses), np.int32)
    first = np.zeros(n_accesses + 1, np.int64)
    mask = np.empty((n_accesses, mask_words), np.uint64)
    addresses = np.empty(sum(size[1] for size in sizes), np.int64)
    decode(words, first_site, ranges, ELSEWHERE, warp, site, first, mask, addresses)
    accesses = np.empty(n_accesses, warp_access_dtype(warp_width))
    accesses["group"] = np.repeat(groups[: len(sizes)], [size[0] for size in sizes])
    accesses["warp"], accesses["site"], accesses["mask"] = warp, site, mask
    accesses["n_lanes"] = np.diff(first)
    accesses["bytes"], accesses["is_store"] = sites["bytes"][site], sites["is_store"][site]
    return AddressStream(
        warp_width=warp_width,
        sites=sites,
        accesses=accesses,
        first=first,
        addresses=addresses,
        recorded=len(addresses) / all_lanes if all_lanes else 1.0,
    )
