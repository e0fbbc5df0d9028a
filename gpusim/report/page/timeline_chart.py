"""The run over time: host, driver, job slots, cores, memory, on one axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpusim.report.numbers import duration, quantity, ticks
from gpusim.report.page.markup import Markup, join, number, short, tag
from gpusim.report.report import Report
from gpusim.report.series import Series, active_cores, dram_rate, track_group

WIDTH = 900.0
"""Of the plot, in units of the drawing."""
LABELS = 120.0
"""Left of it, for the names of the tracks."""
N_COLOURS = 8
DETAILED_SPANS = 2000
"""Up to so many spans each is an element of its own that names itself; more are merged."""
MERGED_RUNS = 24_000
"""About as many bars as a page may hold when spans are merged."""

_ORDER = ("host", "driver", "interrupts", "job_slot", "shader_core", "dram")
_TALL = 16.0
_SHORT = 9.0


@dataclass(frozen=True, slots=True)
class _Track:
    name: str
    number: int
    top: float
    height: float


def timeline_chart(report: Report, colours: Mapping[str, int]) -> Markup:
    """Return the chart of the whole run."""
    tracks, bottom = _tracks(report)
    total = max(report.total_ps, 1)
    detailed = len(report.timeline.spans) <= DETAILED_SPANS
    bars = _bars(report, tracks, colours) if detailed else _merged(report, tracks, colours)
    rates = []
    labels = [_label(track) for track in tracks]
    for name, unit, series in _series(report):
        bottom += 8
        rates.append(_area(series, total, bottom, 34.0))
        peak = float(series[1].max(initial=0.0))
        labels.append(_text_label(name, bottom + 14))
        labels.append(_text_label(f"up to {quantity(peak, unit)}", bottom + 27, small=True))
        bottom += 34
    lines = [
        tag(
            "line",
            x1=0,
            x2=WIDTH,
            y1=track.top + track.height + 1.5,
            y2=track.top + track.height + 1.5,
            class_="rule",
        )
        for track in tracks
    ]
    plot = tag(
        "svg",
        *lines,
        *bars,
        *rates,
        x=LABELS,
        y=0,
        width=WIDTH,
        height=bottom,
        viewBox=f"0 0 {number(WIDTH)} {number(bottom)}",
        preserveAspectRatio="none",
        class_="zoomed",
    )
    axis = tag("g", *_axis(total, bottom), class_="axis")
    return tag(
        "svg",
        *labels,
        plot,
        axis,
        class_="chart zoomable",
        role="img",
        viewBox=f"0 0 {number(LABELS + WIDTH + 30)} {number(bottom + 24)}",
        data_total_ps=total,
        data_left=LABELS,
        data_width=WIDTH,
        data_bottom=bottom,
        aria_label="Timeline of host, driver, job slots, cores and memory",
    )


def _tracks(report: Report) -> tuple[list[_Track], float]:
    def order(item: tuple[int, str]) -> tuple[int, int]:
        group = track_group(item[1])
        position = _ORDER.index(group) if group in _ORDER else len(_ORDER)
        digits = item[1].partition("[")[2].partition("]")[0]
        return position, int(digits) if digits.isdigit() else item[0]

    result = []
    top = 2.0
    for number_, name in sorted(enumerate(report.timeline.tracks), key=order):
        height = _SHORT if track_group(name) == "shader_core" else _TALL
        result.append(_Track(name, number_, top, height))
        top += height + 3
    return result, top


def _label(track: _Track) -> Markup:
    name = track.name.replace("_", " ").replace("[", " ").replace("]", "")
    small = track.height == _SHORT
    return _text_label(name, track.top + track.height / 2 + (3 if small else 4), small=small)


def _text_label(label: str, y: float, *, small: bool = False) -> Markup:
    return tag("text", label, x=LABELS - 8, y=y, class_="track small" if small else "track")


def _axis(total: int, bottom: float) -> list[Markup]:
    marks = []
    for at in ticks(total, 8):
        x = LABELS + WIDTH * at / total
        marks.append(tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 5, class_="tick"))
        marks.append(tag("text", duration(at) if at else "0", x=x, y=bottom + 18, class_="ticks"))
    return marks


def _series(report: Report) -> list[tuple[str, str, Series]]:
    found = [("DRAM", "B/s", dram_rate(report))]
    if any(track_group(name) == "shader_core" for name in report.timeline.tracks):
        found.insert(0, ("active cores", "cores", active_cores(report.timeline)))
    return found


def _colour_classes(report: Report, colours: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """Return (n_span,) colour numbers: a kernel's, or N_COLOURS for what is no work of one.

    Twice as many + 1 stands for the last, partly filled wave of a kernel.
    """
    timeline = report.timeline
    kernel_of = {row.index: colours[row.kernel] % N_COLOURS for row in report.launches}
    on_gpu = np.array(
        [track_group(t) in ("job_slot", "shader_core", "dram") for t in timeline.tracks], bool
    )
    faint = np.array([name.endswith(" (last wave)") for name in timeline.names], bool)
    spans = timeline.spans
    if len(spans) == 0:
        return np.zeros(0, np.int64)
    kernel = np.array([kernel_of.get(int(k), N_COLOURS) for k in spans["launch"]], np.int64)
    result = np.where(on_gpu[spans["track"]], kernel, N_COLOURS)
    return result + np.where(faint[spans["name"]] & (result < N_COLOURS), N_COLOURS + 1, 0)


def _class_name(colour: int) -> str:
    if colour > N_COLOURS:
        return f"k{colour - N_COLOURS - 1} tail"
    return "host" if colour == N_COLOURS else f"k{colour}"


def _bars(report: Report, tracks: list[_Track], colours: Mapping[str, int]) -> list[Markup]:
    timeline = report.timeline
    by_number = {track.number: track for track in tracks}
    scale = WIDTH / max(report.total_ps, 1)
    bars = []
    for span, colour in zip(timeline.spans, _colour_classes(report, colours), strict=True):
        track = by_number[int(span["track"])]
        start, end = int(span["start_ps"]), int(span["end_ps"])
        launch = f"launch {int(span['launch'])}, job {int(span['job'])}\n"
        title = (
            f"{timeline.names[int(span['name'])]}\n"
            f"{launch if span['launch'] >= 0 else ''}"
            f"{duration(end - start)} from {duration(start)}"
        )
        bars.append(
            tag(
                "rect",
                tag("title", title),
                x=start * scale,
                y=track.top,
                width=max((end - start) * scale, 0.05),
                height=track.height,
                class_=_class_name(int(colour)),
            )
        )
    return bars


def _merged(report: Report, tracks: list[_Track], colours: Mapping[str, int]) -> list[Markup]:
    """Return one path per track and colour; spans closer than the grid are one bar."""
    spans, classes = report.timeline.spans, _colour_classes(report, colours)
    cells = max(200, MERGED_RUNS // max(len(tracks), 1))
    scale = cells / max(report.total_ps, 1)
    paths = []
    for track in tracks:
        own = spans["track"] == track.number
        for colour in np.unique(classes[own]):
            chosen = spans[own & (classes == colour)]
            first = np.floor(chosen["start_ps"] * scale).astype(np.int64)
            last = np.maximum(np.ceil(chosen["end_ps"] * scale).astype(np.int64), first + 1)
            paths.append(_path(first, last, WIDTH / cells, track, _class_name(int(colour))))
    return paths


def _path(
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
    cell: float,
    track: _Track,
    class_name: str,
) -> Markup:
    order = np.argsort(first, kind="stable")
    first, reached = first[order], np.maximum.accumulate(last[order])
    fresh = np.concatenate([[True], first[1:] > reached[:-1]])
    ends = reached[np.concatenate([np.flatnonzero(fresh)[1:] - 1, [len(first) - 1]])]
    top, height = number(track.top), number(track.height)
    steps = [
        f"M{number(a * cell)} {top}h{number((b - a) * cell)}v{height}h{number((a - b) * cell)}z"
        for a, b in zip(first[fresh].tolist(), ends.tolist(), strict=True)
    ]
    return tag("path", d="".join(steps), class_=class_name)


def _area(series: Series, total: int, top: float, height: float) -> Markup:
    """Return a step function as a filled area; at most two points per unit of the drawing."""
    times, values = series
    peak = float(values.max(initial=0.0)) or 1.0
    cells = round(2 * WIDTH)
    cell = np.minimum((times * (cells / total)).astype(np.int64), cells - 1)
    # The largest value within a cell stands for it.
    best: dict[int, float] = {}
    level = 0.0
    for where, value in zip(cell.tolist(), values.tolist(), strict=True):
        best[where] = max(best.get(where, level), value)
        best[where + 1] = level = value
    base = top + height
    steps = [f"M0 {number(base)}"]
    for where in sorted(best):
        y = base - height * best[where] / peak
        steps.append(f"H{number(where / 2)}V{number(y)}")
    steps.append(f"H{number(WIDTH)}V{number(base)}z")
    return tag("path", d="".join(steps), class_="area")


def kernel_legend(colours: Mapping[str, int]) -> Markup:
    """Return swatch and name of the first kernels."""
    shown = list(colours.items())[: 3 * N_COLOURS]
    items = [
        tag("span", tag("i", class_=f"swatch k{k % N_COLOURS}"), short(name), class_="key")
        for name, k in shown
    ]
    if len(shown) < len(colours):
        items.append(tag("span", f"and {len(colours) - len(shown)} more", class_="key"))
    return tag("p", join(*items), class_="legend")
