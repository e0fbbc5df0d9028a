"""Static against dynamic on GPU, CPU and both, on a network small enough to try every split."""

from __future__ import annotations

import json

import pytest

from gpusim.errors import GpusimError
from gpusim.library.dynamic import StepRole, load_profile
from gpusim.network import Layer, LayerKind, Network
from gpusim.study.dynamic import open_study
from gpusim.study.dynamic_cpu import active_layers, copied_bytes, cpu_batch
from gpusim.study.time_store import TimeStore

PROFILE = """\
network: caffenet
data_set: mine
n_classes: 12
source: made up
steepness: 2.0
switch_channels: 4
layers:
  second: {mean: 0.25, kind: assumed}
"""


def network() -> Network:
    first = Layer(
        index=0, name="first", kind=LayerKind.CONVOLUTION, in_channels=4, in_height=12,
        in_width=12, out_channels=64, kernel_height=3, kernel_width=3, pad=1,
    )  # fmt: skip
    second = Layer(
        index=1, name="second", kind=LayerKind.CONVOLUTION, in_channels=64, in_height=12,
        in_width=12, out_channels=64, kernel_height=3, kernel_width=3, pad=1, inputs=(0,),
    )  # fmt: skip
    last = Layer(
        index=2, name="last", kind=LayerKind.FULLY_CONNECTED, in_channels=64 * 144,
        in_height=1, in_width=1, out_channels=10, inputs=(1,),
    )  # fmt: skip
    return Network(
        id="small", input_channels=4, input_height=12, input_width=12, layers=(first, second, last)
    )


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(PROFILE, encoding="utf-8")
    return load_profile(path)


def study_of(profile, **options):
    return open_study(
        profile, "mali-t880-mp4", network=network(), cpu="kryo", fidelity="analytic",
        store=TimeStore(None), **options,
    )  # fmt: skip


def test_the_best_split_is_the_best_of_all(profile):
    study = study_of(profile)
    images = 5
    for dynamic in (False, True):
        found = study.best_split(images, dynamic=dynamic)
        times = {}
        for on_gpu in range(images + 1):
            one = study.compare(images - on_gpu, on_gpu)
            times[images - on_gpu, on_gpu] = one.dynamic_ps if dynamic else one.static_ps
        assert times[found] == min(times.values())


def test_a_batch_is_done_when_the_slower_side_is(profile):
    study = study_of(profile)
    both = study.compare(1, 2)
    assert both.where == "CPU + GPU"
    assert both.static_ps == max(study.compare(1, 0).static_ps, study.compare(0, 2).static_ps)
    assert both.row()["static_ms_per_image"] == pytest.approx(both.static_ps / 3e9)


def test_steps_of_a_dynamic_run(profile):
    study = study_of(profile)
    run = study.gpu(2, dynamic=True)
    assert [(one.step.layer.name, one.step.role) for one in run.steps] == [
        ("first", StepRole.LAYER),
        ("second", StepRole.SWITCH),
        ("second", StepRole.LAYER),
        ("last", StepRole.LAYER),
    ]
    assert run.steps[2].step.out_active == 0.25
    assert run.steps[3].step.in_active == 0.25
    assert run.steps[3].step.layer.out_channels == 12
    # The queue is drained once more than without switches.
    assert run.total_ps > study.gpu(2, dynamic=True, switches=False).total_ps
    assert 0 < run.switch_ps < run.total_ps
    assert run.macs < study.gpu(2, dynamic=False).macs
    assert sum(study.evidence(run).values()) > 0


def test_the_cpu_copies_active_weights(profile):
    layers = active_layers(network(), profile)
    assert [layer.name for layer in layers] == [
        "first", "second-switch", "second-switch", "second", "last",
    ]  # fmt: skip
    assert layers[3].out_channels == 16
    assert layers[4].in_channels == 16 * 144
    assert copied_bytes(layers, profile) == 4 * 16 * 64 * 9
    static = cpu_batch(network(), None, "kryo", 3)
    dynamic = cpu_batch(network(), profile, "kryo", 3)
    assert static.copy_ps == 0
    assert dynamic.copy_ps > 0
    assert static.total_ps == 3 * static.image_ps
    assert dynamic.image_ps < static.image_ps


def test_bad_requests_are_one_line(profile):
    study = open_study(profile, "mali-t880-mp4", network=network(), store=TimeStore(None))
    with pytest.raises(GpusimError, match="no images"):
        study.compare(0, 0)
    with pytest.raises(GpusimError, match="--cpu"):
        study.compare(1, 1)
    with pytest.raises(GpusimError, match="order"):
        study_of(profile, order="sideways")


def test_the_command_prints_its_table(profile, tmp_path, capsys, monkeypatch):
    from gpusim.cli.app import main
    from gpusim.study import dynamic

    real = dynamic.open_study
    monkeypatch.setattr(
        dynamic, "open_study", lambda *a, **k: real(*a, **{**k, "network": network()})
    )
    arguments = [
        "dynamic", "caffenet", "--device", "mali-t880-mp4", "--profile",
        str(tmp_path / "small.yaml"), "--cpu", "kryo", "--batch-cpu", "1", "--batch-gpu", "2",
        "--fidelity", "analytic",
    ]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    assert not ended.value.code
    document = json.loads(capsys.readouterr().out)
    assert document["splits"][0]["cpu_batch"] == 1
    assert document["splits"][0]["speed_up"] > 0
    assert [row["role"] for row in document["layers"]].count("switch") == 1
    with pytest.raises(SystemExit):
        main(arguments)
    assert "speed-up" in capsys.readouterr().out
