"""Apply a plan of ``gpusim prune -o plan.json`` to a network's weights: an example to adapt.

    python analysis/apply_prune_plan.py plan.json weights.npz pruned.npz

``weights.npz`` holds, per layer of the plan, an array ``LAYER.weight`` of shape (out, in, ...) and
perhaps ``LAYER.bias`` of shape (out,). The channels with the smallest L1 norm are dropped; layers
of one group drop the same ones, by the sum of their norms, and every layer that reads them drops
the matching inputs. Fine-tune afterwards; then print the accuracy as the last word and this
script's likes can serve as ``gpusim prune --evaluate``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = dict[str, npt.NDArray[Any]]


def kept_channels(plan: Mapping[str, Any], weights: Weights) -> dict[int, npt.NDArray[np.int64]]:
    """Return, per group, the output channels that stay, ascending."""
    norms: dict[int, npt.NDArray[np.float64]] = {}
    counts: dict[int, int] = {}
    for row in plan["layers"]:
        array = np.abs(weights[f"{row['layer']}.weight"])
        norm = array.reshape(array.shape[0], -1).sum(axis=1, dtype=np.float64)
        norms[row["group"]] = norms.get(row["group"], 0.0) + norm
        counts[row["group"]] = row["out_channels"]
    return {
        group: np.sort(np.argsort(-norm, kind="stable")[: counts[group]])
        for group, norm in norms.items()
    }


def apply(plan: Mapping[str, Any], weights: Weights) -> Weights:
    """Return the pruned weights; a layer's inputs follow the layer before it in the plan.

    A chain of layers only: where a network branches, give each layer's source yourself.
    """
    kept = kept_channels(plan, weights)
    pruned = dict(weights)
    before: npt.NDArray[np.int64] | None = None
    for row in plan["layers"]:
        name, own = row["layer"], kept[row["group"]]
        weight = weights[f"{name}.weight"][own]
        if before is not None and row["in_channels"] != row["in_before"]:
            per_channel = row["in_channels"] // len(before)
            columns = (before[:, None] * per_channel + np.arange(per_channel)).ravel()
            weight = weight[:, columns]
        pruned[f"{name}.weight"] = weight
        if f"{name}.bias" in weights:
            pruned[f"{name}.bias"] = weights[f"{name}.bias"][own]
        before = own
    return pruned


def main() -> None:
    """Read the plan and the weights, write the pruned weights."""
    plan_file, weights_file, out_file = sys.argv[1:4]
    document = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    plan = document.get("plan", document)
    with np.load(weights_file) as arrays:
        weights = dict(arrays)
    pruned = apply(plan, weights)
    np.savez(out_file, **pruned)
    before, after = (sum(array.size for array in one.values()) for one in (weights, pruned))
    print(f"{before} weights -> {after}")


if __name__ == "__main__":
    main()
