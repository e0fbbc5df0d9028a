"""RADU Fig. 5 and 7: ResNet-50 layer 14 from 1 to 512 channels under cuDNN, on TX2 and Nano."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

from gpusim.study.stairs import find_stairs

NOTE = """
Sixteen groups of 32 channels make sixteen stairs on both boards. Their heights differ: tiles of 128
channels are the fastest just below some multiples of 128, and two SMs share an odd number of
work-groups unevenly.
"""
UNEVEN = 1.5
"""Highest over lowest step, from which stairs are called uneven."""


def main() -> dict[str, Any]:
    """Sweep both boards, draw, compare."""
    lines, edges, unevenness = {}, {}, {}
    for device in ("jetson-tx2", "jetson-nano"):
        times = channel_times.channel_times("resnet50", 14, range(1, 513), "cudnn", device)
        lines[device] = (list(range(1, 513)), [time.predicted_ms for time in times])
        stairs = find_stairs(times)
        edges[device] = [tread.last for tread in stairs.treads]
        heights = [step.above_ms - step.below_ms for step in stairs.steps]
        unevenness[device] = max(heights) / min(heights)
    drawing.curves("radu_fig5", lines, title="ResNet-50 layer 14, cuDNN on Jetson TX2 and Nano")
    tx2, nano = edges["jetson-tx2"], edges["jetson-nano"]
    common = len(set(tx2) & set(nano)) / max(len(tx2), len(nano))
    rows = [
        agreement.number("stairs on TX2", None, len(tx2)),
        agreement.number("stairs on Nano", None, len(nano)),
        agreement.claim("more stairs than layer 16's four", min(len(tx2), len(nano)) > 4),
        *(
            agreement.claim(
                f"uneven gaps on {device}",
                ratio > UNEVEN,
                f"highest step {ratio:.1f} times the lowest",
            )
            for device, ratio in unevenness.items()
        ),
        agreement.claim("same pattern on both boards", common > 0.7, f"{common:.0%} of the edges"),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
