"""Compile the shim: for this machine at first use, or for a board with the bundled compiler."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gpusim.capture.shim_source import SHIM_DIR, source_hash
from gpusim.errors import CaptureError, located
from gpusim.resources import cache_dir

SHIM_NAME = "libgpusim_shim.so"
DROPIN_NAME = "libOpenCL.so.1"
TARGETS = ("x86_64-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf")
"""Targets that `build_shim` accepts; the shim has entry stubs for these instruction sets."""

_COMPILE = ("-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
# Boards carry old C libraries; this one is of 2012 and has all that the shim needs.
_GLIBC = "2.17"
_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Shim:
    """A compiled shim."""

    library: Path
    """For OPENCL_LAYERS and LD_PRELOAD."""
    dropin: Path
    """The same under the name of the OpenCL library, in a folder of its own."""


def build_shim(target: str | None = None, out_dir: Path | None = None) -> Shim:
    """Compile the shim, or take it from the cache.

    Parameters
    ----------
    target : str, optional
        One of `TARGETS`, built with the ``ziglang`` package; by default this machine, built with
        ``$CC``, ``cc``, ``gcc`` or ``clang`` and, failing those, ``ziglang``.
    out_dir : Path, optional
        Folder to copy the libraries to, for a board.

    Raises
    ------
    CaptureError
        When there is no compiler or none compiles it.
    """
    if target is not None and target not in TARGETS:
        raise CaptureError(
            located("--target", "unknown target", expected=", ".join(TARGETS), found=target)
        )
    place = target or f"{platform.machine()}-host"
    folder = cache_dir() / "shim" / f"{source_hash()[:16]}-{place}"
    shim = Shim(library=folder / SHIM_NAME, dropin=folder / "dropin" / DROPIN_NAME)
    if not (shim.library.is_file() and shim.dropin.is_file()):
        _build_into(folder, target)
    return shim if out_dir is None else _copy(shim, out_dir)


def _copy(shim: Shim, out_dir: Path) -> Shim:
    copy = Shim(library=out_dir / SHIM_NAME, dropin=out_dir / "dropin" / DROPIN_NAME)
    try:
        copy.dropin.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shim.library, copy.library)
        shutil.copyfile(shim.dropin, copy.dropin)
        _link_name(copy.dropin)
    except OSError as error:
        raise CaptureError(located(out_dir, "cannot be written", found=error.strerror)) from None
    return copy


def _link_name(dropin: Path) -> None:
    """Give the drop-in its second name, under which programs load it by hand."""
    second = dropin.with_name("libOpenCL.so")
    second.unlink(missing_ok=True)
    second.symlink_to(dropin.name)


def _build_into(folder: Path, target: str | None) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for compiler in _compilers(target):
        # Compiled aside and moved into place, so that two captures at once both find it whole.
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            failure = _compile(compiler, Path(work) / "shim")
            if failure is None:
                try:
                    (Path(work) / "shim").rename(folder)
                except OSError:
                    if not (folder / SHIM_NAME).is_file():
                        raise
                return
            failures.append(failure)
    raise CaptureError(
        located(
            "capture shim",
            "cannot be compiled; install a C compiler or the ziglang package",
            found="; ".join(failures) or "no compiler",
        )
    )


def _compilers(target: str | None) -> Iterator[list[str]]:
    """Yield the commands that may compile for `target`, best first."""
    zig = [sys.executable, "-m", "ziglang", "cc"]
    if target is not None:
        yield [*zig, "-target", f"{target}.{_GLIBC}"]
        return
    named = os.environ.get("CC")
    candidates = [shlex.split(named)] if named else []
    candidates += [["cc"], ["gcc"], ["clang"]]
    for command in candidates:
        if command and shutil.which(command[0]):
            yield command
    if find_spec("ziglang") is not None:
        yield zig


def _compile(compiler: Sequence[str], folder: Path) -> str | None:
    """Compile and link with one compiler; return what went wrong, in one line, or None."""
    dropin = folder / "dropin" / DROPIN_NAME
    dropin.parent.mkdir(parents=True)
    exports = f"-Wl,--version-script={SHIM_DIR / 'exports.map'}"
    link = ["-shared", "-s", str(folder / "shim.o"), exports]
    libraries = ["-lpthread", "-ldl"]
    steps = (
        [*_COMPILE, "-c", str(SHIM_DIR / "shim.c"), "-o", str(folder / "shim.o")],
        [*link, "-o", str(folder / SHIM_NAME), *libraries],
        [*link, f"-Wl,-soname,{DROPIN_NAME}", "-o", str(dropin), *libraries],
    )
    for arguments in steps:
        try:
            done = subprocess.run(
                [*compiler, *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{compiler[0]}: {error}"
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
            reason = (lines or done.stderr.splitlines() or ["no message"])[0]
            return f"{compiler[0]}: {reason.strip()}"
    (folder / "shim.o").unlink()
    _link_name(dropin)
    return None
