"""Run a plan's launches on real contents."""

from __future__ import annotations

import numpy as np

from gpusim.count.engine import count_job
from gpusim.count.memory import Memory
from gpusim.device import load_device
from gpusim.library.plan import PlannedLayer
from gpusim.lower import AddressMap, lower_launch
from gpusim.study.launch_time import _kernel
from gpusim.trace.records import ArgumentKind


def run_plan(plan: PlannedLayer, image, weights, bias):
    """Return the output buffer of a CLBlast plan: buffers are image, weights, output, then more.

    The bias and its row of ones are the operands of the products that add to the output.
    """
    trace = plan.trace
    # Adreno allows the large groups that the other devices refuse.
    device = load_device("adreno-530")
    memory = Memory.from_trace(trace)
    memory.write(0, 0, image.tobytes())
    memory.write(1, 0, weights.tobytes())
    n_out = plan.layer.out_height * plan.layer.out_width
    first, second = _bias_buffers(plan)
    is_dense = plan.layer.kind.value == "fully_connected"
    contents = {
        first: np.ones(plan.options.batch) if is_dense else bias,
        second: bias if is_dense else np.ones(n_out),
    }
    for buffer, values in contents.items():
        memory.write(buffer, 0, values.astype(image.dtype).tobytes())
    addresses = AddressMap.from_trace(trace, device)
    for launch in trace.launches:
        record = trace.programs[launch.program]
        text = trace.read_blob(record.blob).decode()
        kernel = _kernel(text, launch.kernel, record.build_options, (), "plan")
        for job in lower_launch(
            launch, trace, device, addresses, required_local_size=kernel.required_local_size
        ):
            count_job(kernel, job, memory)
    return memory.contents(2).view(image.dtype).astype(np.float64)


def _bias_buffers(plan: PlannedLayer) -> tuple[int, int]:
    """Return the A and B operands of the last product, which adds the bias."""
    direct = [launch for launch in plan.trace.launches if launch.kernel.startswith("XgemmDirect")]
    buffers = [
        argument.ref for argument in direct[-1].arguments if argument.kind is ArgumentKind.BUFFER
    ]
    return buffers[0], buffers[1]
