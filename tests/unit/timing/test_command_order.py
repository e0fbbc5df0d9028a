from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.device.quantity import Evidence
from gpusim.timing import SimulationOptions, simulate
from gpusim.timing.command_order import CommandOrder
from gpusim.timing.figures import read_gpu, read_host
from gpusim.timing.program import StepKind, host_program
from gpusim.trace.records import Command, CommandKind
from tests.unit.timing import synthetic

KINDS = ("launch", "flush", "finish", "read", "write", "unmap", "marker")


def play(kinds, spec):
    """Return launches and commands for a list of kinds, one seq each."""
    works, commands = [], []
    for seq, kind in enumerate(kinds):
        if kind == "launch":
            work = synthetic.launch_work(
                spec, index=len(works), global_size=(64 * (1 + 37 * (seq % 5)), 1, 1), trips=seq
            )
            record = work.launch
            works.append(replace(work, launch=replace(record, seq=seq)))
        else:
            commands.append(
                Command(
                    seq=seq,
                    kind=CommandKind(kind),
                    queue=0,
                    size_bytes=1000 * seq,
                    blocking=kind == "read",
                )
            )
    return works, commands


@given(
    kinds=st.lists(st.sampled_from(KINDS), max_size=14),
    period=st.sampled_from([0, 1, 3]),
    depth=st.sampled_from([1, 2]),
    idle_us=st.sampled_from([0, 50, 400]),
    warm=st.booleans(),
    spacing_us=st.sampled_from([0, 20, 200]),
    order=st.sampled_from(["processor", "hardware"]),
)
def test_the_recurrence_gives_the_times_of_the_event_driven_machine(
    kinds, period, depth, idle_us, warm, spacing_us, order
):
    spec = synthetic.device(
        host__flush_period=period,
        host__power_off_idle_ps=idle_us * 10**6,
        host__interrupt_spacing_ps=spacing_us * 10**6,
        job_manager__slot_depth=depth,
        job_manager__queue_order=order,
    )
    works, commands = play(kinds, spec)
    wave = simulate(
        spec,
        works,
        commands=commands,
        fidelity="wave",
        options=SimulationOptions(warm=warm),
    )
    evidence = Evidence()
    order = CommandOrder(read_gpu(spec, evidence), read_host(spec, evidence), warm=warm)
    durations = (wave.jobs["end_ps"] - wave.jobs["start_ps"]).tolist()
    schedule = order.run(host_program(works, commands), durations, [len(w.jobs) for w in works])
    assert schedule.job_start_ps == wave.jobs["start_ps"].tolist()
    assert schedule.total_ps == wave.total_ps
    assert schedule.enqueued_ps == wave.launch_start_ps.tolist()
    assert schedule.n_interrupts == wave.counters["driver.interrupts"]


def spans(timeline, track):
    number = timeline.tracks.index(track)
    rows = timeline.spans[timeline.spans["track"] == number]
    return [(timeline.names[r["name"]], int(r["start_ps"]), int(r["end_ps"])) for r in rows]


def test_a_slot_of_depth_two_hides_the_processor():
    # Deep queue: the next job starts as soon as the first ends; depth one waits for the CPU.
    works = ["launch"] * 4
    gaps = {}
    for depth in (1, 2):
        spec = synthetic.device(job_manager__slot_depth=depth)
        launches, _ = play(works, spec)
        jobs = simulate(spec, launches).jobs
        gaps[depth] = int((jobs["start_ps"][1:] - jobs["end_ps"][:-1]).max())
    spec_host = synthetic.FIGURES
    assert gaps[1] >= spec_host["host.interrupt_ps"]
    assert gaps[2] < gaps[1]


def test_a_driver_that_orders_the_queue_costs_a_round_trip_per_launch():
    works, _ = play(["launch"] * 3, synthetic.device())
    ordered = simulate(synthetic.device(job_manager__queue_order="processor"), works).jobs
    gaps = ordered["start_ps"][1:] - ordered["end_ps"][:-1]
    least = sum(synthetic.FIGURES[f"host.{n}_ps"] for n in ("interrupt", "wakeup", "submit"))
    assert (gaps >= least).all()


def test_completions_share_an_interrupt_when_they_come_close():
    spec = synthetic.device(host__interrupt_spacing_ps=10**9)
    works, _ = play(["launch"] * 6, spec)
    assert simulate(spec, works).counters["driver.interrupts"] < 6
    quick = synthetic.device(host__interrupt_spacing_ps=0, host__interrupt_ps=1000)
    assert simulate(quick, works).counters["driver.interrupts"] == 6


def test_an_idle_gpu_powers_down_and_up_again():
    spec = synthetic.device()
    pause = Command(seq=1, kind=CommandKind.FINISH, queue=0, host_ns=0, host_duration_ns=1)
    first, second = (synthetic.launch_work(spec, index=i) for i in (0, 1))
    second = replace(second, launch=replace(second.launch, seq=2, host_ns=5_000_000))
    options = SimulationOptions(host_gaps=True)
    timeline = simulate(spec, [first, second], commands=[pause], options=options)
    assert [name for name, *_ in spans(timeline, "job_slot[1]")] == [
        "made_up", "power up", "made_up",
    ]  # fmt: skip
    together = simulate(spec, [first, second], commands=[pause])
    assert "power up" not in together.names


def test_a_cold_gpu_powers_up_first():
    spec = synthetic.device()
    work = synthetic.launch_work(spec)
    warm = simulate(spec, [work]).total_ps
    cold = simulate(spec, [work], options=SimulationOptions(warm=False)).total_ps
    assert cold - warm == synthetic.FIGURES["host.power_on_ps"]


def test_program_waits_for_the_launches_a_wait_names():
    works, _ = play(["launch", "launch", "launch"], synthetic.device())
    wait = Command(seq=10, kind=CommandKind.WAIT, queue=None, waits=(1,))
    steps = host_program(works, [wait])
    assert [(step.kind, step.launches) for step in steps[3:]] == [
        (StepKind.WAIT, 2),
        (StepKind.WAIT, 3),
    ]


def test_an_empty_trace_takes_no_time():
    for fidelity in ("analytic", "wave"):
        timeline = simulate(synthetic.device(), [], fidelity=fidelity)
        assert timeline.total_ps == 0
        assert len(timeline.jobs) == len(timeline.spans) == 0


@pytest.mark.parametrize("bytes_read", [0, 1 << 20])
def test_a_blocking_read_waits_and_copies(bytes_read):
    spec = synthetic.device()
    works, _ = play(["launch"], spec)
    read = Command(seq=5, kind=CommandKind.READ, queue=0, blocking=True, size_bytes=bytes_read)
    timeline = simulate(spec, works, commands=[read])
    bare = simulate(spec, works)
    # Every byte is read and written once, at the achievable 5 GB/s of the made-up device.
    assert timeline.total_ps - bare.total_ps == 2 * bytes_read * 200
