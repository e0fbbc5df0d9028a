"""The tables and paragraphs of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gpusim.report.bound_words import BOUND_WORDS
from gpusim.report.numbers import count, duration, percent, quantity
from gpusim.report.page.groups import Group
from gpusim.report.page.markup import Markup, join, short, tag
from gpusim.report.page.timeline_chart import N_COLOURS
from gpusim.report.report import Report
from gpusim.report.tables import size_text
from gpusim.units import PS_PER_S

Cell = object


def table(
    columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[Cell]], *, caption: str = ""
) -> Markup:
    """Return a table; `columns` are (header, whether the cells are numbers)."""
    head = [tag("th", name, class_="n" if is_number else None) for name, is_number in columns]
    body = [
        tag(
            "tr",
            *(
                tag("td", cell, class_="n" if is_number else None)
                for cell, (_, is_number) in zip(row, columns, strict=True)
            ),
        )
        for row in rows
    ]
    parts = [tag("caption", caption)] if caption else []
    parts += [tag("thead", tag("tr", *head)), tag("tbody", *body)]
    return tag("div", tag("table", *parts), class_="scroll")


def section(title: str, *children: object, id_: str | None = None) -> Markup:
    """Return a section with a heading."""
    return tag("section", tag("h2", title), *children, id=id_)


def tiles(report: Report) -> Markup:
    """Return the headline figures."""
    n_jobs = sum(row.n_jobs for row in report.launches)
    busy = sum(row.predicted_ps for row in report.launches)
    weak = len(report.fitted_and_assumed)
    used = sum(report.evidence.values())
    tops: dict[str, int] = {}
    for row in report.launches:
        tops[row.kernel] = tops.get(row.kernel, 0) + row.predicted_ps
    items = [
        ("total", duration(report.total_ps), "host and driver included"),
        ("on the GPU", duration(busy), f"{percent(busy, report.total_ps)} of the total"),
        ("launches", count(len(report.launches)), f"became {count(n_jobs)} jobs"),
        ("rests on", f"{weak} of {used}", "figures that are assumed or fitted"),
    ]
    if tops:
        kernel = max(tops, key=lambda name: tops[name])
        items.insert(
            2,
            (
                "longest kernel",
                short(kernel, 40),
                f"{percent(tops[kernel], busy)} of the GPU's time",
            ),
        )
    return tag(
        "div",
        *(
            tag("div", tag("b", name), tag("strong", value), tag("span", note), class_="tile")
            for name, value, note in items
        ),
        class_="tiles",
    )


def failures(report: Report) -> Markup:
    """Return what could not be replayed, and what the model had to bend."""
    parts: list[Markup] = []
    n = len(report.failures)
    if n:
        items = [
            tag("li", f"launch {row.launch} (", tag("code", short(row.kernel)), f"): {row.reason}")
            for row in report.failures[:100]
        ]
        if n > len(items):
            items.append(tag("li", f"and {n - len(items)} more"))
        parts.append(
            section(
                f"{n} {'launch' if n == 1 else 'launches'} could not be replayed",
                tag("p", "They are missing from every figure on this page."),
                tag("ul", *items),
                id_="failures",
            )
        )
    notes = report.timeline.notes
    if notes:
        items = [tag("li", note) for note in notes[:50]]
        if len(notes) > len(items):
            items.append(tag("li", f"and {len(notes) - len(items)} more"))
        parts.append(section("What the model had to bend", tag("ul", *items)))
    return join(*parts)


def launch_table(
    groups: Sequence[Group], left_out: Sequence[Group], colours: Mapping[str, int]
) -> Markup:
    """Return one row per launch, or per group of equal ones."""
    whole = sum(g.predicted_ps for g in (*groups, *left_out)) or 1
    rows: list[Sequence[Cell]] = [_launch_row(group, whole, colours) for group in groups]
    if left_out:
        others = sum(group.predicted_ps for group in left_out)
        n = sum(len(group.launches) for group in left_out)
        empty = [""] * 5
        rows.append(
            ["", f"{n} other launches", *empty, duration(others), percent(others, whole), ""]
        )
    columns = (
        ("launch", False),
        ("kernel", False),
        ("global / local", False),
        ("jobs", False),
        ("work-groups", True),
        ("arithmetic instr.", True),
        ("memory instr.", True),
        ("time", True),
        ("share", True),
        ("bound by", False),
    )
    return table(columns, rows)


def _launch_row(group: Group, whole: int, colours: Mapping[str, int]) -> Sequence[Cell]:
    row, jobs = group.first, group.jobs
    times = [launch.predicted_ps for launch in group.launches]
    time = join(duration(sum(times)))
    if len(times) > 1:
        each = tag("small", f"{duration(min(times))} to {duration(max(times))} each")
        time = join(time, tag("br"), each)
    swatch = tag("i", class_=f"swatch k{colours[row.kernel] % N_COLOURS}")
    return (
        tag("span", swatch, group.label, class_="line"),
        tag("code", short(row.kernel)),
        tag("span", group.size, class_="line"),
        _jobs_cell(group),
        count(sum(job.work_groups for job in jobs)),
        count(sum(job.arithmetic_instructions for job in jobs)),
        count(sum(job.memory_instructions for job in jobs)),
        time,
        percent(sum(times), whole),
        BOUND_WORDS.get(row.bound, row.bound),
    )


def _jobs_cell(group: Group) -> Markup:
    jobs, n_jobs = group.first.jobs, group.first.n_jobs
    if len(jobs) == 1:
        return join("1")
    lines = [f"{size_text(job.global_size)} in {size_text(job.local_size)}" for job in jobs]
    spans = [tag("span", line, class_="line") for line in lines]
    head = str(n_jobs) if n_jobs == len(jobs) else f"{n_jobs}, of {len(jobs)} regions"
    return join(head, *(part for span in spans for part in (tag("br"), span)))


def traffic_table(groups: Sequence[Group], report: Report) -> Markup:
    """Return cache and memory traffic with rates."""
    hardware = report.hardware
    dram_peak = hardware.dram_bytes_per_s if hardware else 0
    l2_peak = hardware.l2_bytes_per_s if hardware else 0
    rows = []
    for group in groups:
        read, written = group.total("dram_read_bytes"), group.total("dram_write_bytes")
        l2_read, l2_written = group.total("l2_read_bytes"), group.total("l2_write_bytes")
        time = max(group.predicted_ps, 1)
        dram_rate = (read + written) * PS_PER_S / time
        l2_rate = (l2_read + l2_written) * PS_PER_S / time
        rows.append(
            (
                join(f"{group.label} ", tag("code", short(group.kernel, 40))),
                quantity(l2_read, "B"),
                quantity(l2_written, "B"),
                quantity(l2_rate, "B/s"),
                meter(l2_rate, l2_peak),
                percent(l2_read - read, l2_read) if l2_read >= read else "–",
                quantity(read, "B"),
                quantity(written, "B"),
                quantity(dram_rate, "B/s"),
                meter(dram_rate, dram_peak),
                count(group.total("tlb_misses")),
            )
        )
    columns = (
        ("launch", False),
        ("L2 read", True),
        ("L2 written", True),
        ("L2 rate", True),
        ("of L2 peak", False),
        ("L2 read hits", True),
        ("DRAM read", True),
        ("DRAM written", True),
        ("DRAM rate", True),
        ("of achievable", False),
        ("TLB misses", True),
    )
    return table(columns, rows)


def meter(value: float, whole: float) -> Markup:
    """Return a small bar with its share in words."""
    if whole <= 0:
        return join("–")
    width = min(1.0, value / whole) * 60
    bar = tag(
        "svg",
        tag("rect", width=60, height=8, class_="meter-back"),
        tag("rect", width=width, height=8, class_="meter"),
        width=60,
        height=8,
        class_="inline",
        viewBox="0 0 60 8",
    )
    return tag("span", bar, " ", percent(value, whole), class_="line")


def counter_table(report: Report) -> Markup:
    """Return the counters under their vendors' names."""
    rows = [(tag("code", name), count(value)) for name, value in report.counters.items()]
    return tag("div", table((("counter", False), ("value", True)), rows), class_="narrow")


def evidence(report: Report) -> Markup:
    """Return how the figures used are known, and each one that is not documented or measured."""
    kinds = {kind: n for kind, n in report.evidence.items() if n}
    whole = sum(kinds.values()) or 1
    x, bars = 0.0, []
    for kind, n in kinds.items():
        width = 900.0 * n / whole
        bars.append(
            tag(
                "rect",
                tag("title", f"{kind}: {n}"),
                x=x,
                width=max(width - 1, 1),
                height=14,
                class_=f"e-{kind}",
            )
        )
        x += width
    keys = [
        tag("span", tag("i", class_=f"swatch e-{kind}"), f"{n} {kind}", class_="key")
        for kind, n in kinds.items()
    ]
    rows = [
        (
            tag("code", row.path),
            f"{row.value} {row.unit}".strip()
            if row.unit not in ("text", "table", "count")
            else row.value,
            row.kind,
            join(row.source, tag("br"), tag("small", row.note)) if row.note else row.source,
        )
        for row in report.figures
    ]
    columns = (("figure", False), ("value", False), ("kind", False), ("source and note", False))
    return join(
        tag("svg", *bars, viewBox="0 0 900 14", preserveAspectRatio="none", class_="chart strip"),
        tag("p", *keys, class_="legend"),
        tag(
            "p",
            "The simulation read the hardware figures counted above. Those below are guesses, or "
            "were fitted to measurements; the times on this page are no better than they are.",
        ),
        table(columns, rows) if rows else tag("p", "None."),
    )
