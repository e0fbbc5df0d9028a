"""Affine forms whose coefficients are computed at launch time from arguments and sizes.

A value is ``const + sum(coefficient * atom)``; atoms are ids, loop variables and opaque results.
Coefficients are Python integers or names of variables in a generated function, so that a launch
costs one call of straight-line Python. Forms are exact integers; machine words equal them modulo
a power of two, and whoever needs the word's value asks for a range that fits first.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class UnknownFormError(Exception):
    """A value has no affine form; never leaves the planner."""


Coefficient = int | str
"""A number, or the name of a variable in the generated function."""


@dataclass(frozen=True, slots=True)
class Form:
    """An affine form; `terms` are sorted by atom and have no zero coefficient."""

    const: Coefficient
    terms: tuple[tuple[int, Coefficient], ...] = ()

    @property
    def is_uniform(self) -> bool:
        """Whether the value is the same for all work-items and iterations."""
        return not self.terms

    def coefficient(self, atom: int) -> Coefficient:
        """Return the coefficient of an atom, 0 when it does not occur."""
        return next((c for a, c in self.terms if a == atom), 0)

    def without(self, atom: int) -> Form:
        """Return the form without an atom."""
        return Form(self.const, tuple(term for term in self.terms if term[0] != atom))


@dataclass(slots=True)
class Emitter:
    """Writes the generated function's body; equal expressions are computed once."""

    lines: list[str] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)

    def let(self, expression: str) -> str:
        """Return the name of a variable that holds an expression."""
        name = self._names.get(expression)
        if name is None:
            name = f"t{len(self._names)}"
            self._names[expression] = name
            self.lines.append(f"{name} = {expression}")
        return name

    def add(self, a: Coefficient, b: Coefficient) -> Coefficient:
        """Return a + b."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0:
            return b
        if b == 0:
            return a
        return self.let(f"{a} + {b}")

    def multiply(self, a: Coefficient, b: Coefficient) -> Coefficient:
        """Return a * b."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 0 or b == 0:
            return 0
        if a == 1:
            return b
        if b == 1:
            return a
        return self.let(f"{a} * {b}")

    def signed(self, value: Coefficient, bits: int) -> Coefficient:
        """Return a uniform value as the signed integer that its machine word holds."""
        half, mask = 1 << (bits - 1), (1 << bits) - 1
        if isinstance(value, int):
            return ((value + half) & mask) - half
        return self.let(f"(({value} + {half}) & {mask}) - {half}")

    def unsigned(self, value: Coefficient, bits: int) -> Coefficient:
        """Return a uniform value as the unsigned integer that its machine word holds."""
        mask = (1 << bits) - 1
        if isinstance(value, int):
            return value & mask
        return self.let(f"{value} & {mask}")

    def form_add(self, a: Form, b: Form) -> Form:
        """Return a + b."""
        terms = dict(a.terms)
        for atom, coefficient in b.terms:
            terms[atom] = self.add(terms.get(atom, 0), coefficient)
        kept = tuple(sorted((atom, c) for atom, c in terms.items() if c != 0))
        return Form(self.add(a.const, b.const), kept)

    def scale(self, form: Form, factor: Coefficient) -> Form:
        """Return factor * form."""
        if factor == 0:
            return Form(0)
        terms = tuple((atom, self.multiply(c, factor)) for atom, c in form.terms)
        return Form(self.multiply(form.const, factor), terms)

    def subtract(self, a: Form, b: Form) -> Form:
        """Return a - b."""
        return self.form_add(a, self.scale(b, -1))

    def text(self, form: Form) -> str:
        """Return a Python expression for a form: ``(const, ((atom, coefficient), ...))``."""
        terms = "".join(f"({atom}, {c})," for atom, c in form.terms)
        return f"({form.const}, ({terms}))"
