"""What the kernels compute under our engine is what PoCL computes."""

from __future__ import annotations

import dataclasses

import pytest

from tests.corpus.case import mismatch
from tests.corpus.pocl import run_on_pocl
from tests.corpus.run import run_case
from tests.corpus.table import CASES

NOT_COMPARED = {
    **dict.fromkeys(("half_axpy", "half_fma4"), "PoCL on this processor has no half arithmetic"),
    "edge_arithmetic": "divides by zero, which OpenCL leaves undefined",
    "image_channels": "PoCL has no images of one or two channels",
}
"""Cases that PoCL 3 cannot run, or may run otherwise, and why."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in NOT_COMPARED])
def test_outputs_equal_pocl(name: str) -> None:
    case = CASES[name]
    theirs = run_on_pocl(case)
    ours = run_case(case)
    # Both may be as far from the exact value as the case allows.
    twice = dataclasses.replace(case, ulp=2 * case.ulp, absolute=2 * case.absolute)
    for index in case.data().expected:
        assert not (
            why := mismatch(
                twice,
                ours.buffers[index],
                theirs[index].astype("f8") if theirs[index].dtype.kind == "f" else theirs[index],
            )
        ), f"argument {index}: {why}"
