"""From a device id or a file to a checked, frozen :class:`DeviceSpec`."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpusim.device.figure import did_you_mean
from gpusim.device.layer import read_text
from gpusim.device.model_file import ModelFile, read_model
from gpusim.device.plausible import check_plausible
from gpusim.device.quantity import Quantity
from gpusim.device.schema import FIGURES
from gpusim.device.spec import SECTIONS, DeviceSpec
from gpusim.device.strict_yaml import shown
from gpusim.errors import DeviceError, located
from gpusim.resources import device_models_dir


def list_devices() -> list[str]:
    """Return the ids of the models that ship, views included, sorted.

    Raises
    ------
    DeviceError
        If a shipped model is malformed.
    """
    ids = []
    for path in sorted(device_models_dir().glob("*.yaml")):
        ids.append(path.stem)
        ids += [f"{path.stem}:{view}" for view in _read(path, path.name).views]
    return ids


def load_device(id_or_path: str | Path) -> DeviceSpec:
    """Load a device model.

    Parameters
    ----------
    id_or_path : str or Path
        Id of a model that ships (``mali-g72``), or a YAML file (anything that ends in
        ``.yaml`` or ``.yml`` or has a folder). A view is chosen after a colon:
        ``mali-t628:mp2``, ``./board.yaml:mp2``.

    Returns
    -------
    DeviceSpec
        Every figure checked, converted to its canonical unit, with its evidence.

    Raises
    ------
    DeviceError
        If the id is unknown or the model is malformed, incomplete or physically impossible.
        One line: file, place, expected, found.
    """
    name, view = _split_view(str(id_or_path))
    if _is_path(name):
        path, file = Path(name), name
    else:
        path = device_models_dir() / f"{name}.yaml"
        file = path.name
        if name not in _shipped():
            raise _unknown_device(str(id_or_path))
    model = _read(path, file)
    if not _is_path(name) and model.identity["id"] != name:
        raise DeviceError(
            located(f"{file}: id", "not the file's name", expected=name, found=model.identity["id"])
        )
    return _build(model, view, file)


def parse_device(text: str, file: str) -> DeviceSpec:
    """Check the text of a model and return its main view.

    Parameters
    ----------
    text : str
        YAML; it may extend the parts that ship.
    file : str
        Name for messages and provenance.

    Raises
    ------
    DeviceError
        As :func:`load_device`.
    """
    return _build(read_model(text, file, (device_models_dir(),)), "", file)


def _shipped() -> list[str]:
    return sorted(path.stem for path in device_models_dir().glob("*.yaml"))


def _split_view(text: str) -> tuple[str, str]:
    name, colon, view = text.rpartition(":")
    # A colon inside a folder's name does not separate a view, nor does a trailing one.
    return (name, view) if colon and view and "/" not in view else (text, "")


def _is_path(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or "/" in name


def _unknown_device(name: str) -> DeviceError:
    known = list_devices()
    close = difflib.get_close_matches(name.lower()[:80], known, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return DeviceError(f"unknown device {shown(name)}{hint} (known: {', '.join(known)})")


def _read(path: Path, file: str) -> ModelFile:
    roots = (path.parent, device_models_dir())
    return read_model(read_text(path, file), file, tuple(dict.fromkeys(roots)))


def _build(model: ModelFile, view: str, file: str) -> DeviceSpec:
    gpu = model.identity["id"]
    identity, figures = model.identity, dict(model.figures)
    if view:
        if view not in model.views:
            known = ", ".join(f"{gpu}:{name}" for name in model.views) or "none"
            raise DeviceError(
                located(f"{file}: views", "no such view", expected=known, found=f"{gpu}:{view}")
            )
        identity = model.views[view].identity
        overrides = model.views[view].figures
        figures.update({path: replace(q, path=path) for path, q in overrides.items()})
    _check_complete(figures, file)
    for quantity in figures.values():
        _check_sources(quantity, model.sources)
    sections: dict[str, Any] = {
        section: cls(**{name: figures[f"{section}.{name}"] for name in FIGURES[section]})
        for section, cls in SECTIONS.items()
    }
    used = {key for quantity in figures.values() for key in quantity.source}
    spec = DeviceSpec(
        id=f"{gpu}:{view}" if view else gpu,
        name=identity["name"],
        board=identity["board"],
        family=identity["family"],
        isa=identity["isa"],
        sources={key: text for key, text in model.sources.items() if key in used},
        file=file,
        gpu=gpu,
        view=view,
        **sections,
    )
    check_plausible(spec)
    return spec


def _check_complete(figures: dict[str, Quantity], file: str) -> None:
    for section, rules in FIGURES.items():
        for name in rules:
            if f"{section}.{name}" not in figures:
                have = ", ".join(n for n in rules if f"{section}.{n}" in figures) or "nothing"
                raise DeviceError(
                    located(
                        f"{file}: {section}",
                        f"missing figure {name!r}",
                        expected=f"{name}: {{value, unit, source, kind}}",
                        found=have,
                    )
                )


def _check_sources(quantity: Quantity, sources: dict[str, str]) -> None:
    for key in quantity.source:
        if key not in sources:
            hint = did_you_mean(key, sources)
            raise DeviceError(
                located(
                    f"{quantity.file}: {quantity.path}",
                    f"source {shown(key)} is not listed in 'sources'{hint}",
                    expected=", ".join(sources) if len(sources) <= 12 else f"{len(sources)} keys",
                )
            )
