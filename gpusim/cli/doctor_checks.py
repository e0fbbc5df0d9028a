"""The checks behind ``gpusim doctor``: each tries a thing out instead of looking for its name."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gpusim.errors import GpusimError
from gpusim.resources import cache_dir, traces_dir

_TIMEOUT_S = 120
_MINIMUM_PYTHON = (3, 11)
_KERNEL = "kernel void twice(global int *x) { x[get_global_id(0)] *= 2; }\n"
_JIT = "import numba; print(numba.njit(lambda x: x + 1)(41))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Outcome of one check."""

    name: str
    group: str
    """``core``, ``demo``, ``capture``, ``oracle`` (tests) or ``extra``; only ``core`` decides the
    exit code."""
    status: str
    """``ok``, ``missing`` or ``broken``."""
    found: str
    """Version or place; what went wrong when broken."""
    use: str
    """What it is for."""
    get: str = ""
    """How to get it, when it is not ok."""


def run_checks() -> list[Check]:
    """Run every check; none raises and none can be taken down by a crashing driver."""
    checks: tuple[Callable[[], list[Check]], ...] = (
        _python,
        _packages,
        _llvm,
        _numba,
        _clang,
        _cache,
        _models,
        _traces,
        _shim_compiler,
        _opencl,
        _tools,
        _extras,
    )
    # Most of the time is spent waiting for children.
    with ThreadPoolExecutor() as pool:
        return [check for group in pool.map(_guarded, checks) for check in group]


def _guarded(check: Callable[[], list[Check]]) -> list[Check]:
    try:
        return check()
    except Exception as error:
        # A broken installation can fail anywhere; to say so is this command's purpose.
        return [
            Check(
                name=check.__name__.strip("_"),
                group="core",
                status="broken",
                found=f"{type(error).__name__}: {' '.join(str(error).split())}",
                use="everything",
                get="pip install --force-reinstall gpusim",
            )
        ]


def _run(command: list[str], *, text: str = "") -> tuple[bool, str]:
    """Run a child; return whether it succeeded, and its output or its last line of error."""
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, " ".join(str(error).split())
    if done.returncode == 0:
        return True, done.stdout
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return False, lines[-1].strip()


def _python() -> list[Check]:
    ok = sys.version_info >= _MINIMUM_PYTHON
    return [
        Check(
            name="Python",
            group="core",
            status="ok" if ok else "broken",
            found=f"{platform.python_version()} at {sys.executable}",
            use="everything",
            get="" if ok else "Python 3.11 or newer (Debian: apt install python3.11 or later)",
        )
    ]


def _packages() -> list[Check]:
    required = importlib.metadata.requires("gpusim") or []
    names = [re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in required if "extra ==" not in line]
    missing = [name for name in names if _version(name) is None]
    return [
        Check(
            name="Python packages",
            group="core",
            status="missing" if missing else "ok",
            found=f"missing: {', '.join(missing)}" if missing else f"{len(names)} installed",
            use="everything",
            get="pip install gpusim" if missing else "",
        )
    ]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _llvm() -> list[Check]:
    program = (
        "import llvmlite, llvmlite.binding as b; b.initialize_native_target();"
        "b.initialize_native_asmprinter();"
        "e = b.create_mcjit_compiler(b.parse_assembly('define i32 @f() { ret i32 42 }'),"
        "b.Target.from_default_triple().create_target_machine());"
        "import ctypes; f = ctypes.CFUNCTYPE(ctypes.c_int)(e.get_function_address('f'));"
        "assert f() == 42; print(llvmlite.__version__, *b.llvm_version_info)"
    )
    ok, text = _run([sys.executable, "-c", program])
    if ok:
        version, *llvm = text.split()
        text = f"llvmlite {version}, LLVM {'.'.join(llvm)}, runs native code"
    return [
        Check(
            name="LLVM",
            group="core",
            status="ok" if ok else "broken",
            found=text,
            use="counting instructions by executing kernels",
            get="" if ok else "pip install --force-reinstall llvmlite",
        )
    ]


def _numba() -> list[Check]:
    ok, text = _run([sys.executable, "-c", _JIT])
    ok = ok and text.split() == ["42"]
    return [
        Check(
            name="Numba",
            group="core",
            status="ok" if ok else "broken",
            found=f"{_version('numba')}, compiles" if ok else text,
            use="the fast loops",
            get="" if ok else "pip install --force-reinstall numba",
        )
    ]


def _clang() -> list[Check]:
    from gpusim.compiler import find_clang

    use = "compiling OpenCL C"
    try:
        clang = find_clang()
    except GpusimError as error:
        get = "pip install ziglang (Debian: apt install clang)"
        return [
            Check(name="clang", group="core", status="missing", found=str(error), use=use, get=get)
        ]
    arguments = ["-cc1", "-triple", "spir64-unknown-unknown", "-cl-std=CL1.2", "-x", "cl"]
    arguments += ["-fdeclare-opencl-builtins", "-emit-llvm", "-o", "-", "-"]
    source = "typedef __SIZE_TYPE__ size_t;\n" + _KERNEL
    ok, text = _run([*clang.command, *arguments], text=source)
    ok = ok and "spir_kernel" in text
    return [
        Check(
            name="clang",
            group="core",
            status="ok" if ok else "broken",
            found=f"{clang.version} ({clang.origin}), compiles OpenCL C" if ok else text,
            use=use,
            get="" if ok else "pip install --force-reinstall ziglang (Debian: apt install clang)",
        )
    ]


def _cache() -> list[Check]:
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"gpusim")
        problem = ""
    except OSError as error:
        problem = f"{folder}: {error.strerror}"
    return [
        Check(
            name="disk cache",
            group="core",
            status="broken" if problem else "ok",
            found=problem or f"{folder} is writable",
            use="compiled kernels and counts are kept there",
            get="set GPUSIM_CACHE_DIR to a folder you can write" if problem else "",
        )
    ]


def _models() -> list[Check]:
    from gpusim.device import list_devices, load_device

    try:
        found, status = f"{len([load_device(name) for name in list_devices()])} devices", "ok"
    except GpusimError as error:
        found, status = str(error), "broken"
    return [
        Check(
            name="device models",
            group="core",
            status=status,
            found=found,
            use="what launches are replayed on",
            get="" if status == "ok" else "correct the file named, or reinstall gpusim",
        )
    ]


def _traces() -> list[Check]:
    folder = traces_dir()
    n_traces = len(list(folder.glob("*.gptrace")))
    return [
        Check(
            name="sample traces",
            group="demo",
            status="ok" if n_traces else "missing",
            found=f"{n_traces} in {folder}",
            use="gpusim demo",
            get="" if n_traces else "reinstall gpusim; traces/ belongs to it",
        )
    ]


def _shim_compiler() -> list[Check]:
    candidates = [[path] for name in ("cc", "gcc", "clang") if (path := shutil.which(name))]
    if find_spec("ziglang") is not None:
        candidates.append([sys.executable, "-m", "ziglang", "cc"])
    problem = "no cc, gcc, clang or ziglang"
    for command in candidates:
        with tempfile.TemporaryDirectory(prefix="gpusim-") as folder:
            source, library = Path(folder, "probe.c"), Path(folder, "probe.so")
            source.write_text('#include <stdio.h>\nint probe(void) { return puts(""); }\n')
            ok, text = _run([*command, "-shared", "-fPIC", "-o", str(library), str(source)])
            if ok and library.exists():
                return [_capture("C compiler", "ok", " ".join(command), "building the shim")]
            problem = f"{' '.join(command)}: {text}"
    get = "apt install gcc libc6-dev, or pip install ziglang"
    return [_capture("C compiler", "missing", problem, "building the shim", get)]


def _capture(name: str, status: str, found: str, use: str, get: str = "") -> Check:
    return Check(name=name, group="capture", status=status, found=found, use=use, get=get)


def _opencl() -> list[Check]:
    """Ask the loader in a child; what it said before a crash still counts."""
    command = [sys.executable, "-m", "gpusim.cli.opencl_probe"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        output, error = done.stdout, done.stderr.strip().splitlines()
        crash = "" if done.returncode == 0 else f"exit status {done.returncode}"
        crash = f"{crash}: {error[-1].strip()}" if crash and error else crash
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout.decode() if isinstance(expired.stdout, bytes) else ""
        crash = f"no answer in {_TIMEOUT_S} s"
    devices = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    checks = [_opencl_device(device) for device in devices]
    if crash:
        get = "remove the driver that crashes (/etc/OpenCL/vendors), see OCL_ICD_VENDORS"
        checks.append(_capture("OpenCL loader", "broken", crash, "executing programs", get))
    if not any(check.status == "ok" and "PoCL" in check.name for check in checks):
        get = "pip install 'gpusim[pocl]' (Debian: apt install pocl-opencl-icd)"
        found = "the loader offers no working PoCL"
        checks.append(_capture("PoCL", "missing", found, "executing captured programs", get))
    return checks


def _opencl_device(device: dict[str, str]) -> Check:
    is_pocl = device["platform"] == "Portable Computing Language"
    problem = device["problem"]
    return _capture(
        f"OpenCL: {'PoCL' if is_pocl else device['platform']}",
        "broken" if problem else "ok",
        problem or f"{device['version']}; {device['device']}; runs a kernel",
        "executing captured programs",
        "reinstall this OpenCL driver" if problem else "",
    )


def _tool(name: str, group: str, found: str, use: str, get: str) -> Check:
    status = "ok" if found else "missing"
    return Check(
        name=name, group=group, status=status, found=found, use=use, get="" if found else get
    )


def _tools() -> list[Check]:
    oclgrind = shutil.which("oclgrind") or ""
    if oclgrind:
        ok, text = _run([oclgrind, "--version"])
        version = re.search(r"[0-9]+\.[0-9]+(\.[0-9]+)?", text)
        oclgrind = f"{version[0]} at {oclgrind}" if ok and version else ""
    emulators = [name for name in ("qemu-aarch64", "qemu-arm") if shutil.which(name)]
    return [
        _tool("Oclgrind", "oracle", oclgrind, "checking counts in tests", "apt install oclgrind"),
        _tool(
            "CLBlast",
            "capture",
            ctypes.util.find_library("clblast") or "",
            "capturing its kernels in the demo and in tests",
            "apt install libclblast-dev",
        ),
        _tool(
            "QEMU",
            "oracle",
            ", ".join(emulators),
            "trying a shim that was built for a board",
            "apt install qemu-user libc6-arm64-cross libc6-armhf-cross",
        ),
    ]


def _extras() -> list[Check]:
    extras = (
        ("onnx", "onnx", "reading networks"),
        ("cluster", "distributed", "sweeps on a cluster"),
        ("sass", "nvidia-cuda-nvcc-cu12", "real machine code of Jetson kernels"),
    )
    return [
        _tool(
            f"extra: {extra}",
            "extra",
            f"{package} {version}" if (version := _version(package)) else "",
            use,
            f"pip install 'gpusim[{extra}]'",
        )
        for extra, package, use in extras
    ]
