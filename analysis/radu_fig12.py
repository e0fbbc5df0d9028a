"""RADU Fig. 12: one ResNet-50 layer under ACL's direct convolution on Mali-G72: three levels."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
The paper does not name the layer, and its text mixes two up. Drawn is layer 14; the levels are
the largest power of two, up to four, that divides the count: full quads, half quads, one lane of
four. Two of the three levels are close together in the model, because a half-full quad still uses
most of a cache line; how far apart they are on the board is not stated.
"""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    times = channel_times.channel_times("resnet50", 14, range(256, 513), "acl-direct", "mali-g72")
    ms = {time.point.layer.out_channels: time.predicted_ms for time in times}
    levels = {
        "divides by 4": [count for count in ms if count % 4 == 0],
        "by 2 only": [count for count in ms if count % 4 == 2],
        "odd": [count for count in ms if count % 2],
    }
    drawing.curves(
        "radu_fig12",
        {name: (counts, [ms[count] for count in counts]) for name, counts in levels.items()},
        title="ResNet-50 layer 14, ACL direct on Mali-G72",
    )
    per_channel = [
        sum(ms[count] / count for count in counts) / len(counts) for counts in levels.values()
    ]
    rows = [
        agreement.number(
            "slowest level over fastest", 1.9, per_channel[2] / per_channel[0], unit="x"
        ),
        agreement.number(
            "middle level over fastest", None, per_channel[1] / per_channel[0], unit="x"
        ),
        agreement.claim("one channel less can be slower", ms[511] > ms[512]),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
