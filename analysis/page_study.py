"""Which level of memory explains the work-group sweep of the T860 GEMM: rewrites its page.

    python analysis/page_study.py [--measured ../shared/measured] [--page docs/page-study.md]

Three questions. What does one core of the model see when the number of pages, the stride and the
footprint are varied one at a time? How close are the fidelities to the measured sweep? And what
is left of each slow point when one level at a time is made perfect? Nothing is fitted.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from gpusim.device import DeviceSpec, Evidence, load_device
from gpusim.loops import memory_system as memory
from gpusim.loops.memory_system import access_line
from gpusim.pipeline import prepare
from gpusim.timing import simulate
from gpusim.timing.detailed_figures import memory_state, read_detailed
from gpusim.validation.measured_rows import MeasuredRow, read_measured_rows
from gpusim.validation.registry import case_of

ROOT = Path(__file__).resolve().parent.parent
DEVICE = "mali-t860"
KERNEL = "gemm_interleaved_transposed_vec4"
LEVELS: dict[str, dict[str, float]] = {
    "core's translations": {"tlb.entries": 1 << 14},
    "shared translations": {"tlb.shared_entries": 1 << 20},
    "L1 size": {"l1.size_bytes": 1 << 22},
    "L2 size": {"l2.size_bytes": 1 << 26},
    "DRAM rows": {"dram.row_miss_ps": 0},
    "DRAM bandwidth": {"dram.peak_bytes_per_s": 10**13, "l2.outstanding_misses": 1 << 14},
}
"""What is made perfect, one at a time."""
SWITCHED = ("(1, 1)", "(64, 1)", "(64, 4)", "(1, 64)", "(1, 32)", "(4, 8)", "(4, 4)")
PASSES = 4
"""Of a pattern; the last one is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A local size of the sweep."""

    local: str
    measured_ms: float
    wave_ms: float
    detailed_ms: float


def main() -> None:
    """Run the three parts and rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(os.environ.get("GPUSIM_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--measured", type=Path, default=shared / "measured")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "page-study.md")
    options = parser.parse_args()
    spec = load_device(DEVICE)
    rows = read_measured_rows(options.measured / "opencl101_t860.csv")
    groups: dict[str, list[MeasuredRow]] = {}
    for row in rows:
        if row.kernel == KERNEL:
            groups.setdefault(_local(row, spec), []).append(row)
    points = [_point(local, same, spec) for local, same in groups.items()]
    tables = {
        "patterns": pattern_table(spec),
        "sweep": sweep_table(points),
        "levels": level_table(spec, groups, points),
    }
    text = options.page.read_text()
    for name, table in tables.items():
        block = f"<!-- begin {name} -->\n{table}\n<!-- end {name} -->"
        text = re.sub(
            rf"<!-- begin {name} -->.*<!-- end {name} -->",
            lambda _, block=block: block,
            text,
            flags=re.S,
        )
    options.page.write_text(text)


def pattern_table(spec: DeviceSpec) -> str:
    """One core reads lines in turn, several times; only one property changes from row to row."""
    rows = [
        *(
            ("pages", f"512 lines on {pages} pages", _spread(512, pages))
            for pages in (16, 32, 64, 80, 128, 256, 512)
        ),
        *(
            ("footprint", f"{lines} lines on 32 pages", _spread(lines, 32))
            for lines in (128, 256, 512, 1024, 2048)
        ),
        *(
            (
                "stride",
                f"8 lines on each of 32 pages, {stride * 64} B apart",
                [page * 64 + i * stride for i in range(8) for page in range(32)],
            )
            for stride in (1, 2, 4, 8)
        ),
    ]
    cells = [(what, words, *_pattern(spec, lines)) for what, words, lines in rows]
    return _table(
        (
            "varied",
            "pattern",
            "cycles a line",
            "L1 misses",
            "core's translation misses",
            "walks",
            "L2 misses",
        ),
        cells,
    )


def _spread(n_lines: int, n_pages: int) -> list[int]:
    """Return lines evenly on pages, page after page in turn, sets of L1 used evenly."""
    per_page = n_lines // n_pages
    step = max(1, 64 // per_page)
    return [page * 64 + (i * step + page) % 64 for i in range(per_page) for page in range(n_pages)]


def _pattern(spec: DeviceSpec, lines: Sequence[int]) -> tuple[str, ...]:
    """Return cycles and misses a line in the last pass; 32 lines are asked for at a time."""
    figures = read_detailed(spec, Evidence(), int(spec.core.clock_khz.value))
    state = memory_state(figures)
    done: list[float] = [0.0] * 32
    now = began = 0.0
    before = state.counts.copy()
    for turn in range(PASSES):
        if turn == PASSES - 1:
            began, before = now, state.counts.copy()
        for i, line in enumerate(lines):
            now = max(now + 1.0, done[i % 32])
            done[i % 32], _ = access_line(figures.memory, state, 0, line, now, now, False)
    counts = state.counts - before
    levels = (memory.L1_MISSES, memory.TLB_MISSES, memory.WALKS, memory.L2_MISSES)
    return (
        f"{(max(done) - began) / len(lines):.1f}",
        *(f"{counts[level] / len(lines):.2f}" for level in levels),
    )


def _local(row: MeasuredRow, spec: DeviceSpec) -> str:
    x, y, _ = case_of(row, spec).key[3]
    return f"({x}, {y})"


def _simulated_ms(row: MeasuredRow, spec: DeviceSpec, fidelity: str) -> float:
    trace = case_of(row, spec).alternatives[0].trace
    works, failures = prepare(trace, spec)
    if failures:
        raise SystemExit(failures[0].reason)
    jobs = simulate(spec, works, fidelity=fidelity).jobs
    return int((jobs["end_ps"] - jobs["start_ps"]).sum()) / 1e9


def _point(local: str, rows: Sequence[MeasuredRow], spec: DeviceSpec) -> Point:
    return Point(
        local=local,
        measured_ms=median(row.value for row in rows if row.value is not None) * 1e3,
        wave_ms=_simulated_ms(rows[0], spec, "wave"),
        detailed_ms=_simulated_ms(rows[0], spec, "detailed"),
    )


def sweep_table(points: Sequence[Point]) -> str:
    """Measured and simulated times, fastest first, and the mean errors."""
    rows = [
        (
            p.local,
            f"{p.measured_ms:.1f}",
            f"{p.wave_ms:.1f}",
            f"{p.wave_ms / p.measured_ms - 1:+.0%}",
            f"{p.detailed_ms:.1f}",
            f"{p.detailed_ms / p.measured_ms - 1:+.0%}",
        )
        for p in sorted(points, key=lambda p: p.measured_ms)
    ]
    wave = [abs(p.wave_ms / p.measured_ms - 1) for p in points]
    detailed = [abs(p.detailed_ms / p.measured_ms - 1) for p in points]
    rows.append(("mean absolute error", "", "", _mean(wave), "", _mean(detailed)))
    rows.append(("median", "", "", f"{median(wave):.0%}", "", f"{median(detailed):.0%}"))
    return _table(("local size", "measured, ms", "wave", "error", "detailed", "error"), rows)


def _mean(errors: Sequence[float]) -> str:
    return f"{sum(errors) / len(errors):.0%}"


def level_table(
    spec: DeviceSpec, groups: dict[str, list[MeasuredRow]], points: Sequence[Point]
) -> str:
    """Detailed times with one level made perfect."""
    plain = {p.local: p.detailed_ms for p in points}
    rows = []
    for local in SWITCHED:
        cells = [
            f"{_simulated_ms(groups[local][0], _with(spec, figures), 'detailed'):.0f}"
            for figures in LEVELS.values()
        ]
        rows.append((local, f"{plain[local]:.0f}", *cells))
    return _table(("local size", "as it is, ms", *LEVELS), rows)


def _with(spec: DeviceSpec, figures: dict[str, float]) -> DeviceSpec:
    """Return a device with some figures replaced."""
    for path, value in figures.items():
        section, name = path.split(".")
        part = getattr(spec, section)
        changed = replace(part, **{name: replace(getattr(part, name), value=value)})
        spec = replace(spec, **{section: changed})
    return spec


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    marks = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))


if __name__ == "__main__":
    main()
