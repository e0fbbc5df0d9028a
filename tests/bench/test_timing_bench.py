"""How fast the timing models are: launches per second, work-groups per second, events."""

from dataclasses import replace

import numpy as np
import pytest

from gpusim.device import load_device
from gpusim.device.quantity import Evidence
from gpusim.isa import cost_kernel
from gpusim.timing import SimulationOptions, simulate
from gpusim.timing.analytic import job_durations
from gpusim.timing.command_order import CommandOrder
from gpusim.timing.demand import launch_demand
from gpusim.timing.figures import read_gpu, read_host
from gpusim.timing.program import host_program
from tests.unit.timing import synthetic

SPEC = synthetic.device(core__n_shader_cores=12)
N_LAUNCHES = 2000


@pytest.fixture(scope="module")
def launches():
    return [
        synthetic.launch_work(SPEC, index=i, global_size=(1024 + 64 * (i % 50), 4, 1))
        for i in range(N_LAUNCHES)
    ]


def test_analytic_rate_once_counted(benchmark, launches):
    """Design goal: at least 50,000 launches/s from demands to times."""
    evidence = Evidence()
    gpu, host = read_gpu(SPEC, evidence), read_host(SPEC, evidence)
    demands = [launch_demand(work, gpu)[0] for work in launches]
    steps = host_program(launches, ())

    def analytic():
        durations = job_durations(demands, gpu)
        order = CommandOrder(gpu, host, warm=True)
        return order.run(steps, durations.tolist(), [1] * len(demands))

    schedule = benchmark(analytic)
    assert len(schedule.job_end_ps) == N_LAUNCHES
    if benchmark.stats is not None:
        benchmark.extra_info["launches_per_s"] = N_LAUNCHES / benchmark.stats["mean"]


def test_analytic_rate_from_counts(benchmark, launches):
    timeline = benchmark(lambda: simulate(SPEC, launches, fidelity="analytic"))
    assert len(timeline.jobs) == N_LAUNCHES


@pytest.mark.parametrize("n_groups", [1 << 10, 1 << 20])
def test_wave_rate_in_work_groups(benchmark, n_groups):
    """Design goal: at least 1 M work-groups/s inside a job, at most 50 ms per launch."""
    work = synthetic.launch_work(SPEC, global_size=(n_groups * 4, 1, 1), local_size=(4, 1, 1))
    timeline = benchmark(lambda: simulate(SPEC, [work], fidelity="wave"))
    assert timeline.n_events <= 40 + 8 * 12
    if benchmark.stats is not None:
        benchmark.extra_info["groups_per_s"] = n_groups / benchmark.stats["mean"]


def test_wave_rate_in_launches(benchmark, launches):
    some = launches[:200]
    timeline = benchmark(lambda: simulate(SPEC, some, options=SimulationOptions()))
    assert timeline.n_events <= 150 * len(some)


@pytest.mark.parametrize("name", ["mali-t860", "mali-g72", "jetson-nano"])
def test_detailed_rate_in_thread_instructions(benchmark, name):
    """Design goal: at least 4 M thread-instructions/s for a core simulated; here it is one core."""
    whole = load_device(name)
    one = replace(whole.core.n_shader_cores, value=1)
    spec = replace(whole, core=replace(whole.core, n_shader_cores=one))
    ir = synthetic.kernel_ir()
    work = synthetic.launch_work(spec, ir=ir, global_size=(1 << 13, 1, 1), trips=20)
    work = replace(work, cost=cost_kernel(ir, spec.isa))
    simulate(spec, [work], fidelity="detailed")  # Compiles the loop.
    timeline = benchmark(lambda: simulate(spec, [work], fidelity="detailed"))
    per_block = np.bincount(ir.instructions["block"], minlength=ir.n_blocks)
    assert timeline.fidelity == "detailed"
    if benchmark.stats is not None:
        instructions = int(work.counts[0].block_executions @ per_block)
        benchmark.extra_info["thread_instructions_per_s"] = instructions / benchmark.stats["mean"]
