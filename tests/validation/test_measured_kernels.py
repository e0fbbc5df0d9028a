"""A sample of the measured kernels against the accuracy page; all of them: docs/accuracy.md."""

from pathlib import Path

import pytest
import yaml

from gpusim.device import load_device
from gpusim.validation.calibration_record import load_calibration
from gpusim.validation.kernel_records import read_kernel_records
from gpusim.validation.validate import Validation, validate
from tests.conftest import need, shared_dir

FLOOR = yaml.safe_load((Path(__file__).parent / "accuracy_floor.yaml").read_text("utf-8"))
"""Errors as the page states them, written by ``make accuracy``."""
MARGIN = 0.01


def sample(name: str, **options: bool) -> Validation:
    path = shared_dir() / "measured" / f"{name}_kernels.jsonl.gz"
    need(path.is_file(), f"the measured kernels {name}")
    stored = FLOOR[name]
    records = read_kernel_records(path)[:: stored["every"]]
    return validate(records, stored["device"], workers=1, **options)


@pytest.mark.shared
@pytest.mark.parametrize("name", sorted(FLOOR))
def test_the_sample_is_no_worse_than_the_page_says(name):
    found, stored = sample(name), FLOOR[name]
    assert found.summary.n == found.summary.n_tried == stored["n"]
    assert found.summary.mape <= stored["mape"] + MARGIN
    if "kendall_tau" in stored:
        assert found.summary.kendall_tau >= stored["kendall_tau"] - MARGIN


@pytest.mark.shared
def test_every_sixth_kernel_of_t860_within_the_goal_without_any_fit():
    found = sample("mali_v0.06", uncalibrated=True)
    assert found.summary.n == found.summary.n_tried == 42
    assert found.summary.mape <= 0.16
    assert found.summary.kendall_tau >= 0.88
    assert found.as_json()["evidence"]["fitted"] == 0


@pytest.mark.parametrize("device", sorted({one["device"] for one in FLOOR.values()}))
def test_a_fit_that_ships_is_better_on_what_it_has_not_seen(device):
    record = load_calibration(load_device(device))
    fitted = [q for q in load_device(device).figures().values() if q.kind.value == "fitted"]
    known = set() if record is None else {one.name for one in record.parameters}
    assert {one.path for one in fitted} == known
    if record is None:
        return
    for name, errors in record.accuracy.items():
        file, _, how = name.rpartition(": ")
        if how.startswith("held out") and not how.endswith("session"):
            assert errors["mape"] <= record.accuracy[f"{file}: uncalibrated"]["mape"]
            assert errors["n"] == errors["n_tried"]
