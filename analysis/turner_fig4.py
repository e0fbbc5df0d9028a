"""TURNER Fig. 4: three networks, plain and compressed, over threads on XU4 and Core i7."""

from __future__ import annotations

from typing import Any

import agreement
import drawing

from gpusim.study.compression import Technique
from gpusim.study.stack import ELBOW, NETWORKS, compressed, on_cpu

NOTE = """
Channel pruning wins everywhere, and sparse VGG-16 and ResNet-18 are slower than plain, except that
sparse ResNet-18 passes plain on all eight cores of the XU4, where the in-order cores wait for
chains of additions that the sparse loop has fewer of. MobileNet gains from threads in the model,
and its sparse forms never beat the plain one: the paper gives no mechanism that would say
otherwise, and the loops that were modelled have none (see the page on deviations).
"""
THREADS = {"odroid-xu4-cpu": (1, 2, 4, 8), "core-i7-3820": (1, 2, 4)}


def main() -> dict[str, Any]:
    """Time, draw, compare."""
    times: dict[tuple[str, str, Technique], list[float]] = {}
    for network in NETWORKS:
        for technique in Technique:
            one = compressed(network, technique, ELBOW)
            for cpu, threads in THREADS.items():
                times[cpu, network, technique] = [on_cpu(one, cpu, n).total_ms for n in threads]
    drawing.bars(
        "turner_fig4",
        {
            technique.value: [
                time for network in NETWORKS for time in times["odroid-xu4-cpu", network, technique]
            ]
            for technique in Technique
        },
        [f"{network[:3]}\n{n}" for network in NETWORKS for n in THREADS["odroid-xu4-cpu"]],
        title="OpenMP on Odroid-XU4: three networks, 1 to 8 threads",
        y="predicted ms",
        logarithmic=True,
    )
    rows = []
    for cpu in THREADS:
        for network in NETWORKS:
            own = {technique: times[cpu, network, technique] for technique in Technique}
            plain = own[Technique.PLAIN]
            pruned = own[Technique.CHANNEL_PRUNING]
            others = [row for technique, row in own.items() if row is not pruned]
            rows.append(
                agreement.claim(
                    f"{cpu}, {network}: channel pruning is fastest at every thread count",
                    all(time < min(at) for time, *at in zip(pruned, *others, strict=True)),
                )
            )
            sparse = [own[Technique.WEIGHT_PRUNING], own[Technique.TTQ]]
            if network != "mobilenet-cifar10":
                rows.append(
                    agreement.claim(
                        f"{cpu}, {network}: sparse is slower than plain at every thread count",
                        all(min(at) > time for time, *at in zip(plain, *sparse, strict=True)),
                    )
                )
                continue
            rows += [
                agreement.claim(
                    f"{cpu}, MobileNet gains nothing from threads",
                    plain[-1] > 0.9 * plain[0],
                    f"{plain[0] / plain[-1]:.1f}x with {THREADS[cpu][-1]} threads",
                ),
                agreement.claim(
                    f"{cpu}, sparse MobileNet beats plain with all threads",
                    min(row[-1] for row in sparse) < plain[-1],
                    f"{min(row[-1] for row in sparse) / plain[-1]:.1f}x the plain time",
                ),
            ]
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
