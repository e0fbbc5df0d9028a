"""Which model that ships is the nearest relative of a GPU, known by name alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gpusim.device.clinfo import ClinfoDevice

_LIBGPUINFO = "https://github.com/ARM-software/libGPUInfo source/libgpuinfo.cpp"
_TRIPIPE = "Arm developer guide, The Midgard shader core: the tripipe"
_DATASHEET = "Arm Mali GPU Datasheet 2021, table of core configurations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """A model to start from, and what is known to differ."""

    device: str
    """Id of a model that ships."""
    differs: dict[str, Any] = field(default_factory=dict)
    """Path of a figure -> value in the canonical unit."""
    citation: str = ""
    """Where `differs` is from."""


def _mali(device: str, citation: str = "", **differs: Any) -> Relative:
    paths = {name.replace("__", "."): value for name, value in differs.items()}
    return Relative(device=device, differs=paths, citation=citation)


# Pattern of the product -> relative; the first that matches counts.
_PRODUCTS: tuple[tuple[str, Relative], ...] = (
    (r"Mali-T(604|62[0-9])", _mali("mali-t628")),
    (r"Mali-T[78]20", _mali("mali-t860", _TRIPIPE, core__n_arithmetic_pipes=1)),
    (r"Mali-T88\d", _mali("mali-t880-mp12")),
    (r"Mali-T[678]\d\d", _mali("mali-t860")),
    (
        r"Mali-G31\b",
        _mali(
            "mali-g72",
            _DATASHEET,
            core__n_arithmetic_pipes=1,
            core__max_threads={32: 512, 64: 256},
            l1__size_bytes=4096,
        ),
    ),
    (r"Mali-G(51|7[12])\b", _mali("mali-g72")),
    (r"Mali-G52\b", _mali("mali-g52")),
    (
        r"Mali-G76\b",
        _mali(
            "mali-g52",
            _DATASHEET,
            core__n_arithmetic_pipes=3,
            core__max_threads={32: 768, 64: 384},
        ),
    ),
    (r"Mali-G(57|68|7[78])\b", _mali("mali-g610", _LIBGPUINFO, core__n_arithmetic_pipes=2)),
    (r"Mali-G\d{2,3}|Mali-LODX", _mali("mali-g610")),
    (r"Adreno", Relative(device="adreno-530")),
    (r"Tegra X1\b", Relative(device="jetson-nano")),
    (r"Tegra X2\b", Relative(device="jetson-tx2")),
)
_BY_COMPUTE_CAPABILITY = {5: Relative(device="jetson-nano"), 6: Relative(device="jetson-tx2")}

FAMILIES_KNOWN = "Mali (Midgard, Bifrost, Valhall), Adreno, NVIDIA of compute capability 5 or 6"


def nearest_relative(device: ClinfoDevice) -> Relative | None:
    """Return the model to start from, or None for a GPU of no known family."""
    name = device.text("CL_DEVICE_NAME")
    for pattern, relative in _PRODUCTS:
        if re.search(pattern, name, re.IGNORECASE):
            return relative
    return _BY_COMPUTE_CAPABILITY.get(device.number("CL_DEVICE_COMPUTE_CAPABILITY_NV"))


def suggested_id(device: ClinfoDevice) -> str:
    """Return an id made of the device's name: ``Mali-G76`` -> ``mali-g76``."""
    name = device.text("CL_DEVICE_NAME")
    if "adreno" in name.lower():
        # The name is the same for all; the version text holds the number.
        versions = device.text("CL_DEVICE_VERSION") + device.text("CL_DEVICE_OPENCL_C_VERSION")
        number = re.search(r"Adreno\D*(\d{3})", versions)
        return f"adreno-{number[1]}" if number else "adreno"
    mali = re.search(r"Mali-[A-Z]\w*", name, re.IGNORECASE)
    words = re.findall(r"[a-z0-9]+", (mali[0] if mali else name).lower())
    return "-".join(words)[:60].strip("-") or "device"
