"""Where the real OpenCL is: loaders, their vendors, and PoCL from a wheel where there is none."""

from __future__ import annotations

import ctypes.util
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gpusim.errors import CaptureError, located

_VENDORS = Path("/etc/OpenCL/vendors")
_LIBRARY_DIRS = tuple(
    Path(folder)
    for folder in (
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib/arm-linux-gnueabihf",
        "/usr/lib64",
        "/usr/lib",
        "/usr/local/lib",
        "/vendor/lib64",
        "/vendor/lib64/egl",
    )
)
_LIBRARY_NAMES = ("libOpenCL.so.1", "libOpenCL.so", "libmali.so", "libGLES_mali.so")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelRuntime:
    """The loader and the PoCL that Python wheels carry."""

    loader: Path
    """libOpenCL of the pyopencl wheel."""
    driver: Path
    """libpocl of the pocl-binary-distribution wheel."""


def system_library() -> Path | None:
    """Return the path of the system's OpenCL library, or None."""
    for folder in _LIBRARY_DIRS:
        for name in _LIBRARY_NAMES:
            if (folder / name).exists():
                return folder / name
    # Elsewhere, but where the dynamic linker looks.
    found = ctypes.util.find_library("OpenCL")
    return Path(found) if found else None


def has_system_vendor() -> bool:
    """Return whether an OpenCL driver is registered on this machine."""
    return _VENDORS.is_dir() and any(_VENDORS.glob("*.icd"))


def wheel_runtime() -> WheelRuntime | None:
    """Return the OpenCL that the pyopencl and PoCL wheels bring along, or None."""
    spec = find_spec("pyopencl")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / ".libs"
    loaders = sorted(folder.glob("libOpenCL*.so*"))
    drivers = sorted(folder.glob("libpocl*.so*"))
    if not loaders or not drivers:
        return None
    return WheelRuntime(loader=loaders[0], driver=drivers[0])


def runtime_environment(mode: str, dropin: Path, work: Path) -> dict[str, str]:
    """Return the variables that lead a program to an OpenCL runtime and, below it, to a driver.

    Parameters
    ----------
    mode : str
        ``auto``, ``layer``, ``preload`` or ``dropin``.
    dropin : Path
        The shim under the name libOpenCL.so.1.
    work : Path
        Folder for files that must live while the program runs.

    Raises
    ------
    CaptureError
        When there is no OpenCL driver at all.
    """
    environment: dict[str, str] = {}
    wheel = wheel_runtime()
    library = system_library()
    named = os.environ.get("GPUSIM_REAL_OPENCL")
    own_vendors = os.environ.get("OCL_ICD_VENDORS") or os.environ.get("OCL_ICD_FILENAMES")
    needs_driver = not (named or own_vendors or has_system_vendor())
    if needs_driver and wheel is None and library is None:
        raise CaptureError(
            located(
                "capture",
                "no OpenCL driver on this machine; install Debian's pocl-opencl-icd or "
                "pip install 'gpusim[pocl]'",
            )
        )
    # Without a registered driver the library may be one itself, as on boards.
    if needs_driver and wheel is not None:
        (work / "pocl.icd").write_text(f"{wheel.driver}\n", encoding="utf-8")
        environment["OCL_ICD_VENDORS"] = str(work)
    if mode == "dropin" or (mode == "auto" and library is None):
        real = named or library or (wheel and wheel.loader)
        if not real:
            raise CaptureError(
                located(
                    "capture",
                    "no OpenCL library to stand in for; GPUSIM_REAL_OPENCL can name one",
                )
            )
        if wheel and real == wheel.loader:
            # That loader finds the wheel's driver by this variable, and fails without it.
            environment = {"PYOPENCL_HOME": str(wheel.loader.parent.parent)}
        environment["GPUSIM_REAL_OPENCL"] = str(real)
        environment["LD_LIBRARY_PATH"] = joined(str(dropin.parent), "LD_LIBRARY_PATH")
    return environment


def joined(first: str, variable: str) -> str:
    """Return a list-valued variable of this process with `first` put in front."""
    before = os.environ.get(variable)
    return f"{first}:{before}" if before else first
