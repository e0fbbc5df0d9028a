"""POTHOS Table 3: CaffeNet ILSVRC on four GPUs, static and dynamic, and the indexed layer."""

from __future__ import annotations

from typing import Any

import agreement
import drawing

from gpusim.device import load_device
from gpusim.study.dynamic import open_study
from gpusim.study.dynamic_layer import time_indexed_layer

NOTE = """
One image at a time, on the GPU. Only the S7 Edge (T880 MP12) is published in words. The fully
connected layer is a memory-bound launch on our model and 15 times slower on the board; what the
board loses there is not published.
"""
DEVICES = ("adreno-530", "adreno-418", "mali-t880-mp4", "mali-t880-mp12")
PUBLISHED = {"mali-t880-mp12": (110.0, 78.9)}


def main() -> dict[str, Any]:
    """Time, draw, compare."""
    rows: list[dict[str, Any]] = []
    times: dict[str, list[float]] = {"static": [], "dynamic": []}
    for device in DEVICES:
        ours = open_study("caffenet-ilsvrc", device).compare(0, 1).row()
        static, dynamic = ours["static_ms_per_image"], ours["dynamic_ms_per_image"]
        times["static"].append(static)
        times["dynamic"].append(dynamic)
        published = PUBLISHED.get(device)
        if published:
            rows += [
                agreement.number(f"{device}: static", published[0], static, unit="ms"),
                agreement.number(f"{device}: dynamic", published[1], dynamic, unit="ms"),
                agreement.number(
                    f"{device}: time saved",
                    100 * (1 - published[1] / published[0]),
                    100 * (1 - dynamic / static),
                    unit="%",
                ),
            ]
        rows.append(agreement.claim(f"{device}: dynamic is faster", dynamic < static))
    layer = time_indexed_layer(load_device("adreno-530"))
    rows += [
        agreement.number("256 kernels, no list", 12.0, layer.static_ms, unit="ms"),
        agreement.number("256 kernels, list", 15.5, layer.kernel_list_ms, unit="ms"),
        agreement.number("47 kernels, list", 3.5, layer.part_ms, unit="ms"),
        agreement.number("47 of 256 kernels: speed-up", 15.5 / 3.5, layer.part_speed_up, unit="x"),
    ]
    drawing.bars(
        "pothos_table3",
        times,
        DEVICES,
        title="CaffeNet, ILSVRC activity, one image on the GPU",
        y="ms",
    )
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
