"""CLBlast's tuning parameters per device, as release 1.5.3 ships them.

The library looks a device up by type, vendor and name and falls back to the vendor's figures, then
to those for all devices. Every figure below was read from the macros in front of the program that
the library (Debian package 1.5.3-3, equal to the upstream release) built while captured as that
device; `tests/contract/test_clblast.py` repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping

from gpusim.errors import GpusimError, located

VERSION = "1.5.3"

BITS = {"f32": 32, "f16": 16}

_NAMES = {
    "copy": "COPY_DIMX COPY_DIMY COPY_VW COPY_WPT",
    "pad": "PAD_DIMX PAD_DIMY PAD_WPTX PAD_WPTY",
    "tra": "TRA_DIM TRA_PAD TRA_SHUFFLE TRA_WPT",
    "padtra": "PADTRA_PAD PADTRA_TILE PADTRA_WPT",
    "gemm": "KWG KWI MDIMA MDIMC MWG NDIMB NDIMC NWG SA SB STRM STRN VWM VWN",
    "direct": "KWID MDIMAD MDIMCD NDIMBD NDIMCD PADA PADB VWMD VWND WGD",
}
"""Group of kernels -> its parameters, in the order of the rows below."""

_FIGURES = {
    ("t628", 32): {
        "copy": (8, 8, 8, 1),
        "pad": (8, 16, 4, 1),
        "tra": (4, 0, 1, 4),
        "padtra": (0, 8, 2),
        "gemm": (32, 2, 8, 8, 32, 8, 8, 64, 1, 1, 0, 0, 4, 4),
        "direct": (2, 16, 16, 8, 8, 1, 1, 2, 2, 32),
    },
    ("t628", 16): {
        "copy": (16, 8, 8, 4),
        "pad": (8, 32, 4, 1),
        "tra": (8, 0, 0, 4),
        "padtra": (0, 16, 2),
        "gemm": (32, 2, 8, 16, 128, 8, 8, 32, 0, 1, 0, 1, 8, 4),
        "direct": (2, 16, 16, 8, 8, 1, 1, 2, 1, 32),
    },
    ("t760", 32): {
        "copy": (16, 8, 4, 1),
        "pad": (8, 16, 4, 4),
        "tra": (4, 1, 1, 4),
        "padtra": (0, 16, 1),
        "gemm": (32, 2, 16, 16, 64, 8, 8, 32, 1, 1, 0, 0, 4, 2),
        "direct": (2, 16, 16, 8, 8, 1, 1, 2, 2, 32),
    },
    ("t760", 16): {
        "copy": (8, 16, 2, 2),
        "pad": (8, 8, 4, 1),
        "tra": (8, 0, 0, 4),
        "padtra": (1, 8, 2),
        "gemm": (32, 2, 16, 16, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4),
        "direct": (2, 16, 16, 8, 8, 1, 1, 1, 4, 32),
    },
    ("arm", 32): {
        "copy": (16, 8, 8, 1),
        "pad": (16, 16, 2, 4),
        "tra": (4, 1, 1, 4),
        "padtra": (0, 16, 1),
        "gemm": (32, 2, 16, 16, 64, 8, 8, 32, 1, 1, 0, 0, 4, 2),
        "direct": (2, 16, 16, 8, 8, 1, 1, 2, 2, 32),
    },
    ("arm", 16): {
        "copy": (16, 8, 8, 8),
        "pad": (8, 8, 4, 1),
        "tra": (8, 0, 0, 4),
        "padtra": (1, 8, 2),
        "gemm": (32, 2, 16, 16, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4),
        "direct": (2, 16, 16, 8, 8, 1, 1, 1, 4, 32),
    },
    ("qualcomm", 32): {
        "copy": (32, 32, 4, 4),
        "pad": (8, 8, 1, 1),
        "tra": (16, 0, 0, 4),
        "padtra": (0, 16, 1),
        "gemm": (32, 2, 8, 8, 32, 8, 8, 64, 1, 1, 0, 0, 4, 4),
        "direct": (2, 8, 8, 8, 8, 1, 1, 4, 4, 32),
    },
    ("qualcomm", 16): {
        "copy": (32, 8, 4, 1),
        "pad": (8, 8, 4, 1),
        "tra": (16, 0, 0, 4),
        "padtra": (1, 16, 2),
        "gemm": (32, 2, 8, 8, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4),
        "direct": (16, 16, 16, 8, 8, 1, 1, 2, 4, 32),
    },
    ("default", 32): {
        "copy": (16, 16, 4, 2),
        "pad": (32, 8, 2, 1),
        "tra": (8, 0, 1, 4),
        "padtra": (0, 8, 4),
        "gemm": (32, 2, 8, 8, 32, 16, 16, 32, 1, 1, 0, 0, 4, 2),
        "direct": (2, 8, 8, 8, 8, 1, 1, 1, 1, 16),
    },
    ("default", 16): {
        "copy": (16, 8, 4, 4),
        "pad": (8, 8, 4, 1),
        "tra": (8, 0, 0, 4),
        "padtra": (0, 8, 1),
        "gemm": (32, 2, 16, 16, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4),
        "direct": (2, 16, 16, 16, 16, 1, 1, 1, 1, 16),
    },
}
"""(entry, precision) -> group -> figures."""

_MIN_INDIRECT = {
    "t628": (128, 128),
    "t760": (128, 128),
    "arm": (128, 128),
    "qualcomm": (64, 64),
    "default": (896, 192),
}
"""Entry -> size of the cube below which the direct kernel runs, for 32 and 16 bits."""


def parameters(target: str, dtype: str) -> dict[str, int]:
    """Return the parameters that the library uses on a device.

    Parameters
    ----------
    target : str
        Device id or target: ``mali-t628``, ``mali-g71``, ``adreno-530``...
    dtype : str
        ``f32`` or ``f16``.

    Returns
    -------
    dict
        Macro name -> value; ``XGEMM_MIN_INDIRECT_SIZE`` among them.

    Raises
    ------
    GpusimError
        For a device that has no OpenCL.
    """
    entry, bits = _entry(target), BITS[dtype]
    found = {
        name: value
        for group, figures in _FIGURES[entry, bits].items()
        for name, value in zip(_NAMES[group].split(), figures, strict=True)
    }
    found["XGEMM_MIN_INDIRECT_SIZE"] = _MIN_INDIRECT[entry][bits == 16]
    return found


def build_options(values: Mapping[str, int], groups: tuple[str, ...], dtype: str) -> str:
    """Return the macros of some groups of kernels as build options."""
    names = [name for group in groups for name in _NAMES[group].split()]
    macros = [f"-DPRECISION={BITS[dtype]}", *(f"-D{name}={values[name]}" for name in names)]
    return " ".join(macros)


def _entry(target: str) -> str:
    if target.startswith("jetson"):
        raise GpusimError(
            located("clblast", "cannot run", expected="a device with OpenCL", found=target)
        )
    if target.startswith("adreno"):
        return "qualcomm"
    if not target.startswith("mali"):
        return "default"
    for entry in ("t628", "t760"):
        if target.startswith(f"mali-{entry}"):
            return entry
    return "arm"
