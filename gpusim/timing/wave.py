"""SimPy processes for host, driver, interrupts, job slot, cores and memory: `wave`, `detailed`.

Events are per call, per job and per batch of equal waves on a core: a launch costs
O(jobs x cores x segments) events however many work-groups it has.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

from gpusim.timing.clock_schedule import ClockSchedule
from gpusim.timing.core_plan import CorePlan, JobExecution
from gpusim.timing.demand import JobDemand
from gpusim.timing.dram_share import DramShare
from gpusim.timing.figures import GpuFigures, HostFigures
from gpusim.timing.fixed_costs import start_ps
from gpusim.timing.options import SimulationOptions
from gpusim.timing.program import Step, StepKind
from gpusim.timing.recorder import Recorder

Process = Generator[Any, Any, None]


@dataclass(slots=True, kw_only=True)
class Submission:
    """A job on its way through the machine."""

    launch: int
    """Position of its launch."""
    launch_index: int
    name: str
    at_clock: Sequence[tuple[GpuFigures, JobDemand, JobExecution]]
    """What it is at each clock of the schedule."""
    ended: simpy.Event
    start_ps: int = 0
    end_ps: int = 0
    clock: int = 0
    """Which clock was in force when it started."""

    @property
    def job(self) -> int:
        """Index of the (first) job within its launch."""
        return self.at_clock[0][1].jobs[0].index

    @property
    def gpu(self) -> GpuFigures:
        """The GPU at the clock it started with."""
        return self.at_clock[self.clock][0]

    @property
    def execution(self) -> JobExecution:
        """What the cores do at the clock it started with."""
        return self.at_clock[self.clock][2]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a run of the machine yields, beside its spans."""

    total_ps: int = 0
    enqueued_ps: list[int] = field(default_factory=list)
    """Per launch: when the host entered the enqueue call."""
    job_start_ps: list[int] = field(default_factory=list)
    """Per submission, in order."""
    job_end_ps: list[int] = field(default_factory=list)
    n_interrupts: int = 0
    n_powered_up: int = 0
    core_busy_ps: list[int] = field(default_factory=list)
    groups_run: float = 0.0


class CountingEnvironment(simpy.Environment):  # type: ignore[misc]
    """A SimPy environment that knows how many events it was given."""

    n_events = 0

    def schedule(self, *args: Any, **kwargs: Any) -> None:
        """Schedule an event and count it."""
        self.n_events += 1
        super().schedule(*args, **kwargs)


class Machine:
    """One GPU, its driver and one host thread, running a program once."""

    def __init__(
        self,
        gpu: GpuFigures,
        host: HostFigures,
        options: SimulationOptions,
        schedule: ClockSchedule,
        submissions: Sequence[Sequence[Sequence[tuple[GpuFigures, JobDemand, JobExecution]]]],
        launches: Sequence[tuple[int, str]],
    ) -> None:
        """Prepare to run launches.

        Parameters
        ----------
        gpu, host : GpuFigures, HostFigures
        options : SimulationOptions
        schedule : ClockSchedule
        submissions : sequence of sequence of sequence of (GpuFigures, JobDemand, JobExecution)
            Jobs of each launch, at each clock.
        launches : sequence of (int, str)
            Index in the trace and kernel name of each launch.
        """
        self.env = CountingEnvironment(initial_time=0)
        self.recorder = Recorder()
        self.outcome = Outcome(enqueued_ps=[0] * len(launches), core_busy_ps=[0] * gpu.n_cores)
        self._gpu = gpu
        self._host = host
        self._dram = DramShare(self.env, gpu.dram_ps_per_byte)
        self._jobs = [
            [
                Submission(
                    launch=position,
                    launch_index=index,
                    name=name,
                    at_clock=at_clock,
                    ended=self.env.event(),
                )
                for at_clock in jobs
            ]
            for position, (jobs, (index, name)) in enumerate(
                zip(submissions, launches, strict=True)
            )
        ]
        self._to_driver = simpy.Store(self.env)
        self._in_slot = simpy.Store(self.env)
        self._completed: list[Submission] = []
        self._completion = self.env.event()
        self._slot_room = simpy.Container(self.env, capacity=gpu.slot_depth, init=gpu.slot_depth)
        # Long ago: the first job of a cold machine finds the GPU powered down.
        self._idle_since_ps: int | None = 0 if options.warm else None
        self._schedule = schedule
        self._job_khz = schedule.clocks_khz[0]
        self._slot_track = f"job_slot[{gpu.compute_slot}]"
        for track in ("host", "driver", "interrupts", self._slot_track):
            self.recorder.track(track)

    def run(self, steps: Sequence[Step]) -> Outcome:
        """Run the host program to its end."""
        self.env.process(self._driver())
        self.env.process(self._interrupts())
        self.env.process(self._slot())
        if len(self._schedule.starts_ps) > 1:
            self.env.process(self._clock())
        program = self.env.process(self._host_thread(steps))
        self.env.run(until=program)
        self.outcome.total_ps = int(self.env.now)
        for jobs in self._jobs:
            for job in jobs:
                self.outcome.job_start_ps.append(job.start_ps)
                self.outcome.job_end_ps.append(job.end_ps)
        return self.outcome

    def _host_thread(self, steps: Sequence[Step]) -> Process:
        pending: list[Submission] = []
        n_unflushed = 0
        for step in steps:
            began = self.env.now
            if step.kind is StepKind.ENQUEUE:
                self.outcome.enqueued_ps[step.launches] = began
                yield self.env.timeout(self._host.enqueue_ps)
                pending += self._jobs[step.launches]
                n_unflushed += 1
                self._note("host", f"enqueue {step.name}", began, step.launches)
                period = self._host.flush_period
                if period and n_unflushed >= period:
                    yield from self._flush(pending)
                    n_unflushed = 0
            elif step.kind is StepKind.PAUSE:
                yield self.env.timeout(step.pause_ps)
            elif step.kind is StepKind.COPY:
                # The CPU reads and writes every byte of a memory it shares with the GPU.
                copy_ps = round(2 * step.size_bytes * self._gpu.dram_ps_per_byte)
                yield self.env.timeout(copy_ps)
                self._note("host", step.name, began)
            else:
                yield from self._flush(pending)
                n_unflushed = 0
                if step.kind is StepKind.WAIT:
                    yield from self._wait(step)

    def _flush(self, pending: list[Submission]) -> Process:
        if pending:
            began = self.env.now
            yield self.env.timeout(self._host.submit_ps)
            self._note("host", "flush", began)
            for job in pending:
                yield self._to_driver.put(job)
            pending.clear()

    def _wait(self, step: Step) -> Process:
        began = self.env.now
        awaited = [
            job.ended
            for jobs in self._jobs[: step.launches]
            for job in jobs
            if not job.ended.processed
        ]
        if awaited:
            yield simpy.AllOf(self.env, awaited)
            yield self.env.timeout(self._host.wakeup_ps)
            self._note("host", step.name, began)

    def _driver(self) -> Process:
        """Write the registers of one job after the other while the slot has room."""
        while True:
            job = yield self._to_driver.get()
            yield from self._await_turn(job)
            yield self._slot_room.get(1)
            began = self.env.now
            yield self.env.timeout(self._host.registers_ps)
            self._note("driver", f"submit {job.name}", began, job.launch, job.job)
            yield self._in_slot.put(job)

    def _await_turn(self, job: Submission) -> Process:
        """Hold back a launch until the one before it has ended, if that is the driver's task."""
        if not self._gpu.processor_orders or job.launch == 0:
            return
        awaited = [other.ended for other in self._jobs[job.launch - 1] if not other.ended.processed]
        if awaited:
            yield simpy.AllOf(self.env, awaited)
            began = self.env.now
            yield self.env.timeout(self._host.wakeup_ps + self._host.submit_ps)
            self._note("driver", "next command", began, job.launch)

    def _slot(self) -> Process:
        """Run one job after the other: fetch, dispatch to cores, drain, flush."""
        while True:
            job = yield self._in_slot.get()
            yield from self._power_up()
            job.start_ps = self.env.now
            job.clock = self._schedule.index(job.start_ps)
            self._job_khz = job.gpu.clock_khz
            self._dram.set_pace(1.0)
            yield self.env.timeout(start_ps(job.gpu))
            began = self.env.now
            plans = job.execution.plans
            cores = [self.env.process(self._core(job, plan)) for plan in plans]
            dispatched = self.env.timeout(job.execution.dispatch_ps)
            yield simpy.AllOf(self.env, [*cores, dispatched])
            work = job.at_clock[job.clock][1].work
            if work.dram_read_bytes + work.dram_write_bytes:
                self._note("dram", job.name, began, job.launch, job.job)
            yield self.env.timeout(job.execution.flush_ps)
            job.end_ps = self._idle_since_ps = self.env.now
            self._note(self._slot_track, job.name, job.start_ps, job.launch, job.job)
            self._completed.append(job)
            if not self._completion.triggered:
                self._completion.succeed()

    def _clock(self) -> Process:
        """Change the pace of what is on the cores when the clock changes."""
        changes = zip(self._schedule.starts_ps[1:], self._schedule.clocks_khz[1:], strict=True)
        for time_ps, khz in changes:
            yield self.env.timeout(time_ps - self.env.now)
            self._dram.set_pace(khz / self._job_khz)

    def _power_up(self) -> Process:
        idle = self._idle_since_ps
        if idle is None or self.env.now - idle > self._host.power_off_idle_ps:
            began = self.env.now
            yield self.env.timeout(self._host.power_on_ps)
            self._note(self._slot_track, "power up", began)
            self.outcome.n_powered_up += 1

    def _core(self, job: Submission, plan: CorePlan) -> Process:
        yield self.env.timeout(job.execution.first_task_ps)
        weight = sum(portion.dram_bytes for portion in plan.portions)
        track = f"shader_core[{plan.core}]"
        began = self.env.now
        for portion in plan.portions:
            start = self.env.now
            yield self._dram.run(portion.duration_ps, portion.dram_bytes, weight)
            # A slowed-down portion stretches evenly.
            stretched = (
                (self.env.now - start) * portion.last_wave_ps / max(portion.duration_ps, 1.0)
            )
            last = self.env.now - round(stretched)
            index, number = job.launch_index, job.job
            self.recorder.span(track, job.name, start, last, index, number)
            self.recorder.span(track, f"{job.name} (last wave)", last, self.env.now, index, number)
            self.outcome.groups_run += portion.n_groups
        self.outcome.core_busy_ps[plan.core] += self.env.now - began

    def _interrupts(self) -> Process:
        """Tell the CPU about ended jobs, as often as the hardware interrupts it."""
        earliest = 0
        while True:
            yield self._completion
            yield self.env.timeout(max(0, earliest - self.env.now))
            earliest = self.env.now + self._host.interrupt_gap_ps
            ended, self._completed = self._completed, []
            self._completion = self.env.event()
            began = self.env.now
            self.outcome.n_interrupts += 1
            yield self.env.timeout(self._host.interrupt_ps)
            self._note("interrupts", "interrupt", began)
            yield self._slot_room.put(len(ended))
            for job in ended:
                job.ended.succeed()

    def _note(self, track: str, name: str, began: int, launch: int = -1, job: int = -1) -> None:
        index = self._jobs[launch][0].launch_index if launch >= 0 else -1
        self.recorder.span(track, name, began, self.env.now, index, job)
