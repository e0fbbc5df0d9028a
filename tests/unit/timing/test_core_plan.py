import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.device.quantity import Evidence
from gpusim.timing.core_plan import plan_cores, segment_rates
from gpusim.timing.demand import launch_demand
from gpusim.timing.figures import read_gpu
from gpusim.timing.residency import residency, threads_per_core
from tests.unit.timing import synthetic


def demand_of(spec, **rest):
    figures = read_gpu(spec, Evidence())
    (demand,) = launch_demand(synthetic.launch_work(spec, **rest), figures)
    return demand, figures


@given(
    n_groups=st.integers(1, 500),
    local=st.sampled_from([1, 3, 8, 32, 64]),
    factors=st.sampled_from([(1,), (1, 3), (1, 1, 7)]),
)
def test_every_group_runs_exactly_once(n_groups, local, factors):
    demand, figures = demand_of(
        synthetic.device(),
        global_size=(n_groups * local, 1, 1),
        local_size=(local, 1, 1),
        class_factors=factors,
    )
    plans = plan_cores(demand, figures)
    assert sum(plan.n_groups for plan in plans) == n_groups
    dealt = sum(portion.n_groups for plan in plans for portion in plan.portions)
    assert dealt == pytest.approx(n_groups, abs=1e-6)
    for plan in plans:
        assert plan.n_groups == pytest.approx(sum(p.n_groups for p in plan.portions), abs=1e-6)
    # Tasks of 32 work-items: no core has more than one task above its even share.
    per_task = max(1, 32 // local)
    n_tasks = sum(-(-int(n) // per_task) for n in demand.segments["n_groups"])
    most = -(-n_tasks // figures.n_cores) * per_task
    assert max(plan.n_groups for plan in plans) <= most


def lockstep_ps(n_units, resident, unit_ps, latency):
    """Oracle: start a full core of units, wait for all of them, start the next."""
    total = 0.0
    while n_units > 0:
        batch = min(n_units, resident)
        total += max(latency, batch * unit_ps(batch))
        n_units -= batch
    return total


@given(n_groups=st.integers(1, 300), trips=st.integers(1, 30), registers=st.sampled_from([4, 16]))
def test_one_core_takes_the_time_of_its_waves(n_groups, trips, registers):
    spec = synthetic.device(core__n_shader_cores=1)
    demand, figures = demand_of(
        spec,
        global_size=(n_groups * 64, 1, 1),
        trips=trips,
        cost=synthetic.kernel_cost(registers=registers),
        buffer_bytes=64,
    )
    (plan,) = plan_cores(demand, figures)
    (rate,) = segment_rates(demand, figures)
    took = sum(portion.duration_ps for portion in plan.portions)
    expected = lockstep_ps(
        n_groups * rate.units_per_group, rate.resident_units, rate.unit_ps, rate.longest_ps
    )
    assert took == pytest.approx(expected, rel=1e-9)


def test_the_tail_costs_a_latency():
    spec = synthetic.device(core__n_shader_cores=1)
    cost = synthetic.kernel_cost(issue=1, load_store=0)
    cost.blocks["latency_cycles"][1] = 1000
    kernel = {"cost": cost, "ir": synthetic.kernel_ir(loads=0, stores=0), "local_size": (64, 1, 1)}
    full = demand_of(spec, global_size=(256, 1, 1), **kernel)
    one_more = demand_of(spec, global_size=(260, 1, 1), local_size=(4, 1, 1), cost=cost)
    (a,), (b,) = plan_cores(*full), plan_cores(*one_more)
    full_ps = sum(p.duration_ps for p in a.portions)
    more_ps = sum(p.duration_ps for p in b.portions)
    # 256 work-items fill the core; four more take another round of the dependent chain.
    assert more_ps >= 1.9 * full_ps


def figures_of(**changes):
    family = changes.pop("family", "bifrost")
    return read_gpu(synthetic.device(family, **changes), Evidence())


def test_threads_follow_the_register_table():
    figures = figures_of()
    assert [threads_per_core(figures, r) for r in (1, 4, 5, 8, 9, 16, 99)] == [
        256, 256, 128, 128, 64, 64, 64,
    ]  # fmt: skip


def test_register_file_limits_threads_in_steps_of_eight():
    figures = figures_of(
        core__registers=65536, core__register_granule=8, core__max_threads={255: 2048}
    )
    assert threads_per_core(figures, 32) == 2048
    assert threads_per_core(figures, 33) == 65536 // 40


def group(figures, items, **rest):
    arguments = {"registers": 4, "has_barrier": False, "local_bytes": 0} | rest
    return residency(figures, group_items=items, **arguments)


def test_without_a_barrier_mali_counts_threads_or_warps():
    midgard = figures_of(family="midgard")
    assert group(midgard, 96).resident_units == 256
    assert group(midgard, 96).units_per_group == 96
    bifrost = figures_of()
    assert group(bifrost, 6).units_per_group == 2
    assert group(bifrost, 96).resident_units == 64


def test_with_a_barrier_only_whole_groups_are_resident():
    midgard = figures_of(family="midgard")
    resident = group(midgard, 96, has_barrier=True)
    assert resident.whole_groups
    assert resident.resident_units == 192
    nvidia = figures_of(family="pascal", core__warp_width=32, core__max_threads={255: 2048})
    assert group(nvidia, 96).whole_groups
    assert group(nvidia, 96).resident_units == 21 * 3


def test_on_chip_local_memory_limits_groups():
    figures = figures_of(family="pascal", core__local_memory_bytes=65536)
    assert group(figures, 32, local_bytes=30_000).resident_units == 2 * 8
    assert group(figures_of(), 32, has_barrier=True, local_bytes=30_000).resident_units == 64


def test_a_group_that_cannot_fit_is_timed_alone_and_says_so():
    midgard = figures_of(family="midgard")
    resident = group(midgard, 256, registers=16, has_barrier=True)
    assert resident.resident_units == 256
    assert "exceeds a core" in resident.note
