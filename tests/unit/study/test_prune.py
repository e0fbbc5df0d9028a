"""Pruning plans of a small network: budgets, accuracy sources, the user's own script."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys

import numpy as np
import pytest

from gpusim.cli import app
from gpusim.errors import GpusimError
from gpusim.network.layers import Layer, LayerKind, Network
from gpusim.study.accuracy_loss import AccuracyLoss, read_accuracy
from gpusim.study.channel_groups import channel_groups
from gpusim.study.prune import parse_budget, prune
from gpusim.study.prune_files import layer_rows, user_script


def conv(name, index, cin, cout, inputs):
    return Layer(
        index=index,
        name=name,
        kind=LayerKind.CONVOLUTION,
        in_channels=cin,
        in_height=28,
        in_width=28,
        out_channels=cout,
        kernel_height=3,
        kernel_width=3,
        pad=1,
        inputs=inputs,
    )


NETWORK = Network(
    id="small",
    input_channels=16,
    input_height=28,
    input_width=28,
    layers=(
        conv("a", 0, 16, 128, ()),
        conv("b", 1, 128, 96, (0,)),
        conv("c", 2, 96, 16, (1,)),
    ),
)


@pytest.fixture(scope="module")
def halved():
    return prune(NETWORK, "mali-g72", "acl-gemm", budget="0.7x", processes=1)


def test_the_plan_meets_the_budget_and_keeps_the_output(halved):
    assert halved.met
    assert halved.plan.predicted_ms <= halved.budget_ms == pytest.approx(0.7 * halved.full_ms)
    a, b, c = halved.plan.network.layers
    assert c.out_channels == 16
    assert (b.in_channels, c.in_channels) == (a.out_channels, b.out_channels)
    assert a.out_channels < 128 or b.out_channels < 96


def test_no_plan_of_the_front_beats_another(halved):
    times = [plan.predicted_ms for plan in halved.front]
    losses = [plan.loss for plan in halved.front]
    assert times == sorted(times, reverse=True)
    assert losses == sorted(losses)
    assert losses[0] == 0


def test_uninstructed_pruning_is_priced(halved):
    shares = [share for share, _ in halved.uninstructed]
    assert shares == [0.12, 0.25, 0.5]
    # By hand: 0.88 x 128 = 112.6 and 0.88 x 96 = 84.5, rounded.
    assert halved.uninstructed[0][1].counts == {0: 113, 1: 84}


def test_a_layer_that_must_not_be_touched_is_spared():
    curves = {0: ((8, 100.0), (127, 100.0), (128, 0.0))}
    spared = prune(
        NETWORK,
        "mali-g72",
        "acl-gemm",
        budget="0.8x",
        loss=AccuracyLoss(source="table", curves=curves),
        processes=1,
    )
    assert spared.plan.counts[0] == 128
    assert spared.plan.counts[1] < 96


def test_what_the_script_rejects_is_taken_back():
    def evaluate(plan):
        return 0.5 if plan.counts[1] < 96 else 0.9

    result = prune(
        NETWORK,
        "mali-g72",
        "acl-gemm",
        budget="0.8x",
        evaluate=evaluate,
        min_accuracy=0.8,
        processes=1,
    )
    assert result.plan.counts[1] == 96
    assert result.plan.accuracy == 0.9 or not result.met


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.7x", 7.0), ("8ms", 8.0), ("2 faster", 5.0), ("1.25x faster", 8.0)],
)
def test_budgets(text, expected):
    assert parse_budget(text, 10.0) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "0.7", "0x", "-3ms", "x", "nan ms", "infx"])
def test_what_is_no_budget(text):
    with pytest.raises(GpusimError, match="--budget"):
        parse_budget(text, 10.0)


def groups():
    return channel_groups(NETWORK)


def test_an_accuracy_table_is_interpolated(tmp_path):
    path = tmp_path / "accuracy.csv"
    path.write_text("layer,channels,accuracy\n,,0.9\na,64,0.8\nL1,48,0.7\nz,3,0.1\n")
    loss = read_accuracy(path, NETWORK, groups().groups)
    first, second = groups().groups
    assert loss.baseline == 0.9
    assert loss.loss(first, 128) == 0
    assert loss.loss(first, 64) == pytest.approx(0.1)
    assert loss.loss(first, 96) == pytest.approx(0.05)
    assert loss.loss(second, 48) == pytest.approx(0.2)
    # Below the table its lowest entry holds, and a row that fits nothing is named.
    assert loss.loss(first, 8) == pytest.approx(0.1)
    assert "z" in loss.notes[0]


def test_importance_scores_drop_the_least_first(tmp_path):
    path = tmp_path / "scores.csv"
    rows = "".join(f"b,{channel},{channel}\n" for channel in range(96))
    path.write_text("layer,channel,score\n" + rows)
    loss = read_accuracy(path, NETWORK, groups().groups)
    second = groups().groups[1]
    assert loss.loss(second, 94) == pytest.approx((0 + 1) / sum(range(96)))
    # The other group is not in the file: proxy.
    assert loss.loss(groups().groups[0], 64) == pytest.approx(0.25)
    assert "1 of 2" in loss.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "columns"),
        ("", "columns"),
        ("layer,channels,accuracy\na,x,0.5\n", "accuracy.csv:2: channels"),
        ("layer,channels,accuracy\na,4,inf\n", "accuracy.csv:2: accuracy"),
        ("layer,channel,score\na,128,1\n", "accuracy.csv:2: score"),
    ],
)
def test_broken_accuracy_files(tmp_path, text, words):
    path = tmp_path / "accuracy.csv"
    path.write_text(text)
    with pytest.raises(GpusimError, match=words):
        read_accuracy(path, NETWORK, groups().groups)


def test_the_script_gets_a_plan_and_its_failures_are_named(halved, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import json, sys\n"
        "plan = json.load(open(sys.argv[-1]))\n"
        "print('accuracy', sum(row['out_channels'] for row in plan['layers']) / 1000)\n"
    )
    run = user_script(f"{sys.executable} {script}", halved.groups)
    rows = layer_rows(halved.groups, halved.plan)
    assert run(halved.plan) == sum(row["out_channels"] for row in rows) / 1000
    script.write_text("print('done')\n")
    with pytest.raises(GpusimError, match=r"no accuracy.*done"):
        run(halved.plan)
    script.write_text("raise SystemExit('no data')\n")
    with pytest.raises(GpusimError, match=r"failed with status 1.*no data"):
        run(halved.plan)
    with pytest.raises(GpusimError, match="can't evaluate"):
        user_script("/nowhere/script", halved.groups)(halved.plan)


def test_command_and_files(capsys, tmp_path):
    plan, picture = tmp_path / "plan.csv", tmp_path / "front.png"
    with pytest.raises(SystemExit) as caught:
        app.main(
            ["prune", "alexnet", "--device", "mali-t860", "--library", "acl-gemm",
             "--budget", "0.95x", "--min-share", "0.8", "-o", str(plan), "--plot", str(picture),
             "--json", "--processes", "1"]
        )  # fmt: skip
    assert caught.value.code == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["met"]
    rows = list(csv.DictReader(plan.read_text().splitlines()))
    assert [int(row["out_channels"]) for row in rows] == [
        row["out_channels"] for row in answer["plan"]["layers"]
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_example_script_applies_a_plan(halved, tmp_path):
    spec = importlib.util.spec_from_file_location("apply", "analysis/apply_prune_plan.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    rng = np.random.default_rng(0)
    weights = {
        f"{layer.name}.weight": rng.standard_normal((layer.out_channels, layer.in_channels, 3, 3))
        for layer in NETWORK.layers
    }
    plan = {"layers": layer_rows(halved.groups, halved.plan)}
    pruned = script.apply(plan, weights)
    for row in plan["layers"]:
        assert pruned[f"{row['layer']}.weight"].shape == (
            row["out_channels"], row["in_channels"], 3, 3,
        )  # fmt: skip
    # What is kept has the larger norms.
    norms = np.abs(weights["a.weight"]).sum((1, 2, 3))
    kept = script.kept_channels(plan, weights)[0]
    assert norms[kept].min() >= np.delete(norms, kept).max(initial=0)
