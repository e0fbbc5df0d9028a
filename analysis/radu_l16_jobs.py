"""Draw the jobs of ResNet-50 layer 16 with 92, 93, 96 and 97 channels on the Mali-G72 model.

The paper behind it (Radu et al., IISWC 2019, Tables I-IV and Figure 14) reports one extra job for
92 and 97 channels, and 23 ms against 14 ms. This script prints our figures beside the paper's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gpusim import load_trace, replay
from gpusim.report import Report, plot_replays
from gpusim.resources import traces_dir

CHANNELS = (92, 93, 96, 97)
PAPER_MS = {92: 23.0, 93: 14.0, 96: 14.0, 97: 23.0}


def gemm_ms(report: Report) -> float:
    """Return the mean GPU time of one gemm_mm launch, ms."""
    times = [row.predicted_ps for row in report.launches if row.kernel == "gemm_mm"]
    return sum(times) / len(times) / 1e9


def run_ms(report: Report, n_runs: int = 4) -> float:
    """Return the GPU time of one inference (im2col and GEMM), ms."""
    times = [row.predicted_ps for row in report.launches if row.kernel != "reshape_to_columns"]
    return sum(times) / n_runs / 1e9


def main() -> None:
    """Replay the four traces, print the comparison, write the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="mali-g72")
    parser.add_argument("--plot", type=Path, default=Path("radu-l16-jobs.png"))
    options = parser.parse_args()
    reports = [
        replay(load_trace(traces_dir() / f"resnet50-l16-c{channels}.gptrace"), options.device)
        for channels in CHANNELS
    ]
    print("channels  jobs of one gemm_mm   gemm ms  im2col+gemm ms  total ms  paper ms")
    for channels, report in zip(CHANNELS, reports, strict=True):
        gemm = next(row for row in report.launches if row.kernel == "gemm_mm")
        columns = " + ".join(str(job.global_size[0]) for job in gemm.jobs)
        print(
            f"{channels:8d}  {columns:>19s}  {gemm_ms(report):8.3f}  {run_ms(report):14.3f}"
            f"  {report.total_ms:8.3f}  {PAPER_MS[channels]:8.1f}"
        )
    plot_replays(
        reports,
        options.plot,
        title="ResNet-50 layer 16 by GEMM: jobs on the simulated Mali-G72",
        labels=[f"{channels} channels" for channels in CHANNELS],
    )
    print(f"written: {options.plot}")


if __name__ == "__main__":
    main()
