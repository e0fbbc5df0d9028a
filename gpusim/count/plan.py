"""What must be proven before a kernel may be counted by a slice, and what its counts depend on.

The plan is made once per kernel; `gpusim.count.prover` evaluates it for a launch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gpusim.count.forms import Form

GROUP_ATOM, LOCAL_ATOM, FIRST_FREE_ATOM = 0, 3, 6
"""Atoms 0..2: group id within the job; 3..5: local id; from 6: loop variables and opaque values."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A form must lie in [low, high] wherever control reaches a block."""

    form: int
    low: int
    high: int
    block: int


@dataclass(frozen=True, slots=True)
class Value:
    """An integer value: its form, and the fits that the form rests on."""

    form: Form
    needs: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer: what it points into and the byte offset there."""

    root: str
    """``aN`` parameter, ``@name`` variable, ``vN`` private array."""
    form: Form
    needs: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Fact:
    """form <= 0 (or form != 0) holds in a block, provided that the fits hold."""

    form: int
    needs: frozenset[int]
    is_not_equal: bool = False


@dataclass(slots=True)
class Atom:
    """A variable of the forms."""

    kind: str
    """``phi``, ``count`` (iterations of a loop), ``opaque``, ``group``, ``local``."""
    loop: int = -1
    """Innermost loop in which it changes, -1 = none."""
    first: int = -1
    """Of a phi: form of its value on entry."""
    step: int = -1
    """Of a phi: form of what an iteration adds; -1 = irregular."""
    shift: int = 0
    """Of a phi that an iteration halves (-1), quarters (-2).. or doubles (1).."""
    block: int = 0
    """Where it is defined."""
    operation: str = ""
    """Of an opaque value."""
    operands: tuple[int, ...] = ()
    """Forms of an opaque value's operands."""
    operand_blocks: tuple[int, ...] = ()
    """Blocks in which they are read: of a PHI its predecessors."""
    needs: frozenset[int] = frozenset()
    facts: tuple[Fact, ...] = ()
    """What always holds about an opaque value."""


@dataclass(frozen=True, slots=True)
class Obligation:
    """An access must stay inside its root and be aligned."""

    root: str
    form: int
    needs: frozenset[int]
    bytes: int
    align_bytes: int
    block: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """A comparison that a branch depends on."""

    form: int
    """Left side minus right side; -1 = not affine."""
    is_equality: bool
    """Whether it is true where the form is 0; else where it is negative."""
    needs: frozenset[int]
    dimensions: frozenset[int]
    """Dimensions of the NDRange whose ids it depends on."""


Tree = tuple[Any, ...]
"""A condition: ``("leaf", Leaf)``, ``("not", t)``, ``("and", t, t)``, ``("or", t, t)``, ``("phi",
((t, block), ...))``, ``("const", bool)`` or ``("unknown",)``."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Where control goes at the end of a block."""

    cases: tuple[tuple[Tree, int], ...]
    """Tried in order: the first true condition's target is taken."""
    default: int


@dataclass(slots=True)
class Plan:
    """Everything about a kernel that a launch is checked against."""

    refusal: str
    """Why the kernel cannot be sliced whatever the launch; empty when it can."""
    evaluate: Callable[[list[int | None], list[int]], tuple[Any, ...]] | None = None
    """(arguments, sizes) -> forms as ``(const, ((atom, coefficient), ...))``."""
    atoms: list[Atom] = field(default_factory=list)
    fits: list[Fit] = field(default_factory=list)
    obligations: list[Obligation] = field(default_factory=list)
    block_facts: list[tuple[Fact, ...]] = field(default_factory=list)
    loop_tests: list[tuple[Fact, ...]] = field(default_factory=list)
    """Per loop: what must hold for another iteration to start."""
    loop_entries: list[int] = field(default_factory=list)
    """The block before each loop; the header itself when there are several."""
    loop_atoms: list[int] = field(default_factory=list)
    """The `count` atom of each loop."""
    loop_parents: list[int] = field(default_factory=list)
    """The loop around each loop, -1 = none."""
    loop_blocks: list[frozenset[int]] = field(default_factory=list)
    loop_headers: dict[int, int] = field(default_factory=dict)
    """Header -> loop."""
    branches: dict[int, Branch] = field(default_factory=dict)
    """Per block that ends in a conditional branch or a switch."""
    leaves: list[Leaf] = field(default_factory=list)
    """The comparisons that depend on ids, of all branches."""
    successors: list[list[int]] = field(default_factory=list)
    control_arguments: frozenset[int] = frozenset()
    """By-value arguments that branches depend on."""
    control_sizes: bool = False
    """Whether branches depend on the NDRange's sizes."""
    control_dimensions: frozenset[int] = frozenset()
    """Dimensions whose ids branches depend on."""
    group_dimensions: frozenset[int] = frozenset()
    """Those of them in which it is not the local id alone."""
    root_bytes: dict[str, int] = field(default_factory=dict)
    """Of variables and private arrays."""
    written_parameters: frozenset[int] = frozenset()
    recordings: list[Any] = field(default_factory=list)
    """Proofs of earlier launches that others may repeat, see `gpusim.count.launch_proof`."""
    n_recorded: int = 0
    """Of all time, and launches proven in the ordinary way."""
    n_proven: int = 0
    control_parameters: frozenset[int] = frozenset()
    """Pointer parameters whose contents can reach a branch."""
