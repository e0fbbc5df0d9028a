"""RADU Fig. 11: speed-up of VGG-16's layers on Mali-G72 under ACL's direct convolution."""

from __future__ import annotations

from typing import Any

import agreement
import channel_times
import drawing

NOTE = """
No value of this figure is stated in the text; direction and shape are compared. The pattern is
that of Fig. 10: even distances that leave a multiple of four are free, odd counts are not.
"""


def main() -> dict[str, Any]:
    """Sweep, draw, compare."""
    speed_up = channel_times.speed_ups(
        channel_times.pruned_times("vgg16", "acl-direct", "mali-g72")
    )
    drawing.heat_map("radu_fig11", speed_up, title="VGG-16, ACL direct on Mali-G72")
    worst, layer, distance = channel_times.extreme(speed_up, worst=True)
    one, at, _ = channel_times.extreme(speed_up, worst=True, within=1)
    best, *_ = channel_times.extreme(speed_up, worst=False)
    rows = [
        agreement.number(f"lowest speed-up by one channel less (ours: L{at})", None, one, unit="x"),
        agreement.number(
            f"lowest of all (ours: L{layer}, {distance} fewer)", None, worst, unit="x"
        ),
        agreement.number("highest", None, best, unit="x"),
        agreement.claim("one channel less makes some layer slower", one < 1),
    ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
