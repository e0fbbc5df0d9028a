"""Midgard scheduling: legal whatever comes in, and near the best on what can be searched."""

from itertools import product

import pytest
from hypothesis import given, settings

from gpusim.isa.machine import MicroOp
from gpusim.isa.schedule_midgard import (
    STAGE,
    UNIT_SETS,
    Word,
    access_cycles,
    allowed_slots,
    schedule_midgard,
)
from gpusim.isa.table import load_table
from tests.unit.isa.dags import MIDGARD_UNITS, blocks
from tests.unit.isa.legality import midgard_problems

TABLE = load_table("midgard")


def alu(unit, reads=(), writes=(), words=(), lanes=1, name="op"):
    return MicroOp(name=name, unit=unit, reads=reads, writes=writes, words=words, lanes=lanes)


def access(kind, reads=(), writes=(), staging=(), space="global", size=4):
    return MicroOp(
        name=kind,
        unit="LS",
        kind=kind,
        reads=reads,
        writes=writes,
        staging=staging,
        space=space,
        bytes=size,
    )


@settings(deadline=None, max_examples=300, derandomize=True)
@given(blocks(MIDGARD_UNITS, lanes=(1, 1, 4)))
def test_every_schedule_is_legal(block):
    ops, live = block
    assert midgard_problems(ops, schedule_midgard(ops, TABLE, (), live)) == []


@settings(deadline=None, max_examples=60, derandomize=True)
@given(blocks(("ADD", "MUL", "MOST", "LUT"), max_ops=4, messages=False, lanes=(1, 4)))
def test_never_better_and_little_worse_than_the_best(block):
    ops, live = block
    ops = [op for op in ops if op.kind == "alu"]
    if not ops:
        return
    found = len(schedule_midgard(ops, TABLE, (), live))
    best = shortest(ops)
    assert best <= found <= best + 1


def shortest(ops):
    """Bundles of the best legal schedule, by trying every bundle and slot for each operation."""
    for n_bundles in range(1, len(ops) + 1):
        slots = [allowed_slots(op) for op in ops]
        places = [[(b, s) for b in range(n_bundles) for s in slots[i]] for i in range(len(ops))]
        for choice in product(*places):
            words = [Word("alu") for _ in range(n_bundles)]
            if len(set(choice)) == len(choice):
                for op, (bundle, slot) in zip(ops, choice, strict=True):
                    words[bundle].slots[slot] = op
                if all(word.slots for word in words) and not midgard_problems(ops, words):
                    return n_bundles
    return len(ops)


def test_a_vector_multiply_and_the_add_that_needs_it_share_a_bundle():
    ops = [alu("FMUL", (0, 1), (3,), lanes=4), alu("ADD", (3, 2), (4,), lanes=4)]
    words = schedule_midgard(ops, TABLE, (), {4})
    assert [sorted(word.slots) for word in words] == [["VADD", "VMUL"]]


def test_two_dependent_scalar_adds_share_a_bundle():
    ops = [alu("ADD", (0,), (1,)), alu("ADD", (1,), (2,))]
    assert len(schedule_midgard(ops, TABLE, (), {2})) == 1


def test_look_up_operations_take_a_bundle_each():
    ops = [alu("LUT", (0,), (n,)) for n in range(1, 5)]
    assert len(schedule_midgard(ops, TABLE, (), {1, 2, 3, 4})) == 4


def test_scalar_units_refuse_vectors():
    assert set(allowed_slots(alu("MOST", lanes=4))) == {"VMUL", "VADD"}
    assert set(allowed_slots(alu("MOST", lanes=1))) == {"VMUL", "VADD", "SADD", "SMUL"}
    wide = MicroOp(name="op", unit="MOST", bits=64)
    assert set(allowed_slots(wide)) == {"VMUL", "VADD"}


def test_a_comparison_sits_in_the_bundle_of_its_branch():
    ops = [
        alu("MOST", (0,), (1,), name="icmp"),
        MicroOp(name="branch", unit="BR", kind="branch", reads=(1,)),
    ]
    assert len(schedule_midgard(ops, TABLE, (), set())) == 1


def test_a_condition_that_others_read_is_moved():
    ops = [
        alu("MOST", (0,), (1,), name="icmp"),
        MicroOp(name="branch", unit="BR", kind="branch", reads=(1,)),
    ]
    words = schedule_midgard(ops, TABLE, (), {1})
    assert any(op.name == "mov" for word in words for op in word.ops)


def test_stores_follow_loads_of_their_address_space():
    ops = [access("load", (0,), (1,)), access("store", (2,), (), (3,))]
    words = schedule_midgard(ops, TABLE, (), {1})
    assert [[op.name for op in word.ops] for word in words] == [["load"], ["store"]]


def test_accesses_of_two_address_spaces_share_a_word():
    ops = [access("load", (0,), (1,)), access("load", (2,), (3,), space="local")]
    words = schedule_midgard(ops, TABLE, (), {1, 3})
    assert [len(word.accesses) for word in words] == [2]


@pytest.mark.parametrize(("size", "cycles"), [(4, 0.5), (8, 0.5), (12, 1.0), (16, 1.0)])
def test_two_narrow_accesses_share_a_pipe_cycle(size, cycles):
    assert access_cycles(access("load", size=size)) == cycles


def test_unit_sets_name_known_slots():
    assert {slot for slots in UNIT_SETS.values() for slot in slots} <= set(STAGE)
