"""A network with switched layers as steps: layers and, before the switched ones, switches.

A switch's answers are read by the host, which builds the index buffers of its layer: the queue is
drained after it. Everything else follows back to back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from gpusim.library.dynamic.activity import Active, ActivityProfile, check_profile
from gpusim.library.dynamic.launches import (
    DynamicOptions,
    plan_indexed,
    plan_static,
    plan_switch,
    switch_macs,
)
from gpusim.library.plan import PlannedLayer
from gpusim.network import Layer, LayerKind, Network


class StepRole(StrEnum):
    """What a step is for."""

    LAYER = "layer"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicStep:
    """A layer of the network, or the switch in front of one, for a batch."""

    role: StepRole
    layer: Layer
    planned: PlannedLayer
    macs: float
    """Multiply-accumulates of one image, averaged over the batch."""
    out_active: float
    """Share of the layer's kernels that is computed."""
    in_active: float
    """Share of the layer's input channels that is read."""


def with_classes(network: Network, n_classes: int) -> Network:
    """Return the network with that many outputs of its last weighted layer."""
    last = max(position for position, layer in enumerate(network.layers) if layer.weights)
    layers = list(network.layers)
    layers[last] = layers[last].with_out_channels(n_classes)
    for position in range(last + 1, len(layers)):
        layers[position] = replace(layers[position], in_channels=n_classes, out_channels=n_classes)
    return replace(network, layers=tuple(layers))


def plan_dynamic_network(
    network: Network,
    profile: ActivityProfile | None,
    options: DynamicOptions,
    *,
    switches: bool = True,
) -> tuple[DynamicStep, ...]:
    """Return the steps of a network, dynamic under a profile or static without one.

    Parameters
    ----------
    network : Network
        With the classes of the profile's data set, see `with_classes`.
    profile : ActivityProfile, optional
        None plans the static baseline: the same kernels without lists.
    options : DynamicOptions
    switches : bool
        Whether the switches are run, too.

    Raises
    ------
    GpusimError
        For a profile of another network, or a layer that our kernels don't compute.
    """
    if profile is None:
        return tuple(
            DynamicStep(
                role=StepRole.LAYER,
                layer=layer,
                planned=plan_static(layer, options),
                macs=layer.macs,
                out_active=1.0,
                in_active=1.0,
            )
            for layer in network.layers
        )
    check_profile(profile, network)
    produced: list[Active | None] = []
    steps: list[DynamicStep] = []
    for layer in network.layers:
        channels = _inputs(network, layer, produced, options.batch)
        kernels = profile.draw(layer, options.batch) if profile.layer(layer.name) else None
        if kernels is not None and switches:
            steps.append(_switch(layer, profile, options, channels))
        steps.append(
            DynamicStep(
                role=StepRole.LAYER,
                layer=layer,
                planned=plan_indexed(layer, options, kernels, channels),
                macs=active_macs(layer, kernels, channels),
                out_active=_share(kernels),
                in_active=_share(channels),
            )
        )
        produced.append(channels if layer.kind is LayerKind.POOLING else kernels)
    return tuple(steps)


def active_macs(layer: Layer, kernels: Active | None, channels: Active | None) -> float:
    """Return the multiply-accumulates of the active kernels on active channels, batch average."""
    if not layer.macs:
        return 0.0
    outputs = np.ones((1, layer.groups)) if kernels is None else _group_shares(kernels, layer)
    inputs = np.ones((1, layer.groups)) if channels is None else _group_shares(channels, layer)
    return float((outputs * inputs).mean() * layer.macs)


def expected_macs(network: Network, profile: ActivityProfile, *, switches: bool = False) -> float:
    """Return the multiply-accumulates that a profile expects per image.

    A layer's share and its input's are taken as independent, which is what averages allow.
    """
    check_profile(profile, network)
    produced: list[float] = []
    total = 0.0
    for layer in network.layers:
        inputs = _weighted_mean(network, layer, produced)
        switched = profile.layer(layer.name)
        share = 1.0 if switched is None else switched.mean
        total += layer.macs * share * inputs
        if switched is not None and switches:
            total += switch_macs(layer, profile.switch_channels)
        produced.append(inputs if layer.kind is LayerKind.POOLING else share)
    return total


def _weighted_mean(network: Network, layer: Layer, produced: list[float]) -> float:
    if not layer.inputs:
        return 1.0
    channels = [network.layers[position].out_channels for position in layer.inputs]
    shares = [produced[position] for position in layer.inputs]
    return sum(n * share for n, share in zip(channels, shares, strict=True)) / sum(channels)


def _inputs(
    network: Network, layer: Layer, produced: list[Active | None], batch: int
) -> Active | None:
    """Return the active channels of a layer's inputs, side by side; None when all are."""
    parts = [produced[position] for position in layer.inputs]
    if all(part is None for part in parts):
        return None
    return np.concatenate(
        [
            np.ones((batch, network.layers[position].out_channels), np.bool_)
            if part is None
            else part
            for position, part in zip(layer.inputs, parts, strict=True)
        ],
        axis=1,
    )


def _switch(
    layer: Layer, profile: ActivityProfile, options: DynamicOptions, channels: Active | None
) -> DynamicStep:
    width = profile.switch_channels
    unread = (1 - _share(channels)) * layer.in_channels * width
    area = layer.in_height * layer.in_width
    return DynamicStep(
        role=StepRole.SWITCH,
        layer=layer,
        planned=plan_switch(layer, options, width, channels),
        macs=switch_macs(layer, width) - unread * area,
        out_active=1.0,
        in_active=_share(channels),
    )


def _group_shares(
    active: Active, layer: Layer
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(active.reshape(len(active), layer.groups, -1).mean(axis=2), np.float64)


def _share(active: Active | None) -> float:
    return 1.0 if active is None else float(active.mean())
