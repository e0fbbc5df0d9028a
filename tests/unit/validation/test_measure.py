"""Measuring on PoCL: the same path as on a board, whatever the times are."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from gpusim.capture.replayer import experiment_of_trace
from gpusim.cli.app import main
from gpusim.errors import CaptureError
from gpusim.library.hand import PeakLimits
from gpusim.trace.records import Buffer, Command, CommandKind, Image, Program
from gpusim.trace.writer import write_trace
from gpusim.validation import measure as measure_module
from gpusim.validation.measure import MeasureOptions, in_unit, measure, summary
from gpusim.validation.measure_board import board_state
from gpusim.validation.measure_device import DeviceRun, QueueLostError, choose_device
from gpusim.validation.measure_objects import build_error, moves_bytes, without_standard
from gpusim.validation.measure_suite import plan_suite
from gpusim.validation.measured_rows import COLUMNS, read_measured_rows
from gpusim.validation.registry import case_of
from gpusim.validation.timed import Timing
from tests.conftest import need
from tests.traces import SAXPY, buffer_argument, saxpy_trace

CRASH = """
__kernel void crash(__global float *y) {
  y[get_global_id(0) + ((long)1 << 44)] = 1.0f;
}
"""
T860 = PeakLimits(n_cores=4, max_group=256, max_allocation_bytes=1 << 28)


@pytest.fixture(scope="module")
def device():
    try:
        return choose_device(None, None)
    except CaptureError as error:
        need(False, f"an OpenCL device ({error})")


def program_of(trace, text):
    import hashlib

    digest = hashlib.sha256(text.encode()).hexdigest()
    blobs = {digest: text.encode()}
    program = Program(id=0, kind="source", blob=digest)
    return replace(trace, programs={0: program}, read_blob=blobs.__getitem__)


def with_source(kernels, extra):
    """A trace of these kernels of SAXPY and some more text."""
    return program_of(saxpy_trace(kernels=kernels), SAXPY + extra)


def saved(trace, path):
    write_trace(trace, path)
    return path


def run(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(["measure", *map(str, arguments)])
    return caught.value.code


def test_a_trace_gives_a_row_per_launch(device, tmp_path, capsys):
    trace = saved(saxpy_trace(kernels=("saxpy", "saxpy")), tmp_path / "s.gptrace")
    out = tmp_path / "m.csv"
    assert run(trace, "--repeat", 3, "-o", out, "--name", "mali-g72") == 0
    assert "2 of 2 rows measured" in capsys.readouterr().err
    first, second = read_measured_rows(out)
    assert (first.kernel, first.device, first.unit) == ("saxpy", "mali-g72", "us")
    assert (first.global_size, first.local_size) == ("1024, 1, 1", "64, 1, 1")
    assert first.value > 0
    assert first.params["n_samples"] == 3
    assert first.params["min_us"] <= first.value <= first.params["max_us"]
    assert [row.params["launch"] for row in (first, second)] == [0, 1]


def test_a_broken_kernel_and_a_crash_lose_nothing_else(device, tmp_path, capfd):
    trace = with_source(("saxpy", "missing", "crash", "saxpy"), CRASH)
    trace = saved(trace, tmp_path / "c.gptrace")
    out = tmp_path / "m.csv"
    assert run(trace, "--repeat", 2, "-o", out) == 2
    rows = read_measured_rows(out)
    assert [row.value is None for row in rows] == [False, True, True, False]
    assert "SIGSEGV" in rows[2].params["error"]
    err = capfd.readouterr().err
    assert "2 of 4 rows measured" in err
    assert "missing 1024, 1, 1: " in err


def test_a_program_that_does_not_build(device, tmp_path, capfd):
    trace = saved(program_of(saxpy_trace(), "kernel void saxpy( {"), tmp_path / "b.gptrace")
    assert run(trace, "--repeat", 1, "-o", tmp_path / "m.csv") == 2
    assert "does not build" in capfd.readouterr().err


def test_a_standard_that_the_device_lacks_is_dropped(device, tmp_path):
    # A standard that no device knows; the text needs none.
    base = saxpy_trace(kernels=("saxpy", "saxpy"))
    program = replace(base.programs[0], build_options="-DA=1 -cl-std=CL9.9")
    trace = saved(replace(base, programs={0: program}), tmp_path / "n.gptrace")
    found = measure(trace, MeasureOptions(repeat=1))
    assert [row.params["dropped_option"] for row in found.rows] == ["-cl-std=CL9.9"] * 2
    assert not found.failures
    assert without_standard("-DA=1 -cl-std=CL2.0 -DB") == ("-DA=1 -DB", "-cl-std=CL2.0")
    assert without_standard("-DA=1") == ("-DA=1", "")
    log = "failed\nx.cl:1:2: error: no such thing\nx.cl:2:3: error: another"
    assert build_error(ValueError(log)) == "x.cl:1:2: error: no such thing"


def test_a_hanging_kernel_is_given_up(device, tmp_path):
    endless = "__kernel void crash(__global volatile float *y) { while (y[0] == y[0]) y[1] = 1; }"
    trace = saved(with_source(("saxpy", "crash"), endless), tmp_path / "h.gptrace")
    found = measure(trace, MeasureOptions(repeat=1, timeout_s=8))
    assert [row.value is None for row in found.rows] == [False, True]
    assert found.failures[0][1] == "no sign of life for 8 s"


def test_a_launch_that_fails_as_it_runs_ends_the_process(device, monkeypatch):
    import pyopencl as cl

    one = DeviceRun(device, experiment_of_trace(saxpy_trace(kernels=("saxpy", "saxpy"))))

    class Failing:
        command_execution_status = -5

        def wait(self):
            raise cl.RuntimeError("WaitForEvents", -5)

    launch = one._launch
    monkeypatch.setattr(one, "_launch", lambda step: Failing() if step.index else launch(step))
    with pytest.raises(QueueLostError) as caught:
        one.run(1, 1, {}, lambda _: None)
    assert caught.value.launch == 1
    # The next process leaves it out and measures the others.
    next_one = DeviceRun(device, experiment_of_trace(saxpy_trace(kernels=("saxpy", "saxpy"))))
    samples = next_one.run(2, 1, {1: "lost"}, lambda _: None)
    assert (len(samples[0].times_ns), samples[1].reason) == (2, "lost")


def test_a_long_trace_is_not_taken_for_a_hang(device, tmp_path):
    found = []
    one = DeviceRun(device, experiment_of_trace(saxpy_trace(kernels=("saxpy",) * 3)))
    one.run(2, 1, {}, found.append)
    # Once per launch of the first pass at least, whether it waited or not.
    assert found[:1] == [0]
    assert set(found) == {0, 1, 2}


def test_stored_contents_reach_the_kernel(device):
    base = saxpy_trace()
    data = np.arange(1024, dtype=np.float32).tobytes()
    half = np.full(2, 7, np.float32).tobytes()
    blobs = {"data": data, "half": half}
    trace = replace(
        base,
        buffers={
            0: replace(base.buffers[0], content="data"),
            1: base.buffers[1],
            2: Buffer(id=2, size_bytes=2048, parent=0, offset_bytes=2048),
        },
        launches=(replace(base.launches[0], seq=10),),
        commands=(
            Command(
                seq=1, kind=CommandKind.WRITE, queue=0, target=0, offset_bytes=8, content="half"
            ),
            Command(
                seq=2, kind=CommandKind.FILL, queue=0, target=1, size_bytes=4096, content="half"
            ),
            Command(seq=3, kind=CommandKind.COPY, queue=0, source=0, target=1, size_bytes=4),
        ),
        read_blob=lambda digest: blobs.get(digest) or base.read_blob(digest),
    )
    one = DeviceRun(device, experiment_of_trace(trace))
    samples = one.run(1, 1, {}, lambda _: None)
    assert not samples[0].reason
    result = np.empty(1024, np.float32)
    one._cl.enqueue_copy(one.objects.queue, result, one.objects.memory(1))
    expected = np.full(1024, 7, np.float32)
    expected[0] = 0
    source = np.frombuffer(data, np.float32).copy()
    source[2:4] = 7
    np.testing.assert_array_equal(result, expected + source)
    part = np.empty(512, np.float32)
    one._cl.enqueue_copy(one.objects.queue, part, one.objects.memory(2))
    np.testing.assert_array_equal(part, source[512:])


def test_images_and_samplers_are_created(device):
    need(device.image_support, "an OpenCL device with images")
    text = """__kernel void saxpy(read_only image2d_t i, sampler_t s, __global float4 *y) {
      y[get_global_id(0)] = read_imagef(i, s, (int2)(get_global_id(0), 1)); }"""
    from gpusim.trace.records import Argument, ArgumentKind, Sampler

    base = program_of(saxpy_trace(n=4, local_size=None), text)
    pixels = np.arange(32, dtype=np.float32)
    read = base.read_blob
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
        read_blob=lambda digest: pixels.tobytes() if digest == "pixels" else read(digest),
    )
    one = DeviceRun(device, experiment_of_trace(trace))
    samples = one.run(1, 1, {}, lambda _: None)
    assert not samples[0].reason
    result = np.empty(16, np.float32)
    one._cl.enqueue_copy(one.objects.queue, result, one.objects.memory(1))
    np.testing.assert_array_equal(result, pixels[16:])


def test_transfers_that_are_redone():
    trace = saxpy_trace()
    write = Command(seq=0, kind=CommandKind.WRITE, queue=0, target=0, content="x")
    assert moves_bytes(trace, write)
    assert not moves_bytes(trace, replace(write, content=None))
    assert not moves_bytes(trace, replace(write, target=77))
    assert not moves_bytes(trace, replace(write, name="clEnqueueWriteBufferRect"))
    assert not moves_bytes(trace, replace(write, kind=CommandKind.COPY, source=5))


def test_the_suite_on_a_device(device, tmp_path):
    out = tmp_path / "m.csv"
    assert run("--suite", "--only", "global_bandwidth_vec16", "--repeat", 2, "-o", out) == 0
    (row,) = read_measured_rows(out)
    assert row.global_size == "262144, 1, 1"
    assert run("--suite", "--only", "latency", "--repeat", 2, "-o", out) == 0
    (row,) = read_measured_rows(out)
    assert (row.metric, row.params["timing"]) == ("launch_latency", "latency")


def test_what_was_measured_can_be_validated_and_compared(device, tmp_path, capsys):
    out = tmp_path / "m.csv"
    name = ("--name", "mali-t860")
    assert run("--suite", "--only", "vec16", "--repeat", 1, "-o", out, *name) == 0
    with pytest.raises(SystemExit) as caught:
        main(["validate", str(out), "--device", "mali-t860", "--json", "--workers", "1"])
    assert caught.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["n"], document["n_tried"]) == (1, 1)
    trace = saved(saxpy_trace(kernels=("saxpy", "saxpy")), tmp_path / "s.gptrace")
    assert run(trace, "--repeat", 1, "-o", out, *name) == 0
    with pytest.raises(SystemExit) as caught:
        main(["compare", str(trace), str(out), "--device", "mali-t860", "--json"])
    assert caught.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["mapping"][2] == "joined on launch"
    assert document["coverage"] == 1


def test_every_row_of_the_suite_can_be_validated():
    from gpusim.device import load_device
    from gpusim.validation.measured_rows import MeasuredRow

    device = load_device("mali-t860")
    experiments = plan_suite(PeakLimits.of(device))
    assert len(experiments) == 15 + 5 + 5 + 2 * 14 + 1
    for experiment in experiments:
        (wanted,) = experiment.rows
        row = MeasuredRow(
            line=1, device="mali-t860", kernel=wanted.kernel, params=dict(wanted.params),
            global_size=", ".join(map(str, wanted.global_size)), unit=wanted.unit,
            local_size="" if wanted.local_size is None else ", ".join(map(str, wanted.local_size)),
        )  # fmt: skip
        case = case_of(row, device)
        latency = wanted.metric == "launch_latency"
        assert case.timing is (Timing.LATENCY if latency else Timing.EVENT)
        assert case.amount(row.unit) == (wanted.amount or None)
        ours = {one.trace.launches[0].kernel for one in case.alternatives}
        assert ours == {launch.kernel for launch in experiment.trace.launches}


def test_suite_leaves_out_what_the_device_lacks():
    names = [one.rows[0].kernel for one in plan_suite(T860, has_half=False)]
    assert not any("half" in name for name in names)
    small = plan_suite(replace(T860, max_group=64), only="gemm")
    locals_ = [one.rows[0].local_size for one in small]
    assert max(x * y for x, y, _ in filter(None, locals_)) == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected one of a TRACE, --suite"),
        (("--suite", "--import", "x"), "expected one of a TRACE, --suite"),
        (("--suite", "--repeat", "0"), "--repeat: too few"),
        (("--suite", "--warmup", "-1"), "--warmup: negative"),
        (("--suite", "--platform", "99"), "--platform: no such number"),
        (("--suite", "--device", "99"), "--device: no such number"),
        (("--suite", "--only", "nothing like it"), "nothing to measure"),
        (("none.gptrace",), "none.gptrace"),
        (("--suite", "--build"), "needs --like MODEL"),
        (("--build", "--import", "x"), "not --import"),
        (("--suite", "--build", "--like", "mali-t860", "--target", "z80"), "unknown target"),
    ],
)
def test_refusals_are_one_line(device, capsys, arguments, message):
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_no_device(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path))
    monkeypatch.setenv("OCL_ICD_FILENAMES", "")
    monkeypatch.setenv("POCL_DEVICES", "none")
    monkeypatch.setenv("PYOPENCL_HOME", str(tmp_path))
    code = run("--suite", "--only", "latency", "--repeat", "1")
    assert code == 2
    err = capsys.readouterr().err
    assert err.startswith("gpusim: measure: ")
    assert err.count("\n") == 1


def test_a_driver_that_always_dies(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_module._Session, "run", lambda *_: "killed")
    with pytest.raises(CaptureError, match="does not start"):
        measure(None, MeasureOptions())

    def die(self, *_):
        self.at = (0, 0)
        return "killed"

    monkeypatch.setattr(measure_module._Session, "run", die)
    with pytest.raises(CaptureError, match="again and again"):
        measure(None, MeasureOptions())


def test_summary_and_units():
    assert summary([]) == {"n_samples": 0}
    assert summary([5000]) == {"n_samples": 1, "min_us": 5, "max_us": 5, "spread": 0}
    assert summary([1000, 2000, 3000, 4000])["spread"] == pytest.approx(2000 / 2500)
    assert in_unit(2000, "us", 0) == pytest.approx(2)
    assert in_unit(2000, "GFLOPS", 8000) == pytest.approx(4)


def write_files(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


BOARDS = [
    ({}, {}),
    (
        {
            "sys/class/devfreq/dmc/cur_freq": "1\n",
            "sys/class/devfreq/ff9a0000.gpu/cur_freq": "800000000\n",
            "sys/class/thermal/thermal_zone0/type": "cpu\n",
            "sys/class/thermal/thermal_zone0/temp": "50000\n",
            "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "61234\n",
        },
        {"clock_mhz": 800.0, "temperature_c": 61.2},
    ),
    (
        {
            "sys/class/devfreq/57000000.host/device/of_node/name": "gm20b\0",
            "sys/class/devfreq/57000000.host/cur_freq": "921600000",
            "var/lib/nvpmodel/status": "pmode:0000\n",
        },
        {"clock_mhz": 921.6, "power_mode": "pmode:0000"},
    ),
    (
        {
            "sys/class/misc/mali0/device/clock": "clock: 600\n",
            "sys/class/thermal/thermal_zone0/temp": "55\n",
        },
        {"clock_mhz": 600.0, "temperature_c": 55.0},
    ),
    ({"sys/class/kgsl/kgsl-3d0/gpuclk": "624000000\n"}, {"clock_mhz": 624.0}),
]


@pytest.mark.parametrize(("files", "expected"), BOARDS)
def test_board_state(tmp_path, files, expected):
    write_files(tmp_path, files)
    assert board_state(tmp_path) == expected


def test_json_and_stdout(device, tmp_path, capsys):
    trace = saved(saxpy_trace(), tmp_path / "s.gptrace")
    assert run(trace, "--repeat", 1, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["kernel"] == "saxpy"
    assert run(trace, "--repeat", 1) == 0
    table = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert table[0] == list(COLUMNS)
