"""Read an ONNX file as far as a latency needs it: nodes, attributes, shapes; no weights.

Weights may lie in files that are not here: only small integer constants (shapes, axes, pads) are
ever looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from gpusim.errors import GpusimError, located
from gpusim.network.onnx_values import evaluate

_MAX_FILE_BYTES = 2 << 30
"""Protobuf's own limit."""
_MAX_ELEMENTS = 1 << 40
"""Of one tensor; more is a broken file."""
_MAX_CONSTANT = 1024
"""Elements of a constant whose values shape inference may need."""
_VALUE_ATTRIBUTES = ("axis", "start", "end", "starts", "ends")
_INTEGER_TYPES = (6, 7)
"""INT32 and INT64 of TensorProto."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator."""

    where: str
    """File and node, for messages."""
    name: str
    op: str
    """With its domain in front, where that is not ONNX's own."""
    inputs: tuple[str, ...]
    """Tensor names; empty = left out."""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A graph with the shape of every tensor."""

    file: str
    name: str
    nodes: tuple[Node, ...]
    shapes: Mapping[str, Shape]
    """Of tensors whose shape is known; the batch as the file has it, 1 where it is open."""
    constants: Mapping[str, Shape]
    """Weights and other constants of the file."""
    values: Mapping[str, tuple[int, ...]]
    """Small integer constants."""
    inputs: tuple[str, ...]
    outputs: frozenset[str]
    batch: int
    notes: tuple[str, ...]


def read_model(path: Path, *, image: tuple[int, int] | None = None) -> Model:
    """Read a file and infer all shapes.

    Parameters
    ----------
    path : Path
    image : (height, width), optional
        For a model that leaves the size of its images open.

    Raises
    ------
    GpusimError
        When the file is missing, no ONNX model, larger than 2 GiB, leaves a size open, or
        contradicts itself; when the onnx package is not installed.
    """
    onnx = _onnx()
    proto = _load(onnx, path)
    notes: list[str] = []
    proto = _inlined(onnx, proto, path)
    graph = proto.graph
    _check_names(graph, path)
    if not graph.node:
        raise GpusimError(located(path, "no ONNX model", expected="nodes", found="none"))
    constants, values = _constants(onnx, graph, path)
    inputs = [item for item in graph.input if item.name not in constants]
    if not inputs:
        raise GpusimError(located(path, "the model has no input"))
    batch = _close_inputs(inputs, path, image)
    _declare_constants(onnx, graph, constants, values)
    shapes = _infer(onnx, proto, path, notes, constants, values)
    shapes.update(constants)
    return Model(
        file=str(path),
        name=path.stem,
        nodes=tuple(_node(onnx, node, i, path) for i, node in enumerate(graph.node)),
        shapes=shapes,
        constants=constants,
        values=values,
        inputs=tuple(item.name for item in inputs),
        outputs=frozenset(item.name for item in graph.output),
        batch=batch,
        notes=tuple(notes),
    )


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise GpusimError(
            "reading ONNX files needs the onnx package: pip install 'gpusim[onnx]'"
        ) from error
    return onnx


def _load(onnx: Any, path: Path) -> Any:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        size = path.stat().st_size
    except OSError as error:
        raise GpusimError(located(path, "cannot be read", found=error.strerror)) from error
    if not path.is_file():
        raise GpusimError(located(path, "no file"))
    if size > _MAX_FILE_BYTES:
        raise GpusimError(
            located(path, "too large", expected=f"at most {_MAX_FILE_BYTES} bytes", found=size)
        )
    try:
        return onnx.load_model(str(path), format="protobuf", load_external_data=False)
    except OSError as error:
        raise GpusimError(located(path, "cannot be read", found=error.strerror)) from error
    except DecodeError as error:
        raise GpusimError(
            located(path, "no ONNX model, or a truncated one", found=f"{size} bytes")
        ) from error


def _check_names(graph: Any, path: Path) -> None:
    """Raise GpusimError where a name is no text: protobuf hands such a one over as bytes."""
    names = [name for node in graph.node for name in (*node.input, *node.output, node.name)]
    names += [word for node in graph.node for word in (node.op_type, node.domain)]
    names += [attribute.name for node in graph.node for attribute in node.attribute]
    for items in (graph.input, graph.output, graph.initializer):
        names += [item.name for item in items]
    for name in names:
        if not isinstance(name, str):
            raise GpusimError(located(path, "a name is no text", expected="UTF-8", found=name))


def _inlined(onnx: Any, proto: Any, path: Path) -> Any:
    """Return the model with its own functions expanded."""
    if not proto.functions:
        return proto
    from onnx import inliner

    try:
        return inliner.inline_local_functions(proto)
    except Exception as error:
        # The checker inside raises whatever fits: for us they all mean a broken file.
        raise GpusimError(located(path, "its functions cannot be expanded", found=error)) from error


def _constants(
    onnx: Any, graph: Any, path: Path
) -> tuple[dict[str, Shape], dict[str, tuple[int, ...]]]:
    """Return the shapes of all constants, and the values of the small integer ones."""
    tensors = list(graph.initializer)
    tensors += [
        _named(attribute.t, node.output[0])
        for node in graph.node
        if node.op_type == "Constant" and node.output
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    shapes = {tensor.name: _checked(tuple(tensor.dims), tensor.name, path) for tensor in tensors}
    for sparse in graph.sparse_initializer:
        shapes[sparse.values.name] = _checked(tuple(sparse.dims), sparse.values.name, path)
    values: dict[str, tuple[int, ...]] = {}
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            for attribute in node.attribute:
                if attribute.name in ("value_int", "value_ints"):
                    found = tuple(attribute.ints) or (attribute.i,)
                    values[node.output[0]] = found
                    shapes[node.output[0]] = (len(found),) if attribute.name == "value_ints" else ()
    for tensor in tensors:
        if tensor.data_type in _INTEGER_TYPES and prod(tensor.dims) <= _MAX_CONSTANT:
            values[tensor.name] = _integers(onnx, tensor, path)
    return shapes, values


def _named(tensor: Any, name: str) -> Any:
    tensor.name = name
    return tensor


def _integers(onnx: Any, tensor: Any, path: Path) -> tuple[int, ...]:
    try:
        array = onnx.numpy_helper.to_array(tensor, base_dir=str(path.parent))
    except Exception as error:
        raise GpusimError(
            located(f"{path}: constant {tensor.name}", "cannot be read", found=error)
        ) from error
    return tuple(int(value) for value in array.ravel())


def _checked(shape: Shape, name: str, path: Path) -> Shape:
    if any(extent < 0 for extent in shape) or prod(shape) > _MAX_ELEMENTS:
        raise GpusimError(
            located(
                f"{path}: tensor {name}",
                "impossible size",
                expected=f"0 to {_MAX_ELEMENTS} elements",
                found=list(shape),
            )
        )
    return shape


def _close_inputs(inputs: list[Any], path: Path, image: tuple[int, int] | None) -> int:
    """Give every open dimension of the inputs a size; returns the batch of the first one."""
    for item in inputs:
        where = f"{path}: input {item.name}"
        if not item.type.HasField("tensor_type") or not item.type.tensor_type.HasField("shape"):
            raise GpusimError(located(where, "has no shape", expected="a tensor of known rank"))
        dims = item.type.tensor_type.shape.dim
        for axis, dim in enumerate(dims):
            is_open = not dim.HasField("dim_value") or dim.dim_value <= 0
            is_map = len(dims) == 4 and axis in (2, 3)
            if is_map and image is not None:
                dim.dim_value = image[axis - 2]
            elif is_open and axis == 0:
                dim.dim_value = 1
            elif is_open:
                raise GpusimError(
                    located(
                        where,
                        f"leaves dimension {axis} ({dim.dim_param or 'unnamed'}) open",
                        expected="a size, or --image HEIGHTxWIDTH for an image",
                    )
                )
        _checked(tuple(dim.dim_value for dim in dims), item.name, path)
    dims = inputs[0].type.tensor_type.shape.dim
    return int(dims[0].dim_value) if len(dims) > 1 else 1


def _declare_constants(
    onnx: Any,
    graph: Any,
    constants: Mapping[str, Shape],
    values: Mapping[str, tuple[int, ...]],
) -> None:
    """Replace large constants by inputs of their shape, so that no weights are copied around."""
    kept = [tensor for tensor in graph.initializer if tensor.name in values]
    declared = {item.name for item in graph.input}
    for tensor in graph.initializer:
        if tensor.name not in values and tensor.name not in declared:
            graph.input.append(
                onnx.helper.make_tensor_value_info(
                    tensor.name, tensor.data_type, list(constants[tensor.name])
                )
            )
    del graph.initializer[:]
    for tensor in kept:
        graph.initializer.append(
            onnx.helper.make_tensor(
                tensor.name, tensor.data_type, list(tensor.dims), list(values[tensor.name])
            )
        )


def _infer(
    onnx: Any,
    proto: Any,
    path: Path,
    notes: list[str],
    constants: dict[str, Shape],
    values: dict[str, tuple[int, ...]],
) -> dict[str, Shape]:
    """Return every tensor's shape; an operator that nobody knows keeps that of its input."""
    graph = proto.graph
    # What a tool wrote beside the graph may hold open or stale sizes.
    del graph.value_info[:]
    for item in graph.output:
        if item.type.HasField("tensor_type"):
            item.type.tensor_type.ClearField("shape")
    for _ in range(len(graph.node) + 1):
        try:
            inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
        except Exception as error:
            raise GpusimError(located(path, "its shapes contradict", found=error)) from error
        shapes = _known_shapes(inferred.graph, path)
        if _fold_values(onnx, graph, shapes, constants, values):
            continue
        stuck = _assume(onnx, graph, inferred.graph, shapes)
        if stuck is None:
            return shapes
        notes.append(stuck)
    return shapes


def _fold_values(
    onnx: Any,
    graph: Any,
    shapes: Mapping[str, Shape],
    constants: dict[str, Shape],
    values: dict[str, tuple[int, ...]],
) -> bool:
    """Turn shape arithmetic whose inputs are known into constants; returns whether there was any.

    Shape inference follows some of it by itself, but no exporter's whole repertoire.
    """
    known = {
        name: np.array(found, dtype=np.int64).reshape(constants[name])
        for name, found in values.items()
    }
    kept = []
    for node in graph.node:
        found = None
        if node.domain in ("", "ai.onnx") and len(node.output) == 1:
            attributes = {
                attribute.name: onnx.helper.get_attribute_value(attribute)
                for attribute in node.attribute
                if attribute.name in _VALUE_ATTRIBUTES
            }
            inputs = [known.get(name) for name in node.input if name]
            shape = shapes.get(node.input[0]) if node.input else None
            found = evaluate(node.op_type, attributes, inputs, shape)
        if found is None:
            kept.append(node)
            continue
        name = node.output[0]
        known[name] = found
        constants[name] = found.shape
        values[name] = tuple(int(one) for one in found.ravel())
        graph.initializer.append(onnx.numpy_helper.from_array(found, name))
    if len(kept) == len(graph.node):
        return False
    del graph.node[:]
    graph.node.extend(kept)
    return True


def _known_shapes(graph: Any, path: Path) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for item in (*graph.input, *graph.value_info, *graph.output):
        if not item.type.HasField("tensor_type") or not item.type.tensor_type.HasField("shape"):
            continue
        dims = item.type.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in dims):
            shapes[item.name] = _checked(tuple(dim.dim_value for dim in dims), item.name, path)
    for tensor in graph.initializer:
        shapes[tensor.name] = tuple(tensor.dims)
    return shapes


def _assume(onnx: Any, graph: Any, inferred: Any, shapes: Mapping[str, Shape]) -> str | None:
    """Give the first foreign operator of unknown result the shape of its input."""
    types = {
        item.name: item.type.tensor_type.elem_type
        for item in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    for node in graph.node:
        known = [name for name in node.input if name in shapes]
        open_outputs = [name for name in node.output if name and name not in shapes]
        # Operators of ONNX itself without a shape depend on data; guessing would not help.
        if not known or not open_outputs or node.domain in ("", "ai.onnx"):
            continue
        for name in open_outputs:
            graph.value_info.append(
                onnx.helper.make_tensor_value_info(
                    name, types.get(known[0]) or 1, list(shapes[known[0]])
                )
            )
        return (
            f"{node.name or node.output[0]} ({node.domain}.{node.op_type}): shape of the result "
            "is not known, taken to be that of its first input"
        )
    return None


def _node(onnx: Any, node: Any, position: int, path: Path) -> Node:
    op = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    name = node.name or (node.output[0] if node.output else f"node{position}")
    where = f"{path}: node {name} ({op})"
    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        try:
            value = onnx.helper.get_attribute_value(attribute)
        except ValueError as error:
            raise GpusimError(
                located(where, f"attribute {attribute.name} cannot be read", found=error)
            ) from error
        attributes[attribute.name] = (
            value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        )
    return Node(
        where=where,
        name=name,
        op=op,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes=attributes,
    )
