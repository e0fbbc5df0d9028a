"""RADU Fig. 5 and 7: ResNet-50 layer 14 from 1 to 512 channels under cuDNN, on TX2 and Nano."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import agreement
import channel_times
import drawing

from gpusim.study.stairs import find_stairs

NOTE = """
More tiles of channels means more stairs; their gaps are uneven because tiles of 32, 64 and 128
channels take turns in being the fastest, and because two SMs share an odd number of work-groups
unevenly.
"""


def main() -> dict[str, Any]:
    """Sweep both boards, draw, compare."""
    lines, treads, widths = {}, {}, {}
    for device in ("jetson-tx2", "jetson-nano"):
        times = channel_times.channel_times("resnet50", 14, range(1, 513), "cudnn", device)
        ms = [time.predicted_ms for time in times]
        lines[device] = (list(range(1, 513)), ms)
        found = find_stairs(times).treads
        treads[device] = [tread.last for tread in found]
        widths[device] = {tread.last - tread.first + 1 for tread in found}
    drawing.curves("radu_fig5", lines, title="ResNet-50 layer 14, cuDNN on Jetson TX2 and Nano")
    tx2, nano = treads["jetson-tx2"], treads["jetson-nano"]
    rises = [found.ms for found in find_stairs(times).treads]
    gaps = [high / low for low, high in pairwise(rises)]
    common = len(set(tx2) & set(nano)) / max(len(tx2), len(nano))
    rows = [
        agreement.number("stairs on TX2", None, len(tx2)),
        agreement.number("stairs on Nano", None, len(nano)),
        agreement.claim("more stairs than layer 16's four", min(len(tx2), len(nano)) > 4),
        agreement.claim("uneven gaps", max(gaps[1:]) > 1.05 * min(gaps[1:]) or len(widths) > 1),
        agreement.claim("same pattern on both boards", common > 0.7, f"{common:.0%} of the edges"),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
