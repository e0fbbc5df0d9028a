"""Which counted loops a compiler unrolls whole, and what of them is then known in advance.

The counts of a launch are those of the loops as the source has them. A compiler that unrolls a loop
saves its counter, its comparison and its branch, and every address part that only the counter moves
becomes an immediate offset. Costs are still given per iteration.
"""

from __future__ import annotations

from gpusim.compiler.kernel_ir import BLOCK
from gpusim.isa.ir_view import IRView, is_constant, is_value

_MAX_TRIPS = 1 << 12
_FREE = frozenset(
    ("phi", "getelementptr", "sext", "zext", "trunc", "bitcast", "freeze", "br", "addrspacecast")
)
_EVALUATED = frozenset(
    (
        *("add", "sub", "mul", "shl", "lshr", "ashr", "and", "or", "xor", "icmp", "select"),
        *("sext", "zext", "trunc", "sdiv", "udiv", "srem", "urem", "freeze"),
    )
)


class Unrolling:
    """The loops of a kernel that are unrolled whole.

    Attributes
    ----------
    trips : dict of int to int
        Unrolled loop -> iterations per entry.
    known : set of int
        Instructions whose value is a constant in each copy; they need no operation.
    counters : dict of int to int
        Header PHI that advances by a fixed step -> its loop, of all loops.
    """

    def __init__(self, view: IRView, limit: int) -> None:
        """Decide.

        Parameters
        ----------
        view : IRView
            The kernel.
        limit : int
            Operations that an unrolled loop may have in all its copies; 0 = nothing is unrolled.
        """
        self._view = view
        self.counters: dict[int, int] = {}
        self._steps: dict[int, int | None] = {}
        for loop in range(len(view.kernel.loops)):
            self._find_counters(loop)
        self.trips: dict[int, int] = {}
        self.known: set[int] = set()
        if limit:
            self._decide(limit)

    def copies(self) -> dict[int, int]:
        """Return how many copies of each block of unrolled loops follow each other."""
        loops = self._view.kernel.loops
        result: dict[int, int] = {}
        for loop, trips in self.trips.items():
            for block in loops[loop].blocks:
                result[block] = result.get(block, 1) * trips
        return result

    def is_unrolled_branch(self, block: int) -> bool:
        """Return whether the branch that ends `block` is decided in advance."""
        index = self._view.members[block][-1]
        if self._view.opcode[index] != "br" or len(self._view.successors[block]) < 2:
            return False
        code = self._view.operands[index][0]
        return is_value(code) and code in self.known

    def _find_counters(self, loop: int) -> None:
        view = self._view
        header = view.kernel.loops[loop].header
        for phi in view.members[header]:
            if view.opcode[phi] != "phi" or view.type_of(phi).kind != "int":
                continue
            onward = self._incoming(phi, loop, inside=True)
            if onward is None or not is_value(onward[0]) or view.opcode[onward[0]] != "add":
                continue
            codes = view.operands[onward[0]]
            if phi not in codes:
                continue
            other = codes.index(phi) ^ 1
            step = codes[other]
            blocks = view.kernel.loops[loop].blocks
            if is_constant(step):
                self.counters[phi] = loop
                self._steps[phi] = _integer(view.operand_texts[onward[0]][other])
            elif not is_value(step) or view.block_of[step] not in blocks:
                self.counters[phi] = loop
                self._steps[phi] = None

    def _incoming(self, phi: int, loop: int, *, inside: bool) -> tuple[int, str] | None:
        """Return the one value (code and text) that a PHI takes from inside or outside a loop."""
        view = self._view
        blocks = view.kernel.loops[loop].blocks
        codes, texts = view.operands[phi], view.operand_texts[phi]
        found = [
            (codes[i], texts[i])
            for i in range(0, len(codes), 2)
            if (BLOCK - codes[i + 1] in blocks) == inside
        ]
        return found[0] if len(found) == 1 else None

    def _decide(self, limit: int) -> None:
        """Unroll from the inside out while the copies stay small."""
        loops = self._view.kernel.loops
        weights: dict[int, float] = {}
        for loop in sorted(range(len(loops)), key=lambda i: -loops[i].depth):
            children = [i for i in range(len(loops)) if loops[i].parent == loop]
            trips = self._trip_count(loop)
            phis = {phi for phi, owner in self.counters.items() if owner == loop}
            known = self._closure(self.known | phis) if trips else self.known
            own = [b for b in loops[loop].blocks if self._view.innermost_loop[b] == loop]
            weight = self._weight(own, known) + sum(weights[child] for child in children)
            weights[loop] = weight
            can = trips and all(child in self.trips for child in children)
            if can and weight * trips <= limit:
                self.trips[loop] = trips
                self.known = known
                weights[loop] = weight * trips

    def _trip_count(self, loop: int) -> int:
        """Return the constant number of iterations per entry, 0 = not known."""
        view = self._view
        blocks = view.kernel.loops[loop].blocks
        exits = [b for b in blocks if any(s not in blocks for s in view.successors[b])]
        if len(exits) != 1:
            return 0
        branch = view.members[exits[0]][-1]
        if (
            view.opcode[branch] != "br"
            or view.kernel.loops[loop].header not in view.successors[exits[0]]
        ):
            return 0
        test = view.operands[branch][0]
        if not is_value(test) or view.opcode[test] != "icmp":
            return 0
        codes = view.operands[test]
        if not is_constant(codes[1]) or not is_value(codes[0]):
            return 0
        bound = _integer(view.operand_texts[test][1])
        for phi, owner in self.counters.items():
            if owner != loop:
                continue
            start = self._incoming(phi, loop, inside=False)
            onward = self._incoming(phi, loop, inside=True)
            step = self._steps[phi]
            if start is None or onward is None or step is None or bound is None:
                continue
            first = _integer(start[1]) if is_constant(start[0]) else None
            if first is None or codes[0] not in (phi, onward[0]):
                continue
            stays = view.kernel.loops[loop].header == BLOCK - view.operands[branch][1]
            value = first + (step if codes[0] == onward[0] else 0)
            return _iterations(value, step, bound, view.predicate(test), stays)
        return 0

    def _closure(self, known: set[int]) -> set[int]:
        """Return `known` with all that follows from it and from constants."""
        view = self._view
        grown = set(known)
        has_changed = True
        while has_changed:
            has_changed = False
            for index in range(view.n_instructions):
                if index in grown or view.opcode[index] not in _EVALUATED:
                    continue
                codes = view.operands[index]
                values = [code for code in codes if is_value(code)]
                others = [code for code in codes if not is_value(code)]
                if values and set(values) <= grown and all(map(is_constant, others)):
                    grown.add(index)
                    has_changed = True
        return grown

    def _weight(self, blocks: list[int], known: set[int]) -> float:
        """Return the operations of one iteration that remain when its counter is known."""
        view = self._view
        return float(
            sum(
                index not in known
                and view.opcode[index] not in _FREE
                and not self._is_address_part(index)
                for block in blocks
                for index in view.members[block]
            )
        )

    def _is_address_part(self, index: int) -> bool:
        """Return whether an integer operation only feeds addresses."""
        view, pending, seen = self._view, [index], {index}
        if view.opcode[index] not in _EVALUATED or not view.users[index]:
            return False
        while pending:
            for user in view.users[pending.pop()]:
                if view.opcode[user] == "getelementptr" or user in seen:
                    continue
                if view.opcode[user] not in _EVALUATED or view.opcode[user] == "icmp":
                    return False
                seen.add(user)
                pending.append(user)
        return True


def _iterations(value: int, step: int, bound: int, predicate: str, stays: bool) -> int:
    """Return after how many tests the loop is left; 0 = not within reason."""
    relation = predicate[-2:]
    for number in range(1, _MAX_TRIPS + 1):
        holds = {
            "eq": value == bound,
            "ne": value != bound,
            "lt": value < bound,
            "le": value <= bound,
            "gt": value > bound,
            "ge": value >= bound,
        }[relation]
        if holds != stays:
            return number
        value += step
    return 0


def _integer(text: str) -> int | None:
    """Return the value of an integer constant as LLVM prints it."""
    word = text.rsplit(maxsplit=1)[-1]
    return int(word) if word.lstrip("-").isdecimal() else None
