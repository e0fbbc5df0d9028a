"""Host program that launches one case with its bitcode; run under ``oclgrind``.

``oclgrind-kernel`` knows buffers only, so kernels over images take this way.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyopencl as cl

from tests.corpus.case import Case, Image, Local, Sampler
from tests.corpus.table import CASES


def _argument(context: Any, value: Any) -> Any:
    flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
    if isinstance(value, Local):
        return cl.LocalMemory(value.size_bytes)
    if isinstance(value, Sampler):
        mode = getattr(cl.addressing_mode, value.addressing)
        return cl.Sampler(context, value.normalized, mode, cl.filter_mode.NEAREST)
    if isinstance(value, Image):
        order = getattr(cl.channel_order, value.order)
        form = cl.ImageFormat(order, getattr(cl.channel_type, value.type))
        *layers, height, width, _ = value.texels.shape
        return cl.create_image(
            context,
            flags,
            form,
            shape=(width, height, *layers),
            hostbuf=np.ascontiguousarray(value.texels),
            is_array=bool(layers),
        )
    if isinstance(value, np.ndarray):
        return cl.Buffer(context, flags, hostbuf=np.ascontiguousarray(value))
    return value


def launch(case: Case, bitcode: bytes) -> None:
    """Launch a case on the only device there is."""
    device = cl.get_platforms()[0].get_devices()[0]
    if "Oclgrind" not in device.name:
        raise SystemExit(f"not under Oclgrind: {device.name}")
    context = cl.Context([device])
    program = cl.Program(context, [device], [bitcode]).build()
    kernel = cl.Kernel(program, case.name)
    keep = [_argument(context, value) for value in case.data().args]
    kernel.set_args(*keep)
    queue = cl.CommandQueue(context)
    cl.enqueue_nd_range_kernel(queue, kernel, case.global_size, case.local_size)
    queue.finish()


if __name__ == "__main__":
    launch(CASES[sys.argv[1]], Path(sys.argv[2]).read_bytes())
