"""RADU Fig. 6, 8 and 9: speed-up of ResNet-50, VGG-16 and AlexNet under cuDNN on Jetson TX2."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
The highest speed-up of all three maps is stated for layer 16 of ResNet-50. A layer with more
channels than 128 can lose more of them, and gains more here; launch and clock floors of the board
are not in the model.
"""
MAPS = {"resnet50": "radu_fig6", "vgg16": "radu_fig8", "alexnet": "radu_fig9"}
GAIN = 1.1
"""From which a speed-up counts as a gain."""


def main() -> dict[str, Any]:
    """Prune every layer of the three networks, draw, compare."""
    rows = []
    for network, name in MAPS.items():
        speed_up = channel_times.speed_ups(
            channel_times.pruned_times(network, "cudnn", "jetson-tx2")
        )
        drawing.heat_map(name, speed_up, title=f"{network}, cuDNN on Jetson TX2")
        best, layer, distance = channel_times.extreme(speed_up, worst=False, within=128)
        worst, at, by = channel_times.extreme(speed_up, worst=True)
        early = [row for row in speed_up.values() if row[31] > GAIN]
        rows += [
            agreement.number(
                f"{network}: highest speed-up up to 128 fewer (ours: L{layer}, {distance} fewer)",
                3.3,
                best,
                unit="x",
            ),
            agreement.claim(
                f"{network}: most layers gain nothing from up to 31 channels fewer",
                2 * len(early) < len(speed_up),
                f"{len(early)} of {len(speed_up)} gain",
            ),
            agreement.claim(
                f"{network}: most layers gain from 64 channels fewer",
                2 * sum(row.get(64, 2.0) > GAIN for row in speed_up.values()) > len(speed_up),
            ),
            agreement.claim(
                f"{network}: no layer gets slower (worst: L{at}, {by} fewer)",
                worst > 0.98,
                f"{worst:.2f}x",
            ),
        ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
