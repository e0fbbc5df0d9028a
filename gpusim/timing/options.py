"""How to simulate: fidelity, clock, starting state."""

from __future__ import annotations

from dataclasses import dataclass

from gpusim.timing.clock_schedule import ClockSchedule

FIDELITIES = ("analytic", "wave", "detailed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOptions:
    """Choices of a run that are not facts about the device."""

    clock_khz: int | None = None
    """GPU clock; None = the device model's."""
    clock_schedule: ClockSchedule | None = None
    """The GPU clock over time; not together with `clock_khz`."""
    flush_library: str | None = None
    """Whose habit of flushing the driver's own is replaced by (`flush_policy`); None = nobody's."""
    warm: bool = True
    """Whether the GPU is powered when the program starts."""
    host_gaps: bool = False
    """Whether the host pauses between calls as long as it did when the trace was recorded."""
