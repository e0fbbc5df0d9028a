"""Draw simulated against measured times: a scatter with error bands, and how errors spread."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
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
_STYLE = """body{font:14px sans-serif;color:#222;max-width:70em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}
td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}img{max-width:100%}"""


def plot_errors(measured_ms: Sequence[float], simulated_ms: Sequence[float], path: Path) -> None:
    """Write the figure to a file.

    Left: every pair with y = x and bands of 10 and 25 %. Right: share of pairs whose error is
    at most so large.

    Parameters
    ----------
    measured_ms, simulated_ms : sequence of float
        Equal lengths, positive, ms.
    path : Path
        PNG, or any format matplotlib knows by suffix.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    figure = _figure(measured_ms, simulated_ms)
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
) -> None:
    """Write one self-contained HTML page: figure, lines of text, table.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    image = io.BytesIO()
    # Without the date and version that matplotlib adds, equal input gives equal bytes.
    _figure(measured_ms, simulated_ms).savefig(
        image, dpi=120, format="png", metadata={"Software": None}
    )
    encoded = base64.b64encode(image.getvalue()).decode()
    texts = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Simulated against measured</title><style>{_STYLE}</style></head><body>"
        f"<h1>Simulated against measured</h1>{texts}"
        f'<img alt="scatter plot and error distribution" src="data:image/png;base64,{encoded}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></body></html>\n"
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(located(path, "can't write the page", found=error)) from error


def _figure(measured_ms: Sequence[float], simulated_ms: Sequence[float]) -> Figure:
    # The Figure class itself, not pyplot: no global state, no display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    scatter, distribution = figure.subplots(1, 2)
    measured = np.asarray(measured_ms, dtype=np.float64)
    simulated = np.asarray(simulated_ms, dtype=np.float64)
    _draw_scatter(scatter, measured, simulated)
    _draw_distribution(distribution, np.abs(simulated - measured) / measured)
    for axis in (scatter, distribution):
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
