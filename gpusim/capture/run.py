"""Run a program under the shim and turn what it recorded into traces."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpusim.capture.build import Shim, build_shim
from gpusim.capture.profile import Profile, load_profile
from gpusim.capture.raw import read_raw
from gpusim.capture.raw_frames import read_start
from gpusim.capture.runtime import joined, runtime_environment
from gpusim.errors import CaptureError, GpusimError, OutputError, located
from gpusim.trace.records import Trace
from gpusim.trace.writer import write_trace

MODES = ("auto", "layer", "preload", "dropin")
DATA_MODES = ("auto", "none", "hash", "full")
_SUFFIX = ".gptrace"
_CLEARED = (
    "GPUSIM_SHIM_OUT",
    "GPUSIM_SHIM_PROFILE",
    "GPUSIM_SHIM_DATA",
    "GPUSIM_SHIM_DRY",
    "GPUSIM_SHIM_NO_PROFILING",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One written trace."""

    path: Path
    pid: int
    trace: Trace

    @property
    def summary(self) -> str:
        """One line that says what is in it."""
        trace = self.trace
        kernels = len({launch.kernel for launch in trace.launches})
        device = trace.devices[0] if trace.devices else {"real": {}, "presented": {}}
        real = device["real"].get("CL_DEVICE_NAME", "an unknown device")
        shown = device["presented"].get("CL_DEVICE_NAME", real)
        line = (
            f"{self.path}: {len(trace.launches)} launches of {kernels} kernels, "
            f"{len(trace.commands)} other commands, {len(trace.buffers)} buffers; "
        )
        line += f"as {shown}, run by {real}" if trace.impersonated else f"on {real}"
        facts = trace.manifest["provenance"]
        remarks = []
        if not trace.launches:
            remarks.append("the program launched nothing")
        if facts["dry"]:
            remarks.append("dry run, nothing executed")
        if facts["n_failed_launches"]:
            remarks.append(f"{facts['n_failed_launches']} launches failed and are left out")
        unrecorded = trace.manifest["completeness"]["unrecorded_calls"]
        if unrecorded:
            remarks.append(f"not recorded: {', '.join(unrecorded)}")
        if trace.manifest["completeness"]["truncated"]:
            remarks.append("the process did not end by itself")
        remarks += facts["notes"]
        return "; ".join([line, *remarks]) if remarks else line


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureResult:
    """What a capture gave."""

    exit_code: int
    """Of the program; 128 + the signal that ended it."""
    traces: tuple[Captured, ...]
    """The program's own first, then its children in the order in which they began."""


def capture(
    command: Sequence[str],
    *,
    output: str | Path = "out.gptrace",
    profile: str | Path | Profile | None = None,
    mode: str = "auto",
    data: str = "auto",
    dry: bool = False,
    profiling: bool = True,
    keep_raw: bool = False,
) -> CaptureResult:
    """Run a program and record what it asks of OpenCL.

    Parameters
    ----------
    command : sequence of str
        Program and arguments. It keeps this process's standard streams.
    output : str or Path
        Trace to write. A child process that used OpenCL as well gets ``NAME.PID.gptrace``.
    profile : str, Path or Profile, optional
        Device to present instead of the real one; see `gpusim.capture.profile.load_profile`.
    mode : str
        How the shim gets between program and runtime, one of `MODES`: as a layer of the OpenCL
        loader, preloaded, or in the place of libOpenCL.so. ``auto``: layer and preloaded at once,
        which catches programs with and without such a loader, linked and loading it by name.
    data : str
        Which buffer contents are kept, one of `DATA_MODES`.
    dry : bool
        Record without executing; what the program reads back is meaningless.
    profiling : bool
        Force profiling on every queue, hidden from the program, to get device times.
    keep_raw : bool
        Keep the raw log beside the trace.

    Raises
    ------
    CaptureError
        The program cannot be started or used no OpenCL, or the shim cannot be built.
    TraceError, OutputError
        The log is damaged, or a trace cannot be written. The raw log is kept then.
    """
    _check_choice("--mode", mode, MODES)
    _check_choice("--data", data, DATA_MODES)
    if not command:
        raise CaptureError(located("capture", "no program to run", expected="-- PROGRAM [ARG]..."))
    target = Path(output)
    stem = target.with_suffix("") if target.suffix == _SUFFIX else target
    if not target.parent.is_dir():
        raise OutputError(located(target, "folder does not exist", found=target.parent))
    if profile is not None and not isinstance(profile, Profile):
        profile = load_profile(profile)
    shim = build_shim()
    stem = stem.absolute()
    before = set(_logs(stem))
    with tempfile.TemporaryDirectory(prefix="gpusim-capture-") as work:
        environment = _environment(shim, mode, Path(work))
        environment["GPUSIM_SHIM_OUT"] = str(stem)
        environment["GPUSIM_SHIM_DATA"] = data
        if dry:
            environment["GPUSIM_SHIM_DRY"] = "1"
        if not profiling:
            environment["GPUSIM_SHIM_NO_PROFILING"] = "1"
        if profile is not None:
            flat = Path(work) / "profile.txt"
            lines = [f"profile={profile.id}"]
            lines += [f"{key}={value}" for key, value in profile.flat().items()]
            flat.write_text("\n".join(lines) + "\n", encoding="utf-8")
            environment["GPUSIM_SHIM_PROFILE"] = str(flat)
        exit_code, pid = _run(command, environment)
    logs = [path for path in _logs(stem) if path not in before]
    if not logs:
        raise CaptureError(
            located(
                command[0],
                "used no OpenCL that the shim could see; nothing was recorded",
                found=f"exit code {exit_code}",
            )
        )
    traces = _convert(logs, pid, target, stem)
    if not keep_raw:
        _remove_raw(logs, stem)
    return CaptureResult(exit_code=exit_code, traces=traces)


def _check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise CaptureError(located(option, "unknown", expected=" or ".join(choices), found=value))


def _logs(stem: Path) -> list[Path]:
    return sorted(stem.parent.glob(f"{_escaped(stem.name)}.*.gpraw"))


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _environment(shim: Shim, mode: str, work: Path) -> dict[str, str]:
    """Return the variables that put the shim between the program and its OpenCL runtime."""
    environment = runtime_environment(mode, shim.dropin, work)
    # One copy of the shim per process: where the drop-in is needed, it is everything at once.
    library = str(shim.dropin if "GPUSIM_REAL_OPENCL" in environment else shim.library)
    if any(c in library for c in " :"):
        raise CaptureError(
            located(
                library,
                "the dynamic linker cannot preload a path with blanks or colons; "
                "set GPUSIM_CACHE_DIR to another folder",
            )
        )
    if mode in ("auto", "layer"):
        environment["OPENCL_LAYERS"] = joined(library, "OPENCL_LAYERS")
        # The newest loaders take a layer of the older kind only when told so.
        environment["OCL_ICD_FORCE_LEGACY_TERMINATION"] = "1"
    if mode in ("auto", "preload"):
        environment["LD_PRELOAD"] = joined(library, "LD_PRELOAD")
    # Caches of compiled kernels would hide their text.
    environment["PYOPENCL_NO_CACHE"] = "1"
    environment["OPENCV_OPENCL_CACHE_ENABLE"] = "0"
    return environment


def _run(command: Sequence[str], extra: dict[str, str]) -> tuple[int, int]:
    """Run the program to its end; return exit code and process id."""
    environment = {key: value for key, value in os.environ.items() if key not in _CLEARED}
    try:
        process = subprocess.Popen(list(command), env=environment | extra)
    except OSError as error:
        raise CaptureError(located(command[0], "cannot be started", found=error.strerror)) from None
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            # The terminal sent it to the program as well; what it does with it is its affair.
            continue
    return (128 - code if code < 0 else code), process.pid


def _convert(logs: Sequence[Path], pid: int, target: Path, stem: Path) -> tuple[Captured, ...]:
    """Write one trace per log; the program's own, or else the first, gets the plain name."""
    started = {path: read_start(path) for path in logs}
    ordered = sorted(logs, key=lambda path: (started[path][0] != pid, started[path][1], path.name))
    captured = []
    for position, log in enumerate(ordered):
        own_pid = started[log][0]
        name = target if position == 0 else target.with_name(_child_name(log, stem))
        try:
            trace, _ = read_raw(log)
            write_trace(trace, name)
        except GpusimError as error:
            raise type(error)(f"{error}; the raw log is kept in {log}") from None
        captured.append(Captured(path=name, pid=own_pid, trace=trace))
    return tuple(captured)


def _child_name(log: Path, stem: Path) -> str:
    """Return NAME.PID.gptrace for NAME.PID.gpraw."""
    return f"{stem.name}{log.name.removeprefix(stem.name).removesuffix('.gpraw')}{_SUFFIX}"


def _remove_raw(logs: Sequence[Path], stem: Path) -> None:
    for log in logs:
        log.unlink(missing_ok=True)
    if _logs(stem):
        # Logs of an earlier capture use the same folder of blobs.
        return
    folder = stem.with_name(stem.name + ".gpblobs")
    for path in folder.iterdir() if folder.is_dir() else ():
        path.unlink()
    if folder.is_dir():
        folder.rmdir()
