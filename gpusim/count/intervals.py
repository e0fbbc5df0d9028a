"""Forms with all numbers known, and intervals of what is not affine in them."""

from __future__ import annotations

UNBOUNDED = 1 << 200
"""Stands for infinity; no machine word comes near."""

RawForm = tuple[int, tuple[tuple[int, int], ...]]
"""(constant, ((atom, coefficient), ...)) with all numbers known."""
Range = tuple[int, int]


def negated(form: RawForm) -> RawForm:
    """Return -form."""
    return (-form[0], tuple((atom, -c) for atom, c in form[1]))


def combine(a: RawForm, b: RawForm, factor: int, drop: int = -1) -> RawForm:
    """Return a + factor * b, without the atom `drop` of a."""
    terms: dict[int, int] = {atom: c for atom, c in a[1] if atom != drop}
    for atom, c in b[1]:
        terms[atom] = terms.get(atom, 0) + factor * c
    return (a[0] + factor * b[0], tuple((atom, c) for atom, c in terms.items() if c))


def opaque_range(operation: str, ranges: list[Range]) -> Range:
    """Return the range of an opaque operation's result.

    Parameters
    ----------
    operation : str
        ``union``, ``min``, ``max``, ``abs``, ``bit``, ``mul``, ``div``, ``rem``, ``low``,
        ``mask``, ``align``, ``or``, or ``word32`` (any word of this width, signed), ``uword32``.
    ranges : list
        Ranges of its operands.
    """
    if "word" in operation:
        bits = int(operation.rpartition("word")[2])
        is_signed = operation[0] != "u"
        return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
    lows, highs = [r[0] for r in ranges], [r[1] for r in ranges]
    match operation:
        case "union":
            return min(lows), max(highs)
        case "min":
            return min(lows), min(highs)
        case "max":
            return max(lows), max(highs)
        case "abs":
            return 0, max(abs(lows[0]), abs(highs[0]))
        case "bit":
            return 0, 1
        case "mul":
            corners = [x * y for x in ranges[0] for y in ranges[1]]
            return min(corners), max(corners)
        case "div":
            divisor = lows[1]
            return (0, 0) if divisor <= 0 else (lows[0] // divisor, highs[0] // divisor)
        case "rem":
            divisor = lows[1]
            return (0, 0) if divisor <= 0 else (0, min(highs[0], divisor - 1))
        case "low" | "mask":
            is_plain = operation == "low" and lows[0] >= 0 and highs[0] <= highs[1]
            return ranges[0] if is_plain else (0, highs[1])
        case "align":
            return lows[0] & lows[1], highs[0] & lows[1]
        case "or":
            # a | b has no bit above both, and is at most a + b.
            return max(lows), min((1 << max(highs).bit_length()) - 1, sum(highs))
    return (-UNBOUNDED, UNBOUNDED)
