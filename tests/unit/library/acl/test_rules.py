"""What ACL decides, rule by rule: method, form of the product, local sizes, targets."""

from __future__ import annotations

import pytest

from gpusim.errors import GpusimError
from gpusim.library.acl import launches_of
from gpusim.library.acl.gemm import Product, is_new_form, is_reshaped, tiles
from gpusim.library.acl.target import Family, target_of
from gpusim.library.plan import PlanOptions, plan_layer
from gpusim.network.layers import Layer, LayerKind
from gpusim.network.tables import load_network

RESNET = load_network("resnet50")


def _conv(channels=128, size=28, kernel=3, outputs=64, **options):
    return Layer(
        index=0, name="layer", kind=LayerKind.CONVOLUTION, in_channels=channels, in_height=size,
        in_width=size, out_channels=outputs, kernel_height=kernel, kernel_width=kernel,
        **{"pad": kernel // 2, **options},
    )  # fmt: skip


def _launches(library, layer, target="mali-g72", **options):
    return launches_of(library, layer, PlanOptions(target=target, **options))


def _kernels(library, layer, target="mali-g72", **options):
    return [step.kernel for step in _launches(library, layer, target, **options).steps]


@pytest.mark.parametrize(
    ("device", "name", "family"),
    [
        ("mali-t628", "midgard", Family.MIDGARD),
        ("mali-t628:mp2", "midgard", Family.MIDGARD),
        ("mali-t880-mp4", "midgard", Family.MIDGARD),
        ("mali-t700", "t700", Family.MIDGARD),
        ("mali-g72", "g72", Family.BIFROST),
        ("mali-g52lit", "g52lit", Family.BIFROST),
        ("mali-g610", "bifrost", Family.BIFROST),
        ("adreno-530", "midgard", Family.MIDGARD),
    ],
)
def test_target_of_a_device(device, name, family):
    target = target_of(device)
    assert (target.name, target.family) == (name, family)


@pytest.mark.parametrize("device", ["jetson-nano", "mali", "mali-x1", "g72", "mali-t62x"])
def test_unknown_targets_are_refused(device):
    with pytest.raises(GpusimError, match="not one of ACL"):
        target_of(device)


@pytest.mark.parametrize(
    ("m", "n", "k", "reshaped"),
    [
        (784, 144, 1153, False),
        (784, 145, 1153, True),
        (784, 256, 512, False),
        (784, 257, 512, True),
        (784, 2000, 256, False),
        (784, 15, 16, True),
        (784, 16, 16, False),
        (4, 2000, 4096, False),
        (1, 15, 16, False),
    ],
)
def test_when_listed_gpus_reshape(m, n, k, reshaped):
    product = Product(m=m, n=n, k=k)
    assert is_reshaped(product, target_of("mali-g72")) is reshaped
    assert is_reshaped(product, target_of("mali-t628")) is (m != 1)
    assert is_reshaped(product, target_of("mali-g51")) is (m != 1)


def test_the_newer_form_needs_bifrost_floats_and_work():
    g72, t628 = target_of("mali-g72"), target_of("mali-t628")
    assert not is_new_form(Product(m=200, n=160, k=9), g72, is_half=False)
    assert is_new_form(Product(m=200, n=161, k=9), g72, is_half=False)
    assert not is_new_form(Product(m=200, n=161, k=9), g72, is_half=True)
    assert not is_new_form(Product(m=200, n=161, k=9), t628, is_half=False)


def test_blocks_shrink_with_the_matrix():
    g72 = target_of("mali-g72")
    assert (tiles(784, 512, g72).v0, tiles(784, 512, g72).h0) == (2, 16)
    assert (tiles(9, 63, g72).v0, tiles(9, 63, g72).h0) == (1, 1)
    assert tiles(784, 512, target_of("mali-g76")).k0 == 2


@pytest.mark.parametrize(
    ("layer", "layout", "method"),
    [
        (RESNET.layer(16), "nhwc", "winograd"),
        (RESNET.layer(15), "nhwc", "gemm"),
        (RESNET.layer(0), "nhwc", "gemm"),
        (_conv(channels=15), "nhwc", "gemm"),
        (_conv(dilation=2, pad=2), "nhwc", "gemm"),
        (_conv(channels=3, size=224), "nchw", "direct"),
        (_conv(channels=3, size=224), "nhwc", "gemm"),
        (_conv(channels=48, size=27, kernel=5, outputs=128), "nchw", "direct"),
        (_conv(channels=48, size=27, kernel=5, outputs=127), "nchw", "gemm"),
    ],
)
def test_own_choice(layer, layout, method):
    assert _launches("acl", layer, layout=layout).method == method


def test_half_precision_is_never_winograd():
    assert _launches("acl", RESNET.layer(16), dtype="f16").method == "gemm"


def test_a_method_that_cannot_falls_back_and_says_so():
    first = RESNET.layer(0)
    launches = _launches("acl-direct", first)
    assert launches.method == "gemm"
    assert "7x7" in launches.refusal
    (plan,) = plan_layer("acl-direct", first, PlanOptions(target="mali-g72"))
    assert any("7x7" in note for note in plan.unverified)


def test_plans_that_were_compared_with_the_library_are_not_marked():
    (plan,) = plan_layer("acl-gemm", RESNET.layer(16), PlanOptions(target="mali-g72"))
    assert plan.unverified == ()


@pytest.mark.parametrize(("layout", "parts"), [("nhwc", 2), ("nchw", 1)])
def test_groups_are_taken_apart_where_the_library_knows_none(layout, parts):
    layer = load_network("caffenet").convolutions[1]
    (plan,) = plan_layer("acl-gemm", layer, PlanOptions(target="mali-g72", layout=layout))
    kernels = [launch.kernel for _, launch in plan.launches]
    assert kernels.count("reshape_to_columns") == parts
    assert bool(plan.unverified) is (parts == 2)


def test_prepare_comes_first_and_once():
    steps = _launches("acl-gemm", RESNET.layer(16), "mali-t628", batch=3).steps
    phases = [step.phase.value for step in steps]
    assert phases == sorted(phases)
    assert phases.count("prepare") == 2


def test_static_tuner_of_the_product():
    def local(target, layer, **options):
        steps = _launches("acl-gemm", layer, target, tuner="static", **options).steps
        return next(step.local_size for step in steps if step.kernel.startswith("gemm_mm"))

    layer = RESNET.layer(16).with_out_channels(92)
    assert local("mali-g72", layer) == (8, 8, 1)
    assert local("mali-t628", layer) == (8, 8, 1)
    assert local("mali-g610", layer) is None
    assert local("mali-g72", _conv(channels=32, size=14, outputs=32), layout="nchw") == (1, 7, 1)
    assert local("mali-g72", _conv(channels=24, size=28, kernel=1, outputs=64)) == (2, 2, 1)


def test_a_local_size_larger_than_the_ndrange_is_dropped():
    narrow = _launches("acl-gemm", RESNET.layer(16).with_out_channels(16)).steps[-1]
    assert (narrow.global_size[0], narrow.local_size) == (4, (4, 1, 1))
    dropped = _launches("acl-gemm", _conv(outputs=12, kernel=1, channels=3), "mali-t628").steps[-1]
    assert dropped.local_size is None


def test_static_tuner_takes_input_channels_for_the_filter_size():
    layer = _conv(channels=3, size=224)
    steps = _launches("acl-direct", layer, tuner="static").steps
    assert steps[-1].local_size == (2, 1, 4)
    assert _launches("acl-direct", RESNET.layer(16), tuner="static").steps[-1].local_size is None


def test_groups_of_four_channels_plan_alike():
    def run(channels):
        layer = RESNET.layer(16).with_out_channels(channels)
        return [step for step in _launches("acl-gemm", layer).steps if step.phase == "run"]

    assert run(93) == run(94) == run(96)
    assert run(92) != run(93)


def test_outputs_in_the_padding_are_refused():
    with pytest.raises(GpusimError, match="padding wider than the filters"):
        _launches("acl-gemm", _conv(kernel=1, pad=1))


def test_tensors_beyond_the_kernels_indices_are_refused():
    layer = _conv(channels=4096, size=1000, kernel=1)
    with pytest.raises(GpusimError, match="too large"):
        plan_layer("acl-gemm", layer, PlanOptions(target="mali-g72"))


def test_other_layers_are_refused():
    layer = Layer(index=0, name="lrn", kind=LayerKind.OTHER, in_channels=8, in_height=4,
                  in_width=4, out_channels=8)  # fmt: skip
    with pytest.raises(GpusimError, match="layer lrn: unknown to acl"):
        _launches("acl", layer)
