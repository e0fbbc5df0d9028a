"""What compiling one program may use before it is ended with an error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileLimits:
    """Limits of one program; the error names the field that raises each of them."""

    source_bytes: int = 16 << 20
    """Program text and headers together."""
    front_end_seconds: float = 30.0
    """Processor time of clang."""
    front_end_memory_bytes: int = 3 << 30
    """Of clang."""
    front_end_output_bytes: int = 256 << 20
    """Unoptimised IR of a program."""
    optimiser_seconds: float = 120.0
    """Wall time of the pinned pipeline, per kernel."""
    optimiser_memory_bytes: int = 4 << 30
    """Of the process that runs the pipeline."""


def how_to_raise(field: str) -> str:
    """Return how to raise a limit: the option of the command line, and the field in Python."""
    return f"raise it with --limit {field}=N, in Python Limits.{field}"
