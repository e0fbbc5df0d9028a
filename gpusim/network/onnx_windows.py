"""Windows of ONNX convolutions and poolings: kernel, strides, dilations, padding per side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpusim.errors import GpusimError, located
from gpusim.network.onnx_model import Node

Pair = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How a window slides over a map."""

    kernel: Pair
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Top, left, bottom, right."""

    def fields(self) -> dict[str, Any]:
        """Return the fields of a `Layer`; those for unequal axes only where they differ."""
        strides, dilations = _pair(self.strides), _pair(self.dilations)
        kernel = _pair(self.kernel)
        return {
            "kernel_height": kernel[0],
            "kernel_width": kernel[1],
            "stride": strides[0],
            "stride_yx": strides if strides[0] != strides[1] else None,
            "dilation": dilations[0],
            "dilation_yx": dilations if dilations[0] != dilations[1] else None,
            "pad": self.pads[0],
            "pad_sides": self.pads if len(set(self.pads)) > 1 else None,
        }


def convolution_window(
    node: Node,
    extents: tuple[int, int],
    kernel: Pair,
    more_pads: tuple[int, int, int, int] | None,
) -> Window:
    """Return the window of a Conv; `more_pads` comes from a Pad operator before it."""
    given = _ints(node, "kernel_shape", 1)
    if given and _pair(given) != _pair(kernel):
        raise GpusimError(
            located(
                node.where,
                "kernel_shape is not that of the weights",
                expected=str(list(kernel)),
                found=list(given),
            )
        )
    window = _window(node, extents, kernel)
    if more_pads is None:
        return window
    pads = tuple(a + b for a, b in zip(window.pads, more_pads, strict=True))
    return Window(
        kernel=window.kernel,
        strides=window.strides,
        dilations=window.dilations,
        pads=(pads[0], pads[1], pads[2], pads[3]),
    )


def pool_window(node: Node, extents: Pair) -> Window:
    """Return the window of a pooling; rounding up becomes padding at the end."""
    kernel = _ints(node, "kernel_shape", 1)
    if kernel is None:
        raise GpusimError(located(node.where, "has no kernel_shape"))
    height, width = extents
    window = _window(node, (height, width), kernel)
    if not node.attributes.get("ceil_mode", 0):
        return window
    top, left, bottom, right = window.pads
    more = [
        -(extent + before + after - dilation * (size - 1) - 1) % stride
        for extent, before, after, size, stride, dilation in zip(
            extents,
            (top, left),
            (bottom, right),
            window.kernel,
            window.strides,
            window.dilations,
            strict=True,
        )
    ]
    return Window(
        kernel=window.kernel,
        strides=window.strides,
        dilations=window.dilations,
        pads=(top, left, bottom + more[0], right + more[1]),
    )


def _window(node: Node, extents: tuple[int, int], kernel: Pair) -> Window:
    kernel = _pair(kernel)
    strides = _pair(_ints(node, "strides", 1) or (1, 1))
    dilations = _pair(_ints(node, "dilations", 1) or (1, 1))
    auto = node.attributes.get("auto_pad", "NOTSET") or "NOTSET"
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same(extents, kernel, strides, dilations, is_upper=auto == "SAME_UPPER")
    elif auto == "VALID":
        pads = (0, 0, 0, 0)
    elif auto == "NOTSET":
        pads = _sides(node)
    else:
        raise GpusimError(
            located(node.where, "unknown auto_pad", expected="NOTSET, SAME_* or VALID", found=auto)
        )
    return Window(kernel=kernel, strides=strides, dilations=dilations, pads=pads)


def _same(
    extents: tuple[int, int], kernel: Pair, strides: Pair, dilations: Pair, *, is_upper: bool
) -> tuple[int, int, int, int]:
    """Return the padding that gives ceil(extent / stride) outputs; the odd one at one end."""
    sides = []
    for extent, size, stride, dilation in zip(extents, kernel, strides, dilations, strict=True):
        outputs = -(-extent // stride)
        total = max(0, (outputs - 1) * stride + dilation * (size - 1) + 1 - extent)
        small, large = total // 2, total - total // 2
        sides.append((small, large) if is_upper else (large, small))
    return (sides[0][0], sides[1][0], sides[0][1], sides[1][1])


def _sides(node: Node) -> tuple[int, int, int, int]:
    pads = _ints(node, "pads", 0) or (0, 0, 0, 0)
    if len(pads) == 2:
        return (pads[0], 0, pads[1], 0)
    if len(pads) != 4:
        raise GpusimError(located(node.where, "pads", expected="4 numbers", found=list(pads)))
    return (pads[0], pads[1], pads[2], pads[3])


def _pair(values: Pair) -> tuple[int, int]:
    """Return (rows, columns); a one-dimensional window has one column."""
    return (values[0], values[1]) if len(values) == 2 else (values[0], 1)


def _ints(node: Node, name: str, least: int) -> Pair | None:
    """Return a list attribute, None when it is left out."""
    values = node.attributes.get(name)
    if values is None:
        return None
    is_list = isinstance(values, (list, tuple)) and len(values) in (1, 2, 4)
    if not is_list or not all(isinstance(one, int) and least <= one < 1 << 31 for one in values):
        raise GpusimError(
            located(
                node.where, name, expected=f"one number per side, {least} or more", found=values
            )
        )
    return tuple(values)
