"""TVM 0.6 on Mali: which template and configuration a layer gets, and its launches.

A layer whose workload is in the log of tuned configurations runs the template that was fastest
there. Any other runs the direct template with the fallback configuration: it mimics the tiling of
the most similar tuned layer and packs its weights at every run. That is why untuned channel
counts can be many times slower: a count with few divisors leaves no tile within the mimicked
limits.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from gpusim.device.strict_yaml import parse_yaml
from gpusim.errors import GpusimError, located
from gpusim.library.plan import PlannedLayer, PlanOptions
from gpusim.library.tvm import dense, depthwise, spatial_pack, winograd
from gpusim.library.tvm.config import Config, Tuned, load_log, mimic, parse_config
from gpusim.library.tvm.workload import Convolution, KernelList
from gpusim.network.layers import Layer, LayerKind

_DTYPES = {"f32": "float32", "f16": "float16"}
_NO_LOG = "tuned configurations: the few that are built in; give --tuning-log for TVM's own"


def plan_tvm(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Return TVM's launches for a convolution, depthwise convolution or fully connected layer.

    The weights of a tuned layer are packed at compile time, so nothing is prepared on the device.

    Raises
    ------
    GpusimError
        For a layer of another kind, grouped but not depthwise, or a convolution in NHWC.
    """
    if options.layout != "nchw" and layer.kind is LayerKind.CONVOLUTION:
        raise GpusimError(
            located(
                f"layer {layer.name}",
                "tvm's schedules for Mali want planes",
                expected="nchw",
                found=options.layout,
            )
        )
    log = load_log(options.tuning_log) if options.tuning_log else ()
    if layer.kind is LayerKind.FULLY_CONNECTED:
        method, trace, config = _dense(layer, options, log)
    elif layer.kind is LayerKind.CONVOLUTION and layer.groups == 1:
        method, trace, config = _convolution(layer, options, log)
    elif layer.kind is LayerKind.CONVOLUTION and layer.groups == layer.in_channels == (
        layer.out_channels
    ):
        method, trace, config = _depthwise(layer, options, log)
    else:
        raise GpusimError(
            located(
                f"layer {layer.name}",
                "tvm is not modelled for it",
                expected="a convolution with 1 group, a depthwise one or a fully connected layer",
                found=f"{layer.kind.value}, {layer.groups} groups",
            )
        )
    notes = () if options.tuning_log or config.tuned else (_NO_LOG,)
    planned = PlannedLayer(
        layer=layer,
        library="tvm",
        method=method + ("" if config.tuned else "-fallback"),
        options=options,
        trace=trace,
        unverified=notes,
    )
    return (planned,)


def _convolution(layer: Layer, options: PlanOptions, log: tuple[Tuned, ...]) -> Any:
    shape = Convolution.of(layer, options)
    kernels = KernelList("fused_nn_conv2d", options)
    workload = _workload(shape, options)
    templates = [spatial_pack.TEMPLATE]
    if winograd.fits(shape):
        templates.append(winograd.TEMPLATE)
    tuned = _fastest(log, templates, workload)
    if tuned is not None and tuned.template == winograd.TEMPLATE:
        winograd.add_launches(kernels, shape, tuned.config)
        return "winograd", kernels.trace(), tuned.config
    config = (
        tuned.config
        if tuned is not None
        else mimic(spatial_pack.axes_of(shape), _reference(spatial_pack.TEMPLATE, log))
    )
    spatial_pack.add_launches(kernels, shape, config)
    return "direct", kernels.trace(), config


def _depthwise(layer: Layer, options: PlanOptions, log: tuple[Tuned, ...]) -> Any:
    shape = Convolution.of(layer, options)
    kernels = KernelList("fused_nn_depthwise_conv2d", options)
    tuned = _fastest(log, [depthwise.TEMPLATE], _workload(shape, options, groups=layer.groups))
    config = (
        tuned.config
        if tuned is not None
        else mimic(depthwise.axes_of(shape), _reference(depthwise.TEMPLATE, log))
    )
    depthwise.add_launches(kernels, shape, config)
    return "depthwise", kernels.trace(), config


def _dense(layer: Layer, options: PlanOptions, log: tuple[Tuned, ...]) -> Any:
    kernels = KernelList("fused_nn_dense_add" if options.bias else "fused_nn_dense", options)
    inputs, outputs = layer.weights // layer.out_channels, layer.out_channels
    dtype = _DTYPES[options.dtype]
    tensors = (
        ("TENSOR", (options.batch, inputs), dtype),
        ("TENSOR", (outputs, inputs), dtype),
    )
    tuned = _fastest(log, [dense.TEMPLATE], tensors)
    config = (
        tuned.config
        if tuned is not None
        else mimic(dense.axes_of(options.batch, inputs, outputs), _reference(dense.TEMPLATE, log))
    )
    dense.add_launches(kernels, options.batch, inputs, outputs, config, bias=options.bias)
    return "dense", kernels.trace(), config


def _workload(shape: Convolution, options: PlanOptions, *, groups: int = 1) -> tuple[Any, ...]:
    dtype = _DTYPES[options.dtype]
    data = (shape.batch, shape.in_channels, shape.in_height, shape.in_width)
    weights = (shape.out_channels, shape.in_channels // groups, *shape.kernel)
    return (
        ("TENSOR", data, dtype),
        ("TENSOR", weights, dtype),
        shape.strides,
        shape.pads,
        shape.dilations,
    )


def _fastest(log: Iterable[Tuned], templates: list[str], workload: tuple[Any, ...]) -> Tuned | None:
    """Return the fastest entry of these templates whose workload starts like this one."""
    fitting = [
        entry
        for entry in log
        if entry.template in templates and entry.workload[: len(workload)] == workload
    ]
    return min(fitting, key=lambda entry: entry.seconds, default=None)


def _reference(template: str, log: tuple[Tuned, ...]) -> tuple[Config, ...]:
    if log:
        return tuple(entry.config for entry in log if entry.template == template)
    return _built_in().get(template, ())


@cache
def _built_in() -> dict[str, tuple[Config, ...]]:
    path = Path(__file__).with_name("reference.yaml")
    entries = parse_yaml(path.read_text(encoding="utf-8"), path.name)
    found: dict[str, list[Config]] = {}
    for entry in entries["configurations"]:
        config = parse_config(entry, "reference.yaml")
        found.setdefault(entry["template"], []).append(config)
    return {template: tuple(configs) for template, configs in found.items()}
