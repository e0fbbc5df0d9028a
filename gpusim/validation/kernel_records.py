"""Measured kernel records (JSON lines) -> traces with their measured times.

A record is one tuned operator: OpenCL C text, the launches in execution order, the buffers they
bind, and the seconds it took on a board. It becomes a :class:`~gpusim.trace.records.Trace`, so
that no later stage knows it from a capture. The measured value stays outside the trace: a
prediction can't depend on it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpusim.errors import TraceError, located
from gpusim.trace.records import Argument, ArgumentKind, Buffer, Kernel, Launch, Program, Trace

DTYPE_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "int64": 8,
    "int32": 4,
    "uint32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
}
_POINTER_BYTES = 8
_MAX_LINE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRecord:
    """One measured operator."""

    line: int
    """The record's own id (its ``line`` field)."""
    template: str
    """Schedule template, e.g. ``conv2d_nchw_spatial_pack.mali``."""
    dtype: str
    trace: Trace
    """Its launches once, in order."""
    measured_s: float | None
    """Mean of the measured times; None in a file without ``costs``."""
    unix_time: float | None
    """When it was measured; tells sessions apart."""
    shape: tuple[int, ...] = ()
    """Extents of the input, then those of the weights that the input does not fix: batch,
    channels, height, width, output channels, filter height and width; batch, inputs, outputs
    for dense layers."""
    macs: float = 0.0
    """Multiply-adds of the operator, as if it were computed directly."""


def read_kernel_records(path: Path) -> list[KernelRecord]:
    """Read a ``*_kernels.jsonl`` or ``.jsonl.gz`` file.

    Parameters
    ----------
    path : Path
        One JSON object per line with the keys ``line, task, args, launches, source, bindings,
        buffers`` and optionally ``costs`` (s) and ``record``.

    Returns
    -------
    list of KernelRecord
        In file order.

    Raises
    ------
    TraceError
        For an unreadable file or a record that contradicts itself, with its line.
    """
    records = []
    for number, text in _lines(path):
        where = f"{path.name}:{number}"
        try:
            raw = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise TraceError(located(where, "not JSON", found=error)) from error
        if not isinstance(raw, dict):
            raise TraceError(located(where, "not an object", found=type(raw).__name__))
        try:
            records.append(_record(raw, where))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            problem = f"malformed record ({type(error).__name__}: {error})"
            raise TraceError(located(where, problem)) from error
    if not records:
        raise TraceError(located(path.name, "no records", expected="one JSON object per line"))
    return records


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        opener = gzip.open if packed else open
        with opener(path, "rb") as file:
            number = 0
            while text := file.readline(_MAX_LINE_BYTES):
                number += 1
                if text.strip():
                    yield number, text
    except (OSError, EOFError) as error:
        raise TraceError(located(path, "can't read", found=error)) from error


def _record(raw: Mapping[str, Any], where: str) -> KernelRecord:
    source = raw["source"].encode()
    digest = hashlib.sha256(source).hexdigest()
    buffers, ids = _buffers(raw)
    launches = []
    kernels = {}
    for index, (launch, binding) in enumerate(zip(raw["launches"], raw["bindings"], strict=True)):
        name = "default_function_kernel" + (f"_{index}" if index else "")
        kernels[index] = Kernel(id=index, name=name, program=0)
        arguments = []
        for position, (parameter, bound) in enumerate(binding):
            if bound not in ids:
                raise TraceError(
                    located(
                        f"{where}: launch {index}",
                        f"parameter '{parameter}' bound to an unknown buffer",
                        expected=", ".join(ids),
                        found=bound,
                    )
                )
            arguments.append(
                Argument(
                    index=position,
                    kind=ArgumentKind.BUFFER,
                    size_bytes=_POINTER_BYTES,
                    ref=ids[bound],
                )
            )
        launches.append(
            Launch(
                index=index,
                seq=index,
                kernel=name,
                program=0,
                kernel_id=index,
                work_dim=3,
                global_size=_size3(launch["global"]),
                local_size=_size3(launch["local"]) if launch.get("local") else None,
                arguments=tuple(arguments),
                queue=0,
            )
        )
    if not launches:
        raise TraceError(located(where, "a record without launches"))
    trace = Trace(
        name=f"{where}",
        manifest={"format": "kernel record"},
        programs={0: Program(id=0, kind="source", blob=digest)},
        kernels=kernels,
        buffers=buffers,
        launches=tuple(launches),
        commands=(),
        read_blob={digest: source}.__getitem__,
    )
    return KernelRecord(
        line=int(raw["line"]),
        template=str(raw["task"]),
        dtype=str(raw["args"][0][1]),
        trace=trace,
        measured_s=_measured(raw),
        unix_time=_unix_time(raw),
        shape=(shape := _shape(raw)),
        macs=_macs(raw, shape),
    )


def _buffers(raw: Mapping[str, Any]) -> tuple[dict[int, Buffer], dict[str, int]]:
    sizes = {}
    for number, (shape, dtype) in enumerate(raw["args"]):
        sizes[f"arg{number}"] = math.prod(int(extent) for extent in shape) * DTYPE_BYTES[dtype]
    for name, count, dtype in raw["buffers"]["intermediates"]:
        base, _, lanes = dtype.partition("x")
        sizes[name] = int(count) * DTYPE_BYTES[base] * int(lanes or 1)
    ids = {name: number for number, name in enumerate(sizes)}
    if min(sizes.values()) <= 0:
        raise ValueError("a buffer without bytes")
    return {ids[name]: Buffer(id=ids[name], size_bytes=size) for name, size in sizes.items()}, ids


def _size3(extents: list[int]) -> tuple[int, int, int]:
    padded = [*map(int, extents), 1, 1][:3]
    if min(padded) < 1:
        raise ValueError(f"a size below 1: {extents}")
    return (padded[0], padded[1], padded[2])


def _measured(raw: Mapping[str, Any]) -> float | None:
    costs = raw.get("costs")
    if not costs:
        return None
    mean = math.fsum(costs) / len(costs)
    if not (math.isfinite(mean) and mean > 0):
        raise ValueError(f"costs are not positive times: {costs}")
    return mean


def _unix_time(raw: Mapping[str, Any]) -> float | None:
    result = raw.get("record", {}).get("result")
    return float(result[3]) if result and len(result) > 3 else None


def _shape(raw: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the operator's extents; templates pack weights, so the log entry counts if it is."""
    task = raw.get("record", {}).get("input") or []
    tensors = [
        tuple(int(extent) for extent in part[1])
        for part in (task[2] if len(task) > 2 else [])
        if isinstance(part, list) and part and part[0] == "TENSOR"
    ]
    if len(tensors) < 2:
        return tuple(int(extent) for extents, _ in raw["args"][1:] for extent in extents)
    inputs, weights = tensors[:2]
    if len(weights) == 4:
        return (*inputs, weights[0], *weights[2:])
    return (*inputs, weights[0])


def _macs(raw: Mapping[str, Any], shape: tuple[int, ...]) -> float:
    output = math.prod(int(extent) for extent in raw["args"][0][0])
    if len(shape) == 7:
        _, channels, _, _, _, height, width = shape
        # Depthwise: one input channel per output channel.
        inner = height * width * (1 if "depthwise" in str(raw["task"]) else channels)
    elif len(shape) == 3:
        inner = shape[1]
    else:
        inner = 1
    return float(output * inner)
