"""Groups of channels that can only be pruned together, on the networks of the papers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpusim.network.layers import LayerKind
from gpusim.network.tables import NETWORKS, load_network
from gpusim.study.channel_groups import channel_groups


def check_consistent(network):
    """Every layer's inputs are what its sources put out."""
    for layer in network.layers:
        sources = [network.layers[position].out_channels for position in layer.inputs]
        if not sources:
            assert layer.in_channels == network.input_channels
        elif layer.kind is LayerKind.ELEMENTWISE:
            assert set(sources) == {layer.in_channels}
        elif layer.kind is LayerKind.FULLY_CONNECTED:
            assert layer.in_channels % sum(sources) == 0
        else:
            assert layer.in_channels == sum(sources)
        if layer.groups == layer.in_channels > 1:
            assert layer.out_channels == layer.in_channels


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=10)
@given(data=st.data())
def test_any_counts_give_a_consistent_network(name, data):
    network = load_network(name)
    groups = channel_groups(network)
    counts = {
        group.id: data.draw(st.integers(1, group.channels), label=str(group.id))
        for group in groups.groups
    }
    changed = groups.with_channels(counts)
    check_consistent(changed)
    for group in groups.groups:
        assert {changed.layers[position].out_channels for position in group.layers} == {
            counts[group.id]
        }


def test_residual_blocks_share_their_channels():
    network = load_network("resnet50")
    groups = channel_groups(network)
    # By hand: 16 blocks with two free convolutions each, the first convolution, and one group
    # per stage for what the four sums add up (3, 4, 6 and 3 blocks and the projection).
    assert len(groups.groups) == 16 * 2 + 1 + 4
    assert sorted(len(group.layers) for group in groups.groups if len(group.layers) > 1) == [
        4, 4, 5, 7,
    ]  # fmt: skip


def test_outputs_and_grouped_convolutions_are_left_alone():
    squeezenet = channel_groups(load_network("squeezenet1.1"))
    positions = {group.id for group in squeezenet.groups}
    (last,) = [
        position
        for position, layer in enumerate(squeezenet.network.layers)
        if layer.out_channels == 1000 and layer.kind is LayerKind.CONVOLUTION
    ]
    assert last not in positions
    caffenet = channel_groups(load_network("caffenet"))
    assert len(caffenet.notes) == 3
    assert all(
        caffenet.network.layers[group.id].kind is LayerKind.FULLY_CONNECTED
        for group in caffenet.groups
    )


def test_a_layer_that_is_not_understood_keeps_its_inputs():
    network = load_network("vgg16-cifar10")
    layers = list(network.layers)
    layers[2] = replace(layers[2], kind=LayerKind.OTHER, out_channels=7)
    groups = channel_groups(replace(network, layers=tuple(layers)))
    assert 1 not in {group.id for group in groups.groups}
    assert any("other" in note for note in groups.notes)
