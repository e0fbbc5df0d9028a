"""TURNER Fig. 6: OpenMP with 8 threads, CLBlast and hand-written OpenCL on the XU4."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import agreement
import drawing

from gpusim.network.tables import load_network
from gpusim.study.compression import Technique, compress
from gpusim.study.stack import NETWORKS, on_cpu, on_gpu

NOTE = """
At 224x224 one convolution of every stage of ResNet-18 stands for it. MobileNet under CLBlast is
left out: a product per depthwise channel, thousands of launches. The GPU is the T628's group of
four cores, as one OpenCL device. CLBlast pads small products to whole tiles, which costs most
where maps are 4x4 and 2x2. At 224x224 the same kernels are better used, but the model's CLBlast
stays slower than its OpenMP there; the paper has it faster.
"""
CPU, THREADS, GPU = "odroid-xu4-cpu", 8, "mali-t628"
LARGE = "resnet18"
STAGES = (1, 6, 11, 16)
"""Convolutions of the large network, one a stage."""


def main() -> dict[str, Any]:
    """Time, draw, compare."""
    times: dict[str, dict[str, float]] = {}
    for name in (*NETWORKS, LARGE):
        network = load_network(name)
        if name == LARGE:
            network = replace(network, layers=tuple(network.layer(index) for index in STAGES))
        times[name] = {
            "OpenMP, 8 threads": on_cpu(compress(network, Technique.PLAIN), CPU, THREADS).total_ms,
            "CLBlast": math.nan if "mobilenet" in name else on_gpu(network, GPU, "clblast"),
            "hand-written": on_gpu(network, GPU, "hand"),
        }
    systems = list(times[LARGE])
    drawing.bars(
        "turner_fig6",
        {system: [row[system] for row in times.values()] for system in systems},
        list(times),
        title="Odroid-XU4: CPU and Mali-T628 (four cores)",
        y="predicted ms",
        logarithmic=True,
    )
    rows = []
    for name in NETWORKS:
        openmp, clblast, hand = times[name].values()
        rows += [
            agreement.claim(
                f"{name}: hand-written beats OpenMP", hand < openmp, f"{openmp / hand:.1f}x"
            ),
        ]
        if math.isnan(clblast):
            continue
        rows += [
            agreement.claim(
                f"{name}: CLBlast loses to OpenMP", clblast > openmp, f"{clblast / openmp:.1f}x"
            ),
        ]
    openmp, clblast, _ = times[LARGE].values()
    rows.append(
        agreement.claim(
            "224x224: CLBlast beats OpenMP", clblast < openmp, f"{clblast / openmp:.1f}x the time"
        )
    )
    return {"rows": rows}


if __name__ == "__main__":
    agreement.show(main()["rows"])
