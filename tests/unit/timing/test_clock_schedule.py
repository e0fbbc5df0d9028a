import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.errors import DeviceError
from gpusim.timing import FLUSH_POLICIES, ClockSchedule, SimulationOptions, simulate
from gpusim.timing.flush_policy import library_flush_period
from tests.unit.timing import synthetic

MS = 10**9
PLAYED = pytest.mark.parametrize("fidelity", ["analytic", "wave", "detailed"])


def test_a_schedule_is_read_from_text():
    schedule = ClockSchedule.parse("0ms:400MHz,5ms:767MHz,7.5us:1GHz".replace("7.5us", "7500us"))
    assert schedule.starts_ps == (0, 5 * MS, 7_500_000_000)
    assert schedule.clocks_khz == (400_000, 767_000, 1_000_000)
    assert ClockSchedule.parse("600MHz") == ClockSchedule(starts_ps=(0,), clocks_khz=(600_000,))


@pytest.mark.parametrize(
    "text",
    ["", "fast", "5ms:400MHz", "0ms:400MHz,0ms:500MHz", "0ms:0MHz", "0ms:-1MHz", "0ms", "0:400MHz"],
)
def test_anything_else_is_refused_in_one_line(text):
    with pytest.raises(DeviceError, match="clock") as caught:
        ClockSchedule.parse(text)
    assert "\n" not in str(caught.value)


@given(
    cuts=st.lists(st.integers(1, 2000), max_size=4, unique=True),
    clocks=st.lists(st.integers(1, 9), min_size=5, max_size=5),
    start=st.integers(0, 2500),
    work=st.integers(1, 5000),
)
def test_work_ends_when_its_cycles_are_done(cuts, clocks, start, work):
    starts = (0, *sorted(cuts))
    clocks = tuple(khz * 10**9 for khz in clocks[: len(starts)])
    schedule = ClockSchedule(starts_ps=starts, clocks_khz=clocks)
    durations = [round(work * 10**9 / khz) for khz in clocks]
    end = schedule.end_ps(start, durations)
    # The oracle counts ps by ps.
    now, done = start, 0.0
    while done < work:
        khz = clocks[max(i for i, since in enumerate(starts) if since <= now)]
        done += khz / 10**9
        now += 1
    assert math.isclose(end, now, abs_tol=2 + 10 * len(starts))
    assert math.isclose(schedule.cycles(start, now), done, rel_tol=1e-9)


def long_work(spec, index=0):
    ir = synthetic.kernel_ir(loads=0, stores=0)
    return synthetic.launch_work(
        spec, ir=ir, global_size=(16384, 1, 1), trips=60, index=index, cost=synthetic.kernel_cost()
    )


def options(text):
    return SimulationOptions(clock_schedule=ClockSchedule.parse(text))


@PLAYED
def test_a_schedule_of_one_clock_is_that_clock(fidelity):
    spec = synthetic.device()
    works = [long_work(spec, i) for i in range(3)]
    fixed = SimulationOptions(clock_khz=400_000)
    a = simulate(spec, works, fidelity=fidelity, options=fixed)
    b = simulate(spec, works, fidelity=fidelity, options=options("400MHz"))
    assert a.spans.tobytes() == b.spans.tobytes()
    assert (a.total_ps, a.counters) == (b.total_ps, b.counters)


@PLAYED
def test_a_change_of_clock_acts_on_what_runs_and_on_what_follows(fidelity):
    spec = synthetic.device()
    works = [long_work(spec, i) for i in range(3)]

    def jobs(text):
        return simulate(spec, works, fidelity=fidelity, options=options(text)).jobs

    slow, fast = jobs("250MHz"), jobs("500MHz")
    took = slow["end_ps"] - slow["start_ps"]
    middle = int(slow["start_ps"][0] + took[0] // 2)
    mixed = jobs(f"0ps:250MHz,{middle}ps:500MHz")
    length = mixed["end_ps"] - mixed["start_ps"]
    # Half of the first job at each clock, the others at the fast one.
    assert math.isclose(length[0], took[0] * 0.75, rel_tol=0.03)
    assert length[1:].tolist() == (fast["end_ps"] - fast["start_ps"])[1:].tolist()


@PLAYED
def test_cycles_are_counted_at_the_clock_in_force(fidelity):
    spec = synthetic.device()
    works = [long_work(spec)]
    mixed = simulate(spec, works, fidelity=fidelity, options=options("0ps:250MHz,150us:500MHz"))
    plain = simulate(spec, works, fidelity=fidelity, options=options("250MHz"))
    took = mixed.jobs["end_ps"] - mixed.jobs["start_ps"]
    assert took[0] < 0.9 * (plain.jobs["end_ps"] - plain.jobs["start_ps"])[0]
    assert math.isclose(mixed.counters["GPU_ACTIVE"], plain.counters["GPU_ACTIVE"], rel_tol=0.03)


def test_a_clock_is_not_given_twice():
    both = SimulationOptions(clock_khz=1000, clock_schedule=ClockSchedule.parse("1MHz"))
    with pytest.raises(DeviceError, match="given twice"):
        simulate(synthetic.device(), [], options=both)


def test_a_library_that_flushes_more_often_submits_more_often():
    spec = synthetic.device()
    works = [synthetic.launch_work(spec, index=i, trips=1) for i in range(24)]

    def flushes(library):
        chosen = SimulationOptions(flush_library=library)
        timeline = simulate(spec, works, options=chosen)
        return int((timeline.spans["name"] == timeline.names.index("flush")).sum())

    counted = {name: flushes(name) for name in ("mnn", "tnn", "tflite", "none")}
    assert counted == {"mnn": 12, "tnn": 3, "tflite": 1, "none": 1}


def test_flush_policies_are_known_by_name():
    assert library_flush_period("tflite", "midgard") == 24
    assert library_flush_period("mnn", "adreno") == 10
    for library in FLUSH_POLICIES:
        assert all(library_flush_period(library, f) >= 0 for f in ("bifrost", "pascal", "adreno"))
    with pytest.raises(DeviceError, match=r"expected tflite.*found caffe"):
        library_flush_period("caffe", "midgard")


@pytest.mark.parametrize(("view", "slot"), [("", 1), ("mp2", 2)])
@pytest.mark.parametrize("fidelity", ["analytic", "wave"])
def test_the_second_core_group_uses_the_second_compute_slot(view, slot, fidelity):
    spec = replace(synthetic.device(job_manager__n_compute_slots=2), view=view)
    timeline = simulate(spec, [synthetic.launch_work(spec)], fidelity=fidelity)
    assert f"job_slot[{slot}]" in timeline.tracks
    assert f"job_slot[{3 - slot}]" not in timeline.tracks
    assert timeline.counters[f"JS{slot}_JOBS"] == 1
    assert f"JS{3 - slot}_JOBS" not in timeline.counters
