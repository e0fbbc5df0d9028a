from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.errors import LowerError
from gpusim.lower import AddressMap, lower_launch, split_regions
from gpusim.lower.local_size import NULL_LOCAL_SIZE
from gpusim.trace.records import Argument, ArgumentKind, Buffer, Launch, Trace
from tests.unit.timing import synthetic

sizes = st.tuples(*[st.integers(1, 40)] * 3)


def launch(global_size, local_size, **rest):
    return Launch(
        index=3,
        seq=9,
        kernel="gemm_mm",
        program=1,
        work_dim=3,
        global_size=global_size,
        local_size=local_size,
        **rest,
    )


def lower(record, spec=None, trace=None, **rest):
    spec = spec or synthetic.device()
    trace = trace or Trace(name="t.gptrace")
    return lower_launch(record, trace, spec, AddressMap.from_trace(trace, spec), **rest)


# Radu et al., IISWC 2019, Tables I-IV: 92, 93, 96 and 97 channels give 23, 24, 24 and 25 columns.
@pytest.mark.parametrize(
    ("columns", "jobs"), [(23, [20, 3]), (24, [24]), (25, [24, 1])], ids=["92", "93+96", "97"]
)
def test_gemm_of_layer_16_splits_as_published(columns, jobs):
    lowered = lower(launch((columns, 196, 1), (4, 1, 1)))
    assert [job.global_size[0] for job in lowered] == jobs
    assert lowered[0].local_size == (4, 1, 1)
    assert lowered[-1].local_size == ((columns % 4) or 4, 1, 1)
    assert [job.item_offset[0] for job in lowered] == [0, *jobs[:1]][: len(jobs)]
    assert all(job.launch_num_groups == (-(-columns // 4), 196, 1) for job in lowered)
    assert [job.group_offset[0] for job in lowered] == [0, jobs[0] // 4][: len(jobs)]


@given(sizes, sizes)
def test_regions_tile_the_range_exactly_once(global_size, local_size):
    regions = split_regions(global_size, local_size)
    seen = Counter()
    groups = Counter()
    for region in regions:
        for axis in range(3):
            assert region.global_size[axis] % region.local_size[axis] == 0
        ranges = [
            range(o, o + n) for o, n in zip(region.item_offset, region.global_size, strict=True)
        ]
        if global_size[0] * global_size[1] * global_size[2] <= 4000:
            seen.update(product(*ranges))
        n_groups = [n // s for n, s in zip(region.global_size, region.local_size, strict=True)]
        groups.update(
            product(*[range(o, o + n) for o, n in zip(region.group_offset, n_groups, strict=True)])
        )
    n_items = global_size[0] * global_size[1] * global_size[2]
    if n_items <= 4000:
        assert len(seen) == n_items
        assert set(seen.values()) == {1}
    expected = [-(-g // s) for g, s in zip(global_size, local_size, strict=True)]
    assert len(groups) == expected[0] * expected[1] * expected[2]
    assert set(groups.values()) == {1}
    assert len(regions) <= 8


# Radu et al., IISWC 2019, Table V: local sizes the runtime chose for 90 to 93 channels.
@pytest.mark.parametrize(
    ("channels", "local"), [(90, (2, 1, 8)), (91, (1, 1, 8)), (92, (4, 1, 1)), (93, (1, 1, 8))]
)
def test_g72_policy_gives_the_published_local_sizes(channels, local):
    assert NULL_LOCAL_SIZE["mali_g72"]((channels, 7, 56)) == local


@given(sizes, st.sampled_from(sorted(NULL_LOCAL_SIZE)))
def test_null_policies_divide_the_global_size(global_size, name):
    local = NULL_LOCAL_SIZE[name](global_size)
    assert all(g % s == 0 for g, s in zip(global_size, local, strict=True))
    limit = 256 if name.endswith("256") else 64
    assert local[0] * local[1] * local[2] <= limit


def test_null_local_size_is_resolved_x_first():
    (job,) = lower(launch((48, 6, 1), None))
    assert job.local_size == (16, 2, 1)
    assert job.enqueued_local_size == (16, 2, 1)


def test_policy_none_joins_the_regions_into_one_job():
    spec = synthetic.device(policy__job_split="none")
    lowered = lower(launch((23, 5, 1), (4, 2, 1)), spec)
    assert [job.joined for job in lowered] == [False, True, True, True]
    assert sum(job.n_work_items for job in lowered) == 23 * 5


def test_required_local_size_wins_over_null_and_must_agree():
    (job,) = lower(launch((16, 4, 1), None), required_local_size=(8, 1, 1))
    assert job.local_size == (8, 1, 1)
    with pytest.raises(LowerError, match="reqd_work_group_size"):
        lower(launch((16, 4, 1), (4, 1, 1)), required_local_size=(8, 1, 1))
    with pytest.raises(LowerError, match="no multiple"):
        lower(launch((17, 4, 1), None), required_local_size=(8, 1, 1))


def test_work_group_above_the_limit_is_refused_by_name():
    with pytest.raises(LowerError, match=r"t.gptrace: launch 3 \(gemm_mm\): work-group.*257") as e:
        lower(launch((257, 1, 1), (257, 1, 1)))
    assert "\n" not in str(e.value)


def test_zero_sizes_are_refused():
    with pytest.raises(LowerError, match="global size"):
        lower(launch((0, 1, 1), None))
    with pytest.raises(LowerError, match="local size"):
        lower(launch((8, 1, 1), (0, 1, 1)))


def buffers(*items):
    return Trace(name="t.gptrace", buffers={item.id: item for item in items})


def test_buffers_are_page_aligned_disjoint_and_hold_their_sub_buffers():
    trace = buffers(
        Buffer(id=5, size_bytes=5000),
        Buffer(id=1, size_bytes=1),
        Buffer(id=2, size_bytes=100, parent=5, offset_bytes=256),
    )
    places = AddressMap.from_trace(trace, synthetic.device()).buffers
    assert places[1] % 4096 == places[5] % 4096 == 0
    assert places[2] == places[5] + 256
    assert places[5] >= places[1] + 4096
    assert places[1] > 0


def test_sub_buffer_outside_its_parent_is_refused():
    trace = buffers(
        Buffer(id=1, size_bytes=64), Buffer(id=2, size_bytes=64, parent=1, offset_bytes=32)
    )
    with pytest.raises(LowerError, match="beyond its parent"):
        AddressMap.from_trace(trace, synthetic.device())
    orphan = buffers(Buffer(id=2, size_bytes=64, parent=7))
    with pytest.raises(LowerError, match="buffer 7"):
        AddressMap.from_trace(orphan, synthetic.device())


def test_arguments_get_the_address_of_their_buffer():
    trace = buffers(
        Buffer(id=1, size_bytes=4096), Buffer(id=2, size_bytes=64, parent=1, offset_bytes=128)
    )
    record = launch(
        (4, 1, 1),
        (4, 1, 1),
        arguments=(
            Argument(index=0, kind=ArgumentKind.BUFFER, size_bytes=8, ref=2),
            Argument(index=1, kind=ArgumentKind.LOCAL, size_bytes=512),
            Argument(index=2, kind=ArgumentKind.VALUE, size_bytes=4, value=b"\0\0\0\0"),
            Argument(index=3, kind=ArgumentKind.NULL, size_bytes=8),
        ),
    )
    (job,) = lower(record, trace=trace)
    root = AddressMap.from_trace(trace, synthetic.device()).buffers[1]
    assert [(a.address, a.size_bytes) for a in job.arguments] == [
        (root + 128, 64),
        (0, 512),
        (0, 0),
        (0, 0),
    ]


def test_unknown_and_oversized_buffers_are_refused():
    record = launch(
        (4, 1, 1),
        None,
        arguments=(Argument(index=0, kind=ArgumentKind.BUFFER, size_bytes=8, ref=2),),
    )
    with pytest.raises(LowerError, match="no such buffer"):
        lower(record)
    with pytest.raises(LowerError, match="larger than synthetic"):
        lower(record, trace=buffers(Buffer(id=2, size_bytes=1 << 30)))
