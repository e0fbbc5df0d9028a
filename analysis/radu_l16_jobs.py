"""RADU Tables I to IV in pictures: the jobs of layer 16 with 92, 93, 96 and 97 channels, G72."""

from __future__ import annotations

from typing import Any

import agreement
import drawing

from gpusim import load_trace, replay
from gpusim.report import Report, plot_replays
from gpusim.resources import traces_dir

NOTE = """
One extra job per product at 92 and 97 channels, as the paper infers from its simulator. Published
levels are 23 and 14 ms; whether these are one inference or the four of a trace is not stated, so
the whole trace is shown.
"""
CHANNELS = (92, 93, 96, 97)
PAPER_MS = {92: 23.0, 93: 14.0, 96: 14.0, 97: 23.0}


def gemm_jobs(report: Report) -> str:
    """Return the columns of work-items of each job of one matrix product."""
    gemm = next(row for row in report.launches if row.kernel == "gemm_mm")
    return " + ".join(str(job.global_size[0]) for job in gemm.jobs)


def main() -> dict[str, Any]:
    """Replay the four traces, draw, compare."""
    reports = [
        replay(load_trace(traces_dir() / f"resnet50-l16-c{channels}.gptrace"), "mali-g72")
        for channels in CHANNELS
    ]
    drawing.FOLDER.mkdir(parents=True, exist_ok=True)
    plot_replays(
        reports,
        drawing.FOLDER / "radu_l16_jobs.png",
        title="ResNet-50 layer 16 by GEMM: jobs on the simulated Mali-G72",
        labels=[f"{channels} channels" for channels in CHANNELS],
    )
    rows = []
    for channels, report in zip(CHANNELS, reports, strict=True):
        what = f"{channels} channels: ms of the trace (product: {gemm_jobs(report)} columns)"
        rows.append(agreement.number(what, PAPER_MS[channels], report.total_ms, unit="ms"))
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
