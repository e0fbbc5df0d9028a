"""RADU Fig. 16: speed-up of VGG-16's layers on Mali-G72 under ACL GEMM."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
No value of this figure is stated by itself; the 5x of the text is the bound for all three
networks.
"""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    speed_up = channel_times.speed_ups(channel_times.pruned_times("vgg16", "acl-gemm", "mali-g72"))
    drawing.heat_map("radu_fig16", speed_up, title="VGG-16, ACL GEMM on Mali-G72")
    best, layer, distance = channel_times.extreme(speed_up, worst=False)
    near, at, by = channel_times.extreme(speed_up, worst=True, within=3)
    rows = [
        agreement.number(
            f"highest speed-up (ours: L{layer}, {distance} fewer)", None, best, unit="x"
        ),
        agreement.number(
            f"lowest within 3 channels (ours: L{at}, {by} fewer)", None, near, unit="x"
        ),
        agreement.claim("no slowdown near the original count (3 channels)", near > 0.98),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
