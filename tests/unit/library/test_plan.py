"""The contract between dispatch models and the rest: options, registry, planned traces."""

from __future__ import annotations

import numpy as np
import pytest

from gpusim.errors import GpusimError
from gpusim.library.plan import Phase, PlanOptions, plan_layer
from gpusim.library.planned_trace import PlannedTrace
from gpusim.network.tables import load_network
from gpusim.pipeline import replay

SOURCE = "kernel void fill(global float *out, float v) { out[get_global_id(0)] = v; }"


def test_planned_launches_replay_like_captured_ones():
    plan = PlannedTrace("test")
    out = plan.buffer(4 * 64)
    for phase in (Phase.PREPARE, Phase.RUN):
        plan.launch(
            phase,
            source=SOURCE,
            options="",
            kernel="fill",
            global_size=(64, 1, 1),
            local_size=None,
            arguments=[out, np.float32(1.5)],
        )
    trace = plan.trace()
    assert len(trace.programs) == len(trace.kernels) == 1
    assert [launch.label for launch in trace.launches] == ["prepare", "run"]
    report = replay(trace, "mali-g72", fidelity="analytic")
    assert not report.failures


@pytest.mark.parametrize(
    ("field", "value"), [("layout", "chwn"), ("dtype", "f64"), ("tuner", "best"), ("batch", 0)]
)
def test_unknown_options_name_what_is_possible(field, value):
    with pytest.raises(GpusimError, match=f"{field}.*expected"):
        PlanOptions(target="mali-g72", **{field: value})


def test_an_unknown_library_is_refused():
    layer = load_network("resnet50").layer(16)
    with pytest.raises(GpusimError, match=r"library.*nolib"):
        plan_layer("nolib", layer, PlanOptions(target="mali-g72"))
