"""Run a plan's launches on real contents and return its buffers."""

from __future__ import annotations

import numpy as np

from gpusim.count.engine import count_job
from gpusim.count.memory import Memory
from gpusim.device import load_device
from gpusim.library.plan import PlannedLayer
from gpusim.lower import AddressMap, lower_launch
from gpusim.study.launch_time import launch_kernel


def run_plan(plan: PlannedLayer, contents: dict[int, np.ndarray]):
    """Return a function from a buffer's id to its contents as float32 after all launches."""
    trace = plan.trace
    device = load_device("adreno-530")
    memory = Memory.from_trace(trace)
    for buffer, values in contents.items():
        memory.write(buffer, 0, values.astype(np.float32).tobytes())
    addresses = AddressMap.from_trace(trace, device)
    for launch in trace.launches:
        kernel = launch_kernel(launch, trace)
        for job in lower_launch(
            launch, trace, device, addresses, required_local_size=kernel.required_local_size
        ):
            count_job(kernel, job, memory)
    return lambda buffer: memory.contents(buffer).view(np.float32)
