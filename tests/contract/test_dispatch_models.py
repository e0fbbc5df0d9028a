"""Dispatch models make the launches that the libraries make, launch by launch.

ACL: launches of v19.02 itself, run with the device reported as the GPU named: kernel, global and
local size, in order.

- ``reference/acl-captures.csv`` of the shared files: executed by PoCL.
- ``acl_launches.csv`` beside this file: v19.02 as released, linked against an OpenCL library of
  ours that reports a name (and groups of 256 work-items at most on a Mali-T, else 384) and records
  enqueues. Layers of all networks, edges of the rules, and random ones; the tuner is the library's
  static one, or a CLTuner that doesn't tune. An entry of ``prepare`` and ``run`` is a kernel with
  its global size and, if it isn't NULL, its local size.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from gpusim.errors import GpusimError
from gpusim.library.acl import launches_of
from gpusim.library.plan import PlanOptions, plan_layer
from gpusim.network.layers import Layer, LayerKind
from gpusim.network.tables import NETWORKS, load_network
from tests.conftest import need, shared_dir

TARGETS = (
    "mali-t628", "mali-t700", "mali-t860", "mali-t880-mp4", "mali-g71", "mali-g72", "mali-g51",
    "mali-g52", "mali-g76", "mali-g610",
)  # fmt: skip
ACL = ("acl", "acl-gemm", "acl-direct", "acl-winograd")


def _size(row, name):
    texts = [row[f"{name}{axis}"] for axis in range(3)]
    return tuple(map(int, texts)) if texts[0] else None


def _captures():
    path = shared_dir() / "reference" / "acl-captures.csv"
    need(path.is_file(), "the captures of ACL")
    runs = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = tuple(row[name] for name in list(row)[:13])
            runs[key].append((row["kernel"], _size(row, "gws"), _size(row, "lws")))
    return runs


def _layer(cin, height, width, kernel, stride, pad, cout, **options):
    return Layer(
        **{
            "index": 0,
            "name": "captured",
            "kind": LayerKind.CONVOLUTION,
            "in_channels": int(cin),
            "in_height": int(height),
            "in_width": int(width),
            "out_channels": int(cout),
            "kernel_height": int(kernel),
            "kernel_width": int(kernel),
            "stride": int(stride),
            "pad": int(pad),
            **options,
        }
    )


def test_acl_equals_its_captures():
    runs = _captures()
    assert sum(map(len, runs.values())) == 96
    for key, expected in runs.items():
        _, *shape, method, layout, tuner, device, batch = key
        options = PlanOptions(
            target=device.lower(),
            layout=layout.lower(),
            batch=int(batch),
            tuner="none" if tuner.startswith("CLTuner") else "static",
        )
        (plan,) = plan_layer(f"acl-{method}", _layer(*shape), options)
        launches = [launch for _, launch in plan.launches]
        made = [(launch.kernel, launch.global_size, launch.local_size) for launch in launches]
        assert made == expected, key
        assert plan.method == method


KINDS = {
    "fc": LayerKind.FULLY_CONNECTED,
    "pool": LayerKind.POOLING,
    "avgpool": LayerKind.POOLING,
    "add": LayerKind.ELEMENTWISE,
}
RECORDED = Path(__file__).with_name("acl_launches.csv")


def _entries(text):
    for entry in filter(None, text.split(";")):
        kernel, *sizes = entry.split()
        numbers = tuple(map(int, sizes))
        yield kernel, numbers[:3], numbers[3:] or None


def _recorded_layer(row):
    def axes(*names):
        return tuple(int(row[name]) for name in names)

    channels = int(row["cin"])
    return _layer(
        channels,
        row["h"],
        row["w"],
        row["kh"],
        row["stride_y"],
        row["top"],
        row["cout"],
        kernel_width=int(row["kw"]),
        dilation=int(row["dilation_y"]),
        stride_yx=axes("stride_y", "stride_x"),
        dilation_yx=axes("dilation_y", "dilation_x"),
        pad_sides=axes("top", "left", "bottom", "right"),
        groups=channels if row["method"] == "dw" else int(row["groups"]),
        kind=KINDS.get(row["method"], LayerKind.CONVOLUTION),
    )


def test_acl_equals_the_library_on_every_recorded_layer():
    with RECORDED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 1500
    assert {row["device"] for row in rows} >= {"G71", "G72", "G51", "G52", "G76", "G610", "T628"}
    for row in rows:
        method = row["method"] if row["method"] in ("gemm", "direct", "winograd") else ""
        options = PlanOptions(
            target=f"mali-{row['device'].lower()}",
            layout=row["layout"],
            dtype=row["dtype"],
            batch=int(row["batch"]),
            tuner=row["tuner"],
            bias=row["bias"] == "1",
        )
        launches = launches_of(f"acl-{method}" if method else "acl", _recorded_layer(row), options)
        for phase in ("prepare", "run"):
            made = [
                (step.kernel, step.global_size, step.local_size)
                for step in launches.steps
                if step.phase == phase
            ]
            assert made == list(_entries(row[phase])), row


@pytest.mark.parametrize("library", ACL)
def test_every_layer_of_every_network_plans_on_every_target(library):
    for network in map(load_network, NETWORKS):
        for layer in network.layers:
            for target in TARGETS:
                for layout in ("nhwc", "nchw"):
                    options = PlanOptions(target=target, layout=layout)
                    (plan,) = plan_layer(library, layer, options)
                    assert any(phase == "run" for phase, _ in plan.launches)


@pytest.mark.parametrize("library", ACL)
def test_an_unknown_target_is_one_clear_line(library):
    with pytest.raises(GpusimError, match=r"target: .*expected a Mali.*found jetson-tx2") as caught:
        plan_layer(library, _layer(16, 8, 8, 3, 1, 1, 16), PlanOptions(target="jetson-tx2"))
    assert "\n" not in str(caught.value)
