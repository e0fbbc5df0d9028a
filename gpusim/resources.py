"""Where the files that travel with gpusim are, in a checkout and in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _data_dir(name: str) -> Path:
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def device_models_dir() -> Path:
    """Return the folder of the device YAML files."""
    return _data_dir("device_models")


def traces_dir() -> Path:
    """Return the folder of the sample traces."""
    return _data_dir("traces")


def cache_dir() -> Path:
    """Return the user's cache folder for gpusim (not created).

    ``GPUSIM_CACHE_DIR`` wins, then ``XDG_CACHE_HOME``, then ``~/.cache``.
    """
    own = os.environ.get("GPUSIM_CACHE_DIR")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gpusim"
