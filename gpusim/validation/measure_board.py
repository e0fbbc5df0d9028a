"""Clock and temperature of the GPU while it is measured, where the system lets one read them.

Boards tell them under different names: devfreq (Mali and Jetson with mainline-like kernels), a
``clock`` file of Arm's driver (Exynos), kgsl (Adreno), thermal zones, nvpmodel's status (Jetson).
"""

from __future__ import annotations

import re
from pathlib import Path

_GPU = re.compile(r"gpu|mali|gp10b|gv11b|ga10b|gm20b|g3d|panfrost|bifrost", re.IGNORECASE)
_CLOCK_FILES = (
    ("sys/class/kgsl/kgsl-3d0/gpuclk", 1e-6),
    ("sys/class/misc/mali0/device/clock", 1.0),
    ("sys/kernel/debug/bpmp/debug/clk/gpcclk/rate", 1e-6),
)
"""(file, factor to MHz)."""


def board_state(root: Path = Path("/")) -> dict[str, float | str]:
    """Return what can be read: ``clock_mhz``, ``temperature_c``, ``power_mode``.

    Parameters
    ----------
    root : Path
        Where ``sys`` and ``var`` are.
    """
    state: dict[str, float | str] = {}
    clock = _clock_mhz(root)
    if clock is not None:
        state["clock_mhz"] = clock
    temperature = _temperature_c(root)
    if temperature is not None:
        state["temperature_c"] = temperature
    mode = _text(root / "var/lib/nvpmodel/status")
    if mode:
        state["power_mode"] = mode[:40]
    return state


def _clock_mhz(root: Path) -> float | None:
    for folder in sorted((root / "sys/class/devfreq").glob("*")):
        # The folder is called by the address of the device, or by the word for it.
        of_node = _text(folder / "device/of_node/name") or ""
        if _GPU.search(folder.name) or _GPU.search(of_node):
            clock = _number(folder / "cur_freq")
            if clock is not None:
                return round(clock * 1e-6, 3)
    for name, factor in _CLOCK_FILES:
        clock = _number(root / name)
        if clock is not None:
            return round(clock * factor, 3)
    return None


def _temperature_c(root: Path) -> float | None:
    found: dict[bool, float] = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = _number(zone / "temp")
        if value is None:
            continue
        # Thousandths of a degree; a few old kernels give whole degrees.
        degrees = value / 1000 if abs(value) >= 1000 else value
        found.setdefault(bool(_GPU.search(_text(zone / "type") or "")), round(degrees, 1))
    return found.get(True, found.get(False))


def _number(path: Path) -> float | None:
    match = re.search(r"-?\d+", _text(path) or "")
    return float(match[0]) if match else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \t\r\n")
    except OSError:
        return None
