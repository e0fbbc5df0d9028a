"""An ONNX graph as a list of layers: what libraries fuse is fused, nothing else is dropped.

Fused away: activations, batch normalisation and constant scales or biases behind a convolution or
a fully connected layer; views (reshape, flatten, identity); zero padding in front of a
convolution. An operator without a layer kind of its own becomes a layer of kind `OTHER` with the
elements it moves.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from gpusim.errors import GpusimError, located
from gpusim.network.layers import Layer, LayerKind, Network
from gpusim.network.onnx_model import Model, Node, Shape, read_model
from gpusim.network.onnx_windows import Window, convolution_window, pool_window

_VIEWS = {
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast", "CastLike",
    "StopGradient",
}  # fmt: skip
_ACTIVATIONS = {
    "Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Elu", "Selu",
    "PRelu", "Softplus", "Softsign", "ThresholdedRelu", "Celu", "Mish", "Gelu", "Erf", "Swish",
}  # fmt: skip
_UNARY = {"Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round", "Not"}
_BINARY = {"Add", "Sub", "Mul", "Div", "Pow", "Sum", "Max", "Min", "Mean", "PRelu"}
_GLOBAL_POOLS = {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"}
_AVERAGES = {"ReduceMean", "ReduceMax"}
_TWO_INPUTS = {"Conv", "Gemm", "MatMul"}
_MAPS = 4
"""Dimensions of a batch of maps."""
_MAX_EXTENT = 1 << 31


def import_onnx(path: str | Path, *, image: tuple[int, int] | None = None) -> Network:
    """Return the network of an ONNX file.

    Parameters
    ----------
    path : str or Path
    image : (height, width), optional
        For a model that leaves the size of its images open.

    Returns
    -------
    Network
        Per image: a batch in the file is divided out. `notes` says what was fused and assumed.

    Raises
    ------
    GpusimError
        When the onnx package is missing or the file is broken, in one line.
    """
    return _Importer(read_model(Path(path), image=image)).network()


@dataclass(slots=True)
class _Tensor:
    """A value that flows between layers."""

    shape: Shape
    sources: tuple[int, ...]
    """Positions of the layers that made it; () = the network's input."""
    pads: tuple[int, int, int, int] | None = None
    """Zero padding that waits for a convolution to take it in."""


@dataclass(slots=True)
class _Importer:
    model: Model
    layers: list[Layer] = field(default_factory=list)
    tensors: dict[str, _Tensor] = field(default_factory=dict)
    static: set[str] = field(default_factory=set)
    """Tensors that do not depend on the network's input."""
    fused: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    n_convolutions: int = 0

    def network(self) -> Network:
        model = self.model
        self.static = set(model.constants)
        for name in model.inputs:
            self.tensors[name] = _Tensor(model.shapes[name], ())
        readers = Counter(name for node in model.nodes for name in node.inputs)
        for node in model.nodes:
            self._take(node, readers)
        if not self.layers:
            raise GpusimError(located(model.file, "the model has no layer that computes anything"))
        channels, height, width = _map_of(model.shapes[model.inputs[0]], model.batch)
        notes = [*model.notes, *self.notes]
        if self.fused:
            words = ", ".join(f"{number} {op}" for op, number in sorted(self.fused.items()))
            notes.append(f"fused into the layer before or after: {words}")
        if model.batch > 1:
            notes.append(f"the file's batch of {model.batch} is divided out; choose one by --batch")
        return Network(
            id=model.name,
            input_channels=channels,
            input_height=height,
            input_width=width,
            layers=tuple(self.layers),
            notes=tuple(notes),
        )

    def _take(self, node: Node, readers: Counter[str]) -> None:
        for name in node.inputs:
            if name and name not in self.tensors and name not in self.static:
                raise GpusimError(
                    located(node.where, "reads a tensor that nothing before it makes", found=name)
                )
        given = [name for name in node.inputs if name]
        if not any(node.outputs) or (node.op in _TWO_INPUTS and len(given) < 2):
            raise GpusimError(
                located(
                    node.where,
                    "inputs or outputs are missing",
                    found=f"{len(given)} inputs, {len(node.outputs)} outputs",
                )
            )
        if node.op in ("Shape", "Size", "Constant") or all(name in self.static for name in given):
            self.static.update(node.outputs)
            return
        dynamic = [name for name in given if name in self.tensors]
        if node.op in _VIEWS:
            self._alias(node, dynamic[0])
        elif node.op == "Pad" and self._folds_pad(node, dynamic[0], readers):
            self.fused[node.op] += 1
        elif self._is_fused(node, dynamic, readers):
            self.fused[node.op] += 1
            self._alias(node, dynamic[0])
        else:
            self._layer(node, dynamic)

    def _layer(self, node: Node, dynamic: list[str]) -> None:
        shape = self._shape(dynamic[0], node)
        if node.op == "Conv" and node.inputs[1] in self.static and len(shape) in (3, _MAPS):
            self._convolution(node)
        elif node.op in ("Gemm", "MatMul") and node.inputs[1] in self.static:
            self._fully_connected(node)
        elif node.op in ("MaxPool", "AveragePool", "LpPool") and len(shape) == _MAPS:
            self._pool(node, pool_window(node, shape[2:]))
        elif len(shape) == _MAPS and self._covers_map(node):
            self._pool(node, Window(kernel=shape[2:]))
        elif node.op in _ACTIVATIONS | _UNARY | _BINARY | {"BatchNormalization"}:
            self._elementwise(node, dynamic)
        else:
            self._other(node, dynamic)

    def _convolution(self, node: Node) -> None:
        data, weights = self.tensors[node.inputs[0]], self.model.constants.get(node.inputs[1])
        weights = weights or self._shape(node.inputs[1], node)
        if len(data.shape) != len(weights):
            raise GpusimError(
                located(
                    node.where,
                    "weights don't fit the input",
                    expected=f"{len(data.shape)} dimensions",
                    found=list(weights),
                )
            )
        channels, height, width = _map_of(data.shape, data.shape[0])
        kernel = weights[2:] if len(weights) == _MAPS else (weights[2], 1)
        window = convolution_window(node, (height, width), kernel, data.pads)
        groups = _positive(node, "group", 1)
        if weights[1] * groups != channels or weights[0] % groups:
            raise GpusimError(
                located(
                    node.where,
                    "weights don't fit the input",
                    expected=f"{channels} input channels in {groups} groups",
                    found=f"{list(weights)}",
                )
            )
        self._append(
            node,
            LayerKind.CONVOLUTION,
            (channels, height, width),
            weights[0],
            window=window,
            groups=groups,
            sources=data.sources,
            index=self.n_convolutions,
        )
        self.n_convolutions += 1

    def _fully_connected(self, node: Node) -> None:
        data = self.tensors[node.inputs[0]]
        weights = self.model.constants.get(node.inputs[1]) or self._shape(node.inputs[1], node)
        is_turned = bool(node.attributes.get("transB", 0))
        if len(weights) != 2 or bool(node.attributes.get("transA", 0)):
            self._other(node, [node.inputs[0]])
            return
        inputs, outputs = (weights[1], weights[0]) if is_turned else weights
        if not data.shape or data.shape[-1] != inputs:
            raise GpusimError(
                located(
                    node.where,
                    "weights don't fit the input",
                    expected=f"{inputs} inputs",
                    found=list(data.shape),
                )
            )
        rows = max(1, prod(data.shape[:-1]) // self.model.batch)
        if rows == 1:
            self._append(
                node, LayerKind.FULLY_CONNECTED, (inputs, 1, 1), outputs, sources=data.sources
            )
            return
        # The same weights for every row: a 1x1 convolution over a map of that many positions.
        self._append(
            node,
            LayerKind.CONVOLUTION,
            (inputs, rows, 1),
            outputs,
            sources=data.sources,
            index=self.n_convolutions,
        )
        self.n_convolutions += 1

    def _pool(self, node: Node, window: Window) -> None:
        data = self.tensors[node.inputs[0]]
        channels, height, width = _map_of(data.shape, data.shape[0])
        self._append(
            node,
            LayerKind.POOLING,
            (channels, height, width),
            channels,
            window=window,
            sources=data.sources,
        )

    def _elementwise(self, node: Node, dynamic: list[str]) -> None:
        shape = _map_of(self._shape(node.outputs[0], node), self.model.batch)
        sources = [self.tensors[name].sources for name in dynamic]
        self._append(
            node,
            LayerKind.ELEMENTWISE,
            shape,
            shape[0],
            sources=tuple(one for some in sources for one in some),
        )

    def _other(self, node: Node, dynamic: list[str]) -> None:
        outputs = [name for name in node.outputs if name]
        moved = sum(prod(self._shape(name, node)) for name in (*dynamic, *outputs))
        moved //= self.model.batch
        shape = _map_of(self._shape(outputs[0], node), self.model.batch)
        sources = [self.tensors[name].sources for name in dynamic]
        self._append(
            node,
            LayerKind.OTHER,
            shape,
            shape[0],
            sources=tuple(dict.fromkeys(one for some in sources for one in some)),
            moved_elements=moved,
        )

    def _append(
        self,
        node: Node,
        kind: LayerKind,
        shape: tuple[int, int, int],
        out_channels: int,
        *,
        window: Window | None = None,
        groups: int = 1,
        sources: tuple[int, ...] = (),
        index: int | None = None,
        moved_elements: int = 0,
    ) -> None:
        window = window or Window(kernel=(1, 1))
        layer = Layer(
            index=len(self.layers) if index is None else index,
            name=node.name if kind is not LayerKind.OTHER else f"{node.name} ({node.op})",
            kind=kind,
            in_channels=shape[0],
            in_height=shape[1],
            in_width=shape[2],
            out_channels=out_channels,
            groups=groups,
            inputs=sources,
            moved_elements=moved_elements,
            **window.fields(),
        )
        extents = (*shape, out_channels, layer.out_height, layer.out_width)
        if min(extents) < 1 or max(extents) > _MAX_EXTENT:
            raise GpusimError(
                located(
                    node.where,
                    "impossible size",
                    expected="positive extents",
                    found=f"{list(shape)} -> {[out_channels, layer.out_height, layer.out_width]}",
                )
            )
        self.layers.append(layer)
        for name in node.outputs:
            if name:
                self.tensors[name] = _Tensor(
                    self.model.shapes.get(name, (1, *shape)), (len(self.layers) - 1,)
                )

    def _alias(self, node: Node, name: str) -> None:
        source = self.tensors[name]
        for output in node.outputs:
            if output:
                shape = self.model.shapes.get(output, source.shape)
                self.tensors[output] = _Tensor(shape, source.sources)

    def _is_fused(self, node: Node, dynamic: list[str], readers: Counter[str]) -> bool:
        """Whether an operator joins the layer that makes its only input."""
        is_scale = node.op in _BINARY and len(dynamic) == 1
        if node.op not in _ACTIVATIONS | {"BatchNormalization"} and not is_scale:
            return False
        source = self.tensors[dynamic[0]]
        if len(source.sources) != 1 or readers[dynamic[0]] != 1:
            return False
        if dynamic[0] in self.model.outputs or source.pads is not None:
            return False
        kind = self.layers[source.sources[0]].kind
        if node.op in _ACTIVATIONS:
            return kind in (LayerKind.CONVOLUTION, LayerKind.FULLY_CONNECTED, LayerKind.ELEMENTWISE)
        if node.op == "Pow":
            return False
        return kind in (LayerKind.CONVOLUTION, LayerKind.FULLY_CONNECTED)

    def _folds_pad(self, node: Node, name: str, readers: Counter[str]) -> bool:
        """Leave zero padding of rows and columns to the convolution that alone reads it."""
        shape, output = self.tensors[name].shape, node.outputs[0]
        users = [other for other in self.model.nodes if output in other.inputs]
        if len(shape) != _MAPS or readers[output] != 1 or output in self.model.outputs:
            return False
        pads = node.attributes.get("pads") or (
            self.model.values.get(node.inputs[1]) if len(node.inputs) > 1 else None
        )
        is_zero = node.attributes.get("mode", "constant") == "constant" and not node.attributes.get(
            "value", 0
        )
        has_value = len(node.inputs) > 2 and node.inputs[2] not in ("",)
        is_zero = is_zero and (not has_value or node.inputs[2] in self.static)
        if not is_zero or pads is None or len(pads) != 8 or len(node.inputs) > 3:
            return False
        top, left, bottom, right = pads[2], pads[3], pads[6], pads[7]
        if any((*pads[0:2], *pads[4:6])) or min(top, left, bottom, right) < 0:
            return False
        if [other.op for other in users] != ["Conv"] or users[0].inputs[0] != output:
            return False
        source = self.tensors[name]
        self.tensors[output] = _Tensor(source.shape, source.sources, (top, left, bottom, right))
        return True

    def _covers_map(self, node: Node) -> bool:
        """Whether an operator reduces whole maps."""
        if node.op in _GLOBAL_POOLS:
            return True
        if node.op not in _AVERAGES:
            return False
        axes = node.attributes.get("axes")
        if axes is None and len(node.inputs) > 1:
            axes = self.model.values.get(node.inputs[1])
        if not isinstance(axes, (list, tuple)):
            return False
        return sorted(axis % _MAPS for axis in axes if isinstance(axis, int)) == [2, 3]

    def _shape(self, name: str, node: Node) -> Shape:
        known = self.tensors.get(name)
        shape = known.shape if known is not None else self.model.shapes.get(name)
        if shape is None:
            raise GpusimError(
                located(node.where, "the shape of a tensor cannot be inferred", found=name)
            )
        return shape


def _map_of(shape: Shape, batch: int) -> tuple[int, int, int]:
    """Return channels, height and width of one image of a tensor."""
    if len(shape) == _MAPS:
        return (shape[1], shape[2], shape[3])
    if len(shape) == _MAPS - 1 and shape[0] == batch:
        return (shape[1], shape[2], 1)
    return (max(1, prod(shape) // max(batch, 1)), 1, 1)


def _positive(node: Node, attribute: str, default: int) -> int:
    value = node.attributes.get(attribute, default)
    if not isinstance(value, int) or value < 1:
        raise GpusimError(
            located(node.where, f"attribute {attribute}", expected="1 or more", found=value)
        )
    return value
