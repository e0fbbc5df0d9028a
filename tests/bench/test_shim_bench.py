"""What the shim costs: nanoseconds per launch with and without it, measured in one run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gpusim.capture.build import build_shim
from gpusim.capture.raw import read_raw
from gpusim.capture.runtime import has_system_vendor, system_library
from gpusim.capture.shim_source import SHIM_DIR
from tests.conftest import need

PROGRAM = Path(__file__).resolve().parent / "programs" / "launch_rate.c"
MOST = 1.6
"""Largest allowed ratio of a launch with the shim (profiling forced) to a bare one on PoCL."""
LAUNCHES, ROUNDS, PAIRS, ATTEMPTS = 2048, 12, 4, 4


@pytest.fixture(scope="module")
def launch_rate(tmp_path_factory):
    need(shutil.which("gcc"), "gcc")
    need(system_library(), "an OpenCL loader (libOpenCL.so.1)")
    need(has_system_vendor(), "an OpenCL driver (pocl-opencl-icd)")
    program = tmp_path_factory.mktemp("rate") / "launch_rate"
    subprocess.run(
        ["gcc", "-O2", f"-I{SHIM_DIR}", str(PROGRAM), "-o", str(program), "-l:libOpenCL.so.1"],
        check=True,
    )
    return str(program)


def rounds(program: str, environment: dict[str, str]) -> list[float]:
    """Return ns per launch of every round of one run."""
    done = subprocess.run(
        [program, str(LAUNCHES), str(ROUNDS)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(line) for line in done.stdout.split()]


def low(samples: list[float]) -> float:
    """Return the first decile: what a launch costs when the machine is left alone for a while."""
    return sorted(samples)[len(samples) // 10]


@pytest.mark.slow
def test_launch_with_the_shim_costs_at_most(launch_rate, tmp_path):
    shim = str(build_shim().library)
    shimmed = os.environ | {"OPENCL_LAYERS": shim, "GPUSIM_SHIM_OUT": str(tmp_path / "t")}
    shimmed |= {"GPUSIM_SHIM_DATA": "auto"}
    ratios = []
    for _ in range(ATTEMPTS):
        bare, with_shim = [], []
        # Alternating, so that other load on the machine meets both alike.
        for _ in range(PAIRS):
            bare += rounds(launch_rate, dict(os.environ))
            with_shim += rounds(launch_rate, shimmed)
        ratios.append(low(with_shim) / low(bare))
        print(f"bare {low(bare):.0f} ns, with the shim {low(with_shim):.0f} ns per launch")
        if ratios[-1] <= MOST:
            break
    assert min(ratios) <= MOST, ratios
    logs = sorted(tmp_path.glob("t.*.gpraw"))
    assert len(logs) == PAIRS * len(ratios)
    trace, _ = read_raw(logs[0])
    assert len(trace.launches) == LAUNCHES * (ROUNDS + 1)
    assert all(launch.times is not None for launch in trace.launches)


def test_conversion_of_a_long_log(launch_rate, tmp_path, benchmark):
    environment = os.environ | {
        "OPENCL_LAYERS": str(build_shim().library),
        "GPUSIM_SHIM_OUT": str(tmp_path / "t"),
    }
    subprocess.run([launch_rate, "20000", "0"], env=environment, check=True)
    (log,) = tmp_path.glob("t.*.gpraw")
    trace, _ = benchmark(read_raw, log)
    assert len(trace.launches) == 20000
