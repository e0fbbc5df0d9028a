import pytest

from gpusim.errors import GpusimError
from gpusim.network import NETWORKS, LayerKind, load_network

# Parameters of the published models without biases and normalisation; origin: torchvision's
# parameter counts (25,557,032; 11,689,512; 138,357,544; 61,100,840; 1,235,496) less their
# biases and batch-normalisation weights, MobileNet's 4.2 M from its paper (table 8).
WEIGHTS = {
    "resnet50": 25_502_912,
    "resnet18": 11_678_912,
    "vgg16": 138_344_128,
    "alexnet": 61_090_496,
    "squeezenet1.1": 1_231_552,
    "mobilenet": 4_209_088,
}


@pytest.mark.parametrize("network", sorted(WEIGHTS))
def test_weights_as_published(network):
    layers = load_network(network).layers
    assert sum(layer.weights for layer in layers) == WEIGHTS[network]


@pytest.mark.parametrize(
    ("index", "shape"),
    [
        # Radu et al. 2019, section on ResNet-50: kernel, Cin, Cout, stride, input size
        (14, (1, 256, 512, 2, 56)),
        (15, (1, 512, 128, 1, 28)),
        (16, (3, 128, 128, 1, 28)),
        (45, (1, 512, 2048, 1, 7)),
    ],
)
def test_resnet50_layers_of_the_paper(index, shape):
    layer = load_network("resnet50").layer(index)
    found = (
        layer.kernel_width,
        layer.in_channels,
        layer.out_channels,
        layer.stride,
        layer.in_width,
    )
    assert found == shape


def test_resnet50_has_the_papers_unique_layers():
    """23 unique shapes; the indices the paper lists, of which 3 and 4 share one."""
    network = load_network("resnet50")
    first = {}
    for layer in network.convolutions:
        key = (
            layer.kernel_width,
            layer.in_channels,
            layer.out_channels,
            layer.stride,
            layer.in_width,
        )
        first.setdefault(key, layer.index)
    listed = {0, 1, 2, 3, 5, *range(11, 17), *range(24, 30), *range(43, 49)}
    assert set(first.values()) == listed
    assert len(listed) == 23


@pytest.mark.parametrize(
    ("network", "indices", "filters"),
    [
        ("vgg16", (0, 2, 5, 7, 10, 12, 17, 19, 24), (64, 64, 128, 128, 256, 256, 512, 512, 512)),
        ("alexnet", (0, 3, 6, 8, 10), (64, 192, 384, 256, 256)),
    ],
)
def test_indices_of_the_papers(network, indices, filters):
    table = load_network(network)
    assert tuple(table.layer(index).out_channels for index in indices) == filters


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_shapes_flow(network):
    """Every layer reads exactly what the layers before it wrote."""
    table = load_network(network)
    for position, layer in enumerate(table.layers):
        if not layer.inputs:
            assert (layer.in_channels, layer.in_height) == (
                table.input_channels,
                table.input_height,
            )
            continue
        assert max(layer.inputs) < position
        sources = [table.layers[number] for number in layer.inputs]
        channels = [source.out_channels for source in sources]
        if layer.kind is LayerKind.FULLY_CONNECTED:
            source = sources[0]
            volume = source.out_channels * source.out_height * source.out_width
            assert layer.in_channels == volume
        elif layer.kind is LayerKind.ELEMENTWISE:
            assert channels == [layer.in_channels] * len(sources)
        else:
            assert layer.in_channels == sum(channels)


def test_unknown_network_names_the_known_ones():
    with pytest.raises(GpusimError, match=r"resnet5.*expected one of.*resnet50"):
        load_network("resnet5")


def test_pruning_a_depthwise_layer_keeps_it_depthwise():
    layer = load_network("mobilenet").layers[1]
    assert layer.groups == layer.in_channels
    assert layer.with_out_channels(20).groups == 20
