"""TVM's Winograd convolution on Mali: 3x3, stride 1, padding 1, tiles of 4x4 or 2x2 outputs.

Three launches a run: transform the input, one product per point of the transformed tile,
transform back. The weights are transformed at compile time, because only a tuned layer uses this
template.

Source: topi/python/topi/mali/conv2d.py of TVM 0.6, read; the transforms are those of Lavin and
Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
"""

from __future__ import annotations

from gpusim.library.tvm.config import Config
from gpusim.library.tvm.nest import Array, Axis, Env, Vector, emit
from gpusim.library.tvm.workload import Convolution, KernelList

TEMPLATE = "conv2d_nchw_winograd.mali"

_INPUT_4 = (
    (4, 0, 0, 0, 0, 0),
    (0, -4, 4, -2, 2, 4),
    (-5, -4, -4, -1, -1, 0),
    (0, 1, -1, 2, -2, -5),
    (1, 1, 1, 1, 1, 0),
    (0, 0, 0, 0, 0, 1),
)
_OUTPUT_4 = ((1, 0, 0, 0), (1, 1, 1, 1), (1, -1, 1, -1), (1, 2, 4, 8), (1, -2, 4, -8), (0, 0, 0, 1))
_INPUT_2 = ((1, 0, 0, 0), (0, 1, -1, 1), (-1, 1, 1, 0), (0, 0, 0, -1))
_OUTPUT_2 = ((1, 0), (1, 1), (1, -1), (0, -1))


def fits(shape: Convolution) -> bool:
    """Return whether the template covers a convolution."""
    return (
        shape.kernel == (3, 3)
        and shape.strides == (1, 1)
        and shape.dilations == (1, 1)
        and shape.pads == (1, 1, 1, 1)
    )


def add_launches(kernels: KernelList, shape: Convolution, config: Config) -> None:
    """Add the launches of one run."""
    _Template(kernels, shape, config).add()


class _Template:
    def __init__(self, kernels: KernelList, shape: Convolution, config: Config) -> None:
        self.kernels, self.shape, self.config = kernels, shape, config
        self.m = 4 if shape.in_height % 4 == 0 else 2
        self.input_matrix = _INPUT_4 if self.m == 4 else _INPUT_2
        self.output_matrix = _OUTPUT_4 if self.m == 4 else _OUTPUT_2
        self.alpha = self.m + 2
        self.rows = -(-shape.out_height // self.m)
        self.columns = -(-shape.out_width // self.m)
        self.bna, self.bnb = config.knobs["tile_bna"], config.knobs["tile_bnb"]
        self.tiles = shape.batch * self.rows * self.columns
        self.blocks = -(-self.tiles // self.bnb)

    def add(self) -> None:
        shape, kernels, alpha = self.shape, self.kernels, self.alpha
        points = alpha * alpha
        threads_in = self.config.splits["tile_t1"][1]
        threads_out = self.config.splits["tile_t2"][1]
        rows_per_group = self.config.knobs["yt"]
        padded_tiles = self.blocks * self.bnb
        data = kernels.buffer(shape.batch * shape.in_channels * shape.in_height * shape.in_width)
        inputs = kernels.buffer(points * padded_tiles * shape.in_channels)
        weights = kernels.buffer(points * shape.out_channels * shape.in_channels)
        product = kernels.buffer(points * shape.out_channels * padded_tiles)
        output = kernels.buffer(
            shape.batch * shape.out_channels * shape.out_height * shape.out_width
        )
        kernels.add(
            self._transform_input(threads_in),
            [("inputs", inputs), ("data", data)],
            (self.blocks * shape.in_channels // threads_in, 1, 1),
            (threads_in, 1, 1),
        )
        channel_blocks = shape.out_channels // self.bna
        kernels.add(
            self._multiply(channel_blocks, rows_per_group),
            [("product", product), ("weights", weights), ("inputs", inputs)],
            (self.blocks, -(-channel_blocks // rows_per_group), points),
            (1, rows_per_group, 1),
        )
        kernels.add(
            self._transform_output(threads_out),
            [("output", output), ("product", product)],
            (self.tiles * shape.out_channels // threads_out, 1, 1),
            (threads_out, 1, 1),
        )

    def _points(self) -> list[Axis]:
        return [
            Axis(name="eps", extent=self.alpha, how="unroll"),
            Axis(name="nu", extent=self.alpha, how="unroll"),
        ]

    def _transform_input(self, threads: int) -> list[str]:
        shape, alpha, bnb, m = self.shape, self.alpha, self.bnb, self.m
        scalar = self.kernels.scalar
        window = Array(name="window", strides={"ra": alpha * bnb, "rb": bnb, "vp": 1})
        sums = Array(name="sums", strides={"eps": alpha * bnb, "nu": bnb, "vp": 1})
        target = Array(
            name="inputs",
            strides={
                "eps": alpha * self.blocks * shape.in_channels * bnb,
                "nu": self.blocks * shape.in_channels * bnb,
                "vp": 1,
            },
            base=f"(p * {shape.in_channels} + ci) * {bnb}",
        )
        per_image = self.rows * self.columns
        row = f"tile / {self.columns} % {self.rows} * {m} + eps"
        column = f"tile % {self.columns} * {m} + nu"
        read = shape.padded_read(f"tile / {per_image}", "ci", row, column, "value")
        if self.tiles % bnb:
            read = [f"if (tile < {self.tiles}) {{", *read, "} else { value = 0.0f; }"]

        def load(env: Env, _: Vector) -> list[str]:
            return [
                f"const int tile = p * {bnb} + {env['bb']};",
                *read,
                f"window[(eps * {alpha} + nu) * {bnb} + {env['bb']}] = value;",
            ]

        def transform(env: Env, vector: Vector) -> list[str]:
            return self._weighted_sum(env, vector, sums, window, self.input_matrix)

        def write(env: Env, vector: Vector) -> list[str]:
            return vector.store(target, env, vector.load(sums, env))

        lanes = Axis(name="vp", extent=bnb, how="vec")
        loads = [Axis(name=name, extent=alpha) for name in ("eps", "nu")]
        return [
            f"const int i = bx * {threads} + tx;",
            f"const int p = i / {shape.in_channels}, ci = i % {shape.in_channels};",
            f"{scalar} window[{alpha * alpha * bnb}], sums[{alpha * alpha * bnb}], value;",
            *emit([*loads, Axis(name="bb", extent=bnb)], scalar, load),
            *emit([*self._points(), lanes], scalar, transform),
            *emit([*self._points(), lanes], scalar, write),
        ]

    def _weighted_sum(
        self,
        env: Env,
        vector: Vector,
        target: Array,
        source: Array,
        matrix: tuple[tuple[int, ...], ...],
    ) -> list[str]:
        """Clear a value and add each source point times its two factors, zeros left out."""
        first, second = (int(value) for value in list(env.values())[:2])
        lines = vector.store(target, env, f"({vector.type})(0.0f)")
        for ra in range(self.alpha):
            for rb in range(self.alpha):
                factors = (matrix[ra][first], matrix[rb][second])
                if 0 in factors:
                    continue
                term = vector.load(source, {**env, "ra": ra, "rb": rb})
                for factor in factors:
                    term += "" if factor == 1 else f" * ({self.kernels.scalar}){factor}"
                lines += vector.store(target, env, f"{vector.load(target, env)} + {term}")
        return lines

    def _multiply(self, channel_blocks: int, rows_per_group: int) -> list[str]:
        shape, bna, bnb = self.shape, self.bna, self.bnb
        outer_k, inner_k = self.config.splits["c_unroll"]
        width = self.blocks * bnb
        product = Array(
            name="product",
            strides={"yi": width, "xi": 1},
            base=f"(bz * {shape.out_channels} + yo * {bna}) * {width} + bx * {bnb}",
        )
        weights = Array(
            name="weights",
            strides={"ko": inner_k * bna, "ki": bna, "yi": 1},
            base=f"(bz * {channel_blocks} + yo) * {shape.in_channels * bna}",
        )
        inputs = Array(
            name="inputs",
            strides={"ko": inner_k * bnb, "ki": bnb, "xi": 1},
            base=f"(bz * {self.blocks} + bx) * {shape.in_channels * bnb}",
        )

        def clear(env: Env, vector: Vector) -> list[str]:
            return vector.store(product, env, f"({vector.type})(0.0f)")

        def accumulate(env: Env, vector: Vector) -> list[str]:
            term = f"{vector.load(weights, env)} * {vector.load(inputs, env)}"
            return vector.store(product, env, f"{vector.load(product, env)} + {term}")

        tile = [Axis(name="yi", extent=bna, how="unroll"), Axis(name="xi", extent=bnb, how="vec")]
        reduction = [Axis(name="ko", extent=outer_k), Axis(name="ki", extent=inner_k, how="unroll")]
        scalar = self.kernels.scalar
        body = emit(tile, scalar, clear) + emit([*reduction, *tile], scalar, accumulate)
        if channel_blocks % rows_per_group:
            body = [f"if (yo < {channel_blocks}) {{", *body, "}"]
        return [f"const int yo = by * {rows_per_group} + ty;", *body]

    def _transform_output(self, threads: int) -> list[str]:
        shape, m = self.shape, self.m
        scalar = self.kernels.scalar
        width = self.blocks * self.bnb
        per_image = self.rows * self.columns
        source = Array(
            name="product",
            strides={
                "ra": self.alpha * shape.out_channels * width,
                "rb": shape.out_channels * width,
            },
            base=f"co * {width} + n * {per_image} + h * {self.columns} + w",
        )
        sums = Array(name="sums", strides={"hi": m, "wi": 1})
        is_ragged = bool(shape.out_height % m or shape.out_width % m)

        def transform(env: Env, vector: Vector) -> list[str]:
            return self._weighted_sum(env, vector, sums, source, self.output_matrix)

        def write(env: Env, vector: Vector) -> list[str]:
            row, column = f"(h * {m} + {env['hi']})", f"(w * {m} + {env['wi']})"
            index = (
                f"((n * {shape.out_channels} + co) * {shape.out_height} + {row})"
                f" * {shape.out_width} + {column}"
            )
            line = f"output[{index}] = {vector.load(sums, env)};"
            if not is_ragged:
                return [line]
            inside = f"{row} < {shape.out_height} && {column} < {shape.out_width}"
            return [f"if ({inside}) {{ {line} }}"]

        axes = [Axis(name=name, extent=m, how="unroll") for name in ("hi", "wi")]
        return [
            f"const int i = bx * {threads} + tx;",
            f"const int w = i % {self.columns}, h = i / {self.columns} % {self.rows};",
            (
                f"const int co = i / {per_image} % {shape.out_channels},"
                f" n = i / {per_image * shape.out_channels};"
            ),
            f"{scalar} sums[{m * m}];",
            *emit(axes, scalar, transform),
            *emit(axes, scalar, write),
        ]
