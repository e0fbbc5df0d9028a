"""Fit the efficiency of cuDNN's tiles on AlexNet's layers measured on a Jetson TX1.

Every layer and batch is planned with each tile of the implicit GEMM and timed at `analytic`
without efficiencies. A fit divides each tile's time by a factor, keeps the fastest, adds our time
of the bias, and adds one constant for the timer. `gpusim/library/cudnn/calibration.yaml` holds
the result.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from gpusim.device import load_device
from gpusim.library.plan import PlanOptions, plan_layer
from gpusim.network.layers import Layer, LayerKind
from gpusim.study.layer_time import time_plan

FILE = "ck_caffe_tx1_layers.csv"
EXPERIMENT = "bvlc-alexnet-nvidia-cudnn"
DEVICE = "jetson-tx1"
TILES = (32, 64, 128)
CORRUPT_MS = 1e5


class Point(NamedTuple):
    """A measured layer and what the model says of it."""

    layer: str
    batch: int
    measured_ms: float
    tiles_ms: tuple[float, ...]
    """Of the products alone, per tile."""
    rest_ms: float


def _layer(name: str, cin: int, size: int, cout: int, kernel: int, **more: int) -> Layer:
    return Layer(
        index=0,
        name=name,
        kind=LayerKind.CONVOLUTION,
        in_channels=cin,
        in_height=size,
        in_width=size,
        out_channels=cout,
        kernel_height=kernel,
        kernel_width=kernel,
        **more,
    )


LAYERS = {
    layer.name: layer
    for layer in (
        _layer("conv1", 3, 227, 96, 11, stride=4),
        _layer("conv2", 96, 27, 256, 5, pad=2, groups=2),
        _layer("conv3", 256, 13, 384, 3, pad=1),
        _layer("conv4", 384, 13, 384, 3, pad=1, groups=2),
        _layer("conv5", 384, 13, 256, 3, pad=1, groups=2),
    )
}


def measured(measured_dir: Path) -> dict[tuple[str, int], float]:
    """Return the median ms per layer and batch of the convolutions; corrupt rows left out."""
    table = pd.read_csv(measured_dir / FILE)
    params = [json.loads(text) for text in table["params"]]
    table["layer"] = [row["layer"].split(": ")[1] for row in params]
    table["batch"] = [row["batch"] for row in params]
    wanted = np.array([row["experiment"] == EXPERIMENT for row in params])
    table = table[wanted & table["layer"].isin(list(LAYERS)) & (table["value"] < CORRUPT_MS)]
    return {
        (str(layer), int(batch)): float(value)
        for (layer, batch), value in table.groupby(["layer", "batch"])["value"].median().items()
    }


def points(times_ms: dict[tuple[str, int], float]) -> list[Point]:
    """Return the model's times of our kernels as they are, efficiencies left out."""
    device = load_device(DEVICE)
    found = []
    for (name, batch), value in times_ms.items():
        options = PlanOptions(target=DEVICE, layout="nchw", batch=batch)
        tiles, rest = {}, 0.0
        for plan in plan_layer("cudnn", LAYERS[name], options):
            if not plan.method.startswith("implicit gemm"):
                continue
            time = time_plan(replace(plan, efficiency=()), device)
            products = [one for one in time.run.launches if "scudnn" in one.kernel]
            tile = int(plan.method.rsplit("x", 1)[1])
            tiles[tile] = sum(one.duration_ps for one in products) / 1e9
            rest = time.run_ms - tiles[tile]
        found.append(Point(name, batch, value, tuple(tiles[tile] for tile in TILES), rest))
    return found


def errors(parameters: Any, given: Iterable[Point]) -> Any:
    """Return predicted / measured - 1; `parameters` are three factors of speed and a constant."""
    return np.array(
        [
            (np.min(np.divide(p.tiles_ms, parameters[:3])) + p.rest_ms + parameters[3])
            / p.measured_ms
            - 1
            for p in given
        ]
    )


def fit(given: list[Point]) -> Any:
    """Return the factors and the constant (ms) with the least mean absolute error."""

    def loss(x: Any) -> float:
        # A tile that no point uses stays at 1.
        return float(np.abs(errors([*np.exp(x[:3]), x[3]], given)).mean() + 1e-3 * abs(x[:3]).sum())

    starts = [[a, b, 0.0, 0.1] for a in (-0.1, 0.0, 0.15) for b in (-0.05, 0.05)]
    runs = [
        minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-4})
        for start in starts
    ]
    best = min(runs, key=lambda run: run.fun).x
    return np.array([*np.exp(best[:3]), best[3]])


def main() -> dict[str, Any]:
    """Fit, print the record, and return it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measured", type=Path, help="folder of the measured tables")
    given = points(measured(parser.parse_args().measured))
    best = fit(given)
    left_out = {}
    for name in LAYERS:
        others = [point for point in given if point.layer != name]
        own = [point for point in given if point.layer == name]
        left_out[name] = float(np.abs(errors(fit(others), own)).mean())
    record = {
        "efficiency": {f"128x{t}": round(float(f), 3) for t, f in zip(TILES, best, strict=False)},
        "points": len(given),
        "timer_constant_ms": round(float(best[3]), 3),
        "mean_error_before": round(float(np.abs(errors([1, 1, 1, 0], given)).mean()), 3),
        "mean_error_after": round(float(np.abs(errors(best, given)).mean()), 3),
        "worst_error_after": round(float(np.abs(errors(best, given)).max()), 3),
        "mean_error_leave_one_layer_out": round(float(np.mean(list(left_out.values()))), 3),
        "leave_one_layer_out": {name: round(value, 3) for name, value in left_out.items()},
    }
    for name, value in record.items():
        print(f"{name}: {value}")
    return record


if __name__ == "__main__":
    main()
