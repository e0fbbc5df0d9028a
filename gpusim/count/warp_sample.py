"""The parent's side of lock-step runs: what is asked of the child, and what its answer means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gpusim.count.address_stream import (
    CONSTANT_BASE,
    LOCAL_BASE,
    AddressStream,
    decode_stream,
    site_table,
)
from gpusim.count.layout import BUFFER_BASE, LANES
from gpusim.count.reconvergence import POLICIES, policy_of_width
from gpusim.count.simt import (
    MAX_LANE_INSTRUCTIONS,
    class_of_groups,
    group_budget,
    sample_groups,
    spread_groups,
)
from gpusim.count.simt_result import SimtResult

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR
    from gpusim.count.work_count import WorkCount
    from gpusim.lower.job import Job

_ALIGN = 128

Answer = tuple[dict[str, Any], bytes, dict[str, Any]]
"""Head and arrays of the child's answer, description of the lock-step variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warps:
    """How sampled work-groups are to be run in lock-step.

    Parameters
    ----------
    width : int
        Lanes per warp.
    policy : str
        One of `gpusim.count.reconvergence.POLICIES`; empty = that of known devices of this width.
    lane_addresses : int
        Room for recorded addresses, of all sampled groups together; 0 = record none.
    all_policies : bool
        Run the other policies too, for the spread.
    lane_instructions : int
        Of the groups that run together, about; one always runs.
    """

    width: int
    policy: str = ""
    lane_addresses: int = 0
    all_policies: bool = True
    lane_instructions: int = MAX_LANE_INSTRUCTIONS

    @property
    def stream_words(self) -> int:
        """Memory for the record: addresses, and lane masks and heads beside them."""
        return self.lane_addresses + self.lane_addresses // 4

    @property
    def policies(self) -> list[str]:
        """Policies to run, the chosen one first."""
        chosen = self.policy or policy_of_width(self.width)
        others = [name for name in POLICIES if name != chosen] if self.all_policies else []
        return [chosen, *others]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Work-groups that ran in lock-step, before their count classes are known."""

    warps: Warps
    groups: list[int]
    counts: dict[str, npt.NDArray[np.int64]]
    stream: AddressStream | None
    cpu_seconds: float
    """Processor time of the child under the first policy."""


def choose_groups(warps: Warps, kernel: KernelIR, job: Job, count: WorkCount | None) -> list[int]:
    """Return the groups to run: by stratum when the job is counted, evenly spread before."""
    n_warps, most = -(-job.group_items // warps.width), warps.lane_instructions
    if count is None:
        return spread_groups(job.n_work_groups, group_budget(n_warps, kernel.n_blocks, 0, most))
    size = np.bincount(kernel.instructions["block"], minlength=kernel.n_blocks)
    mean = float(count.block_executions @ size) / job.n_work_groups
    return sample_groups(count, group_budget(n_warps, kernel.n_blocks, mean, most))


def run_groups(
    warps: Warps,
    groups: list[int],
    kernel: KernelIR,
    job: Job,
    arguments: list[list[Any]],
    memory: npt.NDArray[np.int64],
    ask: Callable[[dict[str, Any]], Answer],
) -> Sample:
    """Run groups in lock-step.

    Parameters
    ----------
    warps : Warps
    groups : list of int
        Linear numbers, ascending.
    kernel : KernelIR
    job : Job
    arguments : list
        As bound for the child.
    memory : (n,) int64
        That the child records addresses in.
    ask : callable
        Sends a request for the lock-step variant.
    """
    head, body, meta = ask(
        {
            "op": "warps",
            "groups": groups,
            "warp_width": warps.width,
            "policies": warps.policies,
            "stream_words": len(memory),
        }
    )
    data = np.frombuffer(body, np.int64)
    at = 0
    counts: dict[str, npt.NDArray[np.int64]] = {}
    for run in head["runs"]:
        n = int(np.prod(run["shape"]))
        # The spare column counts the pieces behind barriers, which are no blocks of their own.
        counts[run["policy"]] = data[at : at + n].reshape(run["shape"])[..., :-1]
        at += n
    first = head["runs"][0]
    done = groups[: first["shape"][0]]
    shortest = min(len(table) for table in counts.values())
    counts = {name: table[:shortest] for name, table in counts.items()}
    for policy in warps.policies:
        counts.setdefault(policy, counts[first["policy"]])
    stream = None
    if warps.lane_addresses:
        stream = _stream(warps, done, kernel, job, arguments, (head, meta), memory, data)
    return Sample(
        warps=warps,
        groups=done[:shortest],
        counts=counts,
        stream=stream,
        cpu_seconds=first["cpu_seconds"],
    )


def _stream(
    warps: Warps,
    groups: list[int],
    kernel: KernelIR,
    job: Job,
    arguments: list[list[Any]],
    answer: tuple[dict[str, Any], dict[str, Any]],
    memory: npt.NDArray[np.int64],
    data: npt.NDArray[np.int64],
) -> AddressStream:
    head, meta = answer
    first = head["runs"][0]
    sites = site_table(kernel, meta["recorded"])
    n_sites = np.array([len(state) for state in meta["recorded"]], np.int64)
    counts = data[: int(np.prod(first["shape"]))].reshape(first["shape"])
    executed = counts[:, :, LANES, :-1].sum(axis=(0, 1))
    all_lanes = int(executed @ np.bincount(sites["block"], minlength=kernel.n_blocks))
    ends = first["stream_ends"]
    return decode_stream(
        memory[: ends[-1]],
        ends,
        groups=groups,
        warp_width=warps.width,
        sites=sites,
        first_site=np.concatenate([[0], np.cumsum(n_sites)]),
        ranges=_ranges(job, arguments, head, meta),
        all_lanes=all_lanes,
    )


def _ranges(
    job: Job, arguments: list[list[Any]], head: dict[str, Any], meta: dict[str, Any]
) -> npt.NDArray[np.int64]:
    """Return start, end and address of all memory that a kernel can name, buffers first."""
    base = head["base"]
    bound = sorted(job.arguments, key=lambda b: b.argument.index)
    has_addresses = any(b.address for b in bound)
    rows = []
    for argument, place in zip(arguments, bound, strict=True):
        if argument[0] == "buffer":
            offset, size = argument[1], argument[2]
            address = place.address if has_addresses else BUFFER_BASE + offset
            rows.append((base + offset, base + offset + size, address))
    places = {3: LOCAL_BASE, 2: CONSTANT_BASE}
    named = [
        (address, variable["size_bytes"], 3 if variable["address_space"] == 3 else 2)
        for address, variable in zip(head["variables"], meta["variables"], strict=True)
    ]
    named += [(address, size, 3) for address, size in head["locals"]]
    for address, size, space in named:
        rows.append((address, address + size, places[space]))
        places[space] += -(-size // _ALIGN) * _ALIGN
    return np.array(rows or [(0, 0, 0)], np.int64)


def simt_result(count: WorkCount, sample: Sample) -> SimtResult:
    """Return what a sample shows once the job is counted."""
    policies = sample.warps.policies
    return SimtResult(
        warp_width=sample.warps.width,
        policy=policies[0],
        groups=np.array(sample.groups, np.int64),
        classes=class_of_groups(count, sample.groups),
        n_work_groups=count.n_work_groups,
        counts={policy: sample.counts[policy] for policy in policies},
        stream=sample.stream,
    )
