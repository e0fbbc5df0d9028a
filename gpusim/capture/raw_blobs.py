"""The blobs beside a raw log: one file per content, named by its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from gpusim.errors import TraceError, located


class RawBlobs(Mapping[str, bytes]):
    """Read-only view of a blob folder, plus contents that the conversion made up.

    Parameters
    ----------
    log : Path
        The raw log, for messages.
    folder : Path
        The folder ``NAME.gpblobs``; need not exist.
    """

    def __init__(self, log: Path, folder: Path) -> None:
        self._log = log
        self._folder = folder
        self._added: dict[str, bytes] = {}

    def add(self, data: bytes) -> str:
        """Keep contents that no file holds; return their SHA-256."""
        name = hashlib.sha256(data).hexdigest()
        self._added[name] = data
        return name

    def size(self, name: str) -> int:
        """Return the size of a blob in bytes without reading it; raises like indexing."""
        if name in self._added:
            return len(self._added[name])
        try:
            return self._file(name).stat().st_size
        except OSError as error:
            raise self._missing(name, error.strerror) from None

    def __getitem__(self, name: str) -> bytes:
        """Return the contents of a blob; raises TraceError when it is missing or damaged."""
        if name in self._added:
            return self._added[name]
        try:
            data = self._file(name).read_bytes()
        except OSError as error:
            raise self._missing(name, error.strerror) from None
        found = hashlib.sha256(data).hexdigest()
        if found != name:
            raise TraceError(
                located(
                    self._file(name), "blob does not match its name", expected=name, found=found
                )
            )
        return data

    def __iter__(self) -> Iterator[str]:
        """Yield the names of all blobs, sorted."""
        files = self._folder.iterdir() if self._folder.is_dir() else ()
        names = {path.name for path in files if not path.name.startswith(".")}
        return iter(sorted(names | set(self._added)))

    def __len__(self) -> int:
        """Return the number of blobs."""
        return sum(1 for _ in self)

    def _file(self, name: str) -> Path:
        # The log is input: a name with a slash in it must not lead out of the folder.
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise TraceError(
                located(self._log, "blob name", expected="64 hexadecimal digits", found=name[:80])
            )
        return self._folder / name

    def _missing(self, name: str, reason: str | None) -> TraceError:
        return TraceError(
            located(
                f"{self._log}: blob {name}", f"cannot be read from {self._folder}", found=reason
            )
        )
