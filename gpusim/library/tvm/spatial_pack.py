"""TVM's direct convolution on Mali: pack the input by tiles, convolve, unpack.

data_vec (n, h/VH, w/VW, c, rows, columns) holds each tile's input window, the convolution
accumulates a tile of VH x VW x VC outputs per work-item in global memory, and the last kernel
restores NCHW. Weights are packed by VC output channels: at compile time for a tuned layer, by a
fourth kernel at every run for one that uses the fallback.

Source: topi/python/topi/mali/conv2d.py and arm_cpu/conv2d_spatial_pack.py of TVM 0.6, read.
"""

from __future__ import annotations

from gpusim.library.tvm.config import Config
from gpusim.library.tvm.nest import Array, Axis, Env, Vector, emit
from gpusim.library.tvm.workload import Convolution, KernelList

TEMPLATE = "conv2d_nchw_spatial_pack.mali"
_MAX_UNROLL = 16
_MAX_THREADS = 256
_VECTORS = (1, 2, 4, 8, 16)
_OTHER_ORDER = (9, 7, 8)


def axes_of(shape: Convolution) -> dict[str, tuple[int, int]]:
    """Return the knobs that split an axis: length and number of factors."""
    return {
        "tile_co": (shape.out_channels, 3),
        "tile_oh": (shape.out_height, 3),
        "tile_ow": (shape.out_width, 3),
    }


def add_launches(kernels: KernelList, shape: Convolution, config: Config) -> None:
    """Add the launches of one run."""
    _Template(kernels, shape, config).add()


class _Template:
    def __init__(self, kernels: KernelList, shape: Convolution, config: Config) -> None:
        self.kernels, self.shape, self.config = kernels, shape, config
        _, self.tc, self.vc = config.splits["tile_co"]
        _, self.th, self.vh = config.splits["tile_oh"]
        _, self.tw, self.vw = config.splits["tile_ow"]
        self.tiles_y = shape.out_height // self.vh
        self.tiles_x = shape.out_width // self.vw
        self.channel_blocks = shape.out_channels // self.vc
        kernel_height, kernel_width = shape.kernel
        self.is_dilated = shape.dilations != (1, 1)
        self.window = (
            (kernel_height, kernel_width, self.vh, self.vw)
            if self.is_dilated
            else (
                (self.vh - 1) * shape.strides[0] + kernel_height,
                (self.vw - 1) * shape.strides[1] + kernel_width,
            )
        )
        self.window_size = 1
        for extent in self.window:
            self.window_size *= extent

    def add(self) -> None:
        shape, kernels = self.shape, self.kernels
        tiles = self.tiles_y * self.tiles_x
        weights_size = shape.out_channels * shape.in_channels * shape.kernel[0] * shape.kernel[1]
        out_size = shape.batch * shape.out_channels * shape.out_height * shape.out_width
        data = kernels.buffer(shape.batch * shape.in_channels * shape.in_height * shape.in_width)
        packed = kernels.buffer(shape.batch * tiles * shape.in_channels * self.window_size)
        weights = kernels.buffer(weights_size)
        conv = kernels.buffer(out_size)
        output = kernels.buffer(out_size)
        kernels.add(
            self._pack_data(),
            [("packed", packed), ("data", data)],
            (shape.in_channels, self.tiles_x, self.tiles_y),
            (1, 1, 1),
        )
        if not self.config.tuned:
            unpacked = kernels.buffer(weights_size)
            vectors = weights_size // self.vc
            kernels.add(
                self._pack_weights(vectors),
                [("packed", weights), ("weights", unpacked)],
                (-(-vectors // _MAX_THREADS), 1, 1),
                (_MAX_THREADS, 1, 1),
            )
        threads = (self.tw, self.th, self.tc)
        kernels.add(
            self._convolve(),
            [("conv", conv), ("packed", packed), ("weights", weights)],
            (
                -(-self.tiles_x // self.tw),
                -(-self.tiles_y // self.th),
                -(-self.channel_blocks // self.tc),
            ),
            threads,
        )
        kernels.add(
            self._unpack(),
            [("output", output), ("conv", conv)],
            (
                -(-shape.out_width // self.tw),
                -(-shape.out_height // self.th),
                -(-shape.out_channels // self.tc),
            ),
            threads,
        )

    def _per_image(self, body: list[str]) -> list[str]:
        if self.shape.batch == 1:
            return ["const int n = 0;", *body]
        head = f"for (int n = 0; n < {self.shape.batch}; ++n) {{"
        return [head, *("  " + line for line in body), "}"]

    def _pack_data(self) -> list[str]:
        shape = self.shape
        (stride_y, stride_x), (dilation_y, dilation_x) = shape.strides, shape.dilations
        names = ("kh", "kw", "vh", "vw") if self.is_dilated else ("vh", "vw")
        axes = []
        for name, extent in zip(names, self.window, strict=True):
            unrolls = name in ("vh", "vw") and extent < _MAX_UNROLL
            axes.append(Axis(name=name, extent=extent, how="unroll" if unrolls else "none"))
        strides = {}
        stride = 1
        for name, extent in reversed(list(zip(names, self.window, strict=True))):
            strides[name] = stride
            stride *= extent
        packed = Array(name="packed", strides=strides, base="base")

        def statement(env: Env, _: Vector) -> list[str]:
            if self.is_dilated:
                y = f"(by_ * {self.vh} + {env['vh']}) * {stride_y} + {env['kh']} * {dilation_y}"
                x = f"(bx_ * {self.vw} + {env['vw']}) * {stride_x} + {env['kw']} * {dilation_x}"
            else:
                y = f"by_ * {self.vh * stride_y} + {env['vh']}"
                x = f"bx_ * {self.vw * stride_x} + {env['vw']}"
            read = shape.padded_read("n", "bx", y, x, "value")
            return [*read, f"packed[{packed.index(env)}] = value;"]

        body = [
            (
                f"const int base = (((n * {self.tiles_y} + by_) * {self.tiles_x} + bx_)"
                f" * {shape.in_channels} + bx) * {self.window_size};"
            ),
            f"{self.kernels.scalar} value;",
            *emit(axes, self.kernels.scalar, statement),
        ]
        return ["const int by_ = bz, bx_ = by;", *self._per_image(body)]

    def _pack_weights(self, vectors: int) -> list[str]:
        shape = self.shape
        per_channel = shape.in_channels * shape.kernel[0] * shape.kernel[1]
        how = "vec" if self.vc in _VECTORS else "none"
        source = Array(
            name="weights",
            strides={"vc": per_channel},
            base=f"i / {per_channel} * {per_channel * self.vc} + i % {per_channel}",
        )
        target = Array(name="packed", strides={"vc": 1}, base=f"i * {self.vc}")

        def statement(env: Env, vector: Vector) -> list[str]:
            return vector.store(target, env, vector.load(source, env))

        body = emit([Axis(name="vc", extent=self.vc, how=how)], self.kernels.scalar, statement)
        if vectors % _MAX_THREADS:
            body = [f"if (i < {vectors}) {{", *("  " + line for line in body), "}"]
        return [f"const int i = bx * {_MAX_THREADS} + tx;", *body]

    def _convolve(self) -> list[str]:
        shape, config = self.shape, self.config
        kernel_height, kernel_width = shape.kernel
        reduce_how = config.annotations.get("ann_reduce", ("none", "none"))
        spatial_how = config.annotations.get("ann_spatial", ("none",) * 3)
        spatial = {
            name: Axis(name=name, extent=extent, how=how)
            for name, extent, how in zip(
                ("vh", "vw", "vc"), (self.vh, self.vw, self.vc), spatial_how, strict=True
            )
        }
        is_other = tuple(config.order[-3:]) == _OTHER_ORDER
        order = ("vc", "vh", "vw") if is_other else ("vh", "vw", "vc")
        inner = [spatial[name] for name in order]
        conv = Array(
            name="conv",
            strides={"vh": self.vw * self.vc, "vw": self.vc, "vc": 1},
            base="out",
        )
        data = Array(name="packed", strides=self._window_strides(), base="window")
        weights = Array(
            name="weights",
            strides={
                "ci": kernel_height * kernel_width * self.vc,
                "kh": kernel_width * self.vc,
                "kw": self.vc,
                "vc": 1,
            },
            base="filter",
        )

        def clear(env: Env, vector: Vector) -> list[str]:
            return vector.store(conv, env, f"({vector.type})(0.0f)")

        def accumulate(env: Env, vector: Vector) -> list[str]:
            product = f"{vector.load(data, env)} * {vector.load(weights, env)}"
            return vector.store(conv, env, f"{vector.load(conv, env)} + {product}")

        reduction = [
            Axis(name="ci", extent=shape.in_channels),
            Axis(name="kh", extent=kernel_height, how=reduce_how[0]),
            Axis(name="kw", extent=kernel_width, how=reduce_how[1]),
        ]
        scalar = self.kernels.scalar
        tile = self.vh * self.vw * self.vc
        filter_size = shape.in_channels * kernel_height * kernel_width * self.vc
        body = [
            (
                f"const int out = (((n * {self.channel_blocks} + c) * {self.tiles_y} + h)"
                f" * {self.tiles_x} + w) * {tile};"
            ),
            (
                f"const int window = ((n * {self.tiles_y} + h) * {self.tiles_x} + w)"
                f" * {shape.in_channels * self.window_size};"
            ),
            f"const int filter = c * {filter_size};",
            *emit(inner, scalar, clear),
            *emit([*reduction, *inner], scalar, accumulate),
        ]
        return [
            f"const int c = bz * {self.tc} + tz, h = by * {self.th} + ty, w = bx * {self.tw} + tx;",
            *self._per_image(body),
        ]

    def _window_strides(self) -> dict[str, int]:
        if self.is_dilated:
            kernel_width = self.shape.kernel[1]
            return {
                "ci": self.window_size,
                "kh": kernel_width * self.vh * self.vw,
                "kw": self.vh * self.vw,
                "vh": self.vw,
                "vw": 1,
            }
        columns = self.window[1]
        stride_y, stride_x = self.shape.strides
        return {
            "ci": self.window_size,
            "kh": columns,
            "kw": 1,
            "vh": columns * stride_y,
            "vw": stride_x,
        }

    def _unpack(self) -> list[str]:
        shape = self.shape
        tile = self.vh * self.vw * self.vc
        body = [
            (
                f"output[((n * {shape.out_channels} + c) * {shape.out_height} + h)"
                f" * {shape.out_width} + w] = conv[(((n * {self.channel_blocks} + c / {self.vc})"
                f" * {self.tiles_y} + h / {self.vh}) * {self.tiles_x} + w / {self.vw}) * {tile}"
                f" + (h % {self.vh} * {self.vw} + w % {self.vw}) * {self.vc} + c % {self.vc}];"
            )
        ]
        return [
            f"const int c = bz * {self.tc} + tz, h = by * {self.th} + ty, w = bx * {self.tw} + tx;",
            *self._per_image(body),
        ]
