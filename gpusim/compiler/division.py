"""Integer division without undefined behaviour.

In the normalised IR the four division opcodes are *total*: a zero divisor gives 0 for the quotient
and 0 for the remainder, and the quotient of the most negative number by -1 wraps to itself
(remainder 0). LLVM's own opcodes are undefined there, and O2 deletes code that reaches them, so
they pass through the optimiser as calls ``@gpusim.sdiv.i32`` of functions without side effects.
Calls with a constant divisor become the plain instruction before O2; the others after it.
"""

from __future__ import annotations

import re

_OPERAND = r"%[\w.$-]+|-?\d+|<.*?>|splat \(.*?\)|zeroinitializer|undef|poison"
_CALL = re.compile(
    r"(?P<head>%\S+ = )(?:tail )?call (?P<type>i\d+|<\d+ x i\d+>) "
    r"@gpusim\.(?P<opcode>[us](?:div|rem))\.\w+\("
    rf"(?P=type) (?:noundef )?(?P<a>{_OPERAND}), (?P=type) (?:noundef )?(?P<b>{_OPERAND})"
    r"\)(?: #\d+)?"
)
_LANE = re.compile(r"i\d+ (-?\d+|undef|poison)")
_NAME = re.compile(r"@gpusim\.[us](?:div|rem)\.(\w+)")


def declarations(text: str) -> list[str]:
    """Return ``declare`` lines of the division functions that a text calls."""
    found: dict[str, str] = {}
    for match in _NAME.finditer(text):
        shape = re.fullmatch(r"v(\d+)(i\d+)", match[1])
        kind = f"<{shape[1]} x {shape[2]}>" if shape else match[1]
        found[match[0]] = f"declare {kind} {match[0]}({kind}, {kind})"
    return sorted(found.values())


def _constant_lanes(text: str) -> list[int] | None:
    """Return the lanes of a constant divisor (undefined ones as 0), None for a variable."""
    if text.startswith("%"):
        return None
    if text in ("zeroinitializer", "undef", "poison"):
        return [0]
    lanes = _LANE.findall(text) or [text]
    return [0 if lane in ("undef", "poison") else int(lane) for lane in lanes]


def resolve_constants(text: str) -> tuple[str, int]:
    """Replace the divisions by constants in a module's text.

    Returns
    -------
    text : str
    n_changed : int
        Number of divisions replaced.
    """
    changed = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal changed
        lanes = _constant_lanes(match["b"])
        if lanes is None:
            return match[0]
        kind, opcode = match["type"], match["opcode"]
        is_vector = kind.startswith("<")
        zero = "zeroinitializer" if is_vector else "0"
        is_signed = opcode[0] == "s"
        changed += 1
        if all(lane == 0 for lane in lanes):
            # `or 0, 0`: a value of the right type that the optimiser folds at once.
            return f"{match['head']}or {kind} {zero}, {zero}"
        if is_signed and all(lane == -1 for lane in lanes):
            if opcode == "srem":
                return f"{match['head']}or {kind} {zero}, {zero}"
            return f"{match['head']}sub {kind} {zero}, {match['a']}"
        if 0 in lanes or (is_signed and -1 in lanes):
            changed -= 1
            return match[0]
        return f"{match['head']}{opcode} {kind} {match['a']}, {match['b']}"

    return _CALL.sub(replace, text), changed


def restore(text: str) -> str:
    """Replace the remaining division calls by plain division instructions."""
    return _CALL.sub(
        lambda match: (
            f"{match['head']}{match['opcode']} {match['type']} {match['a']}, {match['b']}"
        ),
        text,
    )
