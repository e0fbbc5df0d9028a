"""Compiled kernels on disk, addressed by the hash of everything that made them.

An entry is one file: magic, BLAKE2 digest of the contents, the contents. A truncated or altered
entry is taken for a missing one.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from gpusim.resources import cache_dir

_MAGIC = b"GPUSIMIR"
_DIGEST_BYTES = 16


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
