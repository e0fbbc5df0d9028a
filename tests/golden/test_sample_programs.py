"""The programs behind the sample traces compute what they say and touch memory as documented."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpusim.resources import traces_dir
from tests.conftest import need

PROGRAMS = traces_dir() / "programs"


def _run(*words, **environment):
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def _opencl():
    import pyopencl as cl

    try:
        platforms = cl.get_platforms()
    except cl.LogicError:
        platforms = []
    need(platforms, "an OpenCL runtime")


@pytest.mark.usefixtures("_opencl")
@pytest.mark.parametrize("channels", [1, 6, 93])
def test_layer_equals_numpy(channels):
    done = _run(PROGRAMS / "resnet50_l16.py", "--channels", channels, "--runs", 1, "--check")
    assert done.returncode == 0, done.stderr
    assert "largest difference from NumPy" in done.stdout


@pytest.mark.usefixtures("_opencl")
@pytest.mark.parametrize("n", [1, 63, 8193])
def test_reduction_equals_numpy(n):
    done = _run(PROGRAMS / "reduction.py", "--n", n, "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["--channels", "0"], ["--channels", "x"], []])
def test_wrong_arguments_are_refused(words):
    done = _run(PROGRAMS / "resnet50_l16.py", *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def _accesses(counts: str) -> dict[str, int]:
    """Sum Oclgrind's loads, stores, vloads and vstores per kernel (one run of each)."""
    found = {}
    blocks = re.split(r"Instructions executed for kernel '(\w+)':", counts)
    for kernel, text in zip(blocks[1::2], blocks[2::2], strict=True):
        lines = re.findall(r"^\s+(\d+) - (.*)$", text, re.MULTILINE)
        found[kernel] = sum(
            int(number)
            for number, operation in lines
            if operation.startswith(("load", "store"))
            or "vload" in operation
            or "vstore" in operation
        )
    return found


@pytest.mark.slow
@pytest.mark.oclgrind
@pytest.mark.parametrize("channels", [5, 97])
def test_memory_accesses_are_the_documented_ones(tmp_path, channels):
    """Oclgrind, an independent simulator, against the table in traces/README.md."""
    need(shutil.which("oclgrind"), "oclgrind")
    driver = Path(shutil.which("oclgrind")).parent.parent / "lib/oclgrind/liboclgrind-rt-icd.so"
    need(driver.is_file(), "Oclgrind's OpenCL driver")
    (tmp_path / "oclgrind.icd").write_text(f"{driver}\n", encoding="utf-8")
    done = _run(
        PROGRAMS / "resnet50_l16.py",
        *("--channels", channels, "--runs", 1, "--check"),
        OCL_ICD_VENDORS=str(tmp_path),
        OCLGRIND_INST_COUNTS="1",
    )
    # Oclgrind 21.10 may crash at exit, after it has printed everything.
    assert "largest difference" in done.stdout, done.stderr
    assert _accesses(done.stdout) == {
        "reshape_to_columns": 2 * channels * 1153,
        "im2col3x3_nhwc": 784 * (18 * 64 + 1),
        "gemm_mm": -(-channels // 4) * 196 * 2313,
    }
