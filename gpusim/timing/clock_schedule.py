"""The GPU clock over time: one frequency, or a given list of changes (a governor's decisions)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gpusim.errors import DeviceError, located
from gpusim.units import UNITS

_EXPECTED = "a clock such as 400MHz, or TIME:CLOCK,... from time 0 on such as 0ms:400MHz,5ms:767MHz"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSchedule:
    """Clocks and when each one begins; times count from the start of the host program."""

    starts_ps: tuple[int, ...]
    """Ascending, the first one 0."""
    clocks_khz: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> ClockSchedule:
        """Read ``400MHz`` or ``0ms:400MHz,5ms:767MHz``.

        Raises
        ------
        DeviceError
            If it is neither, the times do not ascend from 0, or a clock is not positive.
        """
        starts, clocks = [], []
        for part in text.split(","):
            time, _, clock = part.rpartition(":")
            starts.append(round(_value(time, "time", text)) if time else 0)
            clocks.append(round(_value(clock, "frequency", text)))
        ascends = all(a < b for a, b in pairwise(starts))
        if starts[0] != 0 or not ascends or min(clocks) <= 0:
            raise _bad(text)
        return cls(starts_ps=tuple(starts), clocks_khz=tuple(clocks))

    def index(self, time_ps: int) -> int:
        """Return which clock is in force at `time_ps`."""
        return bisect_right(self.starts_ps, time_ps) - 1

    def end_ps(self, start_ps: int, durations_ps: Sequence[int]) -> int:
        """Return when work that begins at `start_ps` ends.

        Parameters
        ----------
        start_ps : int
        durations_ps : sequence of int
            How long all of it takes at each clock. At a change it goes on from where it is, at
            the pace of the new clock.
        """
        left, now = 1.0, start_ps
        for index in range(self.index(start_ps), len(self.starts_ps)):
            end = now + round(left * durations_ps[index])
            if index + 1 == len(self.starts_ps) or end <= self.starts_ps[index + 1]:
                return end
            left -= (self.starts_ps[index + 1] - now) / durations_ps[index]
            now = self.starts_ps[index + 1]
        raise AssertionError("the last clock has no end")

    def cycles(self, start_ps: int, end_ps: int) -> float:
        """Return the clock cycles between two times."""
        bounds = [*self.starts_ps[1:], max(end_ps, self.starts_ps[-1])]
        return sum(
            max(0, min(end_ps, until) - max(start_ps, since)) * khz / 10**9
            for since, until, khz in zip(self.starts_ps, bounds, self.clocks_khz, strict=True)
        )


def _value(text: str, dimension: str, whole: str) -> float:
    """Return a number with a unit of a dimension, in its base unit."""
    number = text.strip()
    for unit, (kind, factor) in sorted(UNITS.items(), key=lambda item: -len(item[0])):
        if kind == dimension and number.endswith(unit):
            try:
                return float(number[: -len(unit)]) * factor
            except ValueError:
                break
    raise _bad(whole)


def _bad(text: str) -> DeviceError:
    return DeviceError(located("clock", "not understood", expected=_EXPECTED, found=text))
