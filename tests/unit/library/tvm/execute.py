"""Run the launches of a plan on the CPU and return what they leave in a buffer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.compiler import compile_program
from gpusim.count.engine import count_job
from gpusim.count.memory import Memory
from gpusim.device import load_device
from gpusim.lower import AddressMap, lower_launch
from gpusim.trace.records import Trace


def run_trace(
    trace: Trace, given: dict[int, npt.NDArray[Any]], wanted: int
) -> npt.NDArray[np.uint8]:
    """Return the bytes of buffer `wanted` after all launches.

    Buffers that are not given hold 0xFF everywhere, which is a NaN in both float types, so a
    kernel that reads what nobody wrote does not go unnoticed.
    """
    device = load_device("mali-t860")
    memory = Memory()
    try:
        for number, buffer in trace.buffers.items():
            content = given.get(number)
            filled = b"\xff" * buffer.size_bytes if content is None else content.tobytes()
            assert len(filled) == buffer.size_bytes
            memory.add(number, buffer.size_bytes, content=filled)
        addresses = AddressMap.from_trace(trace, device)
        for launch in trace.launches:
            record = trace.programs[launch.program]
            program = compile_program(
                trace.read_blob(record.blob).decode(), record.build_options, {}
            )
            kernel = program.kernel(launch.kernel)
            for job in lower_launch(launch, trace, device, addresses):
                count_job(kernel, job, memory, mode="full")
        memory.settle(list(trace.buffers))
        return memory.view(wanted).copy()
    finally:
        memory.close()
