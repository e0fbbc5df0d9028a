"""Stairs found in sweeps that were made up so that every step has one known cause."""

from __future__ import annotations

import pytest

from gpusim.library.plan import PlanOptions
from gpusim.network.tables import load_network
from gpusim.study.stairs import find_stairs
from gpusim.study.sweep import PointJob, PointLaunch, PointTime, SweepPoint

LAYER = load_network("resnet50").layer(16)
OPTIONS = PlanOptions(target="mali-g72")


def point(channels, ms, jobs, *, kernel="gemm", method="native", bound="arithmetic"):
    """A point with one launch; jobs are (global x, local x, tasks)."""
    made = tuple(
        PointJob(
            global_size=(x, 1, 1),
            local_size=(local, 1, 1),
            duration_ps=round(ms * 1e9 / len(jobs)),
            bound=bound,
            tasks=tasks,
        )
        for x, local, tasks in jobs
    )
    launch = PointLaunch(
        kernel=kernel,
        global_size=(sum(x for x, _, _ in jobs), 1, 1),
        jobs=made,
        duration_ps=round(ms * 1e9),
    )
    return PointTime(
        point=SweepPoint(
            library="acl-gemm",
            network="resnet50",
            layer=LAYER.with_out_channels(channels),
            options=OPTIONS,
            device="mali-g72",
        ),
        method=method,
        run_ps=round(ms * 1e9),
        n_jobs=len(jobs),
        launches=(launch,),
    )


def test_two_interleaved_staircases_and_what_tells_them_apart():
    even = {4: 1.0, 8: 2.0, 12: 3.0}
    odd = {2: 1.5, 6: 2.5, 10: 3.5}
    points = [point(c, ms, [(c, 4, 100)]) for c, ms in even.items()]
    points += [point(c, ms, [(c - 1, 4, 100), (1, 1, 25)]) for c, ms in odd.items()]
    stairs = find_stairs(points)
    assert [(tread.first, tread.last, tread.staircase) for tread in stairs.treads] == [
        (2, 2, 0), (4, 4, 1), (6, 6, 0), (8, 8, 1), (10, 10, 0), (12, 12, 1),
    ]  # fmt: skip
    assert stairs.is_interleaved
    assert stairs.best == (4, 8, 12)
    assert {step.cause for step in stairs.steps} == {"job split"}
    assert stairs.steps[1].words == "gemm: one job of 4x1x1 becomes 2 jobs of 5x1x1 + 1x1x1"
    assert stairs.steps[1].factor == pytest.approx(2.5)


def test_a_tread_ends_where_the_time_leaves_its_first_point():
    # Each neighbour is within 2 % of the one before, the fourth is not within 2 % of the first.
    points = [point(1 + n, 1.0 * 1.009**n, [(4, 4, 64)]) for n in range(4)]
    stairs = find_stairs(points)
    assert [(tread.first, tread.last) for tread in stairs.treads] == [(1, 3), (4, 4)]


@pytest.mark.parametrize(
    ("below", "above", "cause"),
    [
        (([(4, 4, 64)], {}), ([(4, 4, 64)], {"method": "reshaped"}), "method"),
        (([(4, 4, 64)], {}), ([(4, 4, 64)], {"kernel": "other"}), "method"),
        (([(4, 4, 64)], {}), ([(4, 2, 64)], {}), "local size"),
        (([(8, 4, 1200)], {}), ([(9, 4, 2400)], {}), "tile"),
        # G72 has 12 cores: 24 tasks are two rounds, 25 are three.
        (([(24, 1, 24)], {}), ([(25, 1, 25)], {}), "wave"),
        (([(4, 4, 64)], {}), ([(4, 4, 64)], {"bound": "dram"}), "memory"),
    ],
)
def test_causes(below, above, cause):
    points = [
        point(channels, channels * 1.0, jobs, **options)
        for channels, (jobs, options) in ((1, below), (2, above))
    ]
    (step,) = find_stairs(points).steps
    assert step.cause == cause


def test_nothing_to_climb():
    assert find_stairs([]).best == ()
    flat = find_stairs([point(n, 1.0, [(4, 4, 64)]) for n in (1, 2, 3)])
    assert flat.steps == ()
    assert flat.best == (3,)
    assert not flat.is_interleaved
