"""Rooflines: what launches reach, under what the device could give them.

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model", CACM 2009;
with instructions instead of floating-point operations: Ding and Williams, "An instruction
roofline model for GPUs", PMBS 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import atan2, degrees, log10

from gpusim.report.hardware import Hardware
from gpusim.report.numbers import log_ticks, quantity
from gpusim.report.page.groups import Group
from gpusim.report.page.markup import Markup, short, tag
from gpusim.report.page.timeline_chart import N_COLOURS
from gpusim.units import PS_PER_S

_WIDTH = 430.0
_HEIGHT = 300.0
_LEFT = 62.0
_BOTTOM = 42.0
_TOP = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    group: Group
    work: int
    dram_intensity: float
    l2_intensity: float
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axes:
    """Logarithmic axes."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = log10(value / self.x_low) / log10(self.x_high / self.x_low)
        return _LEFT + share * (_WIDTH - _LEFT - 12)

    def y(self, value: float) -> float:
        share = log10(value / self.y_low) / log10(self.y_high / self.y_low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def float_roofline(
    groups: Sequence[Group], hardware: Hardware, colours: Mapping[str, int]
) -> Markup | None:
    """Return the chart of floating-point operations; None where no launch has any."""
    work = [sum(group.float_operations().values()) for group in groups]
    has_half = any(16 in group.float_operations() for group in groups)
    peaks = [("fp32 peak", hardware.flops)]
    if has_half and hardware.half_flops:
        peaks.insert(0, ("fp16 peak", hardware.half_flops))
    return _chart(groups, work, peaks, hardware, colours, "flop")


def instruction_roofline(
    groups: Sequence[Group], hardware: Hardware, colours: Mapping[str, int], unit: str
) -> Markup | None:
    """Return the chart of issued instructions (tuples, bundles)."""
    work = [group.total("issue_units") for group in groups]
    return _chart(groups, work, [("issue peak", hardware.issue_per_s)], hardware, colours, unit)


def _chart(
    groups: Sequence[Group],
    work: Sequence[int],
    peaks: list[tuple[str, int]],
    hardware: Hardware,
    colours: Mapping[str, int],
    unit: str,
) -> Markup | None:
    points = [
        _Point(
            group=group,
            work=n,
            dram_intensity=n
            / max(1, group.total("dram_read_bytes") + group.total("dram_write_bytes")),
            l2_intensity=n / max(1, group.total("l2_read_bytes") + group.total("l2_write_bytes")),
            rate=n * PS_PER_S / group.predicted_ps,
        )
        for group, n in zip(groups, work, strict=True)
        if n > 0 and group.predicted_ps > 0
    ]
    peak = max(value for _, value in peaks)
    if not points or peak <= 0:
        return None
    axes = _axes(points, peak, hardware)
    parts = [*_grid(axes, unit), *_roofs(axes, peaks, hardware)]
    longest = max(point.group.predicted_ps for point in points)
    parts += [
        _mark(axes, point, longest, colours[point.group.kernel] % N_COLOURS, unit)
        for point in sorted(points, key=lambda p: -p.group.predicted_ps)
    ]
    return tag(
        "svg",
        *parts,
        class_="chart half",
        viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
        role="img",
        aria_label=f"Roofline in {unit} per second",
    )


def _axes(points: Sequence[_Point], peak: int, hardware: Hardware) -> _Axes:
    roofs = (hardware.dram_bytes_per_s, hardware.l2_bytes_per_s)
    ridges = [peak / rate for rate in roofs if rate > 0]
    xs = [*ridges, *(p.dram_intensity for p in points), *(p.l2_intensity for p in points)]
    ys = [peak, *(p.rate for p in points)]
    return _Axes(
        x_low=min(xs) / 2.5,
        x_high=max(xs) * 2.5,
        y_low=min(*ys, peak / 30) / 1.8,
        y_high=max(ys) * 1.8,
    )


def _grid(axes: _Axes, unit: str) -> list[Markup]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - 12
    parts = []
    for at in log_ticks(axes.x_low, axes.x_high):
        x = axes.x(at)
        parts.append(tag("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_="grid"))
        parts.append(tag("text", f"{at:g}", x=x, y=bottom + 15, class_="ticks"))
    for at in log_ticks(axes.y_low, axes.y_high):
        y = axes.y(at)
        parts.append(tag("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", quantity(at, ""), x=_LEFT - 6, y=y + 3.5, class_="track small"))
    parts.append(
        tag("text", f"{unit} per byte moved", x=(_LEFT + right) / 2, y=_HEIGHT - 8, class_="ticks")
    )
    parts.append(
        tag(
            "text",
            f"{unit}/s",
            x=14,
            y=(_TOP + bottom) / 2,
            class_="ticks",
            transform=f"rotate(-90 14 {(_TOP + bottom) / 2:.0f})",
        )
    )
    return parts


def _roofs(axes: _Axes, peaks: list[tuple[str, int]], hardware: Hardware) -> list[Markup]:
    parts = []
    peak = max(value for _, value in peaks)
    roofs = (
        ("DRAM", hardware.dram_bytes_per_s, "roof"),
        ("L2", hardware.l2_bytes_per_s, "roof l2"),
    )
    for name, rate, class_name in roofs:
        if rate <= 0:
            continue
        start = max(axes.x_low, axes.y_low / rate)
        ridge = min(peak / rate, axes.x_high)
        if start >= ridge:
            continue
        points = [(start, rate * start), (ridge, min(rate * ridge, peak))]
        path = "M" + "L".join(f"{axes.x(x):.1f} {axes.y(y):.1f}" for x, y in points)
        parts.append(tag("path", d=path, class_=class_name))
        x = start * (ridge / start) ** 0.25
        dx, dy = axes.x(ridge) - axes.x(start), axes.y(points[1][1]) - axes.y(rate * start)
        if dx > 40:
            angle = degrees(atan2(dy, dx))
            label = f"{name} {quantity(rate, 'B/s')}"
            px, py = axes.x(x), axes.y(rate * x) - 5
            parts.append(
                tag(
                    "text",
                    label,
                    x=px,
                    y=py,
                    class_="roof-name",
                    transform=f"rotate({angle:.1f} {px:.1f} {py:.1f})",
                )
            )
    for name, value in peaks:
        y = axes.y(value)
        start = max(axes.x_low, value / max(hardware.l2_bytes_per_s, hardware.dram_bytes_per_s, 1))
        if start < axes.x_high:
            parts.append(tag("line", x1=axes.x(start), x2=_WIDTH - 12, y1=y, y2=y, class_="roof"))
        parts.append(
            tag(
                "text",
                f"{name} {quantity(value, '/s')}",
                x=_WIDTH - 14,
                y=y - 5,
                class_="roof-name end",
            )
        )
    return parts


def _mark(axes: _Axes, point: _Point, longest: int, colour: int, unit: str) -> Markup:
    group = point.group
    y, x, x2 = axes.y(point.rate), axes.x(point.dram_intensity), axes.x(point.l2_intensity)
    radius = 3 + 5 * (group.predicted_ps / longest) ** 0.5
    title = (
        f"{group.label} {short(group.kernel)} {group.size}\n"
        f"{quantity(point.rate, unit + '/s')}\n"
        f"{point.dram_intensity:.3g} {unit} per DRAM byte, "
        f"{point.l2_intensity:.3g} per L2 byte"
    )
    return tag(
        "g",
        tag("title", title),
        tag("line", x1=x2, x2=x, y1=y, y2=y, class_=f"link s{colour}"),
        tag("circle", cx=x2, cy=y, r=radius * 0.7, class_=f"hollow s{colour}"),
        tag("circle", cx=x, cy=y, r=radius, class_=f"k{colour} dot"),
    )
