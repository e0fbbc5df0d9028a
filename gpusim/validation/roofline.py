"""The crude roofline that a simulator has to beat: exact counts, peak rates, nothing fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpusim.device import DeviceSpec

if TYPE_CHECKING:
    from gpusim.timing import LaunchWork

_PS_PER_KILOCYCLE = 10**9
"""ps of one cycle at 1 kHz."""


def roofline_ps(device: DeviceSpec, works: Sequence[LaunchWork]) -> float:
    """Return the sum over launches of the busiest rate, plus the launch latency of each.

    Per launch the largest of: issue cycles over all arithmetic pipes of all cores, load/store
    operations at one per cycle and core, work-items (Midgard) or warps at one per cycle and
    core. No residency, no caches, no memory.

    Parameters
    ----------
    device : DeviceSpec
    works : sequence of LaunchWork
    """
    core = device.core
    n_cores = core.n_shader_cores.value
    n_pipes = n_cores * core.n_arithmetic_pipes.value
    lanes = max(1, core.warp_width.value)
    cycles = 0.0
    for work in works:
        issue = load_store = threads = 0.0
        for count in work.counts:
            executions = count.block_executions / lanes
            issue += float(executions @ work.cost.blocks["issue_cycles"])
            load_store += float(executions @ work.cost.blocks["load_store"])
            threads += count.n_work_items / lanes
        cycles += max(issue / n_pipes, load_store / n_cores, threads / n_cores)
    launches_ps = len(works) * device.host.launch_latency_ps.value
    busy_ps = cycles * _PS_PER_KILOCYCLE / int(core.clock_khz.value)
    return busy_ps + float(launches_ps)
