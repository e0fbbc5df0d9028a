"""Launches are built when they are looked at, and only then."""

import io
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from gpusim.trace import schema
from gpusim.trace.encode import ArgumentSets
from gpusim.trace.reader import read_files
from gpusim.trace.sequences import ChunkedTable, LaunchSequence
from gpusim.trace.storage import MemoryFiles
from gpusim.trace.writer import canonical_files
from tests.property.trace_mutations import seal
from tests.unit.trace.sample import BLUR_ARGUMENTS, SCALE_ARGUMENTS, launch, sample_trace


def many_launches(n):
    """Launches that all differ, with a mix of argument sets, nulls and waits."""
    return tuple(
        launch(
            i,
            i + 1,
            global_size=(1 + i, 1, 1),
            local_size=None if i % 3 else (1, 1, 1),
            arguments=((), SCALE_ARGUMENTS, BLUR_ARGUMENTS)[i % 3],
            waits=(i,) if i % 5 == 4 else (),
            label=f"layer {i % 7}",
            queue=None if i % 11 == 0 else i % 2,
        )
        for i in range(n)
    )


@pytest.fixture(scope="module")
def chunked():
    """A trace of 3,000 launches in row groups of 700, and the launches it was made from."""
    launches = many_launches(3000)
    files = canonical_files(sample_trace(launches=launches, commands=()), "t")
    table = pq.read_table(io.BytesIO(files["launches.parquet"]))
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=700, store_schema=False)
    return read_files(
        MemoryFiles("t", seal(files | {"launches.parquet": sink.getvalue()}))
    ), launches


def test_items_equal_the_records_in_any_order(chunked):
    trace, launches = chunked
    assert trace.launches.table.n_chunks == 5
    assert list(trace.launches) == list(launches)
    for i in np.random.default_rng(1).integers(-3000, 3000, 200).tolist():
        assert trace.launches[i] == launches[i]
    assert trace.launches[690:1410:13] == list(launches[690:1410:13])
    assert trace.launches[::-1][:3] == list(launches[::-1][:3])
    assert launches[2] in trace.launches
    assert trace.launches.index(launches[1500]) == 1500


@pytest.mark.parametrize("index", [3000, -3001, 10**9])
def test_an_index_outside_is_an_index_error(chunked, index):
    with pytest.raises(IndexError):
        chunked[0].launches[index]


def test_at_most_a_few_row_groups_and_blocks_are_held(chunked):
    trace, _ = chunked
    decoded = []
    table = trace.launches.table

    def read(position):
        decoded.append(position)
        return table.chunk(position)

    counting = ChunkedTable(schema.LAUNCHES, np.diff(table.starts), read, str)
    launches = LaunchSequence(counting, trace.launches.arguments)
    assert decoded == []
    launches[5], launches[6], launches[255]
    assert decoded == [0]
    assert len(launches._blocks._kept) == 1
    for _ in launches:
        assert len(counting._chunks._kept) <= 2
        assert len(launches._blocks._kept) <= 16
    assert decoded == [0, 1, 2, 3, 4]


def test_arguments_are_stored_once_per_distinct_set(chunked):
    trace, launches = chunked
    sets = ArgumentSets(launches)
    assert sets.sets == (SCALE_ARGUMENTS, BLUR_ARGUMENTS)
    assert sets.of_launch[:4].tolist() == [-1, 0, 1, -1]
    assert len(trace.launches.arguments.ids) == 2
    # Equal is enough, it need not be the same tuple.
    copies = [replace(launches[1], arguments=tuple(replace(a) for a in SCALE_ARGUMENTS))] * 2
    assert ArgumentSets(copies).sets == (SCALE_ARGUMENTS,)


def test_a_loaded_trace_is_rewritten_without_building_launches(chunked, monkeypatch):
    trace, _ = chunked

    def refuse(self, index, row):
        raise AssertionError("a launch was built")

    monkeypatch.setattr(LaunchSequence, "_record", refuse)
    files = canonical_files(trace, "t")
    assert pq.read_metadata(io.BytesIO(files["launches.parquet"])).num_rows == 3000
