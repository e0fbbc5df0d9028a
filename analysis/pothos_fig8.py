"""POTHOS Fig. 8: how often CaffeNet's kernels are active, sorted by use."""

from __future__ import annotations

from typing import Any

import agreement
import drawing
import numpy as np

from gpusim.library.dynamic import ActivityProfile, expected_macs, load_profile, with_classes
from gpusim.network.tables import load_network

NOTE = """
The averages are the published ones, the shape of the curves is ours. The products of the averages
give the published reduction of multiply-accumulates to within 0.1 percentage points if all layers
count and the first fully connected layer skips the inputs that were not computed.
"""
PUBLISHED = {"caffenet-ilsvrc": 0.6427, "caffenet-food101": 0.1452}


def main() -> dict[str, Any]:
    """Draw, compare."""
    network = load_network("caffenet")
    profiles = {name: load_profile(name) for name in PUBLISHED}
    drawing.curves(
        "pothos_fig8",
        {
            f"{profile.data_set} layer {int(switched.name[4:]) + 1}": sorted_use(
                profile, network, switched.name
            )
            for profile in profiles.values()
            for switched in profile.layers
        },
        title="CaffeNet: activation frequency of kernels sorted by use",
        x="kernel, most used first",
        y="share of images",
    )
    rows = [
        agreement.number(
            f"{profile.data_set}: active kernels",
            100 * PUBLISHED[name],
            100 * drawn(profile),
            unit="%",
        )
        for name, profile in profiles.items()
    ]
    ilsvrc = profiles["caffenet-ilsvrc"]
    static = sum(layer.macs for layer in network.layers)
    saved = 1 - expected_macs(with_classes(network, ilsvrc.n_classes), ilsvrc) / static
    rows.append(
        agreement.number("ILSVRC: multiply-accumulates saved", 38.31, 100 * saved, unit="%")
    )
    return {"rows": rows}


def sorted_use(
    profile: ActivityProfile, network: Any, layer_name: str
) -> tuple[list[float], list[float]]:
    """Return kernel ranks and their frequencies."""
    layer = next(layer for layer in network.layers if layer.name == layer_name)
    values = np.sort(profile.frequencies(layer))[::-1]
    return [float(rank) for rank in range(len(values))], [float(value) for value in values]


def drawn(profile: ActivityProfile, n_images: int = 50) -> float:
    """Return the mean share of active kernels over drawn images."""
    network = load_network(profile.network)
    shares = [
        profile.draw(layer, n_images).mean()
        for layer in network.layers
        if profile.layer(layer.name)
    ]
    return float(np.mean(shares))


if __name__ == "__main__":
    agreement.show(main()["rows"])
