"""Proofs that write themselves down, so that the next launch of a kernel repeats them quickly.

The prover runs once on numbers that remember how they were computed. What it decides by
comparing them becomes a *condition*; conditions and results together are one straight-line
Python function of arguments and sizes. For another launch that fulfils all conditions the same
proof holds with other numbers, and the function's result is what the prover would have found.

Comparisons are conditions unless the code asks otherwise: `plain` looks at a number without a
trace, for choices that any outcome of would be right (which bound to follow, in which order);
`at_most` and `equal` leave a trace only where they are true, for answers whose "no" means "not
shown".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from gpusim.count.intervals import Range
from gpusim.count.proof_writer import ProofWriter

_INVERSE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPUTE: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
_NEUTRAL = {("+", 0), ("-", 0), ("*", 1), ("//", 1), ("|", 0), ("^", 0), ("<<", 0), (">>", 0)}
"""Operations and right operands that change nothing."""
_MAX_NODES = 20_000


class TooLongError(Exception):
    """A proof is too long to be worth repeating; never leaves `count`."""


class Recorder:
    """Collects how numbers were computed and what was decided by them."""

    def __init__(self) -> None:
        self._nodes: list[tuple[str, tuple[Any, ...]]] = []
        self._known: dict[tuple[Any, ...], Traced] = {}
        self._conditions: dict[tuple[str, Any, Any], None] = {}
        self._ranges: dict[int, Range] = {}

    def input(self, text: str, value: int, low: int = -(1 << 63)) -> int:
        """Return a number that the function gets as `text`, an expression of its parameters.

        Parameters
        ----------
        text : str
            ``A[i]``, ``S[i]`` or ``R[i]``.
        value : int
            In this proof.
        low : int
            The least it can be in any; the largest is 2**63 - 1.
        """
        found = self.node("", (text,), value)
        self._ranges[found.number] = (low, (1 << 63) - 1)
        return found  # type: ignore[no-any-return]

    def node(self, operation: str, operands: tuple[Any, ...], value: int) -> Any:
        """Return the number that an operation has, one object per expression."""
        key = (operation, *(o.number if type(o) is Traced else (o,) for o in operands))
        found = self._known.get(key)
        if found is None:
            if len(self._nodes) >= _MAX_NODES:
                raise TooLongError
            found = self._known[key] = Traced(self, len(self._nodes), value)
            self._nodes.append((operation, operands))
        return found

    def is_multiple(self, number: int, unit: int) -> bool:
        """Whether a number is a multiple of a constant whatever the launch, as far as it shows."""
        operation, operands = self._nodes[number]
        parts = [
            self.is_multiple(o.number, unit) if type(o) is Traced else not o % unit
            for o in operands
            if operation in ("*", "+", "-", "neg")
        ]
        return bool(parts) and (any(parts) if operation == "*" else all(parts))

    def condition(self, relation: str, a: Any, b: Any) -> None:
        """Note that the proof rests on ``a relation b``."""
        left = a.number if type(a) is Traced else (a,)
        right = b.number if type(b) is Traced else (b,)
        self._conditions[relation, left, right] = None

    def function(self, result: Any) -> Callable[..., Any]:
        """Return a function ``(A, S, R) -> result``; None where a condition does not hold.

        Parameters
        ----------
        result : nested tuples and lists of numbers
            Lists become tuples.
        """
        return ProofWriter(self._nodes, self._conditions, self._ranges).function(result)


class Traced:
    """An integer and the expression that it is the value of.

    No subclass of int and without ``__index__``: code that would use its value unnoticed fails.
    """

    __slots__ = ("number", "recorder", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, recorder: Recorder, number: int, value: int) -> None:
        self.recorder, self.number, self.value = recorder, number, value

    def _binary(self, operation: str, other: Any, *, swapped: bool = False) -> Any:
        if type(other) is not Traced and not isinstance(other, int):
            return NotImplemented
        a, b = (other, self) if swapped else (self, other)
        if operation == "%" and type(b) is int and self.recorder.is_multiple(self.number, b):
            return 0
        if b is other and type(other) is int:
            if (operation, other) in _NEUTRAL:
                return self
            if other == 0 and operation in "*&":
                return 0
        elif a is other and type(other) is int:
            if (operation, other) in (("+", 0), ("*", 1)):
                return self
            if other == 0 and operation in "*&":
                return 0
        return self.recorder.node(operation, (a, b), _COMPUTE[operation](plain(a), plain(b)))

    def __add__(self, other: Any) -> Any:
        return self._binary("+", other)

    def __radd__(self, other: Any) -> Any:
        return self._binary("+", other, swapped=True)

    def __sub__(self, other: Any) -> Any:
        return self._binary("-", other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary("-", other, swapped=True)

    def __mul__(self, other: Any) -> Any:
        return self._binary("*", other)

    def __rmul__(self, other: Any) -> Any:
        return self._binary("*", other, swapped=True)

    def __floordiv__(self, other: Any) -> Any:
        return self._binary("//", other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._binary("//", other, swapped=True)

    def __mod__(self, other: Any) -> Any:
        return self._binary("%", other)

    def __rmod__(self, other: Any) -> Any:
        return self._binary("%", other, swapped=True)

    def __and__(self, other: Any) -> Any:
        return self._binary("&", other)

    def __rand__(self, other: Any) -> Any:
        return self._binary("&", other, swapped=True)

    def __or__(self, other: Any) -> Any:
        return self._binary("|", other)

    def __ror__(self, other: Any) -> Any:
        return self._binary("|", other, swapped=True)

    def __xor__(self, other: Any) -> Any:
        return self._binary("^", other)

    def __rxor__(self, other: Any) -> Any:
        return self._binary("^", other, swapped=True)

    def __lshift__(self, other: Any) -> Any:
        return self._binary("<<", other)

    def __rlshift__(self, other: Any) -> Any:
        return self._binary("<<", other, swapped=True)

    def __rshift__(self, other: Any) -> Any:
        return self._binary(">>", other)

    def __rrshift__(self, other: Any) -> Any:
        return self._binary(">>", other, swapped=True)

    def __neg__(self) -> Any:
        return self.recorder.node("neg", (self,), -self.value)

    def __abs__(self) -> Any:
        return self.recorder.node("abs", (self,), abs(self.value))

    def bit_length(self) -> Any:
        """Return the number of bits, as int's method does."""
        return self.recorder.node("bit_length", (self,), self.value.bit_length())

    def _compare(self, relation: str, other: Any) -> Any:
        if type(other) is not Traced and not isinstance(other, int):
            return NotImplemented
        if other is self:
            return relation in ("<=", ">=", "==")
        is_so = _COMPARE[relation](self.value, plain(other))
        self.recorder.condition(relation if is_so else _INVERSE[relation], self, other)
        return is_so

    def __lt__(self, other: Any) -> bool:
        return self._compare("<", other)  # type: ignore[no-any-return]

    def __le__(self, other: Any) -> bool:
        return self._compare("<=", other)  # type: ignore[no-any-return]

    def __gt__(self, other: Any) -> bool:
        return self._compare(">", other)  # type: ignore[no-any-return]

    def __ge__(self, other: Any) -> bool:
        return self._compare(">=", other)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return self._compare("==", other)  # type: ignore[no-any-return]

    def __ne__(self, other: object) -> bool:
        return self._compare("!=", other)  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        return self != 0


def plain(number: Any) -> int:
    """Return a number without its trace."""
    return number.value if type(number) is Traced else number


def at_most(a: int, b: int) -> bool:
    """Whether a <= b; a condition of the proof only where it is so."""
    return plain(a) <= plain(b) and a <= b


def equal(a: int, b: int) -> bool:
    """Whether a == b; a condition of the proof only where it is so."""
    return plain(a) == plain(b) and a == b


def lesser(a: int, b: int) -> int:
    """Return the lesser of two numbers either of which would do."""
    return a if plain(a) <= plain(b) else b


def greater(a: int, b: int) -> int:
    """Return the greater of two numbers either of which would do."""
    return a if plain(a) >= plain(b) else b


def increasing(numbers: Sequence[int]) -> list[int]:
    """Return numbers sorted and without repetition; which are equal, and the order, is recorded."""
    found: list[int] = []
    for number in sorted(numbers, key=plain):
        if not found or not equal(found[-1], number):
            if found:
                assert found[-1] < number
            found.append(number)
    return found
