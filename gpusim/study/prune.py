"""Plan a network's channel pruning: meet a latency at the least loss of accuracy.

1. Every group's layers are swept over their output channels; only counts that no higher count is
   as fast as are candidates: the right-hand edges of the stairs.
2. From the full network, the group whose next candidate saves most time per loss is pruned to it,
   again and again. The saving counts the group's own layers and those that read it, whose input
   channels shrink with it; it is estimated from the sweeps, scaled by the input channels left.
3. Along that path plans are predicted exactly, and the first one within the budget is the result.
   The plans predicted on the way are the front of time against loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpusim.device import DeviceSpec, load_device
from gpusim.errors import GpusimError, located
from gpusim.library.plan import PlanOptions
from gpusim.network.layers import LayerKind, Network
from gpusim.study.accuracy_loss import AccuracyLoss
from gpusim.study.channel_groups import ChannelGroup, ChannelGroups, channel_groups
from gpusim.study.predict import LAYOUTS, predict
from gpusim.study.sweep import PointTime, SweepPoint, sweep

_PS_PER_MS = 10**9
_FRONT = 12
"""Plans of the path that are predicted for the front."""
_COUNTS = 128
"""Channel counts swept per layer at most; wide layers are swept in even strides."""
_SHARES = (0.12, 0.25, 0.5)
"""Shares that uninstructed pruning removes everywhere, as in the paper's question."""

OnProgress = Callable[[str, int, int], None]
Counts = dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedPlan:
    """Channel counts of a network and what they cost."""

    counts: Mapping[int, int]
    """Group id -> channels; all prunable groups."""
    network: Network
    """With these channels."""
    predicted_ms: float
    loss: float
    """By the accuracy model; sums over groups."""
    accuracy: float | None = None
    """As the user's own script measured it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """A plan that meets the budget, and its surroundings."""

    groups: ChannelGroups
    device: str
    library: str
    fidelity: str
    full_ms: float
    budget_ms: float
    plan: PrunedPlan
    met: bool
    """Whether the budget was reached; else `plan` is the fastest one on the path."""
    front: tuple[PrunedPlan, ...]
    """Predicted plans, slowest first, none slower and worse than another."""
    uninstructed: tuple[tuple[float, PrunedPlan], ...]
    """Share removed from every group -> what that would have cost."""
    loss_source: str
    notes: tuple[str, ...]


def parse_budget(text: str, full_ms: float) -> float:
    """Return the time that ``0.7x`` (of the full network), ``8ms`` or ``1.5 faster`` allows, ms.

    Raises
    ------
    GpusimError
        When it is none of these.
    """
    word = text.strip().lower()
    try:
        if word.endswith("faster"):
            value = full_ms / float(word.removesuffix("faster").rstrip("x "))
        elif word.endswith("ms"):
            value = float(word.removesuffix("ms"))
        elif word.endswith("x"):
            value = full_ms * float(word.removesuffix("x"))
        else:
            raise ValueError
        if not 0 < value < float("inf"):
            raise ValueError
    except (ValueError, ZeroDivisionError):
        expected = "0.7x (of the full time), 8ms, or '1.5x faster'"
        raise GpusimError(
            located("--budget", "not a budget", expected=expected, found=text)
        ) from None
    return value


def prune(
    network: Network,
    device: str,
    library: str,
    *,
    budget: str,
    loss: AccuracyLoss | None = None,
    evaluate: Callable[[PrunedPlan], float] | None = None,
    min_accuracy: float | None = None,
    min_share: float = 0.125,
    layout: str | None = None,
    dtype: str = "f32",
    batch: int = 1,
    tuner: str = "none",
    fidelity: str = "analytic",
    processes: int | None = None,
    on_progress: OnProgress | None = None,
) -> PruneResult:
    """Return a plan of channel counts that meets a budget at little loss.

    Parameters
    ----------
    network : Network
    device : str
        An id, or a file.
    library : str
        A library id.
    budget : str
        See `parse_budget`.
    loss : AccuracyLoss, optional
        What pruning costs; the proxy by default.
    evaluate : callable, optional
        Measures the accuracy of a plan. It is called for the plans of the front, fastest last;
        where it returns less than `min_accuracy`, what was pruned since the plan before is taken
        back and left alone, and the path goes on with the other groups.
    min_accuracy : float, optional
        In the units of `evaluate`.
    min_share : float
        Of its channels that a group keeps at least.
    layout, dtype, batch, tuner, fidelity
        As `predict`.
    processes : int, optional
        Workers of the sweep.
    on_progress : callable, optional
        Called with (what is done, steps done, steps in all).

    Raises
    ------
    GpusimError
        For a network without prunable groups, an unknown library, or a budget that is none.
    """
    spec = load_device(device)
    structure = channel_groups(network)
    groups = _convolutional(structure)
    if not groups:
        raise GpusimError(located(network.id, "nothing to prune: no convolution's output is free"))
    loss = loss or AccuracyLoss(source="proxy")
    study = _Study(
        structure=structure,
        groups=groups,
        device=spec,
        device_name=device,
        library=library,
        options={
            "layout": layout, "dtype": dtype, "batch": batch, "tuner": tuner, "fidelity": fidelity,
        },
        loss=loss,
        processes=processes,
        min_share=min_share,
        report=on_progress or (lambda _what, _done, _all: None),
    )  # fmt: skip
    full = study.predicted({})
    limit = parse_budget(budget, full.predicted_ms)
    curves = study.sweep_groups()
    plans = study.walk(curves, full, limit, evaluate, min_accuracy)
    met = [plan for plan in plans if plan.predicted_ms <= limit]
    chosen = (
        min(met, key=lambda plan: plan.loss)
        if met
        else min(plans, key=lambda plan: plan.predicted_ms)
    )
    uninstructed = []
    for share in _SHARES:
        counts = {group.id: max(1, round(group.channels * (1 - share))) for group in groups}
        uninstructed.append((share, study.predicted(counts)))
    return PruneResult(
        groups=structure,
        device=spec.id,
        library=library,
        fidelity=fidelity,
        full_ms=full.predicted_ms,
        budget_ms=limit,
        plan=chosen,
        met=bool(met),
        front=_front([full, *plans]),
        uninstructed=tuple(uninstructed),
        loss_source=loss.source,
        notes=(*structure.notes, *loss.notes, *study.notes),
    )


def _convolutional(structure: ChannelGroups) -> tuple[ChannelGroup, ...]:
    layers = structure.network.layers
    return tuple(
        group
        for group in structure.groups
        if any(layers[position].kind is LayerKind.CONVOLUTION for position in group.layers)
    )


def _front(plans: Sequence[PrunedPlan]) -> tuple[PrunedPlan, ...]:
    """Return the plans that none beats in both time and loss, slowest first."""
    kept: list[PrunedPlan] = []
    for plan in sorted(plans, key=lambda plan: (plan.predicted_ms, plan.loss)):
        if not kept or plan.loss < kept[-1].loss:
            kept.append(plan)
    return tuple(reversed(kept))


@dataclass(slots=True, kw_only=True)
class _Curve:
    """A group's own time over its channels, all inputs in full."""

    own_ms: dict[int, float]
    candidates: tuple[int, ...]
    """Counts worth pruning to, descending, the full width first."""

    def at(self, count: int) -> float:
        """Return the time at a count that was swept, or at the next higher one that was."""
        higher = [known for known in self.own_ms if known >= count]
        return self.own_ms[min(higher)] if higher else self.own_ms[max(self.own_ms)]


@dataclass(slots=True, kw_only=True)
class _Study:
    structure: ChannelGroups
    groups: tuple[ChannelGroup, ...]
    device: DeviceSpec
    device_name: str
    library: str
    options: dict[str, Any]
    loss: AccuracyLoss
    processes: int | None
    min_share: float
    report: OnProgress
    notes: tuple[str, ...] = ()

    def predicted(self, counts: Mapping[int, int]) -> PrunedPlan:
        """Return a plan with its exact time."""
        complete = {group.id: counts.get(group.id, group.channels) for group in self.groups}
        network = self.structure.with_channels(complete)
        result = predict(network, self.device, self.library, **self.options)
        return PrunedPlan(
            counts=complete,
            network=network,
            predicted_ms=result.total_ms,
            loss=self._loss(complete),
        )

    def _loss(self, counts: Mapping[int, int]) -> float:
        return sum(self.loss.loss(group, counts[group.id]) for group in self.groups)

    def sweep_groups(self) -> dict[int, _Curve]:
        """Sweep every group's layers over its channels."""
        options = PlanOptions(
            target=self.device.id,
            layout=self.options["layout"] or LAYOUTS.get(self.library, "nhwc"),
            dtype=self.options["dtype"],
            batch=self.options["batch"],
            tuner=self.options["tuner"],
        )
        points: list[SweepPoint] = []
        owners: list[int] = []
        for group in self.groups:
            for position in group.layers:
                layer = self.structure.network.layers[position]
                for count in self._swept(group):
                    points.append(
                        SweepPoint(
                            library=self.library,
                            network=self.structure.network.id,
                            layer=layer.with_out_channels(count),
                            options=options,
                            device=self.device_name,
                            fidelity=self.options["fidelity"],
                        )
                    )
                    owners.append(group.id)
        times = sweep(
            points,
            processes=self.processes,
            on_progress=lambda done, total: self.report("sweep", done, total),
        )
        failed = [time for time in times if time.failure]
        if failed:
            first = failed[0]
            raise GpusimError(f"{first.point.layer.name}: {first.failure}")
        per_group: dict[int, list[PointTime]] = {}
        for owner, time in zip(owners, times, strict=True):
            per_group.setdefault(owner, []).append(time)
        return {group.id: self._curve(group, per_group[group.id]) for group in self.groups}

    def _swept(self, group: ChannelGroup) -> list[int]:
        lowest = max(1, -(-int(group.channels * self.min_share * 1000) // 1000))
        stride = max(1, -(-(group.channels - lowest) // _COUNTS))
        return sorted({*range(group.channels, lowest - 1, -stride), group.channels})

    def _curve(self, group: ChannelGroup, times: Sequence[PointTime]) -> _Curve:
        own: dict[int, float] = {}
        for time in times:
            count = time.point.layer.out_channels
            own[count] = own.get(count, 0.0) + time.predicted_ms
        # Stairs of the sum: a count is worth pruning to when no higher one is as fast.
        best: list[int] = []
        fastest: float | None = None
        for count in sorted(own, reverse=True):
            if fastest is None or own[count] < fastest * 0.98:
                best.append(count)
                fastest = own[count]
        return _Curve(own_ms=own, candidates=tuple(best))

    def walk(
        self,
        curves: Mapping[int, _Curve],
        full: PrunedPlan,
        limit: float,
        evaluate: Callable[[PrunedPlan], float] | None,
        min_accuracy: float | None,
    ) -> list[PrunedPlan]:
        """Return predicted plans along the path, until one meets the budget."""
        counts = dict(full.counts)
        frozen: set[int] = set()
        estimate = full.predicted_ms
        plans = [full]
        goal = (full.predicted_ms - limit) / _FRONT
        while True:
            before = dict(counts)
            reached = estimate
            # One leg: prune until about a twelfth of the way is estimated to be done.
            while reached > estimate - max(goal, 1e-9):
                step = self._next(curves, counts, frozen)
                if step is None:
                    break
                group, count, saved = step
                counts[group] = count
                reached -= saved
            if counts == before:
                return plans
            plan = self.predicted(counts)
            estimate = plan.predicted_ms
            self.report("plan", len(plans), _FRONT)
            if evaluate is not None:
                accuracy = evaluate(plan)
                plan = PrunedPlan(
                    counts=plan.counts,
                    network=plan.network,
                    predicted_ms=plan.predicted_ms,
                    loss=plan.loss,
                    accuracy=accuracy,
                )
                if min_accuracy is not None and accuracy < min_accuracy:
                    frozen.update(group for group in counts if counts[group] != before[group])
                    counts = before
                    estimate = plans[-1].predicted_ms
                    continue
            plans.append(plan)
            if plan.predicted_ms <= limit:
                return plans

    def _next(
        self, curves: Mapping[int, _Curve], counts: Counts, frozen: set[int]
    ) -> tuple[int, int, float] | None:
        """Return the step that saves most time per loss: group, channels, saving in ms."""
        best: tuple[int, int, float] | None = None
        best_rate = 0.0
        for group in self.groups:
            if group.id in frozen:
                continue
            curve, now = curves[group.id], counts[group.id]
            lower = [count for count in curve.candidates if count < now]
            if not lower:
                continue
            target = lower[0]
            saved = self._saving(curves, counts, group, target)
            cost = self.loss.loss(group, target) - self.loss.loss(group, now)
            rate = saved / max(cost, 1e-12)
            if saved > 0 and rate > best_rate:
                best, best_rate = (group.id, target, saved), rate
        return best

    def _saving(
        self, curves: Mapping[int, _Curve], counts: Counts, group: ChannelGroup, target: int
    ) -> float:
        """Estimate what pruning a group saves, from curves with full inputs."""
        layers = self.structure.network.layers
        now = counts[group.id]
        own = curves[group.id].at(now) - curves[group.id].at(target)
        own *= _share_of_inputs(self.structure, group, counts)
        after = 0.0
        for position in group.readers:
            (reader, *_) = self.structure.flow[position] or (group.id,)
            if reader == group.id or reader not in curves or not layers[position].macs:
                continue
            curve = curves[reader]
            producers = next(one for one in self.groups if one.id == reader).layers
            share = layers[position].macs / sum(layers[number].macs for number in producers)
            after += curve.at(counts[reader]) * share * (now - target) / group.channels
        return own + after


def _share_of_inputs(
    structure: ChannelGroups, group: ChannelGroup, counts: Mapping[int, int]
) -> float:
    """Return how many of their input channels a group's layers still read, by work."""
    layers = structure.network.layers
    sizes = {one.id: one.channels for one in structure.groups}
    left = total = 0.0
    for position in group.layers:
        layer = layers[position]
        read = [g for source in layer.inputs[:1] for g in structure.flow[source]]
        share = 1.0
        for one in read:
            share *= counts.get(one, sizes.get(one, 1)) / sizes.get(one, counts.get(one, 1))
        left += layer.macs * share
        total += layer.macs
    return left / total if total else 1.0
