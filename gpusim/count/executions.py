"""How often a work-item runs every block, in closed form, where loops have known trip counts.

Within a cell of the NDRange every branch outside of loop tests goes one way, so control follows
one path; a loop multiplies what is in it by its trip count. What has no such form (a branch that
goes differently from iteration to iteration, a triangular loop) is left to native execution.
"""

from __future__ import annotations

from gpusim.count.intervals import RawForm
from gpusim.count.plan import Branch, Leaf, Tree
from gpusim.count.prover import Prover
from gpusim.count.ranges import shifts_above
from gpusim.count.recording import equal


class NoClosedFormError(Exception):
    """The executions have to be counted by running; never leaves `count`."""


Items = list[tuple[int, int]]
"""(block, executions), each block once."""


def block_executions(prover: Prover) -> list[int]:
    """Return the executions of every block by one work-item of a cell.

    Parameters
    ----------
    prover : Prover
        Restricted to the cell.

    Raises
    ------
    NoClosedFormError
        Some trip count or branch has no closed form.
    """
    counts = [0] * len(prover.plan.successors)
    items, _, _ = _Path(prover).follow(0, -1)
    for block, number in items:
        counts[block] = number
    return counts


class _Path:
    """Follows control through a kernel for one cell."""

    def __init__(self, prover: Prover) -> None:
        self._prover = prover
        self._plan = prover.plan

    def follow(self, block: int, loop: int) -> tuple[Items, tuple[int, int, int] | None, int]:
        """Follow control to the end of the kernel, or of an iteration of `loop`.

        Returns
        -------
        items : list
            What runs on the way, once.
        test : tuple, optional
            Of a loop: how many of the items run before its test, trip count of those, exit block.
        end : int
            Where control gets in the end: the loop's header, or behind the loop; -1 = returns.
        """
        items: Items = []
        test = None
        start = block
        while True:
            inner = self._plan.loop_headers.get(block, -1)
            if inner >= 0 and inner != loop:
                part, block = self._loop(inner)
                items += part
            else:
                items.append((block, 1))
                block, found = self._next(block, loop)
                if found is not None:
                    if test is not None:
                        raise NoClosedFormError
                    test = (len(items), *found)
            if block < 0 or (loop >= 0 and (block == start or not self._is_in(block, loop))):
                return items, test, block

    def _is_in(self, block: int, loop: int) -> bool:
        return block in self._plan.loop_blocks[loop]

    def _loop(self, loop: int) -> tuple[Items, int]:
        """Return what a loop runs in all its iterations, and where control goes then."""
        header = next(block for block, n in self._plan.loop_headers.items() if n == loop)
        items, test, end = self.follow(header, loop)
        if end != header:
            # It leaves in its first iteration, whatever a test before that says.
            if test is not None:
                raise NoClosedFormError
            return items, end
        if test is None:
            raise NoClosedFormError
        before, trips, behind = test
        return [
            (block, n * (trips if place < before else trips - 1))
            for place, (block, n) in enumerate(items)
        ], behind

    def _next(self, block: int, loop: int) -> tuple[int, tuple[int, int] | None]:
        """Return the next block; of a loop's test also (trip count, exit block)."""
        branch = self._plan.branches.get(block)
        if branch is None:
            targets = self._plan.successors[block]
            return (targets[0] if targets else -1), None
        for tree, target in branch.cases:
            truth = self._prover.truth(tree)
            if truth is None:
                return self._test(branch, loop)
            if truth:
                return target, None
        return branch.default, None

    def _test(self, branch: Branch, loop: int) -> tuple[int, tuple[int, int]]:
        if loop < 0 or len(branch.cases) != 1:
            raise NoClosedFormError
        tree, target = branch.cases[0]
        goes_on = self._is_in(target, loop)
        if goes_on == self._is_in(branch.default, loop):
            raise NoClosedFormError
        inside, outside = (target, branch.default) if goes_on else (branch.default, target)
        return inside, (self._trips(tree, loop, goes_on=goes_on), outside)

    def _trips(self, tree: Tree, loop: int, *, goes_on: bool) -> int:
        """Return how often a loop's test is made: it goes on while the condition is `goes_on`."""
        while tree[0] == "not":
            tree, goes_on = tree[1], not goes_on
        if tree[0] != "leaf":
            raise NoClosedFormError
        leaf: Leaf = tree[1]
        if leaf.form < 0 or not self._prover.holds(leaf.needs):
            raise NoClosedFormError
        form: RawForm = self._prover.expand(self._prover.forms[leaf.form])
        if len(form[1]) == 1 and self._prover.shifted(form[1][0][0], loop) is not None:
            return self._shifts(form, loop, is_equality=leaf.is_equality, goes_on=goes_on) + 1
        if len(form[1]) != 1 or form[1][0][0] != self._plan.loop_atoms[loop]:
            raise NoClosedFormError
        first, step = form[0], form[1][0][1]
        if leaf.is_equality:
            if goes_on or not equal(first % step, 0) or -first // step < 0:
                raise NoClosedFormError
            return -first // step + 1
        if goes_on:
            # first + step * k < 0 for the k = 0, 1.. that go on.
            if step < 0:
                raise NoClosedFormError
            return 1 if first >= 0 else -(first // step) + 1
        if step > 0:
            raise NoClosedFormError
        return 1 if first < 0 else first // -step + 2

    def _shifts(self, form: RawForm, loop: int, *, is_equality: bool, goes_on: bool) -> int:
        """Return how often a loop goes on by a test of a variable that is halved or doubled."""
        rest, ((quotient, factor),) = form
        prover = self._prover
        found = prover.shifted(quotient, loop)
        if found is None:
            raise NoClosedFormError
        record, divisor = self._plan.atoms[found[0]], found[1]
        first = prover.expand(prover.forms[record.first])
        if first[1] or not prover.holds(record.needs):
            raise NoClosedFormError
        if is_equality:
            if goes_on or record.shift > 0 or not equal(rest, 0):
                raise NoClosedFormError
            return shifts_above(first[0], divisor, -record.shift)
        if not goes_on:
            # rest + factor * variable >= 0, as -rest - factor * variable - 1 < 0.
            rest, factor = -rest - 1, -factor
        if record.shift < 0 and factor < 0 and rest >= 0:
            return shifts_above(first[0], (rest // -factor + 1) * divisor, -record.shift)
        if record.shift > 0 and divisor == 1 and factor > 0 and first[0] > 0:
            return shifts_above((-rest - 1) // factor, first[0], record.shift)
        raise NoClosedFormError
