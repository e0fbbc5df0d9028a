"""One YAML file of a device model as a layer: what it extends, cites and states."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from gpusim.device.figure import read_figure, reject_unknown_keys
from gpusim.device.quantity import Quantity
from gpusim.device.schema import FIGURES
from gpusim.device.strict_yaml import MAX_BYTES, parse_yaml, shown
from gpusim.errors import DeviceError, located

LAYER_KEYS = ("extends", "sources", *FIGURES)
_PART = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*(/[a-z0-9_-]+(\.[a-z0-9_-]+)*)*\Z")
_MAX_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one file adds to a model."""

    extends: tuple[str, ...]
    sources: dict[str, str]
    figures: dict[str, Quantity]


def read_text(path: Path, file: str) -> str:
    """Return the text of a model file; a DeviceError when it cannot be read or is no text."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise DeviceError(located(file, "cannot be read", found=reason)) from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DeviceError(located(file, "not UTF-8 text", found=f"byte {error.start}")) from None


def parse_mapping(text: str, file: str, known: Sequence[str]) -> dict[Any, Any]:
    """Parse a file whose keys must be among `known`."""
    document = parse_yaml(text, file)
    if not isinstance(document, dict):
        raise DeviceError(
            located(file, "not a mapping", expected="sections", found=shown(document))
        )
    reject_unknown_keys(document, known, file)
    return document


@lru_cache(maxsize=64)
def part_layer(text: str, file: str) -> Layer:
    """Read a shared part; cached, since models share parts and sweeps load models repeatedly.

    Raises
    ------
    DeviceError
        If the part is malformed.
    """
    return layer_of(parse_mapping(text, file, LAYER_KEYS), file)


def layer_of(document: dict[Any, Any], file: str) -> Layer:
    """Check the parts, citations and figures of a parsed file."""
    return Layer(
        extends=_extends(document, file),
        sources=_sources(document, file),
        figures=read_figures(document, "", file),
    )


def _extends(document: dict[Any, Any], file: str) -> tuple[str, ...]:
    where = f"{file}: extends"
    parts = document.get("extends", [])
    if not isinstance(parts, list):
        raise DeviceError(
            located(where, "not a list", expected="[part.yaml, ...]", found=shown(parts))
        )
    return tuple(read_word(part, _PART, where, "part name") for part in parts)


def _sources(document: dict[Any, Any], file: str) -> dict[str, str]:
    sources = document.get("sources", {})
    if not isinstance(sources, dict):
        raise DeviceError(
            located(f"{file}: sources", "not a mapping", expected="key: text", found=shown(sources))
        )
    for key, citation in sources.items():
        if not isinstance(key, str) or not isinstance(citation, str) or not citation.strip():
            raise DeviceError(
                located(
                    f"{file}: sources",
                    "not a citation",
                    expected="key: text",
                    found=shown({key: citation}),
                )
            )
    return {key: " ".join(citation.split()) for key, citation in sources.items()}


def read_figures(document: dict[Any, Any], prefix: str, file: str) -> dict[str, Quantity]:
    """Check the sections of `document`; `prefix` (``views.mp2.``) places them in messages."""
    figures = {}
    for section, rules in FIGURES.items():
        if section not in document:
            continue
        node = document[section]
        where = f"{file}: {prefix}{section}"
        if not isinstance(node, dict):
            raise DeviceError(
                located(where, "not a section", expected="figure: {...}", found=shown(node))
            )
        reject_unknown_keys(node, rules, where)
        for name, figure in node.items():
            path = f"{section}.{name}"
            figures[path] = read_figure(figure, f"{prefix}{path}", rules[name], file)
    return figures


def read_word(value: Any, pattern: re.Pattern[str], where: str, what: str) -> str:
    """Return `value` if it is a short word of the given shape, else raise a DeviceError."""
    if not isinstance(value, str) or len(value) > _MAX_NAME or pattern.match(value) is None:
        raise DeviceError(
            located(
                where, f"bad {what}", expected="lower-case letters, digits, -", found=shown(value)
            )
        )
    return value
