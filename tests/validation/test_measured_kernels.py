"""A sample of the measured T860 kernels under frozen figures; all of them: docs/accuracy.md."""

import pytest

from gpusim.validation.kernel_records import read_kernel_records
from gpusim.validation.validate import validate
from tests.conftest import need, shared_dir

EVERY = 6


@pytest.mark.shared
def test_every_sixth_kernel_of_t860_within_the_goal_and_nothing_fitted():
    path = shared_dir() / "measured" / "mali_v0.06_kernels.jsonl.gz"
    need(path.is_file(), "the measured kernels of Mali-T860")
    found = validate(read_kernel_records(path)[::EVERY], "mali-t860", workers=1)
    assert found.summary.n == found.summary.n_tried == 42
    assert found.summary.mape <= 0.16
    assert found.summary.kendall_tau >= 0.88
    assert found.as_json()["evidence"]["fitted"] == 0
