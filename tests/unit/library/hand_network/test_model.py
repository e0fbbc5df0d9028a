"""Hand-written kernels: launches, and outputs against NumPy."""

import numpy as np
import pytest

from gpusim.errors import GpusimError
from gpusim.library.hand_network.model import plan_hand, plan_hand_csr
from gpusim.library.plan import Phase, PlanOptions
from gpusim.library.sparse.pattern import csr_of, weights
from gpusim.network.layers import Layer, LayerKind
from gpusim.network.tables import load_network
from tests.unit.library.tvm.execute import run_trace

HAND = PlanOptions(target="mali-t628")


def csr_options(sparsity):
    return PlanOptions(target="mali-t628", layout="nchw", sparsity=sparsity)


def layer_of(kind=LayerKind.CONVOLUTION, **changes):
    sizes = {"in_channels": 16, "in_height": 7, "in_width": 6, "out_channels": 20}
    window = {"kernel_height": 3, "kernel_width": 3, "pad": 1}
    if kind is LayerKind.FULLY_CONNECTED:
        sizes |= {"in_height": 1, "in_width": 1}
        window = {}
    return Layer(index=3, name="layer", kind=kind, **{**sizes, **window, **changes})


CONVOLUTIONS = [
    {},
    {"in_channels": 3},
    {"out_channels": 32, "stride": 2},
    {"kernel_height": 1, "kernel_width": 1, "pad": 0},
    {"stride_yx": (2, 1), "pad_sides": (0, 1, 2, 0), "dilation_yx": (1, 2)},
    {"in_channels": 32, "out_channels": 32, "groups": 32},
    {"in_channels": 20, "out_channels": 20, "groups": 20, "stride": 2},
]


def reference(data, values, bias, layer):
    """Plain convolution of planes in double."""
    top, left, bottom, right = layer.pads
    padded = np.pad(data.astype(float), ((0, 0), (top, bottom), (left, right)))
    per_group = layer.in_channels // layer.groups
    out = np.empty((layer.out_channels, layer.out_height, layer.out_width))
    for output in range(layer.out_channels):
        first = output // (layer.out_channels // layer.groups) * per_group
        for y in range(layer.out_height):
            for x in range(layer.out_width):
                y0, x0 = y * layer.strides[0], x * layer.strides[1]
                rows = y0 + np.arange(layer.kernel_height) * layer.dilations[0]
                columns = x0 + np.arange(layer.kernel_width) * layer.dilations[1]
                window = padded[first : first + per_group][:, rows][:, :, columns]
                out[output, y, x] = bias[output] + (window * values[output]).sum()
    return out


def inputs_of(layer, values, seed=1):
    random = np.random.default_rng(seed)
    shape = (layer.in_channels, layer.in_height, layer.in_width)
    data = random.standard_normal(shape).astype(np.float32)
    bias = random.standard_normal(layer.out_channels).astype(np.float32)
    return data, bias, reference(data, values, bias, layer)


@pytest.mark.parametrize("changes", CONVOLUTIONS)
def test_direct_convolution_computes_the_layer(changes):
    layer = layer_of(**changes)
    values = weights(layer, 0.0)
    data, bias, expected = inputs_of(layer, values)
    (planned,) = plan_hand(layer, HAND)
    arguments = {launch.kernel: launch.arguments for _, launch in planned.launches}
    (run,) = (launch for phase, launch in planned.launches if phase is Phase.RUN)
    assert run.local_size == (4, 4, 1)
    padded_bias = np.zeros(-(-layer.out_channels // 16) * 16, dtype=np.float32)
    padded_bias[: layer.out_channels] = bias
    pack = next(name for name in arguments if name.startswith("pack"))
    image, _, bias_at, result = (argument.ref for argument in run.arguments[:4])
    given = {
        arguments[pack][0].ref: values,
        image: np.ascontiguousarray(data.transpose(1, 2, 0)),
        bias_at: padded_bias,
    }
    out = run_trace(planned.trace, given, result).view(np.float32)
    out = out.reshape(layer.out_height, layer.out_width, -1).transpose(2, 0, 1)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sparsity", [0.0, 0.8])
@pytest.mark.parametrize("changes", CONVOLUTIONS)
def test_compressed_convolution_computes_the_layer(changes, sparsity):
    layer = layer_of(**changes)
    values = weights(layer, sparsity)
    data, bias, expected = inputs_of(layer, values)
    (planned,) = plan_hand_csr(layer, csr_options(sparsity))
    run = planned.trace.launches[-1]
    starts, places, kept, bias_at, result = (one.ref for one in run.arguments[1:])
    assert planned.trace.buffers[starts].content
    assert planned.trace.buffers[places].content
    assert not planned.trace.buffers[kept].content
    first = planned.trace.launches[0]
    image = first.arguments[0].ref
    assert (first.kernel == "pad_planes") == any(layer.pads)
    given = {
        image: data,
        starts: stored(planned.trace, starts),
        places: stored(planned.trace, places),
        kept: csr_of(values.reshape(layer.out_channels, -1)).values,
        bias_at: bias,
    }
    out = run_trace(planned.trace, given, result).view(np.float32)
    expected = expected.reshape(-1)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


def stored(trace, buffer):
    return np.frombuffer(trace.read_blob(trace.buffers[buffer].content), dtype=np.int32)


@pytest.mark.parametrize(("inputs", "outputs"), [(512, 10), (37, 50)])
@pytest.mark.parametrize("sparsity", [None, 0.7])
def test_fully_connected_layers(inputs, outputs, sparsity):
    layer = layer_of(LayerKind.FULLY_CONNECTED, in_channels=inputs, out_channels=outputs)
    values = weights(layer, sparsity or 0.0)
    data, bias, expected = inputs_of(layer, values)
    if sparsity is None:
        (planned,) = plan_hand(layer, HAND)
        (run,) = planned.trace.launches
        source, matrix, bias_at, result = (one.ref for one in run.arguments[:4])
        given = {source: data, matrix: values, bias_at: bias}
    else:
        (planned,) = plan_hand_csr(layer, csr_options(sparsity))
        (run,) = planned.trace.launches
        source, starts, columns, kept, bias_at, result = (one.ref for one in run.arguments[:6])
        given = {
            source: data,
            starts: stored(planned.trace, starts),
            columns: stored(planned.trace, columns),
            kept: csr_of(values.reshape(outputs, -1)).values,
            bias_at: bias,
        }
    out = run_trace(planned.trace, given, result).view(np.float32)
    np.testing.assert_allclose(out, expected.reshape(-1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", ["vgg16-cifar10", "resnet18-cifar10", "mobilenet-cifar10",
                                     "resnet18", "mobilenet"])  # fmt: skip
def test_cifar_and_imagenet_layers_are_planned(network):
    for layer in load_network(network).layers:
        if layer.weights:
            (planned,) = plan_hand(layer, HAND)
            assert [phase for phase, _ in planned.launches].count(Phase.RUN) == 1


@pytest.mark.parametrize(
    ("plan", "options", "said"),
    [
        (plan_hand, PlanOptions(target="mali-t628", layout="nchw"), "layout"),
        (plan_hand, PlanOptions(target="mali-t628", dtype="f16"), "dtype"),
        (plan_hand, PlanOptions(target="mali-t628", batch=2), "batch"),
        (plan_hand_csr, PlanOptions(target="mali-t628"), "layout"),
    ],
)
def test_what_the_kernels_are_not_written_for_is_refused(plan, options, said):
    with pytest.raises(GpusimError, match=said):
        plan(layer_of(), options)


def test_other_groups_and_poolings_are_refused():
    with pytest.raises(GpusimError, match="4 groups"):
        plan_hand(layer_of(groups=4), HAND)
    pool = layer_of(LayerKind.POOLING, out_channels=16)
    with pytest.raises(GpusimError, match="pooling"):
        plan_hand(pool, HAND)
