"""Collects spans and job times while a simulation runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gpusim.timing.timeline import JOB_TIME, SPAN


@dataclass(slots=True)
class Recorder:
    """Tracks, names and spans in the order in which they were reported."""

    tracks: dict[str, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    spans: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)

    def track(self, name: str) -> None:
        """Make sure a track exists; tracks are shown in the order of their first mention."""
        self.tracks.setdefault(name, len(self.tracks))

    def span(
        self, track: str, name: str, start_ps: int, end_ps: int, launch: int = -1, job: int = -1
    ) -> None:
        """Record what a track did from `start_ps` to `end_ps`; nothing if that is empty."""
        if end_ps <= start_ps:
            return
        track_id = self.tracks.setdefault(track, len(self.tracks))
        name_id = self.names.setdefault(name, len(self.names))
        self.spans.append((track_id, name_id, launch, job, start_ps, end_ps))

    def span_array(self) -> npt.NDArray[np.void]:
        """Return the spans as SPAN rows, by start time and then by track."""
        rows = np.array(self.spans, dtype=SPAN)
        return rows[np.lexsort((rows["end_ps"], rows["track"], rows["start_ps"]))]


def job_times(rows: list[tuple[int, int, int, int, int]]) -> npt.NDArray[np.void]:
    """Return (launch, job, start, end, bound) tuples as JOB_TIME rows."""
    return np.array(rows, dtype=JOB_TIME)
