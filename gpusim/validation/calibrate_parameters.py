"""Which figures of a device a fit may change, within which bounds, and how freely.

Few figures, each of a mechanism that measured times respond to. What a model file calls
documented, measured or reverse-engineered is refused, whatever this table says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gpusim.device import DeviceSpec
from gpusim.device.quantity import Kind
from gpusim.errors import DeviceError, located

MAX_PARAMETERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Physical bounds of a figure, in its canonical unit, and the width of its prior."""

    low: float
    high: float
    spread: float
    """Standard deviation of ln(value) around its start: how wrong a start value may be."""
    families: tuple[str, ...] = ()
    """Empty: all."""


_MIDGARD = ("midgard",)
_NVIDIA = ("maxwell", "pascal")
RULES: dict[str, Rule] = {
    # One beat to a few dozen cycles: a task is a handful of register writes.
    "job_manager.task_dispatch_cycles": Rule(low=1, high=64, spread=1.0, families=_MIDGARD),
    # The pass through the pipe and the line's way from L2.
    "core.load_store_restart_cycles": Rule(low=0.5, high=16, spread=1.0, families=_MIDGARD),
    # An L2 hit takes longer than an L1 hit and less than external memory.
    "l2.hit_latency_cycles": Rule(low=40, high=400, spread=0.4),
    # LPDDR: 100 ns at the pins; controllers and buses at most treble it.
    "dram.latency_ps": Rule(low=120_000, high=700_000, spread=0.4),
    "dram.efficiency": Rule(low=0.4, high=0.95, spread=0.15),
    "l1.outstanding_misses": Rule(low=4, high=1024, spread=0.7, families=(*_MIDGARD, "adreno")),
    # What a launch keeps of the processor's time when launches run back to back.
    "host.interrupt_ps": Rule(low=1_000_000, high=60_000_000, spread=0.7, families=_MIDGARD),
    "host.submit_ps": Rule(low=1_000_000, high=80_000_000, spread=0.5, families=_MIDGARD),
    "core.issue_efficiency": Rule(low=0.6, high=1.0, spread=0.15, families=_NVIDIA),
    "core.load_store_per_cycle": Rule(low=0.25, high=1.0, spread=0.4, families=_NVIDIA),
    # What a grid costs before its first block starts: fetch, set-up, caches made coherent.
    "job_manager.descriptor_fetch_ps": Rule(
        low=50_000, high=20_000_000, spread=1.5, families=_NVIDIA
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A figure to fit on one device."""

    path: str
    start: float
    """Before any fit."""
    low: float
    high: float
    spread: float

    @property
    def ln_start(self) -> float:
        """Logarithm of the start."""
        return math.log(self.start)


def parameters_of(
    device: DeviceSpec, starts: dict[str, float], chosen: Sequence[str] = ()
) -> list[Fitted]:
    """Return the figures to fit.

    Parameters
    ----------
    device : DeviceSpec
    starts : dict
        Path -> value before an earlier fit; of other figures the model's value counts.
    chosen : sequence of str
        Paths; empty = every figure of the table that belongs to the family and may be fitted.

    Raises
    ------
    DeviceError
        For an unknown figure, one that is not the fit's to change, or more than ten.
    """
    figures = device.figures()
    paths = list(chosen) or [
        path
        for path, rule in RULES.items()
        if (not rule.families or device.family in rule.families)
        and figures[path].kind in (Kind.ASSUMED, Kind.FITTED)
        and starts.get(path, figures[path].value) > 0
    ]
    for path in paths:
        if path not in figures:
            raise DeviceError(located(device.file, "no such figure", found=path))
        kind = figures[path].kind
        if kind not in (Kind.ASSUMED, Kind.FITTED):
            raise DeviceError(
                located(
                    f"{device.file}: {path}",
                    "not for a fit",
                    expected="a figure of kind fitted or assumed",
                    found=kind.value,
                )
            )
        if path not in RULES:
            raise DeviceError(
                located(path, "has no bounds to fit within", expected=", ".join(RULES))
            )
    if len(paths) > MAX_PARAMETERS:
        raise DeviceError(
            located(
                device.file,
                "too many figures",
                expected=f"at most {MAX_PARAMETERS}",
                found=len(paths),
            )
        )
    return [
        Fitted(
            path=path,
            start=float(starts.get(path, figures[path].value)),
            low=RULES[path].low,
            high=RULES[path].high,
            spread=RULES[path].spread,
        )
        for path in paths
    ]
