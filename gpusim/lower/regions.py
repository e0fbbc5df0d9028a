"""The split of an NDRange that its work-group shape does not divide.

Each dimension falls into the part that divides and a rest; the parts of the NDRange are the
products of those, at most eight. The x case is what the jobs of Mali-G72 published by Radu et
al. (IISWC 2019, Tables I-IV) show: 23 columns in groups of 4 run as 20 + 3, 25 as 24 + 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from gpusim.trace.records import Size3


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of an NDRange with one work-group shape."""

    item_offset: Size3
    group_offset: Size3
    global_size: Size3
    local_size: Size3


def split_regions(global_size: Size3, local_size: Size3) -> tuple[Region, ...]:
    """Return the uniform regions of an NDRange, the main one first, x varying fastest.

    Parameters
    ----------
    global_size, local_size : Size3
        Work-items per dimension of the launch and of a full work-group; all positive.

    Returns
    -------
    tuple of Region
        Disjoint, covering the NDRange exactly. In each region the local size divides the global
        size.
    """
    axes = []
    for extent, size in zip(global_size, local_size, strict=True):
        n_full = extent // size
        rest = extent - n_full * size
        parts = []
        if n_full:
            parts.append((0, 0, n_full * size, size))
        if rest:
            parts.append((n_full * size, n_full, rest, rest))
        axes.append(parts)
    regions = []
    for z, y, x in product(axes[2], axes[1], axes[0]):
        item, group, extent3, size3 = zip(x, y, z, strict=True)
        regions.append(
            Region(item_offset=item, group_offset=group, global_size=extent3, local_size=size3)
        )
    return tuple(regions)
