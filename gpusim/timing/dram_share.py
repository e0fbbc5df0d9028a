"""External memory as a shared rate: flows that together ask for too much are slowed down."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import simpy


def fair_shares(demands: Sequence[float], weights: Sequence[float], capacity: float) -> list[float]:
    """Return the weighted max-min fair split of `capacity`.

    Parameters
    ----------
    demands : sequence of float
        What each flow could use; not negative.
    weights : sequence of float
        In what proportion flows that want more than they get share; positive where the demand
        is.
    capacity : float
        What there is, in the unit of the demands.

    Returns
    -------
    list of float
        Never above the demand, never above `capacity` in sum. Flows that want little get it;
        the others share the rest by weight.
    """
    shares = [0.0] * len(demands)
    wanting = [i for i in range(len(demands)) if demands[i] > 0]
    left, weight = capacity, sum(weights[i] for i in wanting)
    for position in sorted(wanting, key=lambda i: demands[i] / weights[i]):
        shares[position] = min(demands[position], left * weights[position] / weight)
        left = max(0.0, left - shares[position])
        weight -= weights[position]
    return shares


@dataclass(slots=True, kw_only=True)
class _Flow:
    demand: float
    """Bytes per ps at full speed."""
    weight: float
    left_ps: float
    """Time still needed at full speed."""
    speed: float
    done: simpy.Event
    end_ps: int = 0


class DramShare:
    """Run work that streams from external memory; slow it down to what the memory delivers.

    A change of the set of flows costs one pass over them; nothing happens in between.
    """

    def __init__(self, env: simpy.Environment, ps_per_byte: float) -> None:
        self._env = env
        self._capacity = 1.0 / ps_per_byte
        self._flows: list[_Flow] = []
        self._updated_ps = 0
        self._generation = 0
        self._pace = 1.0
        self.bytes = 0.0

    def run(self, duration_ps: float, n_bytes: float, weight: float) -> simpy.Event:
        """Start work of `duration_ps` that moves `n_bytes` evenly; the event marks its end.

        Tasks go to whichever core has room, so cores that wait for memory end together. A
        `weight` proportional to all the bytes a core has to move does the same for fixed parts.
        """
        self._advance()
        duration_ps = max(duration_ps, 1.0)
        flow = _Flow(
            demand=n_bytes / duration_ps,
            weight=weight,
            left_ps=duration_ps,
            speed=1.0,
            done=self._env.event(),
        )
        self.bytes += n_bytes
        self._flows.append(flow)
        self._share()
        return flow.done

    def set_pace(self, pace: float) -> None:
        """Let all work go on at `pace` times the speed that its duration states."""
        self._advance()
        self._pace = pace
        self._share()

    def _advance(self) -> None:
        elapsed = self._env.now - self._updated_ps
        self._updated_ps = self._env.now
        for flow in self._flows:
            flow.left_ps = max(0.0, flow.left_ps - elapsed * flow.speed)

    def _share(self) -> None:
        """Set every flow's speed and plan the wake-up for the first one that ends."""
        shares = fair_shares(
            [flow.demand * self._pace for flow in self._flows],
            [flow.weight for flow in self._flows],
            self._capacity,
        )
        now = self._env.now
        for flow, share in zip(self._flows, shares, strict=True):
            flow.speed = min(self._pace, share / flow.demand) if flow.demand > 0 else self._pace
            flow.end_ps = now + ceil(flow.left_ps / flow.speed)
        self._generation += 1
        if self._flows:
            wait = min(flow.end_ps for flow in self._flows) - now
            self._env.process(self._wake(wait, self._generation))

    def _wake(self, wait_ps: int, generation: int) -> Generator[Any, Any, None]:
        yield self._env.timeout(wait_ps)
        if generation != self._generation:
            return
        self._advance()
        now = self._env.now
        ended = [flow for flow in self._flows if flow.end_ps <= now]
        self._flows = [flow for flow in self._flows if flow.end_ps > now]
        self._share()
        for flow in ended:
            flow.done.succeed()
