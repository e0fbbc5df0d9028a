"""Winograd convolution: transforms of filter and input, a batched product, transform of the output.

The library knows, without fast math, F(4, 3) in two dimensions and F(4, 3) and F(4, 5) in one;
in NCHW and for maps of at most 4x4 F(2, 3) instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpusim.library.acl.binding import Binding, Tensor, axis_macros, macros
from gpusim.library.acl.border import add_fill, padded
from gpusim.library.acl.gemm import Product, add_product, output_tile
from gpusim.library.acl.sequence import Sequence, ceil_div, round_up
from gpusim.library.plan import Phase, PlanOptions
from gpusim.network.layers import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class WinogradForm:
    """Output tile and kernel, (columns, rows) each."""

    tile: tuple[int, int]
    kernel: tuple[int, int]

    @property
    def positions(self) -> tuple[int, int]:
        """Columns and rows of a transformed tile."""
        return (self.tile[0] + self.kernel[0] - 1, self.tile[1] + self.kernel[1] - 1)

    @property
    def suffix(self) -> str:
        """As in the kernels' names."""
        return f"{self.tile[0]}x{self.tile[1]}_{self.kernel[0]}x{self.kernel[1]}"

    def tiles(self, layer: Layer) -> tuple[int, int]:
        """Return the tiles of an output map, (columns, rows)."""
        top, left, bottom, right = layer.pads
        width = layer.in_width - (self.kernel[0] - 1) + left + right
        height = layer.in_height - (self.kernel[1] - 1) + top + bottom
        return ceil_div(width, self.tile[0]), ceil_div(height, self.tile[1])


def form_of(layer: Layer, options: PlanOptions) -> WinogradForm:
    """Return tile and kernel; only meaningful where `why_not_winograd` has no objection."""
    width, height = layer.kernel_width, layer.kernel_height
    is_small = options.layout == "nchw" and layer.in_width <= 4 and layer.in_height <= 4
    edge = 2 if is_small and max(width, height) == 3 else 4
    tile = (edge if width > 1 else 1, edge if height > 1 else 1)
    return WinogradForm(tile=tile, kernel=(width, height))


def why_not_winograd(layer: Layer, options: PlanOptions) -> str:
    """Return why the library refuses the layer; empty when it takes it."""
    kernel = (layer.kernel_width, layer.kernel_height)
    if options.dtype != "f32":
        return "half precision needs fast math"
    if kernel not in ((3, 3), (3, 1), (1, 3), (5, 1), (1, 5)):
        return f"its filters are {kernel[0]}x{kernel[1]}"
    if layer.strides != (1, 1) or layer.dilations != (1, 1):
        return "its stride or its dilation is not 1"
    if layer.groups != 1:
        return "it has groups"
    return ""


def add_winograd_convolution(plan: Sequence, layer: Layer) -> None:
    """Enqueue a Winograd convolution."""
    form = form_of(layer, plan.options)
    columns, rows = form.positions
    tiles_x, tiles_y = form.tiles(layer)
    batch, channels, n = plan.options.batch, layer.in_channels, layer.out_channels
    positions = columns * rows
    product = Product(
        m=tiles_x * tiles_y, n=n, k=channels, planes=positions * batch, b_planes=positions
    )
    tile_columns, tile_rows = output_tile(product, plan)
    beyond = round_up(product.m, tile_rows) - product.m
    plan.tensors["transformed weights"] = Tensor(
        dims=(n, channels, positions, 1), right=round_up(n, tile_columns) - n, tail=16
    )
    plan.tensors["transformed input"] = Tensor(
        dims=(channels, product.m, positions, batch),
        right=round_up(channels, 8) - channels,
        bottom=beyond,
    )
    plan.tensors["product"] = Tensor(
        dims=(n, product.m, positions, batch),
        right=round_up(n, tile_columns) - n,
        bottom=beyond,
    )
    _add_filter(plan, layer, form)
    _add_input(plan, layer, form)
    add_product(plan, product, "transformed input", "transformed weights", "product", "bias")
    _add_output(plan, layer, form)


def _name(step: str, form: WinogradForm, layout: str) -> str:
    return f"winograd_{step}_transform_{form.suffix}_{layout}"


def _options(name: str, form: WinogradForm, **values: int) -> str:
    return macros(
        KERNEL_NAME=name,
        TILE_W=form.tile[0],
        TILE_H=form.tile[1],
        KERNEL_W=form.kernel[0],
        KERNEL_H=form.kernel[1],
        **values,
    )


def _add_filter(plan: Sequence, layer: Layer, form: WinogradForm) -> None:
    channels, n = layer.in_channels, layer.out_channels
    dims = (channels, *form.kernel) if plan.is_nhwc else (*form.kernel, channels)
    plan.tensors["weights"] = Tensor(dims=(*dims, n))
    plan.tensors["bias"] = Tensor(dims=(n, 1, 1, 1))
    target = plan.tensors["transformed weights"]
    name = _name("filter", form, plan.options.layout)
    plan.add(
        Phase.PREPARE,
        name,
        (channels, 1, n) if plan.is_nhwc else (1, 1, channels * n),
        plan.target.default_hint,
        Binding(
            source="winograd.cl",
            macros="-DTRANSFORM_FILTER "
            + _options(name, form, CHANNELS=channels)
            + (" -DNHWC" if plan.is_nhwc else ""),
            arguments=("weights", "transformed weights", target.row, target.plane),
        ),
    )


def _add_input(plan: Sequence, layer: Layer, form: WinogradForm) -> None:
    batch, channels = plan.options.batch, layer.in_channels
    top, left, bottom, right = layer.pads
    tiles_x, tiles_y = form.tiles(layer)
    step_z = 1
    if plan.is_nhwc:
        source = Tensor(dims=(channels, layer.in_width, layer.in_height, batch), top=1, bottom=1)
        border = {"left": 0, "right": 0, "top": 1, "bottom": 1}
        size = (channels, tiles_x, tiles_y * batch)
    else:
        source = padded(
            Tensor(dims=(layer.in_width, layer.in_height, channels, batch)),
            window=(layer.in_width, layer.in_height),
            step=(1, 1),
            read=form.positions,
            start=(-left, -top),
        )
        extra = [
            form.tile[d] - 1 if (extent - form.kernel[d] + 1) % form.tile[d] else 0
            for d, extent in enumerate(
                (layer.in_width + left + right, layer.in_height + top + bottom)
            )
        ]
        border = {
            "left": left,
            "right": right + extra[0],
            "top": top,
            "bottom": bottom + extra[1],
        }
        step_z = 2 if max(form.tile) == 2 and channels % 2 == 0 else 1
        size = (tiles_x, tiles_y, channels * batch // step_z)
    plan.tensors["input"] = source
    add_fill(plan, "input", **border)  # type: ignore[arg-type]
    target = plan.tensors["transformed input"]
    name = f"winograd_input_transform_{form.suffix}_stepz{step_z}_{plan.options.layout}"
    plan.add(
        Phase.RUN,
        name,
        size,
        (1, 1, 8),
        Binding(
            source="winograd.cl",
            macros=f"-DTRANSFORM_INPUT {axis_macros(layer)} "
            + _options(
                name, form, SRC_W=layer.in_width, SRC_H=layer.in_height, CHANNELS=channels,
                TILES_X=tiles_x, TILES_Y=tiles_y, STEP_Z=step_z,
            )
            + (" -DNHWC" if plan.is_nhwc else ""),
            arguments=(
                "input", "transformed input", source.row, source.plane, source.volume,
                source.offset, target.row, target.plane, target.volume,
            ),
        ),
    )  # fmt: skip


def _add_output(plan: Sequence, layer: Layer, form: WinogradForm) -> None:
    out_w, out_h, n = layer.out_width, layer.out_height, layer.out_channels
    tiles_x, tiles_y = form.tiles(layer)
    batch, source = plan.options.batch, plan.tensors["product"]
    width, height = tiles_x * form.tile[0], tiles_y * form.tile[1]
    if plan.is_nhwc:
        output = Tensor(dims=(n, out_w, out_h, batch), bottom=width - out_w)
    else:
        output = Tensor(dims=(out_w, out_h, n, batch), right=width - out_w, bottom=height - out_h)
    plan.tensors["output"] = output
    name = _name("output", form, plan.options.layout)
    options = "-DTRANSFORM_OUTPUT " + _options(name, form, TILES_X=tiles_x, OUT_H=out_h)
    options += (" -DNHWC" if plan.is_nhwc else "") + (" -DHAS_BIAS" if plan.options.bias else "")
    for image in range(batch):
        plan.add(
            Phase.RUN,
            name,
            (n, tiles_x * tiles_y, 1),
            plan.target.default_hint,
            Binding(
                source="winograd.cl",
                macros=options,
                arguments=(
                    "product", "bias", "output", source.row, source.plane, image * source.volume,
                    output.row, output.plane, output.offset + image * output.volume,
                ),
            ),
        )  # fmt: skip
