"""Laws of the detailed model on every device: what goes in comes out, and less never helps."""

import math
from dataclasses import replace

import pytest

from gpusim.device import list_devices, load_device
from gpusim.device.quantity import Evidence
from gpusim.isa import cost_kernel
from gpusim.loops import core_run, memory_system
from gpusim.timing import detailed as detailed_model
from gpusim.timing import simulate
from gpusim.timing.detailed import KernelCode, run_detailed
from gpusim.timing.detailed_figures import read_detailed
from gpusim.timing.figures import read_gpu
from gpusim.timing.residency import residency
from tests.unit.timing import synthetic

DEVICES = {name: load_device(name) for name in list_devices()}
each_device = pytest.mark.parametrize("spec", DEVICES.values(), ids=DEVICES)


def work(spec, *, loads=2, stores=1, n=3000, trips=6, local=64, index=0):
    ir = synthetic.kernel_ir(loads=loads, stores=stores)
    launch = synthetic.launch_work(
        spec, global_size=(n, 1, 1), local_size=(local, 1, 1), trips=trips, ir=ir, index=index
    )
    return replace(launch, cost=cost_kernel(ir, spec.isa))


def run_job(spec, launch):
    """Run the first job of a launch alone; return what the cores did."""
    gpu = read_gpu(spec, Evidence())
    figures = read_detailed(spec, Evidence(), gpu.clock_khz)
    job, count = launch.jobs[0], launch.counts[0]
    code = KernelCode(count.kernel, spec.isa)
    resident = residency(
        gpu,
        group_items=job.group_items,
        registers=code.lowered.registers,
        has_barrier=count.kernel.has_barrier,
        local_bytes=0,
    )
    return run_detailed(job, count, code, figures, resident, 0), job, figures


def gpu_ps(timeline):
    return int((timeline.jobs["end_ps"] - timeline.jobs["start_ps"]).sum())


def with_figures(spec, **values):
    for path, value in values.items():
        section, name = path.split("__")
        part = getattr(spec, section)
        changed = replace(part, **{name: replace(getattr(part, name), value=value)})
        spec = replace(spec, **{section: changed})
    return spec


@each_device
@pytest.mark.parametrize(("loads", "stores"), [(2, 1), (6, 4), (0, 3)])
def test_lines_are_conserved(spec, loads, stores):
    run, job, figures = run_job(spec, work(spec, loads=loads, stores=stores))
    c = run.memory_counts
    m = memory_system
    assert run.is_full
    walked = c[m.WALKS] * figures.memory.walk_accesses
    assert c[m.L2_LOOKUPS] == c[m.L1_FILLS] + c[m.L1_WRITEBACKS] + walked
    assert c[m.TLB_LOOKUPS] == c[m.L1_MISSES] >= c[m.L1_FILLS]
    assert c[m.WALKS] <= c[m.TLB_MISSES] <= c[m.TLB_LOOKUPS]
    assert c[m.DRAM_READS] + c[m.L2_WRITEBACKS] <= 2 * c[m.L2_MISSES]
    assert c[m.DRAM_READS] <= c[m.L2_MISSES] <= c[m.L2_LOOKUPS]
    assert c[m.DRAM_WRITES] == c[m.L2_WRITEBACKS]
    rows = c[m.ROW_HITS] + c[m.ROW_MISSES] + c[m.ROW_CONFLICTS]
    assert rows == c[m.DRAM_READS] + c[m.DRAM_WRITES]
    width = figures.core.width
    units = -(-job.group_items // width) * job.n_work_groups
    assert run.counts[core_run.UNITS] == units


@each_device
def test_counters_agree_with_each_other_and_with_the_counts(spec):
    launch = work(spec)
    timeline = simulate(spec, [launch], fidelity="detailed")
    waves = simulate(spec, [launch], fidelity="wave")
    line = spec.l2.sector_bytes.value
    total = {name: int(values.sum()) for name, values in timeline.job_totals.items()}
    for name in ("warps", "work_items", "work_groups", "issue_units", "load_store"):
        assert total[name] == int(waves.job_totals[name].sum()), name
    moved = total["l2_read_bytes"] + total["l2_write_bytes"]
    assert moved == line * total["l2_lookups"]
    assert total["dram_read_bytes"] % line == 0
    assert total["dram_read_bytes"] <= line * total["l2_misses"]
    assert total["flushed_bytes"] <= total["dram_write_bytes"]
    # Three thousand floats are stored, whatever the caches do.
    assert total["dram_write_bytes"] >= 4 * 3000


@each_device
def test_an_empty_kernel_costs_the_launch(spec):
    ir = synthetic.kernel_ir(loads=0, stores=0)
    one = synthetic.launch_work(spec, global_size=(1, 1, 1), local_size=(1, 1, 1), trips=0, ir=ir)
    one = replace(one, cost=cost_kernel(ir, spec.isa))
    empty, waves = (simulate(spec, [one], fidelity=f).total_ps for f in ("detailed", "wave"))
    cycle = 1e9 / spec.core.clock_khz.value
    # Both run the same few instructions; the detailed model starts events on whole cycles.
    assert abs(empty - waves) <= cycle * (200 + spec.l2.hit_latency_cycles.value)
    assert empty >= spec.host.enqueue_ps.value + spec.host.submit_ps.value


@each_device
def test_without_caches_less_bandwidth_is_never_faster(spec):
    bare = with_figures(spec, l1__size_bytes=64, l2__size_bytes=4096)
    took = [
        gpu_ps(
            simulate(
                with_figures(bare, dram__peak_bytes_per_s=spec.dram.peak_bytes_per_s.value // k),
                [work(spec, n=2000)],
                fidelity="detailed",
            )
        )
        for k in (1, 4, 64)
    ]
    assert took == sorted(took)
    assert took[2] > 1.2 * took[0]


@each_device
def test_with_caches_twice_the_range_takes_twice_the_time(spec):
    n = 1 << 15
    took = []
    for size in (n, 2 * n):
        timeline = simulate(spec, [work(spec, n=size, trips=8)], fidelity="detailed")
        took.append(gpu_ps(timeline) - int(timeline.job_bounds_ps["launch"][0]))
    assert math.isclose(took[1], 2 * took[0], rel_tol=0.03)


@pytest.mark.parametrize(("name", "n"), [("mali-t860", 1 << 15), ("mali-g72", 1 << 17)])
def test_a_sampled_job_takes_as_long_as_in_full(name, n, monkeypatch):
    spec = DEVICES[name]
    launch = work(spec, n=n, trips=40)
    sampled, *_ = run_job(spec, launch)
    assert not sampled.is_full
    assert sampled.simulated_groups < launch.jobs[0].n_work_groups
    # Windows that may not differ at all never agree: the job runs in full.
    monkeypatch.setattr(detailed_model, "WINDOW_AGREEMENT", 0.0)
    full, *_ = run_job(spec, launch)
    assert full.is_full
    assert math.isclose(sampled.cycles, full.cycles, rel_tol=0.03)
    for index in (core_run.STEPS, core_run.ISSUE_CYCLES, core_run.ACCESSES):
        assert math.isclose(sampled.counts[index], full.counts[index], rel_tol=1e-3)
    assert sampled.counts[core_run.UNITS] == full.counts[core_run.UNITS]
    # What is first touched before the window counts only once in full.
    for index, within in ((memory_system.L1_LOOKUPS, 1e-3), (memory_system.DRAM_READS, 0.15)):
        assert math.isclose(sampled.memory_counts[index], full.memory_counts[index], rel_tol=within)


@each_device
def test_the_fidelities_agree_on_arithmetic(spec):
    launch = work(spec, loads=0, stores=0, n=1 << 15, trips=30)
    took = {
        f: gpu_ps(simulate(spec, [launch], fidelity=f)) for f in ("analytic", "wave", "detailed")
    }
    assert math.isclose(took["analytic"], took["wave"], rel_tol=0.05)
    assert 0.7 <= took["detailed"] / took["wave"] <= 1.5
