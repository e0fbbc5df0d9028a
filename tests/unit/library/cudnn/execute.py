"""Run a cuDNN plan's launches on real contents, and the same convolution in NumPy."""

from __future__ import annotations

import numpy as np

from gpusim.count.engine import count_job
from gpusim.count.memory import Memory
from gpusim.device import load_device
from gpusim.library.plan import PlannedLayer
from gpusim.lower import AddressMap, lower_launch
from gpusim.network.layers import Layer
from gpusim.study.launch_time import launch_kernel


def run_plan(plan: PlannedLayer, image, weights, bias=None):
    """Return the output of a plan: its first buffers are image, weights, output."""
    trace = plan.trace
    device = load_device(plan.options.target)
    memory = Memory.from_trace(trace)
    memory.write(0, 0, image.tobytes())
    memory.write(1, 0, weights.tobytes())
    # NaN wherever the plan doesn't write.
    memory.write(2, 0, np.full(trace.buffers[2].size_bytes // 4, np.nan, np.float32).tobytes())
    if bias is not None:
        adds = [launch for launch in trace.launches if launch.kernel == "add_tensor_kernel_v3"]
        memory.write(adds[0].arguments[0].ref, 0, bias.tobytes())
    addresses = AddressMap.from_trace(trace, device)
    for launch in trace.launches:
        kernel = launch_kernel(launch, trace)
        for job in lower_launch(
            launch, trace, device, addresses, required_local_size=kernel.required_local_size
        ):
            count_job(kernel, job, memory)
    layer = plan.layer
    shape = (plan.options.batch, layer.out_channels, layer.out_height, layer.out_width)
    return memory.contents(2).view(np.float32).reshape(shape)


def convolve(layer: Layer, image, weights):
    """Return the convolution of NCHW images by its definition."""
    top, left, bottom, right = layer.pads
    padded = np.pad(image.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    out = np.zeros((len(image), layer.out_channels, layer.out_height, layer.out_width))
    n_in, n_out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    for row in range(layer.kernel_height):
        for column in range(layer.kernel_width):
            y, x = row * layer.dilations[0], column * layer.dilations[1]
            rows = slice(y, y + layer.strides[0] * (layer.out_height - 1) + 1, layer.strides[0])
            columns = slice(x, x + layer.strides[1] * (layer.out_width - 1) + 1, layer.strides[1])
            seen = padded[:, :, rows, columns]
            for group in range(layer.groups):
                into = slice(group * n_out, (group + 1) * n_out)
                out[:, into] += np.einsum(
                    "bchw,oc->bohw",
                    seen[:, group * n_in : (group + 1) * n_in],
                    weights[into, :, row, column].astype(np.float64),
                )
    return out
