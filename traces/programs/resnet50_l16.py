"""Run ResNet-50 layer 16 (3x3, 128 -> N channels, 28x28) the way ACL's GEMM path does.

One launch prepares: ``reshape_to_columns``. Then every run makes two: ``im2col3x3_nhwc`` and
``gemm_mm``, the latter with a local size of (4, 1, 1) that need not divide the global size.

    python resnet50_l16.py --channels 92 --check

The launches (names, order, sizes) are those that the Arm Compute Library v19.02 makes on a
Mali-G72; the kernels beside this file are our own and touch memory as often as the library's.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pyopencl as cl

IN_H = IN_W = 28
CIN = 128
KERNEL = 3
WEIGHTS = KERNEL * KERNEL * CIN
PIXELS = IN_H * IN_W


def round_up(n: int, step: int) -> int:
    """Return the smallest multiple of `step` that is not below `n`."""
    return -(-n // step) * step


def uneven_groups_option(device: cl.Device) -> str | None:
    """Return the build option that allows a local size that does not divide the global size.

    None when the device has no such option: neither OpenCL 2 nor Arm's extension.
    """
    if "OpenCL 2" in device.version:
        return "-cl-std=CL2.0"
    if "cl_arm_non_uniform_work_group_size" in device.extensions.split():
        return "-cl-arm-non-uniform-work-group-size"
    return None


def reference(image: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the layer's output, (28, 28, N) float64, as nine shifted matrix products."""
    padded = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    out = np.broadcast_to(bias.astype(np.float64), (IN_H, IN_W, len(bias))).copy()
    for ky in range(KERNEL):
        for kx in range(KERNEL):
            out += padded[ky : ky + IN_H, kx : kx + IN_W] @ weights[:, ky, kx].T
    return out


def run_layer(
    context: cl.Context, image: np.ndarray, weights: np.ndarray, bias: np.ndarray, runs: int
) -> np.ndarray:
    """Prepare once, run the layer `runs` times, return the output of the last run.

    Parameters
    ----------
    context : pyopencl.Context
        With one device.
    image : ndarray, (28, 28, 128), float32
    weights : ndarray, (N, 3, 3, 128), float32
    bias : ndarray, (N,), float32
    runs : int
        At least 1.

    Returns
    -------
    ndarray, (28, 28, N), float32
    """
    device = context.devices[0]
    queue = cl.CommandQueue(context)
    channels = len(bias)
    tiles = round_up(channels, 4) // 4
    sizes = {
        "IN_H": IN_H,
        "IN_W": IN_W,
        "CIN": CIN,
        "COUT": channels,
        "KERNEL": KERNEL,
        "K_COLS": WEIGHTS + 1,
        "A_STRIDE": round_up(WEIGHTS + 1, 4),
        "BC_STRIDE": 4 * tiles,
    }
    options = [f"-D{name}={size}" for name, size in sizes.items()]
    local_size: tuple[int, int, int] | None = (4, 1, 1)
    uneven = uneven_groups_option(device)
    if uneven is not None:
        options.append(uneven)
    elif tiles % 4 != 0:
        print(
            f"{device.name} takes no local size that does not divide {tiles} columns: "
            "gemm_mm runs with the driver's choice",
            file=sys.stderr,
        )
        local_size = None
    source = Path(__file__).with_suffix(".cl").read_text(encoding="utf-8")
    program = cl.Program(context, source).build(options=options, cache_dir=False)

    flags = cl.mem_flags
    matrix_a = cl.Buffer(context, flags.READ_WRITE, 4 * PIXELS * sizes["A_STRIDE"])
    matrix_b = cl.Buffer(context, flags.READ_WRITE, 4 * (WEIGHTS + 1) * sizes["BC_STRIDE"])
    matrix_c = cl.Buffer(context, flags.READ_WRITE, 4 * PIXELS * sizes["BC_STRIDE"])
    inputs = []
    for array in (image, weights, bias):
        buffer = cl.Buffer(context, flags.READ_ONLY, array.nbytes)
        cl.enqueue_copy(queue, buffer, np.ascontiguousarray(array))
        inputs.append(buffer)
    image_buffer, weights_buffer, bias_buffer = inputs

    reshape = cl.Kernel(program, "reshape_to_columns")
    im2col = cl.Kernel(program, "im2col3x3_nhwc")
    gemm = cl.Kernel(program, "gemm_mm")
    reshape.set_args(weights_buffer, bias_buffer, matrix_b)
    im2col.set_args(image_buffer, matrix_a)
    gemm.set_args(matrix_a, matrix_b, matrix_c)

    cl.enqueue_nd_range_kernel(queue, reshape, (CIN, KERNEL, KERNEL), None)
    queue.finish()
    for _ in range(runs):
        cl.enqueue_nd_range_kernel(queue, im2col, (CIN // 2, PIXELS, 1), None)
        cl.enqueue_nd_range_kernel(queue, gemm, (tiles, PIXELS // 4, 1), local_size)
        queue.finish()

    padded = np.empty((IN_H, IN_W, sizes["BC_STRIDE"]), np.float32)
    cl.enqueue_copy(queue, padded, matrix_c)
    return padded[:, :, :channels]


def main() -> int:
    """Parse the command line, run the layer, compare if asked; 1 when the output is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", type=int, required=True, metavar="N", help="output channels")
    parser.add_argument("--runs", type=int, default=4, help="inferences (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="compare with NumPy")
    arguments = parser.parse_args()
    if arguments.channels < 1 or arguments.runs < 1:
        parser.error("--channels and --runs must be at least 1")

    rng = np.random.default_rng(16)
    image = rng.standard_normal((IN_H, IN_W, CIN), np.float32)
    weights = rng.standard_normal((arguments.channels, KERNEL, KERNEL, CIN), np.float32)
    bias = rng.standard_normal(arguments.channels, np.float32)
    context = cl.Context([cl.get_platforms()[0].get_devices()[0]])
    output = run_layer(context, image, weights, bias, arguments.runs)
    print(f"{arguments.channels} channels, {arguments.runs} runs on {context.devices[0].name}")
    if arguments.check:
        error = float(np.abs(output - reference(image, weights, bias)).max())
        # 1153 products of standard normal numbers: float32 sums differ by some 1e-5 of their size.
        print(f"largest difference from NumPy: {error:.2e}")
        if not error < 1e-3:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
