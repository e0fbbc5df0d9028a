"""A compiled kernel as bytes: what the worker sends and what the cache stores.

A length, a JSON head, then the arrays as raw bytes. Packing runs in the worker, without NumPy.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpusim.compiler.kernel_parts import Loop, Parameter, ValueType

if TYPE_CHECKING:
    from gpusim.compiler.extract import ExtractedKernel
    from gpusim.compiler.kernel_ir import KernelIR

_INSTRUCTION = struct.Struct("=ihiiiibiiii")
"""One `kernel_ir.INSTRUCTION`."""


def pack_kernel(
    kernel: ExtractedKernel, *, pipeline: str, key: str, source_lines: Sequence[str]
) -> bytes:
    """Return a kernel as bytes.

    Parameters
    ----------
    kernel : ExtractedKernel
    pipeline, key, source_lines
        The fields of `KernelIR` that only the parent knows.
    """
    code, signature = kernel.code, kernel.signature
    edges = [block for edge in code.edges for block in edge]
    chunks = {
        "instructions": b"".join(_INSTRUCTION.pack(*row) for row in code.instructions),
        "operand_start": struct.pack(f"={len(code.operand_start)}q", *code.operand_start),
        "operands": struct.pack(f"={len(code.operands)}i", *code.operands),
        "edges": struct.pack(f"={len(edges)}i", *edges),
    }
    head: dict[str, Any] = {
        "name": signature.name,
        "parameters": [dataclasses.astuple(item) for item in signature.parameters],
        "opcodes": code.opcodes,
        "types": [dataclasses.astuple(item) for item in code.types],
        "callees": code.callees,
        "predicates": code.predicates,
        "block_names": code.block_names,
        "operand_text": "\n".join(code.operand_text),
        "loops": [dataclasses.astuple(item) for item in code.loops],
        "local_memory_bytes": code.local_memory_bytes,
        "private_memory_bytes": code.private_memory_bytes,
        "has_barrier": kernel.has_barrier,
        "required_local_size": signature.required_local_size,
        "text": kernel.text,
        "source_lines": source_lines,
        "pipeline": pipeline,
        "key": key,
    }
    head |= {name: len(chunk) for name, chunk in chunks.items()}
    text = json.dumps(head, separators=(",", ":")).encode()
    return b"".join([len(text).to_bytes(8, "little"), text, *chunks.values()])


def unpack_kernel(payload: bytes) -> KernelIR:
    """Return the kernel that `pack_kernel` stored.

    Raises
    ------
    ValueError, KeyError, TypeError, IndexError
        The bytes are not a kernel of this version.
    """
    import numpy as np

    from gpusim.compiler.kernel_ir import INSTRUCTION, KernelIR

    size = int.from_bytes(payload[:8], "little")
    head = json.loads(payload[8 : 8 + size])
    position = 8 + size
    kinds = {
        "instructions": INSTRUCTION,
        "operand_start": np.dtype(np.int64),
        "operands": np.dtype(np.int32),
        "edges": np.dtype(np.int32),
    }
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in head.items()
    }
    for name, kind in kinds.items():
        end = position + head[name]
        values[name] = np.frombuffer(payload[position:end], kind)
        position = end
    values["edges"] = values["edges"].reshape(-1, 2)
    text = head["operand_text"]
    values["operand_text"] = tuple(text.split("\n")) if text else ()
    values["parameters"] = tuple(_entry(Parameter, row) for row in head["parameters"])
    values["types"] = tuple(_entry(ValueType, row) for row in head["types"])
    values["loops"] = tuple(_entry(Loop, row) for row in head["loops"])
    return KernelIR(**values)


def _entry(kind: type[Any], row: list[Any]) -> Any:
    items = (tuple(item) if isinstance(item, list) else item for item in row)
    return kind(**dict(zip((item.name for item in dataclasses.fields(kind)), items, strict=True)))
