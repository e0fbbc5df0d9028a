"""Compiled test programs, and captures of them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gpusim.capture.run import CaptureResult, capture
from gpusim.capture.runtime import has_system_vendor, system_library
from gpusim.capture.shim_source import SHIM_DIR
from gpusim.trace import load_trace
from gpusim.trace.records import Trace
from tests.conftest import need

STRICT_GCC = ("gcc", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror", f"-I{SHIM_DIR}")
PROGRAMS = Path(__file__).resolve().parent / "programs"


@pytest.fixture(scope="session")
def opencl():
    """Skip without a system OpenCL loader, a driver below it and a C compiler."""
    need(shutil.which("gcc"), "gcc")
    need(system_library(), "an OpenCL loader (libOpenCL.so.1)")
    need(has_system_vendor(), "an OpenCL driver (pocl-opencl-icd)")


@pytest.fixture(scope="session")
def compiled(opencl, tmp_path_factory):
    """Return a function that compiles a test program once and returns its path."""
    folder = tmp_path_factory.mktemp("programs")

    def compile_program(name: str, *, linked: bool = True) -> str:
        target = folder / name
        if not target.exists():
            library = ["-l:libOpenCL.so.1"] if linked else ["-ldl"]
            subprocess.run(
                [*STRICT_GCC, str(PROGRAMS / f"{name}.c"), "-o", str(target), *library],
                check=True,
            )
        return str(target)

    return compile_program


@pytest.fixture
def captured(compiled, tmp_path):
    """Return a function that captures a test program and returns its trace.

    The program must succeed; `captured.result` is what `capture` returned last.
    """

    class Captured:
        result: CaptureResult

        def __call__(self, program: str, *arguments: str, exit_code: int = 0, **options) -> Trace:
            linked = options.pop("linked", True)
            self.result = capture(
                [compiled(program, linked=linked), *arguments],
                output=tmp_path / "t.gptrace",
                **options,
            )
            assert self.result.exit_code == exit_code
            return load_trace(self.result.traces[0].path)

    return Captured()
