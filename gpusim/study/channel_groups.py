"""Which layers of a network must keep equal channel counts, and the network with other counts.

Outputs that are added up have equal channels (residual connections), a depthwise convolution or a
pooling passes its channels on, a concatenation puts them side by side. So each convolution's
output channels belong to a *group*; a group is pruned as a whole, and every layer that reads it
gets as many input channels. The network's outputs and grouped convolutions stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gpusim.network.layers import Layer, LayerKind, Network

_WEIGHTED = (LayerKind.CONVOLUTION, LayerKind.FULLY_CONNECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroup:
    """Layers whose output channels can only be pruned together."""

    id: int
    """Position in the network of its first layer."""
    layers: tuple[int, ...]
    """Positions of the convolutions and fully connected layers that produce the channels."""
    readers: tuple[int, ...]
    """Positions of the layers that read them."""
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroups:
    """A network's groups and how they flow through its layers."""

    network: Network
    groups: tuple[ChannelGroup, ...]
    """Those that may be pruned, in network order."""
    flow: tuple[tuple[int, ...], ...]
    """Per layer: ids of the groups side by side in its output."""
    notes: tuple[str, ...] = ()
    """Layers that are left alone, and why."""

    def with_channels(self, counts: Mapping[int, int]) -> Network:
        """Return the network with some groups' channel counts changed.

        Parameters
        ----------
        counts : mapping
            Group id -> channels; groups not named keep theirs.
        """
        own = {group.id: group.channels for group in self.groups}
        changed = {group: count for group, count in counts.items() if count != own.get(group)}
        if not changed:
            return self.network
        layers = []
        for position, layer in enumerate(self.network.layers):
            layers.append(self._changed(position, layer, own, changed))
        return replace(self.network, layers=tuple(layers))

    def _changed(
        self, position: int, layer: Layer, own: Mapping[int, int], changed: Mapping[int, int]
    ) -> Layer:
        read = _input_flow(self.network, self.flow, position)
        if not any(group in changed for group in (*read, *self.flow[position])):
            return layer
        delta = sum(changed[group] - own[group] for group in read if group in changed)
        before = _width(self.network, layer)
        # A fully connected layer behind maps reads every channel height x width times.
        inputs = layer.in_channels + delta * (layer.in_channels // before if before else 1)
        if layer.kind in _WEIGHTED and not _is_depthwise(layer):
            (group,) = self.flow[position]
            return replace(
                layer, in_channels=inputs, out_channels=changed.get(group, layer.out_channels)
            )
        groups = inputs if _is_depthwise(layer) else layer.groups
        moved = layer.moved_elements * inputs // layer.in_channels if layer.in_channels else 0
        return replace(
            layer, in_channels=inputs, out_channels=inputs, groups=groups, moved_elements=moved
        )


def channel_groups(network: Network) -> ChannelGroups:
    """Return the groups of a network."""
    parent = list(range(len(network.layers)))
    frozen: set[int] = set()
    notes: list[str] = []

    def root(layer: int) -> int:
        while parent[layer] != layer:
            parent[layer] = parent[parent[layer]]
            layer = parent[layer]
        return layer

    flow: list[tuple[int, ...]] = []
    for position, layer in enumerate(network.layers):
        read = _input_flow(network, flow, position)
        if layer.kind in _WEIGHTED and not _is_depthwise(layer):
            flow.append((position,))
            if layer.groups > 1:
                frozen.update((position, *read))
                notes.append(f"{layer.name}: {layer.groups} groups, left as it is")
            elif read and layer.in_channels % _width(network, layer):
                frozen.update(read)
                notes.append(f"{layer.name}: what it reads is not understood, left as it is")
        elif layer.kind is LayerKind.ELEMENTWISE and len(layer.inputs) > 1:
            flow.append(_sum(flow, layer, parent, root, frozen, notes))
        elif layer.in_channels == layer.out_channels == _width(network, layer):
            flow.append(read)
        else:
            # Not known to pass its channels on: whatever it reads stays, and so does its output.
            flow.append((position,))
            frozen.update((position, *read))
            if read:
                notes.append(f"{layer.name}: {layer.kind.value}, what it reads is left as it is")
    consumed = {source for layer in network.layers for source in layer.inputs}
    for position in range(len(network.layers)):
        if position not in consumed:
            frozen.update(flow[position])
    rooted = tuple(tuple(root(group) for group in groups) for groups in flow)
    return ChannelGroups(
        network=network,
        groups=_collect(network, rooted, {root(group) for group in frozen}),
        flow=rooted,
        notes=tuple(notes),
    )


def _sum(
    flow: list[tuple[int, ...]],
    layer: Layer,
    parent: list[int],
    root: Callable[[int], int],
    frozen: set[int],
    notes: list[str],
) -> tuple[int, ...]:
    """Join the groups that a sum adds up; return those of its output."""
    parts = [flow[source] for source in layer.inputs]
    if len({len(part) for part in parts}) > 1:
        frozen.update(group for part in parts for group in part)
        notes.append(f"{layer.name}: adds differently composed outputs, left as they are")
    else:
        for part in parts[1:]:
            for one, other in zip(parts[0], part, strict=True):
                low, high = sorted((root(one), root(other)))
                parent[high] = low
    return parts[0]


def _collect(
    network: Network, flow: tuple[tuple[int, ...], ...], frozen: set[int]
) -> tuple[ChannelGroup, ...]:
    producers: dict[int, list[int]] = {}
    readers: dict[int, list[int]] = {}
    for position, layer in enumerate(network.layers):
        if layer.kind in _WEIGHTED and not _is_depthwise(layer):
            producers.setdefault(flow[position][0], []).append(position)
        for group in _input_flow(network, flow, position):
            readers.setdefault(group, []).append(position)
    return tuple(
        ChannelGroup(
            id=group,
            layers=tuple(positions),
            readers=tuple(readers.get(group, ())),
            channels=network.layers[positions[0]].out_channels,
        )
        for group, positions in sorted(producers.items())
        if group not in frozen
    )


def _is_depthwise(layer: Layer) -> bool:
    return layer.kind is LayerKind.CONVOLUTION and (
        layer.groups == layer.in_channels == layer.out_channels > 1
    )


def _input_flow(
    network: Network, flow: tuple[tuple[int, ...], ...] | list[tuple[int, ...]], position: int
) -> tuple[int, ...]:
    """Return the groups that a layer reads; of the addends of a sum, one stands for all."""
    layer = network.layers[position]
    sources = layer.inputs[:1] if layer.kind is LayerKind.ELEMENTWISE else layer.inputs
    return tuple(group for source in sources for group in flow[source])


def _width(network: Network, layer: Layer) -> int:
    """Return the channels that a layer's inputs have, side by side."""
    sources = layer.inputs[:1] if layer.kind is LayerKind.ELEMENTWISE else layer.inputs
    if not sources:
        return network.input_channels
    return sum(network.layers[source].out_channels for source in sources)
