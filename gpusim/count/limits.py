"""What one launch may use before it is ended with an error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one launch; the error names the field that raises each of them."""

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
