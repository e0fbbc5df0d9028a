"""Draw replays under each other on one time axis: every job as a bar, coloured by kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpusim.errors import OutputError, located
from gpusim.report.report import PS_PER_MS, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
_INK = "#222222"
_GRID = "#dddddd"


def plot_replays(
    reports: Sequence[Report], path: Path, *, title: str, labels: Sequence[str] = ()
) -> None:
    """Write a PNG (or any format matplotlib knows by suffix) with one row per replay.

    Bars are jobs on the GPU; where a launch was split, the second and later jobs stand a step
    lower, so that an extra job is seen at once. The total, host side included, ends each row.

    Parameters
    ----------
    reports : sequence of Report
        At least one.
    path : Path
        File to write.
    title : str
        Headline of the figure.
    labels : sequence of str
        One per report; device and trace by default.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    # The Figure class itself, not pyplot: no global state, no display, no fonts of the user's.
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    names = labels or [f"{report.device}\n{report.trace}" for report in reports]
    kernels = list(dict.fromkeys(row.kernel for report in reports for row in report.launches))
    colour = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(kernels)}
    figure = Figure(figsize=(10, 1.5 + 1.15 * len(reports)), layout="constrained")
    axes = figure.subplots(len(reports), 1, sharex=True, squeeze=False)[:, 0]
    for axis, report, name in zip(axes, reports, names, strict=True):
        _draw_row(axis, report, colour)
        axis.set_ylabel(name, rotation=0, ha="right", va="center", color=_INK, fontsize=9)
    longest = max(report.total_ms for report in reports)
    axes[-1].set_xlim(0, longest * 1.14)
    axes[-1].set_xlabel("simulated time, ms", color=_INK)
    figure.suptitle(title, fontsize=12, color=_INK, x=0.01, ha="left")
    handles = [Patch(color=colour[name], label=name) for name in kernels]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(4, len(kernels)), frameon=False
    )
    try:
        # No creation date: the same replay gives the same bytes.
        figure.savefig(path, dpi=130, metadata=_metadata(path))
    except (OSError, ValueError) as error:
        raise OutputError(located(path, "can't write the plot", found=error)) from error


def _metadata(path: Path) -> dict[str, Any] | None:
    return {"Software": "gpusim"} if path.suffix == ".png" else None


def _draw_row(axis: Axes, report: Report, colour: dict[str, str]) -> None:
    for row in report.launches:
        for job in row.jobs:
            start = job.start_ps / PS_PER_MS
            width = (job.end_ps - job.start_ps) / PS_PER_MS
            level = 0.55 if job.index == 0 else 0.1
            axis.broken_barh(
                [(start, width)],
                (level, 0.4),
                facecolor=colour[row.kernel],
                edgecolor="white",
                linewidth=0.4,
            )
    n_jobs = sum(len(row.jobs) for row in report.launches)
    axis.annotate(
        f" {report.total_ms:.3g} ms\n {n_jobs} jobs",
        (report.total_ms, 0.55),
        va="center",
        fontsize=9,
        color=_INK,
    )
    axis.axvline(report.total_ms, color=_INK, linewidth=0.8)
    axis.set_ylim(0, 1.05)
    axis.set_yticks([])
    axis.grid(axis="x", color=_GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(_GRID)
    axis.tick_params(colors=_INK)
