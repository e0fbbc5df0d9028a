"""The rules of the Trace Event Format that viewers rely on, as checks.

"Trace Event Format" (the Chromium project's document): metadata, complete events, counters, flow
events. Times are compared in ps, as the exporter got them.
"""

import math
from collections import defaultdict

KINDS = {"M", "X", "C", "s", "t", "f"}


def ps(us):
    return round(us * 1_000_000)


def check_trace_events(events):
    """Assert every rule; return the slices per (pid, tid)."""
    assert all(event["ph"] in KINDS for event in events)
    check_names(events)
    timed = [event for event in events if event["ph"] != "M"]
    assert events[: len(events) - len(timed)] == [e for e in events if e["ph"] == "M"]
    stamps = [event["ts"] for event in timed]
    assert stamps == sorted(stamps)
    assert all(math.isfinite(stamp) and stamp >= 0 for stamp in stamps)
    slices = check_nesting(events)
    check_flows(timed)
    check_counters(events)
    return slices


def check_names(events):
    """Processes and threads are named once, before use, each thread in one process."""
    processes = [e["pid"] for e in events if e["name"] == "process_name" and e["ph"] == "M"]
    threads = [
        (e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["ph"] == "M"
    ]
    assert len(processes) == len(set(processes))
    assert len(threads) == len({tid for _, tid in threads})
    assert {pid for pid, _ in threads} <= set(processes)
    for event in events:
        assert isinstance(event["pid"], int)
        if event["ph"] in "Xstf":
            assert (event["pid"], event["tid"]) in set(threads)
        if event["ph"] == "C":
            assert event["pid"] in processes


def check_nesting(events):
    """Slices of a thread follow each other or lie within each other, outer ones first."""
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            assert event["dur"] >= 0
            tracks[event["pid"], event["tid"]].append(event)
    for slices in tracks.values():
        stack = []
        for event in slices:
            start = ps(event["ts"])
            end = start + ps(event["dur"])
            while stack and stack[-1] <= start:
                stack.pop()
            assert not stack or end <= stack[-1], f"{event['name']} overlaps in part"
            stack.append(end)
    return tracks


def check_flows(timed):
    """An arrow starts, steps and finishes once per id, in time, each on a slice that is open."""
    arrows = defaultdict(list)
    open_slices = defaultdict(list)
    for event in timed:
        key = (event["pid"], event.get("tid"))
        if event["ph"] == "X":
            open_slices[key].append((event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] in "stf":
            # Bound by file order: the slice has been announced and is not over.
            assert any(start <= event["ts"] < end for start, end in open_slices[key])
            arrows[event["cat"], event["id"]].append(event)
    for steps in arrows.values():
        phases = "".join(event["ph"] for event in steps)
        assert phases[0] == "s"
        assert phases[-1] == "f"
        assert set(phases[1:-1]) <= {"t"}
        assert len({event["name"] for event in steps}) == 1
        assert steps[-1]["bp"] == "e"


def check_counters(events):
    """A counter keeps its keys, its values are numbers, and no time comes twice."""
    series = defaultdict(list)
    for event in events:
        if event["ph"] == "C":
            series[event["pid"], event["name"]].append(event)
    for points in series.values():
        assert len({tuple(point["args"]) for point in points}) == 1
        assert all(math.isfinite(v) for point in points for v in point["args"].values())
        stamps = [point["ts"] for point in points]
        assert len(stamps) == len(set(stamps))
