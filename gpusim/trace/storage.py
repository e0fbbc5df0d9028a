"""Where the files of a trace are: a folder, a stored zip, or memory.

The reader sees names and bytes only. Everything about a container that could hurt is refused
here: links, names that leave the folder, compressed or encrypted zip members, huge files.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gpusim.errors import TraceError, located
from gpusim.trace import schema

MAX_FILE_BYTES = 4 * 1024**3
MAX_FILES = 1_000_000

BLOB_SUFFIX = ".zst"
_BLOB_NAME = re.compile(
    rf"{schema.BLOB_FOLDER}/({schema.SHA256_PATTERN}){re.escape(BLOB_SUFFIX)}", re.ASCII
)
_TOP_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)

BAD_ZIP = (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, OverflowError)
"""What the standard library raises on a damaged zip (NotImplementedError is a RuntimeError)."""


class Files(Protocol):
    """The files of one trace, by name relative to its root, with ``/`` as separator."""

    where: str
    """Path of the trace, for messages."""

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of every file."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; raises TraceError when it is missing or unreadable."""


def blob_file(sha256: str) -> str:
    """Return the file name of a blob."""
    return f"{schema.BLOB_FOLDER}/{sha256}{BLOB_SUFFIX}"


def check_name(where: str, name: str) -> None:
    """Refuse a name that is neither a plain top-level file nor a blob.

    Raises
    ------
    TraceError
        On absolute paths, ``..``, backslashes, other folders and misspelt blob names.
    """
    if not _TOP_NAME.fullmatch(name) and not _BLOB_NAME.fullmatch(name):
        raise TraceError(
            located(
                where,
                "a file may not have this name",
                expected=f"a plain name or {schema.BLOB_FOLDER}/<64 hex digits>{BLOB_SUFFIX}",
                found=repr(name[:200]),
            )
        )


def _check_sizes(where: str, sizes: Mapping[str, int]) -> None:
    if len(sizes) > MAX_FILES:
        raise TraceError(
            located(where, "too many files", expected=f"at most {MAX_FILES}", found=len(sizes))
        )
    for name, size in sizes.items():
        if size > MAX_FILE_BYTES:
            raise TraceError(
                located(
                    f"{where}: {name}",
                    "file too large",
                    expected=f"at most {MAX_FILE_BYTES} bytes",
                    found=size,
                )
            )


def missing_file(where: str, name: str) -> TraceError:
    """Return the error for a file that a trace should have."""
    return TraceError(located(where, "file missing", expected=name, found="no such file"))


class MemoryFiles:
    """The files of a trace held in memory: what a writer is about to store."""

    def __init__(self, where: str, files: Mapping[str, bytes]) -> None:
        self.where = where
        self._files = files
        for name in files:
            check_name(where, name)

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of every file."""
        return {name: len(data) for name, data in self._files.items()}

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        if name not in self._files:
            raise missing_file(self.where, name)
        return self._files[name]


class FolderFiles:
    """The files of a trace in a folder."""

    def __init__(self, root: Path) -> None:
        self.where = str(root)
        self._root = root
        self._sizes: dict[str, int] = {}
        try:
            self._scan(root, "")
            if (root / schema.BLOB_FOLDER).is_dir():
                self._scan(root / schema.BLOB_FOLDER, f"{schema.BLOB_FOLDER}/")
        except OSError as error:
            raise TraceError(located(root, "unreadable folder", found=error.strerror)) from None
        _check_sizes(self.where, self._sizes)

    def _scan(self, folder: Path, prefix: str) -> None:
        if folder.is_symlink() and prefix:
            raise TraceError(located(folder, "a trace may not hold links", found="a link"))
        for entry in sorted(folder.iterdir()):
            name = prefix + entry.name
            status = entry.lstat()
            if stat.S_ISDIR(status.st_mode) and name == schema.BLOB_FOLDER:
                continue
            if not stat.S_ISREG(status.st_mode):
                raise TraceError(located(entry, "not a plain file", expected="files without links"))
            check_name(self.where, name)
            self._sizes[name] = status.st_size

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of every file."""
        return self._sizes

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        if name not in self._sizes:
            raise missing_file(self.where, name)
        try:
            with (self._root / name).open("rb") as file:
                return file.read(self._sizes[name])
        except OSError as error:
            raise TraceError(
                located(f"{self.where}: {name}", "unreadable file", found=error.strerror)
            ) from None


class ZipFiles:
    """The files of a trace in a stored (not compressed) zip.

    A zip made of the folder itself (``zip -0 -r t.zip t.gptrace``) has the folder's name before
    every member; it is taken off.
    """

    def __init__(self, where: str, source: Path | bytes) -> None:
        self.where = where
        self._source = source
        try:
            with self._open() as archive:
                members = archive.infolist()
        except BAD_ZIP as error:
            raise self._damaged(error) from None
        prefix = self._prefix([member.filename for member in members])
        self._members: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        for member in members:
            name = member.filename.removeprefix(prefix)
            if member.filename.endswith("/") and name in ("", f"{schema.BLOB_FOLDER}/"):
                continue
            check_name(where, name)
            self._check_member(member, name)
            self._members[name] = member.filename
            self._sizes[name] = member.file_size
        _check_sizes(where, self._sizes)

    def _open(self) -> zipfile.ZipFile:
        source = self._source
        return zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)

    def _damaged(self, error: Exception) -> TraceError:
        return TraceError(located(self.where, "damaged zip", expected="a stored zip", found=error))

    @staticmethod
    def _prefix(names: list[str]) -> str:
        roots = {name.split("/", 1)[0] for name in names}
        if len(roots) == 1 and all("/" in name for name in names):
            return f"{roots.pop()}/"
        return ""

    def _check_member(self, member: zipfile.ZipInfo, name: str) -> None:
        place = f"{self.where}: {name}"
        if name in self._members:
            raise TraceError(located(place, "file occurs twice in the zip"))
        if stat.S_ISLNK(member.external_attr >> 16):
            raise TraceError(located(place, "a trace may not hold links", found="a link"))
        if member.flag_bits & 0x1:
            raise TraceError(located(place, "encrypted zip member", expected="a stored zip"))
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise TraceError(
                located(
                    place, "compressed zip member", expected="a stored zip (zip -0)", found="other"
                )
            )

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of every file."""
        return self._sizes

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        if name not in self._members:
            raise missing_file(self.where, name)
        try:
            with self._open() as archive:
                data = archive.read(self._members[name])
        except BAD_ZIP as error:
            raise TraceError(
                located(f"{self.where}: {name}", "damaged zip member", found=error)
            ) from None
        if len(data) != self._sizes[name]:
            raise TraceError(
                located(
                    f"{self.where}: {name}",
                    "damaged zip member",
                    expected=f"{self._sizes[name]} bytes",
                    found=len(data),
                )
            )
        return data
