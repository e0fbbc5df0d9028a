import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.device.quantity import Evidence
from gpusim.errors import DeviceError
from gpusim.timing import BOUNDS, SimulationOptions, simulate
from gpusim.timing.demand import MAX_SEGMENTS, THROUGHPUT, launch_demand
from gpusim.timing.figures import read_gpu
from tests.unit.timing import synthetic


def demand_of(spec, **rest):
    work = synthetic.launch_work(spec, **rest)
    return work, launch_demand(work, read_gpu(spec, Evidence()))


@given(
    n_groups=st.integers(1, 200),
    factors=st.lists(st.integers(0, 9), min_size=1, max_size=5).map(tuple),
)
def test_segments_add_up_to_the_work_of_every_group(n_groups, factors):
    spec = synthetic.device()
    work, (demand,) = demand_of(
        spec, global_size=(n_groups * 8, 1, 1), local_size=(8, 1, 1), class_factors=factors
    )
    (count,) = work.counts
    assert demand.segments["n_groups"].sum() == n_groups
    assert len(demand.segments) <= max(MAX_SEGMENTS, len(count.class_runs))
    # Oracle: add up the groups one by one. Warps of 4, so a group of 8 runs 2 of them.
    issue = 0.0
    for c, n in count.class_runs:
        for _ in range(n):
            issue += sum(
                count.class_blocks[c, b] / 4 * work.cost.blocks["issue_cycles"][b] for b in range(3)
            )
    cycle_ps = 2000
    total = float(demand.segments["n_groups"] @ demand.segments["arithmetic"])
    assert total == pytest.approx(issue / 2 * cycle_ps)
    longest = 2 * max(factors[c] for c in count.class_runs[:, 0]) * 10 * (80 + 60) * cycle_ps / 2
    assert demand.segments["longest"].max() >= longest


@pytest.mark.parametrize(("items", "warps"), [(1, 1), (3, 1), (4, 1), (5, 2), (64, 16)])
def test_a_partly_filled_warp_issues_like_a_full_one(items, warps):
    spec = synthetic.device()
    _, (demand,) = demand_of(spec, global_size=(items, 1, 1), local_size=(items, 1, 1), trips=1)
    assert demand.work.warps == warps
    assert demand.work.issue_units == 10 * warps


def test_midgard_issues_per_work_item():
    _, (demand,) = demand_of(
        synthetic.device("midgard"), global_size=(5, 1, 1), local_size=(5, 1, 1), trips=1
    )
    assert demand.work.issue_units == 50
    assert demand.work.warps == 0


def test_small_groups_share_a_task():
    _, (demand,) = demand_of(synthetic.device(), global_size=(4 * 100, 1, 1), local_size=(4, 1, 1))
    assert demand.work.tasks == 13


def test_joined_regions_are_one_submission_with_one_time():
    spec = synthetic.device(policy__job_split="none")
    work = synthetic.launch_work(spec, global_size=(70, 3, 1), local_size=(32, 2, 1))
    assert len(work.jobs) == 4
    timeline = simulate(spec, [work])
    assert timeline.counters["driver.jobs"] == 1
    assert len(timeline.jobs) == 4
    assert len(np.unique(timeline.jobs["start_ps"])) == 1
    split = simulate(synthetic.device(), [work_as_jobs(70, 3)])
    assert split.counters["driver.jobs"] == 4
    assert split.total_ps > timeline.total_ps


def work_as_jobs(x, y):
    return synthetic.launch_work(synthetic.device(), global_size=(x, y, 1), local_size=(32, 2, 1))


def test_the_second_job_of_an_uneven_launch_costs_time():
    # The split published for Mali-G72: 25 columns in groups of 4 run as 24 + 1.
    spec = synthetic.device()
    even = synthetic.launch_work(spec, global_size=(24, 196, 1), local_size=(4, 1, 1))
    uneven = synthetic.launch_work(spec, global_size=(25, 196, 1), local_size=(4, 1, 1))
    times = {}
    for work in (even, uneven):
        timeline = simulate(spec, [work])
        times[len(timeline.jobs)] = int(timeline.jobs["end_ps"][-1] - timeline.jobs["start_ps"][0])
    assert set(times) == {1, 2}
    assert times[2] > times[1]


def test_counters_add_up():
    spec = synthetic.device()
    works = [synthetic.launch_work(spec, index=i, global_size=(70 + i, 2, 1)) for i in range(3)]
    timeline = simulate(spec, works)
    counted = timeline.counters
    jobs = [job for work in works for job in work.jobs]
    assert counted["JS1_JOBS"] == len(jobs) == len(timeline.jobs)
    assert counted["COMPUTE_WARPS"] == sum(
        -(-job.group_items // 4) * job.n_work_groups for job in jobs
    )
    assert counted["driver.register_writes"] == 7 * len(jobs)
    assert counted["driver.interrupt_accesses"] == 5 * counted["driver.interrupts"]
    busy = (timeline.jobs["end_ps"] - timeline.jobs["start_ps"]).sum() / 2000
    assert counted["GPU_ACTIVE"] == pytest.approx(busy, abs=1)
    assert counted["COMPUTE_ACTIVE"] <= 4 * counted["GPU_ACTIVE"]
    assert counted["L2_EXT_READ_BEATS"] <= len(jobs) * 2 * 4096 // 16


def test_bound_is_the_largest_of_the_bounds():
    spec = synthetic.device()
    cost = synthetic.kernel_cost(issue=1, load_store=50)
    timeline = simulate(spec, [synthetic.launch_work(spec, global_size=(65536, 1, 1), cost=cost)])
    assert BOUNDS[timeline.jobs["bound"][0]] == "load_store"
    assert set(timeline.job_bounds_ps) == set(BOUNDS)
    assert set(THROUGHPUT) < set(BOUNDS)


def test_evidence_lists_what_was_read():
    spec = synthetic.device()
    timeline = simulate(spec, [synthetic.launch_work(spec)])
    assert timeline.evidence["assumed"] == len(timeline.fitted_and_assumed)
    assert "core.clock_khz" in timeline.fitted_and_assumed
    # A figure that only finer models read does not count.
    assert "dram.n_banks" not in timeline.fitted_and_assumed


def test_wrong_choices_are_refused_in_one_line():
    spec = synthetic.device()
    with pytest.raises(DeviceError, match="analytic or wave"):
        simulate(spec, [], fidelity="exact")
    with pytest.raises(DeviceError, match="clock"):
        simulate(spec, [], options=SimulationOptions(clock_khz=0))


@pytest.mark.parametrize("n_groups", [64, 4096, 1 << 18])
def test_events_do_not_grow_with_the_number_of_groups(n_groups):
    spec = synthetic.device()
    work = synthetic.launch_work(
        spec, global_size=(n_groups, 1, 1), local_size=(1, 1, 1), class_factors=(1, 2, 3)
    )
    assert simulate(spec, [work]).n_events <= 40 + 4 * spec.core.n_shader_cores.value * MAX_SEGMENTS
