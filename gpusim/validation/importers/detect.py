"""Find out which tool wrote a file, and read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpusim.errors import TraceError, located
from gpusim.validation.importers import clpeak, nvidia, tables
from gpusim.validation.importers.reading import Rows, read_text
from gpusim.validation.measured_rows import MeasuredRow

_HEAD = 64 * 1024
"""Characters in which a file shows what it is."""
_KINDS = "clpeak, nsys, ncu, AutoTVM, Streamline"

_Reader = Callable[[str, str, str], Rows]
_HEADERS: tuple[tuple[re.Pattern[str], str, _Reader], ...] = (
    (nvidia.NSYS_TRACE, "nsys GPU trace", nvidia.nsys_trace),
    (nvidia.NSYS_SUMMARY, "nsys kernel summary", nvidia.nsys_summary),
    (nvidia.NCU, "ncu", nvidia.ncu),
    (clpeak.CSV_HEADER, "clpeak CSV", clpeak.csv_file),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Rows of the measured schema, and where they come from."""

    kind: str
    rows: list[MeasuredRow]
    notes: tuple[str, ...]


def import_measured(path: Path, *, device: str = "") -> Imported:
    """Read another tool's file.

    Parameters
    ----------
    path : Path
        Of clpeak (text, XML, JSON, CSV), nsys (GPU trace or kernel summary, CSV), ncu (CSV),
        AutoTVM (log, also ``.gz``) or Arm Streamline (CSV of time bins).
    device : str
        For the device column; by default what the file says, which may be nothing.

    Raises
    ------
    TraceError
        For a file of no known kind, a truncated or malformed one.
    """
    if path.suffix == ".gz":
        kind, found = "AutoTVM", tables.autotvm(path, device)
    else:
        text = read_text(path)
        kind, reader = _kind(text, path)
        found = reader(text, path.name, device)
    if not found.rows:
        raise TraceError(located(path.name, "no measurements", expected=kind))
    return Imported(kind=kind, rows=list(found.rows), notes=found.notes)


def is_foreign(path: Path) -> bool:
    """Whether :func:`import_measured` knows a file's form."""
    if path.suffix in (".gz", ".parquet"):
        return path.suffix == ".gz"
    try:
        _kind(read_text(path), path)
    except TraceError:
        return False
    return True


def _kind(text: str, path: Path) -> tuple[str, _Reader]:
    head = text[:_HEAD].lstrip()
    for line in head.splitlines():
        for header, kind, reader in _HEADERS:
            if header.match(line):
                return kind, reader
    if head.startswith("<") and "<clpeak" in head:
        return "clpeak XML", clpeak.xml_file
    if head.startswith("{"):
        if _is_autotvm(head):
            return "AutoTVM", lambda _text, _name, device: tables.autotvm(path, device)
        if "clpeak" in head:
            return "clpeak JSON", clpeak.json_file
    elif clpeak.TEXT_START.search(head):
        return "clpeak", clpeak.text_log
    first = head.split("\n", 1)[0]
    if first and tables.is_streamline(first):
        return "Streamline", tables.streamline
    raise TraceError(located(path, "not a file that can be imported", expected=_KINDS, found=first))


def _is_autotvm(head: str) -> bool:
    try:
        entry = json.loads(head.split("\n", 1)[0])
    except (ValueError, RecursionError):
        return '"input"' in head and '"result"' in head
    return isinstance(entry, dict) and ("input" in entry or "record" in entry)
