"""TVM's depthwise convolution on Mali: pad, then a private tile per work-item.

Source: topi/python/topi/mali/depthwise_conv2d.py of TVM 0.6, read.
"""

from __future__ import annotations

from gpusim.library.tvm.config import Config
from gpusim.library.tvm.nest import Array, Axis, Env, Vector, emit
from gpusim.library.tvm.workload import Convolution, KernelList

TEMPLATE = "depthwise_conv2d_nchw.mali"


def axes_of(shape: Convolution) -> dict[str, tuple[int, int]]:
    """Return the knobs that split an axis: length and number of factors."""
    return {
        "tile_c": (shape.out_channels, 3),
        "tile_y": (shape.out_height, 3),
        "tile_x": (shape.out_width, 3),
    }


def add_launches(kernels: KernelList, shape: Convolution, config: Config) -> None:
    """Add the launches of one run; one filter per channel."""
    _, threads_c, inner_c = config.splits["tile_c"]
    _, threads_y, inner_y = config.splits["tile_y"]
    _, threads_x, inner_x = config.splits["tile_x"]
    channels = shape.out_channels
    kernel_height, kernel_width = shape.kernel
    stride_y, stride_x = shape.strides
    dilation_y, dilation_x = shape.dilations
    # Only the part of the padded image that some output needs is written.
    rows = (shape.out_height - 1) * stride_y + (kernel_height - 1) * dilation_y + 1
    columns = (shape.out_width - 1) * stride_x + (kernel_width - 1) * dilation_x + 1
    data = kernels.buffer(shape.batch * channels * shape.in_height * shape.in_width)
    padded = kernels.buffer(shape.batch * channels * rows * columns)
    weights = kernels.buffer(channels * kernel_height * kernel_width)
    output = kernels.buffer(shape.batch * channels * shape.out_height * shape.out_width)

    pad = [
        *shape.padded_read("n", "c", "by", "bx", "value"),
        f"padded[((n * {channels} + c) * {rows} + by) * {columns} + bx] = value;",
    ]
    kernels.add(
        [
            f"const int c = bz * {threads_c} + tz;",
            f"{kernels.scalar} value;",
            f"for (int n = 0; n < {shape.batch}; ++n) {{",
            *("  " + line for line in pad),
            "}",
        ],
        [("padded", padded), ("data", data)],
        (columns, rows, channels // threads_c),
        (1, 1, threads_c),
    )

    hows = config.annotations.get("ann_spatial", ("none",) * 3)
    axes = [
        Axis(name=name, extent=extent, how=how)
        for name, extent, how in zip(
            ("ci", "yi", "xi"), (inner_c, inner_y, inner_x), hows, strict=True
        )
    ]
    window = [
        Axis(name="di", extent=kernel_height, how="unroll"),
        Axis(name="dj", extent=kernel_width, how="unroll"),
    ]
    tile = Array(name="tile", strides={"ci": inner_y * inner_x, "yi": inner_x, "xi": 1})
    source = Array(
        name="padded",
        strides={
            "ci": rows * columns,
            "yi": columns * stride_y,
            "xi": stride_x,
            "di": columns * dilation_y,
            "dj": dilation_x,
        },
        base="corner",
    )
    filters = Array(
        name="weights",
        strides={"ci": kernel_height * kernel_width, "di": kernel_width, "dj": 1},
        base=f"c * {kernel_height * kernel_width}",
    )
    target = Array(
        name="output",
        strides={"ci": shape.out_height * shape.out_width, "yi": shape.out_width, "xi": 1},
        base="out",
    )

    def compute(env: Env, vector: Vector) -> list[str]:
        lines = vector.store(tile, env, f"({vector.type})(0.0f)")

        def accumulate(inner: Env, _: Vector) -> list[str]:
            point = {**env, **inner}
            product = f"{vector.load(source, point)} * {vector.load(filters, point)}"
            return vector.store(tile, point, f"{vector.load(tile, point)} + {product}")

        return lines + emit(window, kernels.scalar, accumulate)

    def write(env: Env, vector: Vector) -> list[str]:
        return vector.store(target, env, vector.load(tile, env))

    plain = [Axis(name=axis.name, extent=axis.extent) for axis in axes]
    blocks_c = channels // (threads_c * inner_c)
    kernels.add(
        [
            f"const int n = bz / {blocks_c};",
            f"const int c = (bz % {blocks_c} * {threads_c} + tz) * {inner_c};",
            (
                f"const int y = (by * {threads_y} + ty) * {inner_y},"
                f" x = (bx * {threads_x} + tx) * {inner_x};"
            ),
            (
                f"const int corner = ((n * {channels} + c) * {rows} + y * {stride_y}) * {columns}"
                f" + x * {stride_x};"
            ),
            (
                f"const int out = ((n * {channels} + c) * {shape.out_height} + y)"
                f" * {shape.out_width} + x;"
            ),
            f"{kernels.scalar} tile[{inner_c * inner_y * inner_x}];",
            *emit(axes, kernels.scalar, compute),
            *emit(plain, kernels.scalar, write),
        ],
        [("output", output), ("padded", padded), ("weights", weights)],
        (
            shape.out_width // (threads_x * inner_x),
            shape.out_height // (threads_y * inner_y),
            shape.batch * blocks_c,
        ),
        (threads_x, threads_y, threads_c),
    )
