"""Write memset and memcpy of known size as the loads and stores that they are.

Clang makes them from array initialisers and structure copies. Small ones become straight code,
large ones a loop, 16 bytes at a time.
"""

from __future__ import annotations

import re

_CALL = re.compile(
    r"^\s+(?:tail )?call void @llvm\.(?P<what>memset|memcpy|memmove)\.(?:inline\.)?[\w.]+\("
    r"(?P<to_type>ptr(?: addrspace\(\d\))?)(?P<to_words>[^%@]*?) (?P<to>[%@][\w.$-]+), "
    r"(?:(?P<from_type>ptr(?: addrspace\(\d\))?)(?P<from_words>[^%@]*?) (?P<from>[%@][\w.$-]+)"
    r"|i8 (?P<byte>-?\d+)), "
    r"i(?:32|64) (?P<size>\d+), i1 \w+\)(?: #\d+)?(?P<tail>.*)$"
)
_ALIGN = re.compile(r"align (\d+)")
_STRAIGHT_CHUNKS = 64
_CHUNK_BYTES = 16


def _align(words: str | None) -> int:
    match = _ALIGN.search(words or "")
    return int(match[1]) if match else 1


def _chunk_type(size: int, align: int) -> str:
    unit = min(align, size, 4)
    lanes = size // unit
    return f"i{8 * unit}" if lanes == 1 else f"<{lanes} x i{8 * unit}>"


def _chunks(size: int, align: int) -> list[tuple[int, str]]:
    """Return offset and type of the pieces of an object."""
    pieces = []
    offset = 0
    while offset < size:
        step = _CHUNK_BYTES
        while step > size - offset:
            step //= 2
        pieces.append((offset, _chunk_type(step, align)))
        offset += step
    return pieces


def _constant(byte: int, kind: str) -> str:
    lane = re.search(r"i(\d+)", kind)
    bits = int(lane[1]) if lane else 8
    number = int.from_bytes(bytes([byte & 255]) * (bits // 8), "little")
    return f"splat (i{bits} {number})" if kind.startswith("<") else str(number)


def expand(text: str) -> tuple[str, bool]:
    """Replace the memory intrinsics of known size.

    Parameters
    ----------
    text : str
        Module text.

    Returns
    -------
    text : str
    has_loops : bool
        Whether functions marked for inlining were added, for objects too large for straight code.
    """
    loops: dict[str, str] = {}
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        match = _CALL.match(line)
        lines += _expanded(match, f"%m{number}", loops) if match else [line]
    return "\n".join([*lines, *loops.values()]) + "\n", bool(loops)


def _expanded(match: re.Match[str], stem: str, loops: dict[str, str]) -> list[str]:
    size = int(match["size"])
    to_align, from_align = _align(match["to_words"]), _align(match["from_words"])
    is_copy = match["byte"] is None
    align = min(to_align, from_align) if is_copy else to_align
    n_whole = size // _CHUNK_BYTES
    begin = 0
    lines: list[str] = []
    if n_whole > _STRAIGHT_CHUNKS:
        lines.append(_loop_call(match, align, n_whole, loops))
        begin = n_whole * _CHUNK_BYTES
    pieces = [(offset, kind) for offset, kind in _chunks(size, align) if offset >= begin]
    tail = match["tail"]

    def place(side: str, offset: int, align: int) -> tuple[str, str]:
        kind, base = match[f"{side}_type"], match[side]
        if offset:
            name = f"{stem}.{side}{offset}"
            lines.append(f"  {name} = getelementptr i8, {kind} {base}, i64 {offset}{tail}")
            base = name
        known = min(align, offset & -offset) if offset else align
        return f"{kind} {base}", f"align {known}{tail}"

    values: list[str] = []
    for offset, kind in pieces:
        if is_copy:
            source, known = place("from", offset, from_align)
            values.append(f"{stem}.v{offset}")
            lines.append(f"  {stem}.v{offset} = load {kind}, {source}, {known}")
        else:
            values.append(_constant(int(match["byte"]), kind))
    # All loads come first: memmove's objects may overlap.
    for (offset, kind), value in zip(pieces, values, strict=True):
        target, known = place("to", offset, to_align)
        lines.append(f"  store {kind} {value}, {target}, {known}")
    return lines


def _loop_call(match: re.Match[str], align: int, n_chunks: int, loops: dict[str, str]) -> str:
    kind = _chunk_type(_CHUNK_BYTES, align)
    to_type = match["to_type"]
    if match["byte"] is not None:
        value = _constant(int(match["byte"]), kind)
        name = f"gpusim.fill.{len(loops)}"
        body = f"  store {kind} {value}, {to_type} %to, align {align}"
        loops[name] = _loop(name, f"{to_type} %p", to_type, n_chunks, body)
        return f"  call void @{name}({to_type} {match['to']}){match['tail']}"
    from_type = match["from_type"]
    name = f"gpusim.copy.{len(loops)}"
    body = (
        f"  %from = getelementptr [{_CHUNK_BYTES} x i8], {from_type} %q, i64 %i\n"
        f"  %v = load {kind}, {from_type} %from, align {align}\n"
        f"  store {kind} %v, {to_type} %to, align {align}"
    )
    loops[name] = _loop(name, f"{to_type} %p, {from_type} %q", to_type, n_chunks, body)
    return (
        f"  call void @{name}({to_type} {match['to']}, {from_type} {match['from']}){match['tail']}"
    )


def _loop(name: str, parameters: str, to_type: str, n_chunks: int, body: str) -> str:
    return f"""define internal void @{name}({parameters}) alwaysinline nounwind {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %to = getelementptr [{_CHUNK_BYTES} x i8], {to_type} %p, i64 %i
{body}
  %next = add nuw nsw i64 %i, 1
  %more = icmp ult i64 %next, {n_chunks}
  br i1 %more, label %loop, label %done
done:
  ret void
}}"""
