"""How often the kernels of a network are active: profiles, and active sets drawn from them.

A profile names the layers whose kernels are switched, and for each the share that is active on
average. How the share is spread over the kernels follows the shape that POTHOS plots (its
Figures 8 and 9: kernels sorted by use): some always on, some never, a smooth fall between. The
curve is ours; its mean is the published average.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.device.strict_yaml import parse_yaml
from gpusim.errors import GpusimError, located
from gpusim.network import Layer, LayerKind, Network

_FOLDER = Path(__file__).with_name("profiles")
_KINDS = ("documented", "fitted", "assumed")
_BISECTIONS = 80
Frequencies = npt.NDArray[np.float64]
Active = npt.NDArray[np.bool_]
"""Which kernels of a layer are active, shape (batch, kernels)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchedLayer:
    """A layer whose kernels are switched per input."""

    name: str
    mean: float
    """Share of its kernels that is active, averaged over inputs."""
    kind: str
    """Evidence of `mean`: ``documented``, ``fitted`` or ``assumed``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityProfile:
    """A workload: which kernels of a network are active how often."""

    id: str
    network: str
    data_set: str
    n_classes: int
    """Outputs of the network's last layer."""
    source: str
    steepness: float
    """Exponent of the curve's fall; see `frequencies`."""
    switch_channels: int
    """Channels between the two 1x1 convolutions of a switch."""
    layers: tuple[SwitchedLayer, ...]

    @property
    def mean(self) -> float:
        """Average of the layers' means, as published."""
        return sum(layer.mean for layer in self.layers) / len(self.layers)

    def layer(self, name: str) -> SwitchedLayer | None:
        """Return the switched layer of that name, None when it is static."""
        return next((layer for layer in self.layers if layer.name == name), None)

    def frequencies(self, layer: Layer) -> Frequencies:
        """Return how often each kernel of a layer is active, in the order of the kernels.

        The sorted curve is ``(1 - u^p)^steepness`` over ranks ``u`` in (0, 1), with ``p`` such
        that its mean is the layer's. Which kernel has which rank is drawn once per layer.
        """
        switched = self.layer(layer.name)
        if switched is None:
            return np.ones(layer.out_channels)
        curve = frequency_curve(switched.mean, layer.out_channels, self.steepness)
        return _random("ranks", self.id, layer.name).permutation(curve)

    def draw(self, layer: Layer, batch: int) -> Active:
        """Return the active kernels of a layer for a batch of images, the same ones every time.

        Systematic sampling over the kernels in random order: kernel i is active with its own
        frequency, and every image has the layer's mean number of active kernels, rounded up or
        down. How much that number varies between images is not published.
        """
        frequencies = self.frequencies(layer)
        active = np.zeros((batch, len(frequencies)), np.bool_)
        for image in range(batch):
            random = _random("image", self.id, layer.name, str(image))
            order = random.permutation(len(frequencies))
            ends = np.cumsum(frequencies[order]) + random.random()
            active[image, order] = np.floor(ends) > np.floor(ends - frequencies[order])
            if not active[image].any():
                active[image, int(np.argmax(frequencies))] = True
        return active


def frequency_curve(mean: float, n_kernels: int, steepness: float) -> Frequencies:
    """Return activation frequencies of kernels sorted by use, with exactly that mean.

    Parameters
    ----------
    mean : float
        In (0, 1].
    n_kernels : int
    steepness : float
        Above 0; the larger, the more kernels are hardly ever used.

    Returns
    -------
    ndarray
        Shape (n_kernels,), falling, each in [0, 1].
    """
    if mean >= 1.0:
        return np.ones(n_kernels)
    ranks = (np.arange(n_kernels) + 0.5) / n_kernels
    low, high = -40.0, 40.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if ((1 - ranks ** np.exp2(middle)) ** steepness).mean() < mean:
            low = middle
        else:
            high = middle
    return np.asarray((1 - ranks ** np.exp2(high)) ** steepness, np.float64)


def profile_names() -> tuple[str, ...]:
    """Return the ids of the profiles that ship."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_profile(profile: str | Path) -> ActivityProfile:
    """Return a profile by id, or from a YAML file.

    Raises
    ------
    GpusimError
        For an unknown id, or a file that is not a profile.
    """
    path = Path(profile)
    if path.suffix not in (".yaml", ".yml"):
        if str(profile) not in profile_names():
            raise GpusimError(
                located(
                    "profile",
                    "unknown",
                    expected=f"a YAML file or one of {', '.join(profile_names())}",
                    found=str(profile),
                )
            )
        path = _FOLDER / f"{profile}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GpusimError(located(str(path), f"cannot be read: {error}")) from None
    return _parse(text, path.name, path.stem)


def check_profile(profile: ActivityProfile, network: Network) -> None:
    """Raise GpusimError unless every layer of the profile is a convolution of the network."""
    names = {layer.name for layer in network.layers if layer.kind is not LayerKind.POOLING}
    for layer in profile.layers:
        if layer.name not in names:
            raise GpusimError(
                located(
                    f"profile {profile.id}",
                    f"{network.id} has no such layer",
                    expected=", ".join(sorted(names)),
                    found=layer.name,
                )
            )


@cache
def _parse(text: str, file: str, name: str) -> ActivityProfile:
    tree = parse_yaml(text, file)
    expected = {
        "network": str, "data_set": str, "n_classes": int, "source": str, "steepness": float,
        "switch_channels": int, "layers": dict,
    }  # fmt: skip
    _check(tree, expected, file)
    layers = []
    for layer, row in tree["layers"].items():
        where = f"{file}: layers: {layer}"
        _check(row, {"mean": float, "kind": str}, where)
        if not 0 < row["mean"] <= 1:
            raise GpusimError(located(where, "mean", expected="in (0, 1]", found=row["mean"]))
        if row["kind"] not in _KINDS:
            raise GpusimError(
                located(where, "kind", expected=" or ".join(_KINDS), found=row["kind"])
            )
        layers.append(SwitchedLayer(name=str(layer), mean=float(row["mean"]), kind=row["kind"]))
    positive = {key: tree[key] for key in ("n_classes", "steepness", "switch_channels")}
    for key, value in positive.items():
        if value <= 0:
            raise GpusimError(located(file, key, expected="above 0", found=value))
    if tree["switch_channels"] % 4:
        raise GpusimError(
            located(
                file,
                "switch_channels",
                expected="a multiple of 4",
                found=tree["switch_channels"],
            )
        )
    return ActivityProfile(
        id=name,
        network=tree["network"],
        data_set=tree["data_set"],
        n_classes=tree["n_classes"],
        source=tree["source"],
        steepness=float(tree["steepness"]),
        switch_channels=tree["switch_channels"],
        layers=tuple(layers),
    )


def _check(tree: Any, expected: dict[str, type], where: str) -> None:
    if not isinstance(tree, dict):
        raise GpusimError(located(where, "no mapping", expected=", ".join(expected)))
    for key in tree:
        if key not in expected:
            raise GpusimError(
                located(where, "unknown key", expected=", ".join(expected), found=str(key))
            )
    for key, kind in expected.items():
        if key not in tree:
            raise GpusimError(located(where, "missing key", expected=key))
        value = tree[key]
        fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
        if not fits or isinstance(value, bool):
            raise GpusimError(
                located(f"{where}: {key}", "wrong type", expected=kind.__name__, found=repr(value))
            )


def _random(*words: str) -> np.random.Generator:
    """Return a generator that depends on the words only."""
    return np.random.default_rng(list("\0".join(words).encode()))
