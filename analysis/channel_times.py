"""Times of pruned layers for the gallery: the sweeps behind its curves and heat maps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from gpusim.library.plan import PlanOptions
from gpusim.network import Layer, load_network
from gpusim.study.sweep import PointTime, channel_points, sweep

DISTANCES = (1, 3, 7, 15, 31, 63, 64, 127, 128, 255, 256, 511, 512, 1023, 1024)
"""Channels taken away, as in the papers' heat maps."""
UNIQUE = {
    "resnet50": (0, 1, 2, 3, 5, *range(11, 17), *range(24, 30), *range(43, 49)),
    "vgg16": (0, 2, 5, 7, 10, 12, 17, 19, 24),
    "alexnet": (0, 3, 6, 8, 10),
}
"""Convolutions of different shape, numbered as Radu et al. do."""
_LAYOUTS = {"tvm": "nchw", "cudnn": "nchw"}
_TUNING_LOG = Path(__file__).parents[2] / "shared/measured/mali_v0.06_kernels.jsonl.gz"


def channel_times(
    network: str,
    layer: int,
    counts: Iterable[int],
    library: str,
    device: str,
    *,
    fidelity: str = "analytic",
    tuning_log: str = "",
) -> list[PointTime]:
    """Return the time of a layer at some numbers of output channels, in order.

    Raises
    ------
    RuntimeError
        When a point has no time: a picture with holes would hide it.
    """
    return _times(
        network, [load_network(network).layer(layer)], counts, library, device, fidelity, tuning_log
    )


def pruned_times(
    network: str,
    library: str,
    device: str,
    *,
    distances: Sequence[int] = DISTANCES,
    tuning_log: str = "",
    keep_holes: bool = False,
) -> dict[int, dict[int, float]]:
    """Return layer -> channels taken away -> ms, with 0 for the full layer.

    Every layer is pruned by each of `distances` that leaves it a channel. With `keep_holes`, points
    that have no time are left out instead of raising, and layers without a full one altogether.
    """
    times: dict[int, dict[int, float]] = {}
    for index in UNIQUE[network]:
        layer = load_network(network).layer(index)
        full = layer.out_channels
        counts = [full - distance for distance in (0, *distances) if distance < full]
        found = _times(
            network, [layer], counts, library, device, "analytic", tuning_log, keep_holes
        )
        row = {full - time.point.layer.out_channels: time.predicted_ms for time in found}
        if 0 in row:
            times[index] = row
    return times


def speed_ups(times: dict[int, dict[int, float]]) -> dict[int, dict[int, float]]:
    """Return layer -> channels taken away -> time of the full layer over time of the pruned one."""
    return {
        layer: {distance: row[0] / ms for distance, ms in row.items() if distance}
        for layer, row in times.items()
    }


def extreme(
    speed_up: dict[int, dict[int, float]], *, worst: bool, within: float = math.inf
) -> tuple[float, int, int]:
    """Return the lowest or highest speed-up up to a distance, its layer and its distance."""
    cells = [
        (value, layer, distance)
        for layer, row in speed_up.items()
        for distance, value in row.items()
        if distance <= within
    ]
    return min(cells) if worst else max(cells)


def tuning_log() -> str:
    """Return the file of tuned configurations beside the checkout; "" when it is not there."""
    return str(_TUNING_LOG) if _TUNING_LOG.is_file() else ""


def _times(
    network: str,
    layers: Sequence[Layer],
    counts: Iterable[int],
    library: str,
    device: str,
    fidelity: str,
    tuning_log: str,
    keep_holes: bool = False,
) -> list[PointTime]:
    options = PlanOptions(
        target=device, layout=_LAYOUTS.get(library, "nhwc"), tuning_log=tuning_log
    )
    points = channel_points(
        network,
        layers,
        list(counts),
        libraries=[library],
        devices=[device],
        options=[options],
        fidelity=fidelity,
    )
    times = sweep(points, processes=1)
    for time in times:
        if time.failure and not keep_holes:
            raise RuntimeError(f"{time.point.layer.name}: {time.failure}")
    return [time for time in times if not time.failure]
