"""Export a timeline as Chrome/Perfetto trace JSON: tracks, flow arrows and counters.

Format: the JSON object form of the Trace Event Format ("traceEvents"), which ui.perfetto.dev
and chrome://tracing open. Its times are microseconds, so picoseconds appear as fractions.

Each group of tracks is a process (host and driver, job manager, shader cores, memory). The
slices of a thread must nest; where the spans of one track overlap each other only in part, the
later ones move to a further thread of the same name.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpusim.errors import OutputError, located
from gpusim.report.report import JobRow, Report
from gpusim.report.series import (
    Series,
    active_cores,
    dram_rate,
    jobs_in_flight,
    l2_rate,
    track_group,
)
from gpusim.report.tables import size_text

_PS_PER_US = 1_000_000

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    name: str
    groups: tuple[str, ...]
    """Track groups it holds, from top to bottom."""


_PROCESSES = (
    _Process(1, "host and driver", ("host", "driver", "interrupts")),
    _Process(2, "job manager", ("job_slot",)),
    _Process(3, "shader cores", ("shader_core",)),
    _Process(4, "memory", ("dram",)),
    _Process(5, "other", ()),
)
_THREADS_PER_PROCESS = 10_000
"""Thread ids are unique in the whole file: some viewers look at nothing else."""


def trace_events(report: Report) -> list[Event]:
    """Return the events of one replay: names first, then everything else by time.

    The jobs of a launch are tied by flow arrows from the host's enqueue through the driver and
    the job slot to the first core that works on them, one arrow per job.
    """
    threads = _threads(report)
    slices = _slices(report, threads)
    timed = [*slices, *_flows(report, slices), *_counters(report)]
    # An outer slice goes before what it holds, a flow event after the slice it is bound to.
    timed.sort(key=lambda e: (e["ts"], _RANK[e["ph"]], -e.get("dur", 0.0), e["pid"]))
    return [*_names(report, threads), *timed]


_RANK = {"X": 0, "s": 1, "t": 2, "f": 3, "C": 4}


@dataclass(slots=True)
class _Thread:
    pid: int
    tid: int
    name: str
    order: int
    rows: list[int]
    """Spans, by position in the timeline."""


def _process(track: str) -> tuple[_Process, int]:
    """Return a track's process, and where its group stands there."""
    group = track_group(track)
    for process in _PROCESSES:
        if group in process.groups:
            return process, process.groups.index(group)
    return _PROCESSES[-1], 0


def _threads(report: Report) -> list[_Thread]:
    timeline = report.timeline
    threads: list[_Thread] = []
    for number, track in enumerate(timeline.tracks):
        process, position = _process(track)
        rows = np.flatnonzero(timeline.spans["track"] == number)
        spans = timeline.spans[rows]
        lanes = _lanes(spans["start_ps"].tolist(), spans["end_ps"].tolist())
        for lane in range(max(lanes, default=0) + 1):
            tid = _THREADS_PER_PROCESS * process.pid + sum(t.pid == process.pid for t in threads)
            threads.append(
                _Thread(
                    pid=process.pid,
                    tid=tid + 1,
                    name=track if lane == 0 else f"{track} ({lane + 1})",
                    order=position * 1000 + _index(track) * 10 + lane,
                    rows=[r for r, k in zip(rows.tolist(), lanes, strict=True) if k == lane],
                )
            )
    return threads


def _index(track: str) -> int:
    digits = track.partition("[")[2].partition("]")[0]
    return int(digits) if digits.isdecimal() else 0


def _lanes(starts: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Return a lane for each span, such that the spans of a lane nest or follow each other."""
    lanes = [0] * len(starts)
    # Per lane the ends of the spans that are open, the innermost last.
    open_ends: list[list[int]] = []
    for position in sorted(range(len(starts)), key=lambda k: (starts[k], -ends[k])):
        start, end = starts[position], ends[position]
        for stack in open_ends:
            while stack and stack[-1] <= start:
                stack.pop()
        fitting = (k for k, stack in enumerate(open_ends) if not stack or end <= stack[-1])
        lane = next(fitting, len(open_ends))
        if lane == len(open_ends):
            open_ends.append([])
        open_ends[lane].append(end)
        lanes[position] = lane
    return lanes


def _names(report: Report, threads: Sequence[_Thread]) -> list[Event]:
    events = []
    for process in _PROCESSES:
        if not any(thread.pid == process.pid for thread in threads):
            continue
        name = f"{process.name} ({report.device}, {report.fidelity})"
        events.append(_meta("process_name", process.pid, 0, {"name": name}))
        events.append(_meta("process_sort_index", process.pid, 0, {"sort_index": process.pid}))
    for thread in threads:
        events.append(_meta("thread_name", thread.pid, thread.tid, {"name": _text(thread.name)}))
        events.append(
            _meta("thread_sort_index", thread.pid, thread.tid, {"sort_index": thread.order})
        )
    return events


def _meta(name: str, pid: int, tid: int, args: Event) -> Event:
    return {"ph": "M", "pid": pid, "tid": tid, "name": name, "args": args}


def _slices(report: Report, threads: Sequence[_Thread]) -> list[Event]:
    timeline = report.timeline
    jobs = {(row.index, job.index): job for row in report.launches for job in row.jobs}
    events = []
    for thread in threads:
        group = track_group(thread.name)
        for position in thread.rows:
            span = timeline.spans[position]
            start, end = int(span["start_ps"]), int(span["end_ps"])
            launch, number = int(span["launch"]), int(span["job"])
            args: Event = {}
            if launch >= 0:
                args["launch"] = launch
            if number >= 0:
                args["job"] = number
            if group == "job_slot" and (launch, number) in jobs:
                args |= _job_args(jobs[launch, number])
            events.append(
                {
                    "ph": "X",
                    "pid": thread.pid,
                    "tid": thread.tid,
                    "name": _text(timeline.names[int(span["name"])]),
                    "cat": group,
                    "ts": start / _PS_PER_US,
                    "dur": (end - start) / _PS_PER_US,
                    "args": args,
                }
            )
    return events


def _job_args(job: JobRow) -> Event:
    return {
        "global": size_text(job.global_size),
        "local": size_text(job.local_size),
        "work_groups": job.work_groups,
        "bound": job.bound,
        "dram_bytes": job.dram_bytes,
        "bounds_us": {n: v / _PS_PER_US for n, v in job.bounds_ps.items() if v},
    }


def _text(name: str) -> str:
    """Return a name that every JSON reader takes; lone surrogates are not Unicode text."""
    return name.encode("utf-8", "replace").decode("utf-8")


_STATIONS = ("host", "driver", "job_slot", "shader_core")
"""What a flow passes through; the first slice of a job in each."""


def _flows(report: Report, slices: Sequence[Event]) -> list[Event]:
    """Return one arrow per job, through the first of its slices at each station."""
    first: dict[tuple[int, int, str], Event] = {}
    for event in sorted(slices, key=lambda e: (e["ts"], e["tid"])):
        launch = event["args"].get("launch")
        if launch is not None and event["cat"] in _STATIONS:
            first.setdefault((launch, event["args"].get("job", -1), event["cat"]), event)
    arrows: list[Event] = []
    number = 0
    for row in report.launches:
        for job in row.jobs:
            if job.joined:
                continue
            # The host enqueues a launch, not a job.
            found = [
                first.get((row.index, -1 if station == "host" else job.index, station))
                for station in _STATIONS
            ]
            steps = [event for event in found if event is not None]
            if len(steps) >= 2:
                arrows += _flow(number, row.kernel, steps)
                number += 1
    return arrows


def _flow(number: int, kernel: str, steps: Sequence[Event]) -> list[Event]:
    arrows = []
    for position, event in enumerate(steps):
        phase = "s" if position == 0 else "f" if position == len(steps) - 1 else "t"
        arrow = {
            "ph": phase,
            "pid": event["pid"],
            "tid": event["tid"],
            "name": _text(kernel),
            "cat": "job",
            "id": number,
            "ts": event["ts"],
        }
        if phase == "f":
            # "enclosing slice": the arrow ends at the slice that starts here, not at the next.
            arrow["bp"] = "e"
        arrows.append(arrow)
    return arrows


def _counters(report: Report) -> list[Event]:
    groups = {track_group(track) for track in report.timeline.tracks}
    events: list[Event] = []
    if "job_slot" in groups:
        events += _counter(2, "jobs in flight", "jobs", jobs_in_flight(report), 1.0)
    if "shader_core" in groups:
        events += _counter(3, "active cores", "cores", active_cores(report.timeline), 1.0)
    if "dram" in groups:
        events += _counter(4, "DRAM", "GB/s", dram_rate(report), 1e9)
        events += _counter(4, "L2", "GB/s", l2_rate(report), 1e9)
    return events


def _counter(pid: int, name: str, unit: str, series: Series, scale: float) -> list[Event]:
    times, values = series
    return [
        {
            "ph": "C",
            "pid": pid,
            "name": name,
            "ts": int(time) / _PS_PER_US,
            "args": {unit: round(float(value) / scale, 6)},
        }
        for time, value in zip(times, values, strict=True)
    ]


def write_perfetto(report: Report, path: Path) -> None:
    """Write the timeline to `path`; equal reports give equal bytes.

    A path that ends in ``.gz`` is compressed, which the viewers open too.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    document = {
        "displayTimeUnit": "ns",
        "otherData": {
            "trace": _text(report.trace),
            "device": report.device,
            "fidelity": report.fidelity,
            "pipeline": report.pipeline,
        },
        "traceEvents": trace_events(report),
    }
    data = json.dumps(document, separators=(",", ":")).encode("ascii")
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise OutputError(
            located(path, "can't write the timeline", found=error.strerror)
        ) from error
