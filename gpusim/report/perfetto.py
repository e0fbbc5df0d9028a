"""Export a timeline as Chrome/Perfetto trace JSON: tracks, flow arrows and counters.

Format: the JSON object form of the Trace Event Format ("traceEvents"), which ui.perfetto.dev
and chrome://tracing open. Its times are microseconds, so picoseconds appear as fractions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpusim.errors import OutputError, located
from gpusim.report.report import Report

_PS_PER_US = 1_000_000
_GROUPS = ("host", "driver", "job_slot", "shader_core", "dram")
"""Order of the track groups from top to bottom; a track belongs to the group it starts with."""


def trace_events(report: Report) -> list[dict[str, Any]]:
    """Return the events of one replay.

    Every track becomes a thread; spans of one launch are tied by flow arrows from the host's
    enqueue through the job slot to the first core that works on it.
    """
    timeline = report.timeline
    events: list[dict[str, Any]] = [
        {
            "ph": "M",
            "pid": 1,
            "tid": 0,
            "name": "process_name",
            "args": {"name": f"{report.device} ({report.fidelity})"},
        }
    ]
    for number, track in enumerate(timeline.tracks):
        group = track.split("[")[0].split(".")[0]
        order = _GROUPS.index(group) if group in _GROUPS else len(_GROUPS)
        events.append(_meta("thread_name", number, {"name": track}))
        events.append(_meta("thread_sort_index", number, {"sort_index": order * 1000 + number}))
    flows: dict[int, list[dict[str, Any]]] = {}
    for span in timeline.spans:
        event = {
            "ph": "X",
            "pid": 1,
            "tid": int(span["track"]),
            "name": timeline.names[int(span["name"])],
            "ts": int(span["start_ps"]) / _PS_PER_US,
            "dur": (int(span["end_ps"]) - int(span["start_ps"])) / _PS_PER_US,
            "args": {"launch": int(span["launch"]), "job": int(span["job"])},
        }
        events.append(event)
        if int(span["launch"]) >= 0:
            flows.setdefault(int(span["launch"]), []).append(event)
    for launch, spans in flows.items():
        events += _flow(launch, spans, timeline.tracks)
    return events


def _meta(name: str, tid: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "pid": 1, "tid": tid, "name": name, "args": args}


def _flow(
    launch: int, spans: list[dict[str, Any]], tracks: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return arrows through the first span of each track group, in time order."""
    first: dict[str, dict[str, Any]] = {}
    for span in sorted(spans, key=lambda event: (event["ts"], event["tid"])):
        first.setdefault(tracks[span["tid"]].split("[")[0], span)
    steps = sorted(first.values(), key=lambda event: (event["ts"], event["tid"]))
    if len(steps) < 2:
        return []
    arrows = []
    for position, span in enumerate(steps):
        phase = "s" if position == 0 else "f" if position == len(steps) - 1 else "t"
        arrow = {
            "ph": phase,
            "pid": 1,
            "tid": span["tid"],
            "name": "launch",
            "cat": "launch",
            "id": launch,
            "ts": span["ts"],
        }
        if phase == "f":
            # "enclosing slice": the arrow ends at the span that starts here, not at the next.
            arrow["bp"] = "e"
        arrows.append(arrow)
    return arrows


def write_perfetto(report: Report, path: Path) -> None:
    """Write the timeline to `path`; equal reports give equal bytes.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    document = {
        "displayTimeUnit": "ns",
        "otherData": {"trace": report.trace, "device": report.device, "pipeline": report.pipeline},
        "traceEvents": trace_events(report),
    }
    try:
        path.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            located(path, "can't write the timeline", found=error.strerror)
        ) from error
