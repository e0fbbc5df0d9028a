"""How arithmetic and load/store overlap on a core of threads that run strictly in order.

A Midgard thread is in one pipe at a time and its next word issues only when the last one is
through. Its way through a core is that of a customer in a closed queueing network: it queues at
the pipes, and between two visits it is under way (the latency of its words, lines it waits for).
With many threads the busiest pipe is the limit, with few the latency; near the point where the
two meet, pipes run empty now and then. Mean value analysis tells how often (M. Reiser and
S. Lavenberg, JACM 27(2), 1980; with P. Schweitzer's estimate of the queue that an arriving
customer finds, which turns the recursion into one equation).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STATIONS = ("arithmetic", "load_store", "special", "texture")
"""Pipes that a thread queues for; other parts of a core work beside them."""
_HALVINGS = 45
"""Of the interval that holds the answer: beyond the precision of the figures by far."""


def unit_ps(
    pipes_ps: npt.NDArray[np.float64],
    latency_ps: npt.NDArray[np.float64],
    n_units: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the mean time from the end of one unit to the end of the next on a core.

    Parameters
    ----------
    pipes_ps : (..., n_station) array of float
        Service that a unit asks of each pipe, as if it never waited.
    latency_ps : (...) array of float
        Of a unit alone on the core.
    n_units : (...) array of float
        That are on the core at the same time; at least 1.

    Returns
    -------
    (...) array of float
        ps; at least the longest service, and at least ``latency_ps / n_units``.
    """
    busiest = pipes_ps.max(axis=-1)
    # A unit alone takes its latency, its own services included.
    away = np.maximum(0.0, latency_ps - pipes_ps.sum(axis=-1))
    others = 1.0 - 1.0 / n_units
    # In units of 1 / busiest, so that the answer scales with the clock.
    scale = np.where(busiest > 0, busiest, 1.0)
    service = pipes_ps / scale[..., None]
    away = away / scale
    low, high = np.zeros_like(away), np.ones_like(away)
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        load = rate[..., None] * service
        present = rate * away + (load / (1.0 - load * others[..., None])).sum(axis=-1)
        is_low = present < n_units
        low, high = np.where(is_low, rate, low), np.where(is_low, high, rate)
    found: npt.NDArray[np.float64] = np.maximum(scale / high, latency_ps / n_units)
    return np.where(busiest > 0, found, latency_ps / n_units)
