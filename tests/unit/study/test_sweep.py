"""Sweeps: collapsed points equal single ones, in one process, in several, on a cluster."""

from __future__ import annotations

import math

import pytest

from gpusim.device import load_device
from gpusim.errors import GpusimError
from gpusim.library.plan import PlanOptions
from gpusim.network.tables import load_network
from gpusim.study.layer_time import time_layer
from gpusim.study.sweep import channel_points, sweep, to_dataframe

OPTIONS = PlanOptions(target="mali-g72")
LAYER = load_network("resnet50").layer(16)


def points(channels, **changes):
    chosen = {"libraries": ["acl-gemm"], "devices": ["mali-g72"], "options": [OPTIONS]}
    return channel_points("resnet50", [LAYER], channels, **(chosen | changes))


@pytest.fixture(scope="module")
def ninety():
    return sweep(points(range(89, 99)), processes=1)


def test_counts_with_the_same_launches_share_a_time(ninety):
    by_channels = {time.point.layer.out_channels: time for time in ninety}
    assert by_channels[93].run_ps == by_channels[96].run_ps
    # The direction that the paper reports: 92 and 97 channels are slower than 93 to 96.
    assert by_channels[92].run_ps > by_channels[93].run_ps
    assert by_channels[97].run_ps > by_channels[96].run_ps
    assert (by_channels[92].n_jobs, by_channels[96].n_jobs, by_channels[97].n_jobs) == (3, 2, 3)


def test_the_point_that_stands_for_a_group_is_timed_like_a_layer(ninety):
    alone = time_layer(
        "acl-gemm", LAYER.with_out_channels(96), OPTIONS, load_device("mali-g72"), prepare=False
    )
    assert ninety[7].point.layer.out_channels == 96
    assert ninety[7].run_ps == alone.run_ps


def test_the_points_of_a_group_differ_little_when_simulated_one_by_one(ninety):
    for time in ninety:
        alone = time_layer(
            "acl-gemm", time.point.layer, OPTIONS, load_device("mali-g72"), prepare=False
        )
        assert time.run_ps == pytest.approx(alone.run_ps, rel=0.03)


def test_a_pool_returns_what_one_process_does(ninety):
    assert sweep(points(range(89, 99)), processes=2) == ninety


def test_two_workers_of_a_cluster_return_what_one_process_does(ninety):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        host="127.0.0.1",
    ) as cluster:
        assert sweep(points(range(89, 99)), cluster=cluster.scheduler_address) == ninety


def test_a_cluster_that_is_not_there_is_named():
    pytest.importorskip("distributed")
    with pytest.raises(GpusimError, match=r"cluster nowhere.*out of reach"):
        sweep(points([16]), cluster="nowhere")


def test_a_point_without_a_plan_says_why_and_loses_no_other():
    times = sweep(
        [*points([16]), *points([16], libraries=["clblast"])],
        processes=1,
    )
    assert times[0].run_ps > 0
    assert "nchw" in times[1].failure
    assert math.isnan(times[1].predicted_ms)
    frame = to_dataframe(times)
    assert list(frame.columns[:8]) == [
        "device", "library", "network", "layer", "channels", "predicted_ms", "jobs", "launches",
    ]  # fmt: skip


def test_a_lower_clock_and_another_local_size_are_points_of_their_own():
    clocks = sweep(points([96], clocks_khz=[None, 300_000]), processes=1)
    assert clocks[1].run_ps > clocks[0].run_ps
    locals_ = sweep(points([96], local_sizes=[None, (1, 1, 1)]), processes=1)
    assert locals_[1].launches[-1].jobs[0].local_size == (1, 1, 1)
    assert locals_[1].run_ps > locals_[0].run_ps


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"fidelity": "exact"}, "fidelity"), ({"clocks_khz": [-1]}, "clock")],
)
def test_options_that_are_none_are_refused(changes, words):
    with pytest.raises(GpusimError, match=words):
        sweep(points([16], **changes))
    with pytest.raises(GpusimError, match="processes"):
        sweep(points([16]), processes=0)
