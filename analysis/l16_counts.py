"""Counts of ResNet-50 layer 16 per job beside Tables I to IV of Radu et al. (IISWC 2019).

The paper's labels of the first two kernels are swapped; here each row stands under the kernel
that makes it. One trace is one prepare and four runs. Arithmetic instructions are those of the
paper's closed simulator: our own count of tuple slots is shown beside them and never fitted to
these layers' times, but the Bifrost model's rule for what counts as one was read off such totals.
"""

from __future__ import annotations

from typing import Any

import agreement
import drawing

from gpusim import load_trace, replay
from gpusim.resources import traces_dir

RESHAPE, IM2COL, GEMM = "reshape_to_columns", "im2col3x3_nhwc", "gemm_mm"
PUBLISHED: dict[int, dict[str, list[tuple[int, int]]]] = {
    92: {
        RESHAPE: [(1_365_198, 212_152)],
        IM2COL: [(44_183_104, 3_615_808)],
        GEMM: [(706_713_280, 36_267_840), (106_006_992, 5_440_176)],
    },
    93: {
        RESHAPE: [(1_379_034, 214_458)],
        IM2COL: [(44_183_104, 3_615_808)],
        GEMM: [(848_055_936, 43_521_408)],
    },
    96: {
        RESHAPE: [(1_420_542, 221_376)],
        IM2COL: [(44_183_104, 3_615_808)],
        GEMM: [(848_055_936, 43_521_408)],
    },
    97: {
        RESHAPE: [(1_434_378, 223_682)],
        IM2COL: [(44_183_104, 3_615_808)],
        GEMM: [(848_055_936, 43_521_408), (35_335_664, 1_813_392)],
    },
}
"""Channels -> kernel -> per job (arithmetic, memory) instructions."""


def compare(channels: int, name: str) -> dict[str, Any]:
    """Replay the shipped trace of some channels, draw the jobs' counts, return the rows."""
    report = replay(load_trace(traces_dir() / f"resnet50-l16-c{channels}.gptrace"), "mali-g72")
    rows, labels = [], []
    published: list[float] = []
    ours: list[float] = []
    for kernel, jobs in PUBLISHED[channels].items():
        launches = [row for row in report.launches if row.kernel == kernel]
        counted = len(launches[0].jobs)
        rows.append(agreement.number(f"{kernel}: jobs of a launch", len(jobs), counted))
        for number, (arithmetic, memory) in enumerate(jobs[:counted]):
            own = [row.jobs[number] for row in launches]
            what = kernel if number == 0 else f"{kernel}, 2nd job"
            labels.append(what.replace("_", "\n", 1))
            published.append(memory)
            ours.append(sum(job.memory_instructions for job in own))
            rows.append(agreement.number(f"{what}: memory instructions", memory, int(ours[-1])))
            rows.append(
                agreement.number(
                    f"{what}: arithmetic instructions",
                    arithmetic,
                    sum(job.arithmetic_instructions for job in own),
                )
            )
    drawing.bars(
        name,
        {"published": published, "ours": ours},
        labels,
        title=f"Layer 16 with {channels} channels, ACL GEMM on Mali-G72: memory instructions",
        y="instructions",
        logarithmic=True,
    )
    return {"rows": rows}
