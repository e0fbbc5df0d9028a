"""How many cache lines a warp access touches, and how local memory banks serve it, per site."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.count.address_stream import AddressStream

LINE_BYTES = (32, 64, 128)
"""A sector of Maxwell and Pascal, a Mali line, a line of Maxwell and Pascal."""
N_BANKS = 32
"""Of 4 bytes: local memory of Maxwell and Pascal (CUDA C programming guide). Mali's is ordinary
cached memory without banks."""
_SPACES = {1: "global", 2: "constant", 3: "local", 4: "generic"}


def _histogram(values: npt.NDArray[np.int64]) -> dict[str, int]:
    numbers, times = np.unique(values, return_counts=True)
    return {str(int(n)): int(t) for n, t in zip(numbers, times, strict=True)}


def coalescing(stream: AddressStream) -> dict[str, Any]:
    """Return lines and bank passes per warp access of each site of a stream.

    Returns
    -------
    dict
        ``warp_width``; ``warp_accesses`` and ``lane_accesses`` in the stream; ``recorded``
        (fraction of the sampled groups' lane accesses that is in it); ``mean_lines`` {line size:
        mean over all accesses outside of local memory}; ``sites``, one for each access of the
        kernel that ran: ``instruction``, ``block``, ``line`` (of the source), ``space``,
        ``access`` (``load``, ``store``, ``atomic``), ``bytes`` (of one lane), ``warp_accesses``,
        ``mean_lanes``, and outside of local memory ``mean_lines`` and ``lines`` {line size:
        {lines: warp accesses}}, in local memory ``bank_passes`` (``banks``, ``mean``,
        ``conflict_free_mean``, ``histogram`` {passes: warp accesses}).
    """
    is_local = stream.is_local
    counts = {size: stream.lines(size)[0] for size in LINE_BYTES}
    passes, fewest = stream.bank_passes(N_BANKS)
    order = np.argsort(stream.accesses["site"], kind="stable")
    bounds = np.searchsorted(stream.accesses["site"][order], np.arange(len(stream.sites) + 1))
    sites = []
    for number, site in enumerate(stream.sites):
        mine = order[bounds[number] : bounds[number + 1]]
        if not len(mine):
            continue
        lanes = stream.accesses["n_lanes"][mine]
        row: dict[str, Any] = {
            "instruction": int(site["instruction"]),
            "block": int(site["block"]),
            "line": int(site["line"]),
            "space": "local" if is_local[mine[0]] else _SPACES[int(site["address_space"])],
            "access": _access(site),
            "bytes": int(site["bytes"]),
            "warp_accesses": len(mine),
            "mean_lanes": float(lanes.mean()),
        }
        outside = mine[~is_local[mine]]
        inside = mine[is_local[mine]]
        if len(outside):
            row["mean_lines"] = {str(n): float(c[outside].mean()) for n, c in counts.items()}
            row["lines"] = {str(n): _histogram(c[outside]) for n, c in counts.items()}
        if len(inside):
            row["bank_passes"] = {
                "banks": N_BANKS,
                "mean": float(passes[inside].mean()),
                "conflict_free_mean": float(fewest[inside].mean()),
                "histogram": _histogram(passes[inside]),
            }
        sites.append(row)
    elsewhere = ~is_local
    return {
        "warp_width": stream.warp_width,
        "warp_accesses": len(stream.accesses),
        "lane_accesses": len(stream.addresses),
        "recorded": stream.recorded,
        "mean_lines": {
            str(size): float(found[elsewhere].mean()) if elsewhere.any() else 0.0
            for size, found in counts.items()
        },
        "sites": sites,
    }


def _access(site: np.void) -> str:
    if site["is_load"] and site["is_store"]:
        return "atomic"
    return "store" if site["is_store"] else "load"
