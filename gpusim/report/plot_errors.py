"""Draw simulated against measured times: a scatter with error bands, and how errors spread."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gpusim.errors import OutputError, located

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINT = "#0072B2"
_INK = "#222222"
_GRID = "#dddddd"
_BANDS = ((0.25, "#eeeeee"), (0.10, "#d5e6f2"))
_MAX_VALUES = 8
"""Values of a feature that the figure shows; the page lists all."""
_MAX_LABEL = 44
_STYLE = """body{font:14px sans-serif;color:#222;max-width:70em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}
td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}img{max-width:100%}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """The errors of pairs that share something."""

    feature: str
    value: str
    errors: Sequence[float]
    """(simulated - measured) / measured."""


def plot_errors(
    measured_ms: Sequence[float],
    simulated_ms: Sequence[float],
    path: Path,
    *,
    groups: Sequence[ErrorGroup] = (),
) -> None:
    """Write the figure to a file.

    Left: every pair with y = x and bands of 10 and 25 %. Middle: share of pairs whose error is
    at most so large. Right, where there are groups: every error by feature, with the median.

    Parameters
    ----------
    measured_ms, simulated_ms : sequence of float
        Equal lengths, positive, ms.
    path : Path
        PNG, or any format matplotlib knows by suffix.
    groups : sequence of ErrorGroup
        In the order to draw; of each feature the first few.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    figure = _figure(measured_ms, simulated_ms, groups)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise OutputError(located(path, "can't write the plot", found=error)) from error


def write_comparison_page(
    measured_ms: Sequence[float],
    simulated_ms: Sequence[float],
    path: Path,
    *,
    lines: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    groups: Sequence[ErrorGroup] = (),
    group_columns: Sequence[str] = (),
    group_rows: Sequence[Sequence[str]] = (),
) -> None:
    """Write one self-contained HTML page: lines of text, figure, errors by feature, all rows.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    image = io.BytesIO()
    # Without the date and version that matplotlib adds, equal input gives equal bytes.
    _figure(measured_ms, simulated_ms, groups).savefig(
        image, dpi=120, format="png", metadata={"Software": None}
    )
    encoded = base64.b64encode(image.getvalue()).decode()
    texts = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    by_feature = ""
    if group_rows:
        by_feature = f"<h2>Errors by feature</h2>{_table(group_columns, group_rows)}"
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Simulated against measured</title><style>{_STYLE}</style></head><body>"
        f"<h1>Simulated against measured</h1>{texts}"
        f'<img alt="scatter plot and error distribution" src="data:image/png;base64,{encoded}">'
        f"{by_feature}<h2>All rows</h2>{_table(columns, rows)}</body></html>\n"
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(located(path, "can't write the page", found=error)) from error


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(
    measured_ms: Sequence[float], simulated_ms: Sequence[float], groups: Sequence[ErrorGroup]
) -> Figure:
    # The Figure class itself, not pyplot: no global state, no display.
    from matplotlib.figure import Figure

    shown = _shown(groups)
    n_panels = 3 if shown else 2
    height = max(4.6, 1.2 + 0.24 * len(shown))
    figure = Figure(figsize=(5 * n_panels, height), layout="constrained")
    axes = figure.subplots(1, n_panels)
    scatter, distribution = axes[0], axes[1]
    measured = np.asarray(measured_ms, dtype=np.float64)
    simulated = np.asarray(simulated_ms, dtype=np.float64)
    _draw_scatter(scatter, measured, simulated)
    _draw_distribution(distribution, np.abs(simulated - measured) / measured)
    if shown:
        _draw_groups(axes[2], shown)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(visible=True, color=_GRID, linewidth=0.5)
        axis.set_axisbelow(True)
    return figure


def _draw_scatter(
    axis: Axes, measured: np.ndarray[tuple[int], np.dtype[np.float64]],
    simulated: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:  # fmt: skip
    values = np.concatenate([measured, simulated])
    ends = np.array([values.min() / 1.2, values.max() * 1.2])
    for share, colour in _BANDS:
        axis.fill_between(
            ends, ends * (1 - share), ends * (1 + share), color=colour, label=f"±{share:.0%}"
        )
    axis.plot(ends, ends, color=_INK, linewidth=0.8)
    axis.plot(measured, simulated, ".", color=_POINT, markersize=4)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(*ends)
    axis.set_ylim(*ends)
    axis.set_xlabel("measured, ms", color=_INK)
    axis.set_ylabel("simulated, ms", color=_INK)
    axis.legend(frameon=False, loc="upper left")


def _draw_distribution(axis: Axes, errors: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    ordered = np.sort(errors) * 100
    shares = np.arange(1, len(ordered) + 1) / len(ordered) * 100
    axis.step(np.concatenate([[0.0], ordered]), np.concatenate([[0.0], shares]), where="post",
              color=_POINT)  # fmt: skip
    axis.set_xlim(left=0)
    axis.set_ylim(0, 101)
    axis.set_xlabel("error of the time, at most, %", color=_INK)
    axis.set_ylabel("share of the pairs, %", color=_INK)


def _shown(groups: Sequence[ErrorGroup]) -> list[ErrorGroup]:
    """Return the first groups of each feature."""
    seen: dict[str, int] = {}
    shown = []
    for group in groups:
        seen[group.feature] = seen.get(group.feature, 0) + 1
        if seen[group.feature] <= _MAX_VALUES:
            shown.append(group)
    return shown


def _draw_groups(axis: Axes, groups: Sequence[ErrorGroup]) -> None:
    for position, group in enumerate(groups):
        errors = np.asarray(group.errors, dtype=np.float64) * 100
        axis.plot(errors, np.full(len(errors), position), ".", color=_POINT, markersize=3)
        axis.plot([np.median(errors)], [position], "|", color=_INK, markersize=11)
    axis.axvline(0, color=_INK, linewidth=0.8)
    labels = [_shortened(f"{group.feature}: {group.value}") for group in groups]
    axis.set_yticks(range(len(groups)), labels, fontsize=7)
    axis.set_ylim(len(groups) - 0.5, -0.5)
    axis.set_xlabel("error of the time, %; bar: median", color=_INK)


def _shortened(text: str) -> str:
    # Kernel names may hold what matplotlib takes for mathematics.
    plain = text.replace("$", r"\$")
    return plain if len(plain) <= _MAX_LABEL else f"{plain[: _MAX_LABEL - 3]}..."
