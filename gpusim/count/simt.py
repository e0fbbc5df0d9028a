"""How well warps are filled: which work-groups run in lock-step, and what that says of the job.

Groups are sampled by stratum: count classes, every class first, then in proportion to their
groups; all of them when there are few. The standard error comes from the spread within classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.simt_result import SimtResult
from gpusim.count.work_count import WorkCount

MAX_GROUPS = 64
"""Work-groups run in lock-step per job."""
MAX_LANE_INSTRUCTIONS = 200_000_000
"""Of the sampled groups of a job together, about; one group always runs."""
_MAX_COUNT_BYTES = 64 << 20
"""Of the counts per warp and block."""

Floats = npt.NDArray[np.float64]


def group_budget(n_warps: int, n_blocks: int, lane_instructions: float, most: int) -> int:
    """Return how many groups may run in lock-step.

    Parameters
    ----------
    n_warps : int
        Per group.
    n_blocks : int
    lane_instructions : float
        Of one group, on average.
    most : int
        Lane instructions of all of them.
    """
    by_memory = _MAX_COUNT_BYTES // (24 * n_warps * (n_blocks + 1))
    by_time = most / max(1.0, lane_instructions)
    return int(max(1, min(MAX_GROUPS, by_memory, by_time)))


def spread_groups(n_groups: int, budget: int) -> list[int]:
    """Return up to `budget` group numbers: first, last and evenly between."""
    if n_groups <= budget:
        return list(range(n_groups))
    if budget == 1:
        return [n_groups // 2]
    spread = np.unique(np.linspace(0, n_groups - 1, budget).astype(np.int64))
    return [int(group) for group in spread]


def sample_groups(count: WorkCount, budget: int) -> list[int]:
    """Return up to `budget` group numbers, by stratum.

    Every count class gets a group, classes with most work first, and the rest of the budget in
    proportion to its number of groups (largest remainder); those of a class are spread evenly.
    """
    if count.n_work_groups <= budget:
        return list(range(count.n_work_groups))
    sizes = count.class_groups
    work = sizes * (count.class_blocks @ _block_sizes(count.kernel))
    by_work = np.argsort(-work, kind="stable")
    wanted = np.zeros(len(sizes), np.int64)
    wanted[by_work[:budget]] = 1
    left = budget - int(wanted.sum())
    room = sizes - wanted
    if left > 0:
        share = left * room / room.sum()
        wanted += share.astype(np.int64)
        rest = budget - int(wanted.sum())
        remainder = np.where(wanted < sizes, share - np.floor(share), -1.0)
        wanted[np.argsort(-remainder, kind="stable")[:rest]] += 1
    wanted = np.minimum(wanted, sizes)
    chosen: list[int] = []
    for group_class in np.flatnonzero(wanted):
        places = spread_groups(int(sizes[group_class]), int(wanted[group_class]))
        chosen += _nth_groups(count.class_runs, int(group_class), places)
    return sorted(chosen)


def _nth_groups(runs: npt.NDArray[np.int64], group_class: int, places: list[int]) -> list[int]:
    """Return the linear numbers of some groups of a class, given their places among its groups."""
    starts = np.concatenate([[0], np.cumsum(runs[:, 1])[:-1]])
    is_mine = runs[:, 0] == group_class
    mine, lengths = starts[is_mine], runs[is_mine, 1]
    ends = np.cumsum(lengths)
    run = np.searchsorted(ends, places, side="right")
    offset = np.array(places) - (ends[run] - lengths[run])
    return [int(group) for group in mine[run] + offset]


def class_of_groups(count: WorkCount, groups: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return the count class of some groups."""
    ends = np.cumsum(count.class_runs[:, 1])
    runs = np.searchsorted(ends, np.asarray(groups, np.int64), side="right")
    classes: npt.NDArray[np.int64] = count.class_runs[runs, 0]
    return classes


def _block_sizes(kernel: KernelIR) -> npt.NDArray[np.int64]:
    return np.bincount(kernel.instructions["block"], minlength=kernel.n_blocks)


def _estimate(
    count: WorkCount, classes: npt.NDArray[np.int64], values: Floats, weights: Floats
) -> tuple[Floats, float]:
    """Estimate sums over the job from the groups that ran.

    Parameters
    ----------
    count : WorkCount
    classes : (n_group,) int64
        Of the groups that ran.
    values : (n_group, n_value) float64
    weights : (n_value,) float64
        What a value contributes to the total whose error is asked for.

    Returns
    -------
    sums : (n_value,) float64
    error : float
        Standard error of the weighed total, relative to it.

    Notes
    -----
    Stratified sampling (Cochran, Sampling techniques, 1977, eqs. 5.3 and 5.6): the sum over
    classes of their number of groups times the mean of those that ran; its variance is that of the
    means, with the finite-population correction. A class of one sampled group has the spread of
    the others, relative to its mean; one without any has their mean per lane instruction.
    """
    n_classes = len(count.class_blocks)
    groups = count.class_groups.astype(np.float64)
    sampled = np.bincount(classes, minlength=n_classes).astype(np.float64)
    has = sampled > 0
    sums = np.zeros((n_classes, values.shape[1]))
    np.add.at(sums, classes, values)
    means = sums / np.maximum(1.0, sampled)[:, None]
    lanes = (count.class_blocks @ _block_sizes(count.kernel)).astype(np.float64)
    per_lane = values.sum(axis=0) / max(1.0, float(lanes[classes].sum()))
    means[~has] = lanes[~has, None] * per_lane
    of_class = means @ weights
    totals = values @ weights
    squares = np.zeros(n_classes)
    np.add.at(squares, classes, (totals - of_class[classes]) ** 2)
    several = sampled > 1
    variance = np.zeros(n_classes)
    variance[several] = squares[several] / (sampled[several] - 1)
    pooled = _pooled_variation(count, classes, totals, lanes, squares, of_class, several)
    few = ~several & (groups > sampled)
    variance[few] = (pooled * of_class[few]) ** 2
    missing = 1 - sampled / np.maximum(1.0, groups)
    squared = groups**2 * missing * variance / np.maximum(1.0, sampled)
    total = float(groups @ of_class)
    return groups @ means, float(np.sqrt(squared.sum())) / total if total else 0.0


def _pooled_variation(
    count: WorkCount,
    classes: npt.NDArray[np.int64],
    totals: Floats,
    lanes: Floats,
    squares: Floats,
    of_class: Floats,
    several: npt.NDArray[np.bool_],
) -> float:
    """Return the relative standard deviation taken for classes that say nothing about theirs."""
    freedom = np.bincount(classes, minlength=len(of_class))[several] - 1
    if several.any():
        relative = squares[several] / np.maximum(1.0, of_class[several]) ** 2
        return float(np.sqrt(relative.sum() / freedom.sum()))
    ratio = totals / np.maximum(1.0, lanes[classes])
    return float(ratio.std(ddof=1) / ratio.mean()) if len(ratio) > 1 and ratio.mean() else 0.0


def summary(count: WorkCount, result: SimtResult) -> dict[str, Any]:
    """Return what lock-step execution shows about a job.

    Returns
    -------
    dict
        ``warp_width``, ``policy``, ``policy_evidence``; ``efficiency`` (executed lane
        instructions over issued lane slots, 1 = no divergence and full warps) and
        ``warp_instructions`` (issued by all warps) under the policy; ``efficiency_by_policy`` and
        ``spread`` (largest minus smallest); ``divergent_branches`` (blocks at whose end lanes of
        a warp parted); ``blocks``, for each block that ran: ``block``, ``line``, ``warp_issues``
        and ``divergences`` of the job, ``lane_executions``, and ``issues_per_warp`` (``mean``,
        ``min``, ``max`` of the warps that ran); ``sampled_groups``, ``groups``,
        ``sampling_error`` (standard error of ``efficiency``; 0 = all groups ran).
    """
    kernel = count.kernel
    size = _block_sizes(kernel).astype(np.float64)
    lanes = float(count.block_executions @ size)
    efficiencies, issued = {}, 0.0
    error, issues = 0.0, np.zeros(kernel.n_blocks)
    for policy in result.counts:
        per_group = result.warp_issues(policy).sum(axis=1).astype(np.float64)
        sums, relative = _estimate(count, result.classes, per_group, size)
        total = float(sums @ size)
        found = lanes / (result.warp_width * total) if total else 1.0
        efficiencies[policy] = found
        if policy == result.policy:
            issued, error, issues = total, relative * found, sums
    parted = result.divergences().sum(axis=1).astype(np.float64)
    divergences, _ = _estimate(count, result.classes, parted, size)
    return {
        "warp_width": result.warp_width,
        "policy": result.policy,
        "policy_evidence": "assumed",
        "efficiency": efficiencies[result.policy],
        "efficiency_by_policy": efficiencies,
        "spread": max(efficiencies.values()) - min(efficiencies.values()),
        "warp_instructions": issued,
        "divergent_branches": int((parted.sum(axis=0) > 0).sum()),
        "blocks": _blocks(count, result, issues, divergences),
        "sampled_groups": len(result.groups),
        "groups": count.n_work_groups,
        "sampling_error": error,
    }


def _blocks(
    count: WorkCount, result: SimtResult, issues: Floats, divergences: Floats
) -> list[dict[str, Any]]:
    kernel = count.kernel
    executions = count.block_executions
    of_warps = result.warp_issues().reshape(-1, kernel.n_blocks)
    instructions = kernel.instructions
    found = []
    for block in np.flatnonzero(executions):
        lines = instructions["line"][(instructions["block"] == block) & (instructions["line"] > 0)]
        mine = of_warps[:, block]
        found.append(
            {
                "block": int(block),
                "line": int(lines[0]) if len(lines) else 0,
                "lane_executions": int(executions[block]),
                "warp_issues": float(issues[block]),
                "divergences": float(divergences[block]),
                "issues_per_warp": {
                    "mean": float(mine.mean()),
                    "min": int(mine.min()),
                    "max": int(mine.max()),
                },
            }
        )
    return found
