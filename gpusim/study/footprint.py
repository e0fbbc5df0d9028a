"""Memory of a network over time: weights all the time, activations as long as a reader waits.

The format is the library's element type; what a library adds to it (columns of im2col, padded
copies, reshaped weights) is read off the buffers of its plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpusim.library.plan import Phase, PlannedLayer
from gpusim.network.layers import Layer, Network
from gpusim.trace.records import ArgumentKind

_BYTES = {"f32": 4, "f16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMemory:
    """Bytes while one layer runs."""

    weights_bytes: int
    """Of the layer itself."""
    activations_bytes: int
    """All maps that are alive: its inputs, its output, and what later layers still read."""
    workspace_bytes: int
    """What the library's run-time launches use beside input, weights and output."""
    prepared_bytes: int
    """What the library keeps of its preparation: reshaped weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Memory of a network under a library, layer by layer."""

    layers: tuple[LayerMemory, ...]

    @property
    def weights_bytes(self) -> int:
        """Weights of all layers, as the model file has them."""
        return sum(layer.weights_bytes for layer in self.layers)

    @property
    def prepared_bytes(self) -> int:
        """What the library keeps beside them for all layers."""
        return sum(layer.prepared_bytes for layer in self.layers)

    @property
    def timeline_bytes(self) -> tuple[int, ...]:
        """Everything that is allocated while each layer runs."""
        fixed = self.weights_bytes + self.prepared_bytes
        return tuple(
            fixed + layer.activations_bytes + layer.workspace_bytes for layer in self.layers
        )

    @property
    def peak_bytes(self) -> int:
        """The largest of them."""
        return max(self.timeline_bytes, default=0)

    @property
    def peak_layer(self) -> int:
        """Position of the layer where the peak is."""
        timeline = self.timeline_bytes
        return max(range(len(timeline)), key=timeline.__getitem__, default=0)


def footprint(
    network: Network, plans: Sequence[PlannedLayer | None], *, dtype: str, batch: int
) -> Footprint:
    """Return the memory of a network.

    Parameters
    ----------
    network : Network
    plans : sequence of PlannedLayer or None
        One per layer; None for a layer without kernels.
    dtype : str
        ``f32`` or ``f16``.
    batch : int
    """
    size = _BYTES[dtype]
    alive = _alive_elements(network)
    rows = []
    for position, (layer, plan) in enumerate(zip(network.layers, plans, strict=True)):
        maps = size * batch * (_in_elements(network, layer) + _out_elements(layer))
        workspace, prepared = _library_bytes(plan, maps, layer.weights * size)
        rows.append(
            LayerMemory(
                weights_bytes=layer.weights * size,
                activations_bytes=alive[position] * size * batch,
                workspace_bytes=workspace,
                prepared_bytes=prepared,
            )
        )
    return Footprint(layers=tuple(rows))


def _library_bytes(plan: PlannedLayer | None, maps: int, weights: int) -> tuple[int, int]:
    """Return (workspace, prepared) bytes that a plan has beyond the layer's own tensors.

    What the preparation hands to the run is kept; what else the run uses beyond input, output and
    weights is workspace.
    """
    if plan is None:
        return 0, 0
    used: dict[Phase, set[int]] = {Phase.PREPARE: set(), Phase.RUN: set()}
    for phase, launch in plan.launches:
        used[phase] |= {
            argument.ref
            for argument in launch.arguments
            if argument.kind is ArgumentKind.BUFFER and argument.ref is not None
        }
    sizes = {number: buffer.size_bytes for number, buffer in plan.trace.buffers.items()}
    prepared = sum(sizes[number] for number in used[Phase.PREPARE] & used[Phase.RUN])
    own = maps + (0 if prepared else weights)
    running = sum(sizes[number] for number in used[Phase.RUN] - used[Phase.PREPARE])
    return max(0, running - own), prepared


def _alive_elements(network: Network) -> list[int]:
    """Return the elements of all live maps while each layer runs, batch 1."""
    layers = network.layers
    image = network.input_channels * network.input_height * network.input_width
    last_use = list(range(len(layers)))
    image_until = -1
    for position, layer in enumerate(layers):
        for source in layer.inputs:
            last_use[source] = max(last_use[source], position)
        if not layer.inputs:
            image_until = position
    return [
        (image if position <= image_until else 0)
        + sum(
            _out_elements(layers[other])
            for other in range(position + 1)
            if last_use[other] >= position
        )
        for position in range(len(layers))
    ]


def _in_elements(network: Network, layer: Layer) -> int:
    if not layer.inputs:
        return network.input_channels * network.input_height * network.input_width
    return sum(_out_elements(network.layers[source]) for source in layer.inputs)


def _out_elements(layer: Layer) -> int:
    return layer.out_channels * layer.out_height * layer.out_width
