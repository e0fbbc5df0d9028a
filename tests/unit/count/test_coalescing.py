"""Lines, banks and streams: worked examples, and the loops against slow oracles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpusim.compiler import compile_kernel
from gpusim.count import count_job, count_kernel
from gpusim.count.address_stream import LOCAL_BASE, AddressStream
from gpusim.count.coalescing import coalescing
from gpusim.count.layout import BUFFER_BASE
from gpusim.loops.warp_stream import bank_passes, lines_of_accesses, table_bits
from tests.unit.count.run_case import make_job


def stream_of(source: str, n: int, local: int, width: int, values: list) -> AddressStream:
    job, memory = make_job("k", (n,), (local,), values)
    kernel = compile_kernel(source, "k")
    lockstep = count_job(kernel, job, memory, warp_width=width, lane_addresses=1 << 16).lockstep
    assert lockstep is not None
    assert lockstep.stream is not None
    return lockstep.stream


@pytest.mark.parametrize(
    ("index", "lines"),
    [
        # 32 lanes of 4 bytes: 128 bytes side by side, every second or 16th word, one word.
        ("i", {32: 4, 64: 2, 128: 1}),
        ("2 * i", {32: 8, 64: 4, 128: 2}),
        ("16 * i", {32: 32, 64: 32, 128: 16}),
        ("0", {32: 1, 64: 1, 128: 1}),
        ("i ^ 31", {32: 4, 64: 2, 128: 1}),
        ("i + 1", {32: 5, 64: 3, 128: 2}),
    ],
)
def test_lines_of_strided_loads(index: str, lines: dict[int, int]) -> None:
    source = f"""__kernel void k(__global const int *a, __global int *b) {{
        int i = get_global_id(0); b[i] = a[{index}]; }}"""
    values = [np.zeros(2048, np.int32), np.zeros(64, np.int32)]
    found = coalescing(stream_of(source, 64, 32, 32, values))
    load = next(site for site in found["sites"] if site["access"] == "load")
    assert load["mean_lines"]["32"] >= load["mean_lines"]["64"] >= load["mean_lines"]["128"]
    first = load["lines"]
    assert {size: max(map(int, first[str(size)])) for size in lines} == lines
    store = next(site for site in found["sites"] if site["access"] == "store")
    assert store["mean_lines"] == {"32": 4, "64": 2, "128": 1}
    assert store["lines"]["64"] == {"2": 2}
    assert found["recorded"] == 1


@pytest.mark.parametrize(("stride", "passes"), [(1, 1), (2, 2), (8, 8), (32, 32), (33, 1), (0, 1)])
def test_bank_conflicts_of_strided_local_loads(stride: int, passes: int) -> None:
    source = f"""__kernel void k(__global int *b, __local int *mine) {{
        int i = get_local_id(0);
        mine[i * {stride}] = i; barrier(CLK_LOCAL_MEM_FENCE); b[i] = mine[i * {stride}]; }}"""
    values = [np.zeros(64, np.int32), "local:8192"]
    found = coalescing(stream_of(source, 32, 32, 32, values))
    local = [site for site in found["sites"] if site["space"] == "local"]
    assert [site["access"] for site in local] == ["store", "load"]
    for site in local:
        assert site["bank_passes"]["mean"] == passes
        assert site["bank_passes"]["conflict_free_mean"] == 1
        assert site["bank_passes"]["histogram"] == {str(passes): 1}


def test_rows_of_a_stream_say_which_lanes_ran() -> None:
    source = """__kernel void k(__global int *a) {
        int i = get_global_id(0); if (i & 1) atomic_inc(a + i); }"""
    found = stream_of(source, 16, 16, 8, [np.zeros(16, np.int32)]).lanes()
    assert found["lane"].tolist() == [1, 3, 5, 7] * 2
    assert found["warp"].tolist() == [0] * 4 + [1] * 4
    assert (found["mask"] == 0b10101010).all()
    assert found["address"].tolist() == [BUFFER_BASE + 4 * i for i in range(1, 16, 2)]
    assert found["is_store"].all()


def test_warps_take_turns() -> None:
    source = """__kernel void k(__global int *a, __local int *b) {
        int i = get_local_id(0);
        for (int j = 0; j < 3; j++) { b[i] = a[i + j]; barrier(CLK_LOCAL_MEM_FENCE); }
        a[64 + i] = b[15 - i]; }"""
    stream = stream_of(source, 16, 16, 8, [np.zeros(128, np.int32), "local:64"])
    assert stream.accesses["warp"].tolist() == [0, 0, 1, 1] * 4
    assert (
        stream.addresses[stream.first[1] : stream.first[2]] == LOCAL_BASE + 4 * np.arange(8)
    ).all()


def test_a_stream_without_room_says_how_much_it_holds() -> None:
    source = """__kernel void k(__global int *a) { int i = get_global_id(0), s = 0;
        for (int j = 0; j < 64; j++) s += a[(i + j * j) & 255]; a[256 + i] = s; }"""
    job, memory = make_job("k", (256,), (64,), [np.zeros(512, np.int32)])
    kernel = compile_kernel(source, "k")
    lockstep = count_job(kernel, job, memory, warp_width=32, lane_addresses=4000).lockstep
    assert lockstep is not None
    stream = lockstep.stream
    assert stream is not None
    assert stream.recorded == len(stream.addresses) / (256 * 65)
    assert 0.1 < stream.recorded < 0.3
    # Every group has its share.
    assert set(stream.accesses["group"].tolist()) == {0, 1, 2, 3}


def test_slices_record_the_addresses_of_full_runs() -> None:
    source = """__kernel void k(__global const float4 *a, __global float *b, __local float *c) {
        int i = get_global_id(0), l = get_local_id(0);
        c[l] = dot(a[i], a[i + 1]); barrier(CLK_LOCAL_MEM_FENCE);
        if (l < 5) b[i] = c[l + 1]; }"""
    found = []
    for mode in ("slice", "full"):
        values = [np.ones(1024, np.float32), np.zeros(256, np.float32), "local:128"]
        job, memory = make_job("k", (64,), (16,), values)
        kernel = compile_kernel(source, "k")
        how = {"warp_width": 8, "lane_addresses": 1 << 14, "mode": mode}
        lockstep = count_job(kernel, job, memory, **how).lockstep
        assert lockstep is not None
        assert lockstep.stream is not None
        found.append(lockstep.stream.lanes())
    assert len(found[0]) == 64 * 3 + 4 * 10
    assert (found[0] == found[1]).all()


def test_count_kernel_reports_lines() -> None:
    result = count_kernel(
        "__kernel void k(__global float *a) { a[get_global_id(0) * 2] = 1; }",
        "k", [64], [32], [np.zeros(128, np.float32)],
    )  # fmt: skip
    found = result.as_dict()["memory"]["coalescing"]
    assert found["mean_lines"] == {"32": 8.0, "64": 4.0, "128": 2.0}
    nothing = count_kernel(
        "__kernel void k(__global float *a) { a[0] = 1; }",
        "k", [8], [8], [np.zeros(8, np.float32)], warp_width=0,
    )  # fmt: skip
    assert "coalescing" not in nothing.as_dict()["memory"]


ACCESSES = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 4, 8, 16, 48]),
        st.lists(st.integers(0, 2000) | st.integers(0, 2**47), min_size=1, max_size=32),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(accesses=ACCESSES, shift=st.integers(2, 8))
def test_lines_are_the_distinct_ones_in_order(
    accesses: list[tuple[int, list[int]]], shift: int
) -> None:
    first = np.cumsum([0, *(len(lanes) for _, lanes in accesses)])
    addresses = np.array([a for _, lanes in accesses for a in lanes], np.int64)
    n_bytes = np.array([size for size, _ in accesses], np.int64)
    expected = [
        list(dict.fromkeys(b >> shift for a in lanes for b in range(a, a + size)))
        for size, lanes in accesses
    ]
    counts = np.zeros(len(accesses), np.int64)
    lines = np.zeros(32 * 50 * len(accesses), np.int64)
    total = lines_of_accesses(first, addresses, n_bytes, shift, table_bits(32 * 14), counts, lines)
    assert counts.tolist() == [len(row) for row in expected]
    assert lines[:total].tolist() == [line for row in expected for line in row]


@settings(max_examples=200, deadline=None)
@given(accesses=ACCESSES, n_banks=st.sampled_from([16, 32]))
def test_passes_are_the_most_words_of_one_bank(
    accesses: list[tuple[int, list[int]]], n_banks: int
) -> None:
    first = np.cumsum([0, *(len(lanes) for _, lanes in accesses)])
    addresses = np.array([a for _, lanes in accesses for a in lanes], np.int64)
    n_bytes = np.array([size for size, _ in accesses], np.int64)
    expected = []
    for size, lanes in accesses:
        words = -(-size // 4)
        together = max(1, n_banks // words)
        passes = 0
        for start in range(0, len(lanes), together):
            batch = lanes[start : start + together]
            wanted = {word for a in batch for word in range(a // 4, a // 4 + words)}
            passes += max(sum(w % n_banks == bank for w in wanted) for bank in range(n_banks))
        expected.append((passes, -(-len(lanes) // together)))
    found = np.zeros((2, len(accesses)), np.int64)
    bank_passes(first, addresses, n_bytes, n_banks, table_bits(64), found[0], found[1])
    assert list(zip(*found.tolist(), strict=True)) == expected
