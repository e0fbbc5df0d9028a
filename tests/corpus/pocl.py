"""Run a case on PoCL through pyopencl."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.conftest import need
from tests.corpus.case import Case, Image, Local, Sampler, contents


@cache
def context() -> Any:
    """Return a context on PoCL's processor device."""
    cl = __import__("pyopencl")
    try:
        devices = [
            device
            for platform in cl.get_platforms()
            if "Portable Computing Language" in platform.name
            for device in platform.get_devices()
        ]
    except cl.Error:
        devices = []
    need(devices, "PoCL")
    return cl.Context(devices[:1])


@cache
def program(source: str, options: str) -> Any:
    """Return a built program."""
    import warnings

    cl = __import__("pyopencl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cl.Program(context(), source).build(options)


def _image(cl: Any, value: Image) -> Any:
    """Return an image with contents."""
    form = cl.ImageFormat(
        getattr(cl.channel_order, value.order), getattr(cl.channel_type, value.type)
    )
    *layers, height, width, _ = value.texels.shape
    shape = (width, height, *layers)
    flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
    texels = np.ascontiguousarray(value.texels)
    return cl.create_image(
        context(), flags, form, shape=shape, hostbuf=texels, is_array=bool(layers)
    )


def _sampler(cl: Any, value: Sampler) -> Any:
    modes = cl.addressing_mode
    mode = getattr(modes, value.addressing)
    return cl.Sampler(context(), value.normalized, mode, cl.filter_mode.NEAREST)


def run_on_pocl(case: Case) -> dict[int, np.ndarray]:
    """Return the contents of a case's buffers and images after the launch, flat, by position."""
    cl = __import__("pyopencl")
    kernel = cl.Kernel(program(case.source, case.options), case.name)
    queue = cl.CommandQueue(context())
    data = case.data()
    buffers, samplers = {}, []
    for index, value in enumerate(data.args):
        if isinstance(value, Local):
            kernel.set_arg(index, cl.LocalMemory(value.size_bytes))
        elif isinstance(value, Image):
            buffers[index] = _image(cl, value)
            kernel.set_arg(index, buffers[index])
        elif isinstance(value, Sampler):
            samplers.append(_sampler(cl, value))
            kernel.set_arg(index, samplers[-1])
        elif isinstance(value, np.ndarray):
            flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
            contiguous = np.ascontiguousarray(value)
            buffers[index] = cl.Buffer(context(), flags, hostbuf=contiguous)
            kernel.set_arg(index, buffers[index])
        else:
            kernel.set_arg(index, value)
    offset = case.offset or None
    cl.enqueue_nd_range_kernel(queue, kernel, case.global_size, case.local_size, offset)
    results = {}
    for index, buffer in buffers.items():
        like = contents(data.args[index])
        assert like is not None
        results[index] = np.empty(like.size, like.dtype)
        if isinstance(data.args[index], Image):
            *layers, height, width, _ = like.shape
            region = (width, height, *(layers or [1]))
            cl.enqueue_copy(queue, results[index], buffer, origin=(0, 0, 0), region=region)
        else:
            cl.enqueue_copy(queue, results[index], buffer)
    return results
