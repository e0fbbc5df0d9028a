"""Our reader of Parquet headers against Arrow's, and against files that lie."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpusim.errors import TraceError
from gpusim.trace import parquet_footer
from gpusim.trace.parquet_footer import declared_rows
from tests.property.trace_mutations import base_files


def stored(table, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    n_rows=st.integers(1, 300),
    group=st.integers(1, 200),
    page_version=st.sampled_from(["1.0", "2.0"]),
    compression=st.sampled_from(["none", "snappy", "zstd", "gzip"]),
    use_dictionary=st.booleans(),
    checksum=st.booleans(),
    page_size=st.sampled_from([16, 1 << 20]),
)
def test_rows_of_row_groups_are_those_that_arrow_sees(
    n_rows, group, page_version, compression, use_dictionary, checksum, page_size
):
    table = pa.table(
        {
            "a": pa.array(range(n_rows), pa.int64()),
            "b": pa.array([None if i % 3 else "x" * (i % 50) for i in range(n_rows)], pa.string()),
            "c": pa.array([[i] * (i % 4) for i in range(n_rows)], pa.list_(pa.int64())),
            "d": pa.array(
                [{"e": i % 2 == 0} for i in range(n_rows)], pa.struct([("e", pa.bool_())])
            ),
        }
    )
    data = stored(
        table,
        row_group_size=group,
        data_page_version=page_version,
        compression=compression,
        use_dictionary=use_dictionary,
        write_page_checksum=checksum,
        data_page_size=page_size,
        write_page_index=True,
    )
    metadata = pq.read_metadata(io.BytesIO(data))
    groups = range(metadata.num_row_groups)
    assert declared_rows(data, "t") == [metadata.row_group(i).num_rows for i in groups]


@pytest.mark.parametrize("name", sorted(n for n in base_files() if n.endswith(".parquet")))
def test_a_file_cut_anywhere_is_refused(name):
    data = base_files()[name]
    for length in range(0, len(data), 7):
        with pytest.raises(TraceError, match="t: damaged Parquet"):
            declared_rows(data[:length], "t")


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_ROWS", 9, "10 rows in all"),
        ("MAX_GROUP_ROWS", 9, r"rows of a row group: 10 is not within 0\.\.9"),
        ("MAX_GROUP_BYTES", 60, r"bytes: \d+ is not within 0\.\.60"),
        ("MAX_PAGE_BYTES", 16, r"page: \d+ is not within 0\.\.16"),
        ("MAX_GROUP_ITEMS", 29, r"row group 0 column 1: items: 30 is not within 0\.\.29"),
    ],
)
def test_limits_hold_for_what_is_declared(limit, value, message, monkeypatch):
    table = pa.table({"a": pa.array(range(10)), "b": pa.array([[1, 2, 3]] * 10)})
    data = stored(table)
    assert declared_rows(data, "t") == [10]
    monkeypatch.setattr(parquet_footer, limit, value)
    with pytest.raises(TraceError, match=message):
        declared_rows(data, "t")


def test_a_page_that_claims_more_than_the_limit_is_refused_before_it_is_allocated():
    # A repeated value: a few bytes that decode to far more items than a list may hold.
    table = pa.table({"a": pa.array([[7] * (1 << 24), []])})
    data = stored(table, compression="zstd")
    assert len(data) < 1 << 16
    with pytest.raises(TraceError, match=r"column 0: items: 16777217 is not within"):
        declared_rows(data, "t")


def test_columns_in_other_files_are_refused():
    data = stored(pa.table({"a": [1, 2]}))
    sink = io.BytesIO()
    metadata = pq.read_metadata(io.BytesIO(data))
    metadata.set_file_path("/etc/passwd")
    metadata.write_metadata_file(sink)
    footer = sink.getvalue()[4:]
    body = data[: -8 - int.from_bytes(data[-8:-4], "little")]
    with pytest.raises(TraceError, match="is in another file"):
        declared_rows(body + footer, "t")
