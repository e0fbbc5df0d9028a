"""Proofs repeated for other launches: the same result as a new proof, or none."""

import operator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpusim.compiler.compile import compile_kernel
from gpusim.count import count_job
from gpusim.count.launch_proof import plan_of
from gpusim.count.recording import Recorder, at_most, equal, increasing, lesser, plain
from gpusim.errors import CountError
from tests.conftest import CHECKOUT
from tests.unit.count.run_case import make_job, per_group

OPERATIONS = [
    *(operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod),
    *(operator.and_, operator.or_, operator.xor),
]
NUMBER = st.integers(-9, 9)
STEPS = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 30), st.integers(0, 30)), max_size=25
)


def compute(a: int, b: int, steps) -> tuple[list[int], list[bool]]:
    """Compute something of two numbers, and decide something by each result."""
    values, decisions = [a, b, 3, 0, 1], []
    for operation, left, right in steps:
        x, y = values[left % len(values)], values[right % len(values)]
        if operation in (operator.floordiv, operator.mod) and not y:
            continue
        values.append(operation(x, y))
        decisions += [values[-1] > 4, values[-1] == x]
        if values[-1] <= y:
            values.append(abs(-values[-1]))
    return values, decisions


@settings(max_examples=300, deadline=None)
@given(first=st.tuples(NUMBER, NUMBER), then=st.lists(st.tuples(NUMBER, NUMBER)), steps=STEPS)
def test_a_recorded_computation_gives_what_python_gives(first, then, steps) -> None:
    recorder = Recorder()
    values, decisions = compute(
        recorder.input("A[0]", first[0]), recorder.input("A[1]", first[1]), steps
    )
    expected = compute(*first, steps)
    assert ([plain(v) for v in values], decisions) == expected
    replay = recorder.function(values)
    assert replay(first, (), ()) == tuple(expected[0])
    for pair in then:
        found = replay(pair, (), ())
        if found is not None:
            values, decided = compute(*pair, steps)
            assert list(found) == values
            assert decided == expected[1]


def test_only_what_is_shown_becomes_a_condition() -> None:
    recorder = Recorder()
    n = recorder.input("A[0]", 5)
    assert not at_most(n, 4)
    assert not equal(n, 4)
    assert lesser(n, 100) is n
    assert recorder.function(n)([-7], (), ()) == -7
    assert at_most(n, 6)
    assert increasing([n + 2, 7, n]) == [5, 7]
    replay = recorder.function((n, n + 2))
    assert replay([5], (), ()) == (5, 7)
    assert replay([4], (), ()) is None, "n + 2 is no longer 7"
    assert replay([7], (), ()) is None


def test_a_number_with_a_trace_is_not_taken_for_a_plain_one() -> None:
    n = Recorder().input("A[0]", 2)
    for use in (lambda: [0] * n, lambda: range(n), lambda: {n}, lambda: "abc"[n]):
        with pytest.raises(TypeError):
            use()


KERNELS = {
    "guard": "if (x < p) a[x] = y;",
    "two guards": "if (x < p && y < q) for (int i = 0; i < r; ++i) a[y * p + x] += i;",
    "loops": "for (int i = 0; i < p; ++i) for (int j = r; j > 0; j -= 2) a[x] += i * j;",
    "while": "int i = p; while (i < q) { a[x] += i; i += 3; }",
    "early exit": "if (q > 3) return; for (int i = 0; i != p; ++i) a[i] = x;",
    "groups": "if (get_group_id(0) == q) a[x] = 1; else for (int i = 0; i < r; ++i) a[x] -= i;",
    "quotient": "a[x / 4 * 4 + x % 4] = 2; for (int i = p; i < q + r; i += 2) a[i & 7] += i;",
    "shifts": "for (int i = p; i > q; i >>= 1) a[x] += i; for (int i = 1; i < r; i *= 4) a[i] = x;",
    "do": "int i = 0; do { a[x] += i; i += q; } while (i < p);",
    "nested exit": "for (int i = 0; i < p; ++i) { if (q < 2) break; a[i] = i; }",
    "switch": "switch (q) { case 0: a[x] = 1; break; case 3: a[x] = 4; case 4: a[0] = y; }",
}


@pytest.mark.parametrize("body", KERNELS.values(), ids=KERNELS.keys())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    groups=st.tuples(st.integers(1, 5), st.integers(1, 3)),
    local=st.tuples(st.integers(1, 4), st.integers(1, 2)),
    values=st.tuples(st.integers(-1, 9), st.integers(-1, 9), st.integers(-1, 9)),
    length=st.integers(1, 80),
)
def test_a_repeated_proof_is_a_new_proof(body, groups, local, values, length) -> None:
    """The kernel's plan is shared by all examples, so most of them repeat a recorded proof."""
    text = "const int x = get_global_id(0), y = get_global_id(1);"
    kernel = compile_kernel(
        f"__kernel void k(__global int *a, int p, int q, int r) {{ {text} {body} }}", "k"
    )
    sizes = (groups[0] * local[0], groups[1] * local[1])
    arguments = [np.zeros(length, np.int32), *map(np.int32, values)]
    job, memory = make_job("k", sizes, local, arguments)
    try:
        sliced = count_job(kernel, job, memory, mode="slice")
    except CountError as error:
        assert "cannot be counted by a slice" in str(error)  # noqa: PT017
        return
    full = count_job(kernel, job, memory, mode="full")
    np.testing.assert_array_equal(per_group(sliced), per_group(full))
    np.testing.assert_array_equal(sliced.class_blocks, full.class_blocks)
    np.testing.assert_array_equal(sliced.class_runs, full.class_runs)


def test_new_sizes_and_arguments_repeat_one_proof() -> None:
    source = (CHECKOUT / "tests/corpus/kernels/dense.cl").read_text()
    kernel = compile_kernel(source, "gemm_naive")
    plan = plan_of(kernel)
    proven = None
    for n in range(16, 176, 16):
        job, memory = make_job(
            "gemm_naive", (n, n), (16, 4), [np.zeros((n, n), np.float32)] * 3 + [np.int32(n)]
        )
        counted = count_job(kernel, job, memory, mode="slice")
        full = count_job(kernel, job, memory, mode="full")
        np.testing.assert_array_equal(counted.class_blocks, full.class_blocks)
        proven = plan.n_proven if n == 48 else proven
    assert plan.n_proven == proven
    job, memory = make_job(
        "gemm_naive", (64, 64), (16, 4), [np.zeros((64, 63), np.float32)] * 3 + [np.int32(64)]
    )
    with pytest.raises(CountError, match="cannot be counted by a slice"):
        count_job(kernel, job, memory, mode="slice")


WRAPPED = """__kernel void k(__global int *a, ulong n) {
    const ulong start = (uint)((uint)get_global_id(0) - 1u);
    for (ulong i = start; i != start + n; ++i) a[i + 1] = 1;
}"""


def test_a_loop_variable_that_wrapped_on_entry_is_not_in_bounds() -> None:
    """Work-item 0 starts at 2**32 - 1, far outside, although -1 + 1 = 0 would be inside."""
    job, memory = make_job("k", (4,), (4,), [np.zeros(16, np.int32), np.uint64(3)])
    with pytest.raises(CountError, match="cannot be counted by a slice"):
        count_job(compile_kernel(WRAPPED, "k"), job, memory, mode="slice")
