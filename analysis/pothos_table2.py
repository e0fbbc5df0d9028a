"""POTHOS Table 2: MDP820 and FOOD-101, a batch on the CPU, the GPU, and split over both."""

from __future__ import annotations

from typing import Any

import agreement
import drawing

from gpusim.study.dynamic import open_study

NOTE = """
The kernels are ours, as fast as the device model lets them be: the authors' are not public. The
first layer is never pruned and takes more of our time than of theirs. SqueezeNet's share of active
kernels is fitted to its CPU row, so that row tests nothing.
"""
DEVICE, CPU = "adreno-530", "kryo"
PUBLISHED = {
    "squeezenet1.1-food101": {(12, 0): (34.1, 17.0), (0, 12): (22.6, 14.0), (8, 12): (16.2, 12.9)},
    "caffenet-food101": {(8, 0): (86.0, 58.7), (0, 12): (53.8, 32.6), (4, 6): (42.4, 27.8)},
}
"""Profile -> (images on the CPU, on the GPU) -> ms per image, static and dynamic."""


def main() -> dict[str, Any]:
    """Time, draw, compare."""
    rows, labels = [], []
    bars: dict[str, list[float]] = {
        name: [] for name in ("static", "static, published", "dynamic", "dynamic, published")
    }
    for name, splits in PUBLISHED.items():
        study = open_study(name, DEVICE, cpu=CPU)
        for (on_cpu, on_gpu), published in splits.items():
            ours = study.compare(on_cpu, on_gpu).row()
            what = f"{study.network.id}, {on_cpu} + {on_gpu} images"
            labels.append(f"{study.network.id[:7]}\n{on_cpu}+{on_gpu}")
            for kind, value in zip(("static", "dynamic"), published, strict=True):
                found = ours[f"{kind}_ms_per_image"]
                bars[kind].append(found)
                bars[f"{kind}, published"].append(value)
                rows.append(agreement.number(f"{what}: {kind}", value, found, unit="ms/image"))
            rows.append(
                agreement.number(
                    f"{what}: speed-up",
                    round(published[0] / published[1], 2),
                    ours["speed_up"],
                    unit="x",
                    calibrated=name.startswith("squeezenet") and not on_gpu,
                )
            )
    drawing.bars(
        "pothos_table2",
        bars,
        labels,
        title="MDP820, FOOD-101: images on CPU + GPU",
        y="ms per image",
    )
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
