"""A convolution as TVM's templates see it, and the launches they collect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpusim.library.plan import Phase, PlanOptions
from gpusim.library.planned_trace import BufferRef, PlannedTrace
from gpusim.library.tvm.nest import kernel_text
from gpusim.network.layers import Layer
from gpusim.trace.records import Size3, Trace

SCALARS = {"f32": ("float", 4), "f16": ("half", 2)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """Shapes of a convolution in NCHW."""

    batch: int
    in_channels: int
    in_height: int
    in_width: int
    out_channels: int
    out_height: int
    out_width: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    """Top, left, bottom, right."""
    dilations: tuple[int, int]

    @classmethod
    def of(cls, layer: Layer, options: PlanOptions) -> Convolution:
        """Return the shapes of a layer."""
        return cls(
            batch=options.batch,
            in_channels=layer.in_channels,
            in_height=layer.in_height,
            in_width=layer.in_width,
            out_channels=layer.out_channels,
            out_height=layer.out_height,
            out_width=layer.out_width,
            kernel=(layer.kernel_height, layer.kernel_width),
            strides=layer.strides,
            pads=layer.pads,
            dilations=layer.dilations,
        )

    @property
    def is_padded(self) -> bool:
        """Whether any side is padded."""
        return any(self.pads)

    def padded_read(self, batch: str, channel: str, y: str, x: str, name: str) -> list[str]:
        """Return statements that set `name` to a point of the padded input.

        Parameters
        ----------
        batch, channel, y, x : str
            Expressions; `y` and `x` count from the corner of the padding.
        name : str
            Of an existing variable.
        """
        top, left, _, _ = self.pads
        plane = self.in_height * self.in_width
        index = (
            f"(({batch}) * {self.in_channels} + ({channel})) * {plane}"
            f" + (({y}) - {top}) * {self.in_width} + (({x}) - {left})"
        )
        if not self.is_padded:
            return [f"{name} = data[{index}];"]
        inside = (
            f"({y}) >= {top} && ({y}) < {top + self.in_height}"
            f" && ({x}) >= {left} && ({x}) < {left + self.in_width}"
        )
        return [f"if ({inside}) {{ {name} = data[{index}]; }} else {{ {name} = 0.0f; }}"]


class KernelList:
    """The kernels of one fused operator, numbered in the order in which they run."""

    def __init__(self, operator: str, options: PlanOptions) -> None:
        self.scalar, self.element_bytes = SCALARS[options.dtype]
        self._operator = operator
        self._trace = PlannedTrace(f"tvm/{operator}")
        self._count = 0

    def buffer(self, elements: int) -> BufferRef:
        """Add a buffer of that many elements."""
        return self._trace.buffer(elements * self.element_bytes)

    def add(
        self,
        body: Sequence[str],
        buffers: Sequence[tuple[str, BufferRef]],
        blocks: Size3,
        threads: Size3,
    ) -> None:
        """Add a kernel and its launch.

        Parameters
        ----------
        body : sequence of str
            Lines; ``bx``, ``by``, ``bz`` and ``tx``, ``ty``, ``tz`` are the group and local ids.
        buffers : sequence of (str, BufferRef)
            Parameters in order.
        blocks, threads : tuple of int
            Number of groups and local size.
        """
        name = f"{self._operator}_kernel{self._count}"
        self._count += 1
        ids = [
            f"const int {kind}{axis} = (int){function}({number});"
            for kind, function in (("b", "get_group_id"), ("t", "get_local_id"))
            for number, axis in enumerate("xyz")
        ]
        parameters = ", ".join(
            f"global {self.scalar} *restrict {parameter}" for parameter, _ in buffers
        )
        self._trace.launch(
            Phase.RUN,
            source=kernel_text(name, parameters, [*ids, *body], self.scalar),
            options="",
            kernel=name,
            global_size=(
                blocks[0] * threads[0],
                blocks[1] * threads[1],
                blocks[2] * threads[2],
            ),
            local_size=threads,
            arguments=[buffer for _, buffer in buffers],
        )

    def trace(self) -> Trace:
        """Return the launches as a trace."""
        return self._trace.trace()
