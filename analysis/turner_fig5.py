"""TURNER Fig. 5: every technique at 90 % accuracy on XU4 (8 threads) and Core i7 (4 threads)."""

from __future__ import annotations

from typing import Any

import agreement
import drawing

from gpusim.study.compression import Technique
from gpusim.study.stack import AT_90, NETWORKS, StackPoint, compressed, on_cpu, pareto

NOTE = """
Plain MobileNet has about 90 % accuracy as it is; the model agrees that it is slower on the XU4 than
channel-pruned ResNet-18 and VGG-16 of that accuracy. Technique by technique it is not
the slowest: the model sees its few operations and no cost that would outweigh them.
"""
BOARDS = {"odroid-xu4-cpu": 8, "core-i7-3820": 4}


def main() -> dict[str, Any]:
    """Time, draw, compare."""
    points: dict[tuple[str, str, Technique], StackPoint] = {}
    for network in NETWORKS:
        for technique in Technique:
            one = compressed(network, technique, AT_90)
            for cpu, threads in BOARDS.items():
                points[cpu, network, technique] = on_cpu(one, cpu, threads)
    labels = [
        f"{technique.value}\n{'XU4' if 'xu4' in cpu else 'i7'}"
        for cpu in BOARDS
        for technique in Technique
    ]
    drawing.bars(
        "turner_fig5",
        {
            network.removesuffix("-cifar10"): [
                points[cpu, network, technique].total_ms
                for cpu in BOARDS
                for technique in Technique
            ]
            for network in NETWORKS
        },
        labels,
        title="At 90 % accuracy: XU4 with 8 threads, Core i7 with 4",
        y="predicted ms",
        logarithmic=True,
    )
    vgg, resnet, mobilenet = NETWORKS
    rows = []
    plain = points["odroid-xu4-cpu", mobilenet, Technique.PLAIN].total_ms
    for other in (vgg, resnet):
        pruned = points["odroid-xu4-cpu", other, Technique.CHANNEL_PRUNING].total_ms
        rows.append(
            agreement.claim(
                f"XU4: plain MobileNet is slower than channel-pruned {other}",
                plain > pruned,
                f"{plain:.1f} against {pruned:.1f} ms",
            )
        )
    for technique in (Technique.WEIGHT_PRUNING, Technique.CHANNEL_PRUNING, Technique.TTQ):
        times = {name: points["odroid-xu4-cpu", name, technique].total_ms for name in NETWORKS}
        rows.append(
            agreement.claim(
                f"XU4: MobileNet is slowest under {technique.value}",
                times[mobilenet] == max(times.values()),
                ", ".join(f"{name} {time:.1f} ms" for name, time in times.items()),
            )
        )
    front = pareto([point for (cpu, _, _), point in points.items() if cpu == "odroid-xu4-cpu"])
    rows.append(
        agreement.claim(
            "XU4: only channel-pruned networks are on the front of time and memory",
            all(point.technique is Technique.CHANNEL_PRUNING for point in front),
        )
    )
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
