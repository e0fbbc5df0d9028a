"""On the same bitcode of clang-14, our counts per opcode are those of Oclgrind."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpusim.compiler import kernel_from_bitcode
from gpusim.count import totals
from tests.corpus.oclgrind import bitcode, instruction_counts
from tests.corpus.run import run_case
from tests.corpus.table import CASES

CANNOT_RUN = {
    "half_axpy": "Unsupported float size: 2 bytes",
    "half_fma4": "Unsupported float size: 2 bytes",
    "async_tile": "Unsupported instruction: addrspacecast",
    "async_strided": "Unsupported instruction: addrspacecast",
}
"""Kernels that Oclgrind 21.10 gives up on, and what it says."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where bitcode is kept, so that each file is compiled once."""
    return tmp_path_factory.mktemp("oclgrind")


@pytest.mark.oclgrind
@pytest.mark.parametrize("name", [name for name in CASES if name not in CANNOT_RUN])
def test_counts_equal_oclgrind(name: str, folder: Path) -> None:
    case = CASES[name]
    expected, printed = instruction_counts(case, folder)
    assert expected, printed
    run = run_case(case, kernel_from_bitcode(bitcode(case, folder), name))
    assert totals.opcodes(run.count) == dict(expected)


@pytest.mark.oclgrind
@pytest.mark.parametrize("name", list(CANNOT_RUN))
def test_kernels_that_oclgrind_cannot_run(name: str, folder: Path) -> None:
    found, printed = instruction_counts(CASES[name], folder)
    assert not found
    assert CANNOT_RUN[name] in printed
