"""Local sizes: which are tried, which launches are left alone, and the files that result."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.cli import app
from gpusim.device import load_device
from gpusim.library.plan import Phase, PlanOptions, plan_layer
from gpusim.library.planned_trace import LocalBytes, PlannedTrace
from gpusim.network.tables import load_network
from gpusim.resources import traces_dir
from gpusim.study.tune import Target, candidates, tune, why_fixed
from gpusim.study.tuning_files import acl_config_id, acl_table

COPY = """
kernel void copy(global float4 *out, global const float4 *in) {
    size_t i = get_global_id(0) + get_global_size(0) * get_global_id(1);
    out[i] = in[i];
}
kernel void busy(global float *out) {
    float x = get_global_id(0);
    for (int i = 0; i < 200; ++i)
        x = mad(x, 1.5f, 0.25f);
    out[get_global_id(0)] = x;
}
kernel void by_group(global float *out) { out[get_global_id(0)] = get_group_id(0); }
kernel void sized(global float *out) { out[get_global_id(0)] = get_local_size(0); }
kernel void shared(global float *out, local float *tmp) { out[get_global_id(0)] = tmp[0]; }
__attribute__((reqd_work_group_size(8, 1, 1)))
kernel void fixed(global float *out) { out[get_global_id(0)] = 1; }
kernel void waits(global float *out) { out[get_global_id(0)] = 1; barrier(CLK_GLOBAL_MEM_FENCE); }
"""


def launch(kernel, *, local=(1, 1, 1), global_size=(256, 64, 1), extra=()):
    plan = PlannedTrace("test")
    buffers = [plan.buffer(16 * math.prod(global_size)) for _ in range(1 + (kernel == "copy"))]
    plan.launch(
        Phase.RUN,
        source=COPY,
        options="",
        kernel=kernel,
        global_size=global_size,
        local_size=local,
        arguments=[*buffers, *extra],
    )
    trace = plan.trace()
    return Target(launch=trace.launches[0], trace=trace, label="test")


@given(
    size=st.tuples(*[st.integers(1, 200)] * 3),
    limit=st.sampled_from([64, 256, 384]),
    exhaustive=st.booleans(),
)
def test_candidates_keep_the_library_s_rule(size, limit, exhaustive):
    found = list(candidates(size, limit, exhaustive=exhaustive))
    assert len(found) == len(set(found))
    assert (1, 1, 1) not in found
    # z outermost, x innermost, each ascending.
    assert [one[::-1] for one in found] == sorted(one[::-1] for one in found)
    for local in found:
        assert math.prod(local) <= limit
        for extent, chosen in zip(size, local, strict=True):
            power = chosen & (chosen - 1) == 0
            assert chosen <= extent
            assert power or (exhaustive and extent % chosen == 0)
    if size[2] > 16:
        assert all(x == y == 1 for x, y, _ in found)


def test_powers_of_two_that_do_not_divide_are_tried():
    assert [x for x, _, _ in candidates((6, 1, 1), 64)] == [2, 4]
    assert [x for x, _, _ in candidates((6, 1, 1), 64, exhaustive=True)] == [2, 3, 4, 6]


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        ("copy", ""),
        ("by_group", "calls get_group_id"),
        ("sized", "calls get_local_size"),
        ("shared", "takes local memory"),
        ("fixed", "requires its local size"),
        ("waits", "has barriers"),
    ],
)
def test_launches_that_can_tell_their_local_size_are_left_alone(kernel, why):
    extra = (LocalBytes(64),) if kernel == "shared" else ()
    target = launch(kernel, local=(8, 1, 1), extra=extra, global_size=(64, 1, 1))
    assert why_fixed(target.launch, target.trace) == why


def test_a_lane_per_warp_is_improved_upon():
    device = load_device("mali-g72")
    target = launch("busy", global_size=(65536, 1, 1))
    (one,), failures = tune([target, target], device)
    assert not failures
    assert one.times == 2
    assert one.given == (1, 1, 1)
    # One work-item per group fills one lane of four.
    assert one.best is not None
    assert math.prod(one.best) >= 4
    assert one.gain > 0.3


def test_what_cannot_be_timed_is_named_and_loses_nothing():
    broken = launch("copy")
    text = PlannedTrace("broken")
    text.launch(
        Phase.RUN, source="kernel void copy(", options="", kernel="copy",
        global_size=(4, 1, 1), local_size=None, arguments=[np.int32(1)],
    )  # fmt: skip
    trace = text.trace()
    bad = Target(launch=trace.launches[0], trace=trace, label="layer7")
    tuned, failures = tune([bad, broken], load_device("mali-g72"))
    assert len(tuned) == 1
    assert failures[0].startswith("layer7 (copy)")


def plan_of(library, layer, layout="nhwc"):
    options = PlanOptions(target="mali-g72", layout=layout)
    return plan_layer(library, load_network("resnet50").layer(layer), options)[0]


@pytest.mark.parametrize(
    ("library", "layer", "layout", "expected"),
    [
        # By hand from the library's rule: 3-D output of 28 x 128 x 28, 1 image, K = 3*3*128 + 1.
        ("acl-gemm", 16, "nhwc", "gemm_3do_f32_28_128_28_1_1153"),
        ("acl-gemm", 16, "nchw", "gemm_f32_784_128_1_1_1153"),
        ("acl-direct", 16, "nhwc", "direct_convolution_f32_3_1_1_1_1_1_1_28_28_nhwc"),
        # 1x1 without im2col: input and output are taken as 3-D, no row for the bias.
        ("acl-gemm", 15, "nhwc", "gemm_3di_3do_f32_28_128_28_1_512"),
    ],
)
def test_config_ids(library, layer, layout, expected):
    plan = plan_of(library, layer, layout)
    known = [acl_config_id(launch.kernel, plan) for _, launch in plan.launches]
    assert expected in known


def test_the_table_holds_what_changed_and_says_what_it_cannot_hold():
    plan = plan_of("acl-gemm", 16)
    targets = [
        Target(launch=launch, trace=plan.trace, label=plan.layer.name)
        for phase, launch in plan.launches
        if phase is Phase.RUN
    ]
    tuned, _ = tune(targets, load_device("mali-g72"))
    text, missing = acl_table(tuned, [plan])
    changed = {one.kernel for one in tuned if one.best is not None}
    for line in text.splitlines():
        identifier, *sizes = line.split(";")
        assert identifier == "gemm_3do_f32_28_128_28_1_1153"
        assert len(sizes) == 3
        assert all(int(size) > 0 for size in sizes)
    assert set(missing) == {kernel for kernel in changed if not kernel.startswith("gemm_mm")}


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        app.main(["tune", *arguments])
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def test_command_on_a_trace_and_on_a_network(capsys, tmp_path):
    trace = str(traces_dir() / "resnet50-l16-c92.gptrace")
    out = tmp_path / "tuning.csv"
    code, text, err = run(capsys, trace, "--device", "mali-g72", "-o", str(out), "--json")
    assert (code, err) == (0, "")
    answer = json.loads(text)
    assert {row["kernel"] for row in answer["launches"]} >= {"gemm_mm", "reshape_to_columns"}
    assert all(row["best_ms"] <= row["given_ms"] for row in answer["launches"])
    assert out.read_text().startswith("kernel,where,launches,global")
    code, text, _ = run(
        capsys, "alexnet", "--library", "acl-direct", "--layer", "8", "--device", "mali-t860",
        "--layout", "nchw", "-o", str(tmp_path / "acl.csv"),
    )  # fmt: skip
    assert code == 0
    assert "all launches:" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x.gptrace", "--format", "tvm"), "--format"),
        (("x.gptrace", "--layer", "3"), "need --library"),
        (("missing.gptrace",), "missing.gptrace"),
    ],
)
def test_bad_options_get_one_line(capsys, arguments, words):
    code, _, err = run(capsys, *arguments, "--device", "mali-g72")
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
