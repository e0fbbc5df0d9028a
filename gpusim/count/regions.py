"""Cut a work-item function at its barriers, so that a group's work-items meet there.

The function becomes re-enterable: state 0 runs from the start, state K behind barrier K; it
returns the state of the barrier it reached, or -1 at its end. Values that live across a barrier
are kept in slots, saved to and restored from the work-item's frame. A driver runs every
work-item to its next barrier, then all of them from there, so a barrier in a loop or under a
condition needs nothing special, and one that some work-items miss shows as unequal states.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gpusim.count.ir_text import KernelText

BARRIER = "!barrier"
_TOKEN = re.compile(r"%[\w.]+")
INCOMING = re.compile(r"\[ (.*?), %(b\.[\w.]+) \]")
"""(value, block) of a PHI."""
_DEFINED = re.compile(r"^(%[\w.]+) = ")


@dataclass(slots=True)
class Segment:
    """A piece of a block between barriers."""

    name: str
    phis: list[str]
    lines: list[str]
    successors: tuple[str, ...]
    block: str = ""
    """That it is a piece of."""
    barrier: int = 0
    """State of the barrier that ends the segment, 0 = none."""


@dataclass(slots=True)
class CutBody:
    """The re-enterable function's text and its frame."""

    prologue: list[str]
    segments: list[Segment]
    resumes: dict[int, list[str]]
    """State -> lines of the block that resumes behind its barrier."""
    frame_bytes: int
    """Per work-item."""
    states: int
    """Number of barriers in the code."""


@dataclass(slots=True)
class Frame:
    """Places values in the frames of a group: value by value, then work-item by work-item."""

    prologue: list[str] = field(default_factory=list)
    used_bytes: int = 0

    def place(self, size: int) -> str:
        """Reserve `size` bytes per work-item; return the pointer of this work-item's part."""
        stride = 1 << (size - 1).bit_length() if size <= 64 else (size + 63) // 64 * 64
        self.used_bytes = -(-self.used_bytes // min(stride, 64)) * min(stride, 64)
        stem = f"%g.frame.{len(self.prologue)}"
        self.prologue += [
            f"{stem}.s = mul i64 %g.items, {self.used_bytes}",
            f"{stem}.i = mul i64 %g.llin, {stride}",
            f"{stem}.o = add i64 {stem}.s, {stem}.i",
            f"{stem} = getelementptr i8, ptr %g.frame, i64 {stem}.o",
        ]
        self.used_bytes += stride
        return stem


def split_blocks(
    blocks: dict[str, list[str]], successors: dict[str, tuple[str, ...]]
) -> list[Segment]:
    """Split every block at its barriers; PHIs then name the last piece of a predecessor."""
    segments: list[Segment] = []
    last_piece: dict[str, str] = {}
    state = 0
    for name, lines in blocks.items():
        phis = [line for line in lines if " = phi " in line]
        piece = Segment(name, phis, [], successors[name], name)
        for line in lines[len(phis) :]:
            if line != BARRIER:
                piece.lines.append(line)
                continue
            state += 1
            following = f"{name}.r{state}"
            piece.barrier, piece.successors = state, (following,)
            segments.append(piece)
            piece = Segment(following, [], [], successors[name], name)
        segments.append(piece)
        last_piece[name] = piece.name
    for segment in segments:
        segment.phis = [
            INCOMING.sub(lambda m: f"[ {m[1]}, %{last_piece[m[2]]} ]", phi) for phi in segment.phis
        ]
    return segments


def defined(line: str) -> str | None:
    """Return the value that a line defines."""
    match = _DEFINED.match(line)
    return match.group(1) if match else None


def tokens(line: str, names: set[str]) -> set[str]:
    """Return which of `names` a line reads."""
    right = line.split(" = ", 1)[1] if _DEFINED.match(line) else line
    return {token for token in _TOKEN.findall(right) if token in names}


def live_in(segments: list[Segment]) -> dict[str, set[str]]:
    """Return the values that each segment needs from before it, its own PHIs not included."""
    names = {d for s in segments for line in (*s.phis, *s.lines) if (d := defined(line))}
    defs: dict[str, set[str]] = {}
    exposed: dict[str, set[str]] = {}
    from_phi: dict[tuple[str, str], set[str]] = {}
    for segment in segments:
        own = {d for line in segment.phis if (d := defined(line))}
        needed: set[str] = set()
        for line in segment.lines:
            needed |= tokens(line, names) - own
            if (name := defined(line)) is not None:
                own.add(name)
        defs[segment.name], exposed[segment.name] = own, needed
        for phi in segment.phis:
            for value, block in INCOMING.findall(phi):
                found = {t for t in _TOKEN.findall(value) if t in names}
                from_phi.setdefault((block, segment.name), set()).update(found)
    live: dict[str, set[str]] = {segment.name: set() for segment in segments}
    changed = True
    while changed:
        changed = False
        for segment in reversed(segments):
            out: set[str] = set()
            for successor in segment.successors:
                out |= live[successor] | from_phi.get((segment.name, successor), set())
            now = (out - defs[segment.name]) | exposed[segment.name]
            if now != live[segment.name]:
                live[segment.name] = now
                changed = True
    return live


class _Demoter:
    """Moves values to slots: stored where defined, loaded where used."""

    def __init__(self, names: set[str], types: dict[str, str]) -> None:
        self._names = names
        self._types = types
        self._count = 0

    def slot(self, name: str) -> str:
        return f"%s.{name[1:]}"

    def _load(self, name: str, lines: list[str]) -> str:
        self._count += 1
        loaded = f"%s.l{self._count}"
        lines.append(f"{loaded} = load {self._types[name]}, ptr {self.slot(name)}")
        return loaded

    def rewrite(self, segments: list[Segment]) -> None:
        """Rewrite all segments in place."""
        at_end: dict[str, list[str]] = {}
        loaded: dict[tuple[str, str], str] = {}
        for segment in segments:
            segment.phis = [self._phi(phi, at_end, loaded) for phi in segment.phis]
        for segment in segments:
            lines: list[str] = []
            for phi in segment.phis:
                self._store(phi, lines)
            for line in segment.lines:
                lines.append(self._line(line, lines))
                self._store(line, lines)
            extra = at_end.get(segment.name, [])
            if extra:
                lines[-1:-1] = extra
            segment.lines = lines

    def _store(self, line: str, lines: list[str]) -> None:
        name = defined(line)
        if name in self._names:
            lines.append(f"store {self._types[name]} {name}, ptr {self.slot(name)}")

    def _line(self, line: str, lines: list[str]) -> str:
        head, separator, right = line.partition(" = ")
        if not separator or not head.startswith("%"):
            head, right = "", line
        for name in sorted(tokens(line, self._names)):
            value = self._load(name, lines)
            right = re.sub(re.escape(name) + r"(?![\w.])", value, right)
        return f"{head} = {right}" if head else right

    def _phi(
        self, phi: str, at_end: dict[str, list[str]], loaded: dict[tuple[str, str], str]
    ) -> str:
        def incoming(match: re.Match[str]) -> str:
            value, block = match[1], match[2]
            if value not in self._names:
                return match[0]
            key = (block, value)
            if key not in loaded:
                loaded[key] = self._load(value, at_end.setdefault(block, []))
            return f"[ {loaded[key]}, %{block} ]"

        return INCOMING.sub(incoming, phi)


def cut(
    kernel: KernelText, blocks: dict[str, list[str]], types: dict[str, str], frame: Frame
) -> CutBody:
    """Cut a function's blocks at their ``!barrier`` lines.

    Parameters
    ----------
    kernel : KernelText
        For block order, successors and type sizes.
    blocks : dict
        Lines per block.
    types : dict
        LLVM type of every value that may live across a barrier.
    frame : Frame
        Where values are saved; may already hold private arrays.
    """
    segments = split_blocks(blocks, {b.name: b.successors for b in kernel.blocks})
    live = live_in(segments)
    after = {s.barrier: s.successors[0] for s in segments if s.barrier}
    saved = {state: sorted(live[name]) for state, name in after.items()}
    names = {name for values in saved.values() for name in values}
    demoter = _Demoter(names, types)
    demoter.rewrite(segments)
    prologue = [f"{demoter.slot(name)} = alloca {types[name]}" for name in sorted(names)]
    places = {name: frame.place(kernel.sizes.get(types[name], 8)) for name in sorted(names)}
    resumes: dict[int, list[str]] = {}
    for segment in segments:
        if not segment.barrier:
            continue
        state = segment.barrier
        for i, name in enumerate(saved[state]):
            value = f"%s.k{state}.{i}"
            segment.lines += [
                f"{value} = load {types[name]}, ptr {demoter.slot(name)}",
                f"store {types[name]} {value}, ptr {places[name]}, align 1",
            ]
        segment.lines.append(f"ret i32 {state}")
        lines = []
        for i, name in enumerate(saved[state]):
            value = f"%s.m{state}.{i}"
            lines += [
                f"{value} = load {types[name]}, ptr {places[name]}, align 1",
                f"store {types[name]} {value}, ptr {demoter.slot(name)}",
            ]
        resumes[state] = [*lines, f"br label %{after[state]}"]
    return CutBody(prologue, segments, resumes, frame.used_bytes, len(resumes))
