"""Draw pruning plans: time against loss, the chosen one, the budget, and uninstructed pruning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gpusim.errors import OutputError, located

_FRONT = "#0072B2"
_CHOSEN = "#D55E00"
_OTHER = "#999999"
_INK = "#222222"
_GRID = "#dddddd"

Point = tuple[float, float]
"""(time in ms, loss)."""


def plot_front(
    front: Sequence[Point],
    chosen: Point,
    budget_ms: float,
    uninstructed: Sequence[tuple[str, Point]],
    path: Path,
    *,
    title: str,
    loss_label: str,
) -> None:
    """Write a picture (format by suffix).

    Parameters
    ----------
    front : sequence of (ms, loss)
        Plans that no other beats.
    chosen : (ms, loss)
        The plan that was picked.
    budget_ms : float
        Drawn as a vertical line.
    uninstructed : sequence of (label, (ms, loss))
        Pruning every layer by the same share.
    path : Path
    title, loss_label : str

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11, color=_INK)
    axes.plot(
        [ms for ms, _ in front], [loss for _, loss in front], "o-", color=_FRONT, label="plans"
    )
    axes.plot(*chosen, "*", markersize=16, color=_CHOSEN, label="chosen")
    axes.axvline(budget_ms, color=_CHOSEN, linewidth=0.8, linestyle="--", label="budget")
    for number, (label, (ms, loss)) in enumerate(uninstructed):
        axes.plot(ms, loss, "x", color=_OTHER, label=None if number else "same share everywhere")
        axes.annotate(
            label, (ms, loss), xytext=(5, 3), textcoords="offset points", fontsize=8, color=_INK
        )
    axes.set_xlabel("predicted time, ms")
    axes.set_ylabel(loss_label)
    axes.set_xlim(left=0)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise OutputError(located(str(path), "can't write", found=str(error))) from None
