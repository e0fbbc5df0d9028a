"""Sum n floats on the device in two launches, with local memory and barriers.

    python reduction.py --check

The first launch leaves one partial sum per work-group, the second adds these up in one group.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pyopencl as cl

GROUP = 128
GROUPS = 64


def device_sum(context: cl.Context, values: np.ndarray) -> float:
    """Return the sum of `values` ((n,), float32, n at least 1) as the device computes it."""
    queue = cl.CommandQueue(context)
    source = Path(__file__).with_suffix(".cl").read_text(encoding="utf-8")
    program = cl.Program(context, source).build(cache_dir=False)
    kernel = cl.Kernel(program, "reduce_sum")

    flags = cl.mem_flags
    inputs = cl.Buffer(context, flags.READ_ONLY, values.nbytes)
    partial = cl.Buffer(context, flags.READ_WRITE, 4 * GROUPS)
    total = cl.Buffer(context, flags.WRITE_ONLY, 4)
    cl.enqueue_copy(queue, inputs, values)
    scratch = cl.LocalMemory(4 * GROUP)
    kernel.set_args(inputs, partial, np.uint32(len(values)), scratch)
    cl.enqueue_nd_range_kernel(queue, kernel, (GROUPS * GROUP,), (GROUP,))
    kernel.set_args(partial, total, np.uint32(GROUPS), scratch)
    cl.enqueue_nd_range_kernel(queue, kernel, (GROUP,), (GROUP,))

    result = np.empty(1, np.float32)
    cl.enqueue_copy(queue, result, total)
    return float(result[0])


def main() -> int:
    """Parse the command line, sum, compare if asked; 1 when the sum is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=262_147, help="floats (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="compare with NumPy")
    arguments = parser.parse_args()
    if not 1 <= arguments.n < 2**31:
        parser.error("--n must be from 1 to 2147483647")

    values = np.random.default_rng(1).random(arguments.n, np.float32)
    context = cl.Context([cl.get_platforms()[0].get_devices()[0]])
    found = device_sum(context, values)
    print(f"sum of {arguments.n} floats on {context.devices[0].name}: {found:.3f}")
    if arguments.check:
        expected = float(values.sum(dtype=np.float64))
        error = abs(found - expected) / expected
        print(f"relative difference from NumPy: {error:.2e}")
        if not error < 1e-5:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
