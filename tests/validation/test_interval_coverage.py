"""Do 80 % intervals hold 80 % of what they have not seen? Near (folds) and far (templates)."""

import math

import pytest

from gpusim.device import load_device
from gpusim.resources import device_models_dir
from gpusim.validation.calibration_record import Residual
from gpusim.validation.folds import deal_groups, related_groups
from gpusim.validation.intervals import held_out_coverage
from gpusim.validation.kernel_records import read_kernel_records
from gpusim.validation.nearest import CalibrationSet, calibration_set
from gpusim.validation.validate import validate
from tests.conftest import need, shared_dir

LEAST, MOST = 0.72, 0.88
FEWEST = 40
"""Records below which the coverage itself is too uncertain to be judged (5 % and more)."""
FEWEST_TEMPLATES = 3
"""Templates below which one left out leaves nothing to compare."""


def shipped(*, far):
    """Return the devices whose calibration record can be judged."""
    devices = sorted(path.stem for path in (device_models_dir() / "calibration").glob("*.yaml"))
    found = {device: calibration_set(load_device(device)) for device in devices}
    return [
        device
        for device, one in found.items()
        if one is not None
        and len(one) >= FEWEST
        and (not far or len(one.templates) >= FEWEST_TEMPLATES)
    ]


CASES = [(device, far) for far in (False, True) for device in shipped(far=far)]


@pytest.mark.parametrize(
    ("device", "far"), CASES, ids=[f"{device}-{'far' if far else 'near'}" for device, far in CASES]
)
def test_intervals_of_shipped_records_hold_what_was_left_out(device, far):
    found = held_out_coverage(calibration_set(load_device(device)), far=far)
    assert LEAST <= found.share <= MOST


@pytest.mark.shared
def test_intervals_of_figures_before_any_fit_hold_what_was_left_out():
    path = shared_dir() / "measured" / "mali_v0.06_kernels.jsonl.gz"
    need(path.is_file(), "the measured kernels of Mali-T860")
    records = read_kernel_records(path)[::3]
    groups = related_groups([one.template for one in records], [one.shape for one in records])
    folds = deal_groups(groups, 5)
    judged = validate(records, "mali-t860", workers=1, uncalibrated=True).records
    residuals = [
        Residual(
            template=row.template,
            dtype=row.dtype,
            features={"predicted_us": row.outcome.simulated_ms * 1e3},
            bound=row.bound,
            ln_ratio=math.log1p(row.error),
            fold=int(fold),
        )
        for row, fold in zip(judged, folds, strict=True)
    ]
    calibration = CalibrationSet("mali-t860", residuals)
    near = held_out_coverage(calibration, far=False)
    assert near.n >= 75
    assert LEAST <= near.share <= MOST
