"""The straight-line Python function that a recorded proof becomes.

Conditions that follow from others, or from what inputs can be, are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpusim.count.intervals import Range

_MAX_DEPTH = 40
"""Of nested operations; Python takes at most 200 nested parentheses."""
_EVERYTHING = (-(1 << 4000), 1 << 4000)

Nodes = list[tuple[str, tuple[Any, ...]]]
"""(operation, operands), operands before what is computed from them."""
Conditions = dict[tuple[str, Any, Any], None]
"""(relation, left, right): the number of a node, or a constant in a tuple."""


class ProofWriter:
    """Writes the function of one recorder; one use."""

    def __init__(self, nodes: Nodes, conditions: Conditions, ranges: dict[int, Range]) -> None:
        self._nodes = nodes
        self._conditions = conditions
        self._ranges = dict(ranges)
        self._uses = [0] * len(nodes)
        self._texts: dict[int, str] = {}
        self._lines: list[str] = []

    def function(self, result: Any) -> Callable[..., Any]:
        """Return ``(A, S, R) -> result``; None where a condition does not hold."""
        needed = self._needed()
        for _, left, right in needed:
            for side in (left, right):
                if isinstance(side, int):
                    self._use(side)
        self._use_all(result)
        self._limit_depth()
        for relation, left, right in needed:
            a, b = self._side(left), self._side(right)
            self._lines.append(f" if not {a} {relation} {b}: return None")
        self._lines.append(f" return {self._result(result)}")
        source = "def replay(A, S, R):\n" + "\n".join(self._lines)
        scope: dict[str, Any] = {"__builtins__": {"abs": abs}}
        # Numbers, operators, A[..], S[..], R[..] and t0.. only: nothing of it is the kernel's.
        exec(compile(source, "<proof>", "exec"), scope)
        return scope["replay"]  # type: ignore[no-any-return]

    def _needed(self) -> list[tuple[str, Any, Any]]:
        """Return the conditions that do not follow from those before; on inputs alone first."""

        def is_on_input(condition: tuple[str, Any, Any]) -> bool:
            _, left, right = condition
            return isinstance(left, int) and not self._nodes[left][0] and isinstance(right, tuple)

        found = []
        for condition in sorted(self._conditions, key=lambda c: not is_on_input(c)):
            relation, left, right = condition
            a, b = self._side_range(left), self._side_range(right)
            if not _follows(relation, a, b):
                found.append(condition)
                self._learn(relation, left, right, a, b)
        return found

    def _learn(self, relation: str, left: Any, right: Any, a: Range, b: Range) -> None:
        """Narrow the ranges of both sides by a condition that is checked from here on."""
        strict = int(relation in "<>")
        if relation in ("<", "<=", "=="):
            a, b = (a[0], min(a[1], b[1] - strict)), (max(b[0], a[0] + strict), b[1])
        if relation in (">", ">=", "=="):
            a, b = (max(a[0], b[0] + strict), a[1]), (b[0], min(b[1], a[1] - strict))
        for side, found in ((left, a), (right, b)):
            if isinstance(side, int):
                self._ranges[side] = found

    def _side_range(self, side: Any) -> Range:
        return self._range(side) if isinstance(side, int) else (side[0], side[0])

    def _range(self, number: int) -> Range:
        """Return what a node can be, given the conditions so far."""
        found = self._ranges.get(number)
        if found is None:
            operation, operands = self._nodes[number]
            parts = [(o, o) if isinstance(o, int) else self._range(o.number) for o in operands]
            found = self._ranges[number] = _result_range(operation, parts)
        return found

    def _use(self, number: int) -> None:
        pending = [number]
        while pending:
            one = pending.pop()
            self._uses[one] += 1
            if self._uses[one] == 1:
                operands = self._nodes[one][1]
                pending += [o.number for o in operands if not isinstance(o, (int, str))]

    def _limit_depth(self) -> None:
        """Give parts of long expressions names."""
        depth = [0] * len(self._nodes)
        for number, (_, operands) in enumerate(self._nodes):
            if not self._uses[number]:
                continue
            parts = [o.number for o in operands if not isinstance(o, (int, str))]
            depth[number] = 1 + max((depth[p] for p in parts if self._uses[p] == 1), default=0)
            if depth[number] > _MAX_DEPTH:
                self._uses[number] = 2

    def _use_all(self, result: Any) -> None:
        if isinstance(result, (tuple, list)):
            for part in result:
                self._use_all(part)
        elif not isinstance(result, int):
            self._use(result.number)

    def _side(self, side: Any) -> str:
        return self._text(side) if isinstance(side, int) else str(side[0])

    def _text(self, number: int) -> str:
        known = self._texts.get(number)
        if known is not None:
            return known
        operation, operands = self._nodes[number]
        parts = [self._operand(operand) for operand in operands]
        match operation:
            case "":
                text = parts[0]
            case "neg":
                text = f"(-{parts[0]})"
            case "abs":
                text = f"abs({parts[0]})"
            case "bit_length":
                text = f"({parts[0]}).bit_length()"
            case _:
                text = f"({parts[0]} {operation} {parts[1]})"
        if self._uses[number] > 1:
            self._lines.append(f" t{number} = {text}")
            text = f"t{number}"
        self._texts[number] = text
        return text

    def _operand(self, operand: Any) -> str:
        if isinstance(operand, str):
            return operand
        if isinstance(operand, int):
            return str(operand) if operand >= 0 else f"({operand})"
        return self._text(operand.number)

    def _result(self, result: Any) -> str:
        if isinstance(result, (tuple, list)):
            return "(" + "".join(self._result(part) + "," for part in result) + ")"
        return self._operand(result)


def _follows(relation: str, a: Range, b: Range) -> bool:
    """Whether a relation holds for all numbers of two ranges."""
    match relation:
        case "<":
            return a[1] < b[0]
        case "<=":
            return a[1] <= b[0]
        case ">":
            return a[0] > b[1]
        case ">=":
            return a[0] >= b[1]
        case "!=":
            return a[1] < b[0] or a[0] > b[1]
    return a[0] == a[1] == b[0] == b[1]


def _result_range(operation: str, parts: list[Range]) -> Range:
    """Return what the result of an operation can be."""
    a, b = parts[0], parts[-1]
    match operation:
        case "+":
            return a[0] + b[0], a[1] + b[1]
        case "-":
            return a[0] - b[1], a[1] - b[0]
        case "*":
            corners = [x * y for x in a for y in b]
            return min(corners), max(corners)
        case "neg":
            return -a[1], -a[0]
        case "//" if b[0] > 0:
            corners = [x // y for x in a for y in b]
            return min(corners), max(corners)
        case "%" if b[0] > 0:
            return 0, b[1] - 1
        case "&" if b[0] >= 0:
            return 0, b[1]
        case "&" if a[0] >= 0:
            return 0, a[1]
    return _EVERYTHING
