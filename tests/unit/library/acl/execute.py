"""Run the launches of a plan one after the other and return what they leave in a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.compiler import compile_kernel
from gpusim.count.engine import count_job
from gpusim.count.memory import Memory
from gpusim.library.acl import Launches, launches_of
from gpusim.library.acl.binding import source_text
from gpusim.library.plan import PlanOptions
from gpusim.lower.job import BoundArgument, Job
from gpusim.network.layers import Layer
from gpusim.trace.records import Argument, ArgumentKind

_ELEMENT = {"f32": ("-DTYPE=float", np.float32), "f16": ("-DTYPE=half -DHALF=1", np.float16)}


def run_layer(
    library: str, layer: Layer, options: PlanOptions, values: dict[str, npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """Return the output tensor, outermost dimension first.

    Every element that no launch wrote before it is read is a NaN, so a plan that leans on what
    its padding happens to hold does not pass.

    Parameters
    ----------
    library, layer, options
        As `launches_of`.
    values : dict
        Contents of the layer's tensors by name, outermost dimension first.
    """
    launches = launches_of(library, layer, options)
    element, dtype = _ELEMENT[options.dtype]
    memory = Memory()
    try:
        numbers = {name: number for number, name in enumerate(launches.tensors)}
        for name, number in numbers.items():
            tensor = launches.tensors[name]
            if name in values:
                content = tensor.pack(values[name].astype(dtype), fill=np.nan)
            else:
                content = np.full(tensor.elements, np.nan, dtype)
            memory.add(number, content.nbytes, content=content.tobytes())
        for index, step in enumerate(launches.steps):
            kernel = compile_kernel(
                source_text(step.binding.source), step.kernel, f"{element} {step.binding.macros}"
            )
            count_job(kernel, _job(index, step, numbers), memory, mode="full")
        memory.settle(list(numbers.values()))
        return launches.tensors["output"].unpack(memory.view(numbers["output"]).view(dtype))
    finally:
        memory.close()


def _job(index: int, step: Any, numbers: dict[str, int]) -> Job:
    bound = []
    for position, value in enumerate(step.binding.arguments):
        if isinstance(value, str):
            argument = Argument(
                index=position, kind=ArgumentKind.BUFFER, size_bytes=8, ref=numbers[value]
            )
        else:
            content = np.int32(value).tobytes()
            argument = Argument(
                index=position, kind=ArgumentKind.VALUE, size_bytes=4, value=content
            )
        bound.append(BoundArgument(argument=argument, size_bytes=argument.size_bytes))
    return Job(
        launch=index,
        index=0,
        kernel=step.kernel,
        program=0,
        global_size=step.global_size,
        local_size=(1, 1, 1),
        launch_global_size=step.global_size,
        launch_global_offset=(0, 0, 0),
        launch_num_groups=step.global_size,
        enqueued_local_size=(1, 1, 1),
        work_dim=3,
        arguments=tuple(bound),
    )


__all__ = ["Launches", "run_layer"]
