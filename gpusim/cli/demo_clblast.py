"""The demo's second part, where CLBlast is installed: capture a library as two devices.

CLBlast's kernel text is not ours to ship, so this trace is made on the spot.
"""

from __future__ import annotations

import shutil
import subprocess
from ctypes.util import find_library
from pathlib import Path

from gpusim.resources import traces_dir

DEVICES = ("mali-t628", "mali-g72")
_COMPILE_SECONDS = 60


def build_client(folder: Path) -> Path | None:
    """Compile the SGEMM client; return None where CLBlast or a compiler is missing."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or find_library("clblast") is None:
        return None
    client = folder / "clblast_sgemm"
    source = traces_dir() / "programs" / "clblast_sgemm.c"
    command = [compiler, "-O2", str(source), "-o", str(client), "-lclblast", "-lOpenCL", "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_COMPILE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return client if done.returncode == 0 else None


def capture_sgemm(client: Path, device: str, folder: Path) -> Path | None:
    """Capture one 256x256x256 product as `device`; None where the client can't run.

    Raises
    ------
    CaptureError
        When the program can't be captured.
    """
    from gpusim.capture.run import capture

    trace = folder / f"clblast-sgemm-{device}.gptrace"
    result = capture([str(client), "256", "1"], output=trace, profile=device)
    return trace if result.exit_code == 0 and trace.exists() else None
