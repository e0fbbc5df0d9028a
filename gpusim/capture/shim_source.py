"""The C source of the shim, which travels with gpusim as package data."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

SHIM_DIR = Path(__file__).resolve().parent / "shim"
_API_ENTRY = re.compile(r"^\s*(?:RECORD|PASS|NOTE|WINDOWS)\((\d+), (cl\w+)\)", re.MULTILINE)
_QUERY_ENTRY = re.compile(r"^\s*QUERY\(0x[0-9A-F]+, (CL_\w+), FORM_\w+\)", re.MULTILINE)


@cache
def api_names() -> dict[int, str]:
    """Return the OpenCL calls by their place in the loaders' dispatch table."""
    text = (SHIM_DIR / "api.h").read_text(encoding="ascii")
    return {int(slot): name for slot, name in _API_ENTRY.findall(text)}


@cache
def query_names() -> frozenset[str]:
    """Return the queries that the shim can answer from a profile."""
    return frozenset(_QUERY_ENTRY.findall((SHIM_DIR / "queries.h").read_text(encoding="ascii")))


def source_hash() -> str:
    """Return the SHA-256 of all files of the shim, in hexadecimal."""
    digest = hashlib.sha256()
    for path in sorted(SHIM_DIR.iterdir()):
        if path.suffix in (".c", ".h", ".map"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
