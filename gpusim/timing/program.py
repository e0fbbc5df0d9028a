"""The host program of a trace: what the CPU does, call by call, as far as it costs time.

One in-order queue: commands of several queues follow each other in the order of the calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gpusim.timing.work import LaunchWork
from gpusim.trace.records import Command, CommandKind, Launch


class StepKind(StrEnum):
    """What the host thread does."""

    ENQUEUE = "enqueue"
    FLUSH = "flush"
    WAIT = "wait"
    COPY = "copy"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the host thread."""

    kind: StepKind
    name: str
    launches: int = 0
    """ENQUEUE: position of the launch; WAIT: how many launches must have ended."""
    size_bytes: int = 0
    """COPY: bytes the CPU moves."""
    pause_ps: int = 0


_WAITING = (CommandKind.FINISH, CommandKind.WAIT)
_COPYING = (CommandKind.READ, CommandKind.WRITE, CommandKind.COPY, CommandKind.FILL)


def host_program(
    works: Sequence[LaunchWork], commands: Sequence[Command], *, host_gaps: bool = False
) -> list[Step]:
    """Return the steps of the host thread, ended by a wait for everything.

    Parameters
    ----------
    works : sequence of LaunchWork
        The launches to time, ordered by `seq`.
    commands : sequence of Command
        The other commands of the trace, in any order.
    host_gaps : bool
        Whether to pause between calls as long as the recorded program did.
    """
    calls: list[tuple[int, int | Command]] = [
        (work.launch.seq, position) for position, work in enumerate(works)
    ]
    calls += [(command.seq, command) for command in commands]
    calls.sort(key=lambda call: call[0])
    steps: list[Step] = []
    ended_ns: int | None = None
    n_enqueued = 0
    seqs: list[int] = []
    for seq, call in calls:
        record: Launch | Command = works[call].launch if isinstance(call, int) else call
        if host_gaps:
            if ended_ns is not None and record.host_ns > ended_ns:
                pause = (record.host_ns - ended_ns) * 1000
                steps.append(Step(kind=StepKind.PAUSE, name="host", pause_ps=pause))
            ended_ns = record.host_ns + record.host_duration_ns
        if isinstance(call, int):
            steps.append(Step(kind=StepKind.ENQUEUE, name=works[call].launch.kernel, launches=call))
            n_enqueued += 1
            seqs.append(seq)
        else:
            steps += _command_steps(call, n_enqueued, seqs)
    steps.append(Step(kind=StepKind.WAIT, name="finish", launches=n_enqueued))
    return steps


def _command_steps(command: Command, n_enqueued: int, seqs: Sequence[int]) -> list[Step]:
    """Return the steps of one command; markers and barriers cost an in-order queue nothing."""
    name = command.kind.value
    if command.kind is CommandKind.FLUSH:
        return [Step(kind=StepKind.FLUSH, name=name)]
    steps = []
    if command.kind in _WAITING or command.blocking:
        awaited = n_enqueued
        if command.kind is CommandKind.WAIT and command.waits:
            awaited = sum(seq <= max(command.waits) for seq in seqs)
        steps.append(Step(kind=StepKind.WAIT, name=name, launches=awaited))
    if command.kind in _COPYING and command.size_bytes:
        steps.append(Step(kind=StepKind.COPY, name=name, size_bytes=command.size_bytes))
    return steps
