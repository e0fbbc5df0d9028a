"""Captures of programs that we did not write: CLBlast, OpenCV."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from gpusim.capture.run import capture
from gpusim.trace import load_trace
from tests.conftest import need

SGEMM = Path(__file__).resolve().parent / "programs" / "sgemm.c"


@pytest.fixture(scope="module")
def sgemm(opencl, tmp_path_factory):
    need(
        any(Path("/usr/include").glob("**/clblast_c.h")) and shutil.which("gcc"),
        "CLBlast's C header (libclblast-dev)",
    )
    program = tmp_path_factory.mktemp("clblast") / "sgemm"
    libraries = ["-lclblast", "-lOpenCL"]
    options = ["-DCL_TARGET_OPENCL_VERSION=120", "-o", str(program)]
    subprocess.run(["gcc", str(SGEMM), *options, *libraries], check=True)
    return str(program)


@pytest.mark.clblast
def test_clblast_takes_its_path_for_arm(sgemm, tmp_path, capfd):
    kernels = {}
    sums = []
    for profile in (None, "mali-g72"):
        target = tmp_path / f"{profile}.gptrace"
        assert capture([sgemm], output=target, profile=profile).exit_code == 0
        trace = load_trace(target)
        kernels[profile] = [launch.kernel for launch in trace.launches]
        sums.append(capfd.readouterr().out)
    assert kernels[None] == ["XgemmDirectTN"]
    assert "Xgemm" in kernels["mali-g72"]
    assert any(name.startswith("Transpose") for name in kernels["mali-g72"])
    assert sums[0] == sums[1] != ""


@pytest.mark.clblast
def test_clblast_computes_the_same_in_every_mode(sgemm, tmp_path, capfd):
    outputs = set()
    for mode in ("layer", "preload", "dropin"):
        capture([sgemm], output=tmp_path / "t.gptrace", mode=mode)
        outputs.add(capfd.readouterr().out)
        assert len(load_trace(tmp_path / "t.gptrace").launches) == 1
    assert len(outputs) == 1


def test_opencv(opencl, tmp_path, capfd):
    need(find_spec("cv2"), "opencv-python-headless")
    script = tmp_path / "blur.py"
    script.write_text(
        "import cv2, numpy as np\n"
        "cv2.ocl.setUseOpenCL(True)\n"
        "print(cv2.ocl.Device.getDefault().name(), cv2.ocl.useOpenCL())\n"
        "pixels = np.arange(240 * 320, dtype=np.uint32).astype(np.uint8).reshape(240, 320)\n"
        "blurred = cv2.GaussianBlur(cv2.UMat(pixels), (5, 5), 1.0)\n"
        "small = cv2.resize(blurred, (160, 120)).get()\n"
        "cv2.ocl.setUseOpenCL(False)\n"
        "plain = cv2.resize(cv2.GaussianBlur(pixels, (5, 5), 1.0), (160, 120))\n"
        "assert np.abs(small.astype(int) - plain).max() <= 1\n"
    )
    target = tmp_path / "cv.gptrace"
    # OpenCV asks for a GPU only; without a profile it finds none here and uses no OpenCL.
    assert capture([sys.executable, str(script)], output=target, profile="mali-g72").exit_code == 0
    assert capfd.readouterr().out == "Mali-G72 True\n"
    trace = load_trace(target)
    kernels = {launch.kernel for launch in trace.launches}
    assert "resizeLN" in kernels
    assert len(kernels) >= 2
    # Its own cache of binaries is off, so the text of every kernel is there.
    assert {program.kind for program in trace.programs.values()} == {"source"}
