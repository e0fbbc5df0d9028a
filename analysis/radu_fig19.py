"""RADU Fig. 19: speed-up of ResNet-50's layers on Mali-G72 under TVM 0.6."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
TVM has tuned configurations for the networks' own shapes; a pruned count runs the fallback rule,
which mimics the most similar tuned layer. Counts with few divisors leave no tile within its
limits and become many times slower, here as there. Which log of configurations the paper used is
not stated: a log beside the checkout is used if there is one, else the few built-in ones, and
levels depend on it. Cells missing from the map are those whose kernels our TVM model writes
with vectors of a length that OpenCL lacks (7).
"""
DISTANCES = channel_times.DISTANCES[:7]
"""Up to 64: TVM compiles each shape anew, and so does the simulator; the rest takes minutes."""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    log = channel_times.tuning_log()
    times = channel_times.pruned_times(
        "resnet50", "tvm", "mali-g72", distances=DISTANCES, tuning_log=log, keep_holes=True
    )
    speed_up = channel_times.speed_ups(times)
    drawing.heat_map("radu_fig19", speed_up, title="ResNet-50, TVM 0.6 on Mali-G72")
    worst, layer, distance = channel_times.extreme(speed_up, worst=True)
    best, *_ = channel_times.extreme(speed_up, worst=False)
    rows = [
        agreement.number(
            f"largest drop (ours: L{layer}, {distance} fewer)", 13.0, 1 / worst, unit="x"
        ),
        agreement.number("highest speed-up", None, best, unit="x"),
        agreement.number("layers drawn", len(channel_times.UNIQUE["resnet50"]), len(speed_up)),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
