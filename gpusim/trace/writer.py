"""Write a trace: the same trace gives the same bytes, and a crash leaves no half of one."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gpusim.errors import OutputError, TraceError, located
from gpusim.trace import schema
from gpusim.trace.blobs import MAX_BLOB_BYTES, compress, sha256_hex
from gpusim.trace.check_columns import integers
from gpusim.trace.encode import encode
from gpusim.trace.manifest import dumps, normalise
from gpusim.trace.parquet import write_parquet
from gpusim.trace.reader import read_files
from gpusim.trace.records import Trace
from gpusim.trace.storage import MemoryFiles, blob_file

if TYPE_CHECKING:
    import pyarrow as pa

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_ZIP_MODE = 0o100644 << 16

Blobs = Mapping[str, bytes] | Iterable[tuple[str, bytes]]


def write_trace(trace: Trace, path: str | Path, *, blobs: Blobs | None = None) -> None:
    """Write a trace in the canonical form.

    Parameters
    ----------
    trace : Trace
        What to write. Counts, hashes and the number of untimed launches are computed;
        `trace.manifest` gives the rest, see docs/trace-format.md.
    path : str or Path
        A folder if it ends with ``/`` or is an existing folder, else one file: a stored zip.
        Replaced as a whole when it exists.
    blobs : mapping or iterable of (SHA-256, bytes), optional
        Contents of the blobs; by default `trace.read_blob` is asked for each that the trace
        refers to. Blobs that nothing refers to are left out.

    Raises
    ------
    TraceError
        When the trace contradicts itself: nothing that `load_trace` would refuse is written.
    OutputError
        When `path` cannot be written.
    """
    is_folder = str(path).endswith("/") or Path(path).is_dir()
    target = Path(path)
    files = canonical_files(trace, str(target), blobs=blobs)
    try:
        if is_folder:
            _write_folder(target, files)
        else:
            _write_zip(target, files)
    except OSError as error:
        raise OutputError(located(target, "cannot be written", found=error.strerror)) from None


def canonical_files(trace: Trace, where: str, *, blobs: Blobs | None = None) -> dict[str, bytes]:
    """Return the files of the canonical form, checked by reading them back.

    Parameters
    ----------
    trace : Trace
        What to write.
    where : str
        Name of the trace in messages.
    blobs : mapping or iterable of (SHA-256, bytes), optional
        As in `write_trace`.
    """
    files: dict[str, bytes] = {}
    counts = {}
    untimed = UntimedCount()
    try:
        encoded = encode(trace)
        for table in schema.TABLES:
            chunks = encoded[table.name]()
            if table is schema.LAUNCHES:
                chunks = untimed.watch(chunks)
            data, counts[table.name] = write_parquet(table, chunks)
            if counts[table.name]:
                files[table.file] = data
        files[schema.DEVICES] = dumps({"devices": list(trace.devices)})
        manifest = normalise(trace.manifest, untimed_launches=untimed.launches)
    except _unfit() as error:
        text = str(error).splitlines() or [type(error).__name__]
        raise TraceError(
            located(where, "a record does not fit the format", found=text[0])
        ) from None
    sizes: dict[str, int] = {}
    if not manifest["completeness"].get("blobs_omitted"):
        for sha256, contents in _contents(trace, blobs):
            sizes[sha256] = len(contents)
            files[blob_file(sha256)] = _packed(where, sha256, contents)
    manifest |= {
        "counts": counts,
        "blobs": sizes,
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
            for name, data in files.items()
            if not name.startswith(f"{schema.BLOB_FOLDER}/")
        },
    }
    files[schema.MANIFEST] = dumps(manifest)
    read_files(MemoryFiles(where, files))
    return files


def check_trace(trace: Trace) -> Trace:
    """Return an equal trace over columns, after every check but those of the blobs.

    Parameters
    ----------
    trace : Trace
        Made in memory: a raw log as it was read, or a plan.

    Raises
    ------
    TraceError
        When `write_trace` would refuse it; names table and row.
    """
    completeness = dict(trace.manifest.get("completeness", {}))
    without = {**trace.manifest, "completeness": {**completeness, "blobs_omitted": True}}
    files = canonical_files(replace(trace, manifest=without), trace.name)
    checked = read_files(MemoryFiles(trace.name, files))
    untimed = checked.manifest["completeness"]["untimed_launches"]
    return replace(
        checked,
        manifest=normalise(trace.manifest, untimed_launches=untimed),
        read_blob=trace.read_blob,
        notes=(*trace.notes, *checked.notes),
    )


def _unfit() -> tuple[type[Exception], ...]:
    import pyarrow as pa

    return (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError)


class UntimedCount:
    """Counts the launches without an end time while their chunks pass by."""

    def __init__(self) -> None:
        self.launches = 0

    def watch(self, chunks: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the chunks of a ``launches`` table unchanged."""
        for chunk in chunks:
            self.launches += int((integers(chunk["end_ns"], 0) == 0).sum())
            yield chunk


def referenced_blobs(trace: Trace) -> list[str]:
    """Return the SHA-256 of every blob that a trace refers to, sorted."""
    names: set[str | None] = set()
    for program in trace.programs.values():
        names.add(program.blob)
        names.update(blob for _, blob in program.headers)
    names.update(buffer.content for buffer in trace.buffers.values())
    names.update(image.content for image in trace.images.values())
    for chunk in encode(trace)["commands"]():
        names.update(chunk["content"].unique().to_pylist())
    return sorted(name for name in names if name is not None)


def _contents(trace: Trace, blobs: Blobs | None) -> Iterable[tuple[str, bytes]]:
    """Yield the blobs that the trace refers to, by name."""
    given = None if blobs is None else dict(blobs)
    for sha256 in referenced_blobs(trace):
        if given is None:
            yield sha256, trace.read_blob(sha256)
        elif sha256 in given:
            yield sha256, given[sha256]


def _packed(where: str, sha256: str, contents: bytes) -> bytes:
    if sha256_hex(contents) != sha256:
        raise TraceError(
            located(
                where, "blob does not match its name", expected=sha256, found=sha256_hex(contents)
            )
        )
    if len(contents) > MAX_BLOB_BYTES:
        raise TraceError(
            located(
                f"{where}: {blob_file(sha256)}",
                "blob too large",
                expected=f"at most {MAX_BLOB_BYTES} bytes",
                found=len(contents),
            )
        )
    return compress(contents)


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `target` when, and only when, the block succeeds."""
    temporary = _temporary(target)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _write_zip(target: Path, files: Mapping[str, bytes]) -> None:
    with replacing(target) as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _ZIP_DATE)
            member.create_system = 3
            member.external_attr = _ZIP_MODE
            archive.writestr(member, files[name])


def _write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    if target.is_dir() and any(target.iterdir()) and not (target / schema.MANIFEST).is_file():
        raise OutputError(
            located(target, "folder is not empty and not a trace", expected="a trace to replace")
        )
    temporary = _temporary(target)
    replaced = temporary.with_suffix(".old")
    try:
        (temporary / schema.BLOB_FOLDER).mkdir(parents=True)
        for name, data in files.items():
            (temporary / name).write_bytes(data)
        if target.is_dir():
            target.replace(replaced)
        temporary.replace(target)
    finally:
        for leftover in (temporary, replaced):
            shutil.rmtree(leftover, ignore_errors=True)
