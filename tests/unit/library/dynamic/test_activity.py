"""Activity profiles: the published averages come out, draws repeat, bad files are one line."""

from __future__ import annotations

import numpy as np
import pytest

from gpusim.errors import GpusimError
from gpusim.library.dynamic import (
    DynamicOptions,
    expected_macs,
    load_profile,
    plan_dynamic_network,
    profile_names,
    with_classes,
)
from gpusim.library.dynamic.activity import frequency_curve
from gpusim.network.tables import load_network

PUBLISHED = {
    "caffenet-ilsvrc": (0.6427, (0.7555, 0.5703, 0.4693, 0.7758)),
    "caffenet-food101": (0.1452, (0.2849, 0.0455, 0.0691, 0.1815)),
    "squeezenet1.1-ilsvrc": (0.6828, ()),
}
"""Averages stated by Pothos et al., IJPP 2020."""


def network_of(profile):
    return with_classes(load_network(profile.network), profile.n_classes)


def test_the_published_profiles_ship():
    assert set(PUBLISHED) <= set(profile_names())


@pytest.mark.parametrize("name", PUBLISHED)
def test_averages_are_the_published_ones(name):
    mean, layers = PUBLISHED[name]
    profile = load_profile(name)
    assert profile.mean == pytest.approx(mean, abs=1e-4)
    network = network_of(profile)
    found = [layer for layer in network.layers if profile.layer(layer.name)]
    assert len(found) == len(profile.layers)
    for position, layer in enumerate(found):
        frequencies = profile.frequencies(layer)
        wanted = profile.layers[position].mean
        assert frequencies.mean() == pytest.approx(wanted, abs=1e-9)
        assert frequencies.min() >= 0
        assert frequencies.max() <= 1
        if layers:
            assert wanted == layers[position]


@pytest.mark.parametrize("name", PUBLISHED)
def test_draws_have_the_frequencies(name):
    profile = load_profile(name)
    layer = next(one for one in network_of(profile).layers if profile.layer(one.name))
    draws = profile.draw(layer, 400)
    np.testing.assert_array_equal(draws[:3], profile.draw(layer, 3))
    frequencies = profile.frequencies(layer)
    # Every image has the mean number of active kernels, rounded up or down.
    counts = draws.sum(axis=1)
    assert set(counts) <= {int(np.floor(frequencies.sum())), int(np.ceil(frequencies.sum()))}
    # Five standard deviations of a share of 400 images.
    spread = np.sqrt(frequencies * (1 - frequencies) / 400)
    assert np.all(np.abs(draws.mean(axis=0) - frequencies) <= 5 * spread + 1e-9)


def test_the_published_macs_reduction_comes_out():
    """38.31 %: convolutions and fully connected layers, the first of which skips inputs."""
    profile = load_profile("caffenet-ilsvrc")
    network = network_of(profile)
    static = sum(layer.macs for layer in network.layers)
    assert 1 - expected_macs(network, profile) / static == pytest.approx(0.3831, abs=0.001)
    steps = plan_dynamic_network(
        network, profile, DynamicOptions(target="adreno-530", batch=4), switches=False
    )
    assert 1 - sum(step.macs for step in steps) / static == pytest.approx(0.3831, abs=0.002)


@pytest.mark.parametrize("mean", [0.01, 0.0455, 0.5, 0.97, 1.0])
def test_a_curve_falls_and_has_its_mean(mean):
    curve = frequency_curve(mean, 256, 2.0)
    assert curve.mean() == pytest.approx(mean, abs=1e-9)
    assert np.all(np.diff(curve) <= 0)


GOOD = """\
network: caffenet
data_set: mine
n_classes: 10
source: measured
steepness: 2.0
switch_channels: 8
layers:
  conv1: {mean: 0.5, kind: assumed}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mean: 0.5", "mean: 1.5", "mean"),
        ("kind: assumed", "kind: guessed", "kind"),
        ("n_classes: 10", "n_classes: 0", "n_classes"),
        ("switch_channels: 8", "switch_channels: 6", "multiple of 4"),
        ("source: measured\n", "", "source"),
        ("steepness: 2.0", "steepness: steep", "steepness"),
        ("data_set: mine", "data: mine", "unknown key"),
    ],
)
def test_bad_profiles_are_one_line(tmp_path, old, new, message):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_profile(path).layers[0].mean == 0.5
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(GpusimError, match=message) as error:
        load_profile(path)
    assert "\n" not in str(error.value)


def test_unknown_profiles_and_foreign_networks_are_refused():
    with pytest.raises(GpusimError, match="caffenet-ilsvrc"):
        load_profile("nothing")
    with pytest.raises(GpusimError, match="no such layer"):
        plan_dynamic_network(
            load_network("alexnet"),
            load_profile("caffenet-ilsvrc"),
            DynamicOptions(target="adreno-530"),
        )
