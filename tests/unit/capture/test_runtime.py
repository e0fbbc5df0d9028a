"""Finding an OpenCL runtime: the system's, the one in Python wheels, or none."""

import sys

import pytest

from gpusim.capture import run, runtime
from gpusim.capture.runtime import runtime_environment, wheel_runtime
from gpusim.errors import CaptureError
from tests.conftest import need


@pytest.fixture
def no_drivers(monkeypatch, tmp_path):
    """Hide the machine's registered drivers."""
    monkeypatch.setattr(runtime, "_VENDORS", tmp_path / "none")
    for name in ("OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "GPUSIM_REAL_OPENCL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_library(monkeypatch):
    """Hide the machine's OpenCL library."""
    monkeypatch.setattr(runtime, "system_library", lambda: None)


def driver_of(trace) -> str:
    return trace.devices[0]["real"]["CL_PLATFORM_VERSION"]


def test_driver_from_the_wheel(captured, no_drivers):
    need(wheel_runtime(), "PoCL as a wheel (pocl-binary-distribution)")
    trace = captured("basic", "2", profile="mali-g72")
    assert "PoCL 3.0-rc2" in driver_of(trace)
    assert len(trace.launches) == 2


@pytest.mark.parametrize(
    ("program", "arguments"), [("basic", ["2"]), ("byname", ["libOpenCL.so.1"])]
)
def test_loader_and_driver_from_wheels(captured, no_drivers, no_library, program, arguments):
    need(wheel_runtime(), "PoCL as a wheel (pocl-binary-distribution)")
    trace = captured(program, *arguments, linked=program == "basic", profile="mali-g72")
    assert trace.launches
    assert trace.devices[0]["presented"]["CL_DEVICE_NAME"] == "Mali-G72"


def test_python_with_wheels_only(opencl, no_drivers, no_library, tmp_path):
    need(wheel_runtime(), "PoCL as a wheel (pocl-binary-distribution)")
    text = "import pyopencl as cl; print(cl.get_platforms()[0].get_devices()[0].name)"
    target = tmp_path / "t.gptrace"
    result = run.capture([sys.executable, "-c", text], output=target, profile="mali-g72")
    assert result.exit_code == 0
    assert len(result.traces) == 1


def test_nothing_at_all(no_drivers, no_library, monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "wheel_runtime", lambda: None)
    with pytest.raises(CaptureError, match=r"no OpenCL driver .*pip install 'gpusim\[pocl\]'"):
        runtime_environment("auto", tmp_path / "libOpenCL.so.1", tmp_path)


def test_library_that_is_its_own_driver(no_drivers, monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "wheel_runtime", lambda: None)
    monkeypatch.setattr(runtime, "system_library", lambda: tmp_path / "libmali.so")
    assert runtime_environment("auto", tmp_path / "libOpenCL.so.1", tmp_path) == {}
    dropin = runtime_environment("dropin", tmp_path / "d" / "libOpenCL.so.1", tmp_path)
    assert dropin["GPUSIM_REAL_OPENCL"] == str(tmp_path / "libmali.so")
    assert dropin["LD_LIBRARY_PATH"].split(":")[0] == str(tmp_path / "d")


def test_lists_keep_what_they_had(monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", "/lib/other.so")
    assert runtime.joined("/shim.so", "LD_PRELOAD") == "/shim.so:/lib/other.so"
    monkeypatch.delenv("LD_PRELOAD")
    assert runtime.joined("/shim.so", "LD_PRELOAD") == "/shim.so"


def test_paths_that_cannot_be_preloaded(opencl, monkeypatch, tmp_path):
    monkeypatch.setenv("GPUSIM_CACHE_DIR", str(tmp_path / "with blank"))
    with pytest.raises(CaptureError, match="set GPUSIM_CACHE_DIR to another folder"):
        run.capture(["true"], output=tmp_path / "t.gptrace")
