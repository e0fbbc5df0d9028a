"""What single operations become: figures of the reference page and of the ISA."""

import pytest

from gpusim.compiler import compile_kernel
from gpusim.errors import CompileError
from gpusim.isa import ISAS, builtins, lower_kernel
from gpusim.isa.backend import issue_order


def lowered(body, isa, parameters="global float *a, global float *b, int n", options=""):
    source = f"kernel void k({parameters}) {{ int i = get_global_id(0); {body} }}"
    return lower_kernel(compile_kernel(source, "k", options), isa)


def names(code, isa="bifrost"):
    result = lowered(code, isa) if isinstance(code, str) else code
    return [op.name for block in result.blocks for op in issue_order(block)]


def count(code, name):
    return sum(each == name or each.startswith(name + ".") for each in names(code))


@pytest.mark.parametrize("isa", ISAS)
def test_multiply_and_add_of_one_expression_contract(isa):
    code = lowered("a[i] = a[i] * b[i] + 1.0f;", isa)
    assert count(code, "fma") >= 1
    assert count(code, "fmul") == count(code, "fadd") == 0


def test_multiply_and_add_of_two_expressions_contract_when_allowed():
    body = "float t = a[i] * b[i]; a[i] = t + 1.0f;"
    assert count(lowered(body, "bifrost"), "fma") == 0
    assert count(lowered(body, "bifrost", options="-cl-fast-relaxed-math"), "fma") == 1


def test_exact_fma_is_slow_on_midgard_only():
    cheap = "float4 v = vload4(i, a); vstore4(v * v + v, i, b);"
    exact = "float4 v = vload4(i, a); vstore4(fma(v, v, v), i, b);"
    midgard = [
        sum(block.units for block in lowered(body, "midgard").blocks) for body in (cheap, exact)
    ]
    # One look-up operation per element instead of one multiply and one add for all four.
    assert midgard[1] == midgard[0] + 3
    bifrost = [
        sum(block.units for block in lowered(body, "bifrost").blocks) for body in (cheap, exact)
    ]
    assert bifrost[0] == bifrost[1]


@pytest.mark.parametrize("isa", ["bifrost", "valhall", "midgard"])
@pytest.mark.parametrize(("lanes", "messages"), [(2, 1), (3, 1), (4, 1), (8, 2), (16, 4)])
def test_a_vector_load_is_a_message_per_128_bits(isa, lanes, messages):
    body = f"vstore{lanes}(vload{lanes}(i, a), i, b);"
    code = lowered(body, isa)
    loads = [name for name in names(code) if name.startswith("load.")]
    stores = [name for name in names(code) if name.startswith("store.")]
    assert len(loads) == len(stores) == messages


def test_a_vector_is_one_slot_on_midgard_and_four_operations_elsewhere():
    body = "float4 v = vload4(i, a); vstore4(v + 1.0f, i, b);"
    assert count(lowered(body, "midgard"), "fadd") == 1
    for isa in ("bifrost", "valhall", "maxwell", "pascal", "adreno"):
        assert count(lowered(body, isa), "fadd") == 4


def test_half_pairs_share_an_operation():
    parameters = "global half *a, global half *b, int n"
    pragma = "half4 v = vload4(i, a); vstore4(v + v * v, i, b);"
    assert count(lowered(pragma, "bifrost", parameters), "fma") == 2
    assert count(lowered(pragma, "midgard", parameters), "fma") == 2


def test_shift_and_logic_fuse_on_bifrost_but_not_on_midgard():
    parameters = "global int *a, global int *b, int n"
    body = "a[i] = (b[i] << 3) | n;"
    assert count(lowered(body, "bifrost", parameters), "logic") == 0
    assert count(lowered(body, "midgard", parameters), "logic") == 1


def test_negation_absolute_value_and_swizzles_are_free():
    plain = names("a[i] = b[i] + 1.0f;")
    assert names("a[i] = 1.0f - (-fabs(b[i]));") == plain
    body = "float4 v = vload4(i, a); vstore4(v.wzyx, i, b);"
    assert count(body, "mov") == 0


def test_division_by_a_constant_is_a_multiplication():
    parameters = "global int *a, global int *b, int n"
    short = lowered("a[i] = b[i] / 7;", "bifrost", parameters)
    long = lowered("a[i] = b[i] / n;", "bifrost", parameters)
    assert sum(b.units for b in short.blocks) < sum(b.units for b in long.blocks) / 2


def test_fast_division_is_a_reciprocal():
    assert count("a[i] = native_divide(a[i], b[i]);", "fdiv_fast") == 2
    assert count("a[i] = 1.0f / b[i];", "fdiv") > 2


def test_sizes_are_uniform_and_free():
    body = "a[i] = (float)(int)get_global_size(0);"
    assert count(lowered(body, "bifrost"), "global_id") == 0


def test_indices_of_32_bits_stay_32_bits_wide():
    for body in ("a[i] = b[i];", "a[get_global_id(0)] = b[get_global_id(0)];"):
        assert not any(name.endswith("64") for name in names(lowered(body, "bifrost")))


def test_real_64_bit_integers_are_expensive():
    parameters = "global long *a, global long *b, int n"
    code = lowered("a[i] = b[i] * b[i + 1] + 5;", "bifrost", parameters)
    assert count(code, "imul64") > 1
    assert count(code, "iadd64") == 1


def test_constant_offsets_fold_where_the_isa_can():
    body = "a[i] = b[i] + b[i + 1] + b[i + 2];"
    adds = {isa: count(lowered(body, isa), "address_add") for isa in ("bifrost", "valhall")}
    assert adds["valhall"] < adds["bifrost"]


def test_a_pointer_step_is_one_operation():
    body = "global float *p = a + n; for (int k = 0; k < n; k++) { *p = 0.0f; p += n; }"
    code = lowered(body, "bifrost")
    loop = code.view.kernel.loops[0].header
    steps = [op.name for op in issue_order(code.blocks[loop])]
    assert steps.count("address_add") == 1
    assert "address_shift" not in steps


def test_invariant_addresses_leave_the_loop():
    body = "for (int k = 0; k < n; k++) a[i * 4] += b[k];"
    code = lowered(body, "bifrost")
    header = code.view.kernel.loops[0].header
    inside = [op for op in issue_order(code.blocks[header]) if op.name == "address_add"]
    assert len(inside) == 1


def test_two_phis_that_mix_need_one_move():
    body = (
        "float x = a[0], y = a[1]; for (int k = 0; k < n; k++)"
        " { float t = x - y; y = x + y; x = t; } a[i] = x; b[i] = y;"
    )
    code = lowered(body, "bifrost")
    header = code.view.kernel.loops[0].header
    assert [op.name for op in issue_order(code.blocks[header])].count("mov") == 1


def test_atomics_and_barriers():
    parameters = "global int *a, local int *b, int n"
    code = lowered("atomic_add(&a[n], 1); barrier(1); b[i] = a[i];", "bifrost", parameters)
    assert sum(block.barriers for block in code.blocks) == 1
    assert sum(block.messages for block in code.blocks) == 3


@pytest.mark.parametrize("isa", ISAS)
def test_images(isa):
    source = (
        "kernel void k(read_only image2d_t s, write_only image2d_t d, sampler_t m) {"
        " int2 c = (int2)(get_global_id(0), get_global_id(1));"
        " write_imagef(d, c, read_imagef(s, m, c)); }"
    )
    code = lower_kernel(compile_kernel(source, "k", ""), isa)
    assert count(code, "image_read") == 1
    assert count(code, "image_write") >= 1


@pytest.mark.parametrize("isa", ISAS)
def test_every_kind_of_arithmetic_has_a_cost(isa):
    parameters = "global float *a, global int *b, global long *c, global double *d, int n"
    body = """
      a[i] = exp(a[i]) + log2(a[i]) + sin(a[i]) + tanh(a[i]) + pow(a[i], 3.0f) + rsqrt(a[i]);
      a[i] += fmod(a[i], 3.0f) + sqrt(a[i]) + floor(a[i]) + fmin(a[i], 2.0f) + a[i] / 3.0f;
      b[i] = b[i] / n + b[i] % n + popcount(b[i]) + clz(b[i]) + abs(b[i]) + rotate(b[i], 3);
      b[i] += mul_hi(b[i], n) + mad24(b[i], n, 3) + max(b[i], n) + (int)a[i];
      b[i] += convert_int_sat(a[i]);
      c[i] = c[i] * 3 + (c[i] >> 5) + (c[i] > 7 ? 1 : c[i] / 9) + (long)b[i];
      d[i] = d[i] * 2.0 + (double)a[i];
      a[i] = dot(vload4(i, a), (float4)(1.0f)) + (float)c[i] + (float)d[i];
      switch (n) { case 1: b[0] = 1; break; case 5: b[1] = 2; break; default: b[2] = 3; }
    """
    code = lowered(body, isa, parameters)
    assert sum(block.units for block in code.blocks) > 100
    assert all(block.latency_cycles >= 0 for block in code.blocks)


@pytest.mark.parametrize("isa", ISAS)
def test_printf_takes_room_and_stores_its_arguments(isa):
    source = 'kernel void k(global int *a, int n) { printf("%d %d", a[0], n); }'
    code = lower_kernel(compile_kernel(source, "k", ""), isa)
    assert count(code, "atomic") >= 1
    assert count(code, "store") == 3
    assert count(code, "load") == 1


def test_a_function_without_a_cost_is_named(monkeypatch):
    monkeypatch.delitem(builtins._FUNCTIONS, "exp")
    source = "kernel void k(global float *a) { a[0] = exp(a[0]); }"
    with pytest.raises(CompileError, match="exp"):
        lower_kernel(compile_kernel(source, "k", ""), "bifrost")
