"""RADU Fig. 10: speed-up of ResNet-50's layers on Mali-G72 under ACL's direct convolution."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
Published is 0.2x for the worst layer with one channel less. Here an odd count costs up to four
times as much: the driver's rule gives a group of one channel, so one lane of a quad's four works,
and four is the bound. The board's fifth may be cache lines that the groups no longer share.
"""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    speed_up = channel_times.speed_ups(
        channel_times.pruned_times("resnet50", "acl-direct", "mali-g72")
    )
    drawing.heat_map("radu_fig10", speed_up, title="ResNet-50, ACL direct on Mali-G72")
    worst, layer, distance = channel_times.extreme(speed_up, worst=True)
    one, at, _ = channel_times.extreme(speed_up, worst=True, within=1)
    best, *_ = channel_times.extreme(speed_up, worst=False)
    rows = [
        agreement.number(f"lowest speed-up by one channel less (ours: L{at})", 0.2, one, unit="x"),
        agreement.number(
            f"lowest of all (ours: L{layer}, {distance} fewer)", None, worst, unit="x"
        ),
        agreement.number("highest", None, best, unit="x"),
        agreement.claim("one channel less makes some layer slower", one < 1),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
