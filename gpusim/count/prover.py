"""Whether every access of a launch, or of a part of its NDRange, stays inside its buffer."""

from __future__ import annotations

from gpusim.count.intervals import UNBOUNDED, Range, RawForm
from gpusim.count.plan import FIRST_FREE_ATOM, Branch, Leaf, Tree
from gpusim.count.ranges import Ranges
from gpusim.count.recording import at_most, equal

_WALKS = 4


class Prover(Ranges):
    """Answers questions about one launch."""

    _point: dict[int, int] | None = None

    def restrict(self, ranges: dict[int, Range], point: dict[int, int]) -> Prover:
        """Return a prover for a part of the NDRange in which branches on ids go one way.

        Only the blocks that its work-items can reach are asked about.

        Parameters
        ----------
        ranges : dict
            Of id atoms.
        point : dict
            Value per id atom, of one of its work-items.
        """
        part = Prover.__new__(Prover)
        part.plan, part._root_bytes, part.forms = self.plan, self._root_bytes, self.forms
        part._base_align, part._point = self._base_align, point
        part._atom_ranges = {atom: self._atom_ranges[atom] for atom in range(FIRST_FREE_ATOM)}
        part._atom_ranges.update(ranges)
        part._fits, part._busy, part._open, part._asked = {}, set(), set(), set()
        part._reachable, part._irregular = None, set()
        for _ in range(_WALKS):
            # What is reachable decides more conditions, which leaves less reachable.
            before: set[int] | None = part._reachable
            # Loops first: a comparison in a loop asks for ranges that ask for the comparison.
            part.is_bounded()
            part._reachable = part._walk()
            if before == part._reachable:
                break
            part._atom_ranges = {a: r for a, r in part._atom_ranges.items() if a < FIRST_FREE_ATOM}
            part._fits = {}
        return part

    def _walk(self) -> set[int]:
        """Return the blocks that control can reach, following decided branches one way."""
        seen, pending = {0}, [0]
        while pending:
            block = pending.pop()
            branch = self.plan.branches.get(block)
            targets = self.plan.successors[block] if branch is None else self._targets(branch)
            for target in targets:
                if target not in seen:
                    seen.add(target)
                    pending.append(target)
        return seen

    def _targets(self, branch: Branch) -> list[int]:
        found = []
        for tree, target in branch.cases:
            truth = self.truth(tree)
            if truth is not False:
                found.append(target)
            if truth:
                return found
        return [*found, branch.default]

    def truth(self, tree: Tree) -> bool | None:
        """Return a condition's value if it is the same for all work-items of the box."""
        match tree[0]:
            case "const":
                return tree[1] is True
            case "not":
                inner = self.truth(tree[1])
                return None if inner is None else not inner
            case "and" | "or":
                decisive: bool = tree[0] == "or"
                sides = [self.truth(part) for part in tree[1:]]
                if decisive in sides:
                    return decisive
                return None if None in sides else not decisive
            case "phi":
                ways: set[bool | None] = {
                    self.truth(part) for part, block in tree[1] if self._may_run(block)
                }
                return next(iter(ways)) if len(ways) == 1 else None
            case "leaf":
                return self._leaf_truth(tree[1])
        return None

    def _leaf_truth(self, leaf: Leaf) -> bool | None:
        if self._point is not None and leaf.dimensions:
            const, terms = self.expand(self.forms[leaf.form])
            if all(atom in self._point for atom, _ in terms):
                # The part was cut so that this comparison is the same for all of it.
                value = const + sum(c * self._point[atom] for atom, c in terms)
                return value == 0 if leaf.is_equality else value < 0
        if leaf.form < 0 or not self.holds(leaf.needs):
            return None
        low, high = self.box_range(self.forms[leaf.form])
        if leaf.is_equality:
            if at_most(1, low) or at_most(high, -1):
                return False
            return True if equal(low, 0) and equal(high, 0) else None
        if at_most(high, -1):
            return True
        return False if at_most(0, low) else None

    def is_bounded(self) -> bool:
        """Whether every loop ends after a number of iterations known beforehand."""
        tops = [self.atom_range(atom)[1] for atom in self.plan.loop_atoms]
        return all(top < UNBOUNDED for top in tops)

    def most_rounds(self) -> int:
        """Return an upper bound of the loop iterations of one work-item, all loops together."""
        rounds: list[int] = []
        for atom, parent in zip(self.plan.loop_atoms, self.plan.loop_parents, strict=True):
            outer = rounds[parent] if parent >= 0 else 1
            rounds.append(outer * (self.atom_range(atom)[1] + 1))
        return sum(rounds)

    def _is_multiple(self, form: RawForm, unit: int) -> bool:
        return _is_multiple_of(form, unit) or _is_multiple_of(self.expand(form), unit)

    def first_unproven(self) -> str:
        """Return what cannot be proven about the launch's accesses; empty when all are inside."""
        for number, obligation in enumerate(self.plan.obligations):
            form = self.forms[obligation.form]
            size = self._root_bytes.get(obligation.root, 0)
            is_aligned = obligation.align_bytes == 1 or (
                obligation.align_bytes <= self._base_align
                and self._is_multiple(form, obligation.align_bytes)
            )
            proven = (
                is_aligned
                and self.holds(obligation.needs)
                and self.inside(form, 0, size - obligation.bytes, obligation.block)
            )
            if not proven and not self.is_unreachable(obligation.block):
                return f"access {number} to {obligation.root}"
        return ""


def _is_multiple_of(form: RawForm, unit: int) -> bool:
    return all(equal(number % unit, 0) for number in (form[0], *(c for _, c in form[1])))
