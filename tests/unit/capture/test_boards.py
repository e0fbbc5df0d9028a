"""The shim on ARM boards, under qemu: drivers that export OpenCL themselves, without a loader."""

import shutil
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from gpusim.capture.build import build_shim
from gpusim.capture.raw import read_raw
from gpusim.capture.shim_source import SHIM_DIR
from gpusim.trace.records import ArgumentKind
from tests.conftest import need
from tests.unit.capture.conftest import PROGRAMS

TARGETS = {
    "aarch64-linux-gnu": ("qemu-aarch64", "/usr/aarch64-linux-gnu"),
    "arm-linux-gnueabihf": ("qemu-arm", "/usr/arm-linux-gnueabihf"),
}
LAUNCHES = 500

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=TARGETS)
def board(request, tmp_path_factory):
    """Return target, emulator command and folder of the programs and the driver for a target."""
    emulator, libraries = TARGETS[request.param]
    need(shutil.which(emulator), f"{emulator} (qemu-user)")
    need(Path(libraries, "lib").is_dir(), f"the C library in {libraries}")
    need(find_spec("ziglang"), "ziglang")
    folder = tmp_path_factory.mktemp(request.param)
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", f"{request.param}.2.17", "-O1"]
    zig += ["-Wall", "-Wextra", "-Werror", f"-I{SHIM_DIR}"]
    driver = ["-shared", "-fPIC", str(PROGRAMS / "fake_mali.c"), "-Wl,-soname,libmali.so"]
    program = str(PROGRAMS / "board.c")
    linked = ["-DLINKED", program, f"-L{folder}", "-lmali"]
    for arguments, name in (
        (driver, "libmali.so"),
        ([program, "-ldl"], "byname"),
        (linked, "linked"),
    ):
        subprocess.run([*zig, *arguments, "-o", str(folder / name)], check=True)
    return request.param, [emulator, "-L", libraries], folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["preload-linked", "preload-byname", "dropin"])
def test_board(board, way, tmp_path):
    target, emulator, folder = board
    shim = build_shim(target, tmp_path / "shim")
    variables = {"GPUSIM_SHIM_OUT": str(tmp_path / "b"), "LD_LIBRARY_PATH": str(folder)}
    if way == "dropin":
        variables["GPUSIM_REAL_OPENCL"] = str(folder / "libmali.so")
        variables["LD_LIBRARY_PATH"] = str(shim.dropin.parent)
        command = [str(folder / "byname"), "libOpenCL.so"]
    else:
        variables["LD_PRELOAD"] = str(shim.library)
        name = way.removeprefix("preload-")
        command = [str(folder / name), "libmali.so"]
    settings = [item for name, value in variables.items() for item in ("-E", f"{name}={value}")]
    done = subprocess.run(
        [*emulator, *settings, *command, str(LAUNCHES)], capture_output=True, text=True, check=True
    )
    # Nothing went wrong in the program; what is not OpenCL still comes from the driver, unless
    # the library was replaced as a whole.
    egl = -1 if way == "dropin" else 77
    assert done.stdout == f"0 0 5 3 Mali-T628 {egl}\n"
    (log,) = tmp_path.glob("b.*.gpraw")
    trace, _ = read_raw(log)
    assert len(trace.launches) == LAUNCHES
    assert all(launch.times is not None for launch in trace.launches)
    assert trace.manifest["provenance"]["mechanism"] == way.split("-")[0]
    assert trace.manifest["provenance"]["pointer_bits"] == (64 if "64" in target else 32)
    assert trace.manifest["completeness"]["unrecorded_calls"] == ["clEnqueueNativeKernel"]
    # The driver does not say what its parameters are; on 32 bits an int 0 is no null pointer.
    kinds = [tuple(a.kind for a in launch.arguments) for launch in trace.launches]
    assert set(kinds) == {(ArgumentKind.BUFFER, ArgumentKind.VALUE, ArgumentKind.LOCAL)}
    values = Counter(launch.arguments[1].value[0] for launch in trace.launches)
    assert values == {0: 125, 1: 125, 2: 125, 3: 125}
    # The driver's own calls of its exported functions are not the program's.
    assert [command.name for command in trace.commands].count("clFinish") == LAUNCHES // 100 + 1


def test_cross_built_shim_is_cached(board):
    target, _, _ = board
    first = build_shim(target)
    assert build_shim(target) == first
    assert first.dropin.with_name("libOpenCL.so").resolve() == first.dropin
