"""RADU Fig. 15: ResNet-50 layer 45 under ACL GEMM on Mali-G72, up to 2048 channels."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
The paper stresses the large gap between near counts. Here it follows from the driver's local
size: no size is passed, and a number of columns of work-items that is odd, even, or a multiple of
four gets groups of one, two or four columns. Which levels the paper's points have is not stated.
"""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    counts = range(4, 2049, 4)
    times = channel_times.channel_times("resnet50", 45, counts, "acl-gemm", "mali-g72")
    ms = {time.point.layer.out_channels: time.predicted_ms for time in times}
    levels = {
        "columns divide by 4": [count for count in ms if count // 4 % 4 == 0],
        "by 2 only": [count for count in ms if count // 4 % 4 == 2],
        "odd": [count for count in ms if count // 4 % 2],
    }
    drawing.curves(
        "radu_fig15",
        {name: (counts, [ms[count] for count in counts]) for name, counts in levels.items()},
        title="ResNet-50 layer 45, ACL GEMM on Mali-G72",
    )
    rows = [
        agreement.number(f"{count} channels", None, ms[count], unit="ms")
        for count in (2024, 2036, 2048)
    ]
    rows += [
        agreement.claim("odd columns (2036) slower than even ones (2024)", ms[2036] > ms[2024]),
        agreement.claim("a lower count is slower than the full layer", ms[2036] > ms[2048]),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
