"""Scheduled code of real kernels is legal, on every corner of the language."""

import re

import pytest

from gpusim.compiler import compile_program
from gpusim.isa import ISAS, cost_kernel, lower_kernel
from gpusim.isa.backend import issue_order
from gpusim.isa.registers import aliases, live_out_sets
from tests.conftest import CHECKOUT
from tests.unit.isa.legality import bifrost_problems, midgard_problems

FILES = [
    CHECKOUT / "tests" / "unit" / "isa" / "edge_cases.cl",
    CHECKOUT / "tests" / "golden" / "isa_kernels.cl",
]
NAMES = [(path, name) for path in FILES for name in re.findall(r"void (\w+)\(", path.read_text())]


@pytest.fixture(scope="module")
def programs():
    return {path: compile_program(path.read_text(), "") for path in FILES}


@pytest.mark.parametrize(("path", "name"), NAMES, ids=[name for _, name in NAMES])
def test_schedules_are_legal(path, name, programs):
    kernel = programs[path].kernel(name)
    for isa, check in (("bifrost", bifrost_problems), ("midgard", midgard_problems)):
        code = lower_kernel(kernel, isa)
        alias = aliases(code.machine)
        orders = [block.ops for block in code.machine.blocks]
        for block, out in enumerate(live_out_sets(code.machine, code.view, orders)):
            live = {number for number, root in alias.items() if root in out}
            issued = list(code.blocks[block].issued)
            ops = code.machine.blocks[block].ops
            extra = (live,) if isa == "bifrost" else ()
            assert check(ops, issued, *extra) == [], (isa, block)


@pytest.mark.parametrize(("path", "name"), NAMES, ids=[name for _, name in NAMES])
def test_every_family_costs_it(path, name, programs):
    kernel = programs[path].kernel(name)
    for isa in ISAS:
        cost = cost_kernel(kernel, isa)
        assert len(cost.blocks) == kernel.n_blocks
        assert cost.registers >= 1
        assert cost.threads_per_core >= 1
        for field in cost.blocks.dtype.names:
            assert (cost.blocks[field] >= 0).all()


@pytest.mark.parametrize("isa", ["valhall", "maxwell", "pascal", "adreno"])
def test_in_order_families_keep_every_operation(isa, programs):
    for path, name in NAMES:
        code = lower_kernel(programs[path].kernel(name), isa)
        for block, scheduled in zip(code.machine.blocks, code.blocks, strict=True):
            assert sorted(map(id, issue_order(scheduled))) == sorted(map(id, block.ops))
