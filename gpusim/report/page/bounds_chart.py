"""Where the time goes: per launch one stacked bar, and below it every bound by itself."""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.report.bound_words import BOUND_WORDS
from gpusim.report.numbers import duration, percent, ticks
from gpusim.report.page.groups import Group
from gpusim.report.page.markup import Markup, join, short, tag
from gpusim.report.report import Report

_LEFT = 250.0
_WIDTH = 700.0
_RIGHT = 100.0
_FAINT = 0.02
"""Bounds below this share of the row's time are not drawn."""


def bounds_chart(groups: Sequence[Group]) -> Markup:
    """Return one row per group."""
    longest = max((group.predicted_ps for group in groups), default=0) or 1
    longest = max(longest, *(max(g.bounds_ps().values(), default=0) for g in groups), 1)
    scale = _WIDTH / longest
    rows: list[Markup] = []
    top = 4.0
    for group in groups:
        row, height = _row(group, top, scale)
        rows.append(row)
        top += height
    marks = []
    for at in ticks(longest, 7):
        x = _LEFT + at * scale
        marks.append(tag("line", x1=x, x2=x, y1=0, y2=top, class_="grid"))
        marks.append(tag("text", duration(at) if at else "0", x=x, y=top + 16, class_="ticks"))
    return tag(
        "svg",
        tag("g", *marks),
        *rows,
        class_="chart",
        role="img",
        viewBox=f"0 0 {_LEFT + _WIDTH + _RIGHT:.0f} {top + 22:.0f}",
        aria_label="Time of each launch by what bounds it",
    )


def _row(group: Group, top: float, scale: float) -> tuple[Markup, float]:
    total = group.predicted_ps
    parts: list[Markup] = []
    x = _LEFT
    for name, value in sorted(group.parts_ps().items(), key=_part_order):
        if value <= 0:
            continue
        title = f"{BOUND_WORDS[name]}: {duration(value)}, {percent(value, total)} of the launch"
        parts.append(
            tag(
                "rect",
                tag("title", title),
                x=x,
                y=top,
                width=value * scale,
                height=14.0,
                class_=f"b-{name}",
            )
        )
        x += value * scale
    parts.append(tag("text", duration(total), x=max(x, _LEFT) + 6, y=top + 11, class_="value"))
    below = top + 17
    for name, value in sorted(group.bounds_ps().items(), key=lambda item: -item[1]):
        if value < _FAINT * total or value <= 0:
            continue
        title = f"{BOUND_WORDS[name]} alone would take {duration(value)}"
        parts.append(
            tag(
                "rect",
                tag("title", title),
                x=_LEFT,
                y=below,
                width=value * scale,
                height=3.0,
                class_=f"b-{name}",
            )
        )
        below += 4.5
    name = tag(
        "text", f"{group.label} {short(group.kernel, 26)}", x=_LEFT - 8, y=top + 11, class_="name"
    )
    size = tag("text", group.size, x=_LEFT - 8, y=top + 24, class_="track small")
    height = max(below - top, 28.0) + 10
    return tag("g", name, size, *parts), height


def _part_order(item: tuple[str, int]) -> int:
    return list(BOUND_WORDS).index(item[0]) if item[0] != "launch" else -1


def bounds_legend(report: Report, groups: Sequence[Group]) -> Markup:
    """Return the colours that the chart uses."""
    used: set[str] = set()
    for group in groups:
        used |= {name for name, value in group.parts_ps().items() if value > 0}
        used |= {
            name for name, value in group.bounds_ps().items() if value >= _FAINT * report.total_ps
        }
        limit = _FAINT * group.predicted_ps
        used |= {name for name, value in group.bounds_ps().items() if value >= limit and value > 0}
    items = [
        tag("span", tag("i", class_=f"swatch b-{name}"), words, class_="key")
        for name, words in BOUND_WORDS.items()
        if name in used
    ]
    return tag("p", join(*items), class_="legend")
