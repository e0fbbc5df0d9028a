"""Bifrost scheduling: legal whatever comes in, and near the best on what can be searched."""

from itertools import permutations

import pytest
from hypothesis import given, settings

from gpusim.isa.machine import MachineBlock, MachineKernel, MicroOp
from gpusim.isa.schedule_bifrost import (
    Clause,
    Tuple,
    constant_words,
    legalise_words,
    port_reads,
    schedule_bifrost,
)
from gpusim.isa.table import load_table
from tests.unit.isa.dags import BIFROST_UNITS, blocks
from tests.unit.isa.legality import bifrost_problems

TABLE = load_table("bifrost")


def alu(unit, reads=(), writes=(), words=()):
    return MicroOp(name="op", unit=unit, reads=reads, writes=writes, words=words)


def tuples(clauses):
    return [item for clause in clauses for item in clause.tuples]


@settings(deadline=None, max_examples=300, derandomize=True)
@given(blocks(BIFROST_UNITS))
def test_every_schedule_is_legal(block):
    ops, live = block
    assert bifrost_problems(ops, schedule_bifrost(ops, TABLE, (), live), live) == []


@settings(deadline=None, max_examples=60, derandomize=True)
@given(blocks(BIFROST_UNITS, max_ops=4, messages=False))
def test_never_better_and_little_worse_than_the_best(block):
    ops, live = block
    found = len(tuples(schedule_bifrost(ops, TABLE, (), live)))
    best = shortest(ops, live)
    assert best <= found <= best + 1


def shortest(ops, live):
    """Tuples of the best legal single-clause schedule, by trying them all."""
    best = len(ops)
    for order in permutations(ops):
        for mask in range(1 << (len(ops) - 1)):
            items = group(order, mask)
            if len(items) < best and not bifrost_problems(ops, [Clause(items)], live):
                best = len(items)
    return best


def group(order, mask):
    """Pair neighbours where `mask` says so: FMA slot first."""
    items, position = [], 0
    while position < len(order):
        if mask >> position & 1 and position + 1 < len(order):
            items.append(Tuple(fma=order[position], add=order[position + 1]))
            position += 2
        else:
            op = order[position]
            is_fma = op.unit in ("F", "T")
            items.append(Tuple(fma=op) if is_fma else Tuple(add=op))
            position += 1
    return items


def test_an_fma_of_three_registers_has_no_partner_that_reads():
    ops = [alu("F", (0, 1, 2), (3,)), alu("A", (4,), (5,))]
    assert len(tuples(schedule_bifrost(ops, TABLE, (), {3, 5}))) == 2


def test_an_fma_of_three_registers_pairs_with_what_reads_none():
    ops = [alu("F", (0, 1, 2), (3,)), alu("A", (), (5,), ("u0",)), alu("A", (3, 5), ())]
    ops[2].writes = (6,)
    assert len(tuples(schedule_bifrost(ops, TABLE, (), {6}))) == 2


def test_the_add_slot_reads_the_fma_slot_of_its_tuple():
    ops = [alu("F", (0,), (1,)), alu("A", (1,), (2,))]
    assert len(tuples(schedule_bifrost(ops, TABLE, (), {2}))) == 1


def test_the_fma_slot_cannot_read_the_add_slot_of_its_tuple():
    ops = [alu("A", (0,), (1,)), alu("F", (1,), (2,))]
    assert len(tuples(schedule_bifrost(ops, TABLE, (), {2}))) == 2


def test_a_uniform_and_a_constant_do_not_share_a_tuple():
    ops = [alu("F", (0,), (1,), ("c4",)), alu("A", (1,), (2,), ("u0",))]
    assert len(tuples(schedule_bifrost(ops, TABLE, (), {2}))) == 2


def test_two_constants_share_a_tuple():
    ops = [alu("F", (0,), (1,), ("c4",)), alu("A", (1,), (2,), ("c5",))]
    assert len(tuples(schedule_bifrost(ops, TABLE, (), {2}))) == 1


def test_messages_stand_in_clauses_of_their_own():
    loads = [
        MicroOp(name="load", unit="A", kind="load", reads=(0,), writes=(n,), space="global")
        for n in (1, 2, 3)
    ]
    assert len(schedule_bifrost(loads, TABLE, (), {1, 2, 3})) == 3


def test_nine_tuples_need_two_clauses():
    ops = [alu("F", (n,), (n + 1,)) for n in range(9)]
    assert [len(c.tuples) for c in schedule_bifrost(ops, TABLE, (), {9})] == [1, 8]


def test_an_address_is_a_register_pair():
    load = MicroOp(name="load", unit="A", kind="load", reads=(0,), writes=(1,))
    assert port_reads([load]) == 2


def test_words_beyond_one_pair_are_moved_to_registers():
    op = alu("A", (), (0,), ("u0", "u1", "c1"))
    kernel = MachineKernel(blocks=[MachineBlock(ops=[op])], register_words={0: 1}, ties=[])
    legalise_words(kernel)
    assert all(constant_words([each]) is not None for each in kernel.blocks[0].ops)
    assert len(kernel.blocks[0].ops) == 3
    assert len(op.reads) == 2


@pytest.mark.parametrize("n", [1, 7, 40])
def test_independent_work_fills_both_slots(n):
    ops = [alu("F", (), (2 * i,)) for i in range(n)]
    ops += [alu("A", (), (2 * i + 1,)) for i in range(n)]
    assert len(tuples(schedule_bifrost(ops, TABLE, (), set()))) == n
