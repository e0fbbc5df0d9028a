"""Compressed networks: sizes, shapes that still fit together, determinism."""

import pytest

from gpusim.errors import GpusimError
from gpusim.library.sparse.storage import Storage, stored_bytes
from gpusim.network.layers import LayerKind
from gpusim.network.tables import load_network
from gpusim.study.compression import Technique, compress, prune_channels

NETWORKS = ("vgg16-cifar10", "resnet18-cifar10", "mobilenet-cifar10")


def parameters(network):
    return sum(layer.weights for layer in network.layers)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("rate", [0.3, 0.6024, 0.96])
def test_channel_pruning_removes_the_share_of_weights(name, rate):
    network = load_network(name)
    pruned = prune_channels(network, rate)
    left = parameters(pruned) / parameters(network)
    assert left <= 1 - rate
    assert left == pytest.approx(1 - rate, rel=0.1)


@pytest.mark.parametrize("name", NETWORKS)
def test_pruned_layers_still_fit_together(name):
    pruned = prune_channels(load_network(name), 0.8)
    for layer in pruned.layers:
        read = [pruned.layers[source] for source in layer.inputs]
        if layer.kind is LayerKind.FULLY_CONNECTED and read:
            (one,) = read
            assert layer.in_channels == one.out_channels * one.out_height * one.out_width
        else:
            assert all(one.out_channels == layer.in_channels for one in read)
    assert pruned.layers[-1].out_channels == 10


def test_pruning_is_the_same_every_time_and_stronger_rates_keep_fewer():
    network = load_network("resnet18-cifar10")
    some, same, more = (prune_channels(network, rate) for rate in (0.5, 0.5, 0.7))
    assert some == same
    kept = [sum(layer.out_channels for layer in one.layers) for one in (some, more)]
    assert kept[0] > kept[1]


def test_no_rate_changes_nothing():
    network = load_network("vgg16-cifar10")
    assert prune_channels(network, 0.0) is network


def test_operations_follow_the_technique():
    network = load_network("resnet18-cifar10")
    plain = compress(network, Technique.PLAIN)
    sparse = compress(network, Technique.WEIGHT_PRUNING, 0.75)
    assert sparse.macs == plain.macs // 4
    assert sparse.network is network
    smaller = compress(network, Technique.CHANNEL_PRUNING, 0.5)
    assert smaller.macs == sum(layer.macs for layer in smaller.network.layers) < plain.macs


def test_bytes_are_those_of_the_layers():
    one = compress(load_network("mobilenet-cifar10"), Technique.WEIGHT_PRUNING, 0.5)
    for storage in (None, Storage.CSR_FLAT):
        assert one.weight_bytes(storage, pointer_bytes=8) == sum(
            stored_bytes(layer, storage or Storage.CSR_FILTERS, sparsity=0.5, pointer_bytes=8)
            for layer in one.network.layers
        )


def test_bad_rates_are_refused():
    network = load_network("vgg16-cifar10")
    with pytest.raises(GpusimError, match="no share"):
        compress(network, Technique.TTQ, 1.0)
    with pytest.raises(GpusimError, match="plain network"):
        compress(network, Technique.PLAIN, 0.5)
