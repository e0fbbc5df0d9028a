"""Load a trace from any of its forms; everything it says is checked before it is believed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gpusim.errors import TraceError, located
from gpusim.trace import check_objects, check_queues, schema, strict_json
from gpusim.trace.blobs import StoredBlobs
from gpusim.trace.check_columns import check_columns, integers
from gpusim.trace.check_objects import Objects
from gpusim.trace.manifest import Manifest, parse
from gpusim.trace.parquet import read_parquet
from gpusim.trace.records import Buffer, Image, Kernel, Program, Sampler, Trace
from gpusim.trace.sequences import (
    ArgumentTable,
    ChunkedTable,
    CommandSequence,
    LaunchSequence,
)
from gpusim.trace.storage import (
    BLOB_SUFFIX,
    Files,
    FolderFiles,
    ZipFiles,
    blob_file,
    missing_file,
)

RAW_SUFFIX = ".gpraw"
MAX_DEVICES_BYTES = 16 * 1024**2
MAX_DEVICES = 1024

Item = TypeVar("Item", Program, Kernel, Buffer, Image, Sampler)


def load_trace(path: str | Path) -> Trace:
    """Load a trace.

    Parameters
    ----------
    path : str or Path
        A ``.gptrace`` folder, a stored zip of one, or a JSONL file (``.jsonl``, ``.jsonl.gz``);
        recognised by content, not by name.

    Returns
    -------
    Trace
        Launches, commands and blobs are read from `path` when they are looked at.

    Raises
    ------
    TraceError
        When the file is missing, of an unknown form or version, damaged, or contradicts itself;
        for a raw log, which has to be converted first.
    """
    path = Path(path)
    if path.suffix == RAW_SUFFIX:
        raise TraceError(
            located(
                path,
                "is the raw log of a capture; convert it with: gpusim trace convert "
                f"{path.name} -o {path.stem}.gptrace",
            )
        )
    if path.is_dir():
        if not (path / schema.MANIFEST).exists():
            raise missing_file(str(path), schema.MANIFEST)
        return read_files(FolderFiles(path))
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise TraceError(located(path, "cannot be read", found=error.strerror)) from None
    if head == b"PK\x03\x04":
        return read_files(ZipFiles(str(path), path))
    if head[:1] == b"{" or head[:2] == b"\x1f\x8b":
        from gpusim.trace.jsonl import read_jsonl_file

        return read_jsonl_file(path)
    raise TraceError(
        located(
            path,
            "is not a trace",
            expected="a .gptrace folder, a stored zip of it, or JSONL",
            found="an empty file" if not head else f"a file starting with {head!r}",
        )
    )


def read_files(files: Files) -> Trace:
    """Load the canonical form from its files.

    Raises
    ------
    TraceError
        See `load_trace`.
    """
    sizes = files.sizes()
    if schema.MANIFEST not in sizes:
        raise missing_file(files.where, schema.MANIFEST)
    manifest = parse(files.read(schema.MANIFEST), f"{files.where}: {schema.MANIFEST}")
    notes = list(manifest.notes)
    tables: dict[str, ChunkedTable] = {}
    _check_files(files.where, manifest, sizes)
    for table in schema.TABLES:
        where = f"{files.where}: {table.file}"
        if table.file in manifest.files:
            data = _read_checked(files, table.file, manifest)
            tables[table.name], ignored = read_parquet(table, data, where)
            notes += ignored
        else:
            tables[table.name] = empty_table(table, where)
    devices = read_devices(
        strict_json.loads(
            _read_checked(files, schema.DEVICES, manifest),
            where=f"{files.where}: {schema.DEVICES}",
            max_bytes=MAX_DEVICES_BYTES,
        ).get("devices"),
        f"{files.where}: {schema.DEVICES}",
    )
    known = {table.file for table in schema.TABLES} | {schema.DEVICES, schema.MANIFEST}
    notes += [
        f"{files.where}: file {name!r} is unknown and was ignored"
        for name in sorted(sizes)
        if name not in known and not name.startswith(f"{schema.BLOB_FOLDER}/")
    ]
    return assemble(
        files.where,
        manifest,
        tables,
        devices,
        read_blob=StoredBlobs(files, manifest.blobs),
        notes=notes,
    )


def _read_checked(files: Files, name: str, manifest: Manifest) -> bytes:
    """Return the bytes of a file whose hash the manifest gives."""
    data = files.read(name)
    if name not in manifest.files:
        raise TraceError(
            located(f"{files.where}: {schema.MANIFEST}: files", "file not listed", expected=name)
        )
    expected, _ = manifest.files[name]
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise TraceError(
            located(f"{files.where}: {name}", "wrong SHA-256", expected=expected, found=found)
        )
    return data


def _check_files(where: str, manifest: Manifest, sizes: Mapping[str, int]) -> None:
    """Compare the manifest with what is there: files and sizes, blobs in both directions."""
    for name, (_, size) in manifest.files.items():
        if name not in sizes:
            raise missing_file(where, name)
        if sizes[name] != size:
            raise TraceError(
                located(
                    f"{where}: {name}", "wrong size", expected=f"{size} bytes", found=sizes[name]
                )
            )
    for table in schema.TABLES:
        if table.file in sizes and table.file not in manifest.files:
            raise TraceError(
                located(
                    f"{where}: {schema.MANIFEST}: files", "file not listed", expected=table.file
                )
            )
    for sha256 in manifest.blobs:
        if blob_file(sha256) not in sizes:
            raise missing_file(where, blob_file(sha256))
    prefix = f"{schema.BLOB_FOLDER}/"
    for name in sizes:
        sha256 = name.removeprefix(prefix).removesuffix(BLOB_SUFFIX)
        if name.startswith(prefix) and sha256 not in manifest.blobs:
            raise TraceError(
                located(f"{where}: {name}", "blob is not in the manifest", expected="blobs listed")
            )


def read_devices(devices: object, where: str) -> tuple[Mapping[str, Any], ...]:
    """Check the list of recorded devices."""
    if not isinstance(devices, list) or len(devices) > MAX_DEVICES:
        raise TraceError(
            located(where, "devices", expected=f"a list of at most {MAX_DEVICES}", found="other")
        )
    for position, device in enumerate(devices):
        check_device(device, f"{where}: device {position}")
    return tuple(devices)


def check_device(device: object, place: str) -> None:
    """Check one recorded device."""
    if not isinstance(device, dict):
        raise TraceError(located(place, "wrong type", expected="an object"))
    for key in ("real", "presented"):
        if not isinstance(device.get(key), dict):
            raise TraceError(located(f"{place}: {key}", "wrong type", expected="an object"))
    if device.get("profile") is not None and not isinstance(device["profile"], str):
        raise TraceError(located(f"{place}: profile", "wrong type", expected="a text or null"))


def empty_table(table: schema.Table, where: str) -> ChunkedTable:
    """Return the table that a trace without its file has."""

    def read(position: int) -> Any:
        raise IndexError(f"an empty table has no chunk {position}")

    return ChunkedTable(table, [], read, lambda row: f"{where}: row {row}")


def assemble(
    where: str,
    manifest: Manifest,
    tables: Mapping[str, ChunkedTable],
    devices: tuple[Mapping[str, Any], ...],
    *,
    read_blob: Callable[[str], bytes],
    notes: Iterable[str],
) -> Trace:
    """Check the tables of a trace, whatever they came from, and build the Trace.

    Parameters
    ----------
    where : str
        Path of the trace.
    manifest : Manifest
        Checked.
    tables : mapping
        Every table of `schema.TABLES`, by name.
    devices : tuple of mappings
        Checked.
    read_blob : callable
        Returns the contents of a blob.
    notes : iterable of str
        What was passed over so far.
    """
    for name, table in tables.items():
        if len(table) != manifest.counts[name]:
            raise TraceError(
                located(
                    f"{where}: {schema.MANIFEST}: counts.{name}",
                    "wrong count",
                    expected=f"{len(table)} rows as in {table.layout.file}",
                    found=manifest.counts[name],
                )
            )
    for name in ("programs", "kernels", "samplers", "buffers", "images", "args"):
        for position in range(tables[name].n_chunks):
            check_columns(tables[name], position)
        if name != "args":
            check_objects.unique_by_id(tables[name])
    objects = Objects(
        programs=_programs(tables["programs"]),
        kernels=_objects(Kernel, tables["kernels"]),
        samplers=_objects(Sampler, tables["samplers"]),
        buffers=_objects(Buffer, tables["buffers"]),
        images=_objects(Image, tables["images"]),
        blobs=None if manifest.blobs_omitted else manifest.blobs,
    )
    check_objects.check_objects(objects, tables)
    check_objects.check_arguments(objects, tables["args"])
    arguments = ArgumentTable(tables["args"])
    launches, commands = tables["launches"], tables["commands"]
    order = check_queues.QueueOrder()
    untimed = 0
    for position in range(launches.n_chunks):
        check_columns(launches, position)
        check_queues.check_launches(objects, launches, arguments, position)
        order.add(launches, position)
        untimed += int((integers(launches.chunk(position)["end_ns"], 0) == 0).sum())
    for position in range(commands.n_chunks):
        check_columns(commands, position)
        check_queues.check_commands(objects, commands, position)
        order.add(commands, position)
    order.check(launches, commands)
    _check_untimed(where, manifest, untimed)
    return Trace(
        name=where,
        manifest=manifest.values,
        devices=devices,
        programs=objects.programs,
        kernels=objects.kernels,
        buffers=objects.buffers,
        images=objects.images,
        samplers=objects.samplers,
        launches=LaunchSequence(launches, arguments),
        commands=CommandSequence(commands),
        read_blob=read_blob,
        notes=tuple(notes),
    )


def _check_untimed(where: str, manifest: Manifest, untimed: int) -> None:
    declared = manifest.values["completeness"]["untimed_launches"]
    if declared != untimed:
        raise TraceError(
            located(
                f"{where}: {schema.MANIFEST}: completeness.untimed_launches",
                "wrong count",
                expected=f"{untimed} as in launches.parquet",
                found=declared,
            )
        )


def _rows(table: ChunkedTable) -> Iterable[Sequence[Any]]:
    for chunk in table.chunks():
        yield from zip(*(column.to_pylist() for column in chunk.columns), strict=True)


def _objects(record: type[Item], table: ChunkedTable) -> dict[int, Item]:
    names = [column.name for column in table.layout.columns]
    return {row[0]: record(**dict(zip(names, row, strict=True))) for row in _rows(table)}


def _programs(table: ChunkedTable) -> dict[int, Program]:
    programs = {}
    for position, row in enumerate(_rows(table)):
        key, kind, blob, build_options, names, blobs = row
        if len(names) != len(blobs):
            raise TraceError(
                located(
                    table.where(position),
                    "headers without contents",
                    expected=f"{len(names)} header blobs",
                    found=len(blobs),
                )
            )
        programs[key] = Program(
            id=key,
            kind=kind,
            blob=blob,
            build_options=build_options,
            headers=tuple(zip(names, blobs, strict=True)),
        )
    return programs
