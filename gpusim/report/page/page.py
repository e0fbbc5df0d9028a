"""Put the page together: one file, no network, light and dark."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from gpusim.errors import OutputError, located
from gpusim.report.numbers import quantity
from gpusim.report.page.bounds_chart import bounds_chart, bounds_legend
from gpusim.report.page.groups import Group, kernel_colours, shown_groups
from gpusim.report.page.markup import Markup, join, tag, text
from gpusim.report.page.roofline_chart import float_roofline, instruction_roofline
from gpusim.report.page.sections import (
    counter_table,
    evidence,
    failures,
    launch_table,
    section,
    tiles,
    traffic_table,
)
from gpusim.report.page.timeline_chart import kernel_legend, timeline_chart
from gpusim.report.report import Report

_UNITS = {"midgard": "bundles", "bifrost": "tuples"}


def page_html(report: Report) -> str:
    """Return the page of one replay.

    Nothing is loaded from anywhere: styles and the script are inline, and a content security
    policy lets the browser run those two alone, whatever a trace may have tried to slip in.
    """
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    title = f"{report.trace} on {report.device}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · gpusim"),
        tag("style", Markup(style)),
    )
    body = tag("body", tag("main", *_body(report)), tag("script", Markup(script)))
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def write_html(report: Report, path: Path) -> None:
    """Write the page to `path`; equal reports give equal bytes.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    try:
        path.write_text(page_html(report), encoding="utf-8")
    except OSError as error:
        raise OutputError(located(path, "can't write the page", found=error.strerror)) from error


def _asset(name: str) -> str:
    return files("gpusim.report.page").joinpath(name).read_text(encoding="utf-8").strip()


def _hash(asset: str) -> str:
    digest = hashlib.sha256(asset.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _body(report: Report) -> list[Markup]:
    if not report.launches:
        return [_header(report), failures(report), tag("p", "No launch was replayed.")]
    groups, left_out = shown_groups(report)
    colours = kernel_colours(report)
    return [
        _header(report),
        tiles(report),
        failures(report),
        section("Launches", _grouping(groups, left_out), launch_table(groups, left_out, colours)),
        section(
            "Timeline",
            tag(
                "p",
                "What the host, the driver, the job slot and the shader cores do. A paler end of "
                "a bar is the last wave of work-groups, which fills the core only in part. Drag "
                "to zoom, double-click to go back.",
            ),
            kernel_legend(colours),
            timeline_chart(report, colours),
        ),
        section(
            "Where the time goes",
            tag(
                "p",
                "The thick bar is the simulated time of the launch: what starting and flushing "
                "its jobs costs, the one thing that bounds each job longest, and the rest. The "
                "thin bars say how long each part of the GPU would take if it alone mattered: "
                "the longest one is what to work on, and the second longest is how far that "
                "will get you.",
            ),
            bounds_legend(report, groups),
            bounds_chart(groups),
        ),
        _rooflines(report, groups),
        section(
            "Caches and memory",
            tag("p", "Bytes are whole cache lines. Rates are over the time of the launch."),
            traffic_table(groups, report),
        ),
        section(
            "Counters", tag("p", "Of the whole run, by the vendors' names."), counter_table(report)
        ),
        section("What this rests on", evidence(report), id_="evidence"),
        tag("footer", f"gpusim, {report.fidelity} fidelity, compiler pipeline {report.pipeline}"),
    ]


def _header(report: Report) -> Markup:
    hardware = report.hardware
    described = ""
    if hardware is not None:
        described = (
            f"{hardware.gpu}, {hardware.n_shader_cores} cores at "
            f"{hardware.clock_khz / 1000:g} MHz, {quantity(hardware.flops, 'flop/s')} fp32, "
            f"{quantity(hardware.dram_bytes_per_s, 'B/s')} achievable from memory"
        )
    return tag(
        "header",
        tag("p", "gpusim replay", class_="kicker"),
        tag("h1", tag("span", report.trace), " on ", tag("span", report.device)),
        tag("p", described),
        tag(
            "p",
            f"Simulated with the {report.fidelity} model, not measured: see ",
            tag("a", "what this rests on", href="#evidence"),
            ".",
        ),
    )


def _grouping(groups: list[Group], left_out: list[Group]) -> Markup:
    n = sum(len(group.launches) for group in (*groups, *left_out))
    if n == len(groups):
        return text("")
    return tag(
        "p",
        f"{n} launches; those with the same kernel, NDRange and jobs share a row, the longest "
        "first.",
    )


def _rooflines(report: Report, groups: list[Group]) -> Markup:
    hardware = report.hardware
    if hardware is None or not any(group.total("issue_units") for group in groups):
        return text("")
    colours = kernel_colours(report)
    unit = _UNITS.get(_family(report), "instructions")
    charts = [
        float_roofline(groups, hardware, colours),
        instruction_roofline(groups, hardware, colours, unit),
    ]
    shown = [chart for chart in charts if chart is not None]
    idle = [g.kernel for g in groups if not g.float_operations()]
    note = ""
    if charts[0] is not None and idle:
        names = ", ".join(dict.fromkeys(idle))
        note = f" Without floating-point operations, so on the other chart only: {names}."
    return section(
        "Roofline",
        tag(
            "p",
            "Each launch under what the device allows: the slanted roofs are memory and L2, the "
            "flat one is the peak of the cores. A filled dot counts bytes of external memory, a "
            f"hollow one bytes between L2 and the cores; larger dots took longer.{note}",
        ),
        kernel_legend(colours),
        join(tag("div", *shown, class_="pair")),
    )


def _family(report: Report) -> str:
    return report.hardware.family if report.hardware is not None else ""
