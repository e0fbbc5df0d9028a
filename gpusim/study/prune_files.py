"""A pruning plan as files: JSON and CSV to apply, and what the user's own script measured."""

from __future__ import annotations

import csv
import json
import math
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpusim.errors import GpusimError, OutputError, located
from gpusim.study.channel_groups import ChannelGroups
from gpusim.study.prune import PrunedPlan, PruneResult

_COLUMNS = ("layer", "index", "kind", "group", "in_channels", "in_before", "out_channels",
            "out_before")  # fmt: skip


def layer_rows(groups: ChannelGroups, plan: PrunedPlan) -> list[dict[str, Any]]:
    """Return one mapping per layer that has weights: its channels before and after."""
    rows = []
    for position, (before, after) in enumerate(
        zip(groups.network.layers, plan.network.layers, strict=True)
    ):
        if not before.macs:
            continue
        rows.append(
            {
                "layer": before.name,
                "index": before.index,
                "kind": before.kind.value,
                "group": groups.flow[position][0],
                "in_channels": after.in_channels,
                "in_before": before.in_channels,
                "out_channels": after.out_channels,
                "out_before": before.out_channels,
            }
        )
    return rows


def plan_document(groups: ChannelGroups, plan: PrunedPlan) -> dict[str, Any]:
    """Return a plan as a JSON object; layers of one group must drop the same channels."""
    return {
        "network": groups.network.id,
        "predicted_ms": plan.predicted_ms,
        "loss": plan.loss,
        "accuracy": plan.accuracy,
        "layers": layer_rows(groups, plan),
    }


def result_document(result: PruneResult) -> dict[str, Any]:
    """Return a result as the JSON object of ``gpusim prune --json``."""
    return {
        "device": result.device,
        "library": result.library,
        "fidelity": result.fidelity,
        "full_ms": result.full_ms,
        "budget_ms": result.budget_ms,
        "met": result.met,
        "loss_source": result.loss_source,
        "plan": plan_document(result.groups, result.plan),
        "front": [
            {
                "predicted_ms": plan.predicted_ms,
                "loss": plan.loss,
                "accuracy": plan.accuracy,
                "channels": {
                    result.groups.network.layers[group].name: count
                    for group, count in plan.counts.items()
                },
            }
            for plan in result.front
        ],
        "uninstructed": [
            {"removed": share, "predicted_ms": plan.predicted_ms, "loss": plan.loss}
            for share, plan in result.uninstructed
        ],
        "notes": list(result.notes),
    }


def write_plan(result: PruneResult, path: Path) -> None:
    """Write the plan: ``.json``, else CSV with one row per layer.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    try:
        if path.suffix.lower() == ".json":
            path.write_text(json.dumps(result_document(result), indent=2) + "\n", encoding="utf-8")
            return
        with path.open("w", encoding="utf-8", newline="") as text:
            writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(layer_rows(result.groups, result.plan))
    except OSError as error:
        raise OutputError(located(str(path), "can't write", found=error.strerror)) from None


def user_script(
    command: str, groups: ChannelGroups, *, timeout_s: float | None = None
) -> Callable[[PrunedPlan], float]:
    """Return a function that runs the user's command on a plan and reads an accuracy.

    The command gets the name of a JSON file with the plan as its last argument and prints the
    accuracy as the last word of its output.

    Parameters
    ----------
    command : str
        Split as a shell would; not run by one.
    groups : ChannelGroups
    timeout_s : float, optional
        How long it may take.
    """
    words = shlex.split(command)
    if not words:
        raise GpusimError(located("--evaluate", "empty", expected="a command"))

    def evaluate(plan: PrunedPlan) -> float:
        with TemporaryDirectory(prefix="gpusim-prune-") as folder:
            path = Path(folder) / "plan.json"
            path.write_text(json.dumps(plan_document(groups, plan), indent=2), encoding="utf-8")
            try:
                done = subprocess.run(
                    [*words, os.fspath(path)],
                    capture_output=True,
                    text=True,
                    timeout=timeout_s,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise GpusimError(located(words[0], "can't evaluate", found=str(error))) from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise GpusimError(
                located(words[0], f"failed with status {done.returncode}", found=last)
            )
        output = done.stdout.split()
        try:
            accuracy = float(output[-1]) if output else math.nan
        except ValueError:
            accuracy = math.nan
        if not math.isfinite(accuracy):
            found = output[-1] if output else "nothing"
            raise GpusimError(
                located(words[0], "no accuracy", expected="a number as the last word", found=found)
            )
        return accuracy

    return evaluate
