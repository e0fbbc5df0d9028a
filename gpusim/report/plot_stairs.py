"""Draw a channel sweep: time over channels, one colour per staircase, steps with their causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpusim.errors import OutputError, located

# Okabe and Ito's colours: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
_INK = "#222222"
_GRID = "#dddddd"
_NAMED_STEPS = 8
"""Steps whose cause is written into the picture: the highest ones."""
_LEGEND_LETTERS = 96
_CAUSE_LETTERS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class StepNote:
    """A step to be named in the picture."""

    channels: int
    ms: float
    factor: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One layer's sweep."""

    label: str
    channels: Sequence[int]
    ms: Sequence[float]
    staircase: Sequence[int]
    """Per point; numbers from 0."""
    staircases: Sequence[str]
    best: Sequence[int]
    """Channel counts that no higher one is as fast as."""
    steps: Sequence[StepNote]


def plot_stairs(curves: Sequence[Curve], path: Path, *, title: str) -> None:
    """Write a picture (format by suffix) with one panel per curve.

    Points are coloured by staircase, the counts to prune to carry a ring, and the highest steps
    are numbered, with their causes listed below the panel.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1 + 4.6 * len(curves)), layout="constrained")
    panels = figure.subplots(len(curves), 1, squeeze=False)[:, 0]
    figure.suptitle(title, color=_INK, fontsize=12, x=0.01, ha="left")
    for axes, curve in zip(panels, curves, strict=True):
        axes.set_title(curve.label, loc="left", fontsize=10, color=_INK)
        for number, name in enumerate(curve.staircases):
            chosen = [i for i, one in enumerate(curve.staircase) if one == number]
            axes.plot(
                [curve.channels[i] for i in chosen],
                [curve.ms[i] for i in chosen],
                ".",
                markersize=4,
                color=_COLOURS[number % len(_COLOURS)],
                label=_cut(name, _LEGEND_LETTERS),
            )
        times = dict(zip(curve.channels, curve.ms, strict=True))
        axes.plot(
            list(curve.best),
            [times[count] for count in curve.best],
            "o",
            markersize=7,
            markerfacecolor="none",
            markeredgecolor=_INK,
            label="no higher count is as fast",
        )
        highest = sorted(curve.steps, key=lambda step: -abs(step.factor - 1))[:_NAMED_STEPS]
        causes = []
        for number, step in enumerate(sorted(highest, key=lambda step: step.channels), start=1):
            axes.annotate(
                str(number),
                (step.channels, step.ms),
                xytext=(0, 7),
                textcoords="offset points",
                fontsize=8,
                ha="center",
                color=_INK,
            )
            causes.append(
                _cut(
                    f"{number}  at {step.channels}: x{step.factor:.2f}, {step.text}", _CAUSE_LETTERS
                )
            )
        axes.set_xlabel("output channels\n" + "\n".join(causes), fontsize=8, loc="left")
        axes.set_ylabel("predicted time, ms")
        axes.set_ylim(bottom=0, top=1.12 * max(curve.ms, default=1))
        axes.grid(color=_GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(fontsize=7, frameon=False, loc="lower right")
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise OutputError(located(str(path), "can't write", found=str(error))) from None


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[:letters] + "..."
