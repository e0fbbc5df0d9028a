"""The causal chain of a difference, as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gpusim.report.bound_words import BOUND_WORDS
from gpusim.report.hardware import Hardware
from gpusim.report.numbers import duration, percent, quantity
from gpusim.report.report import JobRow, LaunchRow
from gpusim.report.tables import size_text
from gpusim.study.mechanisms import MECHANISMS
from gpusim.study.why import Difference, Pair, Side

_SMALL = 0.02
"""Parts below this share of the largest one are not worth a sentence."""
_MOST = 4
"""Kernels, bounds and mechanisms named at most."""
_AXES = "xyz"


def causal_chain(difference: Difference) -> list[str]:
    """Return the sentences, the outcome first, then causes by how much they matter."""
    lines = [_headline(difference)]
    lines += _devices(difference.a, difference.b)
    groups = _grouped(difference.pairs)
    largest = max((abs(total) for total, _ in groups), default=0)
    for total, pairs in groups[:_MOST]:
        if total and abs(total) >= _SMALL * largest:
            lines += _launch_lines(difference, total, pairs)
    between = difference.between_b_ps - difference.between_a_ps
    if between and abs(between) >= _SMALL * largest:
        moved = _move(difference.between_a_ps, difference.between_b_ps)
        lines.append(f"While no launch is on the GPU: {moved}.")
    lines.append(_mechanism_line(difference))
    return lines


def _headline(difference: Difference) -> str:
    a, b, change = difference.a, difference.b, difference.difference_ps
    if change == 0:
        return f"{b.label} takes {duration(b.time_ps)}, exactly as {a.label}."
    word = "longer" if change > 0 else "less"
    return (
        f"{b.label} takes {duration(b.time_ps)}, {duration(abs(change))} ({_relative(a, b)}) "
        f"{word} than {a.label} with {duration(a.time_ps)}."
    )


def _relative(a: Side, b: Side) -> str:
    if not a.time_ps:
        return "from nothing"
    return f"{100 * (b.time_ps - a.time_ps) / a.time_ps:+.1f} %"


def _move(before: int, after: int) -> str:
    sign = "+" if after >= before else "-"
    return f"{duration(before)} -> {duration(after)} ({sign}{duration(abs(after - before))})"


def _signed(value: int) -> str:
    return f"{'+' if value >= 0 else '-'}{duration(abs(value))}"


def _devices(a: Side, b: Side) -> list[str]:
    if a.device == b.device or a.report.hardware is None or b.report.hardware is None:
        return []
    return [
        f"{side.device}: {_hardware(side.report.hardware)}."
        for side in (a, b)
        if side.report.hardware
    ]


def _hardware(hardware: Hardware) -> str:
    return (
        f"{hardware.n_shader_cores} cores at {hardware.clock_khz / 1000:g} MHz, "
        f"{quantity(hardware.flops, 'flop/s')}, L2 {quantity(hardware.l2_bytes_per_s, 'B/s')}, "
        f"memory {quantity(hardware.dram_bytes_per_s, 'B/s')}"
    )


def _grouped(pairs: Sequence[Pair]) -> list[tuple[int, list[Pair]]]:
    """Return pairs that look alike together, by their part of the difference."""
    found: dict[tuple[object, ...], list[Pair]] = {}
    for pair in pairs:
        key = (pair.kernel, _shape(pair.a), _shape(pair.b))
        found.setdefault(key, []).append(pair)
    groups = [(sum(p.difference_ps for p in group), group) for group in found.values()]
    return sorted(groups, key=lambda item: -abs(item[0]))


def _shape(row: LaunchRow | None) -> tuple[object, ...] | None:
    if row is None:
        return None
    jobs = tuple((job.global_size, job.local_size) for job in row.jobs)
    return (row.global_size, row.local_size, jobs)


def _launch_lines(difference: Difference, total: int, pairs: list[Pair]) -> list[str]:
    pair = pairs[0]
    times = "" if len(pairs) == 1 else f" ({len(pairs)} launches, the first shown)"
    if pair.a is None or pair.b is None:
        side, row = ("B", pair.b) if pair.a is None else ("A", pair.a)
        assert row is not None
        one = f"only in {side}, {duration(row.predicted_ps)} for {size_text(row.global_size)}"
        return [f"{pair.kernel}{times}: {one}; {_signed(total)} in all."]
    lines = [f"{pair.kernel}{times}: {_move(pair.a_ps, pair.b_ps)}, {_signed(total)} in all."]
    lines += [f"  {line}" for line in _shape_lines(pair.a, pair.b)]
    lines += [f"  {line}" for line in _job_lines(difference, pair.a, pair.b)]
    lines += [f"  {line}" for line in _bound_lines(pair.a, pair.b)]
    named = _largest(pair.contributions_ps)
    if named:
        lines.append(f"  Because of {named}.")
    return lines


def _shape_lines(a: LaunchRow, b: LaunchRow) -> list[str]:
    lines = []
    if a.global_size != b.global_size:
        lines.append(f"Global size {size_text(a.global_size)} -> {size_text(b.global_size)}.")
    shape_a, shape_b = a.jobs[0].local_size, b.jobs[0].local_size
    if shape_a != shape_b:
        chosen = " (chosen by the driver)" if b.local_size is None else ""
        lines.append(f"Work-groups of {size_text(shape_a)} -> {size_text(shape_b)}{chosen}.")
    if a.n_jobs != b.n_jobs:
        lines.append(_split_line("A", a))
        lines.append(_split_line("B", b))
    return lines


def _split_line(name: str, row: LaunchRow) -> str:
    if row.n_jobs == 1:
        return f"{name} is one job."
    local = row.jobs[0].local_size
    uneven = [
        f"{extent} is no multiple of {size} in {axis}"
        for axis, extent, size in zip(_AXES, row.global_size, local, strict=True)
        if extent % size
    ]
    sizes = " + ".join(size_text(job.global_size) for job in row.jobs)
    return f"{name} becomes {len(row.jobs)} jobs, {sizes}, because {' and '.join(uneven)}."


def _job_lines(difference: Difference, a: LaunchRow, b: LaunchRow) -> list[str]:
    lines = []
    jobs_a, jobs_b = ([job for job in row.jobs if not job.joined] for row in (a, b))
    for number in range(max(len(jobs_a), len(jobs_b))):
        if number >= len(jobs_a):
            lines.append(f"Only B has job {number}: {_job(jobs_b[number], difference.b)}.")
        elif number >= len(jobs_b):
            lines.append(f"Only A has job {number}: {_job(jobs_a[number], difference.a)}.")
        elif max(len(jobs_a), len(jobs_b)) > 1:
            moved = _move(jobs_a[number].duration_ps, jobs_b[number].duration_ps)
            lines.append(f"Job {number}: {moved}.")
    return lines


def _job(job: JobRow, side: Side) -> str:
    """Describe a job: its groups, how they fill warps and cores, its time and its bound."""
    parts = [f"{job.work_groups} work-groups of {size_text(job.local_size)}"]
    width = side.warp_width
    x, y, z = job.local_size
    items = x * y * z
    if items < width:
        parts.append(f"each fills {items} of the {width} lanes of a warp")
    elif items % width:
        parts.append(f"each fills {items % width} of the {width} lanes of its last warp")
    tasks = job.totals.get("tasks", 0)
    cores = side.report.hardware.n_shader_cores if side.report.hardware else 0
    if 0 < tasks < cores:
        parts.append(f"{tasks} tasks for {cores} cores")
    parts.append(f"{duration(job.duration_ps)}, bound by {BOUND_WORDS.get(job.bound, job.bound)}")
    return ", ".join(parts)


def _bound_lines(a: LaunchRow, b: LaunchRow) -> list[str]:
    before, after = _bounds(a), _bounds(b)
    moved = {name: after.get(name, 0) - before.get(name, 0) for name in before | after}
    largest = max((abs(change) for change in moved.values()), default=0)
    names = sorted(moved, key=lambda name: -abs(moved[name]))[:_MOST]
    shown = [
        f"{BOUND_WORDS.get(name, name)} {_move(before.get(name, 0), after.get(name, 0))}"
        for name in names
        if moved[name] and abs(moved[name]) >= 0.1 * largest
    ]
    lines = []
    if a.bound != b.bound:
        words = (BOUND_WORDS.get(name, name) for name in (a.bound, b.bound))
        lines.append(f"The bound of its longest job moves: {' -> '.join(words)}.")
    if shown:
        lines.append(f"Each bound by itself: {'; '.join(shown)}.")
    return lines


def _bounds(row: LaunchRow) -> dict[str, int]:
    sums: dict[str, int] = {}
    for job in row.jobs:
        if not job.joined:
            for name, value in job.bounds_ps.items():
                sums[name] = sums.get(name, 0) + value
    return sums


def _largest(contributions: Mapping[str, int]) -> str:
    words = {mechanism.name: mechanism.words for mechanism in MECHANISMS}
    limit = 0.05 * max((abs(value) for value in contributions.values()), default=0)
    names = sorted(contributions, key=lambda name: -abs(contributions[name]))[:_MOST]
    return ", ".join(
        f"{words[name]} ({_signed(contributions[name])})"
        for name in names
        if contributions[name] and abs(contributions[name]) >= limit
    )


def _mechanism_line(difference: Difference) -> str:
    change = difference.difference_ps
    if not change:
        return "No mechanism moved the sum."
    named = _largest({e.name: e.contribution_ps for e in difference.effects})
    left = difference.remainder_ps
    tail = ""
    if abs(left) >= 0.001 * abs(change):
        share = percent(abs(left), abs(change))
        tail = f"; {_signed(left)} ({share}) is there with every mechanism off"
    return f"Of the {_signed(change)}: {named}{tail}."
