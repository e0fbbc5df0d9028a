"""Run as ``python -m gpusim.cli.opencl_probe``: what the OpenCL loader offers, one JSON line each.

A process of its own, because an installed driver that crashes takes its process with it. Lines
are flushed one by one, so what was found before a crash still counts.
"""

from __future__ import annotations

import json
import sys
from typing import Any

_SOURCE = "kernel void twice(global int *x) { x[get_global_id(0)] *= 2; }"
_N = 64


def _runs(cl: Any, device: Any) -> str:
    """Return an empty text when `device` executes a kernel correctly, else what went wrong."""
    import numpy as np

    numbers = np.arange(_N, dtype=np.int32)
    try:
        context = cl.Context([device])
        queue = cl.CommandQueue(context)
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
        buffer = cl.Buffer(context, flags, hostbuf=numbers)
        cl.Program(context, _SOURCE).build().twice(queue, (_N,), None, buffer)
        result = np.empty_like(numbers)
        cl.enqueue_copy(queue, result, buffer)
    except cl.Error as error:
        return " ".join(str(error).split())
    return "" if (result == 2 * numbers).all() else "a kernel gives wrong results"


def main() -> None:
    """Print one line for each device: platform, version, device, problem."""
    import os
    import warnings

    os.environ.setdefault("PYOPENCL_NO_CACHE", "1")
    warnings.simplefilter("ignore")
    import pyopencl as cl

    try:
        platforms = cl.get_platforms()
    except cl.Error:
        platforms = []
    for platform in platforms:
        for device in platform.get_devices():
            found = {
                "platform": platform.name.strip(),
                "version": platform.version.strip(),
                "device": device.name.strip(),
                "problem": _runs(cl, device),
            }
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
