"""Layers in NumPy, NCHW, double precision: slow and obvious."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.network.layers import Layer

Array = npt.NDArray[Any]


def patches(image: Array, layer: Layer, fill: float = 0.0) -> Array:
    """Return (N, C, out_h, out_w, kernel_h, kernel_w) of an (N, C, H, W) image."""
    image = np.pad(
        image.astype(np.float64), ((0, 0), (0, 0), *((layer.pad, layer.pad),) * 2),
        constant_values=fill,
    )  # fmt: skip
    n, channels = image.shape[:2]
    out = np.empty((n, channels, layer.out_height, layer.out_width, layer.kernel_height,
                    layer.kernel_width))  # fmt: skip
    for y in range(layer.kernel_height):
        for x in range(layer.kernel_width):
            top, left = y * layer.dilation, x * layer.dilation
            out[..., y, x] = image[
                :, :,
                top : top + (layer.out_height - 1) * layer.stride + 1 : layer.stride,
                left : left + (layer.out_width - 1) * layer.stride + 1 : layer.stride,
            ]  # fmt: skip
    return out


def convolution(image: Array, weights: Array, bias: Array, layer: Layer) -> Array:
    """Convolve (N, Cin, H, W) with (Cout, Cin / groups, kh, kw)."""
    taken, groups = patches(image, layer), layer.groups
    inputs, outputs = layer.in_channels // groups, layer.out_channels // groups
    parts = [
        np.einsum(
            "nchwyx,ocyx->nohw",
            taken[:, g * inputs : (g + 1) * inputs],
            weights[g * outputs : (g + 1) * outputs].astype(np.float64),
            optimize=True,
        )
        for g in range(groups)
    ]
    return np.concatenate(parts, axis=1) + bias.astype(np.float64)[:, None, None]
