"""Full counts: outputs as NumPy computes them, slices equal to full runs."""

import numpy as np
import pytest

from gpusim.compiler.compile import compile_kernel
from gpusim.count import totals
from tests.unit.count.corpus import CASES, Case
from tests.unit.count.run_case import count_case, per_group

SLICED = [case for case in CASES if case.is_slice]


@pytest.mark.parametrize("case", [c for c in CASES if c.reference(c.arguments())], ids=str)
@pytest.mark.parametrize("mode", ["auto", "full"])
def test_outputs_equal_numpy(case: Case, mode: str) -> None:
    kernel = compile_kernel(case.source, case.kernel)
    _, memory = count_case(case, kernel, mode)
    for index, expected in case.reference(case.arguments()).items():
        found = memory.contents(index).view(expected.dtype).reshape(expected.shape)
        if case.tolerance:
            np.testing.assert_allclose(found, expected, rtol=case.tolerance, atol=case.tolerance)
        else:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("case", SLICED, ids=str)
def test_slice_equals_full(case: Case) -> None:
    kernel = compile_kernel(case.source, case.kernel)
    sliced, _ = count_case(case, kernel, "slice")
    full, _ = count_case(case, kernel, "full")
    assert sliced.mode == "slice"
    assert full.mode == "full"
    np.testing.assert_array_equal(per_group(sliced), per_group(full))


@pytest.mark.parametrize("case", [c for c in CASES if not c.is_slice], ids=str)
def test_the_rest_is_counted_in_full(case: Case) -> None:
    counted, _ = count_case(case, compile_kernel(case.source, case.kernel))
    assert counted.mode == "full"
    assert counted.bounds == "checked"
    assert counted.n_work_groups == counted.class_groups.sum()
    assert totals.instructions(counted) == sum(totals.opcodes(counted).values())
