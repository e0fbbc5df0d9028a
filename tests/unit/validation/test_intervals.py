"""80 % intervals of predicted times, on residuals made up with known spreads."""

import math

import numpy as np
import pytest

from gpusim.validation.calibration_record import Residual
from gpusim.validation.intervals import (
    DEFAULT_SPREAD,
    MIN_RECORDS,
    UNCALIBRATED,
    Part,
    Spread,
    Status,
    far_spread,
    gain_interval,
    held_out_coverage,
    near_spread,
    small_sample_factor,
    spread_of,
    template_correlation,
    total_interval,
)
from gpusim.validation.nearest import CalibrationSet, Subject


def residual(template, ln_ratio, fold, *, dtype="float32", **features):
    return Residual(
        template=template,
        dtype=dtype,
        features=features or {"macs": 1e6},
        bound="arithmetic",
        ln_ratio=ln_ratio,
        fold=fold,
    )


def drawn(seed, *, templates=8, per_template=60, between=0.15, within=0.2):
    """Return residuals of templates whose errors share an offset of their own."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(templates):
        offset = random.normal(0, between)
        for record in range(per_template):
            error = float(offset + random.normal(0, within))
            rows.append(residual(f"t{number}", error, record // 3, macs=float(record + 1)))
    return CalibrationSet("board", rows)


def test_ends_of_the_near_interval_against_the_definition_written_out():
    random = np.random.default_rng(3)
    rows = [residual("conv", float(random.normal(0.1, 0.2)), number // 2) for number in range(40)]
    found = near_spread(CalibrationSet("board", rows), "conv", "float32")
    lows, highs = [], []
    for one in rows:
        centre = np.median([-other.ln_ratio for other in rows if other.fold != one.fold])
        error = abs(-one.ln_ratio - centre)
        lows.append(centre - error)
        highs.append(centre + error)
    rank = math.ceil(0.8 * 41)
    assert found.low == pytest.approx(sorted(lows, reverse=True)[rank - 1])
    assert found.high == pytest.approx(sorted(highs)[rank - 1])
    assert found.status is Status.INSIDE


def test_the_interval_of_a_biased_simulator_is_shifted_and_holds_the_prediction():
    rows = [residual("conv", 0.5 + 0.001 * number, number) for number in range(MIN_RECORDS)]
    found = near_spread(CalibrationSet("board", rows), "conv", "float32")
    assert found.low < -0.5
    assert found.high == 0.0


@pytest.mark.parametrize("far", [False, True])
def test_held_out_coverage_of_drawn_errors_is_near_80_percent(far):
    shares = [held_out_coverage(drawn(seed), far=far).share for seed in range(5)]
    assert 0.72 <= np.mean(shares) <= 0.88


def test_far_intervals_are_wider_than_near_ones_where_templates_differ():
    calibration = drawn(1, between=0.5, within=0.05)
    near, far = near_spread(calibration, "t0", "float32"), far_spread(calibration)
    assert far.high - far.low > 3 * (near.high - near.low)


def test_few_records_are_pooled_and_widened():
    many = [residual("conv", 0.1 * (-1) ** number, number) for number in range(40)]
    few = [residual("dense", 0.1 * (-1) ** number, 100 + number) for number in range(6)]
    calibration = CalibrationSet("board", many + few)
    found = near_spread(calibration, "dense", "float32")
    assert found.high == pytest.approx(0.1 * small_sample_factor(6), rel=0.01)
    assert small_sample_factor(6) > small_sample_factor(19) > 1


def test_one_template_alone_says_nothing_about_another_one():
    rows = [residual("conv", 0.01 * number, number) for number in range(30)]
    found = far_spread(CalibrationSet("board", rows))
    assert found.low < -DEFAULT_SPREAD
    assert found.high >= DEFAULT_SPREAD


def test_status_by_template_and_distance():
    calibration = drawn(2)
    inside = Subject(template="t1", dtype="f32", features={"macs": 30.0})
    far = Subject(template="t1", dtype="f32", features={"macs": 1e12})
    other = Subject(template="never", dtype="f32", features={"macs": 30.0})
    unlike = Subject(template="t1", dtype="f32", features={"pixels": 30.0})
    assert spread_of(calibration, inside).status is Status.INSIDE
    assert spread_of(calibration, far).status is Status.EXTRAPOLATING
    assert spread_of(calibration, other).status is Status.EXTRAPOLATING
    assert spread_of(calibration, unlike).status is Status.EXTRAPOLATING
    assert spread_of(None, inside) == UNCALIBRATED


def test_nearest_kernels_of_the_same_template_come_first():
    calibration = CalibrationSet(
        "board",
        [
            residual("other", 0.1, 0, macs=100.0),
            residual("conv", 0.2, 1, macs=1e4),
            residual("conv", 0.3, 2, macs=90.0),
            residual("conv", 0.4, 3, dtype="float16", macs=100.0),
        ],
    )
    found = calibration.nearest(Subject(template="conv", dtype="f32", features={"macs": 100.0}))
    assert [near.residual.ln_ratio for near in found] == [0.3, 0.2, 0.4]
    assert found[0].as_json()["error"] == pytest.approx(math.expm1(0.3))
    assert found[0].distance < found[1].distance


def test_errors_of_one_template_add_up_and_those_of_two_cancel():
    spread = Spread(low=math.log(0.9), high=math.log(1.1), status=Status.INSIDE)
    same = [Part(template="a", time_ms=10.0, spread=spread) for _ in range(2)]
    two = [Part(template=name, time_ms=10.0, spread=spread) for name in "ab"]
    assert total_interval(same, 0.0).high_ms == pytest.approx(22.0)
    assert total_interval(two, 1.0).high_ms == pytest.approx(22.0)
    assert total_interval(two, 0.0).high_ms == pytest.approx(20 + math.sqrt(2))
    assert total_interval(two, 0.0).low_ms == pytest.approx(20 - math.sqrt(2))


def test_a_total_is_as_trustworthy_as_its_least_known_part():
    inside = Part(template="a", time_ms=1.0, spread=Spread(low=0, high=0, status=Status.INSIDE))
    unknown = Part(template="b", time_ms=1.0, spread=UNCALIBRATED)
    assert total_interval([inside], 1.0).status is Status.INSIDE
    assert total_interval([inside, unknown], 1.0).status is Status.UNCALIBRATED


def test_correlation_of_templates_that_share_a_bias_and_of_those_that_do_not():
    biased = [residual(f"t{n}", 0.3, n) for n in range(5)]
    assert template_correlation(CalibrationSet("board", biased)) == pytest.approx(1.0)
    mixed = [residual(f"t{n}", 0.3 * (-1) ** n, n) for n in range(6)]
    assert template_correlation(CalibrationSet("board", mixed)) == 0.0
    assert template_correlation(None) == 1.0


def test_figures_widen_an_interval_as_independent_errors():
    found = Spread(low=-0.3, high=0.4, status=Status.EXTRAPOLATING).widened(0.3)
    assert found.low == pytest.approx(-0.3 * math.sqrt(2))
    assert found.high == pytest.approx(0.5)


def test_a_gain_is_known_better_than_the_times_it_compares():
    """All local sizes of a kernel are off by the same factor, give or take 2 %."""
    rows = [
        residual("gemm", 0.5 + 0.02 * (-1) ** number, number, work_items=65280.0)
        for number in range(30)
    ]
    calibration = CalibrationSet("board", rows)
    low, high, status = gain_interval(0.3, calibration, "gemm")
    assert status is Status.INSIDE
    assert low < 0.3 < high
    assert high - low < 0.07
    wide = gain_interval(0.3, None, "gemm")
    assert wide[2] is Status.UNCALIBRATED
    assert wide[1] - wide[0] > high - low
