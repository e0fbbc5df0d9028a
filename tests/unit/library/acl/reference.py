"""Layers in NumPy, NCHW, double precision: slow and obvious."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.network.layers import Layer

Array = npt.NDArray[Any]


def patches(image: Array, layer: Layer, fill: float = 0.0) -> Array:
    """Return (N, C, out_h, out_w, kernel_h, kernel_w) of an (N, C, H, W) image."""
    top, left, bottom, right = layer.pads
    stride_y, stride_x = layer.strides
    padding = ((0, 0), (0, 0), (top, bottom), (left, right))
    image = np.pad(image.astype(np.float64), padding, constant_values=fill)
    size = (layer.out_height, layer.out_width, layer.kernel_height, layer.kernel_width)
    out = np.empty((*image.shape[:2], *size))
    for y in range(layer.kernel_height):
        for x in range(layer.kernel_width):
            first_y, first_x = y * layer.dilations[0], x * layer.dilations[1]
            rows = slice(first_y, first_y + (layer.out_height - 1) * stride_y + 1, stride_y)
            columns = slice(first_x, first_x + (layer.out_width - 1) * stride_x + 1, stride_x)
            out[..., y, x] = image[:, :, rows, columns]
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
