"""RADU Fig. 1: slowdown of ResNet-50's layers under ACL GEMM on Mali-G72, by channels cut."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
The paper states the largest slowdown in its first figure, at most 2x within 64 channels. Ours is
larger, on the layers that ACL computes with its reshaped product: that kernel leaves the local
size to the driver, and the rule we have for the driver (a power of two that divides the NDRange)
gives groups of one or two columns when a count divides badly. Such a group fills one or two of
four lanes, which the models charge in full. The measured chip loses less, so either its driver
chooses better, or half-empty quads cost less than an idle lane each.
"""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    speed_up = channel_times.speed_ups(
        channel_times.pruned_times("resnet50", "acl-gemm", "mali-g72")
    )
    slowdown = {
        layer: {distance: 1 / value for distance, value in row.items()}
        for layer, row in speed_up.items()
    }
    drawing.heat_map(
        "radu_fig1",
        slowdown,
        title="ResNet-50, ACL GEMM on Mali-G72: time against the full layer",
        label="slowdown",
    )
    worst, layer, distance = channel_times.extreme(speed_up, worst=True, within=64)
    rows = [
        agreement.number(
            f"largest slowdown within 64 channels (ours: L{layer}, {distance} fewer)",
            2.0,
            1 / worst,
            unit="x",
        ),
        agreement.claim("some layer gets slower within 64 channels", worst < 1),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
