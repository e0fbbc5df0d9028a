"""Where a value lives after selection: register, uniform word or constant, one per lane."""

from __future__ import annotations

from typing import NamedTuple

from gpusim.compiler.kernel_ir import KernelIR, ValueType


class Ref(NamedTuple):
    """One lane of a value."""

    kind: str
    """``r`` = virtual register, ``u`` = uniform, ``c`` = constant."""
    name: int | str
    """Register number, 64-bit uniform word, or constant text."""
    offset: int = 0
    """Pointers: bytes still to be added."""

    @property
    def is_register(self) -> bool:
        """Whether the lane is in a register."""
        return self.kind == "r"

    @property
    def word(self) -> str:
        """Name of the uniform or constant word; empty for registers and for zero."""
        if self.kind == "u":
            return f"u{self.name}"
        return "" if self.kind == "r" or is_zero(self) else f"c{self.name}"


ZERO_TEXTS = frozenset(
    {"0", "0.000000e+00", "0.0", "zeroinitializer", "null", "false", "undef", "poison", "0xH0000"}
)


def is_zero(ref: Ref) -> bool:
    """Return whether the lane is a zero constant, which issue words encode for free."""
    return ref.kind == "c" and str(ref.name).split()[-1] in ZERO_TEXTS


def register(number: int) -> Ref:
    """Return a lane in virtual register `number`."""
    return Ref("r", number)


def uniform_words(kernel: KernelIR) -> list[int]:
    """Return the 64-bit uniform word of each kernel parameter, packed in order by size."""
    offset, words = 0, []
    for parameter in kernel.parameters:
        size = max(4, parameter.size_bytes)
        align = min(16, size)
        offset = -(-offset // align) * align
        words.append(offset // 8)
        offset += size
    return words


def constant_lanes(text: str, lanes: int) -> list[Ref]:
    """Return the lanes of a constant operand as LLVM prints it, with or without its type."""
    body = text.strip()
    if "<" in body and ">" in body:
        inner = body[body.rindex("<") + 1 : body.rindex(">")]
        parts = [part.strip() for part in inner.split(",")]
        if len(parts) == lanes and " x " not in inner:
            return [Ref("c", part.split()[-1]) for part in parts]
    splat = body.find("splat (")
    if splat >= 0:
        body = body[splat + len("splat (") :].rstrip(")")
    return [Ref("c", body.split()[-1] if body.split() else "0")] * lanes


def unit_lanes(kind: ValueType, register_bytes: int, half_lanes: int) -> list[list[int]]:
    """Return the lanes of a value that share a register.

    Parameters
    ----------
    kind : ValueType
        Type of the value.
    register_bytes : int
        4 on scalar families, 16 on Midgard.
    half_lanes : int
        16-bit elements that one operation computes.
    """
    lane_bytes = max(1, kind.bits // 8)
    step = max(1, register_bytes // max(4, lane_bytes))
    if kind.bits == 16:
        step = half_lanes
    return [list(range(i, min(i + step, kind.lanes))) for i in range(0, kind.lanes, step)]


def is_undefined(ref: Ref) -> bool:
    """Return whether a lane has no defined content."""
    return ref.kind == "c" and str(ref.name) in ("undef", "poison") and not is_zero_number(ref)


def is_zero_number(ref: Ref) -> bool:
    """Return whether a lane is the number zero."""
    return is_zero(ref) and str(ref.name) not in ("undef", "poison")


def shuffle_mask(text: str, lanes: int) -> list[int]:
    """Return the lane numbers of a shuffle, -1 where any will do."""
    mask = text[text.rindex(", <") + 2 :] if ", <" in text[-200:] else text
    if "zeroinitializer" in text.rsplit(",", 1)[-1]:
        return [0] * lanes
    body = mask[mask.index(">") + 1 :] if mask.count("<") > 1 else mask
    inner = body[body.rindex("<") + 1 : body.rindex(">")] if "<" in body else ""
    result = []
    for part in inner.split(","):
        number = part.split()[-1] if part.split() else "-1"
        result.append(int(number) if number.lstrip("-").isdecimal() else -1)
    return result if len(result) == lanes else [0] * lanes
