import gzip
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.pipeline import replay
from gpusim.report import write_perfetto
from gpusim.report.perfetto import _lanes, trace_events
from gpusim.resources import traces_dir
from gpusim.timing import FIDELITIES
from gpusim.timing.timeline import SPAN
from tests.traces import saxpy_trace
from tests.unit.report.trace_event_rules import check_trace_events, ps


@pytest.fixture(scope="module")
def report():
    return replay(saxpy_trace(n=1003, kernels=("saxpy", "saxpy")), "mali-g72")


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("name", ["mali-g72", "mali-t860", "jetson-tx2"])
def test_a_shipped_trace_obeys_the_format(name, fidelity):
    result = replay(traces_dir() / "reduction.gptrace", name, fidelity=fidelity)
    check_trace_events(trace_events(result))


def test_every_span_is_a_slice_of_its_group(report, tmp_path):
    path = tmp_path / "timeline.json"
    write_perfetto(report, path)
    document = json.loads(path.read_text())
    tracks = check_trace_events(document["traceEvents"])
    slices = [event for events in tracks.values() for event in events]
    expected = sorted(
        (report.timeline.names[int(s["name"])], int(s["start_ps"]), int(s["end_ps"]))
        for s in report.timeline.spans
    )
    found = sorted((e["name"], ps(e["ts"]), ps(e["ts"]) + ps(e["dur"])) for e in slices)
    assert found == expected
    assert {e["cat"] for e in slices} == {
        track.split("[")[0] for track in report.timeline.tracks if track != "dram"
    } | {"dram"}


def test_tracks_are_grouped(report):
    events = trace_events(report)
    processes = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    threads = {e["args"]["name"]: processes[e["pid"]] for e in events if e["name"] == "thread_name"}
    assert threads["host"] == threads["driver"] == "host and driver (mali-g72, wave)"
    assert threads["job_slot[1]"] == "job manager (mali-g72, wave)"
    assert threads["shader_core[3]"] == "shader cores (mali-g72, wave)"
    assert threads["dram"] == "memory (mali-g72, wave)"


def test_cores_are_in_order(report):
    events = trace_events(report)
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    order = {
        names[e["tid"]]: e["args"]["sort_index"] for e in events if e["name"] == "thread_sort_index"
    }
    cores = sorted((n for n in order if n.startswith("shader")), key=lambda n: order[n])
    assert cores == [f"shader_core[{k}]" for k in range(len(cores))]


def test_an_arrow_leads_from_enqueue_over_job_to_core(report):
    """Two launches of two jobs: four arrows, each through host, driver, slot and core."""
    events = trace_events(report)
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    arrows = {}
    for event in events:
        if event["ph"] in "stf":
            arrows.setdefault(event["id"], []).append(names[event["tid"]].split("[")[0])
    assert len(arrows) == 4
    assert all(path == ["host", "driver", "job_slot", "shader_core"] for path in arrows.values())
    slices = {(e["tid"], e["ts"]): e for e in events if e["ph"] == "X"}
    bound = [slices[e["tid"], e["ts"]] for e in events if e["ph"] in "tf" and "ts" in e]
    jobs = [(e["args"]["launch"], e["args"]["job"]) for e in bound if e["cat"] == "job_slot"]
    assert sorted(jobs) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_counters_by_hand(report):
    events = trace_events(report)

    def series(name):
        points = [e for e in events if e["ph"] == "C" and e["name"] == name]
        return [(ps(e["ts"]), *e["args"].values()) for e in points]

    jobs = [job for row in report.launches for job in row.jobs]
    # Bytes under the curve are the bytes moved.
    for name, moved in (
        ("DRAM", sum(job.dram_bytes for job in jobs)),
        ("L2", sum(job.l2_bytes for job in jobs)),
    ):
        points = series(name)
        area = sum((b[0] - a[0]) * a[1] * 1e-3 for a, b in pairwise(points))
        assert area == pytest.approx(moved, rel=1e-4)
        assert points[-1][1] == 0
    flying = series("jobs in flight")
    assert flying[0][0] == min(row.enqueue_ps for row in report.launches)
    assert flying[-1] == (max(job.end_ps for job in jobs), 0)
    assert max(value for _, value in series("active cores")) <= 12


def test_partly_overlapping_spans_move_to_another_thread(report):
    """A host with two threads: B begins inside A and outlives it; C is inside B."""
    spans = np.array(
        [(0, 0, -1, -1, 0, 100), (0, 1, -1, -1, 50, 200), (0, 2, -1, -1, 60, 150)], dtype=SPAN
    )
    timeline = replace(report.timeline, tracks=("host",), names=("A", "B", "C"), spans=spans)
    events = trace_events(replace(report, launches=(), timeline=timeline))
    tracks = check_trace_events(events)
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    where = {names[tid]: [e["name"] for e in slices] for (_, tid), slices in tracks.items()}
    assert where == {"host": ["A"], "host (2)": ["B", "C"]}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=40))
def test_lanes_hold_nested_spans_only(pairs):
    starts = [start for start, _ in pairs]
    ends = [start + length for start, length in pairs]
    lanes = _lanes(starts, ends)
    for i in range(len(pairs)):
        for j in range(len(pairs)):
            if i != j and lanes[i] == lanes[j] and starts[i] <= starts[j] < ends[i]:
                inside = ends[j] <= ends[i]
                same_start = starts[i] == starts[j] and ends[i] <= ends[j]
                assert inside or same_start
    apart = all(
        ends[i] <= starts[j] or ends[j] <= starts[i] for i in range(len(pairs)) for j in range(i)
    )
    if apart:
        assert set(lanes) <= {0}


def test_names_of_strangers_stay_text(report, tmp_path):
    hostile = 'k"\\}]{"ph":"X"\ud800\x00</script>'
    names = tuple(hostile if name == "saxpy" else name for name in report.timeline.names)
    changed = replace(report, trace=hostile, timeline=replace(report.timeline, names=names))
    path = tmp_path / "t.json"
    write_perfetto(changed, path)
    events = json.loads(path.read_text())["traceEvents"]
    check_trace_events(events)
    assert any(event["name"].startswith('k"\\}]') for event in events)


def test_compressed_where_the_name_says_so(report, tmp_path):
    write_perfetto(report, tmp_path / "t.json")
    write_perfetto(report, tmp_path / "t.json.gz")
    assert (
        gzip.decompress((tmp_path / "t.json.gz").read_bytes()) == (tmp_path / "t.json").read_bytes()
    )
