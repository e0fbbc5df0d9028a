"""Memory over time against a replay of creations and releases, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.errors import TraceError
from gpusim.trace.footprint import footprint, image_bytes, pixel_bytes
from gpusim.trace.records import Buffer, Image, Trace
from tests.unit.trace.sample import sample_trace

LIVES = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.one_of(st.none(), st.integers(0, 20)),
        st.integers(0, 100),
        st.booleans(),
    ),
    max_size=12,
)


@given(LIVES)
def test_footprint_equals_the_sum_of_what_is_alive(lives):
    buffers = {}
    for key, (created, life, size, is_sub_buffer) in enumerate(lives):
        buffers[key] = Buffer(
            id=key,
            size_bytes=size,
            parent=0 if is_sub_buffer else None,
            created_ns=created,
            released_ns=None if life is None else created + life,
        )
    changes = footprint(Trace(name="t", buffers=buffers))
    assert (changes["host_ns"][1:] > changes["host_ns"][:-1]).all()
    for moment in range(45):
        alive = sum(
            buffer.size_bytes
            for buffer in buffers.values()
            if buffer.parent is None
            and buffer.created_ns <= moment
            and (buffer.released_ns is None or moment < buffer.released_ns)
        )
        before = changes[changes["host_ns"] <= moment]
        assert alive == (int(before["bytes"][-1]) if len(before) else 0)


def test_sample_counts_images_and_not_what_lies_in_buffers():
    changes = footprint(sample_trace())
    # Buffer 1 (64 B, 10..90000), buffer 3 (1024 B from 30), image 10 (64 B pitch x 4, 40..80000).
    assert changes["host_ns"].tolist() == [10, 30, 40, 80_000, 90_000]
    assert changes["bytes"].tolist() == [64, 1088, 1344, 1088, 1024]


@pytest.mark.parametrize(
    ("order", "kind", "expected"),
    [
        ("RGBA", "FLOAT", 16),
        ("RGBA", "HALF_FLOAT", 8),
        ("R", "UNORM_INT8", 1),
        ("RG", "UNSIGNED_INT16", 4),
        ("RGB", "UNORM_SHORT_565", 2),
        ("RGB", "UNORM_INT_101010", 4),
        ("YUYV_INTEL", "UNORM_INT8", None),
        ("RGBA", "VENDOR", None),
    ],
)
def test_pixel_sizes(order, kind, expected):
    image = Image(id=1, type="image2d", width=3, height=5, channel_order=order, channel_type=kind)
    assert pixel_bytes(image) == expected
    assert image_bytes(image) == (None if expected is None else 15 * expected)


def test_an_image_of_unknown_format_counts_by_its_pitch():
    image = Image(id=1, type="image2d", width=3, height=5, channel_order="ODD", row_pitch_bytes=64)
    assert image_bytes(image) == 320


def test_more_than_int64_is_refused():
    buffers = {key: Buffer(id=key, size_bytes=2**48) for key in range(2**15)}
    with pytest.raises(TraceError, match="objects too large"):
        footprint(Trace(name="t", buffers=buffers))


def test_a_trace_without_objects_has_no_footprint():
    assert len(footprint(Trace(name="t"))) == 0
