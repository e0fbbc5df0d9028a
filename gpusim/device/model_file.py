"""A device model as a file: its identity, its layers merged, its views."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpusim.device.figure import did_you_mean, reject_unknown_keys
from gpusim.device.layer import (
    LAYER_KEYS,
    Layer,
    layer_of,
    parse_mapping,
    part_layer,
    read_figures,
    read_text,
    read_word,
)
from gpusim.device.quantity import Quantity
from gpusim.device.schema import FAMILIES, FIGURES, GPU_WIDE, ISAS
from gpusim.device.strict_yaml import shown
from gpusim.errors import DeviceError, located

_IDENTITY = ("id", "name", "board", "family", "isa")
_MODEL_KEYS = (*_IDENTITY, "views", *LAYER_KEYS)
_VIEW_KEYS = ("name", "board", *FIGURES)
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_MAX_CHAIN = 32


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


def read_model(text: str, shown_as: str, roots: tuple[Path, ...]) -> ModelFile:
    """Read a model and every part it extends.

    Parameters
    ----------
    text : str
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
        If a part is missing, or any of the files malformed.
    """
    document = parse_mapping(text, shown_as, _MODEL_KEYS)
    model = ModelFile(identity=_identity(document, shown_as))
    _merge(model, layer_of(document, shown_as), shown_as, roots, (shown_as,))
    views = document.get("views", {})
    if not isinstance(views, dict):
        raise DeviceError(
            located(
                f"{shown_as}: views", "not a mapping", expected="name: {...}", found=shown(views)
            )
        )
    for name, node in views.items():
        model.views[read_word(name, _ID, f"{shown_as}: views", "view name")] = _view(
            node, f"views.{name}.", shown_as, model.identity
        )
    return model


def _merge(
    model: ModelFile, layer: Layer, file: str, roots: tuple[Path, ...], chain: tuple[str, ...]
) -> None:
    for part in layer.extends:
        where = f"{file}: extends"
        if part in chain or len(chain) > _MAX_CHAIN:
            loop = " > ".join((*chain, part))
            raise DeviceError(located(where, "a part extends itself", found=loop))
        if part in model.parts:
            continue
        model.parts.add(part)
        text = read_text(_find_part(part, where, roots), part)
        _merge(model, part_layer(text, part), part, roots, (*chain, part))
    for key, citation in layer.sources.items():
        if model.sources.setdefault(key, citation) != citation:
            raise DeviceError(
                located(
                    f"{file}: sources.{key}",
                    "cited differently in a part",
                    expected=shown(model.sources[key]),
                    found=shown(citation),
                )
            )
    model.figures.update(layer.figures)


def _find_part(part: str, where: str, roots: tuple[Path, ...]) -> Path:
    for root in roots:
        if (root / part).is_file():
            return root / part
    # Only the parts that ship are listed: a user's folder may hold thousands of files.
    known = sorted(str(path.relative_to(roots[-1])) for path in roots[-1].glob("*/*.yaml"))
    raise DeviceError(
        located(
            where, f"no such part{did_you_mean(part, known)}", expected=", ".join(known), found=part
        )
    )


def _view(node: Any, prefix: str, file: str, main: dict[str, str]) -> View:
    where = f"{file}: {prefix.rstrip('.')}"
    if not isinstance(node, dict):
        raise DeviceError(located(where, "not a view", expected="sections", found=shown(node)))
    reject_unknown_keys(node, _VIEW_KEYS, where)
    identity = dict(main)
    for key in ("name", "board"):
        if key in node:
            identity[key] = _text(node[key], f"{where}.{key}")
    figures = read_figures(node, prefix, file)
    for path in figures:
        if any(path.startswith(shared) for shared in GPU_WIDE):
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
    read_word(identity["id"], _ID, f"{file}: id", "device id")
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
