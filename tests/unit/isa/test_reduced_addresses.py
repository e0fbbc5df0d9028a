"""Addresses of NVIDIA kernels: what is folded, what is added in front of a loop, what advances."""

import pytest

from gpusim.compiler import compile_kernel
from gpusim.isa import lower_kernel
from gpusim.isa.backend import issue_order


def kernel(body):
    parameters = "global float *a, global float *b, int n"
    source = f"kernel void k({parameters}) {{ int i = get_global_id(0); {body} }}"
    return compile_kernel(source, "k", "")


def n_operations(body):
    code = lower_kernel(kernel(body), "pascal")
    return sum(len(issue_order(block)) for block in code.blocks)


def loop_operations(body):
    """Return the operations of the innermost loop."""
    ir = kernel(body)
    code = lower_kernel(ir, "pascal")
    inner = max(ir.loops, key=lambda loop: loop.depth)
    return [op for block in inner.blocks for op in issue_order(code.blocks[block])]


@pytest.mark.parametrize("offset", [1, 7, 1000])
def test_a_constant_part_of_an_index_costs_nothing(offset):
    assert n_operations(f"b[i] = a[i + {offset}];") == n_operations("b[i] = a[i];")


def test_neighbours_share_one_address():
    one = n_operations("b[i] = a[i];")
    # A load and an addition more each, no address.
    assert n_operations("b[i] = a[i] + a[i + 1];") == one + 2
    assert n_operations("b[i] = a[i] + a[i + 1] + a[i + 9];") == one + 4


def test_what_a_loop_does_not_change_is_added_in_front_of_it():
    plain = loop_operations("float s = 0; for (int k = 0; k < n; k++) s += a[k]; b[i] = s;")
    moved = loop_operations("float s = 0; for (int k = 0; k < n; k++) s += a[i * n + k]; b[i] = s;")
    assert len(moved) == len(plain)


def test_a_stride_that_is_an_argument_advances_a_pointer_instead_of_multiplying():
    unit = loop_operations("float s = 0; for (int k = 0; k < n; k++) s += a[k]; b[i] = s;")
    wide = loop_operations("float s = 0; for (int k = 0; k < n; k++) s += a[k * n + i]; b[i] = s;")
    assert not any(op.name.startswith(("mul", "imul", "xmad")) for op in wide)
    # At most the carry of a 64-bit pointer more.
    assert len(wide) <= len(unit) + 2


def test_an_index_that_the_loop_makes_anew_is_scaled_and_added_in_place():
    made, advanced = (
        [
            op.name
            for op in loop_operations(
                f"float s = 0; for (int k = 0; k < n; k++) s += a[{index}]; b[i] = s;"
            )
        ]
        for index in ("k ^ i", "k")
    )
    assert made[:4] == ["logic", "address_shift", "address_add", "address_add"]
    assert "address_shift" not in advanced


def test_unrolled_loops_have_offsets_instead_of_pointers():
    fixed = loop_operations("float s = 0; for (int k = 0; k < 16; k++) s += a[i + k]; b[i] = s;")
    open_ = loop_operations("float s = 0; for (int k = 0; k < n; k++) s += a[i + k]; b[i] = s;")
    assert sum(op.share for op in fixed) < sum(op.share for op in open_)
    assert {op.name for op in fixed if op.kind == "alu"} <= {"fadd"}


def test_copies_of_an_unrolled_loop_share_wide_loads_of_local_memory():
    body = (
        "local float t[64]; t[get_local_id(0)] = a[i]; barrier(CLK_LOCAL_MEM_FENCE);"
        "float s = 0; for (int k = 0; k < 16; k++) s += t[{} * k]; b[i] = s;"
    )
    near, apart = (
        sum(op.share for op in loop_operations(body.format(stride)) if op.kind == "load")
        for stride in (1, 3)
    )
    assert near == pytest.approx(0.25)
    assert apart == pytest.approx(1.0)
