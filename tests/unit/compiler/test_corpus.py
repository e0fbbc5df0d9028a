"""Every kernel of the reference files compiles, with its accumulators in registers."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gpusim.compiler import KernelIR, compile_program
from gpusim.compiler.kernel_ir import PARAMETER
from tests.conftest import shared_dir
from tests.unit.compiler.test_ir_reader import check_consistency

FILES = ("mali_v0.01", "mali_v0.06", "tx2_as_opencl")


def programs(path: Path, every: int) -> Iterator[tuple[str, str]]:
    with gzip.open(path) as stream:
        for number, line in enumerate(stream):
            if number % every == 0:
                record = json.loads(line)
                yield f"{path.name}:{record['line']}", record["source"]


def stores_that_should_be_hoisted(kernel: KernelIR) -> int:
    """Return how many stores in loops have an address that the loop does not change."""
    count = 0
    for loop in kernel.loops:
        inside = np.isin(kernel.instructions["block"], loop.blocks)
        for number in np.flatnonzero(inside):
            row = kernel.instructions[number]
            if kernel.opcodes[row["opcode"]] == "store" and row["address_space"] in (0, 1):
                pointer = kernel.operands[kernel.operand_start[number] + 1]
                count += bool(pointer <= PARAMETER or (pointer >= 0 and not inside[pointer]))
    return count


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_measured_kernels_compile(name: str) -> None:
    path = shared_dir() / "measured" / f"{name}_kernels.jsonl.gz"
    n_kernels = 0
    for where, source in programs(path, every=1 if name == "mali_v0.01" else 6):
        program = compile_program(source, where=where)
        for kernel_name in program.kernels:
            kernel = program.kernel(kernel_name)
            check_consistency(kernel)
            assert stores_that_should_be_hoisted(kernel) == 0, where
            assert kernel.private_memory_bytes == 0, where
            n_kernels += 1
    assert n_kernels > 13


@pytest.mark.shared
def test_reference_kernels_compile() -> None:
    path = shared_dir() / "reference" / "mali-compiler" / "kernels.cl"
    program = compile_program(path.read_text(), where=path.name)
    # Three more than are written out: macros make them.
    assert len(program.kernels) >= len(re.findall(r"\bkernel void\b", path.read_text())) > 20
    for name in program.kernels:
        check_consistency(program.kernel(name))
