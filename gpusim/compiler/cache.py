"""Compiled kernels on disk, addressed by the hash of everything that made them.

An entry is one file: magic, BLAKE2 digest of the rest, length of a JSON head, the head, then the
arrays as raw bytes. A truncated or altered entry is taken for a missing one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gpusim.compiler.kernel_ir import INSTRUCTION, KernelIR, Loop, Parameter, ValueType
from gpusim.resources import cache_dir

_MAGIC = b"GPUSIMIR"
_DIGEST_BYTES = 16
_ARRAYS: Mapping[str, np.dtype[Any]] = {
    "instructions": INSTRUCTION,
    "operand_start": np.dtype(np.int64),
    "operands": np.dtype(np.int32),
    "edges": np.dtype(np.int32),
}


def content_key(*parts: str | bytes) -> str:
    """Return the hash (hex) of some texts; the boundaries between them count."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def entry_path(key: str, kind: str) -> Path:
    """Return where the entry of a key is or would be."""
    return cache_dir() / "ir" / key[:2] / f"{key}.{kind}"


def read_entry(key: str, kind: str) -> bytes | None:
    """Return the contents of an entry, None when it is missing or damaged."""
    try:
        data = entry_path(key, kind).read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST_BYTES
    payload = data[start:]
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : start] != _digest(payload):
        return None
    return payload


def write_entry(key: str, kind: str, payload: bytes) -> None:
    """Store an entry atomically; a cache that cannot be written is no error."""
    path = entry_path(key, kind)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
            stream.write(_MAGIC + _digest(payload))
            stream.write(payload)
        Path(stream.name).replace(path)
    except OSError:
        return


def _digest(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=_DIGEST_BYTES).digest()


def pack_kernel(kernel: KernelIR) -> bytes:
    """Return a kernel as bytes."""
    head: dict[str, Any] = {}
    chunks = []
    for item in dataclasses.fields(KernelIR):
        value = getattr(kernel, item.name)
        if item.name in _ARRAYS:
            data = np.ascontiguousarray(value).tobytes()
            head[item.name] = [list(value.shape), len(data)]
            chunks.append(data)
        elif item.name in ("parameters", "types", "loops"):
            head[item.name] = [dataclasses.astuple(entry) for entry in value]
        elif item.name == "operand_text":
            head[item.name] = "\n".join(value)
        else:
            head[item.name] = value
    text = json.dumps(head, separators=(",", ":")).encode()
    return b"".join([len(text).to_bytes(8, "little"), text, *chunks])


def unpack_kernel(payload: bytes) -> KernelIR:
    """Return the kernel that `pack_kernel` stored.

    Raises
    ------
    ValueError, KeyError, TypeError, IndexError
        The bytes are not a kernel of this version.
    """
    size = int.from_bytes(payload[:8], "little")
    head = json.loads(payload[8 : 8 + size])
    position = 8 + size
    values: dict[str, Any] = {}
    for item in dataclasses.fields(KernelIR):
        value = head[item.name]
        if item.name in _ARRAYS:
            shape, length = value
            array = np.frombuffer(payload[position : position + length], _ARRAYS[item.name])
            values[item.name] = array.reshape(shape)
            position += length
        elif item.name == "operand_text":
            values[item.name] = tuple(value.split("\n")) if value else ()
        elif isinstance(value, list):
            values[item.name] = tuple(value)
        else:
            values[item.name] = value
    values["parameters"] = tuple(
        Parameter(**dict(zip(_names(Parameter), row, strict=True))) for row in values["parameters"]
    )
    values["types"] = tuple(
        ValueType(**dict(zip(_names(ValueType), row, strict=True))) for row in values["types"]
    )
    values["loops"] = tuple(
        Loop(
            header=row[0], parent=row[1], depth=row[2], blocks=tuple(row[3]), latches=tuple(row[4])
        )
        for row in values["loops"]
    )
    return KernelIR(**values)


def _names(kind: type[Any]) -> list[str]:
    return [item.name for item in dataclasses.fields(kind)]
