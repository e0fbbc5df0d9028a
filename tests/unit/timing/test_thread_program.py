import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.compiler import compile_kernel
from gpusim.compiler.affine import affine_addresses
from gpusim.isa.ir_view import IRView
from gpusim.loops import thread_run
from gpusim.lower import AddressMap, lower_launch
from gpusim.timing import address_form
from gpusim.timing.address_form import access_forms
from gpusim.timing.memory_traffic import loop_trips
from gpusim.timing.thread_program import thread_program
from gpusim.timing.thread_trace import trace_threads
from gpusim.timing.work_item_ids import address_symbols, parameter_values, work_item_ids
from gpusim.trace.records import Argument, ArgumentKind, Buffer, Launch, Trace
from tests.unit.timing import synthetic

SOURCE = """
kernel void gemm(global const float4* a, global const float* b, global float* c, int k, int n) {
  int x = get_global_id(0), y = get_global_id(1);
  float acc = 0;
  for (int i = 0; i < k / 4; ++i) {
    float4 v = a[y * (k / 4) + i];
    acc += v.x * b[(4 * i) * n + x] + v.y * b[(4 * i + 1) * n + x];
  }
  c[y * n + x] = acc;
}
kernel void triangle(global float* a, global const float* b, global float* c, int k, int n) {
  int i = get_global_id(0) + (int)get_global_size(0) * get_global_id(1);
  float acc = 0;
  for (int j = 0; j <= i; ++j)
    for (int t = j % 3; t < 3; ++t)
      if ((i ^ t) & 1) acc += b[j * 3 + t]; else acc -= b[j];
  a[i] = acc;
}
kernel void cases(global float* a, global const float* b, global float* c, int k, int n) {
  int i = get_global_id(0);
  switch (i % 5) {
    case 0: a[i] = b[i / 3]; break;
    case 1: a[i] = b[i + 1] + b[i + 2]; break;
    case 4: c[i] = 1.0f; break;
    default: a[i] = min(i, 7) + b[max(i - 9, 0)];
  }
}
kernel void groups(global float* a, global const float* b, global float* c, int k, int n) {
  local float tile[64];
  uint l = get_local_id(0), g = get_group_id(0);
  tile[l] = b[g * get_local_size(0) + l];
  barrier(CLK_LOCAL_MEM_FENCE);
  a[g * get_local_size(0) + l] = tile[(l + 1u) % get_local_size(0)] + get_num_groups(0);
}
"""


def job_of(name, global_size, local_size, k=12):
    n = global_size[0]
    buffers = {i: Buffer(id=i, size_bytes=1 << 20) for i in (1, 2, 3)}
    arguments = [
        Argument(index=i, kind=ArgumentKind.BUFFER, size_bytes=8, ref=i + 1) for i in range(3)
    ] + [
        Argument(index=3 + i, kind=ArgumentKind.VALUE, size_bytes=4, value=v.to_bytes(4, "little"))
        for i, v in enumerate((k, n))
    ]
    launch = Launch(
        index=0,
        seq=0,
        kernel=name,
        program=0,
        work_dim=3,
        global_size=global_size,
        local_size=local_size,
        arguments=tuple(arguments),
    )
    trace = Trace(name="t", buffers=buffers)
    spec = synthetic.device()
    (job,) = lower_launch(launch, trace, spec, AddressMap.from_trace(trace, spec))
    return job


def python_addresses(name, job, k=12):
    """Oracle: the same kernels in Python; (buffer, byte offset) of every access, per work-item."""
    n, (lx, ly, _) = job.global_size[0], job.local_size
    result = []
    for group in range(job.n_work_groups):
        gx, gy = group % job.n_groups[0], group // job.n_groups[0]
        for item in range(job.group_items):
            lid = (item % lx, item // lx)
            x, y = gx * lx + lid[0], gy * ly + lid[1]
            out = []
            if name == "gemm":
                for i in range(k // 4):
                    out += [(0, 16 * (y * (k // 4) + i))]
                    out += [(1, 4 * (4 * i * n + x)), (1, 4 * ((4 * i + 1) * n + x))]
                out.append((2, 4 * (y * n + x)))
            elif name == "triangle":
                i = x + n * y
                for j in range(i + 1):
                    for t in range(j % 3, 3):
                        out.append((1, 4 * (j * 3 + t)) if (i ^ t) & 1 else (1, 4 * j))
                out.append((0, 4 * i))
            elif name == "cases":
                case = x % 5
                if case == 0:
                    out += [(1, 4 * (x // 3)), (0, 4 * x)]
                elif case == 1:
                    out += [(1, 4 * (x + 1)), (1, 4 * (x + 2)), (0, 4 * x)]
                elif case == 4:
                    out += [(2, 4 * x)]
                else:
                    out += [(1, 4 * max(x - 9, 0)), (0, 4 * x)]
            else:
                out += [(1, 4 * x), (0, 4 * x)]
            result.append(out)
    return result


@pytest.mark.parametrize(
    ("name", "global_size", "local_size"),
    [
        ("gemm", (24, 6, 1), (4, 3, 1)),
        ("triangle", (7, 3, 1), (7, 1, 1)),
        ("cases", (60, 1, 1), (12, 1, 1)),
        ("groups", (64, 1, 1), (16, 1, 1)),
    ],
)
def test_addresses_are_those_of_the_kernel(name, global_size, local_size):
    kernel = compile_kernel(SOURCE, name)
    job = job_of(name, global_size, local_size)
    program = thread_program(kernel)
    trace = trace_threads(program, kernel, job, np.arange(job.n_work_groups))
    bases = [bound.address for bound in job.arguments[:3]]
    expected = python_addresses(name, job)
    assert trace.n_threads == len(expected)
    first = 0
    for (_, last), accesses in zip(trace.ends, expected, strict=True):
        # Local memory has addresses far above the buffers; the oracle leaves it out. The order
        # of loads inside a block is the compiler's.
        found = [a for a in trace.addresses[first:last].tolist() if a < 1 << 40]
        assert sorted(found) == sorted(bases[b] + offset for b, offset in accesses)
        first = last


@pytest.mark.parametrize(("name", "size"), [("gemm", (24, 6, 1)), ("groups", (64, 1, 1))])
def test_affine_forms_give_the_addresses_of_every_iteration(name, size):
    kernel = compile_kernel(SOURCE, name)
    job = job_of(name, size, (4, 2, 1) if size[1] > 1 else (16, 1, 1))
    groups = np.arange(job.n_work_groups)
    program = thread_program(kernel)
    trace = trace_threads(program, kernel, job, groups)
    executed = np.bincount(trace.blocks, minlength=kernel.n_blocks).astype(float)
    trips = loop_trips(kernel, executed)
    forms = access_forms(
        kernel,
        IRView(kernel),
        ids=work_item_ids(job, groups, 0),
        sizes=address_symbols(job),
        parameters=parameter_values(kernel, job),
        trips=trips,
        address_spaces=(1, 2, 3, 4),
    )
    expected = []
    for access in forms:
        assert access.form is not None
        assert access.form.is_exact
        base = np.broadcast_to(access.form.base, (job.n_work_items,))
        spread = base[None, :]
        for loop in access.loops:
            steps = np.arange(round(trips[loop]))[:, None] * access.form.strides.get(loop, 0)
            spread = (spread[:, None, :] + steps[None, :, :]).reshape(-1, job.n_work_items)
        expected.append(spread.ravel())
    assert sorted(np.concatenate(expected).tolist()) == sorted(trace.addresses.tolist())


def test_control_flow_on_loaded_data_is_refused():
    source = """kernel void walk(global const int* a, global int* out) {
      int i = get_global_id(0);
      while (a[i] > 0) i = a[i];
      out[get_global_id(0)] = i;
    }"""
    assert thread_program(compile_kernel(source, "walk")) is None


def test_an_address_from_loaded_data_is_left_out_and_marked():
    source = """kernel void gather(global const int* a, global const float* b, global float* out) {
      int i = get_global_id(0);
      out[i] = b[a[i]];
    }"""
    program = thread_program(compile_kernel(source, "gather"))
    assert sorted(program.sites["is_known"].tolist()) == [False, True, True]
    assert sum(len(sites) for sites in program.block_sites) == 2


signed = st.integers(-(1 << 31), (1 << 31) - 1)


def wrapped(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


@given(signed, signed, st.sampled_from([8, 16, 32]))
def test_integer_operations_are_those_of_two_s_complement(a, b, bits):
    a, b = wrapped(a, bits), wrapped(b, bits)
    ua, ub = a % (1 << bits), b % (1 << bits)
    expected = {
        thread_run.ADD: a + b,
        thread_run.SUB: a - b,
        thread_run.MUL: a * b,
        thread_run.AND: a & b,
        thread_run.OR: a | b,
        thread_run.XOR: a ^ b,
        thread_run.SHL: a << (b % bits),
        thread_run.ASHR: a >> (b % bits),
        thread_run.LSHR: ua >> (b % bits),
        thread_run.SDIV: 0 if b == 0 else int(a / b),
        thread_run.SREM: 0 if b == 0 else a - b * int(a / b),
        thread_run.UDIV: 0 if b == 0 else ua // ub,
        thread_run.UREM: 0 if b == 0 else ua % ub,
        thread_run.SMIN: min(a, b),
        thread_run.UMAX: max(ua, ub),
        thread_run.UMULHI: (ua * ub) >> bits,
        thread_run.SMULHI: (a * b) >> bits,
    }
    code = np.array(
        [[thread_run.BLOCK, 0, 0, 0, 0]]
        + [[operation, 2 + i, 0, 1, bits] for i, operation in enumerate(expected)]
        + [[thread_run.RETURN, 0, 0, 0, 0]],
        dtype=np.int64,
    )
    registers = np.zeros(2 + len(expected), dtype=np.int64)
    registers[:2] = a, b
    empty = np.zeros((0, 3), dtype=np.int64)
    row, _ = thread_run.advance(
        code, empty, empty[:, :2], registers, 0, 0, registers[:1].copy(), registers[:0].copy(), 0
    )
    assert row == -1
    assert registers[2:].tolist() == [wrapped(value, bits) for value in expected.values()]


OFFSETS = """
kernel void offsets(global float* a, global const float* b, global float* c, int k, int n) {
  int x = get_global_id(0), y = get_global_id(1), g = get_group_id(0), q = n / 3;
  for (int i = 0; i < k; ++i)
    a[y * n + x + i * q] = b[get_global_id(1) * 8 + get_global_offset(0) + g * 4 + i];
  c[get_global_linear_id()] = b[get_local_linear_id()] + b[x / 3];
}
"""


@pytest.mark.parametrize("name", ["gemm", "groups", "cases", "triangle", "offsets"])
def test_the_compilers_descriptors_agree_with_working_out_each_launch(name, monkeypatch):
    """Also in a job that begins within its launch and has a local size of its own."""
    kernel = compile_kernel(SOURCE + OFFSETS, name, "-cl-std=CL2.0")
    assert any(item is not None for item in affine_addresses(kernel).values())
    job = dataclasses.replace(
        job_of(name, (24, 6, 1), (4, 2, 1)),
        global_size=(6, 4, 1),
        local_size=(3, 2, 1),
        item_offset=(24, 2, 0),
        group_offset=(6, 1, 0),
        launch_global_size=(30, 6, 1),
        launch_global_offset=(5, 7, 0),
    )
    groups = np.arange(job.n_work_groups)

    def forms():
        return access_forms(
            kernel,
            IRView(kernel),
            ids=work_item_ids(job, groups, 0),
            sizes=address_symbols(job),
            parameters=parameter_values(kernel, job),
            trips=dict.fromkeys(range(len(kernel.loops)), 4.0),
            address_spaces=(1, 2, 3, 4),
        )

    described = forms()
    monkeypatch.setattr(address_form, "affine_addresses", lambda kernel: {})
    for ours, expected in zip(described, forms(), strict=True):
        if expected.form is None:
            assert ours.form is None
            continue
        assert ours.form is not None
        shape = (job.n_work_items,)
        np.testing.assert_array_equal(
            np.broadcast_to(ours.form.base, shape), np.broadcast_to(expected.form.base, shape)
        )
        for loop in ours.loops:
            np.testing.assert_array_equal(
                np.broadcast_to(ours.form.strides.get(loop, 0), shape),
                np.broadcast_to(expected.form.strides.get(loop, 0), shape),
            )
