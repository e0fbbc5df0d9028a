"""A network as a list of layers with exact shapes, batch 1.

Only what a library needs to choose kernels: no weights, no activation functions. Indices follow
the source papers, so that "ResNet-50 layer 16" means the same here as there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class LayerKind(StrEnum):
    """What a layer computes."""

    CONVOLUTION = "convolution"
    FULLY_CONNECTED = "fully_connected"
    POOLING = "pooling"
    ELEMENTWISE = "elementwise"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer; a fully connected one has 1x1 maps and 1x1 kernels."""

    index: int
    """As the papers count; see `gpusim.network.tables`."""
    name: str
    kind: LayerKind
    in_channels: int
    in_height: int
    in_width: int
    out_channels: int
    kernel_height: int = 1
    kernel_width: int = 1
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    groups: int = 1
    inputs: tuple[int, ...] = ()
    """Positions in the network of the layers whose outputs this one reads; () = the image."""
    stride_yx: tuple[int, int] | None = None
    """Where the axes differ; else `stride` holds for both."""
    dilation_yx: tuple[int, int] | None = None
    """Where the axes differ; else `dilation` holds for both."""
    pad_sides: tuple[int, int, int, int] | None = None
    """Top, left, bottom, right where they differ; else `pad` holds for all."""
    moved_elements: int = 0
    """Elements that a layer of kind `OTHER` reads and writes, of all its inputs and outputs."""

    @property
    def strides(self) -> tuple[int, int]:
        """Rows and columns between output positions."""
        return self.stride_yx or (self.stride, self.stride)

    @property
    def dilations(self) -> tuple[int, int]:
        """Rows and columns between kernel positions."""
        return self.dilation_yx or (self.dilation, self.dilation)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Rows and columns added at the top, left, bottom and right."""
        return self.pad_sides or (self.pad,) * 4

    @property
    def has_equal_axes(self) -> bool:
        """Whether `stride`, `pad` and `dilation` say it all."""
        return self.stride_yx is None and self.dilation_yx is None and self.pad_sides is None

    @property
    def out_height(self) -> int:
        """Rows of the output map."""
        top, _, bottom, _ = self.pads
        return self._out(self.in_height + top + bottom, self.kernel_height, 0)

    @property
    def out_width(self) -> int:
        """Columns of the output map."""
        _, left, _, right = self.pads
        return self._out(self.in_width + left + right, self.kernel_width, 1)

    def _out(self, extent: int, kernel: int, axis: int) -> int:
        return (extent - self.dilations[axis] * (kernel - 1) - 1) // self.strides[axis] + 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates; 0 for pooling and element-wise layers."""
        if self.kind not in (LayerKind.CONVOLUTION, LayerKind.FULLY_CONNECTED):
            return 0
        per_output = self.in_channels // self.groups * self.kernel_height * self.kernel_width
        return per_output * self.out_channels * self.out_height * self.out_width

    @property
    def weights(self) -> int:
        """Number of weights, bias left out."""
        if self.kind not in (LayerKind.CONVOLUTION, LayerKind.FULLY_CONNECTED):
            return 0
        return (
            self.in_channels
            // self.groups
            * self.kernel_height
            * self.kernel_width
            * self.out_channels
        )

    def with_out_channels(self, out_channels: int) -> Layer:
        """Return the layer pruned (or widened) to `out_channels`."""
        groups = out_channels if self.groups == self.in_channels > 1 else self.groups
        return replace(self, out_channels=out_channels, groups=groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A named list of layers in execution order."""

    id: str
    input_channels: int
    input_height: int
    input_width: int
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()
    """What an import could not take over exactly, one line each."""

    def layer(self, index: int) -> Layer:
        """Return the convolution with the paper's index.

        Raises
        ------
        KeyError
            When no convolution has it.
        """
        for layer in self.layers:
            if layer.kind is LayerKind.CONVOLUTION and layer.index == index:
                return layer
        raise KeyError(index)

    @property
    def convolutions(self) -> tuple[Layer, ...]:
        """The convolutions, in order."""
        return tuple(layer for layer in self.layers if layer.kind is LayerKind.CONVOLUTION)
