"""Dynamic pruning on a CPU: the layers with their active kernels and channels, and the copies.

On a CPU the coefficients of active kernels are copied into a buffer first, so that the loops over
them stay dense: one more load and one more store of every weight that is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gpusim.device.cpu import load_cpu
from gpusim.library.dynamic import ActivityProfile, DynamicOptions, StepRole, plan_dynamic_network
from gpusim.network import Layer, LayerKind, Network
from gpusim.study.cpu_predict import run_network

_FLOAT_BYTES = 4
_PS_PER_S = 10**12
_STATIC = DynamicOptions(target="cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuBatch:
    """A batch on all cores, one image after the other."""

    batch: int
    image_ps: int
    """Loops of one image."""
    copy_ps: int
    """Copies of active weights, per image."""
    evidence: dict[str, int]

    @property
    def total_ps(self) -> int:
        """For the batch."""
        return self.batch * (self.image_ps + self.copy_ps)


def cpu_batch(network: Network, profile: ActivityProfile | None, cpu: str, batch: int) -> CpuBatch:
    """Return the time of a batch, dynamic under a profile or static without one.

    Parameters
    ----------
    network : Network
        With the classes of the profile's data set.
    profile : ActivityProfile, optional
    cpu : str
        Id of a CPU model.
    batch : int
        Images.

    Raises
    ------
    GpusimError
        For an unknown CPU or a profile of another network.
    """
    spec = load_cpu(cpu)
    layers = list(network.layers) if profile is None else active_layers(network, profile)
    run = run_network(
        replace(network, layers=tuple(layers)), spec, threads=spec.n_cores, vectorise=True
    )
    moved = 0 if profile is None else copied_bytes(layers, profile)
    rate = int(spec.memory.dram_bytes_per_s.value)
    return CpuBatch(
        batch=batch,
        image_ps=run.total_ps,
        copy_ps=2 * moved * _PS_PER_S // rate,
        evidence=run.evidence.by_kind(),
    )


def active_layers(network: Network, profile: ActivityProfile) -> list[Layer]:
    """Return the switches and layers of one average image as dense layers of the active size."""
    rows = []
    for step in plan_dynamic_network(network, profile, _STATIC):
        layer = step.layer
        if step.role is StepRole.SWITCH:
            rows += _switch_layers(layer, profile, step.in_active)
            continue
        groups = layer.groups
        if layer.kind is LayerKind.POOLING:
            rows.append(
                replace(
                    layer,
                    in_channels=_active(layer.in_channels, step.in_active, 1),
                    out_channels=_active(layer.out_channels, step.in_active, 1),
                )
            )
            continue
        rows.append(
            replace(
                layer,
                in_channels=_active(layer.in_channels, step.in_active, groups),
                out_channels=_active(layer.out_channels, step.out_active, groups),
            )
        )
    return rows


def copied_bytes(layers: list[Layer], profile: ActivityProfile) -> int:
    """Return the bytes of the active weights of switched layers, which are copied per image."""
    return _FLOAT_BYTES * sum(layer.weights for layer in layers if profile.layer(layer.name))


def _switch_layers(layer: Layer, profile: ActivityProfile, in_active: float) -> list[Layer]:
    first = Layer(
        index=layer.index,
        name=f"{layer.name}-switch",
        kind=LayerKind.CONVOLUTION,
        in_channels=_active(layer.in_channels, in_active, 1),
        in_height=layer.in_height,
        in_width=layer.in_width,
        out_channels=profile.switch_channels,
    )
    second = replace(first, in_channels=profile.switch_channels, out_channels=layer.out_channels)
    return [first, second]


def _active(channels: int, share: float, groups: int) -> int:
    return groups * max(1, round(channels / groups * share))
