"""POTHOS Fig. 9: how often SqueezeNet 1.1's kernels are active, sorted by use."""

from __future__ import annotations

from typing import Any

import agreement
import drawing
from pothos_fig8 import drawn, sorted_use

from gpusim.library.dynamic import load_profile
from gpusim.network.tables import load_network

NOTE = """
Only the average for ILSVRC is published in words. Which convolutions are switched (here the
expanding ones of every fire module) is assumed. The share for FOOD-101 is fitted to the CPU's
speed-up in Table 2.
"""
PUBLISHED = {"squeezenet1.1-ilsvrc": 0.6828, "squeezenet1.1-food101": None}


def main() -> dict[str, Any]:
    """Draw, compare."""
    network = load_network("squeezenet1.1")
    lines, rows = {}, []
    for name, mean in PUBLISHED.items():
        profile = load_profile(name)
        for switched in (profile.layers[1], profile.layers[-1]):
            label = f"{profile.data_set} {switched.name}"
            lines[label] = sorted_use(profile, network, switched.name)
        rows.append(
            agreement.number(
                f"{profile.data_set}: active kernels",
                None if mean is None else 100 * mean,
                100 * drawn(profile),
                unit="%",
                calibrated=mean is None,
            )
        )
    drawing.curves(
        "pothos_fig9",
        lines,
        title="SqueezeNet 1.1: activation frequency of kernels sorted by use",
        x="kernel, most used first",
        y="share of images",
    )
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
