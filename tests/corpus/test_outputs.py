"""What the kernels compute under our engine is what NumPy computes."""

from __future__ import annotations

import pytest

from tests.corpus.case import mismatch
from tests.corpus.run import run_case
from tests.corpus.table import CASES


@pytest.mark.parametrize("name", list(CASES))
def test_outputs_equal_numpy(name: str) -> None:
    case = CASES[name]
    run = run_case(case)
    for index, expected in case.data().expected.items():
        assert not (why := mismatch(case, run.buffers[index], expected)), f"argument {index}: {why}"
