"""Take out of a trace what tells about the person and the machine; keep what a replay needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gpusim.trace.blobs import sha256_hex
from gpusim.trace.records import Program, Trace

KEPT_PROVENANCE = frozenset(
    {
        "source",
        "library",
        "mechanism",
        "shim",
        "data",
        "dry",
        "profiling",
        "clocks",
        "pointer_bits",
        "executions",
        "failed_launches",
        "n_failed_launches",
        "n_failed_commands",
        "n_partial_contents",
        "n_guessed_arguments",
        "unknown_profile_keys",
        "notes",
    }
)
"""Keys of ``provenance`` that describe the capture, not the program's surroundings."""

REDACTED = "/scrubbed"

# An absolute path: a slash, drive or home, then a name; whole when quoted, else up to a blank.
# Not the second half of a relative path, of a URL, or of a division.
_ROOT = r"(?:file://|[A-Za-z]:[\\/]|~/|/(?=[\w.~+-]))"
_PATH = re.compile(rf"""(?<=["']){_ROOT}[^"'\n]*|(?<![\w/.*<]){_ROOT}[^\s"'<>|,;:]*""")
_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*'|["'])+""")
_PATH_OPTIONS = frozenset({"-I", "-isystem", "-iquote", "-idirafter", "-include", "-s", "-o"})
_LINE_MARKER = re.compile(r'^([ \t]*#[ \t]*(?:line[ \t]+)?\d+[ \t]+")([^"\n]*)(")', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """A trace without private facts, and what was taken out."""

    trace: Trace
    removed: tuple[str, ...]
    """One line per place that changed."""
    notes: tuple[str, ...]
    """What was kept although it may tell something."""


def scrub(trace: Trace) -> Scrubbed:
    """Remove host paths, program arguments and environment from a trace.

    Parameters
    ----------
    trace : Trace
        Is left alone.

    Returns
    -------
    Scrubbed
        Of the manifest's ``provenance`` only `KEPT_PROVENANCE` stays and unknown keys go; include
        paths leave the build options, other absolute paths in options, device texts, labels of
        ``#line`` and header names lose their folders. Comments and texts inside kernels, and the
        contents of buffers, are not looked at.
    """
    removed: list[str] = []
    notes: list[str] = []
    manifest = _scrub_manifest(trace.manifest, removed)
    devices = tuple(
        _redact(device, f"device {i}", removed) for i, device in enumerate(trace.devices)
    )
    texts: dict[str, bytes] = {}
    programs = {
        key: _scrub_program(program, trace.read_blob, texts, removed, notes)
        for key, program in trace.programs.items()
    }
    if any(buffer.content for buffer in trace.buffers.values()):
        notes.append("contents of buffers are kept as they are")
    return Scrubbed(
        trace=replace(
            trace,
            manifest=manifest,
            devices=devices,
            programs=programs,
            read_blob=_Replaced(texts, trace.read_blob),
        ),
        removed=tuple(removed),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Replaced:
    """Reads blobs of the original trace, except those that were rewritten."""

    texts: Mapping[str, bytes]
    original: Callable[[str], bytes]

    def __call__(self, sha256: str) -> bytes:
        return self.texts[sha256] if sha256 in self.texts else self.original(sha256)


def _scrub_manifest(manifest: Mapping[str, Any], removed: list[str]) -> dict[str, Any]:
    kept_keys = ("format", "version", "created_by", "impersonated", "profile", "completeness")
    result = {key: manifest[key] for key in kept_keys if key in manifest}
    removed += [
        f"manifest: {key}" for key in manifest if key not in kept_keys and key != "provenance"
    ]
    provenance = manifest.get("provenance", {})
    removed += [f"provenance: {key}" for key in provenance if key not in KEPT_PROVENANCE]
    kept = {key: value for key, value in provenance.items() if key in KEPT_PROVENANCE}
    result["provenance"] = _redact(kept, "provenance", removed)
    return result


def _redact(value: Any, place: str, removed: list[str]) -> Any:
    """Return a JSON value with absolute paths in its texts replaced."""
    if isinstance(value, Mapping):
        return {key: _redact(item, f"{place}: {key}", removed) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(item, place, removed) for item in value]
    if isinstance(value, str):
        clean = _PATH.sub(REDACTED, value)
        if clean != value:
            removed.append(f"{place}: path")
        return clean
    return value


def scrub_build_options(options: str) -> str:
    """Return build options without include paths and without absolute paths in the rest.

    A definition keeps its name and loses only the path in its value, so the text still builds.
    """
    kept: list[str] = []
    skip = False
    for word in _WORD.findall(options):
        if skip:
            skip = False
        elif word in _PATH_OPTIONS:
            skip = True
        elif not word.startswith(("-I", "-isystem", "-iquote", "-idirafter")):
            kept.append(_PATH.sub(REDACTED, word))
    text = " ".join(kept)
    return text if text != " ".join(_WORD.findall(options)) else options


def _scrub_program(
    program: Program,
    read_blob: Callable[[str], bytes],
    texts: dict[str, bytes],
    removed: list[str],
    notes: list[str],
) -> Program:
    place = f"program {program.id}"
    options = scrub_build_options(program.build_options)
    if options != program.build_options:
        removed.append(f"{place}: build options")
    headers = []
    for name, blob in program.headers:
        headers.append((name, _scrub_text(blob, read_blob, texts, f"{place}: {name}", removed)))
        if _PATH.search(name):
            notes.append(f"{place}: header name {name!r} is kept, the text includes it")
    text = program.blob
    if program.kind == "source" and text is not None:
        text = _scrub_text(text, read_blob, texts, place, removed)
    return replace(program, blob=text, build_options=options, headers=tuple(headers))


def _scrub_text(
    name: str,
    read_blob: Callable[[str], bytes],
    texts: dict[str, bytes],
    place: str,
    removed: list[str],
) -> str:
    """Take folders out of line markers; return the name of the text's blob."""
    original = read_blob(name)
    text = original.decode(errors="surrogateescape")
    clean = _LINE_MARKER.sub(
        lambda match: match[1] + re.split(r"[\\/]", match[2])[-1] + match[3], text
    )
    if clean == text:
        return name
    removed.append(f"{place}: file names in line markers")
    contents = clean.encode(errors="surrogateescape")
    new_name = sha256_hex(contents)
    texts[new_name] = contents
    return new_name
