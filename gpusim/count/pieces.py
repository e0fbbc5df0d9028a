"""Cut an NDRange into boxes on which every branch that depends on ids goes one way.

A branch compares an affine form of ids with zero. Where a form can still be of either kind in a
box, an axis is cut so that the undecided part becomes smaller; in the end all work-items of a box
execute the same blocks, and one of them stands for all.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from gpusim.count.intervals import Range
from gpusim.count.plan import FIRST_FREE_ATOM, GROUP_ATOM, LOCAL_ATOM
from gpusim.count.prover import Prover
from gpusim.count.recording import at_most, equal, increasing, plain

_MAX_BOXES = 512
_MAX_CELLS = 1024

Terms = tuple[int, dict[str, int]]
"""Constant and coefficient per axis variable: ``g0`` group, ``l0`` local, ``p0`` position."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of the NDRange, cut."""

    cells: tuple[tuple[int, int], ...]
    """(group, local id) of a work-item that stands for each cell."""
    ranges: tuple[dict[int, Range], ...]
    """Ranges of the id atoms in each cell."""
    group_classes: tuple[tuple[int, ...], ...]
    """Work-items per cell, for each kind of group along the axis."""
    group_runs: tuple[tuple[int, int], ...]
    """(kind, number of consecutive groups)."""


def axis_terms(
    prover: Prover, sizes: list[int]
) -> tuple[list[tuple[Terms, bool]], list[str]] | None:
    """Return the leaf forms over axis variables, and which variables each dimension uses.

    None when a form is not affine in ids, or mixes ids in a way that has no box shape.
    """
    uses: list[set[str]] = [set(), set(), set()]
    raw = []
    for leaf in prover.plan.leaves:
        if leaf.form < 0 or not all(prover.fits(number) for number in leaf.needs):
            return None
        plain_form = prover.forms[leaf.form]
        form = prover.expand(plain_form)
        if any(
            _is_decided(*prover.box_range(either), leaf.is_equality)
            for either in (form, plain_form)
        ):
            continue
        if any(atom >= FIRST_FREE_ATOM for atom, _ in form[1]):
            return None
        raw.append((form, leaf.is_equality))
        terms = dict(form[1])
        for d in range(3):
            group, local = terms.get(GROUP_ATOM + d, 0), terms.get(LOCAL_ATOM + d, 0)
            kind = _kind(group, local, sizes[d], sizes[3 + d])
            if kind:
                uses[d].add(kind)
    modes = []
    for d in range(3):
        if uses[d] <= {"g"} or uses[d] <= {"p"} or uses[d] <= {"g", "l"}:
            modes.append("".join(sorted(uses[d])))
        else:
            return None
    found = []
    for form, is_equality in raw:
        terms = dict(form[1])
        on_axes: dict[str, int] = {}
        for d in range(3):
            group, local = terms.get(GROUP_ATOM + d, 0), terms.get(LOCAL_ATOM + d, 0)
            if modes[d] == "p":
                on_axes[f"p{d}"] = local
                continue
            on_axes[f"g{d}"], on_axes[f"l{d}"] = group, local
        found.append(((form[0], {k: c for k, c in on_axes.items() if c}), is_equality))
    return found, modes


def _kind(group: int, local: int, n_groups: int, n_local: int) -> str:
    """Return which axis variable coefficients of group and local id amount to."""
    if n_local == 1:
        return "g" if group and n_groups > 1 else ""
    if n_groups == 1:
        return "l" if local else ""
    if local == 0:
        return "g" if group else ""
    if group == 0:
        return "l"
    return "p" if group == local * n_local else "mixed"


def _decided(terms: Terms, is_equality: bool, box: dict[str, Range]) -> bool:
    low = high = terms[0]
    for name, c in terms[1].items():
        below, above = box[name]
        low += c * (below if c > 0 else above)
        high += c * (above if c > 0 else below)
    return _is_decided(low, high, is_equality)


def _is_decided(low: int, high: int, is_equality: bool) -> bool:
    """Whether a comparison of a form with zero has one outcome for all of the form's range."""
    if is_equality:
        return at_most(1, low) or at_most(high, -1) or equal(low, high)
    return at_most(high, -1) or at_most(0, low)


def _cuts(terms: Terms, is_equality: bool, name: str, box: dict[str, Range]) -> list[int]:
    """Return where an axis must be cut so that outside of the cuts the form is decided."""
    low = high = terms[0]
    for other, c in terms[1].items():
        if other != name:
            below, above = box[other]
            low += c * (below if c > 0 else above)
            high += c * (above if c > 0 else below)
    c = terms[1][name]
    if is_equality:
        if c < 0:
            c, low, high = -c, -high, -low
        points = [-(high // c), -low // c + 1]
    elif c > 0:
        points = [-(high // c), -(low // c)]
    else:
        points = [low // -c + 1, high // -c + 1]
    below, above = box[name]
    return increasing([p for p in points if at_most(below + 1, p) and at_most(p, above)])


def cut_box(leaves: list[tuple[Terms, bool]], box: dict[str, Range]) -> dict[str, list[int]] | None:
    """Return the cuts per axis variable that decide all leaves; None when too many are needed."""
    cuts: dict[str, list[int]] = {name: [] for name in box}
    pending, done = [box], 0
    while pending:
        done += 1
        if done > _MAX_BOXES:
            return None
        now = pending.pop()
        open_leaf = next((leaf for leaf in leaves if not _decided(*leaf, now)), None)
        if open_leaf is None:
            continue
        terms, is_equality = open_leaf
        by_weight = sorted(
            terms[1], key=lambda n: -abs(plain(terms[1][n])) * (plain(now[n][1]) - plain(now[n][0]))
        )
        for name in by_weight:
            points = _cuts(terms, is_equality, name, now)
            if points:
                break
        else:
            return None
        cuts[name] += points
        below, above = now[name]
        edges = [below, *points, above + 1]
        for first, following in itertools.pairwise(edges):
            pending.append({**now, name: (first, following - 1)})
    return {name: increasing(points) for name, points in cuts.items()}


def _segments(points: list[int], count: int) -> list[Range]:
    edges = [0, *points, count]
    return [(first, last - 1) for first, last in itertools.pairwise(edges)]


def _axis(d: int, mode: str, cuts: dict[str, list[int]], n_groups: int, n_local: int) -> Axis:
    if mode == "p":
        return _position_axis(d, _segments(cuts[f"p{d}"], n_groups * n_local), n_groups, n_local)
    groups = _segments(cuts.get(f"g{d}", []), n_groups)
    locals_ = _segments(cuts.get(f"l{d}", []), n_local)
    cells, ranges = [], []
    for group in groups:
        for local in locals_:
            cells.append((group[0], local[0]))
            ranges.append({GROUP_ATOM + d: group, LOCAL_ATOM + d: local})
    classes, runs = [], []
    for number, group in enumerate(groups):
        weights = [0] * len(cells)
        for place, local in enumerate(locals_):
            weights[number * len(locals_) + place] = local[1] - local[0] + 1
        classes.append(tuple(weights))
        runs.append((number, group[1] - group[0] + 1))
    return Axis(tuple(cells), tuple(ranges), tuple(classes), tuple(runs))


def _position_axis(d: int, segments: list[Range], n_groups: int, n_local: int) -> Axis:
    """Return an axis whose cells are ranges of positions; a cut may lie within a group."""
    cells = tuple((low // n_local, low % n_local) for low, _ in segments)
    ranges = []
    for low, high in segments:
        is_one = low // n_local == high // n_local
        local = (low % n_local, high % n_local) if is_one else (0, n_local - 1)
        ranges.append({GROUP_ATOM + d: (low // n_local, high // n_local), LOCAL_ATOM + d: local})
    edges = [0, n_groups]
    for low, _ in segments[1:]:
        edges += [low // n_local, -(-low // n_local)]
    classes: list[tuple[int, ...]] = []
    runs = []
    for first, following in itertools.pairwise(increasing(edges)):
        start, end = first * n_local, (first + 1) * n_local - 1
        weights = tuple(max(0, min(end, high) - max(start, low) + 1) for low, high in segments)
        if weights not in classes:
            classes.append(weights)
        runs.append((classes.index(weights), following - first))
    return Axis(cells, tuple(ranges), tuple(classes), tuple(runs))


def cut_axes(prover: Prover, sizes: list[int]) -> tuple[Axis, Axis, Axis] | None:
    """Cut the NDRange of a job.

    Parameters
    ----------
    prover : Prover
        Of the launch.
    sizes : list of int
        Groups x y z, local size x y z.

    Returns
    -------
    tuple of Axis, or None
        None when a branch depends on ids in a way that has no box shape.
    """
    found = axis_terms(prover, sizes)
    if found is None:
        return None
    leaves, modes = found
    box: dict[str, Range] = {}
    for d, mode in enumerate(modes):
        if mode == "p":
            box[f"p{d}"] = (0, sizes[d] * sizes[3 + d] - 1)
        else:
            box[f"g{d}"] = (0, sizes[d] - 1)
            box[f"l{d}"] = (0, sizes[3 + d] - 1)
    cuts = cut_box(leaves, box)
    if cuts is None:
        return None
    axes = [_axis(d, modes[d], cuts, sizes[d], sizes[3 + d]) for d in range(3)]
    n_cells = len(axes[0].cells) * len(axes[1].cells) * len(axes[2].cells)
    return (axes[0], axes[1], axes[2]) if n_cells <= _MAX_CELLS else None
