"""How well warps are filled: lock-step execution of sampled work-groups.

Groups are sampled evenly over the NDRange, all of them when there are few; each runs on the
buffers as they were before the launch. Sums over the job weigh a sampled group by its count class.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.work_count import WorkCount

MAX_GROUPS = 64
"""Work-groups run in lock-step per job."""


def sample_groups(n_groups: int) -> list[int]:
    """Return up to `MAX_GROUPS` group numbers: first, last and evenly between."""
    if n_groups <= MAX_GROUPS:
        return list(range(n_groups))
    spread = np.unique(np.linspace(0, n_groups - 1, MAX_GROUPS).astype(np.int64))
    return [int(group) for group in spread]


def class_of_groups(count: WorkCount, groups: list[int]) -> npt.NDArray[np.int64]:
    """Return the count class of some groups."""
    ends = np.cumsum(count.class_runs[:, 1])
    runs = np.searchsorted(ends, np.array(groups), side="right")
    classes: npt.NDArray[np.int64] = count.class_runs[runs, 0]
    return classes


def efficiency(
    kernel: KernelIR,
    count: WorkCount,
    groups: list[int],
    rows: npt.NDArray[np.int64],
    warp_width: int,
) -> dict[str, float]:
    """Return what lock-step execution shows about a job.

    Parameters
    ----------
    kernel : KernelIR
        For the instructions per block.
    count : WorkCount
        Exact counts of the job.
    groups : list of int
        The groups that were run.
    rows : (n_group, 2 * n_block + 1) int64
        Executions of each block per lane, then per warp.
    warp_width : int
        Lanes per warp.

    Returns
    -------
    dict
        ``warp_width``, ``efficiency`` (executed lane instructions over issued lane slots, 1 =
        no divergence and full warps), ``warp_instructions`` (issued by all warps of the job),
        ``sampled_groups``, ``groups``.
    """
    n_blocks = kernel.n_blocks
    size = np.bincount(kernel.instructions["block"], minlength=n_blocks)
    issued = (rows[:, n_blocks : 2 * n_blocks] @ size).astype(np.float64)
    lanes = (rows[:, :n_blocks] @ size).astype(np.float64)
    classes = class_of_groups(count, groups[: len(rows)])
    n_classes = len(count.class_blocks)
    sampled = np.bincount(classes, minlength=n_classes)
    of_class = np.bincount(classes, weights=issued, minlength=n_classes)
    class_lanes = (count.class_blocks @ size).astype(np.float64)
    # A class without a sampled group diverges like the sampled ones do on average.
    overall = issued.sum() / max(1.0, lanes.sum())
    per_group = np.where(sampled > 0, of_class / np.maximum(1, sampled), class_lanes * overall)
    total_issued = float(count.class_groups @ per_group)
    total_lanes = float(count.class_groups @ class_lanes)
    return {
        "warp_width": warp_width,
        "efficiency": total_lanes / (warp_width * total_issued) if total_issued else 1.0,
        "warp_instructions": total_issued,
        "sampled_groups": len(rows),
        "groups": count.n_work_groups,
    }
