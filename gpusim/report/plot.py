"""Draw replays under each other on one time axis: every job as a bar, coloured by kernel."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpusim.errors import OutputError, located
from gpusim.report.report import PS_PER_MS, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
_NAMED = 15
"""Kernels in the legend."""
_PARTED = 200
"""Bars of a row that are told apart by white edges."""
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
        axis.set_ylabel(
            name, rotation=0, ha="right", va="center", color=_INK, fontsize=9, parse_math=False
        )
    longest = max(report.total_ms for report in reports) or 1.0
    axes[-1].set_xlim(0, longest * 1.14)
    axes[-1].set_xlabel("simulated time, ms", color=_INK)
    figure.suptitle(title, fontsize=12, color=_INK, x=0.01, ha="left", parse_math=False)
    handles = [Patch(color=colour[name], label=_label(name)) for name in kernels[:_NAMED]]
    if len(kernels) > _NAMED:
        more = f"and {len(kernels) - _NAMED} more, colours repeat"
        handles.append(Patch(facecolor="none", edgecolor="none", label=more))
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=min(4, len(handles) or 1), frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    try:
        with warnings.catch_warnings():
            # A name in a script that the font lacks is drawn as boxes.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            # No creation date: the same replay gives the same bytes.
            figure.savefig(path, dpi=130, metadata=_metadata(path))
    except (OSError, ValueError) as error:
        raise OutputError(located(path, "can't write the plot", found=error)) from error


def _label(kernel: str) -> str:
    """Return a legend's text; matplotlib leaves out what starts with an underscore."""
    name = kernel if len(kernel) <= 40 else f"{kernel[:39]}…"
    return f" {name}" if name.startswith("_") else name


def _metadata(path: Path) -> dict[str, Any] | None:
    return {"Software": "gpusim"} if path.suffix == ".png" else None


def _draw_row(axis: Axes, report: Report, colour: dict[str, str]) -> None:
    bars: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for row in report.launches:
        for job in row.jobs:
            if not job.joined:
                level = 0.55 if job.index == 0 else 0.1
                bar = (job.start_ps / PS_PER_MS, job.duration_ps / PS_PER_MS)
                bars.setdefault((row.kernel, level), []).append(bar)
    # Edges in white part neighbours; where there are too many, they would hide the bars.
    n_bars = sum(len(spans) for spans in bars.values())
    edge = "white" if n_bars <= _PARTED else "face"
    for (kernel, level), spans in bars.items():
        axis.broken_barh(
            spans, (level, 0.4), facecolor=colour[kernel], edgecolor=edge, linewidth=0.4
        )
    n_jobs = sum(row.n_jobs for row in report.launches)
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
