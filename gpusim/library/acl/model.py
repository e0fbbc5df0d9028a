"""The dispatch model of the Arm Compute Library v19.02: a layer to launches of our kernels."""

from __future__ import annotations

from dataclasses import dataclass

from gpusim.errors import GpusimError, located
from gpusim.library.acl.binding import Tensor, source_text
from gpusim.library.acl.depthwise import is_depthwise
from gpusim.library.acl.method import add_layer, takes_groups_apart, why_not
from gpusim.library.acl.sequence import Sequence, Step
from gpusim.library.acl.target import target_of
from gpusim.library.plan import Geometry, Phase, PlannedLayer, PlanOptions
from gpusim.library.planned_trace import PlannedTrace
from gpusim.network.layers import Layer, LayerKind

_ELEMENT = {"f32": "-DTYPE=float", "f16": "-DTYPE=half -DHALF=1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """What the library enqueues for a layer, before any kernel text is touched."""

    method: str
    steps: tuple[Step, ...]
    tensors: dict[str, Tensor]
    """Every tensor by name; the layer's are ``input``, ``weights``, ``bias`` and ``output``."""
    refusal: str = ""
    """Why the method asked for was not taken."""


def launches_of(library: str, layer: Layer, options: PlanOptions) -> Launches:
    """Return the launches of a layer in order, without building a trace.

    Parameters
    ----------
    library : str
        ``acl``, or ``acl-gemm``, ``acl-direct``, ``acl-winograd`` to ask for a method. A
        convolution that the method can't do falls back to the library's own choice.
    layer : Layer
        What to compute.
    options : PlanOptions
        Target, layout, element type, batch, tuner, bias.

    Raises
    ------
    GpusimError
        For a target that ACL doesn't run on, or a layer that it has no kernels for.
    """
    _, _, asked = library.partition("-")
    plan = Sequence(target=target_of(options.target), options=options)
    method = add_layer(plan, layer, asked)
    return Launches(
        method=method,
        steps=tuple(plan.ordered),
        tensors=plan.tensors,
        refusal=why_not(layer, options, asked) if method != asked else "",
    )


def geometry_of(library: str, layer: Layer, options: PlanOptions) -> Geometry:
    """Return what decides the closed-form times of a layer; see `gpusim.library.plan`.

    Raises
    ------
    GpusimError
        As `launches_of`, and for a tensor that the kernels can't address.
    """
    launches = launches_of(library, layer, options)
    _check_sizes(layer, launches)
    steps = tuple(
        (
            step.binding.source,
            step.binding.macros,
            step.kernel,
            step.global_size,
            step.local_size,
        )
        for step in launches.steps
        if step.phase is Phase.RUN
    )
    return ((launches.method, steps),)


def plan_acl(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Plan a layer by the library's own choice of method."""
    return _plan("acl", layer, options)


def plan_gemm(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Plan a layer; convolutions as matrix products."""
    return _plan("acl-gemm", layer, options)


def plan_direct(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Plan a layer; convolutions directly where the library can."""
    return _plan("acl-direct", layer, options)


def plan_winograd(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Plan a layer; convolutions by Winograd's method where the library can."""
    return _plan("acl-winograd", layer, options)


def _plan(library: str, layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    launches = launches_of(library, layer, options)
    _check_sizes(layer, launches)
    trace = PlannedTrace(f"{library} {layer.name}")
    itemsize = 2 if options.dtype == "f16" else 4
    used = dict.fromkeys(
        argument
        for step in launches.steps
        for argument in step.binding.arguments
        if isinstance(argument, str)
    )
    buffers = {name: trace.buffer(launches.tensors[name].elements * itemsize) for name in used}
    for step in launches.steps:
        binding = step.binding
        trace.launch(
            step.phase,
            source=source_text(binding.source),
            options=f"{_ELEMENT[options.dtype]} {binding.macros}",
            kernel=step.kernel,
            global_size=step.global_size,
            local_size=step.local_size,
            arguments=[
                buffers[a] if isinstance(a, str) else a.to_bytes(4, "little", signed=True)
                for a in binding.arguments
            ],
        )
    return (
        PlannedLayer(
            layer=layer,
            library=library,
            method=launches.method,
            options=options,
            trace=trace.trace(),
            unverified=_unverified(layer, options, library.partition("-")[2], launches),
        ),
    )


def _check_sizes(layer: Layer, launches: Launches) -> None:
    """Refuse tensors that the kernels' 32-bit indices can't address."""
    for name, tensor in launches.tensors.items():
        if tensor.elements >= 2**31:
            raise GpusimError(
                located(
                    f"layer {layer.name}, {name}",
                    "too large",
                    expected="below 2**31 elements",
                    found=tensor.elements,
                )
            )


def _unverified(
    layer: Layer, options: PlanOptions, asked: str, launches: Launches
) -> tuple[str, ...]:
    """Return what of a plan rests on the library's source alone, or on a convention of ours."""
    notes = []
    is_plain = layer.kind is LayerKind.CONVOLUTION and not is_depthwise(layer)
    if is_plain and takes_groups_apart(layer, options, asked):
        notes.append("one convolution per group, as the library's graph interface splits them")
    if is_plain and asked and launches.method != asked:
        notes.append(
            f"{launches.method} because the library can't do {asked} here: {launches.refusal}"
        )
    if layer.kind is LayerKind.POOLING:
        notes.append("a layer doesn't say how it pools: the whole map by mean, else by maximum")
        if options.tuner == "static":
            limit = target_of(options.target).max_work_group
            notes.append(f"pooling kernels take up to {limit} work-items per group, as the device")
    if layer.kind is LayerKind.FULLY_CONNECTED:
        notes.append("weights in the layout of the input, so that none are converted")
    return tuple(notes)
