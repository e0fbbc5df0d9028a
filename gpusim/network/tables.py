"""The networks of the source papers with exact shapes.

How the papers index: ResNet counts its convolutions in order, the projection of a block after
its other convolutions (53 in ResNet-50); VGG-16 and AlexNet use the position in the feature
extractor with activations and poolings counted (VGG-16: 0, 2, 5, 7, 10, 12, ...; AlexNet:
0, 3, 6, 8, 10). The rest count their convolutions from 0.

Sources: He et al. 2016 (ResNet; the variant with the stride in the 3x3 of a block), Simonyan and
Zisserman 2014 (VGG), Krizhevsky 2014 (AlexNet, the one-tower form), Jia et al. 2014 (CaffeNet),
Iandola et al. 2016 (SqueezeNet 1.1), Howard et al. 2017 (MobileNet v1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gpusim.errors import GpusimError
from gpusim.network.layers import Layer, LayerKind, Network


class _Builder:
    """Append layers while tracking the shape that flows through the network."""

    def __init__(self, network: str, channels: int, size: int) -> None:
        self.id = network
        self.first = (channels, size, size)
        self.shape = self.first
        self.layers: list[Layer] = []
        self.last: tuple[int, ...] = ()
        self.n_convolutions = 0

    def add(self, kind: LayerKind, name: str, out_channels: int, **options: int) -> int:
        """Append a layer on the current output; return its position."""
        channels, height, width = self.shape
        layer = Layer(
            index=options.pop("index", len(self.layers)),
            name=name,
            kind=kind,
            in_channels=channels,
            in_height=height,
            in_width=width,
            out_channels=out_channels,
            inputs=self.last,
            **options,  # type: ignore[arg-type]
        )
        self.layers.append(layer)
        self.shape = (out_channels, layer.out_height, layer.out_width)
        self.last = (len(self.layers) - 1,)
        return self.last[0]

    def conv(
        self,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        pad: int | None = None,
        groups: int = 1,
        index: int | None = None,
        name: str = "",
    ) -> int:
        """Append a square convolution; padding keeps the size at stride 1 unless given."""
        number = self.n_convolutions if index is None else index
        self.n_convolutions += 1
        return self.add(
            LayerKind.CONVOLUTION,
            name or f"conv{number}",
            out_channels,
            kernel_height=kernel,
            kernel_width=kernel,
            stride=stride,
            pad=kernel // 2 if pad is None else pad,
            groups=groups,
            index=number,
        )

    def pool(self, kernel: int, stride: int, pad: int = 0) -> int:
        """Append a pooling layer."""
        return self.add(
            LayerKind.POOLING,
            f"pool{len(self.layers)}",
            self.shape[0],
            kernel_height=kernel,
            kernel_width=kernel,
            stride=stride,
            pad=pad,
        )

    def pool_ceil(self, kernel: int, stride: int) -> int:
        """Append a pooling layer whose output is rounded up, as Caffe and SqueezeNet do."""
        position = self.pool(kernel, stride)
        channels, height, width = self.layers[position].in_channels, *self.shape[1:]
        size = self.layers[position].in_height
        self.shape = (
            channels,
            height + int((size - kernel) % stride > 0),
            width + int((size - kernel) % stride > 0),
        )
        return position

    def global_pool(self) -> int:
        """Append an average over the whole map."""
        return self.pool(self.shape[1], 1)

    def fully_connected(self, out_channels: int) -> int:
        """Flatten, then append a fully connected layer."""
        channels, height, width = self.shape
        self.shape = (channels * height * width, 1, 1)
        return self.add(LayerKind.FULLY_CONNECTED, f"fc{len(self.layers)}", out_channels)

    def join(self, *positions: int) -> int:
        """Append the element-wise sum of earlier outputs."""
        self.last = positions
        return self.add(LayerKind.ELEMENTWISE, f"add{len(self.layers)}", self.shape[0])

    def concatenate(self, *positions: int) -> None:
        """Continue with the channels of several layers side by side."""
        self.last = positions
        channels = sum(self.layers[position].out_channels for position in positions)
        self.shape = (channels, *self.shape[1:])

    def at(self, position: int) -> None:
        """Continue from the output of an earlier layer."""
        layer = self.layers[position]
        self.shape = (layer.out_channels, layer.out_height, layer.out_width)
        self.last = (position,)

    def build(self) -> Network:
        """Return the finished network."""
        channels, height, width = self.first
        return Network(
            id=self.id,
            input_channels=channels,
            input_height=height,
            input_width=width,
            layers=tuple(self.layers),
        )


def _resnet50() -> Network:
    net = _Builder("resnet50", 3, 224)
    net.conv(64, 7, stride=2)
    net.pool(3, 2, 1)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            start = net.last[0]
            net.conv(width, 1)
            net.conv(width, 3, stride=stride)
            end = net.conv(4 * width, 1)
            shortcut = start
            if not block:
                net.at(start)
                shortcut = net.conv(4 * width, 1, stride=stride)
            net.at(end)
            net.join(end, shortcut)
    net.global_pool()
    net.fully_connected(1000)
    return net.build()


def _resnet18(network: str, size: int, classes: int) -> Network:
    net = _Builder(network, 3, size)
    if size >= 64:
        net.conv(64, 7, stride=2)
        net.pool(3, 2, 1)
    else:
        net.conv(64, 3)
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            start = net.last[0]
            net.conv(width, 3, stride=stride)
            end = net.conv(width, 3)
            shortcut = start
            if stride == 2:
                net.at(start)
                shortcut = net.conv(width, 1, stride=2)
            net.at(end)
            net.join(end, shortcut)
    net.global_pool()
    net.fully_connected(classes)
    return net.build()


_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Filters of the 3x3 convolutions; 0 = 2x2 pooling."""


def _vgg16(network: str, size: int, classifier: tuple[int, ...]) -> Network:
    net = _Builder(network, 3, size)
    position = 0
    for filters in _VGG16:
        if filters:
            net.conv(filters, 3, index=position)
            position += 2  # the activation after it is counted
        else:
            net.pool(2, 2)
            position += 1
    for width in classifier:
        net.fully_connected(width)
    return net.build()


def _alexnet() -> Network:
    net = _Builder("alexnet", 3, 224)
    net.conv(64, 11, stride=4, pad=2, index=0)
    net.pool(3, 2)
    net.conv(192, 5, index=3)
    net.pool(3, 2)
    net.conv(384, 3, index=6)
    net.conv(256, 3, index=8)
    net.conv(256, 3, index=10)
    net.pool(3, 2)
    for width in (4096, 4096, 1000):
        net.fully_connected(width)
    return net.build()


def _caffenet() -> Network:
    net = _Builder("caffenet", 3, 227)
    net.conv(96, 11, stride=4, pad=0)
    net.pool(3, 2)
    net.conv(256, 5, groups=2)
    net.pool(3, 2)
    net.conv(384, 3)
    net.conv(384, 3, groups=2)
    net.conv(256, 3, groups=2)
    net.pool(3, 2)
    for width in (4096, 4096, 1000):
        net.fully_connected(width)
    return net.build()


def _squeezenet() -> Network:
    net = _Builder("squeezenet1.1", 3, 224)
    net.conv(64, 3, stride=2, pad=0)
    net.pool_ceil(3, 2)
    pools_after = {1: 0, 3: 0}
    for number, (squeeze, expand) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    ):
        squeezed = net.conv(squeeze, 1)
        shape = net.shape
        narrow = net.conv(expand, 1)
        net.shape, net.last = shape, (squeezed,)
        wide = net.conv(expand, 3)
        net.concatenate(narrow, wide)
        if number in pools_after:
            net.pool_ceil(3, 2)
    net.conv(1000, 1)
    net.global_pool()
    return net.build()


_MOBILENET = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)
"""(filters, stride) of the depthwise-separable pairs."""


def _mobilenet(network: str, size: int, classes: int) -> Network:
    net = _Builder(network, 3, size)
    net.conv(32, 3, stride=2 if size >= 64 else 1)
    for filters, stride in _MOBILENET:
        net.conv(net.shape[0], 3, stride=stride, groups=net.shape[0])
        net.conv(filters, 1)
    net.global_pool()
    net.fully_connected(classes)
    return net.build()


NETWORKS: Mapping[str, Callable[[], Network]] = {
    "resnet50": _resnet50,
    "resnet18": lambda: _resnet18("resnet18", 224, 1000),
    "vgg16": lambda: _vgg16("vgg16", 224, (4096, 4096, 1000)),
    "alexnet": _alexnet,
    "caffenet": _caffenet,
    "squeezenet1.1": _squeezenet,
    "mobilenet": lambda: _mobilenet("mobilenet", 224, 1000),
    "vgg16-cifar10": lambda: _vgg16("vgg16-cifar10", 32, (512, 10)),
    "resnet18-cifar10": lambda: _resnet18("resnet18-cifar10", 32, 10),
    "mobilenet-cifar10": lambda: _mobilenet("mobilenet-cifar10", 32, 10),
}
"""Network id -> constructor."""


def load_network(network: str) -> Network:
    """Return a network by id.

    Raises
    ------
    GpusimError
        For an unknown id, with the known ones.
    """
    if network not in NETWORKS:
        raise GpusimError(f"unknown network '{network}' (expected one of {', '.join(NETWORKS)})")
    return NETWORKS[network]()
