"""Which launches the hand-written kernels make for a layer.

``hand``: images with channels innermost; weights are packed once into blocks of 16 output
channels; one launch an inference. ``hand-csr``: planes; a padded copy of the input where the layer
pads, then one launch over compressed rows. The index arrays of the plan hold their real contents,
because loop bounds and addresses come from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from gpusim.errors import GpusimError, located
from gpusim.library.plan import Phase, PlannedLayer, PlanOptions
from gpusim.library.planned_trace import BufferRef, PlannedTrace
from gpusim.library.sparse.pattern import Csr, csr_of, weights
from gpusim.network.layers import Layer, LayerKind
from gpusim.trace.records import Size3

_FLOAT_BYTES = 4
_VECTOR = 16
_SIDE = 4
_GROUP: Size3 = (_SIDE, _SIDE, 1)


def plan_hand(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Return the direct kernels' launches for a convolution or fully connected layer.

    Raises
    ------
    GpusimError
        For another kind of layer, half precision, planes, a batch, or groups that are not
        depthwise.
    """
    _check(layer, options, "hand", layout="nhwc")
    plan = PlannedTrace(f"hand plan of {layer.name}")
    if layer.kind is LayerKind.FULLY_CONNECTED:
        method = _dot(plan, layer)
    elif layer.groups == 1:
        method = _direct(plan, layer)
    elif layer.groups == layer.in_channels == layer.out_channels:
        method = _depthwise(plan, layer)
    else:
        raise GpusimError(
            located(
                f"layer {layer.name}",
                "hand has no kernel for it",
                expected="1 group or a depthwise convolution",
                found=f"{layer.groups} groups",
            )
        )
    planned = PlannedLayer(
        layer=layer, library="hand", method=method, options=options, trace=plan.trace()
    )
    return (planned,)


def plan_hand_csr(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Return the compressed kernels' launches, at the sparsity of `options`.

    Raises
    ------
    GpusimError
        For another kind of layer, half precision, channels innermost, or a batch.
    """
    _check(layer, options, "hand-csr", layout="nchw")
    plan = PlannedTrace(f"hand-csr plan of {layer.name}, {options.sparsity:g} zeros")
    matrix = weights(layer, options.sparsity).reshape(layer.out_channels, -1)
    csr = csr_of(matrix)
    if layer.kind is LayerKind.FULLY_CONNECTED:
        _csr_dot(plan, layer, csr)
    else:
        _csr_convolution(plan, layer, csr)
    planned = PlannedLayer(
        layer=layer, library="hand-csr", method="csr", options=options, trace=plan.trace()
    )
    return (planned,)


def places_of(layer: Layer, csr: Csr) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return where each value of a row finds its input, from a window's corner.

    Parameters
    ----------
    layer : Layer
    csr : Csr
        Columns count (input channel of the group, row, column).

    Returns
    -------
    ndarray of int32
        Shape (non-zeros,), elements of the padded planes.
    """
    padded = _Padded.of(layer)
    rows = np.repeat(np.arange(layer.out_channels), np.diff(csr.row_starts))
    per_group = layer.in_channels // layer.groups
    first = rows // (layer.out_channels // layer.groups) * per_group
    window = layer.kernel_height * layer.kernel_width
    channel, place = np.divmod(csr.columns, window)
    y, x = np.divmod(place, layer.kernel_width)
    y, x = y * layer.dilations[0], x * layer.dilations[1]
    places = ((first + channel) * padded.height + y) * padded.width + x
    return places.astype(np.int32)


def _check(layer: Layer, options: PlanOptions, library: str, *, layout: str) -> None:
    where = f"layer {layer.name}"
    if layer.kind not in (LayerKind.CONVOLUTION, LayerKind.FULLY_CONNECTED):
        raise GpusimError(
            located(
                where,
                f"{library} has no kernel for it",
                expected="a convolution or a fully connected layer",
                found=layer.kind.value,
            )
        )
    wanted = [("dtype", options.dtype, "f32"), ("batch", options.batch, 1)]
    if layer.kind is LayerKind.CONVOLUTION:
        wanted.append(("layout", options.layout, layout))
    for name, found, expected in wanted:
        if found != expected:
            raise GpusimError(
                located(
                    where,
                    f"{library} is written for one {name}",
                    expected=str(expected),
                    found=found,
                )
            )


def _direct(plan: PlannedTrace, layer: Layer) -> str:
    blocks = -(-layer.out_channels // _VECTOR)
    window = layer.kernel_height * layer.kernel_width
    image, result = _maps(plan, layer)
    raw = plan.buffer(layer.weights * _FLOAT_BYTES)
    packed = plan.buffer(blocks * _VECTOR * layer.in_channels * window * _FLOAT_BYTES)
    bias = plan.buffer(blocks * _VECTOR * _FLOAT_BYTES)
    plan.launch(
        Phase.PREPARE,
        source=_source("pack.cl"),
        options="",
        kernel="pack_weights",
        global_size=(layer.in_channels, window, blocks),
        local_size=None,
        arguments=[
            raw,
            packed,
            np.int32(layer.out_channels),
            np.int32(layer.in_channels),
            np.int32(window),
        ],
    )
    plan.launch(
        Phase.RUN,
        source=_source("direct.cl"),
        options=_direct_options(layer),
        kernel="direct_4x4",
        global_size=_positions(layer, blocks),
        local_size=_GROUP,
        arguments=[image, packed, bias, result, np.int32(layer.out_channels)],
    )
    return "direct 4x4"


def _depthwise(plan: PlannedTrace, layer: Layer) -> str:
    blocks = -(-layer.out_channels // _VECTOR)
    window = layer.kernel_height * layer.kernel_width
    image, result = _maps(plan, layer)
    raw = plan.buffer(layer.weights * _FLOAT_BYTES)
    packed = plan.buffer(layer.weights * _FLOAT_BYTES)
    bias = plan.buffer(blocks * _VECTOR * _FLOAT_BYTES)
    plan.launch(
        Phase.PREPARE,
        source=_source("pack.cl"),
        options="",
        kernel="pack_depthwise",
        global_size=(layer.out_channels, window, 1),
        local_size=None,
        arguments=[raw, packed, np.int32(layer.out_channels), np.int32(window)],
    )
    plan.launch(
        Phase.RUN,
        source=_source("direct.cl"),
        options=_direct_options(layer),
        kernel="depthwise_4x4",
        global_size=_positions(layer, blocks),
        local_size=_GROUP,
        arguments=[image, packed, bias, result],
    )
    return "depthwise 4x4"


def _dot(plan: PlannedTrace, layer: Layer) -> str:
    n_inputs = layer.weights // layer.out_channels
    inputs = plan.buffer(n_inputs * _FLOAT_BYTES)
    matrix = plan.buffer(layer.weights * _FLOAT_BYTES)
    bias = plan.buffer(layer.out_channels * _FLOAT_BYTES)
    result = plan.buffer(layer.out_channels * _FLOAT_BYTES)
    plan.launch(
        Phase.RUN,
        source=_source("direct.cl"),
        options=_direct_options(layer),
        kernel="dot16",
        global_size=_outputs(layer),
        local_size=_GROUP,
        arguments=[
            inputs,
            matrix,
            bias,
            result,
            np.int32(n_inputs),
            np.int32(layer.out_channels),
        ],
    )
    return "dot 16"


def _csr_convolution(plan: PlannedTrace, layer: Layer, csr: Csr) -> None:
    padded = _Padded.of(layer)
    image, result = _maps(plan, layer)
    source, options = _source("csr.cl"), padded.options(layer)
    planes = image
    if padded.is_copied:
        planes = plan.buffer(layer.in_channels * padded.height * padded.width * _FLOAT_BYTES)
        plan.launch(
            Phase.RUN,
            source=source,
            options=options,
            kernel="pad_planes",
            global_size=(padded.width, padded.height, layer.in_channels),
            local_size=None,
            arguments=[image, planes],
        )
    plan.launch(
        Phase.RUN,
        source=source,
        options=options,
        kernel="csr_4x4",
        global_size=_positions(layer, layer.out_channels),
        local_size=_GROUP,
        arguments=[planes, *_compressed(plan, layer, csr, places_of(layer, csr)), result],
    )


def _csr_dot(plan: PlannedTrace, layer: Layer, csr: Csr) -> None:
    inputs = plan.buffer(layer.weights // layer.out_channels * _FLOAT_BYTES)
    result = plan.buffer(layer.out_channels * _FLOAT_BYTES)
    plan.launch(
        Phase.RUN,
        source=_source("csr.cl"),
        options=_Padded.of(layer).options(layer),
        kernel="csr_dot",
        global_size=_outputs(layer),
        local_size=_GROUP,
        arguments=[
            inputs,
            *_compressed(plan, layer, csr, csr.columns),
            result,
            np.int32(layer.out_channels),
        ],
    )


def _compressed(
    plan: PlannedTrace,
    layer: Layer,
    csr: Csr,
    indices: np.ndarray[tuple[int], np.dtype[np.int32]],
) -> list[BufferRef]:
    """Add row starts, indices, values and biases; no buffer may be empty."""
    kept = max(1, len(csr.values))
    stored = indices if len(indices) else np.zeros(1, dtype=np.int32)
    return [
        plan.buffer(csr.row_starts.nbytes, content=csr.row_starts.tobytes()),
        plan.buffer(kept * 4, content=stored.tobytes()),
        plan.buffer(kept * _FLOAT_BYTES),
        plan.buffer(layer.out_channels * _FLOAT_BYTES),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Padded:
    """The input planes of a layer, as large as its windows reach."""

    height: int
    width: int
    is_copied: bool

    @staticmethod
    def of(layer: Layer) -> _Padded:
        top, left, bottom, right = layer.pads
        height = layer.in_height + top + bottom
        width = layer.in_width + left + right
        return _Padded(height=height, width=width, is_copied=any(layer.pads))

    def options(self, layer: Layer) -> str:
        top, left, _, _ = layer.pads
        return _macros(
            WIDTH=layer.in_width,
            HEIGHT=layer.in_height,
            PADDED_WIDTH=self.width,
            PADDED_HEIGHT=self.height,
            OUT_WIDTH=layer.out_width,
            OUT_HEIGHT=layer.out_height,
            STRIDE_X=layer.strides[1],
            STRIDE_Y=layer.strides[0],
            LEFT=left,
            TOP=top,
        )


def _direct_options(layer: Layer) -> str:
    top, left, _, _ = layer.pads
    return _macros(
        HEIGHT=layer.in_height,
        WIDTH=layer.in_width,
        CHANNELS=layer.in_channels,
        OUT_HEIGHT=layer.out_height,
        OUT_WIDTH=layer.out_width,
        ROWS=layer.kernel_height,
        COLUMNS=layer.kernel_width,
        STRIDE_Y=layer.strides[0],
        STRIDE_X=layer.strides[1],
        STEP_Y=layer.dilations[0],
        STEP_X=layer.dilations[1],
        TOP=top,
        LEFT=left,
    )


def _macros(**values: int) -> str:
    return " ".join(f"-D{name}={value}" for name, value in values.items())


def _maps(plan: PlannedTrace, layer: Layer) -> tuple[BufferRef, BufferRef]:
    image = layer.in_channels * layer.in_height * layer.in_width
    result = layer.out_channels * layer.out_height * layer.out_width
    return plan.buffer(image * _FLOAT_BYTES), plan.buffer(result * _FLOAT_BYTES)


def _positions(layer: Layer, depth: int) -> Size3:
    """Return the NDRange over positions, in whole work-groups."""
    columns = -(-layer.out_width // _SIDE) * _SIDE
    rows = -(-layer.out_height // _SIDE) * _SIDE
    return (columns, rows, depth)


def _outputs(layer: Layer) -> Size3:
    rows = -(-layer.out_channels // _SIDE)
    return (_SIDE, -(-rows // _SIDE) * _SIDE, 1)


@cache
def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
