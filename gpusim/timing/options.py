"""How to simulate: fidelity, clock, starting state."""

from __future__ import annotations

from dataclasses import dataclass

FIDELITIES = ("analytic", "wave", "detailed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOptions:
    """Choices of a run that are not facts about the device."""

    clock_khz: int | None = None
    """GPU clock; None = the device model's."""
    warm: bool = True
    """Whether the GPU is powered when the program starts."""
    host_gaps: bool = False
    """Whether the host pauses between calls as long as it did when the trace was recorded."""
