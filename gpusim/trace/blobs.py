"""Blobs: program texts and buffer contents, named by the SHA-256 of what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from gpusim.errors import TraceError, located
from gpusim.trace.storage import Files, blob_file

if TYPE_CHECKING:
    import zstandard

MAX_BLOB_BYTES = 2 * 1024**3
_LEVEL = 9


@cache
def _compressor() -> zstandard.ZstdCompressor:
    import zstandard

    # One thread and a fixed level: the same contents give the same bytes.
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False, write_content_size=True)


def sha256_hex(data: bytes) -> str:
    """Return the name of a blob with these contents."""
    return hashlib.sha256(data).hexdigest()


def compress(data: bytes) -> bytes:
    """Return the stored form of a blob."""
    packed: bytes = _compressor().compress(data)
    return packed


def decompress(packed: bytes, *, size_bytes: int, where: str) -> bytes:
    """Return the contents of a stored blob.

    Parameters
    ----------
    packed : bytes
        One zstd frame.
    size_bytes : int
        Size of the contents by the manifest; nothing larger is ever allocated.
    where : str
        Trace and file, for messages.

    Raises
    ------
    TraceError
        When it is no zstd frame of contents of that size.
    """
    import zstandard

    try:
        declared = zstandard.frame_content_size(packed)
        if declared != size_bytes:
            raise TraceError(
                located(
                    where,
                    "blob has another size than the manifest says",
                    expected=f"{size_bytes} bytes",
                    found="no size" if declared < 0 else declared,
                )
            )
        data: bytes = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(
            packed, max_output_size=size_bytes, allow_extra_data=False
        )
    except (zstandard.ZstdError, MemoryError, ValueError) as error:
        raise TraceError(located(where, "damaged blob", expected="zstd", found=error)) from None
    return data


class StoredBlobs:
    """Reads blobs from the files of a trace, checking each against its name.

    Parameters
    ----------
    files : Files
        Where they are.
    sizes : mapping
        SHA-256 -> size of the contents, from the manifest.
    """

    def __init__(self, files: Files, sizes: Mapping[str, int]) -> None:
        self._files = files
        self.sizes = sizes

    def __call__(self, sha256: str) -> bytes:
        """Return the contents of a blob."""
        name = blob_file(sha256)
        where = f"{self._files.where}: {name}"
        if sha256 not in self.sizes:
            raise TraceError(located(self._files.where, "blob missing", expected=sha256))
        data = decompress(self._files.read(name), size_bytes=self.sizes[sha256], where=where)
        found = sha256_hex(data)
        if found != sha256:
            raise TraceError(
                located(where, "blob does not match its name", expected=sha256, found=found)
            )
        return data
