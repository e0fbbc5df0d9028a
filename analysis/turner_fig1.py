"""TURNER Fig. 1: VGG-16 by weight pruning on a Core i7: expected and observed time."""

from __future__ import annotations

from typing import Any

import agreement
import drawing

from gpusim.network.tables import load_network
from gpusim.study.compression import Technique, compress
from gpusim.study.stack import on_cpu

NOTE = """
Expected is the dense time times the share of weights that remain. Observed is the plain C loop over
a CSR matrix per filter: the dense loop takes eight columns at once, the sparse one a column
at a time with three loads and eight instructions per weight, so zeros never pay.
"""
RATES = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
THREADS = 4


def main() -> dict[str, Any]:
    """Time, draw, compare."""
    network = load_network("vgg16-cifar10")
    dense = on_cpu(compress(network, Technique.PLAIN), "core-i7-3820", THREADS).total_ms
    observed = {
        rate: on_cpu(
            compress(network, Technique.WEIGHT_PRUNING, rate), "core-i7-3820", THREADS
        ).total_ms
        for rate in RATES
    }
    rates = [0.0, *RATES]
    drawing.curves(
        "turner_fig1",
        {
            "expected from MACs": (rates, [dense * (1 - rate) for rate in rates]),
            "observed (simulated)": (rates, [dense, *observed.values()]),
        },
        title="VGG-16, weight pruning, Core i7-3820, 4 threads",
        x="share of zero weights",
    )
    rows = [
        agreement.claim(
            f"no gain up to {rate:.0%} zeros", time >= dense, f"{time / dense:.2f}x the dense time"
        )
        for rate, time in observed.items()
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
