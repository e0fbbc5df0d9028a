"""Numbers and durations as people read them."""

from __future__ import annotations

from math import ceil, floor, isfinite, log10

_TIMES = ((10**12, "s"), (10**9, "ms"), (10**6, "µs"), (10**3, "ns"))
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def duration(value_ps: float) -> str:
    """Return picoseconds with three significant digits and a fitting unit."""
    for size, unit in _TIMES:
        if abs(value_ps) >= size:
            return f"{_digits(value_ps / size)} {unit}"
    return f"{value_ps:.0f} ps"


def quantity(value: float, unit: str) -> str:
    """Return a value with three significant digits and a decimal prefix."""
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{_digits(value / size)} {prefix}{unit}"
    return f"{_digits(value)} {unit}"


def count(value: int) -> str:
    """Return an integer with separators."""
    return f"{value:,}"


def percent(part: float, whole: float) -> str:
    """Return a share; a dash where there is no whole."""
    if not whole:
        return "–"
    share = 100 * part / whole
    return f"{share:.1f} %" if share < 9.95 else f"{share:.0f} %"


def _digits(value: float) -> str:
    if not isfinite(value) or value == 0:
        return f"{value:g}"
    decimals = max(0, 2 - floor(log10(abs(value))))
    return f"{value:.{decimals}f}"


def nice_step(span: float, n_steps: int) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that cuts `span` into about `n_steps`."""
    raw = span / max(n_steps, 1)
    power = 10.0 ** floor(log10(raw)) if raw > 0 else 1.0
    return next((m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9)), 10 * power)


def ticks(end: float, n_ticks: int) -> list[float]:
    """Return round values from 0 to at most `end`."""
    if end <= 0:
        return [0.0]
    step = nice_step(end, n_ticks)
    return [step * k for k in range(floor(end / step * (1 + 1e-9)) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten within [low, high]; with 2 and 5 times them if they are few."""
    powers = [10.0**k for k in range(floor(log10(low)), ceil(log10(high)) + 1)]
    fine = len([p for p in powers if low <= p <= high]) < 3
    found = [m * p for p in powers for m in ((1, 2, 5) if fine else (1,))]
    return [at for at in found if low <= at <= high]
