"""Laws that a timing model of any device must obey, at every fidelity."""

import math
from dataclasses import replace

import numpy as np
import pytest

from gpusim.device import list_devices, load_device
from gpusim.isa import cost_kernel
from gpusim.timing import SimulationOptions, simulate
from tests.unit.timing import synthetic

SYNTHETIC = {
    "bifrost": synthetic.device("bifrost"),
    "midgard": synthetic.device("midgard"),
    "pascal": synthetic.device(
        "pascal",
        core__warp_width=32,
        core__registers=65536,
        core__max_threads={255: 2048},
        core__local_memory_bytes=65536,
        policy__job_split="none",
    ),
}


DEVICES = SYNTHETIC | {name: load_device(name) for name in list_devices()}
each_device = pytest.mark.parametrize("spec", DEVICES.values(), ids=DEVICES)
each_fidelity = pytest.mark.parametrize("fidelity", ["analytic", "wave"])

KERNELS = {
    "arithmetic": {"trips": 200},
    "streaming": {
        "ir": synthetic.kernel_ir(loads=8, stores=4),
        "cost": synthetic.kernel_cost(issue=4, load_store=12),
        "trips": 4,
    },
    "barrier": {"ir": synthetic.kernel_ir(has_barrier=True), "trips": 20},
    "uneven": {"class_factors": (1, 1, 5), "trips": 20},
}
each_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


def gpu_ps(timeline):
    """Time on the GPU, without host and interrupts."""
    return int((timeline.jobs["end_ps"] - timeline.jobs["start_ps"]).sum())


def work(spec, kernel, n=65536, **rest):
    return synthetic.launch_work(
        spec, global_size=(n, 1, 1), local_size=(64, 1, 1), **kernel | rest
    )


@each_device
@each_fidelity
@each_kernel
@pytest.mark.parametrize("n", [64, 65600])
def test_no_job_is_faster_than_any_of_its_bounds(spec, fidelity, kernel, n):
    timeline = simulate(spec, [work(spec, kernel, n)], fidelity=fidelity)
    took = timeline.jobs["end_ps"] - timeline.jobs["start_ps"]
    for name, bound in timeline.job_bounds_ps.items():
        assert (took >= bound - 10).all(), name


@each_device
@each_fidelity
@pytest.mark.parametrize("k", [2, 5, 0.5])
def test_scaling_clocks_and_fixed_times_scales_the_result(spec, fidelity, k):
    kernels = [work(spec, kernel, 5000, index=i) for i, kernel in enumerate(KERNELS.values())]
    before = simulate(spec, kernels, fidelity=fidelity).total_ps
    after = simulate(synthetic.scaled(spec, k), kernels, fidelity=fidelity).total_ps
    assert math.isclose(after * k, before, rel_tol=1e-6)


@each_device
@each_fidelity
def test_an_empty_kernel_costs_the_launch(spec, fidelity):
    empty = synthetic.kernel_cost(issue=0, load_store=0)
    ir = synthetic.kernel_ir(loads=0, stores=0)
    one = synthetic.launch_work(
        spec, global_size=(1, 1, 1), local_size=(1, 1, 1), ir=ir, cost=empty, trips=0
    )
    timeline = simulate(spec, [one], fidelity=fidelity)
    host, manager = spec.host, spec.job_manager
    cycle = 1e9 / spec.core.clock_khz.value
    accesses = host.mmio_writes_per_submit.value + host.mmio_reads_per_submit.value
    created = spec.core.warp_width.value / spec.core.thread_create_per_cycle.value
    fixed = (
        host.enqueue_ps.value
        + host.submit_ps.value
        + accesses * host.mmio_access_ps.value
        + manager.descriptor_fetch_ps.value
        + cycle
        * (
            manager.cache_flush_fixed_cycles.value
            + manager.task_dispatch_cycles.value
            + manager.task_start_cycles.value
        )
        + host.interrupt_ps.value
        + host.wakeup_ps.value
    )
    # On top: starting the one work-item, or handing out the one task.
    least = cycle * max(created, 0)
    most = cycle * (created + spec.core.n_shader_cores.value * manager.task_dispatch_cycles.value)
    assert fixed - 10 <= timeline.total_ps <= fixed + least + most + 10


@each_device
@each_fidelity
def test_equal_input_gives_equal_bytes(spec, fidelity):
    kernels = [work(spec, kernel, 3000, index=i) for i, kernel in enumerate(KERNELS.values())]
    a, b = (simulate(spec, kernels, fidelity=fidelity) for _ in range(2))
    assert a.spans.tobytes() == b.spans.tobytes()
    assert a.jobs.tobytes() == b.jobs.tobytes()
    assert (a.total_ps, a.counters, a.names) == (b.total_ps, b.counters, b.names)


def with_figure(spec, path, value):
    section, name = path.split(".")
    part = getattr(spec, section)
    quantity = replace(getattr(part, name), value=value)
    return replace(spec, **{section: replace(part, **{name: quantity})})


SLOWER = {
    "clock": lambda s: with_figure(s, "core.clock_khz", s.core.clock_khz.value * 3 // 4),
    "cores": lambda s: with_figure(
        s, "core.n_shader_cores", max(1, s.core.n_shader_cores.value - 1)
    ),
    "bandwidth": lambda s: with_figure(
        s, "dram.peak_bytes_per_s", s.dram.peak_bytes_per_s.value // 3
    ),
}


@each_device
@each_fidelity
@each_kernel
@pytest.mark.parametrize("change", SLOWER)
@pytest.mark.parametrize("n", [5000, 70000])
def test_never_faster_with_less(spec, fidelity, kernel, change, n):
    slower = SLOWER[change](spec)
    launch = work(spec, kernel, n)
    before = gpu_ps(simulate(spec, [launch], fidelity=fidelity))
    after = gpu_ps(simulate(slower, [launch], fidelity=fidelity))
    assert after >= before - 10


@each_device
@each_fidelity
@each_kernel
def test_twice_the_range_takes_twice_the_time(spec, fidelity, kernel):
    n = 1 << 23
    once = gpu_ps(simulate(spec, [work(spec, kernel, n)], fidelity=fidelity))
    twice = gpu_ps(simulate(spec, [work(spec, kernel, 2 * n)], fidelity=fidelity))
    assert math.isclose(twice, 2 * once, rel_tol=0.02)


@each_device
@each_kernel
def test_analytic_and_wave_agree_on_large_launches(spec, kernel):
    launch = work(spec, kernel, 1 << 19)
    a, w = (gpu_ps(simulate(spec, [launch], fidelity=f)) for f in ("analytic", "wave"))
    assert math.isclose(a, w, rel_tol=0.03)


@each_device
@each_fidelity
def test_a_lower_clock_option_is_a_lower_clock(spec, fidelity):
    clock = spec.core.clock_khz.value
    launch = work(spec, KERNELS["arithmetic"])
    options = SimulationOptions(clock_khz=clock // 2)
    changed = simulate(spec, [launch], fidelity=fidelity, options=options)
    model = simulate(with_figure(spec, "core.clock_khz", clock // 2), [launch], fidelity=fidelity)
    assert changed.total_ps == model.total_ps


@each_device
def test_no_core_is_occupied_twice_and_none_beyond_its_job(spec):
    kernels = [work(spec, kernel, 3000, index=i) for i, kernel in enumerate(KERNELS.values())]
    timeline = simulate(spec, kernels, fidelity="wave")
    n_cores = spec.core.n_shader_cores.value
    jobs = timeline.jobs
    for number, track in enumerate(timeline.tracks):
        spans = timeline.spans[timeline.spans["track"] == number]
        if track != "dram":
            assert (spans["start_ps"][1:] >= spans["end_ps"][:-1]).all(), track
        if track.startswith("shader_core"):
            assert int(track[12:-1]) < n_cores
            for span in spans:
                inside = (jobs["start_ps"] <= span["start_ps"]) & (span["end_ps"] <= jobs["end_ps"])
                assert np.count_nonzero(inside) >= 1


# The detailed model issues real code, so its kernels have the costs of the device's own ISA; they
# are small, for it looks at every step.


def detailed_work(spec, *, loads, stores, n, index=0, trips=6):
    ir = synthetic.kernel_ir(loads=loads, stores=stores)
    work = synthetic.launch_work(
        spec, global_size=(n, 1, 1), local_size=(64, 1, 1), trips=trips, ir=ir, index=index
    )
    return replace(work, cost=cost_kernel(ir, spec.isa))


def detailed(spec, works):
    return simulate(spec, works, fidelity="detailed")


@each_device
def test_detailed_is_never_faster_than_a_bound_and_repeats_itself(spec):
    works = [
        detailed_work(spec, loads=loads, stores=stores, n=n, index=i)
        for i, (loads, stores, n) in enumerate([(0, 0, 64), (2, 1, 2000), (6, 3, 4096)])
    ]
    timeline, again = detailed(spec, works), detailed(spec, works)
    took = timeline.jobs["end_ps"] - timeline.jobs["start_ps"]
    for name, bound in timeline.job_bounds_ps.items():
        assert (took >= bound - 10).all(), name
    assert timeline.spans.tobytes() == again.spans.tobytes()
    assert (timeline.total_ps, timeline.counters) == (again.total_ps, again.counters)


@each_device
@pytest.mark.parametrize("k", [2, 0.5])
def test_detailed_scales_with_clocks_and_fixed_times(spec, k):
    works = [detailed_work(spec, loads=2, stores=1, n=2000)]
    before = detailed(spec, works).total_ps
    after = detailed(synthetic.scaled(spec, k), works).total_ps
    # Events lie on whole cycles, and times from the model in ps may round to either side of one.
    assert math.isclose(after * k, before, rel_tol=2e-3)


@each_device
@pytest.mark.parametrize("change", ["clock", "cores"])
def test_detailed_without_caches_is_never_faster_with_less(spec, change):
    slower = SLOWER[change](spec)
    kernel = {"loads": 0, "stores": 0, "n": 5000, "trips": 20}
    before = gpu_ps(detailed(spec, [detailed_work(spec, **kernel)]))
    after = gpu_ps(detailed(slower, [detailed_work(slower, **kernel)]))
    assert after >= before - 10


@each_device
def test_detailed_takes_twice_the_time_for_twice_the_range(spec):
    n = 1 << 15
    took = []
    for size in (n, 2 * n):
        timeline = detailed(spec, [detailed_work(spec, loads=0, stores=0, n=size, trips=30)])
        took.append(gpu_ps(timeline) - int(timeline.job_bounds_ps["launch"][0]))
    assert math.isclose(took[1], 2 * took[0], rel_tol=0.02)
