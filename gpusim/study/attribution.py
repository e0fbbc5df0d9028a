"""Whose fault is the time: re-simulate with mechanisms switched off, and share out what is saved.

Mechanisms hide each other: with arithmetic off a kernel may take as long as before, because the
load/store pipe was nearly as busy. What one saves by itself therefore says how much is to gain
from it alone, and adds up to nothing in particular. To share out the whole time, mechanisms are
switched off one after the other until none is left, in one order and in its reverse, and each
gets the mean of what went away when its turn came. That mean over orders is Shapley's value with
two orders in place of all; whatever time is left with everything off belongs to none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gpusim.device.spec import DeviceSpec
from gpusim.study.mechanisms import MECHANISMS, Mechanism, Works
from gpusim.timing import Timeline, simulate
from gpusim.trace.records import Command

Times = npt.NDArray[np.int64]
"""(1 + n_launch,) ps: the whole run, then each launch on the GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The time of one run, shared out."""

    base: Times
    alone: dict[str, Times]
    """Mechanism -> time saved when it alone is off."""
    twice_shared: dict[str, Times]
    """Mechanism -> twice its share; twice, so that the mean of two orders stays an integer."""
    nothing: Times
    """Time with every mechanism off."""


@dataclass(slots=True, kw_only=True)
class _Runs:
    """Simulations of one side, each done once."""

    device: DeviceSpec
    works: Works
    commands: Sequence[Command]
    fidelity: str
    mechanisms: tuple[Mechanism, ...]
    on_run: Callable[[], None]
    known: dict[frozenset[str], Times] = field(default_factory=dict)

    def times(self, off: Sequence[Mechanism]) -> Times:
        """Return the times with some mechanisms off."""
        key = frozenset(mechanism.name for mechanism in off)
        if key not in self.known:
            device, works = self.device, self.works
            # In the order of the table, whatever the order of the argument: same set, same run.
            for mechanism in self.mechanisms:
                if mechanism.name in key:
                    device, works = mechanism.off(device, works)
            timeline = simulate(device, works, commands=self.commands, fidelity=self.fidelity)
            self.known[key] = run_times(timeline, works)
            self.on_run()
        return self.known[key]


def n_runs(mechanisms: Sequence[Mechanism] = MECHANISMS) -> int:
    """Return how many simulations `attribute` does."""
    n = len(mechanisms)
    chains = {frozenset(range(k)) for k in range(n + 1)}
    chains |= {frozenset(range(k, n)) for k in range(n + 1)}
    return len(chains | {frozenset({k}) for k in range(n)})


def run_times(timeline: Timeline, works: Works) -> Times:
    """Return the time of the run and of each launch, from its first job's start to its end."""
    first = {int(work.launch.index): position for position, work in enumerate(works)}
    starts = np.full(len(works), np.iinfo(np.int64).max)
    ends = np.zeros(len(works), np.int64)
    at = np.array([first[int(launch)] for launch in timeline.jobs["launch"]], np.int64)
    np.minimum.at(starts, at, timeline.jobs["start_ps"])
    np.maximum.at(ends, at, timeline.jobs["end_ps"])
    return np.concatenate([[timeline.total_ps], ends - starts]).astype(np.int64)


def attribute(
    device: DeviceSpec,
    works: Works,
    commands: Sequence[Command],
    *,
    fidelity: str = "wave",
    mechanisms: tuple[Mechanism, ...] = MECHANISMS,
    on_run: Callable[[], None] = lambda: None,
) -> Attribution:
    """Share out the time of a run among the mechanisms of the model.

    Parameters
    ----------
    device : DeviceSpec
    works : tuple of LaunchWork
    commands : sequence of Command
        The other commands of the trace.
    fidelity : str
        As :func:`gpusim.timing.simulate`.
    mechanisms : tuple of Mechanism
    on_run : callable
        Called after each simulation.

    Returns
    -------
    Attribution
        For the run and for each launch: the shares and twice the time that is left add up to
        twice the base time, exactly.
    """
    runs = _Runs(
        device=device,
        works=works,
        commands=commands,
        fidelity=fidelity,
        mechanisms=mechanisms,
        on_run=on_run,
    )
    base = runs.times(())
    alone = {mechanism.name: base - runs.times((mechanism,)) for mechanism in mechanisms}
    shared = {mechanism.name: np.zeros_like(base) for mechanism in mechanisms}
    for order in (mechanisms, mechanisms[::-1]):
        for position, mechanism in enumerate(order):
            saved = runs.times(order[:position]) - runs.times(order[: position + 1])
            shared[mechanism.name] = shared[mechanism.name] + saved
    return Attribution(base=base, alone=alone, twice_shared=shared, nothing=runs.times(mechanisms))
