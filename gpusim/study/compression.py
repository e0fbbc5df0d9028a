"""Compression techniques: what a network becomes, how its weights are held, what it takes.

Weight pruning and trained ternary quantisation leave the layers as they are and run them from CSR;
channel pruning makes a smaller dense network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gpusim.errors import GpusimError, located
from gpusim.library.sparse.storage import Storage, stored_bytes
from gpusim.network.layers import Network
from gpusim.study.channel_groups import ChannelGroups, channel_groups

SEED = 20182
_SPREAD = 1.0
"""Of the logarithm of a channel's saliency."""


class Technique(StrEnum):
    """How a network is compressed."""

    PLAIN = "plain"
    WEIGHT_PRUNING = "weight pruning"
    CHANNEL_PRUNING = "channel pruning"
    TTQ = "TTQ"


STORAGE: Mapping[Technique, Storage] = {
    Technique.PLAIN: Storage.ROWS,
    Technique.WEIGHT_PRUNING: Storage.CSR_FILTERS,
    Technique.CHANNEL_PRUNING: Storage.ROWS,
    Technique.TTQ: Storage.CSR_TERNARY,
}
"""How a C program with nested arrays holds the weights of each technique."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """A network after compression."""

    network: Network
    technique: Technique
    rate: float
    """Share of zero weights, or of removed parameters."""

    @property
    def storage(self) -> Storage:
        """How its weights are held."""
        return STORAGE[self.technique]

    @property
    def sparsity(self) -> float:
        """Share of zeros in its layers."""
        is_sparse = self.technique in (Technique.WEIGHT_PRUNING, Technique.TTQ)
        return self.rate if is_sparse else 0.0

    @property
    def macs(self) -> int:
        """Multiply-accumulates that remain when zeros are left out."""
        whole = sum(layer.macs for layer in self.network.layers)
        return round(whole * (1 - self.sparsity))

    def weight_bytes(self, storage: Storage | None = None, *, pointer_bytes: int = 4) -> int:
        """Return the bytes of all weights, in another storage if asked for."""
        return sum(
            stored_bytes(
                layer,
                storage or self.storage,
                sparsity=self.sparsity,
                pointer_bytes=pointer_bytes,
            )
            for layer in self.network.layers
        )


def compress(network: Network, technique: Technique, rate: float = 0.0) -> Compressed:
    """Return a network compressed by a technique.

    Parameters
    ----------
    network : Network
    technique : Technique
    rate : float
        Share of zero weights (weight pruning, TTQ) or of removed parameters (channel pruning), at
        least 0 and below 1.

    Raises
    ------
    GpusimError
        For a rate out of range, or a plain network with one.
    """
    if not 0 <= rate < 1:
        raise GpusimError(
            located("rate", "no share", expected="0 or more, below 1", found=f"{rate:g}")
        )
    if technique is Technique.PLAIN and rate:
        raise GpusimError(located("rate", "a plain network has none", expected="0", found=rate))
    if technique is Technique.CHANNEL_PRUNING:
        network = prune_channels(network, rate)
    return Compressed(network=network, technique=technique, rate=rate)


def prune_channels(network: Network, rate: float) -> Network:
    """Return the network without its least salient channels.

    Fisher pruning removes, over the whole network, the channels whose removal changes the loss
    least. That takes gradients of a trained network; here saliencies are drawn from a seed, with
    the same distribution in every group of channels that must stay together. So groups lose
    nearly equal shares, which a trained network's do not.

    Parameters
    ----------
    network : Network
    rate : float
        Share of the weights to remove; the largest network that is at most as large is returned.
        Every group keeps a channel, which may leave more.
    """
    groups = channel_groups(network)
    if not rate or not groups.groups:
        return network
    target = (1 - rate) * _parameters(network)
    saliency, owner = _saliencies(groups)
    order = np.argsort(-saliency, kind="stable")
    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        if _parameters(_keep(groups, owner[order[:middle]])) <= target:
            low = middle
        else:
            high = middle - 1
    return _keep(groups, owner[order[:low]])


def _saliencies(
    groups: ChannelGroups,
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.int64]]
]:
    values, owners = [], []
    for group in groups.groups:
        random = np.random.Generator(np.random.Philox([SEED, group.id]))
        values.append(random.lognormal(sigma=_SPREAD, size=group.channels))
        owners.append(np.full(group.channels, group.id, dtype=np.int64))
    return np.concatenate(values), np.concatenate(owners)


def _keep(groups: ChannelGroups, kept: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Network:
    counts = {group.id: max(1, int(np.count_nonzero(kept == group.id))) for group in groups.groups}
    return groups.with_channels(counts)


def _parameters(network: Network) -> int:
    return sum(layer.weights for layer in network.layers)
