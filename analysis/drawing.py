"""The gallery's pictures: curves over channels, heat maps, bars; small PNG files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parents[1] / "docs/images/gallery"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
"""Okabe and Ito's: told apart by colour-blind readers too."""
_DPI = 80
_INK = "#222222"


def curves(
    name: str,
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    x: str = "output channels",
    y: str = "predicted ms",
    points: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> Path:
    """Draw a line per label, and the published `points` on top; return the file."""
    figure, axes = _start(title, (7.2, 3.8))
    for number, (label, (xs, ys)) in enumerate(lines.items()):
        axes.plot(xs, ys, ".", markersize=3, color=COLOURS[number % 7], label=label)
        axes.plot(xs, ys, "-", linewidth=0.5, alpha=0.5, color=COLOURS[number % 7])
    for label, (xs, ys) in (points or {}).items():
        axes.plot(xs, ys, "x", markersize=7, color=_INK, label=label)
    axes.set(xlabel=x, ylabel=y, ylim=(0, None))
    axes.grid(color="#dddddd", linewidth=0.5)
    if len(lines) + len(points or {}) > 1:
        axes.legend(frameon=False, fontsize=8)
    return _write(figure, name)


def heat_map(
    name: str,
    cells: Mapping[int, Mapping[int, float]],
    *,
    title: str,
    label: str = "speed-up",
) -> Path:
    """Draw layer x distance; blue above 1, red below, on a logarithmic scale; return the file."""
    import numpy as np
    from matplotlib.colors import TwoSlopeNorm

    distances = sorted({distance for row in cells.values() for distance in row})
    table = np.array([[row.get(d, math.nan) for d in distances] for row in cells.values()])
    figure, axes = _start(title, (7.2, 1.4 + 0.24 * len(cells)))
    shown = np.log2(table)
    spread = max(1.0, float(np.nanmax(np.abs(shown))))
    axes.imshow(
        shown,
        aspect="auto",
        cmap="RdBu",
        norm=TwoSlopeNorm(vmin=-spread, vcenter=0.0, vmax=spread),
    )
    for (row, column), value in np.ndenumerate(table):
        if not math.isnan(value):
            dark = abs(shown[row, column]) > 0.6 * spread
            axes.text(
                column,
                row,
                f"{value:.1f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if dark else _INK,
            )
    axes.set_xticks(range(len(distances)), [str(d) for d in distances], fontsize=7)
    axes.set_yticks(range(len(cells)), [f"L{layer}" for layer in cells], fontsize=7)
    axes.set(xlabel=f"channels taken away; cells: {label}")
    return _write(figure, name)


def bars(
    name: str,
    groups: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    *,
    title: str,
    y: str,
    logarithmic: bool = False,
) -> Path:
    """Draw a bar per group and label; return the file."""
    figure, axes = _start(title, (7.2, 3.8))
    width = 0.8 / len(groups)
    for number, (group, values) in enumerate(groups.items()):
        places = [at + (number - (len(groups) - 1) / 2) * width for at in range(len(labels))]
        axes.bar(places, values, width, label=group, color=COLOURS[number % 7])
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    axes.set(ylabel=y)
    if logarithmic:
        axes.set_yscale("log")
    if len(groups) > 1:
        axes.legend(frameon=False, fontsize=8)
    return _write(figure, name)


def _start(title: str, size: tuple[float, float]) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10, loc="left")
    return figure, axes


def _write(figure: Figure, name: str) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.png"
    # No date and version inside: the file changes only when the picture does.
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    return path
