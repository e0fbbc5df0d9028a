"""The manifest: what a trace says about itself, and what a reader believes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpusim.errors import TraceError, located
from gpusim.trace import schema, strict_json
from gpusim.trace.blobs import MAX_BLOB_BYTES
from gpusim.trace.storage import MAX_FILE_BYTES

MAX_MANIFEST_BYTES = 256 * 1024**2
"""A million blobs are about 100 bytes each."""

COMPUTED_KEYS = ("counts", "files", "blobs")
"""What the writer computes and a loaded trace does not repeat."""
KEYS = frozenset(
    {
        "format",
        "version",
        "created_by",
        "impersonated",
        "profile",
        "completeness",
        "provenance",
        *COMPUTED_KEYS,
    }
)
COMPLETENESS: Mapping[str, type] = {
    "untimed_launches": int,
    "unrecorded_calls": list,
    "truncated": bool,
    "profiling_forced": bool,
    "blobs_omitted": bool,
}
_SHA256 = re.compile(schema.SHA256_PATTERN, re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A checked manifest, taken apart."""

    values: Mapping[str, Any]
    """All but the computed keys; what `Trace.manifest` holds."""
    counts: Mapping[str, int]
    """Rows of every table."""
    files: Mapping[str, tuple[str, int]]
    """Per file that is not a blob: SHA-256 and size in bytes."""
    blobs: Mapping[str, int]
    """Size of the contents of every blob."""
    notes: tuple[str, ...]
    """What was ignored because a newer minor version wrote it."""

    @property
    def blobs_omitted(self) -> bool:
        """Whether the trace was written without its blobs."""
        return bool(self.values["completeness"]["blobs_omitted"])


def normalise(manifest: Mapping[str, Any], *, untimed_launches: int) -> dict[str, Any]:
    """Return the manifest to write: defaults filled in, computed keys taken out.

    Parameters
    ----------
    manifest : mapping
        Of the trace; any of the documented keys may be missing.
    untimed_launches : int
        Launches without device times.
    """
    from gpusim import __version__

    completeness = {
        "untimed_launches": untimed_launches,
        "unrecorded_calls": [],
        "truncated": False,
        "profiling_forced": False,
        "blobs_omitted": False,
    }
    given = dict(manifest.get("completeness", {}))
    given.pop("untimed_launches", None)
    values: dict[str, Any] = {
        "format": schema.FORMAT,
        "version": list(schema.VERSION),
        "created_by": manifest.get("created_by", f"gpusim {__version__}"),
        "impersonated": manifest.get("impersonated", False),
        "profile": manifest.get("profile"),
        "completeness": completeness | given,
        "provenance": manifest.get("provenance", {}),
    }
    extra = {key: value for key, value in manifest.items() if key not in KEYS}
    return values | extra


def dumps(value: Mapping[str, Any], *, indent: int | None = 1) -> bytes:
    """Return JSON text with sorted keys; the same value gives the same bytes."""
    return json.dumps(
        value, sort_keys=True, indent=indent, allow_nan=False, ensure_ascii=False
    ).encode()


def parse(data: bytes, where: str) -> Manifest:
    """Check the bytes of a ``manifest.json``.

    Raises
    ------
    TraceError
        When it is not a manifest of a version this reader knows.
    """
    return parse_values(strict_json.loads(data, where=where, max_bytes=MAX_MANIFEST_BYTES), where)


def parse_values(values: Mapping[str, Any], where: str) -> Manifest:
    """Check a manifest that is already parsed; raises like `parse`."""
    notes = check_head(values, where)
    files = _files(values, where)
    blobs = _blobs(values, where)
    kept = {key: value for key, value in values.items() if key not in COMPUTED_KEYS}
    return Manifest(
        values=kept,
        counts=check_counts(values, where),
        files=files,
        blobs=blobs,
        notes=notes,
    )


def _refuse(where: str, key: str, expected: str, found: object) -> TraceError:
    text = repr(found)
    return TraceError(
        located(f"{where}: {key}", "wrong value", expected=expected, found=text[:120])
    )


def check_head(values: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Check format, version and the descriptive keys; return notes on what is ignored."""
    if values.get("format") != schema.FORMAT:
        raise _refuse(where, "format", repr(schema.FORMAT), values.get("format"))
    version = values.get("version")
    if (
        not isinstance(version, list)
        or len(version) != 2
        or not all(type(part) is int and part >= 0 for part in version)
    ):
        raise _refuse(where, "version", "[major, minor]", version)
    if version[0] != schema.VERSION[0]:
        raise TraceError(
            located(
                where,
                "unknown version of the trace format; a newer gpusim may read it",
                expected=f"{schema.VERSION[0]}.x",
                found=f"{version[0]}.{version[1]}",
            )
        )
    _check_types(values, where)
    unknown = sorted(set(values) - KEYS)
    unknown += [
        f"completeness.{key}" for key in sorted(set(values["completeness"]) - set(COMPLETENESS))
    ]
    return tuple(f"{where}: key {key!r} is unknown and was ignored" for key in unknown)


def _check_types(values: Mapping[str, Any], where: str) -> None:
    if type(values.get("impersonated")) is not bool:
        raise _refuse(where, "impersonated", "true or false", values.get("impersonated"))
    if values.get("profile") is not None and not isinstance(values["profile"], str):
        raise _refuse(where, "profile", "a profile id or null", values["profile"])
    if not isinstance(values.get("created_by"), str):
        raise _refuse(where, "created_by", "a text", values.get("created_by"))
    if not isinstance(values.get("provenance"), dict):
        raise _refuse(where, "provenance", "an object", values.get("provenance"))
    completeness = values.get("completeness")
    if not isinstance(completeness, dict):
        raise _refuse(where, "completeness", "an object", completeness)
    for key, kind in COMPLETENESS.items():
        if type(completeness.get(key)) is not kind:
            raise _refuse(where, f"completeness.{key}", kind.__name__, completeness.get(key))
    if completeness["untimed_launches"] < 0:
        raise _refuse(
            where,
            "completeness.untimed_launches",
            "a count",
            completeness["untimed_launches"],
        )
    if not all(isinstance(name, str) for name in completeness["unrecorded_calls"]):
        raise _refuse(
            where, "completeness.unrecorded_calls", "texts", completeness["unrecorded_calls"]
        )


def check_counts(values: Mapping[str, Any], where: str) -> dict[str, int]:
    """Return the row counts of a manifest."""
    counts = values.get("counts")
    names = {table.name for table in schema.TABLES}
    if not isinstance(counts, dict):
        raise _refuse(where, "counts", "an object", counts)
    for name in sorted(names):
        if type(counts.get(name)) is not int or counts[name] < 0:
            raise _refuse(where, f"counts.{name}", "a count", counts.get(name))
    return {name: counts[name] for name in names}


def _files(values: Mapping[str, Any], where: str) -> dict[str, tuple[str, int]]:
    files = values.get("files")
    if not isinstance(files, dict):
        raise _refuse(where, "files", "an object", files)
    result = {}
    for name, entry in files.items():
        if not isinstance(entry, dict):
            raise _refuse(where, f"files.{name[:80]}", "an object", entry)
        sha256, size = entry.get("sha256"), entry.get("size_bytes")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise _refuse(where, f"files.{name[:80]}.sha256", "64 hex digits", sha256)
        if type(size) is not int or not 0 <= size <= MAX_FILE_BYTES:
            raise _refuse(where, f"files.{name[:80]}.size_bytes", f"0..{MAX_FILE_BYTES}", size)
        result[name] = (sha256, size)
    return result


def _blobs(values: Mapping[str, Any], where: str) -> dict[str, int]:
    blobs = values.get("blobs")
    if not isinstance(blobs, dict):
        raise _refuse(where, "blobs", "an object", blobs)
    for sha256, size in blobs.items():
        if not _SHA256.fullmatch(sha256):
            raise _refuse(where, "blobs", "64 hex digits", sha256)
        if type(size) is not int or not 0 <= size <= MAX_BLOB_BYTES:
            raise _refuse(where, f"blobs.{sha256}", f"0..{MAX_BLOB_BYTES}", size)
    return dict(blobs)
