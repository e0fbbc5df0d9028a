"""Intervals of predictions: residuals of a record put under the models, and assumed figures."""

import json
import math

import pytest

from gpusim.cli import app
from gpusim.device import load_device
from gpusim.network import Layer, LayerKind, Network
from gpusim.resources import traces_dir
from gpusim.study.figure_spread import RANGES, figure_effects, figure_spread, work_spread
from gpusim.study.launch_time import launch_work, time_launch
from gpusim.study.mechanisms import with_figures
from gpusim.study.predict import predict
from gpusim.study.time_interval import judge_launch, sum_interval
from gpusim.study.time_store import TimeStore
from gpusim.timing import simulate
from gpusim.trace import load_trace
from gpusim.validation import nearest
from gpusim.validation.calibration_record import Residual, calibration_path
from gpusim.validation.intervals import Part, Spread, Status
from gpusim.validation.nearest import CalibrationSet

TRACE = str(traces_dir() / "resnet50-l16-c97.gptrace")
STORE = TimeStore(None)
CONVOLUTION = Layer(
    index=0,
    name="conv",
    kind=LayerKind.CONVOLUTION,
    in_channels=8,
    in_height=16,
    in_width=16,
    out_channels=16,
    kernel_height=3,
    kernel_width=3,
    pad=1,
)
NET = Network(id="one", input_channels=8, input_height=16, input_width=16, layers=(CONVOLUTION,))


def record(monkeypatch, device, rows):
    """Let a device have these residuals: (template, ln_ratio, features) each."""
    residuals = [
        Residual(
            template=template,
            dtype="float32",
            features=features,
            bound="dram",
            ln_ratio=ln_ratio,
            fold=number,
        )
        for number, (template, ln_ratio, features) in enumerate(rows)
    ]
    key = str(calibration_path(load_device(device)))
    monkeypatch.setitem(nearest._known, key, CalibrationSet(device, residuals))


def launches():
    trace = load_trace(TRACE)
    return trace, trace.launches


def test_effects_of_figures_against_simulations_with_the_figure_changed():
    device = load_device("mali-g72")
    trace, found = launches()
    for launch in found:
        work = launch_work(launch, trace, device)
        effects = figure_effects(work, device)
        assert {device.figures()[path].kind.value for path in effects} == {"assumed"}
        path = "core.clock_khz"
        base = simulate(device, [work], fidelity="analytic")
        changes = []
        for factor in (1 / RANGES[path][1], RANGES[path][1]):
            khz = round(device.core.clock_khz.value * factor)
            run = simulate(with_figures(device, {path: khz}), [work], fidelity="analytic")
            ends = [
                int(one.jobs["end_ps"].max()) - int(one.jobs["start_ps"].min())
                for one in (run, base)
            ]
            changes.append(abs(math.log(ends[0] / ends[1])))
        assert effects[path] == pytest.approx(max(changes))
        assert work_spread(work, device) == pytest.approx(
            math.sqrt(sum(effect**2 for effect in effects.values()))
        )


def test_the_spread_of_figures_is_kept():
    device = load_device("mali-g72")
    trace, found = launches()
    store = TimeStore(None)
    first = figure_spread(found[0], trace, device, store)
    assert first > 0
    assert figure_spread(found[0], trace, device, store) == first


def test_a_device_without_a_record_is_uncalibrated_and_its_interval_holds_the_time():
    result = predict(NET, "mali-g72", "acl-gemm", store=STORE, fidelity="analytic")
    document = result.as_json()
    row = document["layers"][0]
    assert row["interval_status"] == document["interval_status"] == "uncalibrated"
    assert row["predicted_low_ms"] < row["predicted_ms"] / 1.5
    assert row["predicted_high_ms"] > row["predicted_ms"] * 1.5
    assert document["predicted_low_ms"] < document["total_ms"] < document["predicted_high_ms"]
    assert "predicted_low_ms" in result.to_dataframe().columns


def test_kernels_like_measured_ones_are_inside_and_name_them(monkeypatch):
    device = load_device("mali-g72")
    trace, found = launches()
    timed = time_launch(found[2], trace, device, fidelity="analytic", store=STORE)
    bare = judge_launch(found[2], trace, timed, device, STORE)
    features = dict(bare.subject.features)
    rows = [(found[2].kernel, 0.01 * (-1) ** number, features) for number in range(30)]
    record(monkeypatch, "mali-g72", rows)
    judged = judge_launch(found[2], trace, timed, device, STORE)
    assert judged.part.spread.status is Status.INSIDE
    assert 0.01 <= judged.part.spread.high < 0.05
    assert judged.as_json()["nearest"][0]["distance"] == pytest.approx(0)
    other = time_launch(found[0], trace, device, fidelity="analytic", store=STORE)
    assert found[0].kernel != found[2].kernel
    unlike = judge_launch(found[0], trace, other, device, STORE)
    assert unlike.part.spread.status is Status.EXTRAPOLATING
    assert unlike.part.spread.high > judged.part.spread.high


def test_host_and_driver_widen_a_total_but_do_not_decide_its_status():
    spread = Spread(low=-0.1, high=0.1, status=Status.INSIDE)
    parts = [Part(template="a", time_ms=1.0, spread=spread)]
    alone, hosted = sum_interval(parts, 1.0, 1.0), sum_interval(parts, 2.0, 1.0)
    assert alone.high_ms == pytest.approx(math.exp(0.1))
    assert hosted.high_ms > 1 + math.exp(0.1)
    assert hosted.status is Status.INSIDE


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        app.main(list(arguments))
    captured = capsys.readouterr()
    assert caught.value.code == 0, captured.err
    return captured.out


def test_replay_shows_intervals_and_what_they_rest_on(capsys, monkeypatch):
    record(monkeypatch, "mali-g72", [("gemm_mm", 0.2, {"work_items": 1e4})] * 3)
    arguments = ("replay", TRACE, "--device", "mali-g72", "--fidelity", "analytic")
    document = json.loads(command(capsys, *arguments, "--json", "--evidence"))
    for launch, support in zip(document["launches"], document["support"], strict=True):
        assert launch["predicted_low_ms"] < launch["predicted_ms"] < launch["predicted_high_ms"]
        near = support["kernels"][0]["nearest"]
        assert [one["template"] for one in near] == ["gemm_mm"] * 3
        assert near[0]["error"] == pytest.approx(math.expm1(0.2))
    assert document["predicted_low_ms"] < document["total_ms"] < document["predicted_high_ms"]
    assert "interval_status" in command(capsys, *arguments, "--csv").splitlines()[0]
    table = command(capsys, *arguments, "--evidence")
    assert "80 % interval" in table
    assert "nearest measured kernels" in table
    assert "fitted or assumed: " in table


def test_validate_gives_each_record_an_interval_and_its_evidence(capsys, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(
        "device,kernel,params,global_size,local_size,metric,value,unit,source\n"
        "mali-g72,clpeak/single-precision_compute/float4,{},,,throughput,100,GFLOPS,made up\n"
    )
    arguments = ("validate", str(file), "--device", "mali-g72", "--workers", "1", "--evidence")
    row = json.loads(command(capsys, *arguments, "--json"))["records"][0]
    assert row["predicted_low_ms"] < row["simulated_ms"] < row["predicted_high_ms"]
    assert row["interval_status"] == "uncalibrated"
    assert row["nearest"] == []
    assert "core.clock_khz" in row["fitted_and_assumed"]
    assert "nothing was measured on this device" in command(capsys, *arguments)
