from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpusim.device.quantity import Evidence
from gpusim.isa import cost_kernel
from gpusim.loops import core_run, memory_system
from gpusim.loops.cache_sets import empty_caches, find, victim
from gpusim.timing import simulate
from gpusim.timing.detailed import KernelCode, run_detailed
from gpusim.timing.detailed_figures import contents_key, memory_state, read_detailed
from gpusim.timing.figures import read_gpu
from gpusim.timing.residency import residency
from tests.unit.timing import synthetic


@settings(deadline=None)
@given(
    lines=st.lists(st.integers(0, 40), max_size=200),
    n_sets=st.sampled_from([1, 2, 4]),
    n_ways=st.integers(1, 4),
)
def test_cache_equals_an_ordered_dictionary_per_set(lines, n_sets, n_ways):
    cache = empty_caches(1, n_sets * n_ways, n_ways)
    oracle = [OrderedDict() for _ in range(n_sets)]
    for clock, line in enumerate(lines, start=1):
        index = line % n_sets
        way = find(cache, 0, index, line)
        assert (way >= 0) == (line in oracle[index])
        if way < 0:
            way = victim(cache, 0, index)
            cache.line[0, index, way] = line
            if len(oracle[index]) == n_ways:
                oracle[index].popitem(last=False)
        cache.used[0, index, way] = clock
        oracle[index][line] = True
        oracle[index].move_to_end(line)


def figures_of(spec):
    gpu = read_gpu(spec, Evidence())
    return gpu, read_detailed(spec, Evidence(), gpu.clock_khz)


def detailed(spec, **rest):
    """Run one job of the made-up kernel; return what the cores did."""
    gpu, figures = figures_of(spec)
    work = synthetic.launch_work(spec, **rest)
    (job,), (count,) = work.jobs, work.counts
    code = KernelCode(count.kernel, spec.isa)
    resident = residency(
        gpu,
        group_items=job.group_items,
        registers=code.lowered.registers,
        has_barrier=count.kernel.has_barrier,
        local_bytes=0,
    )
    return run_detailed(job, count, code, figures, resident, 0), code, resident, figures


def only_arithmetic(**rest):
    return {"ir": synthetic.kernel_ir(loads=0, stores=0)} | rest


def test_one_thread_alone_takes_the_sum_of_its_latencies():
    spec = synthetic.device("midgard", core__n_shader_cores=1)
    run, code, _, figures = detailed(
        spec, global_size=(1, 1, 1), local_size=(1, 1, 1), trips=7, **only_arithmetic()
    )
    steps = code.steps
    # What a Midgard word waits for others is simulated, so a hit costs the pipe's own latency.
    hit = code.lowered.table.rule("pipe_latency_cycles")
    total = 0.0
    for block in [0, *[1] * 7, 2]:
        for s in range(steps.block_start[block], steps.block_start[block + 1]):
            sent = steps.access_start[s + 1] > steps.access_start[s]
            pipe = steps.pipe_cycles[steps.access_start[s] : steps.access_start[s + 1]].sum()
            total += pipe + hit if sent else max(steps.latency[s], steps.issue_cycles[s])
    start = figures.core.dispatch_cycles + figures.core.start_cycles + 1
    assert run.cycles == pytest.approx(start + total, abs=1)


def test_threads_fill_the_pipes_when_there_are_enough():
    spec = synthetic.device("midgard", core__n_shader_cores=1)
    run, *_ = detailed(spec, global_size=(2048, 1, 1), trips=50, **only_arithmetic())
    busy = run.counts[core_run.ISSUE_CYCLES] / 2
    assert busy <= run.cycles <= 1.1 * busy


@pytest.mark.parametrize("family", ["midgard", "bifrost", "pascal", "valhall", "adreno"])
def test_every_unit_runs_every_step_once(family):
    spec = synthetic.device(family, **({"core__warp_width": 4} if family != "midgard" else {}))
    trips = 5
    run, code, _, _ = detailed(spec, global_size=(700, 1, 1), local_size=(35, 1, 1), trips=trips)
    per_block = np.diff(code.steps.block_start)
    per_unit = per_block[0] + trips * per_block[1] + per_block[2]
    n_units = 700 if family == "midgard" else 20 * 9
    assert run.counts[core_run.UNITS] == n_units
    assert run.counts[core_run.STEPS] == n_units * per_unit
    assert run.counts[core_run.DIVERGED_BLOCKS] == 0


def test_equal_runs_are_equal_to_the_bit():
    spec = synthetic.device()
    a, b = (detailed(spec, global_size=(3072, 1, 1))[0] for _ in range(2))
    assert a.cycles == b.cycles
    assert a.memory_counts.tobytes() == b.memory_counts.tobytes()


def test_conservation_of_lines():
    spec = synthetic.device("midgard")
    run, *_ = detailed(spec, global_size=(8192, 1, 1))
    c = run.memory_counts
    loads_missed = c[memory_system.L2_LOOKUPS] - c[memory_system.L1_WRITEBACKS]
    walks = c[memory_system.WALKS] * 2
    assert loads_missed - walks <= c[memory_system.L1_MISSES]
    assert c[memory_system.TLB_LOOKUPS] == c[memory_system.L1_MISSES]
    assert c[memory_system.L2_MISSES] <= c[memory_system.L2_LOOKUPS]
    assert c[memory_system.DRAM_READS] <= c[memory_system.L2_MISSES]
    # Loads stream through 8192 + 256 + 9 floats, stores through 8192.
    assert c[memory_system.DRAM_READS] >= (8192 + 256 + 9) * 4 // 64
    assert run.dirty_bytes + 64 * c[memory_system.DRAM_WRITES] >= 8192 * 4


def access(spec, lines, *, store=False):
    """Access lines one after the other, each when the one before is done; return the times."""
    _, figures = figures_of(spec)
    state = memory_state(figures)
    now, took = 0.0, []
    for line in lines:
        done, _ = memory_system.access_line(figures.memory, state, 0, line, now, now, store)
        took.append(done - now)
        now = done
    return took, figures.memory, state


def test_a_pointer_chase_sees_the_latencies():
    took, m, _ = access(synthetic.device(dram__row_miss_ps=0), [5, 5, 5 + 64 * 64, 5])
    walk = m.tlb_hit_cycles + m.walk_accesses * (m.dram_latency + m.dram_cycles + m.l2_latency)
    far = m.dram_latency + m.dram_cycles + m.l2_latency + m.l1_latency
    assert took[0] == pytest.approx(walk + far)
    assert took[1] == took[3] == m.l1_latency


def dram(spec, lines, *, apart=10_000.0):
    """Ask external memory for physical lines, one every `apart` cycles; return times and counts."""
    _, figures = figures_of(spec)
    state = memory_state(figures)
    took = []
    for i, line in enumerate(lines):
        state.now[0] = i * apart
        took.append(memory_system._dram(figures.memory, state, line, i * apart) - i * apart)
    names = (memory_system.ROW_HITS, memory_system.ROW_MISSES, memory_system.ROW_CONFLICTS)
    return took, tuple(state.counts[list(names)]), figures.memory


def test_rows_open_once_and_close_for_another_row_of_their_bank():
    # Two channels of 256 B, eight banks of 2 KiB rows: 4 lines, then the other channel.
    per_row = 2 * 2048 // 64
    same_bank = 8 * per_row
    took, counts, m = dram(synthetic.device(), [0, 1, 8, 4, per_row, same_bank, 0])
    hit = m.dram_cycles
    opened, conflict = hit + m.activate_cycles, hit + 2 * m.activate_cycles
    expected = [opened, hit, hit, opened, opened, conflict, conflict]
    assert took == pytest.approx(expected)
    assert counts == (2, 3, 2)
    assert 2 * m.activate_cycles == 20


def test_a_busy_channel_brings_requests_to_two_rows_together():
    same_bank = 8 * 2 * 2048 // 64
    lines = [i // 2 % 4 + same_bank * (i % 2) for i in range(40)]
    _, apart, _ = dram(synthetic.device(), lines)
    _, queued, _ = dram(synthetic.device(), lines, apart=0.0)
    assert apart == (0, 1, 39)
    assert queued[0] >= 36
    assert sum(queued) == sum(apart) == 40


def test_banks_open_rows_side_by_side():
    one_bank = [8 * 2 * 2048 // 64 * i for i in range(64)]
    all_banks = [2 * 2048 // 64 * i for i in range(64)]
    ends = []
    for lines in (one_bank, all_banks):
        took, _, m = dram(synthetic.device(), lines, apart=0.0)
        ends.append(max(took))
    assert ends[0] >= 64 * 2 * m.activate_cycles * 0.95
    assert ends[1] <= 64 * m.dram_cycles + 2 * m.activate_cycles + 1


def test_translations_stay_from_job_to_job_and_l2_only_where_the_driver_leaves_it():
    for policy, misses_again in (("invalidated", 64), ("kept", 0)):
        spec = synthetic.device(job_manager__caches_between_jobs=policy)
        _, figures = figures_of(spec)
        state = memory_state(figures)
        seen = []
        for _ in range(3):
            state = memory_state(figures, before=state)
            for now, line in enumerate(range(64)):
                memory_system.access_line(figures.memory, state, 0, line, now, now, False)
            seen.append((state.counts.copy(), contents_key(figures, state)))
        misses = [int(counts[memory_system.L2_MISSES]) for counts, _ in seen]
        assert misses[1] == misses[2] == misses_again
        assert [int(counts[memory_system.WALKS]) for counts, _ in seen] == [1, 0, 0]
        assert misses[0] == 64 + figures.memory.walk_accesses
        assert seen[1][1] == seen[2][1]


def test_lines_beyond_l1_come_from_l2():
    spec = synthetic.device(l1__size_bytes=1024)
    lines = list(range(64))
    took, m, state = access(spec, lines * 3)
    assert took[-1] == pytest.approx(m.l2_latency + m.l1_latency)
    assert state.counts[memory_system.DRAM_READS] - m.walk_accesses == len(lines)


def test_streaming_reaches_the_bandwidth_and_not_more():
    spec = synthetic.device(dram__latency_ps=20_000)
    _, figures = figures_of(spec)
    state = memory_state(figures)
    n = 4000
    ends = [
        memory_system.access_line(figures.memory, state, core, 7000 * core + i, i, i, False)[0]
        for i in range(n)
        for core in range(4)
    ]
    least = 4 * n * figures.memory.dram_cycles / figures.memory.n_channels
    assert least <= max(ends) <= 1.2 * least


def test_more_pages_than_the_buffer_holds_miss_it_every_time():
    few, *_ = access(synthetic.device(), [64 * page for page in range(40)] * 2)
    _, _, state = access(synthetic.device(), [64 * page for page in range(60)] * 3)
    _, _, small = access(synthetic.device(), [64 * page for page in range(40)] * 3)
    assert state.counts[memory_system.TLB_MISSES] == 3 * 60
    assert small.counts[memory_system.TLB_MISSES] == 40
    assert max(few[40:]) < max(few[:40])


def test_flush_writes_back_what_is_dirty_and_forgets_the_rest():
    _, figures, state = access(synthetic.device(), range(10), store=True)
    end = memory_system.flush(figures, state, 1000.0)
    assert state.counts[memory_system.DRAM_WRITES] == 10
    assert end > 1000.0
    assert (state.l1.line == -1).all()
    assert not state.l2.dirty.any()


def test_a_barrier_holds_the_whole_group_back():
    spec = synthetic.device("midgard", core__n_shader_cores=1)
    ir = synthetic.kernel_ir(loads=0, stores=0, has_barrier=True)
    free = synthetic.kernel_ir(loads=0, stores=0)
    kernel = {"global_size": (64, 1, 1), "local_size": (64, 1, 1), "trips": 20}
    held, *_ = detailed(spec, ir=ir, **kernel)
    loose, *_ = detailed(spec, ir=free, **kernel)
    assert held.counts[core_run.BARRIERS] == 64 * 20
    assert held.cycles > loose.cycles + 20 * 10


def test_a_long_job_is_sampled_and_agrees_with_the_whole():
    spec = synthetic.device("midgard")
    kernel = only_arithmetic(trips=80, global_size=(64 * 1024, 1, 1))
    sampled, *_ = detailed(spec, **kernel)
    assert not sampled.is_full
    half, *_ = detailed(spec, **kernel | {"global_size": (32 * 1024, 1, 1)})
    assert sampled.cycles == pytest.approx(2 * half.cycles, rel=0.02)


def real_cost(work, spec):
    return replace(work, cost=cost_kernel(work.counts[0].kernel, spec.isa))


@pytest.mark.parametrize("family", ["midgard", "bifrost", "pascal"])
def test_wave_and_detailed_agree_where_nothing_is_special(family):
    width = {"midgard": 1, "bifrost": 4, "pascal": 32}[family]
    # Plenty of warps: how much of a dependent chain overlaps is where the two models differ.
    threads = {255: 256 if family == "midgard" else 64 * width}
    spec = synthetic.device(family, core__warp_width=width, core__max_threads=threads)
    ir = synthetic.kernel_ir(loads=0, stores=0)
    work = real_cost(synthetic.launch_work(spec, global_size=(16384, 1, 1), trips=60, ir=ir), spec)
    took = {}
    for fidelity in ("wave", "detailed"):
        jobs = simulate(spec, [work], fidelity=fidelity).jobs
        took[fidelity] = int((jobs["end_ps"] - jobs["start_ps"]).sum())
    assert took["detailed"] == pytest.approx(took["wave"], rel=0.15)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 600), local=st.sampled_from([1, 3, 32, 50]), trips=st.integers(1, 9))
def test_counters_of_a_detailed_run_add_up(n, local, trips):
    spec = synthetic.device()
    work = real_cost(
        synthetic.launch_work(spec, global_size=(n, 1, 1), local_size=(local, 1, 1), trips=trips),
        spec,
    )
    timeline = simulate(spec, [work], fidelity="detailed")
    counted = timeline.counters
    assert counted["COMPUTE_WARPS"] == sum(
        -(-job.group_items // 4) * job.n_work_groups for job in work.jobs
    )
    assert counted["L2_MISS"] <= counted["L2_ANY_LOOKUP"]
    assert counted["L1_MISS"] <= counted["L1_ANY_LOOKUP"]
    took = timeline.jobs["end_ps"] - timeline.jobs["start_ps"]
    for name, bound in timeline.job_bounds_ps.items():
        assert (took >= bound - 10).all(), name
