"""Registers: no two live values share one, vectors do not straddle, what does not fit spills."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpusim.compiler import compile_kernel
from gpusim.isa import lower_kernel
from gpusim.isa.allocate import allocate, insert_spill
from gpusim.isa.backend import issue_order
from gpusim.isa.ir_view import IRView
from gpusim.isa.machine import MachineBlock, MachineKernel, MicroOp
from gpusim.isa.pressure import order_for_pressure, peak_words
from gpusim.isa.registers import threads_for
from gpusim.isa.table import load_table
from tests.unit.isa.dags import MIDGARD_UNITS, blocks
from tests.unit.isa.legality import in_order

EMPTY = IRView(compile_kernel("kernel void k(global int *a) { a[0] = 1; }", "k", ""))


def as_kernel(ops, sizes):
    numbers = {n for op in ops for n in (*op.reads, *op.writes, *op.staging)}
    words = {n: sizes[n % len(sizes)] for n in range(max(numbers, default=0) + 1)}
    return MachineKernel(blocks=[MachineBlock(ops=ops)], register_words=words, ties=[])


def overlaps(kernel, allocation):
    """Pairs of values that are live at once in the same word, by walking the block."""
    live, found = set(), []
    for op in reversed(kernel.blocks[0].ops):
        for made in op.writes:
            found += [
                (made, other)
                for other in (live | set(op.writes)) - {made}
                if span(kernel, allocation, made) & span(kernel, allocation, other)
            ]
        live -= set(op.writes)
        live |= {*op.reads, *op.staging}
    return found


def span(kernel, allocation, number):
    if number not in allocation.places:
        return set()
    first = allocation.places[number]
    return set(range(first, first + kernel.register_words[number]))


@settings(deadline=None, max_examples=120, derandomize=True)
@given(blocks(MIDGARD_UNITS), st.sampled_from([(1,), (4,), (1, 2, 4), (1, 1, 3)]))
def test_live_values_never_share_a_word(block, sizes):
    ops, _ = block
    kernel = as_kernel(ops, sizes)
    allocation = allocate(kernel, EMPTY, [kernel.blocks[0].ops], 64, 4)
    assert overlaps(kernel, allocation) == []
    assert allocation.n_unplaced == 0
    for number, first in allocation.places.items():
        assert first % 4 + kernel.register_words[number] <= 4
        assert first + kernel.register_words[number] <= allocation.words


@settings(deadline=None, max_examples=100, derandomize=True)
@given(blocks(MIDGARD_UNITS))
def test_ordering_for_pressure_is_legal_and_never_worse(block):
    ops, live = block
    words = dict.fromkeys(range(40), 1)
    result = order_for_pressure(ops, (), live, words)
    place = {id(op): n for n, op in enumerate(result)}
    assert sorted(map(id, result)) == sorted(map(id, ops))
    assert in_order(ops, lambda op: place[id(op)], lambda a, b: place[id(a)] < place[id(b)]) == []
    assert peak_words(result, (), live, words) <= peak_words(ops, (), live, words)


def test_ties_share_a_register():
    ops = [
        MicroOp(name="op", unit="E", reads=(0,), writes=(1,)),
        MicroOp(name="store", unit="A", kind="store", staging=(1,)),
    ]
    kernel = MachineKernel(
        blocks=[MachineBlock(ops=ops)], register_words={0: 1, 1: 1}, ties=[(0, 1, 0)]
    )
    allocation = allocate(kernel, EMPTY, [ops], 4, 1)
    assert set(allocation.places) == {0}


def test_too_few_registers_are_reported_and_spilled():
    ops = [MicroOp(name="op", unit="E", writes=(n,)) for n in range(6)]
    ops.append(MicroOp(name="store", unit="A", kind="store", staging=tuple(range(6))))
    kernel = as_kernel(ops, (1,))
    allocation = allocate(kernel, EMPTY, [ops], 4, 1)
    assert allocation.n_unplaced
    assert insert_spill(kernel, allocation.candidates[0], "A") == 2
    names = [op.name for op in kernel.blocks[0].ops]
    assert names.count("spill.store") == names.count("spill.load") == 1


MANY = "\n".join(f"float4 v{n} = vload4({n}, a + i);" for n in range(24))
SUM = " + ".join(f"v{n} * v{(n + 7) % 24}" for n in range(24))
HUNGRY = (
    "kernel void k(global float *a, global float *b) { int i = get_global_id(0);\n"
    f"{MANY}\nbarrier(2);\nvstore4({SUM}, 0, b + i); }}"
)


@pytest.mark.parametrize("isa", ["midgard", "bifrost", "valhall"])
def test_a_hungry_kernel_spills_on_mali(isa):
    code = lower_kernel(compile_kernel(HUNGRY, "k", ""), isa)
    assert code.spills > 0
    assert code.registers <= load_table(isa).rule("registers")
    spills = [op for block in code.blocks for op in issue_order(block) if op.name[:5] == "spill"]
    assert len(spills) == code.spills


def test_a_hungry_kernel_fits_on_nvidia():
    code = lower_kernel(compile_kernel(HUNGRY, "k", ""), "maxwell")
    assert code.spills == 0
    assert code.threads_per_core < 2048


@pytest.mark.parametrize(
    ("isa", "registers", "threads"),
    [
        ("midgard", 1, 256),
        ("midgard", 4, 256),
        ("midgard", 5, 128),
        ("midgard", 8, 128),
        ("midgard", 9, 64),
        ("midgard", 16, 64),
        ("bifrost", 64, 384),
        ("valhall", 32, 1024),
        ("valhall", 33, 512),
        ("maxwell", 32, 2048),
        ("maxwell", 64, 1024),
        ("pascal", 255, 256),
    ],
)
def test_threads_by_registers(isa, registers, threads):
    assert threads_for(registers, load_table(isa)) == threads
