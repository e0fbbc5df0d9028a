"""The clang front end as a limited child process that can read nothing but what it is given.

Clang runs as ``clang -cc1`` on a virtual file system that holds the program, its headers and our
base header; ``redirect-only`` keeps every other path, ``/etc/passwd`` included, out of reach of
``#include``, ``#include_next``, ``__has_include`` and ``#embed`` alike. Time, memory and output
are limited.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from gpusim.compiler.cache import content_key, read_entry, write_entry
from gpusim.compiler.limits import CompileLimits, how_to_raise
from gpusim.compiler.options import FrontEndOptions
from gpusim.errors import CompileError, located

MINIMUM_MAJOR = 15
"""Opaque pointers and ``-fdeclare-opencl-builtins`` of all families need at least this clang."""
MAXIMUM_MAJOR = 22
"""LLVM inside llvmlite 0.50; text of a newer clang may not parse."""

_LONGEST_LINE = 20_000
"""Characters; a program with longer lines gets no line numbers."""

BASE_HEADER = Path(__file__).parent / "builtins" / "opencl_base.h"
_MAIN = "/main/source.cl"
_HEADERS = "/program"
_BASE = "/gpusim/opencl_base.h"

_EXTENSIONS = (
    "-all,+cl_khr_fp16,+cl_khr_fp64,+cl_khr_byte_addressable_store,"
    "+cl_khr_global_int32_base_atomics,+cl_khr_global_int32_extended_atomics,"
    "+cl_khr_local_int32_base_atomics,+cl_khr_local_int32_extended_atomics,"
    "+cl_khr_int64_base_atomics,+cl_khr_int64_extended_atomics,"
    "+cl_khr_image2d_from_buffer,+cl_khr_depth_images,+cl_khr_3d_image_writes,"
    "+__opencl_c_fp64,+__opencl_c_images,+__opencl_c_3d_image_writes,"
    "+__opencl_c_read_write_images,+__opencl_c_int64,"
    "+__opencl_c_generic_address_space,+__opencl_c_program_scope_global_variables"
)
"""Features whose use must parse, so that what gpusim refuses is refused by name and not as an
unknown identifier."""

_DIAGNOSTIC = re.compile(
    r"^(?P<file>/[^:]*):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<text>.*)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clang:
    """A usable clang."""

    command: tuple[str, ...]
    """Words before ``-cc1``."""
    version: str
    origin: str
    """``ziglang`` or ``system``."""

    @property
    def major(self) -> int:
        """Major version."""
        return int(self.version.split(".")[0])


def _probe(command: tuple[str, ...], origin: str) -> Clang | None:
    """Ask a clang for its version, once per executable: starting it takes a while."""
    try:
        status = Path(command[0]).stat()
    except OSError:
        return None
    key = content_key("clang", *command, f"{status.st_mtime_ns} {status.st_size}")
    known = read_entry(key, "clang")
    if known is not None:
        return Clang(command=command, version=known.decode(), origin=origin)
    try:
        text = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"clang version (\d+\.\d+\.\d+)", text)
    if match is None:
        return None
    write_entry(key, "clang", match[1].encode())
    return Clang(command=command, version=match[1], origin=origin)


def _candidates() -> list[tuple[tuple[str, ...], str]]:
    found: list[tuple[tuple[str, ...], str]] = []
    spec = find_spec("ziglang")
    if spec is not None and spec.origin is not None:
        # The executable itself: `python -m ziglang` would only exec it, 20 ms later.
        name = "zig.exe" if sys.platform == "win32" else "zig"
        found.append(((str(Path(spec.origin).with_name(name)), "clang"), "ziglang"))
    names = ["clang", *(f"clang-{major}" for major in range(MAXIMUM_MAJOR, MINIMUM_MAJOR - 1, -1))]
    found.extend(((path,), "system") for name in names if (path := shutil.which(name)))
    return found


@cache
def find_clang() -> Clang:
    """Return the clang to use: that of the ``ziglang`` package, else one on the PATH.

    Raises
    ------
    CompileError
        None of a supported version is installed.
    """
    for command, origin in _candidates():
        clang = _probe(command, origin)
        if clang is not None and MINIMUM_MAJOR <= clang.major <= MAXIMUM_MAJOR:
            return clang
    raise CompileError(
        located(
            "clang",
            "no usable OpenCL front end; pip install ziglang, or put a clang on the PATH",
            expected=f"clang {MINIMUM_MAJOR} to {MAXIMUM_MAJOR}",
        )
    )


@cache
def front_end_version() -> str:
    """Return name and version of the front end without starting it where that is possible."""
    from importlib.metadata import PackageNotFoundError, version

    if find_spec("ziglang") is not None:
        try:
            return f"ziglang-{version('ziglang')}"
        except PackageNotFoundError:
            pass
    return f"clang-{find_clang().version}"


def clang_to_ir(
    source: str,
    options: FrontEndOptions,
    headers: Mapping[str, str],
    *,
    where: str,
    limits: CompileLimits | None = None,
) -> str:
    """Compile OpenCL C to unoptimised spir64 LLVM IR.

    Parameters
    ----------
    source : str
        OpenCL C.
    options : FrontEndOptions
        Standard, macros, include folders, fast-math flags.
    headers : mapping of str to str
        Name (relative, ``/`` separated) to text; the only files that ``#include`` finds.
    where : str
        Name of the program, for messages.
    limits : CompileLimits, optional
        Time, memory and text allowed.

    Returns
    -------
    str
        LLVM IR as text, with line tables, before any optimisation.

    Raises
    ------
    CompileError
        The program does not compile, is too large, or runs into a limit.
    """
    clang = find_clang()
    limits = limits or CompileLimits()
    size = len(source) + sum(map(len, headers.values()))
    if size > limits.source_bytes:
        raise CompileError(
            located(
                where,
                "program text is too large",
                expected=f"at most {limits.source_bytes} characters, "
                f"{how_to_raise('source_bytes')}",
                found=size,
            )
        )
    with tempfile.TemporaryDirectory(prefix="gpusim-") as name:
        folder = Path(name)
        overlay = _write_overlay(folder, source, headers, where=where)
        # Clang scans a line anew for each instruction on it: minutes for a program on one line.
        longest = max(map(len, source.split("\n")))
        has_lines = longest <= _LONGEST_LINE
        command = [*clang.command, *_arguments(options, headers, overlay, has_lines=has_lines)]
        return _run(command, folder, limits, where=where)


def _write_overlay(folder: Path, source: str, headers: Mapping[str, str], *, where: str) -> Path:
    files = {_MAIN: source, _BASE: BASE_HEADER.read_text()}
    for name, text in headers.items():
        files[f"{_HEADERS}/{_header_name(name, where=where)}"] = text
    roots = []
    for number, (virtual, text) in enumerate(files.items()):
        real = folder / f"{number}.txt"
        real.write_bytes(text.encode("utf-8", "surrogateescape"))
        roots.append({"type": "file", "name": virtual, "external-contents": str(real)})
    overlay = folder / "overlay.yaml"
    overlay.write_text(
        json.dumps(
            {
                "version": 0,
                "case-sensitive": "true",
                "use-external-names": "false",
                "redirecting-with": "redirect-only",
                "roots": roots,
            },
            ensure_ascii=False,
        )
    )
    return overlay


def _header_name(name: str, *, where: str) -> str:
    parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
    if name.startswith("/") or not name.isprintable() or not all(parts) or ".." in parts:
        raise CompileError(
            located(where, "header name is not a relative path", found=ascii(name)[:80])
        )
    return "/".join(parts)


def _arguments(
    options: FrontEndOptions, headers: Mapping[str, str], overlay: Path, *, has_lines: bool
) -> Sequence[str]:
    includes = [f"-I{_HEADERS}"] if headers else []
    includes += [f"-I{_HEADERS}/{folder}" for folder in options.include_dirs if folder and headers]
    return [
        "-cc1",
        "-triple",
        "spir64",
        "-emit-llvm",
        "-O2",
        "-disable-llvm-passes",
        "-discard-value-names",
        "-x",
        "cl",
        f"-cl-std={options.standard}",
        f"-cl-ext={_EXTENSIONS}",
        *options.math,
        "-ffp-contract=on",
        # Endless loops stay endless: clang may not promise that they end.
        "-fno-finite-loops",
        "-fdeclare-opencl-builtins",
        "-cl-kernel-arg-info",
        *(["-debug-info-kind=line-tables-only", "-gno-column-info"] if has_lines else []),
        "-nostdsysteminc",
        "-nobuiltininc",
        "-fno-caret-diagnostics",
        "-ferror-limit",
        "3",
        "-w",
        "-D__OPENCL_VERSION__=200",
        *options.macros,
        "-ivfsoverlay",
        str(overlay),
        *includes,
        "-include",
        _BASE,
        "-main-file-name",
        "source.cl",
        _MAIN,
        "-o",
        "-",
    ]


def _run(command: Sequence[str], folder: Path, limits: CompileLimits, *, where: str) -> str:
    output, errors = folder / "output", folder / "errors"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": str(folder)},
        )
        limit_process(
            process.pid,
            seconds=limits.front_end_seconds,
            memory_bytes=limits.front_end_memory_bytes,
            output_bytes=limits.front_end_output_bytes,
        )
        wall_seconds = 2 * limits.front_end_seconds
        try:
            code = process.wait(timeout=wall_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise CompileError(
                located(
                    where,
                    f"the front end did not finish in {wall_seconds:g} s "
                    f"({how_to_raise('front_end_seconds')})",
                )
            ) from None
    if code == 0:
        return output.read_bytes().decode("utf-8", "replace")
    with errors.open("rb") as stream:
        text = stream.read(1 << 16).decode("utf-8", "replace")
    raise CompileError(_first_error(text, code, limits, where=where))


def limit_process(pid: int, *, seconds: float, memory_bytes: int, output_bytes: int) -> None:
    """Limit a child's processor time, memory, output and core dumps, where the system can."""
    if sys.platform != "linux":
        return
    import resource

    limits = {
        resource.RLIMIT_CPU: max(1, math.ceil(seconds)),
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: output_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in limits.items():
        try:
            resource.prlimit(pid, kind, (value, value))
        except ProcessLookupError:
            return
        except (OSError, ValueError):
            continue  # A stricter limit of the whole session stays in force.


def _first_error(text: str, code: int, limits: CompileLimits, *, where: str) -> str:
    for line in text.splitlines():
        match = _DIAGNOSTIC.match(line)
        if match:
            file = match["file"]
            place = f"{where}:{match['line']}"
            if file.startswith(_HEADERS + "/"):
                place = f"{where}: {file.removeprefix(_HEADERS + '/')}:{match['line']}"
            return located(place, match["text"])
    for line in text.splitlines():
        if line.startswith("error: "):
            return located(where, line.removeprefix("error: "))
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return located(
            where,
            f"the front end ran out of its {limits.front_end_seconds:g} s of processor time "
            f"({how_to_raise('front_end_seconds')})",
        )
    if code == -signal.SIGXFSZ:
        expected = f"at most {limits.front_end_output_bytes} bytes"
        return located(
            where,
            f"the program's IR is too large ({how_to_raise('front_end_output_bytes')})",
            expected=expected,
        )
    reason = f"exit code {code}"
    if code < 0:
        reason = (
            f"it ran out of its {limits.front_end_memory_bytes} bytes of memory "
            f"({how_to_raise('front_end_memory_bytes')}) or of nesting depth"
        )
    return located(where, f"the front end failed: {reason}")
