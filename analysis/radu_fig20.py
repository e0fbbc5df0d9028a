"""RADU Fig. 20: ResNet-50 layer 14 under TVM 0.6 on Mali-G72, 256 to 512 channels."""

from __future__ import annotations

from statistics import median
from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
The paper sees levels like those of a matrix product, with outliers like those of direct
convolution. So do we: counts with enough small divisors lie on levels, primes and twice primes
far above them. The figure's times are not stated in the text, so only the shape is compared.
"""
OUTLIER = 3.0
"""Times the median from which a point is called an outlier here."""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    log = channel_times.tuning_log()
    times = channel_times.channel_times(
        "resnet50", 14, range(256, 513), "tvm", "mali-g72", tuning_log=log
    )
    ms = {time.point.layer.out_channels: time.predicted_ms for time in times}
    drawing.curves(
        "radu_fig20",
        {"TVM": (list(ms), list(ms.values()))},
        title="ResNet-50 layer 14, TVM 0.6 on Mali-G72",
    )
    middle = median(ms.values())
    outliers = [count for count, value in ms.items() if value > OUTLIER * middle]
    drop = max(value / ms[512] for value in ms.values())
    rows = [
        agreement.number("highest point over the full layer", None, drop, unit="x"),
        agreement.number(f"points above {OUTLIER:g}x the median", None, len(outliers)),
        agreement.claim("most points on levels, some far above", 0 < len(outliers) < len(ms) / 4),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
