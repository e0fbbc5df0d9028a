"""The C program that measures on boards: on PoCL here, on a stub of OpenCL under qemu for ARM."""

import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from gpusim.capture.replayer import build_replayer, experiment_of_trace
from gpusim.capture.replayer.payload import MAGIC, encode
from gpusim.capture.runtime import has_system_vendor, system_library
from gpusim.capture.shim_source import SHIM_DIR
from gpusim.cli.app import main
from gpusim.errors import CaptureError
from gpusim.library.hand import PeakLimits
from gpusim.trace.records import Buffer, Command, CommandKind, Image, Program, Sampler
from gpusim.validation.measure_suite import plan_suite
from gpusim.validation.measured_rows import read_measured_rows
from tests.conftest import need
from tests.traces import SAXPY, buffer_argument, saxpy_trace
from tests.unit.capture.conftest import PROGRAMS
from tests.unit.validation.test_measure import program_of, write_files

TARGETS = {
    "x86_64-linux-gnu": ("", ""),
    "aarch64-linux-gnu": ("qemu-aarch64", "/usr/aarch64-linux-gnu"),
    "arm-linux-gnueabihf": ("qemu-arm", "/usr/arm-linux-gnueabihf"),
}
LIMITS = PeakLimits(n_cores=1, max_group=64, max_allocation_bytes=1 << 22)

pytestmark = pytest.mark.slow


def run_program(command, out, *options, code=0):
    done = subprocess.run(
        [*map(str, command), "-o", str(out), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return read_measured_rows(out) if code in (0, 2) else [], done.stderr


@pytest.fixture(scope="module", params=TARGETS)
def board(request, tmp_path_factory):
    """Return target, how to start a program for it, and the stub library."""
    emulator, libraries = TARGETS[request.param]
    need(find_spec("ziglang"), "ziglang")
    start = []
    if emulator:
        need(shutil.which(emulator), f"{emulator} (qemu-user)")
        need(Path(libraries, "lib").is_dir(), f"the C library in {libraries}")
        start = [emulator, "-L", libraries]
    library = tmp_path_factory.mktemp(request.param) / "libfake.so"
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", f"{request.param}.2.17", "-O1"]
    flags = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{SHIM_DIR}"]
    source = str(PROGRAMS / "fake_opencl.c")
    subprocess.run([*zig, *flags, source, "-o", str(library)], check=True)
    return request.param, start, library


def busy_trace():
    """Launches that work, fail, crash and hang; transfers of every kind; a part of a buffer."""
    base = saxpy_trace(kernels=("saxpy", "missing", "crash", "saxpy", "hang", "saxpy", "poison"))
    launches = [replace(launch, seq=launch.index + 10) for launch in base.launches]
    launches[3] = replace(
        launches[3],
        arguments=(buffer_argument(0, 2), *launches[3].arguments[1:]),
        global_size=(2048, 1, 1),
        local_size=None,
    )
    launches[5] = replace(launches[5], arguments=(buffer_argument(0, 3),))
    blobs = {"bytes": b"12345678"}
    return replace(
        base,
        launches=tuple(launches),
        buffers={
            **base.buffers,
            2: Buffer(id=2, size_bytes=256, parent=0, offset_bytes=128),
            3: Buffer(id=3, size_bytes=1 << 30),
        },
        commands=(
            Command(seq=1, kind=CommandKind.WRITE, queue=0, target=0, content="bytes"),
            Command(
                seq=2, kind=CommandKind.FILL, queue=0, target=1, size_bytes=64, content="bytes"
            ),
            Command(seq=3, kind=CommandKind.COPY, queue=0, source=0, target=1, size_bytes=64),
            Command(seq=4, kind=CommandKind.FINISH, queue=0),
        ),
        read_blob=lambda digest: blobs.get(digest) or base.read_blob(digest),
    )


@pytest.mark.timeout(600)
def test_a_trace_on_every_target(board, tmp_path):
    target, start, library = board
    experiment = experiment_of_trace(busy_trace())
    program = build_replayer([experiment], target=target, folder=tmp_path, repeat=3, warmup=2)
    write_files(
        tmp_path,
        {
            "sys/class/devfreq/1.gpu/cur_freq": "800000000\n",
            "sys/class/thermal/thermal_zone0/type": "gpu\n",
            "sys/class/thermal/thermal_zone0/temp": "61234\n",
            "var/lib/nvpmodel/status": 'pmode:"0"\n',
        },
    )
    options = ("--library", str(library), "--timeout", "3", "--root", str(tmp_path))
    rows, err = run_program([*start, program], tmp_path / "m.csv", *options, code=2)
    assert [row.kernel for row in rows] == [
        "saxpy", "missing", "crash", "saxpy", "hang", "saxpy", "poison",
    ]  # fmt: skip
    # 1000 ns and 10 ns per work-item, says the stub.
    assert [row.value for row in rows] == [11.24, None, None, 21.48, None, None, None]
    assert rows[0].device == 'Mali-"T860"'
    assert rows[0].params == {
        "launch": 0, "trace": "saxpy.gptrace", "timing": "event", "n_samples": 3,
        "min_us": 11.24, "max_us": 11.24, "spread": 0.0, "clock_mhz": 800.0,
        "temperature_c": 61.2, "power_mode": "pmode:?0?",
    }  # fmt: skip
    assert (rows[3].global_size, rows[3].local_size) == ("2048, 1, 1", "driver")
    reasons = [row.params.get("error") for row in rows]
    assert reasons[1] == "clCreateKernel (OpenCL error -46)"
    assert reasons[2] == "the process was killed by signal 11"
    assert reasons[4] == "no sign of life for 3 s"
    assert reasons[5] == "a buffer or image cannot be created (OpenCL error -61)"
    assert reasons[6] == "the launch fails as it runs (OpenCL error -5)"
    assert err.count("gpusim-measure: ") == 5


@pytest.mark.timeout(600)
def test_the_suite_on_every_target(board, tmp_path):
    target, start, library = board
    suite = plan_suite(LIMITS)
    program = build_replayer(suite, target=target, folder=tmp_path, repeat=2, device_name="x")
    options = ("--library", str(library))
    rows, _ = run_program([*start, program], tmp_path / "m.csv", *options)
    assert [row.kernel for row in rows] == [one.rows[0].kernel for one in suite]
    assert {row.device for row in rows} == {"x"}
    for row, experiment in zip(rows, suite, strict=True):
        wanted = experiment.rows[0]
        ns = 1000 + 10 * wanted.global_size[0]
        expected = 5.0 if wanted.metric == "launch_latency" else ns / 1000
        expected = wanted.amount / ns if wanted.amount else expected
        assert row.value == pytest.approx(expected, rel=1e-5)
    read = next(row for row in rows if row.kernel == "clpeak/global_memory_bandwidth/float")
    assert read.unit == "GBPS"


@pytest.fixture
def pocl():
    need(system_library(), "an OpenCL loader (libOpenCL.so.1)")
    need(has_system_vendor(), "an OpenCL driver (pocl-opencl-icd)")
    need(find_spec("ziglang"), "ziglang")


def test_on_pocl_the_kernels_get_their_arguments(pocl, tmp_path):
    # Only with the recorded bytes does the kernel end instead of dividing by zero.
    text = """__kernel void saxpy(__global const int *x, __global int *y, float a) {
      const int i = get_global_id(0);
      if (x[i % 2] != 305419896 || a != 1.0f || y[i] != 0) { ((volatile __global int *)0)[i] = 1; }
      y[i] = 0;
    }"""
    base = program_of(saxpy_trace(), text)
    word = (305419896).to_bytes(4, "little")
    trace = replace(
        base,
        buffers={0: replace(base.buffers[0], content="x"), 1: base.buffers[1]},
        read_blob=lambda digest: word * 2 if digest == "x" else base.read_blob(digest),
    )
    program = build_replayer([experiment_of_trace(trace)], target=None, folder=tmp_path, repeat=2)
    ((row,), _) = run_program([program], tmp_path / "m.csv")
    assert row.value > 0
    empty = replace(trace, buffers=base.buffers)
    program = build_replayer([experiment_of_trace(empty)], target=None, folder=tmp_path, repeat=2)
    ((row,), _) = run_program([program], tmp_path / "m.csv", code=2)
    assert row.value is None
    assert "signal 11" in row.params["error"]


def test_on_pocl_an_image_arrives(pocl, tmp_path):
    from gpusim.trace.records import Argument, ArgumentKind

    text = """__kernel void saxpy(read_only image2d_t i, sampler_t s, __global float4 *y) {
      const float4 v = read_imagef(i, s, (int2)(get_global_id(0), 1));
      if (v.x != 1.5f) { ((volatile __global float *)0)[0] = 1; }
      y[get_global_id(0)] = v; }"""
    import numpy as np

    base = program_of(saxpy_trace(n=4, local_size=None), text)
    pixels = np.repeat(np.array([0, 1.5], np.float32), 16).tobytes()
    arguments = (
        Argument(index=0, kind=ArgumentKind.IMAGE, size_bytes=8, ref=9),
        Argument(index=1, kind=ArgumentKind.SAMPLER, size_bytes=8, ref=3),
        buffer_argument(2, 1),
    )
    trace = replace(
        base,
        images={9: Image(id=9, type="image2d", width=4, height=2, content="pixels")},
        samplers={3: Sampler(id=3, normalized=False, addressing="CLAMP", filter="NEAREST")},
        launches=(replace(base.launches[0], arguments=arguments),),
        buffers={1: Buffer(id=1, size_bytes=64)},
        read_blob=lambda digest: pixels if digest == "pixels" else base.read_blob(digest),
    )
    program = build_replayer([experiment_of_trace(trace)], target=None, folder=tmp_path, repeat=1)
    ((row,), _) = run_program([program], tmp_path / "m.csv")
    assert row.value > 0


def test_a_standard_that_the_device_lacks_is_dropped(board, tmp_path):
    target, start, library = board
    base = saxpy_trace()
    program = replace(base.programs[0], build_options="-DA=1 -cl-std=CL2.0 -DB")
    experiment = experiment_of_trace(replace(base, programs={0: program}))
    built = build_replayer([experiment], target=target, folder=tmp_path, repeat=1)
    ((row,), _) = run_program([*start, built], tmp_path / "m.csv", "--library", str(library))
    assert (row.value, row.params["dropped_option"]) == (11.24, "-cl-std=CL2.0")


def test_programs_that_can_not_be_built(board, tmp_path):
    target, start, library = board
    base = saxpy_trace(kernels=("saxpy", "saxpy", "saxpy"))
    blob = base.programs[0].blob
    programs = {
        0: base.programs[0],
        1: Program(id=1, kind="source", blob=blob, build_options="-broken"),
        2: Program(id=2, kind="binary", blob=None),
    }
    launches = tuple(replace(one, program=one.index) for one in base.launches)
    trace = replace(base, programs=programs, launches=launches)
    program = build_replayer([experiment_of_trace(trace)], target=target, folder=tmp_path, repeat=1)
    options = ("--library", str(library))
    rows, _ = run_program([*start, program], tmp_path / "m.csv", *options, code=2)
    assert [row.params.get("error", "") for row in rows] == [
        "",
        "the program does not build (OpenCL error -11)",
        "no source of the program (OpenCL error -59)",
    ]


def test_command_and_usage(pocl, tmp_path, capsys):
    from gpusim.trace.writer import write_trace

    write_trace(saxpy_trace(), tmp_path / "s.gptrace")
    with pytest.raises(SystemExit) as caught:
        main(["measure", str(tmp_path / "s.gptrace"), "--build", "-o", str(tmp_path / "out")])
    assert caught.value.code == 0
    program = Path(capsys.readouterr().out.strip())
    assert program.parent == tmp_path / "out"
    for arguments in (["--repeat", "-3"], ["--repeat"], ["--what", "1"], ["--repeat", "x"]):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "usage" in done.stderr
    for arguments, problem in (
        (["--library", str(tmp_path / "none.so")], "none.so"),
        (["--platform", "99"], "no such OpenCL device"),
    ):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 3
        assert problem in done.stderr
    with pytest.raises(SystemExit) as caught:
        main([
            "measure", "--suite", "--only", "latency", "--build", "--like", "mali-t860",
            "-o", str(tmp_path / "s"),
        ])  # fmt: skip
    assert caught.value.code == 0
    rows, _ = run_program([capsys.readouterr().out.strip()], tmp_path / "m.csv", "--repeat", "2")
    assert rows[0].global_size == "1024, 1, 1"


def test_what_can_not_be_encoded():
    trace = saxpy_trace()
    assert encode([experiment_of_trace(trace)], repeat=1, warmup=1, device_name="").startswith(
        MAGIC
    )
    with pytest.raises(CaptureError, match="nothing to measure"):
        encode([experiment_of_trace(trace, "zzz")], repeat=1, warmup=1, device_name="")
    missing = replace(trace, buffers={})
    with pytest.raises(CaptureError, match="launch 0: unknown memory object"):
        encode([experiment_of_trace(missing)], repeat=1, warmup=1, device_name="")
    strange = replace(
        trace, samplers={0: Sampler(id=0, normalized=True, addressing="WARP", filter="NEAREST")}
    )
    with pytest.raises(CaptureError, match="unknown constant"):
        encode([experiment_of_trace(strange)], repeat=1, warmup=1, device_name="")
    assert SAXPY.encode() in encode(
        [experiment_of_trace(trace)], repeat=1, warmup=1, device_name=""
    )


def test_the_program_compiles_without_warnings(tmp_path):
    need(shutil.which("gcc"), "gcc")
    folder = SHIM_DIR.parent / "replayer"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{SHIM_DIR}"]
    subprocess.run(
        ["gcc", *flags, "-c", str(folder / "replayer.c"), "-o", str(tmp_path / "r.o")], check=True
    )
