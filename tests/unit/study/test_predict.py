"""Networks predicted layer by layer: sums, stand-ins, the best of several libraries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpusim.device import load_device
from gpusim.errors import GpusimError
from gpusim.library.plan import MODELS, PlanOptions, plan_layer
from gpusim.network import Layer, LayerKind, Network
from gpusim.study.layer_time import time_layer
from gpusim.study.predict import ESTIMATED, SPARSE_LIBRARIES, predict, shape_words
from gpusim.study.stand_in import layer_bytes, stand_in
from gpusim.study.time_store import TimeStore

STORE = TimeStore(None)


def layer(index: int, kind: LayerKind, channels: int, out: int, size: int, **fields) -> Layer:
    return Layer(
        index=index,
        name=f"layer{index}",
        kind=kind,
        in_channels=channels,
        in_height=size,
        in_width=size,
        out_channels=out,
        **fields,
    )


NET = Network(
    id="small",
    input_channels=8,
    input_height=16,
    input_width=16,
    layers=(
        layer(0, LayerKind.CONVOLUTION, 8, 16, 16, kernel_height=3, kernel_width=3, pad=1),
        layer(1, LayerKind.CONVOLUTION, 16, 16, 16, inputs=(0,)),
        layer(2, LayerKind.ELEMENTWISE, 16, 16, 16, inputs=(0, 1)),
        layer(3, LayerKind.OTHER, 16, 16, 16, inputs=(2,), moved_elements=8192),
        layer(4, LayerKind.FULLY_CONNECTED, 4096, 10, 1, inputs=(3,)),
    ),
)


def predicted(library: str, device: str = "mali-g72", **options):
    return predict(NET, device, library, store=STORE, **options)


def test_layers_are_those_of_the_library_and_the_queue_holds_them_all():
    result = predicted("clblast")
    device = load_device("mali-g72")
    options = PlanOptions(target="mali-g72", layout="nchw")
    for position in (0, 1, 4):
        alone = time_layer("clblast", NET.layers[position], options, device, fidelity="wave")
        assert result.layers[position].run_ps == alone.run_ps
        assert result.layers[position].method == alone.method
    busy = sum(launch.duration_ps for one in result.layers for launch in one.launches)
    assert busy <= result.gpu_ps < result.total_ps
    assert sum(row["share"] for row in result.rows()) == pytest.approx(1)
    assert result.options["clblast"].layout == "nchw"


def test_what_no_library_computes_is_estimated_and_named():
    result = predicted("clblast")
    assert result.layers[3].library == ESTIMATED
    assert [one.layer.index for one in result.estimated] == [3]
    assert any(note.startswith("layer3: estimated") for note in result.notes)
    if "acl" in MODELS:
        assert result.layers[2].library == "acl"
        assert any("computed by acl" in note for note in result.notes)


def test_an_estimate_grows_with_bytes_and_operations_and_slows_with_the_clock():
    device = load_device("mali-g72")
    options = PlanOptions(target="mali-g72")
    other = NET.layers[3]
    assert layer_bytes(other, options) == 8192 * 4
    assert layer_bytes(NET.layers[2], options) == 3 * 16 * 16 * 16 * 4
    small = stand_in(other, options, device)
    large = stand_in(replace(other, moved_elements=8192 * 1000), options, device)
    peak = float(device.dram.peak_bytes_per_s.value)
    assert large.duration_ps - small.duration_ps > 8192 * 999 * 4 / peak * 1e12
    heavy = layer(9, LayerKind.CONVOLUTION, 512, 512, 64, kernel_height=3, kernel_width=3, pad=1)
    assert stand_in(heavy, options, device).bound == "arithmetic"
    slow = stand_in(heavy, options, device, clock_khz=100_000)
    assert slow.duration_ps > 2 * stand_in(heavy, options, device).duration_ps


def test_the_best_library_per_layer_is_never_slower_than_any_alone():
    best = predicted("all", fidelity="analytic")
    assert {row.library for row in best.alternatives} == set(MODELS) - set(SPARSE_LIBRARIES)
    for row in best.alternatives:
        assert row.ratio >= 1 - 1e-9
    for one in best.layers:
        assert all(time_ps >= one.run_ps for _, time_ps in one.others)
        if one.by_library:
            assert one.by_library[one.library] == one.run_ps == min(one.by_library.values())
    alone = predicted("clblast", fidelity="analytic")
    row = next(row for row in best.alternatives if row.library == "clblast")
    assert row.missing == sum(one.library != "clblast" for one in alone.layers[:3])


def test_memory_over_time():
    result = predicted("clblast")
    memory = result.footprint
    assert memory.weights_bytes == 4 * sum(one.weights for one in NET.layers)
    # While the sum runs: both of its inputs and its output.
    assert memory.layers[2].activations_bytes == 3 * 4 * 16 * 16 * 16
    # The image is not needed after the first layer.
    assert memory.layers[1].activations_bytes == 2 * 4 * 16 * 16 * 16
    # im2col: 8 channels of 3 x 3 positions over the map, and the bias with its ones.
    assert memory.layers[0].workspace_bytes == 4 * (72 * 256 + 16 + 256)
    assert memory.peak_bytes == max(memory.timeline_bytes)
    half = predicted("clblast", dtype="f16").footprint
    assert 2 * half.weights_bytes == memory.weights_bytes
    assert predicted("clblast", batch=3).footprint.peak_bytes > memory.peak_bytes


def test_a_plan_that_prepares_weights_keeps_them():
    if "acl-gemm" not in MODELS:
        pytest.skip("no library that prepares")
    memory = predicted("acl-gemm", fidelity="analytic").footprint
    weights = NET.layers[0].weights * 4
    assert weights <= memory.layers[0].prepared_bytes <= 2 * weights


def test_the_table_and_the_json_say_the_same():
    result = predicted("clblast")
    frame = result.to_dataframe()
    document = result.as_json()
    assert list(frame["layer"]) == [row["layer"] for row in document["layers"]]
    assert frame["predicted_ms"].sum() == pytest.approx(
        sum(row["predicted_ms"] for row in document["layers"])
    )
    assert document["estimated"] == ["layer3"]
    assert document["total_ms"] == result.total_ms
    assert sum(document["evidence"].values()) > 50


def test_the_same_again_is_the_same_and_a_slower_clock_is_slower():
    assert predicted("clblast").as_json() == predicted("clblast").as_json()
    slow = predicted("clblast", clock_khz=300_000)
    assert slow.gpu_ps > predicted("clblast").gpu_ps


def test_unequal_axes_are_refused_by_models_that_read_one_number(monkeypatch):
    odd = replace(NET.layers[0], stride_yx=(2, 1))
    plan_layer("clblast", odd, PlanOptions(target="mali-g72", layout="nchw"))
    monkeypatch.setattr("gpusim.library.plan.ANY_AXES", {"clblast"})
    result = predict(
        replace(NET, layers=(odd,)), "mali-g72", "acl-gemm", store=STORE, fidelity="analytic"
    )
    assert result.layers[0].library == ESTIMATED
    assert "one stride, dilation and padding" in result.notes[0]


def test_bad_requests_are_one_line():
    with pytest.raises(GpusimError, match="library: unknown"):
        predicted("cublas")
    with pytest.raises(GpusimError, match="fidelity"):
        predicted("clblast", fidelity="best")
    with pytest.raises(GpusimError, match="layout"):
        predicted("clblast", layout="chwn")


def test_shapes_read_as_people_write_them():
    odd = replace(NET.layers[0], stride_yx=(2, 1), groups=4)
    assert shape_words(odd) == "8x16x16 -> 16x8x16, 3x3/2x1, 4 groups"
