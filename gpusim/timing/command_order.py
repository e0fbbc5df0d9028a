"""Host, driver, slot and interrupts as a recurrence: each time follows from earlier ones.

The rules are those of the SimPy machine in :mod:`gpusim.timing.wave`; a test holds the two
together. Here a job's duration is given, so no event queue is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gpusim.timing.clock_schedule import ClockSchedule
from gpusim.timing.figures import GpuFigures, HostFigures
from gpusim.timing.program import Step, StepKind


@dataclass(slots=True, kw_only=True)
class Schedule:
    """When everything happens, ps."""

    total_ps: int = 0
    enqueued_ps: list[int] = field(default_factory=list)
    job_start_ps: list[int] = field(default_factory=list)
    job_end_ps: list[int] = field(default_factory=list)
    n_interrupts: int = 0
    n_powered_up: int = 0


class CommandOrder:
    """The state of the recurrence."""

    def __init__(
        self,
        gpu: GpuFigures,
        host: HostFigures,
        *,
        warm: bool,
        schedule: ClockSchedule | None = None,
    ) -> None:
        self._clock = schedule
        self._gpu = gpu
        self._host = host
        self._registers_free_ps = 0
        self._idle_since_ps: int | None = 0 if warm else None
        self._interrupt_ps = -host.interrupt_gap_ps
        self._handled: list[int] = []
        """Per job: when the interrupt handler has told the driver and the host."""
        self._open: list[int] = []
        """Ends of jobs whose interrupt is not fixed yet."""
        self.schedule = Schedule()

    def run(
        self,
        steps: Sequence[Step],
        durations: Sequence[int] | Sequence[Sequence[int]],
        jobs_per_launch: Sequence[int],
    ) -> Schedule:
        """Play the host program.

        Parameters
        ----------
        steps : sequence of Step
        durations : sequence of int
            Time of each job in its slot, in submission order. With a clock schedule: of each job
            a sequence, its time at each clock.
        jobs_per_launch : sequence of int
        """
        first_job = [0]
        for n_jobs in jobs_per_launch:
            first_job.append(first_job[-1] + n_jobs)
        schedule, host = self.schedule, self._host
        schedule.enqueued_ps = [0] * len(jobs_per_launch)
        now = flushed = enqueued = n_unflushed = launch = 0
        for step in steps:
            flush = step.kind in (StepKind.FLUSH, StepKind.WAIT)
            if step.kind is StepKind.ENQUEUE:
                schedule.enqueued_ps[step.launches] = now
                now += host.enqueue_ps
                enqueued = first_job[step.launches + 1]
                n_unflushed += 1
                flush = bool(host.flush_period) and n_unflushed >= host.flush_period
            elif step.kind is StepKind.PAUSE:
                now += step.pause_ps
            elif step.kind is StepKind.COPY:
                now += round(2 * step.size_bytes * self._gpu.dram_ps_per_byte)
            if flush:
                n_unflushed = 0
                if enqueued > flushed:
                    now += host.submit_ps
                    for job in range(flushed, enqueued):
                        while first_job[launch + 1] <= job:
                            launch += 1
                        self._submit(now, durations[job], first_job[launch])
                    flushed = enqueued
            if step.kind is StepKind.WAIT and first_job[step.launches]:
                told = self._told(first_job[step.launches] - 1)
                if told > now:
                    now = told + host.wakeup_ps
        schedule.total_ps = now
        return schedule

    def _submit(self, now: int, duration: int | Sequence[int], first_of_launch: int) -> None:
        """Take one job through its turn, registers, slot and end."""
        schedule, host, depth = self.schedule, self._host, self._gpu.slot_depth
        job = len(schedule.job_end_ps)
        written = max(now, self._registers_free_ps)
        if self._gpu.processor_orders and first_of_launch:
            told = self._told(first_of_launch - 1)
            if told > written:
                written = told + host.wakeup_ps + host.submit_ps
        if job >= depth:
            written = max(written, self._told(job - depth))
        written += host.registers_ps
        self._registers_free_ps = written
        start = max(written, schedule.job_end_ps[-1] if job else 0)
        idle = self._idle_since_ps
        if idle is None or start - idle > host.power_off_idle_ps:
            start += host.power_on_ps
            schedule.n_powered_up += 1
        if isinstance(duration, Sequence):
            if self._clock is None:
                raise AssertionError("several durations need a clock schedule")
            end = self._clock.end_ps(start, duration)
        else:
            end = start + int(duration)
        self._idle_since_ps = end
        schedule.job_start_ps.append(start)
        schedule.job_end_ps.append(end)
        self._open.append(end)

    def _told(self, job: int) -> int:
        """Return when the CPU has handled the end of `job`, fixing interrupts up to it.

        An interrupt reports every job that has ended when it is raised, so it is fixed only
        once it is known that no later job can still join it: jobs end in order, and each that
        is already submitted is looked at.
        """
        host = self._host
        while len(self._handled) <= job:
            raised = max(self._open[0], self._interrupt_ps + host.interrupt_gap_ps)
            n_reported = sum(end <= raised for end in self._open)
            self._interrupt_ps = raised
            self.schedule.n_interrupts += 1
            self._handled += [raised + host.interrupt_ps] * n_reported
            del self._open[:n_reported]
        return self._handled[job]
