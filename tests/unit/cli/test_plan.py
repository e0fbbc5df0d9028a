"""``gpusim plan``: what it prints and how it refuses."""

from __future__ import annotations

import json

import pytest

from gpusim.cli import app


def run(capsys, *arguments):
    """Run the command line in-process; return exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as caught:
        app.main(["plan", *arguments])
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


ACL = ("--library", "acl-gemm", "--device", "mali-g72")


def test_json_has_the_promised_keys(capsys):
    code, out, err = run(capsys, "resnet50", "--layer", "16", "--channels", "93", *ACL, "--json")
    assert (code, err) == (0, "")
    launches = json.loads(out)["launches"]
    assert launches[0] == {
        "phase": "prepare",
        "kernel": "reshape_to_columns",
        "global": [128, 3, 3],
        "local": None,
    }
    assert launches[2]["global"] == [24, 196, 1]
    assert launches[2]["local"] == [4, 1, 1]


def test_a_convolution_of_ones_own_equals_the_layer(capsys):
    _, own, _ = run(capsys, "--conv", "128,28,28,3,1,1,92", *ACL, "--csv")
    _, layer, _ = run(capsys, "resnet50", "--layer", "L16", "--channels", "92", *ACL, "--csv")
    assert own == layer
    assert own.splitlines()[-1] == "gemm,run,gemm_mm_floating_point_f32_bifrost,23x196x1,4x1x1"


def test_layers_by_name(capsys):
    code, out, _ = run(capsys, "resnet50", "--layer", "pool1", *ACL)
    assert code == 0
    assert "pooling_layer_MxN_nhwc" in out
    assert "not verified by a capture" in out


@pytest.mark.parametrize("device", ["mali-g71", "mali-g51", "mali-g76"])
def test_targets_without_a_timing_model(capsys, device):
    code, out, _ = run(
        capsys, "--conv", "128,28,28,3,1,1,92", "--library", "acl", "--device", device
    )
    assert code == 0
    assert "winograd" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet50", "--layer", "99", *ACL), "--layer: unknown"),
        (("resnet50", *ACL), "name a network and a --layer"),
        (("resnet51", "--layer", "1", *ACL), "unknown"),
        (("--conv", "1,2,3", *ACL), "--conv: not a layer"),
        (("--conv", "8,4,4,7,1,0,8", *ACL), "--conv: no output"),
        (("--conv", "8,4,4,3,0,0,8", *ACL), "--conv: no output"),
        (("resnet50", "--layer", "1", "--conv", "8,4,4,3,1,0,8", *ACL), "leave out the network"),
        (("resnet50", "--layer", "1", "--channels", "0", *ACL), "--channels: too small"),
        (("resnet50", "--layer", "1", "--library", "acl", "--device", "mali-z"), "not one of ACL"),
        (("resnet50", "--layer", "1", "--library", "acm", "--device", "mali-g72"), "library"),
    ],
)
def test_refusals_are_one_line(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
