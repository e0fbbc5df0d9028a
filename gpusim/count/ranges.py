"""Evaluate a kernel's plan for one launch: ranges of forms, and whether every access is inside.

Ranges are exact integer arithmetic over boxes of ids and loop counts. Facts (branch conditions,
bounds of opaque values) are used one at a time to eliminate an atom; what that cannot show counts
as not proven, never as an error.
"""

from __future__ import annotations

from gpusim.count.intervals import UNBOUNDED, Range, RawForm, combine, negated, opaque_range
from gpusim.count.plan import (
    GROUP_ATOM,
    LOCAL_ATOM,
    Fact,
    Plan,
)
from gpusim.count.recording import at_most, equal, greater, lesser, plain

_DEPTH = 3
"""Facts used one after another on one form: a guard per dimension."""
_WIDTH = 3
"""Eliminations tried further at each step."""
_MAX_FACTS = 24


_HIGHEST = (1 << 63) - 1


def shifts_above(high: int, low: int, bits: int) -> int:
    """Return for how many k = 0, 1.. ``high >> k * bits`` is at least `low`, which is positive."""
    if high < low:
        return 0
    return ((high // low).bit_length() - 1) // bits + 1


class Ranges:
    """Answers questions about one launch."""

    def __init__(
        self,
        plan: Plan,
        arguments: list[int | None],
        sizes: list[int],
        root_bytes: dict[str, int],
        base_align: int,
    ) -> None:
        self.plan = plan
        self._base_align = base_align
        self._root_bytes = plan.root_bytes | root_bytes
        assert plan.evaluate is not None
        raw = plan.evaluate(arguments, sizes)
        self.forms: list[RawForm] = [
            (const, tuple(t for t in terms if t[1])) for const, terms in raw
        ]
        self._atom_ranges: dict[int, Range] = {}
        for d in range(3):
            self._atom_ranges[GROUP_ATOM + d] = (0, sizes[d] - 1)
            self._atom_ranges[LOCAL_ATOM + d] = (0, sizes[3 + d] - 1)
        self._fits: dict[int, bool] = {}
        self._busy: set[int] = set()
        self._open: set[int] = set()
        self._asked: set[int] = set()
        self._reachable: set[int] | None = None
        self._irregular: set[int] = set()
        """Loop variables whose machine words may differ from their forms."""

    def box_range(self, form: RawForm) -> Range:
        """Return a form's range over the box of its atoms' ranges."""
        low = high = form[0]
        for atom, coefficient in form[1]:
            below, above = self.atom_range(atom)
            if coefficient > 0:
                low += coefficient * below
                high += coefficient * above
            else:
                low += coefficient * above
                high += coefficient * below
        return low, high

    def atom_range(self, atom: int) -> Range:
        """Return the range of an atom, unbounded when nothing is known."""
        found = self._atom_ranges.get(atom)
        if found is not None:
            return found
        record = self.plan.atoms[atom]
        if record.kind in ("count", "phi"):
            if record.loop in self._busy:
                return (-UNBOUNDED, UNBOUNDED)
            return self._resolve(record.loop)[atom]
        if atom in self._open:
            return (-UNBOUNDED, UNBOUNDED)
        self._open.add(atom)
        found = (-UNBOUNDED, UNBOUNDED)
        if self.holds(record.needs):
            found = self._opaque_range(atom)
        self._open.discard(atom)
        if not self._busy and not self._open:
            self._atom_ranges[atom] = found
        return found

    def _resolve(self, loop: int) -> dict[int, Range]:
        """Find the ranges of a loop's variables and of its iteration number.

        By induction over iterations: ranges are derived as if every word equalled its form, then
        the fits are checked with these ranges. If they hold there, they hold in iteration k
        because the variables were in range in all iterations before. What fails is dropped.
        """
        tests = list(self.plan.loop_tests[loop])
        counter = self.plan.loop_atoms[loop]
        variables = [
            number
            for number, atom in enumerate(self.plan.atoms)
            if atom.kind == "phi" and atom.loop == loop
        ]
        self._irregular.difference_update(variables)
        self._busy.add(loop)
        for atom in variables:
            # What is halved is bounded whatever the number of iterations, which follows from it.
            if self.plan.atoms[atom].shift < 0:
                self._atom_ranges[atom] = self._shifted_range(atom, tests)
        while True:
            self._atom_ranges[counter] = self._count_range(loop, tests)
            for atom in variables:
                self._atom_ranges[atom] = (
                    (-UNBOUNDED, UNBOUNDED)
                    if atom in self._irregular
                    else self._phi_range(atom, tests)
                )
            wrong = {test for test in tests if not self.holds(test.needs)}
            odd = {
                atom
                for atom in variables
                if atom not in self._irregular and not self.holds(self.plan.atoms[atom].needs)
            }
            if not wrong and not odd:
                break
            tests = [test for test in tests if test not in wrong]
            self._irregular |= odd
        self._busy.discard(loop)
        found = {atom: self._atom_ranges[atom] for atom in (counter, *variables)}
        if self._busy or self._open or self._asked:
            for atom in found:
                del self._atom_ranges[atom]
        return found

    def fits(self, number: int) -> bool:
        """Whether a form lies in the range that a machine word needs."""
        found = self._fits.get(number)
        if found is None:
            fit = self.plan.fits[number]
            if number in self._asked:
                return False
            self._asked.add(number)
            found = self.inside(self.forms[fit.form], fit.low, fit.high, fit.block)
            self._asked.discard(number)
            # While a loop's ranges are provisional, so is every answer.
            if not self._busy and not self._open and not self._asked:
                self._fits[number] = found
        return found

    def holds(self, needs: frozenset[int]) -> bool:
        """Whether all of some fits hold."""
        return all(self.fits(number) for number in needs)

    def expand(self, form: RawForm) -> RawForm:
        """Replace loop variables by what they start with plus step times iteration."""
        form = self._simplify(form)
        for _ in range(8):
            target = next(
                (
                    (atom, c)
                    for atom, c in form[1]
                    if self.plan.atoms[atom].kind == "phi" and self._is_regular(atom)
                ),
                None,
            )
            if target is None:
                return form
            atom, coefficient = target
            record = self.plan.atoms[atom]
            step = self._step(atom)
            assert step is not None
            form = combine(form, self.forms[record.first], coefficient, drop=atom)
            count = (0, ((self.plan.loop_atoms[record.loop], step),))
            form = combine(form, count, coefficient)
        return form

    def _simplify(self, form: RawForm) -> RawForm:
        """Replace quotients of forms that the divisor divides, and PHIs with one way in."""
        for atom, coefficient in form[1]:
            record = self.plan.atoms[atom]
            if record.operation == "union" and self._reachable is not None:
                ways = {
                    operand
                    for operand, block in zip(record.operands, record.operand_blocks, strict=True)
                    if block in self._reachable
                }
                if len(ways) == 1 and self.holds(record.needs):
                    form = combine(form, self.forms[ways.pop()], coefficient, drop=atom)
                continue
            if record.operation != "div":
                continue
            dividend, divisor = (self.forms[operand] for operand in record.operands)
            d = divisor[0]
            if not self.holds(record.needs):
                continue
            if d > 0 and all(equal(c % d, 0) for c in (dividend[0], *(c for _, c in dividend[1]))):
                exact = (dividend[0] // d, tuple((a, c // d) for a, c in dividend[1]))
                form = combine(form, exact, coefficient, drop=atom)
        return form

    def _is_regular(self, atom: int) -> bool:
        """Whether a loop variable is what it starts with plus a step per iteration, no bit lost.

        While its loop's ranges are being found this is taken for granted and checked at the end.
        """
        if self._step(atom) is None:
            return False
        if self.plan.atoms[atom].loop not in self._busy and atom not in self._atom_ranges:
            self.atom_range(atom)
        return atom not in self._irregular

    def _step(self, atom: int) -> int | None:
        record = self.plan.atoms[atom]
        if record.step < 0 or record.first < 0:
            return None
        step = self.forms[record.step]
        return None if step[1] else step[0]

    def _count_range(self, loop: int, tests: list[Fact]) -> Range:
        """Return the range of a loop's iteration number: 0 to the number of back edges taken."""
        best = UNBOUNDED
        counter = self.plan.loop_atoms[loop]
        for test in tests:
            best = lesser(best, self._shifts(loop, test))
            form = self.expand(self.forms[test.form])
            factor = next((c for atom, c in form[1] if atom == counter), 0)
            if not factor:
                continue
            rest = (form[0], tuple(t for t in form[1] if t[0] != counter))
            low, high = self.box_range(rest)
            if test.is_not_equal:
                best = lesser(best, self._until_equal(factor, low, high))
            elif factor > 0 and low > -UNBOUNDED:
                # It goes on while rest + factor * k <= 0.
                best = lesser(best, max(0, -low // factor + 1))
        return (0, best)

    def _shifts(self, loop: int, test: Fact) -> int:
        """Return how often a test on a variable that is halved or doubled can hold."""
        form = self.forms[test.form]
        for atom, factor in form[1]:
            found = self.shifted(atom, loop)
            if found is None or found[0] in self._irregular:
                continue
            record, divisor = self.plan.atoms[found[0]], found[1]
            low, high = self._range_at(self.forms[record.first], self._entry_block(loop))
            rest = self.box_range((form[0], tuple(t for t in form[1] if t[0] != atom)))[0]
            if rest <= -UNBOUNDED:
                continue
            if record.shift < 0:
                # It goes on while the variable is at least `least`.
                least = -(rest // factor) if factor < 0 else 0
                if test.is_not_equal:
                    least = int(len(form[1]) == 1 and equal(form[0], 0))
                if at_most(1, least) and at_most(high, _HIGHEST):
                    return shifts_above(high, least * divisor, -record.shift)
            elif divisor == 1 and factor > 0 and not test.is_not_equal and at_most(1, low):
                return shifts_above(-rest // factor, low, record.shift)
        return UNBOUNDED

    def shifted(self, atom: int, loop: int) -> tuple[int, int] | None:
        """Return a variable of a loop that is halved or doubled, and what it is divided by.

        None where the atom is not the quotient of such a variable and a number from 1 up.
        """
        record, divisor = self.plan.atoms[atom], 1
        if record.operation == "div":
            (const, terms), by = (self.forms[operand] for operand in record.operands)
            is_plain = len(terms) == 1 and terms[0][1] == 1 and const == 0 and not by[1]
            if not is_plain or not at_most(1, by[0]) or not self.holds(record.needs):
                return None
            atom, divisor = terms[0][0], by[0]
            record = self.plan.atoms[atom]
        is_shifted = record.kind == "phi" and record.loop == loop and record.shift != 0
        return (atom, divisor) if is_shifted else None

    @staticmethod
    def _until_equal(factor: int, low: int, high: int) -> int:
        """Return how often ``rest + factor * k != 0`` can hold from k = 0 on."""
        if factor < 0:
            factor, low, high = -factor, -high, -low
        if high > 0 or low <= -UNBOUNDED:
            return UNBOUNDED
        if factor == 1:
            return -low
        is_exact = equal(low, high) and equal(low % factor, 0)
        return -low // factor if is_exact else UNBOUNDED

    def _phi_range(self, atom: int, tests: list[Fact]) -> Range:
        record = self.plan.atoms[atom]
        if record.shift:
            return self._shifted_range(atom, tests)
        step = self._step(atom)
        if step is None:
            return (-UNBOUNDED, UNBOUNDED)
        entry = self._entry_block(record.loop)
        first = self._range_at(self.forms[record.first], entry)
        _, count = self.atom_range(self.plan.loop_atoms[record.loop])
        low = first[0] + min(0, step * count)
        high = first[1] + max(0, step * count)
        # A later iteration starts only if the loop's test held before: x_before + rest <= 0.
        for test in tests:
            form = self.forms[test.form]
            factor = next((c for a, c in form[1] if a == atom), 0)
            if test.is_not_equal or not factor:
                continue
            rest = self.box_range((form[0], tuple(t for t in form[1] if t[0] != atom)))
            if factor > 0 and step > 0 and rest[0] > -UNBOUNDED:
                high = lesser(high, max(first[1], -rest[0] // factor + step))
            elif factor < 0 and step < 0 and rest[0] > -UNBOUNDED:
                low = greater(low, min(first[0], -(-rest[0] // -factor) + step))
        return (low, high)

    def _shifted_range(self, atom: int, tests: list[Fact]) -> Range:
        """Return the range of a variable that is halved or doubled and starts at 0 or above."""
        record = self.plan.atoms[atom]
        low, high = self._range_at(self.forms[record.first], self._entry_block(record.loop))
        if record.shift < 0:
            return (0, high)
        top = UNBOUNDED
        for test in tests:
            form = self.forms[test.form]
            factor = next((c for a, c in form[1] if a == atom), 0)
            rest = self.box_range((form[0], tuple(t for t in form[1] if t[0] != atom)))[0]
            if factor > 0 and not test.is_not_equal and rest > -UNBOUNDED:
                top = lesser(top, -rest // factor)
        return (low, max(high, top << record.shift))

    def _entry_block(self, loop: int) -> int:
        """Return the block before a loop, whose facts hold for what loop variables start with."""
        return self.plan.loop_entries[loop]

    def _opaque_range(self, atom: int) -> Range:
        record = self.plan.atoms[atom]
        ranges = [
            self._range_at(self.forms[form], block)
            for form, block in zip(record.operands, record.operand_blocks, strict=True)
            if record.operation != "union" or self._may_run(block)
        ]
        if record.operands and not ranges:
            return (0, 0)
        return opaque_range(record.operation, ranges)

    def _may_run(self, block: int) -> bool:
        return self._reachable is None or block in self._reachable

    def _usable_facts(self, form: RawForm, block: int) -> list[RawForm]:
        facts: list[Fact] = list(self.plan.block_facts[block])
        atoms = {atom for atom, _ in form[1]}
        for fact in self.plan.block_facts[block]:
            atoms.update(atom for atom, _ in self.forms[fact.form][1])
        for atom in sorted(atoms):
            record = self.plan.atoms[atom]
            is_valid = record.operation != "div" or self.forms[record.operands[1]][0] > 0
            if record.facts and is_valid:
                facts += record.facts
        found: list[RawForm] = []
        unequal: list[RawForm] = []
        for fact in dict.fromkeys(facts[:_MAX_FACTS]):
            if self.forms[fact.form][1] and self.holds(fact.needs):
                (unequal if fact.is_not_equal else found).append(self.forms[fact.form])
        return self._tighten(found, unequal) if unequal else found

    def _tighten(self, facts: list[RawForm], unequal: list[RawForm]) -> list[RawForm]:
        """Use ``form != 0`` where the form is known to be at most, or at least, 0."""
        sides = [side for form in unequal for side in (form, negated(form))]
        return facts + [(s[0] + 1, s[1]) for s in sides if equal(self._high(s, facts, 1), 0)]

    def _range_at(self, form: RawForm, block: int) -> Range:
        low, high = self.box_range(form)
        if not form[1]:
            return low, high
        facts = self._usable_facts(form, block)
        if facts:
            high = lesser(high, self._high(form, facts, _DEPTH))
            low = greater(low, -self._high(negated(form), facts, _DEPTH))
        return low, high

    def _high(self, form: RawForm, facts: list[RawForm], depth: int) -> int:
        """Return an upper bound of a form, given forms that are not positive."""
        best = self.box_range(form)[1]
        if not depth:
            return best
        found: list[tuple[int, int, RawForm, int]] = []
        for position, fact in enumerate(facts):
            factors = dict(fact[1])
            for atom, coefficient in form[1]:
                factor = factors.get(atom, 0)
                if not factor or (factor > 0) != (coefficient > 0):
                    continue
                # |factor| * form - |coefficient| * fact has no such atom and bounds it from above.
                scaled = (form[0] * abs(factor), tuple((a, c * abs(factor)) for a, c in form[1]))
                rest = combine(scaled, fact, -abs(coefficient))
                high = self.box_range(rest)[1]
                found.append((high // abs(factor), position, rest, abs(factor)))
        # The eliminations that look best are followed further.
        found.sort(key=lambda item: plain(item[0]))
        for high, position, rest, factor in found[:_WIDTH]:
            best = lesser(best, high)
            if depth > 1:
                others = facts[:position] + facts[position + 1 :]
                deeper = self._high(rest, others, depth - 1)
                best = lesser(best, deeper // factor)
        return best

    def is_unreachable(self, block: int) -> bool:
        """Whether control never gets to a block, as far as it is known."""
        if self._reachable is not None:
            return block not in self._reachable
        return any(
            not self.forms[fact.form][1]
            and (
                equal(self.forms[fact.form][0], 0)
                if fact.is_not_equal
                else at_most(1, self.forms[fact.form][0])
            )
            and self.holds(fact.needs)
            for fact in self.plan.block_facts[block]
        )

    def inside(self, form: RawForm, low: int, high: int, block: int) -> bool:
        """Whether a form stays within [low, high] wherever control reaches a block."""
        candidates = [form]
        expanded = self.expand(form)
        if expanded != form:
            candidates.append(expanded)
        reached_low = reached_high = False
        for candidate in candidates:
            below, above = self.box_range(candidate)
            reached_low = reached_low or at_most(low, below)
            reached_high = reached_high or at_most(above, high)
        if reached_low and reached_high:
            return True
        if self.is_unreachable(block):
            return True
        for candidate in candidates:
            facts = self._usable_facts(candidate, block)
            if not reached_high:
                reached_high = at_most(self._high(candidate, facts, _DEPTH), high)
            if not reached_low:
                reached_low = at_most(low, -self._high(negated(candidate), facts, _DEPTH))
            if reached_low and reached_high:
                return True
        return False
