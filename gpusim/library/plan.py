"""What a library would do with a layer: the launches, in order, as a trace.

A dispatch model is a function of a layer and `PlanOptions` that returns its `PlannedLayer`
candidates: one for a library that decides by rule, several for one that measures them and keeps
the fastest. The launches have the type of captured ones, so that no later stage knows where a
launch came from, and a model can be checked launch by launch against a capture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module

from gpusim.device.quantity import Kind
from gpusim.errors import GpusimError, located
from gpusim.network.layers import Layer
from gpusim.trace.records import Launch, Trace


class Phase(StrEnum):
    """When a library makes a launch."""

    PREPARE = "prepare"
    """Once per layer, such as reshaping its weights."""
    RUN = "run"
    """At every inference."""


LAYOUTS = ("nhwc", "nchw")
DTYPES = ("f32", "f16")
TUNERS = ("none", "static")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What a library is told besides the layer."""

    target: str
    """Device id, or a target that only dispatch models know (``mali-g71``)."""
    layout: str = "nhwc"
    dtype: str = "f32"
    batch: int = 1
    tuner: str = "none"
    bias: bool = True
    """Whether convolutions and fully connected layers add a bias."""
    tuning_log: str = ""
    """File of tuned configurations for libraries that use one (an AutoTVM log)."""
    sparsity: float = 0.0
    """Share of zero weights, for libraries that read compressed ones (``hand-csr``)."""

    def __post_init__(self) -> None:
        _one_of("layout", self.layout, LAYOUTS)
        _one_of("dtype", self.dtype, DTYPES)
        _one_of("tuner", self.tuner, TUNERS)
        if self.batch < 1:
            raise GpusimError(located("batch", "too small", expected="1 or more", found=self.batch))
        if not 0 <= self.sparsity < 1:
            raise GpusimError(
                located(
                    "sparsity",
                    "no share of zeros",
                    expected="0 or more, below 1",
                    found=self.sparsity,
                )
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """How much faster a library's own kernel is than ours of the same name is modelled to be."""

    kernel: str
    factor: float
    """The modelled time is divided by it."""
    kind: Kind
    """How we know it; counted among the figures that a time rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLayer:
    """A layer as the launches of one library."""

    layer: Layer
    library: str
    """Id of the library, as asked for."""
    method: str
    """How the library computes the layer: ``gemm``, ``direct``, ``winograd``..."""
    options: PlanOptions
    trace: Trace
    """Programs, buffers and launches; a launch's label is its phase."""
    unverified: tuple[str, ...] = ()
    """What of this plan was read in the library's source but never seen in a capture."""
    efficiency: tuple[Efficiency, ...] = ()
    """For libraries whose kernels are closed; a kernel that is not named has 1."""

    @property
    def launches(self) -> tuple[tuple[Phase, Launch], ...]:
        """Every launch with its phase, in order."""
        return tuple((Phase(launch.label), launch) for launch in self.trace.launches)


DispatchModel = Callable[[Layer, PlanOptions], tuple[PlannedLayer, ...]]

MODELS: dict[str, str] = {
    "tvm": "gpusim.library.tvm.model:plan_tvm",
    "acl": "gpusim.library.acl:plan_acl",
    "acl-direct": "gpusim.library.acl:plan_direct",
    "acl-gemm": "gpusim.library.acl:plan_gemm",
    "acl-winograd": "gpusim.library.acl:plan_winograd",
    "clblast": "gpusim.library.clblast.model:plan_clblast",
    "cudnn": "gpusim.library.cudnn.model:plan_cudnn",
    "hand": "gpusim.library.hand_network.model:plan_hand",
    "hand-csr": "gpusim.library.hand_network.model:plan_hand_csr",
}
"""Library id -> ``module:function`` of its dispatch model, imported on first use."""

Geometry = tuple[tuple[str, tuple[tuple[object, ...], ...]], ...]
"""Per candidate its method and, per launch of the run phase, program, kernel and sizes."""

GEOMETRIES: dict[str, str] = dict.fromkeys(
    ("acl", "acl-direct", "acl-gemm", "acl-winograd"), "gpusim.library.acl:geometry_of"
)
"""Library id -> ``module:function`` that finds a `Geometry` without building a trace."""

ANY_AXES: set[str] = {
    "acl",
    "acl-direct",
    "acl-gemm",
    "acl-winograd",
    "clblast",
    "cudnn",
    "hand",
    "hand-csr",
    "tvm",
}
"""Libraries whose models read a layer's `strides`, `dilations` and `pads`; the others read one
number for all axes and are given no layer whose axes differ."""


def plan_layer(library: str, layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
    """Return the candidates of a library for a layer.

    Raises
    ------
    GpusimError
        For an unknown library, or a layer that the library doesn't support with these options.
    """
    _one_of("library", library, tuple(sorted(MODELS)))
    if library not in ANY_AXES and not layer.has_equal_axes:
        raise GpusimError(
            located(
                f"layer {layer.name}",
                f"{library} is not modelled for it",
                expected="one stride, dilation and padding for both axes",
                found=f"strides {layer.strides}, dilations {layer.dilations}, pads {layer.pads}",
            )
        )
    module, name = MODELS[library].split(":")
    model: DispatchModel = getattr(import_module(module), name)
    return model(layer, options)


def run_geometry(library: str, layer: Layer, options: PlanOptions) -> Geometry:
    """Return what decides the closed-form times of a layer's launches at every inference.

    Plans with equal geometry differ in nothing but arguments and buffers. Libraries that know
    their launches before they build a trace are asked for those: a sweep asks for every point.

    Raises
    ------
    GpusimError
        As `plan_layer`.
    """
    if library in GEOMETRIES:
        module, name = GEOMETRIES[library].split(":")
        geometry: Geometry = getattr(import_module(module), name)(library, layer, options)
        return geometry
    return tuple(
        (
            plan.method,
            tuple(
                (
                    plan.trace.programs[launch.program].blob,
                    plan.trace.programs[launch.program].build_options,
                    launch.kernel,
                    launch.global_size,
                    launch.local_size,
                )
                for phase, launch in plan.launches
                if phase is Phase.RUN
            ),
        )
        for plan in plan_layer(library, layer, options)
    )


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise GpusimError(located(what, "unknown", expected=" or ".join(known), found=value))
