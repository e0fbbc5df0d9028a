"""A fit of samples that the simulator itself made must find its way back."""

from datetime import date

import numpy as np
import pytest

from gpusim.device import load_device
from gpusim.device.layer import read_text
from gpusim.errors import DeviceError
from gpusim.library.hand import element_type, plan_copy, plan_gemm
from gpusim.pipeline import prepare
from gpusim.resources import device_models_dir
from gpusim.timing import TrafficMemo
from gpusim.validation.baselines import black_box, nearest_neighbour
from gpusim.validation.calibrate import calibrate
from gpusim.validation.calibrate_parameters import RULES, parameters_of
from gpusim.validation.calibrate_samples import Sample
from gpusim.validation.calibrate_write import rounded, write_fitted
from gpusim.validation.calibration_record import read_calibration, write_calibration
from gpusim.validation.timed import Timing, quick_time_ps, timed
from gpusim.validation.variant import load_variant, with_figures

DISPATCH = "job_manager.task_dispatch_cycles"
SUBMIT = "host.submit_ps"


def _programs():
    float1 = element_type("float")
    for rows in (64, 128, 192, 256):
        yield "copy", (rows, 64), plan_copy(rows * 64, float1, (4, 1, 1)).trace
        yield "gemm", (rows, 64, 60), plan_gemm(rows, 64, 60, float1, (4, 4, 1)).trace


def _samples(device, unix_times=None):
    found = []
    for number, (template, shape, trace) in enumerate(_programs()):
        works, _ = prepare(trace, device)
        time_ps = timed(device, works, Timing.BACK_TO_BACK, "wave").time_ps
        found.append(
            Sample(
                traces=(trace,),
                timing=Timing.BACK_TO_BACK,
                measured_s=time_ps / 1e12,
                template=template,
                dtype="float32",
                file="made.csv",
                shape=shape,
                macs=float(np.prod(shape)),
                unix_time=None if unix_times is None else unix_times[number],
            )
        )
    return found


@pytest.fixture(scope="module")
def plain():
    return load_variant("mali-t860", uncalibrated=True)


@pytest.fixture(scope="module")
def fitted(plain):
    truth = with_figures(plain, {SUBMIT: 45_000_000.0})
    return calibrate(
        plain,
        _samples(truth),
        chosen=[DISPATCH, SUBMIT],
        workers=1,
        baselines=True,
        today=date(2026, 11, 22),
    )


def test_a_fit_finds_the_figure_that_made_the_samples(fitted):
    record = fitted.record
    after = {one.name: one.after for one in record.parameters}
    before = {one.name: one.before for one in record.parameters}
    # The prior holds it back a little.
    assert after[SUBMIT] == pytest.approx(45_000_000, rel=0.15)
    assert after[DISPATCH] == pytest.approx(before[DISPATCH], rel=0.25)
    assert record.objective.after < record.objective.before / 3
    in_sample = record.accuracy["made.csv: fitted, in sample"]["mape"]
    assert in_sample < record.accuracy["made.csv: uncalibrated"]["mape"] / 3
    assert {one.name: one.ablation for one in record.parameters}[SUBMIT] > 0
    covariance = np.array(record.covariance)
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert len(record.residuals) == 8
    assert fitted.worse == ()


def test_the_record_reads_back_and_the_model_carries_it(fitted, plain, tmp_path):
    path = tmp_path / "calibration" / "mali-t860.yaml"
    write_calibration(fitted.record, path)
    assert read_calibration(path) == fitted.record
    shipped = read_text(device_models_dir() / "mali-t860.yaml", "mali-t860.yaml")
    model = tmp_path / "mali-t860.yaml"
    model.write_text(write_fitted(shipped, plain, fitted.record))
    loaded = load_device(str(model))
    figures = loaded.figures()
    for one in fitted.record.parameters:
        assert figures[one.name].value == pytest.approx(one.after)
        assert figures[one.name].kind.value == "fitted"
    again = load_variant(str(model), uncalibrated=True)
    for path_, quantity in plain.figures().items():
        if path_ in (DISPATCH, SUBMIT):
            assert again.figures()[path_].value == quantity.value
            assert again.figures()[path_].kind is quantity.kind
            assert again.figures()[path_].source == quantity.source
    # Written twice is written once.
    second = write_fitted(model.read_text(), loaded, fitted.record)
    assert second == model.read_text()


def test_a_fitted_model_without_its_record_has_no_past(fitted, plain, tmp_path):
    shipped = read_text(device_models_dir() / "mali-t860.yaml", "mali-t860.yaml")
    model = tmp_path / "mali-t860.yaml"
    model.write_text(write_fitted(shipped, plain, fitted.record))
    with pytest.raises(DeviceError, match="no calibration record"):
        load_variant(str(model), uncalibrated=True)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("core.n_arithmetic_pipes", "not for a fit .*fitted or assumed, found documented"),
        ("core.clock_khz", "not for a fit .*found measured"),
        ("core.speed", "no such figure"),
        ("core.barrier_cycles_", "no such figure"),
        ("l1.ways", "no bounds"),
    ],
)
def test_figures_that_no_fit_may_touch(plain, path, message):
    with pytest.raises(DeviceError, match=message):
        parameters_of(plain, {}, [path])


def test_more_than_ten_figures_are_refused():
    device = load_variant("jetson-tx2", uncalibrated=True)
    soft = [path for path in RULES if device.figures()[path].kind.value == "assumed"]
    with pytest.raises(DeviceError, match="too many"):
        parameters_of(device, {}, [*soft, *soft, *soft][:11])


@pytest.mark.parametrize("device", ["mali-t860", "jetson-tx2", "jetson-nano", "adreno-530"])
def test_start_values_lie_within_their_bounds(device):
    for one in parameters_of(load_variant(device, uncalibrated=True), {}):
        assert one.low <= one.start <= one.high, one.path


@pytest.mark.parametrize("timing", [Timing.BACK_TO_BACK, Timing.WALL_CLOCK])
def test_the_quick_time_is_the_time(plain, timing):
    for _, _, trace in list(_programs())[:2]:
        works, _ = prepare(trace, plain)
        slow = timed(plain, works, timing, "wave").time_ps
        assert quick_time_ps(plain, works, timing, "wave", TrafficMemo()) == pytest.approx(slow)


def test_rounding_keeps_whole_figures_whole():
    assert rounded("dram.latency_ps", 312_345.6, "ns") == 312_300
    assert rounded(DISPATCH, 2.34567, "cycle") == 2.346


def test_the_session_of_a_date_costs_more(fitted):
    from gpusim.validation.calibration_record import Session

    session = Session(first=date(2019, 5, 31), last=date(2019, 6, 2), launch_us=115.0, n=30)
    record = fitted.record.model_copy(update={"sessions": (session,)})
    assert record.launch_ps(1559347200.0) == 115_000_000  # 2019-06-01
    assert record.launch_ps(1538220868.0) == 0
    assert record.launch_ps(None) == 0
    assert record.launch_ps(float("inf")) == 0
    assert record.launch_ps(1e300) == 0


def test_a_malformed_record_is_named(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("device: a\n")
    with pytest.raises(DeviceError, match=r"x\.yaml: date"):
        read_calibration(path)


def test_the_nearest_neighbour_is_scaled_by_work_and_of_another_fold():
    shapes = [(1, 8, 8), (1, 8, 16), (1, 8, 64)]
    found = nearest_neighbour(
        ["t"] * 3,
        ["f"] * 3,
        shapes,
        np.array([64.0, 128.0, 512.0]),
        np.array([1.0, 3.0, 10.0]),
        np.array([0, 1, 2]),
    )
    assert found.tolist() == [1.5, 2.0, 12.0]
    alone = nearest_neighbour(
        ["a", "b"], ["f"] * 2, shapes[:2], np.ones(2), np.ones(2), np.arange(2)
    )
    assert np.isnan(alone).all()


def test_the_black_box_never_sees_its_own_fold(fitted):
    pytest.importorskip("sklearn")
    rows = [one.features for one in fitted.record.residuals]
    folds = np.arange(len(rows)) % 2
    arguments = (rows, ["t"] * len(rows), ["f"] * len(rows), np.ones(len(rows)))
    times = np.linspace(1, 2, len(rows))
    one = black_box(*arguments, times, folds)
    changed = np.where(folds == 0, times * 7, times)
    other = black_box(*arguments, changed, folds)
    assert np.array_equal(one[folds == 0], other[folds == 0])
    assert not np.array_equal(one[folds == 1], other[folds == 1])
