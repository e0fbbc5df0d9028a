"""Read the YAML files of a device model: the model itself and the parts it is built on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from gpusim.device.figure import did_you_mean, read_figure, reject_unknown_keys
from gpusim.device.quantity import Quantity
from gpusim.device.schema import FAMILIES, FIGURES, GPU_WIDE, ISAS
from gpusim.device.strict_yaml import MAX_BYTES, parse_yaml, shown
from gpusim.errors import DeviceError, located

_IDENTITY = ("id", "name", "board", "family", "isa")
_PART_KEYS = ("extends", "sources", *FIGURES)
_MODEL_KEYS = (*_IDENTITY, "views", *_PART_KEYS)
_VIEW_KEYS = ("name", "board", *FIGURES)
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_PART = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*(/[a-z0-9_-]+(\.[a-z0-9_-]+)*)*\Z")
_MAX_PARTS = 32
_MAX_NAME = 100


@dataclass(slots=True, kw_only=True)
class View:
    """A second OpenCL device on the same GPU: what differs from the main view."""

    identity: dict[str, str]
    figures: dict[str, Quantity]


@dataclass(slots=True, kw_only=True)
class ModelFile:
    """A model with its parts merged; not yet checked for completeness."""

    identity: dict[str, str]
    figures: dict[str, Quantity] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)
    """Parts merged so far: a part counts once, where it is first named."""


def read_model(path: Path, shown_as: str, roots: tuple[Path, ...]) -> ModelFile:
    """Read the model at `path` and every part it extends.

    Parameters
    ----------
    path : Path
        The YAML file.
    shown_as : str
        Its name in messages and in provenance.
    roots : tuple of Path
        Folders in which the parts named by ``extends`` are looked for, in this order; the
        last is that of the parts that ship.

    Returns
    -------
    ModelFile
        Figures of later parts, and of the model itself, override those of earlier parts.

    Raises
    ------
    DeviceError
        If a file is missing or malformed.
    """
    document = _document(path, shown_as)
    reject_unknown_keys(document, _MODEL_KEYS, shown_as)
    model = ModelFile(identity=_identity(document, shown_as))
    _merge(model, document, shown_as, roots, (shown_as,))
    views = document.get("views", {})
    if not isinstance(views, dict):
        raise DeviceError(
            located(
                f"{shown_as}: views", "not a mapping", expected="name: {...}", found=shown(views)
            )
        )
    for name, node in views.items():
        model.views[_word(name, _ID, f"{shown_as}: views", "view name")] = _view(
            node, f"{shown_as}: views.{name}", shown_as, model.identity
        )
    return model


def _document(path: Path, shown_as: str) -> dict[Any, Any]:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or error
        raise DeviceError(located(shown_as, "cannot be read", found=reason)) from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DeviceError(
            located(shown_as, "not UTF-8 text", found=f"byte {error.start}")
        ) from None
    document = _parsed(text, shown_as)
    if not isinstance(document, dict):
        raise DeviceError(
            located(shown_as, "not a mapping", expected="sections", found=shown(document))
        )
    return document


@lru_cache(maxsize=64)
def _parsed(text: str, shown_as: str) -> Any:
    """Parse; models share their parts, and a sweep loads models again and again."""
    return parse_yaml(text, shown_as)


def _merge(
    model: ModelFile,
    document: dict[Any, Any],
    file: str,
    roots: tuple[Path, ...],
    chain: tuple[str, ...],
) -> None:
    parts = document.get("extends", [])
    if not isinstance(parts, list):
        raise DeviceError(
            located(
                f"{file}: extends", "not a list", expected="[part.yaml, ...]", found=shown(parts)
            )
        )
    for name in parts:
        part = _word(name, _PART, f"{file}: extends", "part name")
        if part in chain or len(chain) > _MAX_PARTS:
            raise DeviceError(
                located(
                    f"{file}: extends", "a part extends itself", found=" > ".join((*chain, part))
                )
            )
        if part in model.parts:
            continue
        model.parts.add(part)
        node = _document(_find_part(part, f"{file}: extends", roots), part)
        reject_unknown_keys(node, _PART_KEYS, part)
        _merge(model, node, part, roots, (*chain, part))
    for key, citation in _sources(document, file).items():
        if model.sources.setdefault(key, citation) != citation:
            raise DeviceError(
                located(
                    f"{file}: sources.{key}",
                    "cited differently in a part",
                    expected=shown(model.sources[key]),
                    found=shown(citation),
                )
            )
    model.figures.update(_figures(document, f"{file}: ", file))


def _find_part(part: str, where: str, roots: tuple[Path, ...]) -> Path:
    for root in roots:
        if (root / part).is_file():
            return root / part
    known = sorted(str(path.relative_to(root)) for root in roots for path in root.glob("*/*.yaml"))
    raise DeviceError(
        located(
            where, f"no such part{did_you_mean(part, known)}", expected=", ".join(known), found=part
        )
    )


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


def _figures(document: dict[Any, Any], prefix: str, file: str) -> dict[str, Quantity]:
    figures = {}
    for section, rules in FIGURES.items():
        if section not in document:
            continue
        node = document[section]
        where = f"{prefix}{section}"
        if not isinstance(node, dict):
            raise DeviceError(
                located(where, "not a section", expected="figure: {...}", found=shown(node))
            )
        reject_unknown_keys(node, rules, where)
        for name, figure in node.items():
            path = f"{section}.{name}"
            place = prefix.removeprefix(f"{file}: ") + path
            quantity = read_figure(figure, place, rules[name], file)
            figures[path] = quantity
    return figures


def _view(node: Any, where: str, file: str, main: dict[str, str]) -> View:
    if not isinstance(node, dict):
        raise DeviceError(located(where, "not a view", expected="sections", found=shown(node)))
    reject_unknown_keys(node, _VIEW_KEYS, where)
    identity = dict(main)
    for key in ("name", "board"):
        if key in node:
            identity[key] = _text(node[key], f"{where}.{key}")
    figures = _figures(node, f"{where}.", file)
    for path in figures:
        shared = next((rule for rule in GPU_WIDE if path.startswith(rule)), None)
        if shared is not None:
            raise DeviceError(
                located(
                    f"{where}.{path}",
                    "all views of a GPU share this",
                    expected="the figure in the main view",
                    found="one in a view",
                )
            )
    return View(identity=identity, figures=figures)


def _identity(document: dict[Any, Any], file: str) -> dict[str, str]:
    for key in _IDENTITY:
        if document.get(key) is None:
            raise DeviceError(located(file, f"missing {key!r}", expected=", ".join(_IDENTITY)))
    identity = {key: _text(document[key], f"{file}: {key}") for key in _IDENTITY}
    _word(identity["id"], _ID, f"{file}: id", "device id")
    for key, known in (("family", FAMILIES), ("isa", ISAS)):
        if identity[key] not in known:
            hint = did_you_mean(identity[key], known)
            raise DeviceError(
                located(
                    f"{file}: {key}",
                    f"unknown {key}{hint}",
                    expected=" | ".join(known),
                    found=shown(identity[key]),
                )
            )
    return identity


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise DeviceError(located(where, "not a line of text", found=shown(value)))
    return value.strip()


def _word(value: Any, pattern: re.Pattern[str], where: str, what: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_NAME or pattern.match(value) is None:
        raise DeviceError(
            located(
                where, f"bad {what}", expected="lower-case letters, digits, -", found=shown(value)
            )
        )
    return value
