"""Index buffers: which kernels a work-item computes, which input channels it reads.

Both lists are per image of the batch and, in a grouped convolution, per group, because a block of
kernels shares its input channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpusim.library.dynamic.activity import Active

Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelIndex:
    """Active kernels in blocks, per image."""

    kernels: Int32s
    """Shape (batch, max_blocks, block): ids; rows behind an image's last block are zero."""
    n_blocks: Int32s
    """Shape (batch,)."""

    @property
    def max_blocks(self) -> int:
        """Blocks of the image that has most: the extent of the NDRange."""
        return int(self.kernels.shape[1])


def kernel_index(active: Active, groups: int, block: int) -> KernelIndex:
    """Return the blocks of active kernels; a group's last block repeats its last kernel.

    Parameters
    ----------
    active : ndarray of bool
        Shape (batch, kernels).
    groups : int
        Of the convolution; no block holds kernels of two.
    block : int
        Kernels of a work-item.
    """
    per_image = [_blocks(row, groups, block) for row in active]
    n_blocks = np.array([len(blocks) for blocks in per_image], np.int32)
    kernels = np.zeros((len(active), max(1, int(n_blocks.max())), block), np.int32)
    for image, blocks in enumerate(per_image):
        kernels[image, : len(blocks)] = blocks
    return KernelIndex(kernels=kernels, n_blocks=n_blocks)


def channel_index(active: Active, groups: int) -> Int32s:
    """Return the active input channels.

    Parameters
    ----------
    active : ndarray of bool
        Shape (batch, channels).
    groups : int
        Of the convolution that reads them.

    Returns
    -------
    ndarray
        Shape (batch, groups, 1 + channels of a group): their number, then their ids within the
        group, then zeros.
    """
    batch, channels = active.shape
    per_group = channels // groups
    found = np.zeros((batch, groups, 1 + per_group), np.int32)
    for image in range(batch):
        for group in range(groups):
            ids = np.flatnonzero(active[image, group * per_group : (group + 1) * per_group])
            found[image, group, 0] = len(ids)
            found[image, group, 1 : 1 + len(ids)] = ids
    return found


def _blocks(active: npt.NDArray[np.bool_], groups: int, block: int) -> Int32s:
    per_group = len(active) // groups
    found = []
    for group in range(groups):
        ids = group * per_group + np.flatnonzero(
            active[group * per_group : (group + 1) * per_group]
        )
        missing = -len(ids) % block
        found.append(np.concatenate([ids, np.repeat(ids[-1:], missing)]).reshape(-1, block))
    return np.concatenate(found).astype(np.int32)
