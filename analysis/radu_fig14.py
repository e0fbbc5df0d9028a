"""RADU Fig. 14: layer 16 between 76 and 128 channels under ACL GEMM, on Mali-G72 and Mali-T628."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
The paper reports the same patterns on the Odroid's T628. With ACL's rules for Midgard the pattern
can't come from the same cause: v19.02 gives that GPU another product (both matrices interleaved)
with no local size of its own, so nothing splits by fours. What repeats on the T628 in our model
is the group of four channels; the second staircase does not.
"""
COUNTS = range(76, 129)


def main() -> dict[str, Any]:
    """Sweep both boards, draw, compare."""
    ms = {}
    for device in ("mali-g72", "mali-t628"):
        times = channel_times.channel_times("resnet50", 16, COUNTS, "acl-gemm", device)
        ms[device] = {time.point.layer.out_channels: time.predicted_ms for time in times}
    full = {device: row[128] for device, row in ms.items()}
    drawing.curves(
        "radu_fig14",
        {
            f"{device}, full layer {full[device]:.2f} ms": (
                list(row),
                [value / full[device] for value in row.values()],
            )
            for device, row in ms.items()
        },
        title="ResNet-50 layer 16, ACL GEMM: time against 128 channels",
        y="time / time of 128 channels",
    )
    g72, t628 = ms["mali-g72"], ms["mali-t628"]
    rows = [
        agreement.number("G72: 97 over 96 channels", 23 / 14, g72[97] / g72[96], unit="x"),
        agreement.number("G72: 92 over 93 channels", 23 / 14, g72[92] / g72[93], unit="x"),
        agreement.claim("G72: 92 slower than 93", g72[92] > g72[93]),
        agreement.claim("G72: 97 slower than 96", g72[97] > g72[96]),
        agreement.claim(
            "T628: groups of 4 channels, as on the G72",
            all(
                abs(row[first] / row[first + 3] - 1) < 0.02
                for row in (g72, t628)
                for first in range(77, 126, 4)
            ),
        ),
        agreement.claim(
            "T628: a count that is not a multiple of 16 above a slower one, as on the G72",
            any(t628[count] > 1.02 * t628[count + 1] for count in range(76, 128)),
        ),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
