"""Polynomials with integer coefficients over what is equal for all work-items of a launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

Monomial = tuple[str, ...]
"""Product of symbols, sorted; the empty product is 1."""


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A sum of products of symbols such as ``local_size0`` or ``arg3``."""

    terms: tuple[tuple[Monomial, int], ...] = ()
    """(product, coefficient), sorted by product; no coefficient is 0."""

    @classmethod
    def number(cls, value: int) -> Polynomial:
        """Return a constant."""
        return cls((((), value),) if value else ())

    @classmethod
    def symbol(cls, name: str) -> Polynomial:
        """Return a single symbol."""
        return cls((((name,), 1),))

    @classmethod
    def _of(cls, terms: Mapping[Monomial, int]) -> Polynomial:
        return cls(tuple(sorted((product, c) for product, c in terms.items() if c)))

    def __add__(self, other: Polynomial) -> Polynomial:
        terms = dict(self.terms)
        for product, coefficient in other.terms:
            terms[product] = terms.get(product, 0) + coefficient
        return Polynomial._of(terms)

    def __neg__(self) -> Polynomial:
        return Polynomial(tuple((product, -coefficient) for product, coefficient in self.terms))

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def __mul__(self, other: Polynomial) -> Polynomial:
        terms: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in other.terms:
                product = tuple(sorted(left + right))
                terms[product] = terms.get(product, 0) + a * b
        return Polynomial._of(terms)

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def constant(self) -> int | None:
        """The number this is, None when it has symbols."""
        if not self.terms:
            return 0
        (product, coefficient), *rest = self.terms
        return coefficient if not product and not rest else None

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols that occur."""
        return frozenset(name for product, _ in self.terms for name in product)

    def value(self, symbols: Mapping[str, int]) -> int:
        """Return the number for given symbols.

        Raises
        ------
        KeyError
            A symbol is missing.
        """
        total = 0
        for product, coefficient in self.terms:
            total += coefficient * prod(symbols[name] for name in product)
        return total

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        parts = []
        for product, coefficient in self.terms:
            factors = [str(coefficient)] if coefficient != 1 or not product else []
            parts.append("*".join([*factors, *product]))
        return " + ".join(parts)
