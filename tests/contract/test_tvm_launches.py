"""TVM's plans against the launches of measured records: sizes and order, given their log."""

from __future__ import annotations

import gzip
import json

import pytest

from gpusim.library.plan import PlanOptions, plan_layer
from gpusim.network.layers import Layer, LayerKind
from gpusim.pipeline import replay
from gpusim.validation.kernel_records import read_kernel_records
from tests.conftest import need, shared_dir

_DTYPES = {"float32": "f32", "float16": "f16"}


def layer_of(task, workload):
    data, weights = workload[0][1], workload[1][1]
    if task.startswith("dense"):
        return Layer(
            index=0,
            name="dense",
            kind=LayerKind.FULLY_CONNECTED,
            in_channels=data[1],
            in_height=1,
            in_width=1,
            out_channels=weights[0],
        )
    depthwise = task.startswith("depthwise")
    return Layer(
        index=0,
        name="convolution",
        kind=LayerKind.CONVOLUTION,
        in_channels=data[1],
        in_height=data[2],
        in_width=data[3],
        out_channels=data[1] if depthwise else weights[0],
        kernel_height=weights[2],
        kernel_width=weights[3],
        stride_yx=tuple(workload[2]),
        pad_sides=tuple(workload[3]),
        dilation_yx=tuple(workload[4]),
        groups=data[1] if depthwise else 1,
    )


@pytest.mark.shared
@pytest.mark.parametrize(("name", "records"), [("mali_v0.06", 249), ("mali_v0.01", 26)])
def test_every_record_has_the_launches_of_its_plan(name, records):
    path = shared_dir() / "measured" / f"{name}_kernels.jsonl.gz"
    need(path.exists(), f"{path.name} beside the checkout")
    seen = 0
    with gzip.open(path, "rt") as lines:
        for line in lines:
            record = json.loads(line)
            workload = record["record"]["input"][2]
            options = PlanOptions(
                target="mali-t860",
                layout="nchw",
                dtype=_DTYPES[workload[0][2]],
                batch=workload[0][1][0],
                bias=workload[2] is not None,
                tuning_log=str(path),
            )
            (plan,) = plan_layer("tvm", layer_of(record["task"], workload), options)
            got = [
                {"global": list(launch.global_size), "local": list(launch.local_size)}
                for _, launch in plan.launches
            ]
            assert got == record["launches"], record["line"]
            seen += 1
    assert seen == records


@pytest.mark.shared
@pytest.mark.parametrize("line", [67, 236, 353])
def test_our_kernels_make_the_memory_accesses_of_the_recorded_text(line):
    path = shared_dir() / "measured" / "mali_v0.06_kernels.jsonl.gz"
    need(path.exists(), f"{path.name} beside the checkout")
    with gzip.open(path, "rt") as lines:
        record = next(entry for entry in map(json.loads, lines) if entry["line"] == line)
    (recorded,) = [entry for entry in read_kernel_records(path) if entry.line == line]
    workload = record["record"]["input"][2]
    options = PlanOptions(
        target="mali-t860",
        layout="nchw",
        dtype=_DTYPES[workload[0][2]],
        tuning_log=str(path),
    )
    (plan,) = plan_layer("tvm", layer_of(record["task"], workload), options)
    accesses = [
        [
            sum(job.memory_instructions for job in launch.jobs)
            for launch in replay(trace, "mali-t860", fidelity="analytic").launches
        ]
        for trace in (recorded.trace, plan.trace)
    ]
    assert accesses[0] == accesses[1]
