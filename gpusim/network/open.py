"""A network by what the user typed: an id, or the path of an ONNX file."""

from __future__ import annotations

from pathlib import Path

from gpusim.errors import GpusimError, located
from gpusim.network.layers import Network
from gpusim.network.tables import NETWORKS, load_network


def open_network(name: str | Path, *, image: tuple[int, int] | None = None) -> Network:
    """Return a network by id (``resnet50``) or from a file (``model.onnx``).

    Parameters
    ----------
    name : str or Path
    image : (height, width), optional
        For a file that leaves the size of its images open.

    Raises
    ------
    GpusimError
        For an unknown id, or a file that cannot be imported.
    """
    path = Path(name)
    if path.suffix == ".onnx" or path.is_file():
        from gpusim.network.onnx_import import import_onnx

        return import_onnx(path, image=image)
    if str(name) not in NETWORKS:
        raise GpusimError(
            located(
                "network",
                "unknown",
                expected=f"an .onnx file or one of {', '.join(NETWORKS)}",
                found=name,
            )
        )
    return load_network(str(name))
