"""Integer time, clocks and the unit table of the device models.

Time is integer picoseconds; clocks are integer kHz. A clock edge is computed from the cycle
number, never by adding up a rounded period, so no drift accumulates.
"""

from __future__ import annotations

PS_PER_S = 10**12
PS_PER_US = 10**6
PS_PER_NS = 1000
_PS_CYCLES_PER_KHZ = 10**9


def edge_ps(n_cycles: int, khz: int) -> int:
    """Return the time of clock edge `n_cycles`, truncated to whole picoseconds.

    Parameters
    ----------
    n_cycles : int
        Number of full cycles since time zero; not negative.
    khz : int
        Clock frequency in kHz; positive.

    Returns
    -------
    int
        ``n_cycles / khz`` in ps. Split in two terms because the plain product overflows a
        64-bit integer at 9 M cycles; Numba loops use the same formula.
    """
    return (n_cycles // khz) * _PS_CYCLES_PER_KHZ + (n_cycles % khz) * _PS_CYCLES_PER_KHZ // khz


def cycles_to_ps(cycles: float, khz: int) -> int:
    """Return a duration of `cycles` (may be fractional) in ps, rounded to nearest."""
    return round(cycles * _PS_CYCLES_PER_KHZ / khz)


# unit -> (dimension, factor to the base unit of that dimension)
UNITS: dict[str, tuple[str, float]] = {
    "kHz": ("frequency", 1),
    "MHz": ("frequency", 1e3),
    "GHz": ("frequency", 1e6),
    "ps": ("time", 1),
    "ns": ("time", 1e3),
    "us": ("time", 1e6),
    "ms": ("time", 1e9),
    "B": ("size", 1),
    "KiB": ("size", 1024),
    "MiB": ("size", 1024**2),
    "GiB": ("size", 1024**3),
    "B/s": ("bandwidth", 1),
    "MB/s": ("bandwidth", 1e6),
    "GB/s": ("bandwidth", 1e9),
    "cycle": ("cycles", 1),
    "B/cycle": ("bytes_per_cycle", 1),
    "op/cycle": ("per_cycle", 1),
    "fraction": ("fraction", 1),
    "count": ("count", 1),
    "text": ("text", 1),
    "table": ("table", 1),
}
"""Units a device model may use. Base units: kHz, ps, B, B/s, cycles."""
