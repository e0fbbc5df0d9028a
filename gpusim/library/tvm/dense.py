"""TVM's fully connected layer on Mali: one output, or a small tile of them, per work-item.

Source: topi/python/topi/mali/dense.py of TVM 0.6, read.
"""

from __future__ import annotations

from gpusim.library.tvm.config import Config
from gpusim.library.tvm.nest import Array, Axis, Env, Vector, emit
from gpusim.library.tvm.workload import KernelList

TEMPLATE = "dense.mali"
_VECTORS = (1, 2, 4, 8, 16)
_MAX_UNROLL = 32


def axes_of(batch: int, inputs: int, outputs: int) -> dict[str, tuple[int, int]]:
    """Return the knobs that split an axis: length and number of factors."""
    return {"tile_y": (batch, 3), "tile_x": (outputs, 3), "c_unroll": (inputs, 2)}


def add_launches(
    kernels: KernelList, batch: int, inputs: int, outputs: int, config: Config, *, bias: bool
) -> None:
    """Add the launch of one run."""
    blocks_y, threads_y, inner_y = config.splits["tile_y"]
    blocks_x, threads_x, inner_x = config.splits["tile_x"]
    outer_k, inner_k = config.splits["c_unroll"]
    y_axis = Axis(name="yi", extent=inner_y, how="unroll" if inner_y < _MAX_UNROLL else "none")
    x_axis = Axis(name="xi", extent=inner_x, how="vec" if inner_x in _VECTORS else "none")
    data = Array(
        name="data",
        strides={"yi": inputs, "ko": inner_k, "ki": 1},
        base=f"y * {inputs}",
    )
    weights = Array(
        name="weights",
        strides={"xi": inputs, "ko": inner_k, "ki": 1},
        base=f"x * {inputs}",
    )
    tile = Array(name="tile", strides={"yi": inner_x, "xi": 1})
    target = Array(name="output", strides={"yi": outputs, "xi": 1}, base=f"y * {outputs} + x")
    addend = Array(name="bias", strides={"xi": 1}, base="x")

    def clear(env: Env, vector: Vector) -> list[str]:
        return vector.store(tile, env, f"({vector.type})(0.0f)")

    def accumulate(env: Env, vector: Vector) -> list[str]:
        product = f"{vector.load(data, env)} * {vector.load(weights, env)}"
        return vector.store(tile, env, f"{vector.load(tile, env)} + {product}")

    def write(env: Env, vector: Vector) -> list[str]:
        value = vector.load(tile, env)
        return vector.store(target, env, f"{value} + {vector.load(addend, env)}" if bias else value)

    scalar = kernels.scalar
    reduction = [
        Axis(name="ko", extent=outer_k),
        Axis(name="ki", extent=inner_k, how="unroll"),
    ]
    buffers = [
        ("output", kernels.buffer(batch * outputs)),
        ("data", kernels.buffer(batch * inputs)),
        ("weights", kernels.buffer(inputs * outputs)),
    ]
    if bias:
        buffers.append(("bias", kernels.buffer(outputs)))
    kernels.add(
        [
            (
                f"const int y = (by * {threads_y} + ty) * {inner_y},"
                f" x = (bx * {threads_x} + tx) * {inner_x};"
            ),
            f"{scalar} tile[{inner_y * inner_x}];",
            *emit([y_axis, x_axis], scalar, clear),
            *emit([*reduction, y_axis, x_axis], scalar, accumulate),
            *emit([y_axis, x_axis], scalar, write),
        ],
        buffers,
        (blocks_x, blocks_y, 1),
        (threads_x, threads_y, 1),
    )
