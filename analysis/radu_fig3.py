"""RADU Fig. 3: ResNet-50 layer 16 under ACL GEMM on Mali-G72, 1 to 128 channels: two staircases."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

from gpusim.study.stairs import find_stairs

NOTE = """
Both staircases and their groups of four are there, and for the paper's reason: the product's
work-items cover four channels, and when the columns of work-items don't divide by four the driver
makes a second job of the rest. Published are 14 and 23 ms, drawn as crosses; whether these are
per run is not stated. The gap between the staircases is far smaller here than there: see
radu_remainder_causes.
"""
PAPER_MS = {92: 23.0, 93: 14.0, 94: 14.0, 95: 14.0, 96: 14.0, 97: 23.0}


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    times = channel_times.channel_times("resnet50", 16, range(1, 129), "acl-gemm", "mali-g72")
    ms = {time.point.layer.out_channels: time.predicted_ms for time in times}
    jobs = {time.point.layer.out_channels: time.n_jobs for time in times}
    lines = {
        f"{number} jobs": (
            [count for count in ms if jobs[count] == number],
            [ms[count] for count in ms if jobs[count] == number],
        )
        for number in sorted(set(jobs.values()))
    }
    drawing.curves(
        "radu_fig3",
        lines,
        title="ResNet-50 layer 16, ACL GEMM on Mali-G72",
        points={"published": (list(PAPER_MS), list(PAPER_MS.values()))},
    )
    stairs = find_stairs(times)
    rows = [
        agreement.number(f"{count} channels", published, ms[count], unit="ms")
        for count, published in PAPER_MS.items()
    ]
    rows += [
        agreement.number("97 over 96 channels", 23 / 14, ms[97] / ms[96], unit="x"),
        agreement.number("92 over 93 channels", 23 / 14, ms[92] / ms[93], unit="x"),
        agreement.number("staircases from 17 channels on", 2, len(_staircases(jobs)), unit=""),
        agreement.claim("the staircases are interleaved", stairs.is_interleaved),
        agreement.claim(
            "each level is a group of 4 channels",
            all(abs(ms[first] / ms[first + 3] - 1) < 0.02 for first in range(17, 126, 4)),
        ),
    ]
    return {"rows": rows}


def _staircases(jobs: dict[int, int]) -> set[int]:
    """Return the different numbers of jobs, below 17 channels left out."""
    return {number for count, number in jobs.items() if count > 16}


if __name__ == "__main__":
    agreement.show(main()["rows"])
