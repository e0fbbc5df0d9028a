"""Padding that a kernel asks of its input, and the launch that fills a border with a value."""

from __future__ import annotations

from dataclasses import replace

from gpusim.library.acl.binding import Binding, Tensor, macros
from gpusim.library.acl.sequence import Sequence, ceil_div
from gpusim.library.plan import Phase


def padded(
    tensor: Tensor,
    *,
    window: tuple[int, int],
    step: tuple[int, int],
    read: tuple[int, int],
    start: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
) -> Tensor:
    """Return the tensor with the padding that makes every access of a window legal.

    Parameters
    ----------
    tensor : Tensor
        Unpadded.
    window : tuple of int
        Elements of the output in the first two dimensions.
    step, read : tuple of int
        Outputs of a work-item, and inputs that it reads, in both dimensions.
    start : tuple of int
        Where the first work-item reads; negative inside the border.
    stride : tuple of int
        Inputs from one output to the next.
    """
    after = [0, 0]
    for d in (0, 1):
        last = (ceil_div(window[d], step[d]) - 1) * step[d] * stride[d] + start[d] + read[d]
        after[d] = max(0, last - tensor.dims[d])
    return replace(
        tensor,
        left=max(0, -start[0]),
        right=after[0],
        top=max(0, -start[1]),
        bottom=after[1],
    )


def add_fill(
    plan: Sequence,
    name: str,
    *,
    left: int,
    right: int,
    top: int,
    bottom: int,
    mode: str = "constant",
    is_lowest: bool = False,
    phase: Phase = Phase.RUN,
) -> None:
    """Enqueue the fill of a tensor's border, no wider than its padding; nothing without one.

    Parameters
    ----------
    plan : Sequence
        Receives the launch.
    name : str
        The tensor.
    left, right, top, bottom : int
        Widths asked for.
    mode : str
        ``constant`` (zero) or ``replicate`` (the nearest element).
    is_lowest : bool
        Fill with the lowest number instead of zero.
    phase : Phase
        When.
    """
    tensor = plan.tensors[name]
    left, right = min(left, tensor.left), min(right, tensor.right)
    top, bottom = min(top, tensor.top), min(bottom, tensor.bottom)
    if not left and not right and not top and not bottom:
        return
    d0, d1, d2, d3 = tensor.dims
    plan.add(
        phase,
        f"fill_image_borders_{mode}",
        (left + d0 + right + d1, 1, d2 * d3),
        None,
        Binding(
            source="border.cl",
            macros=macros(
                FILL=f"fill_image_borders_{mode}", LEFT=left, RIGHT=right, TOP=top, BOTTOM=bottom
            )
            + f" -D{mode.upper()}"
            + (" -DLOWEST" if is_lowest else ""),
            arguments=(name, d0, d1, tensor.row, tensor.plane, tensor.offset),
        ),
    )
