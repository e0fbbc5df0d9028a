"""RADU Fig. 2 and 4: ResNet-50 layer 16 from 1 to 128 channels under cuDNN on Jetson TX2."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

from gpusim.study.stairs import find_stairs

NOTE = """
cuDNN is closed: tiles are read from its kernels' names, how good each kernel is was fitted on a
Jetson TX1 or assumed. The stairs come from work-groups that compute 32 channels: 28, 21, 14
and 7 of them go round the two SMs in 14, 11, 7 and 4 turns.
"""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    times = channel_times.channel_times("resnet50", 16, range(1, 129), "cudnn", "jetson-tx2")
    ms = {time.point.layer.out_channels: time.predicted_ms for time in times}
    drawing.curves(
        "radu_fig2",
        {"cuDNN on Jetson TX2": (list(ms), list(ms.values()))},
        title="ResNet-50 layer 16, cuDNN on Jetson TX2",
    )
    edges = [tread.last for tread in find_stairs(times).treads]
    rows = [
        agreement.number("time of 128 over 96 channels", 1.3, ms[128] / ms[96], unit="x"),
        agreement.number("time of 128 over 1 channel", 3.3, ms[128] / ms[1], unit="x"),
        agreement.claim(
            "flat above 97 channels", max(ms[c] for c in range(97, 129)) < 1.02 * ms[97]
        ),
        agreement.claim("next drop at 64", ms[65] > 1.1 * ms[64] and ms[96] < 1.02 * ms[65]),
        agreement.claim("four stairs of 32", edges == [32, 64, 96, 128], f"edges {edges}"),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
