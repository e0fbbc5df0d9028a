"""The summary of a trace against counts made launch by launch."""

import json
from collections import Counter

import pytest

from gpusim.trace import Trace, load_trace, write_trace
from gpusim.trace.summary import summarize
from tests.unit.trace.sample import sample_trace
from tests.unit.trace.test_sequences import many_launches


@pytest.fixture
def loaded(tmp_path):
    write_trace(sample_trace(), tmp_path / "t")
    return load_trace(tmp_path / "t")


def test_sample(loaded):
    summary = summarize(loaded)
    assert json.loads(json.dumps(summary)) == summary
    assert summary["devices"] == [
        {"real": "pthread-skylake", "presented": "Mali-G72", "profile": "mali-g72"}
    ]
    assert summary["times"] == {
        "timed_launches": 3,
        "meaning": "of the real device, not of the presented one",
        "impersonated": True,
        "profiling_forced": True,
    }
    assert summary["programs"][0]["kernels"] == ["blur", "scale"]
    assert summary["programs"][0]["bytes"] == 156
    assert summary["programs"][1]["bytes"] is None
    scale = summary["kernels"][0]
    assert (scale["kernel"], scale["launches"], scale["failed"], scale["timed"]) == (
        "scale",
        4,
        1,
        2,
    )
    assert scale["ndranges"] == [
        {"global": [16, 1, 1], "local": [4, 1, 1], "launches": 4, "device_ns": 12_000}
    ]
    assert summary["kernels"][1]["ndranges"][0]["local"] is None
    assert summary["memory"] == {
        "buffers": 2,
        "sub_buffers": 1,
        "buffer_bytes": 1088,
        "images": 2,
        "image_bytes": 256,
        "images_of_unknown_size": 0,
        "peak_bytes": 1344,
        "peak_host_ns": 40,
        "end_bytes": 1024,
    }
    assert summary["transfers"] == [
        {"kind": "write", "commands": 1, "bytes": 64},
        {"kind": "read", "commands": 1, "bytes": 256},
        {"kind": "copy", "commands": 1, "bytes": 32},
        {"kind": "fill", "commands": 1, "bytes": 1024},
    ]
    assert summary["completeness"]["unrecorded_calls"] == ["clEnqueueSVMMap"]
    assert summary["host_ns"] == {"first": 2000, "last": 8250}


def test_records_and_columns_give_the_same_summary(loaded):
    from dataclasses import replace

    eager = replace(loaded, launches=tuple(loaded.launches), commands=tuple(loaded.commands))
    assert summarize(eager) == summarize(loaded)


def test_groups_equal_a_count_launch_by_launch():
    launches = many_launches(500)
    summary = summarize(sample_trace(launches=launches, commands=()))
    expected = Counter(
        (launch.kernel, launch.global_size, launch.local_size) for launch in launches
    )
    found = {
        (
            kernel["kernel"],
            tuple(ndrange["global"]),
            None if ndrange["local"] is None else tuple(ndrange["local"]),
        ): ndrange["launches"]
        for kernel in summary["kernels"]
        for ndrange in kernel["ndranges"]
    }
    assert found == expected


def test_an_empty_trace_has_a_summary():
    summary = summarize(Trace(name="empty"))
    assert summary["times"]["meaning"] == "none"
    assert summary["memory"]["peak_bytes"] == 0
    assert summary["kernels"] == []
