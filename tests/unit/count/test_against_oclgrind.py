"""Counts per opcode equal Oclgrind's on the same bitcode."""

import pytest

from gpusim.compiler.compile import kernel_from_bitcode
from gpusim.count import totals
from tests.unit.count.corpus import CASES, Case
from tests.unit.count.oclgrind import bitcode, instruction_counts
from tests.unit.count.run_case import count_case


@pytest.mark.oclgrind
@pytest.mark.parametrize("case", CASES, ids=str)
def test_counts_equal_oclgrind(case: Case, tmp_path) -> None:
    kernel = kernel_from_bitcode(bitcode(case, tmp_path), case.kernel)
    counted, _ = count_case(case, kernel, mode="full")
    expected = instruction_counts(case, tmp_path)
    assert totals.opcodes(counted) == dict(expected)
