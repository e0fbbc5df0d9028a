"""Compile the program that measures on a board without Python."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from gpusim.capture.replayer.experiment import Experiment
from gpusim.capture.replayer.payload import encode
from gpusim.capture.shim_source import SHIM_DIR
from gpusim.errors import CaptureError, located

REPLAYER_TARGETS = ("x86_64-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf")
SOURCE_DIR = Path(__file__).resolve().parent
# As for the capture shim: boards carry old C libraries, and this one has all that is needed.
_GLIBC = "2.17"
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-s")
_SECONDS = 300


def replayer_name(target: str) -> str:
    """Return the file name of the program for a target."""
    return f"gpusim-measure-{target.split('-', maxsplit=1)[0]}"


def build_replayer(
    experiments: Sequence[Experiment],
    *,
    target: str | None,
    folder: Path,
    repeat: int = 11,
    warmup: int = 2,
    device_name: str = "",
) -> Path:
    """Compile one program that carries the experiments and measures them.

    The program needs the board's C library (glibc 2.17 or newer, for ``dlopen``) and an OpenCL
    library to load; nothing else.

    Parameters
    ----------
    experiments : sequence of Experiment
    target : str, optional
        One of `REPLAYER_TARGETS`; by default this machine's.
    folder : Path
        Where to write it; created.
    repeat, warmup : int
        What it does unless told otherwise when it runs.
    device_name : str
        For the device column; empty = what the device says.

    Returns
    -------
    Path
        The program.

    Raises
    ------
    CaptureError
        For an unknown target, or when there is no compiler, or it fails.
    """
    target = target or f"{platform.machine()}-linux-gnu"
    if target not in REPLAYER_TARGETS:
        expected = ", ".join(REPLAYER_TARGETS)
        raise CaptureError(located("--target", "unknown target", expected=expected, found=target))
    if find_spec("ziglang") is None:
        raise CaptureError(located("--build", "no compiler", expected="the ziglang package"))
    payload = encode(experiments, repeat=repeat, warmup=warmup, device_name=device_name)
    program = folder / replayer_name(target)
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "payload.bin").write_bytes(payload)
        built = Path(work) / program.name
        _compile(target, Path(work), built)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            program.write_bytes(built.read_bytes())
            program.chmod(0o755)
        except OSError as error:
            raise CaptureError(
                located(program, "cannot be written", found=error.strerror)
            ) from None
    return program


def _compile(target: str, work: Path, program: Path) -> None:
    # The compiler that comes with Python; the payload is an assembler's .incbin, whatever its size.
    command = [sys.executable, "-m", "ziglang", "cc", "-target", f"{target}.{_GLIBC}", *_FLAGS]
    command += [f"-I{SHIM_DIR}", str(SOURCE_DIR / "replayer.c"), str(SOURCE_DIR / "payload.S")]
    command += ["-o", str(program), "-ldl", f"-I{work}"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            cwd=work,
            env={**os.environ},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CaptureError(located("--build", "the compiler fails", found=error)) from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        reason = (lines or done.stderr.splitlines() or ["no message"])[0]
        raise CaptureError(located("--build", "the compiler fails", found=reason.strip()))
