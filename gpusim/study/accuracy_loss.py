"""What pruning a group of channels costs in accuracy, as far as the user knows it.

Three sources, each giving a loss per group and channel count; losses of several groups add up,
which is an assumption.

- *Table*: the network's accuracy with that layer alone pruned, at some channel counts.
- *Importance*: one score per channel; the least important ones go first, and the loss is the
  share of the layer's total score that goes with them.
- *Proxy*, when nothing is known: the square of the pruned share. It is the importance of channels
  whose scores rise linearly from nothing. It knows nothing about the network and orders plans
  only.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gpusim.errors import GpusimError, located
from gpusim.network.layers import Network
from gpusim.study.channel_groups import ChannelGroup

_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyLoss:
    """Loss per group and channel count."""

    source: str
    """``table``, ``importance`` or ``proxy``."""
    curves: Mapping[int, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    """Group id -> (channels, loss), ascending in channels; groups that are missing use the
    proxy."""
    baseline: float | None = None
    """Accuracy of the unpruned network, where the table says it."""
    notes: tuple[str, ...] = ()

    def loss(self, group: ChannelGroup, channels: int) -> float:
        """Return the loss of pruning a group to a number of channels; 0 at its full width."""
        if channels >= group.channels:
            return 0.0
        curve = self.curves.get(group.id)
        if curve is None:
            pruned = 1 - channels / group.channels
            return pruned * pruned
        return _interpolated(curve, channels)


def read_accuracy(path: Path, network: Network, groups: Sequence[ChannelGroup]) -> AccuracyLoss:
    """Read a CSV of accuracies (``layer,channels,accuracy``) or scores (``layer,channel,score``).

    ``layer`` is a convolution's number or name. A row whose layer is empty gives the unpruned
    network's accuracy; without one, the accuracy at full width of any layer, or else the highest.

    Raises
    ------
    GpusimError
        When the file can't be read, lacks a column, or holds something that is no number.
    """
    rows = _rows(path)
    columns = set(rows[0]) if rows else set()
    if {"layer", "channels", "accuracy"} <= columns:
        return _from_table(path, rows, network, groups)
    if {"layer", "channel", "score"} <= columns:
        return _from_scores(path, rows, network, groups)
    expected = "layer,channels,accuracy or layer,channel,score"
    found = ",".join(sorted(columns)) or "no rows"
    raise GpusimError(located(path.name, "columns", expected=expected, found=found))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise GpusimError(located(str(path), "too large", expected=f"{_MAX_BYTES} bytes"))
        with path.open(encoding="utf-8-sig", newline="") as text:
            return list(csv.DictReader(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GpusimError(located(str(path), "can't read", found=str(error))) from None


def _from_table(
    path: Path, rows: list[dict[str, str]], network: Network, groups: Sequence[ChannelGroup]
) -> AccuracyLoss:
    owners = _owners(network, groups)
    sizes = {group.id: group.channels for group in groups}
    points: dict[int, dict[int, float]] = {}
    baseline: float | None = None
    unknown: set[str] = set()
    for number, row in enumerate(rows, start=2):
        where = f"{path.name}:{number}"
        accuracy = _number(row["accuracy"], where, "accuracy")
        if not row["layer"].strip():
            baseline = accuracy
            continue
        group = owners.get(row["layer"].strip())
        if group is None:
            unknown.add(row["layer"].strip())
            continue
        channels = round(_number(row["channels"], where, "channels"))
        # Of several layers of a group, the one that suffers most decides.
        known = points.setdefault(group, {})
        known[channels] = min(accuracy, known.get(channels, accuracy))
    if baseline is None:
        full = [known[sizes[group]] for group, known in points.items() if sizes[group] in known]
        every = [accuracy for known in points.values() for accuracy in known.values()]
        baseline = max(full or every, default=None)
    curves = {}
    for group, known in points.items():
        known.setdefault(sizes[group], baseline or 0.0)
        losses = {
            count: max(0.0, (baseline or 0.0) - accuracy) for count, accuracy in known.items()
        }
        curves[group] = tuple(sorted(losses.items()))
    return AccuracyLoss(
        source="table",
        curves=curves,
        baseline=baseline,
        notes=_notes(path, unknown, groups, curves),
    )


def _from_scores(
    path: Path, rows: list[dict[str, str]], network: Network, groups: Sequence[ChannelGroup]
) -> AccuracyLoss:
    owners = _owners(network, groups)
    sizes = {group.id: group.channels for group in groups}
    scores: dict[int, dict[int, float]] = {}
    unknown: set[str] = set()
    for number, row in enumerate(rows, start=2):
        where = f"{path.name}:{number}"
        group = owners.get(row["layer"].strip())
        if group is None:
            unknown.add(row["layer"].strip())
            continue
        channel = round(_number(row["channel"], where, "channel"))
        score = _number(row["score"], where, "score")
        if score < 0 or not 0 <= channel < sizes[group]:
            expected = f"a score of 0 or more for channel 0 to {sizes[group] - 1}"
            raise GpusimError(
                located(where, "score", expected=expected, found=f"{channel}, {score}")
            )
        known = scores.setdefault(group, {})
        known[channel] = known.get(channel, 0.0) + score
    curves = {}
    for group, known in scores.items():
        ordered = sorted(known.get(channel, 0.0) for channel in range(sizes[group]))
        total = sum(ordered) or 1.0
        removed = 0.0
        curve = [(sizes[group], 0.0)]
        for number, score in enumerate(ordered, start=1):
            removed += score
            curve.append((sizes[group] - number, removed / total))
        curves[group] = tuple(reversed(curve))
    return AccuracyLoss(
        source="importance", curves=curves, notes=_notes(path, unknown, groups, curves)
    )


def _notes(
    path: Path,
    unknown: set[str],
    groups: Sequence[ChannelGroup],
    curves: Mapping[int, object],
) -> tuple[str, ...]:
    notes = []
    if unknown:
        named = ", ".join(sorted(unknown))
        notes.append(f"{path.name}: no prunable layer is called {named}; these rows are not used")
    missing = sum(group.id not in curves for group in groups)
    if missing:
        notes.append(f"{path.name}: {missing} of {len(groups)} groups are not in it: proxy used")
    return tuple(notes)


def _owners(network: Network, groups: Sequence[ChannelGroup]) -> dict[str, int]:
    found: dict[str, int] = {}
    for group in groups:
        for position in group.layers:
            layer = network.layers[position]
            found[layer.name] = group.id
            if layer in network.convolutions:
                found[str(layer.index)] = group.id
                found[f"L{layer.index}"] = group.id
    return found


def _number(text: str | None, where: str, column: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise GpusimError(located(where, column, expected="a number", found=repr(text)))
    return value


def _interpolated(curve: tuple[tuple[int, float], ...], channels: int) -> float:
    below = [point for point in curve if point[0] <= channels]
    above = [point for point in curve if point[0] >= channels]
    if not below:
        return curve[0][1]
    if not above:
        return curve[-1][1]
    (low, low_loss), (high, high_loss) = below[-1], above[0]
    if low == high:
        return low_loss
    return low_loss + (high_loss - low_loss) * (channels - low) / (high - low)
