"""What one launch may use before it is ended with an error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from gpusim.compiler.limits import CompileLimits
from gpusim.errors import CountError, located


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(CompileLimits):
    """Limits of one launch and its program; each error names the field that raises it."""

    seconds: float = 60.0
    """Wall time of native execution."""
    compile_seconds: float = 120.0
    """Wall time of instrumentation and native code generation."""
    instructions: int = 10**12
    """IR instructions, charged per loop iteration with the whole loop body."""
    memory_bytes: int = 8 << 30
    """All buffers of a trace together."""
    local_bytes: int = 16 << 20
    """Local memory of one work-group, arguments included."""
    private_bytes: int = 1 << 20
    """Private arrays of one work-item."""
    group_items: int = 1 << 16
    """Work-items of one work-group."""
    group_memory_bytes: int = 1 << 30
    """State of a work-group's work-items that is kept across barriers."""


def parse_limits(settings: Iterable[str]) -> Limits:
    """Return limits from ``NAME=VALUE`` texts; what is not named keeps its default.

    Raises
    ------
    CountError
        An unknown name, or a value that is no positive number.
    """
    # Annotations are text here: one of the two words.
    kinds = {item.name: float if item.type == "float" else int for item in fields(Limits)}
    found: dict[str, float] = {}
    for text in settings:
        name, _, value = text.partition("=")
        where = f"--limit {text}"
        if name not in kinds:
            expected = "NAME=VALUE, NAME one of " + ", ".join(kinds)
            raise CountError(located(where, "no such limit", expected=expected, found=name))
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        # The upper bound keeps every time and size within what the system takes.
        if not 0 < number < 1 << 60:
            raise CountError(
                located(where, "not a limit", expected="a positive number", found=value)
            )
        found[name] = kinds[name](number)
        if not found[name]:
            raise CountError(located(where, "not a limit", expected="at least 1", found=value))
    return Limits(**found)  # type: ignore[arg-type]
