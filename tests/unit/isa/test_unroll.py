"""Which loops count as unrolled, and what of their addresses is known then."""

import pytest

from gpusim.compiler import compile_kernel
from gpusim.isa.ir_view import IRView
from gpusim.isa.unroll import Unrolling

PARAMETERS = "global float *a, global float *b, int n"


def compiled(body):
    source = f"kernel void k({PARAMETERS}) {{ int i = get_global_id(0); {body} }}"
    return compile_kernel(source, "k", "")


def unrolled(body, limit=1000):
    return Unrolling(IRView(compiled(body)), limit)


def loop(head, body="s += a[k];"):
    return f"float s = 0; for ({head}) {{ {body} }} b[i] = s;"


def nest(outer, inner):
    return loop(f"int j = 0; j < {outer}; j++", f"for (int k = 0; k < {inner}; k++) s += a[j ^ k];")


@pytest.mark.parametrize(
    "head",
    [
        "int k = 0; k < 12; k++",
        "int k = 0; k <= 22; k += 2",
        "int k = 12; k > 0; k--",
        "int k = 24; k >= 2; k -= 2",
        "int k = -6; k != 6; k++",
        "uint k = 5; k < 17; k++",
    ],
)
def test_trip_counts_are_those_of_the_language(head):
    assert list(unrolled(loop(head)).trips.values()) == [12]


@pytest.mark.parametrize(
    "head", ["int k = 0; k < n; k++", "int k = n; k < 12; k++", "int k = 0; k < 12; k += n"]
)
def test_loops_whose_bounds_are_arguments_stay(head):
    found = unrolled(loop(head))
    assert found.trips == {}
    assert found.copies() == {}
    assert found.known == set()


def test_counters_are_found_in_loops_that_stay():
    found = unrolled(loop("int k = 0; k < n; k++"))
    assert list(found.counters.values()) == [0]


def test_nothing_is_unrolled_without_a_limit_and_long_loops_stay_below_one():
    assert unrolled(loop("int k = 0; k < 12; k++"), limit=0).trips == {}
    assert unrolled(loop("int k = 0; k < 12; k++"), limit=11).trips == {}
    assert unrolled(loop("int k = 0; k < 4000; k++"), limit=300).trips == {}


def test_copies_of_nested_loops_multiply_and_an_outer_loop_needs_its_inner_one():
    both = unrolled(nest(3, 5))
    assert sorted(both.trips.values()) == [3, 5]
    assert max(both.copies().values()) == 15
    inner_stays = unrolled(nest(3, "n"))
    assert inner_stays.trips == {}


def test_inner_loop_alone_where_the_outer_copies_are_too_many():
    assert list(unrolled(nest(64, 4), limit=60).trips.values()) == [4]


def test_branch_of_an_unrolled_loop_is_decided_in_advance():
    ir = compiled(loop("int k = 0; k < 12; k++"))
    found = Unrolling(IRView(ir), 1000)
    decided = [block for block in range(ir.n_blocks) if found.is_unrolled_branch(block)]
    assert len(decided) == 1
    assert decided[0] in ir.loops[0].blocks
    none = Unrolling(IRView(ir), 0)
    assert not any(none.is_unrolled_branch(block) for block in range(ir.n_blocks))
