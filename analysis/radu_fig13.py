"""RADU Fig. 13: speed-up of ResNet-50's layers on Mali-G72 under ACL GEMM."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
Published is up to 5x. A layer of which one channel is left gains a little more here than there:
the model of an idle, warm GPU has no floor below a launch except the job's fixed costs. No layer
gets slower within three channels, as the paper says; see Fig. 1 for what happens farther away.
"""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    speed_up = channel_times.speed_ups(
        channel_times.pruned_times("resnet50", "acl-gemm", "mali-g72")
    )
    drawing.heat_map("radu_fig13", speed_up, title="ResNet-50, ACL GEMM on Mali-G72")
    best, layer, distance = channel_times.extreme(speed_up, worst=False)
    near, at, by = channel_times.extreme(speed_up, worst=True, within=3)
    rows = [
        agreement.number(
            f"highest speed-up (ours: L{layer}, {distance} fewer)", 5.0, best, unit="x"
        ),
        agreement.number(
            f"lowest within 3 channels (ours: L{at}, {by} fewer)", None, near, unit="x"
        ),
        agreement.claim("no slowdown near the original count (3 channels)", near > 0.98),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
