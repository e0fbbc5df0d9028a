"""Run experiments on an OpenCL device with profiling events. Only the worker process does this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpusim.capture.replayer import Experiment
from gpusim.capture.replayer.experiment import LATENCY
from gpusim.errors import CaptureError, GpusimError, located
from gpusim.trace.records import Command, Launch
from gpusim.validation.measure_objects import DeviceObjects, one_line

OnLaunch = Callable[[int], None]


class QueueLostError(Exception):
    """A launch failed while it ran; what else is on the device may be gone with it."""

    def __init__(self, launch: int, reason: str) -> None:
        super().__init__(reason)
        self.launch = launch


@dataclass(slots=True)
class Samples:
    """Times of a launch, or why there are none."""

    times_ns: list[int] = field(default_factory=list)
    reason: str = ""
    dropped_option: str = ""
    """What its program was built without."""


def choose_device(platform: int | None, device: int | None) -> Any:
    """Return a pyopencl device; by default the first GPU, failing that the first device.

    Raises
    ------
    CaptureError
        When there is no device, or none of that number.
    """
    import pyopencl as cl

    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        raise CaptureError(
            located(
                "measure",
                "no OpenCL device on this machine; install its driver, or PoCL for a dry run",
                found=error,
            )
        ) from None
    if platform is not None:
        _check_number("--platform", platform, len(platforms))
        platforms = [platforms[platform]]
    devices = [found for one in platforms for found in _devices(cl, one)]
    if not devices:
        raise CaptureError(located("measure", "the OpenCL platforms have no device"))
    if device is not None:
        _check_number("--device", device, len(devices))
        return devices[device]
    gpus = [found for found in devices if found.type & cl.device_type.GPU]
    return (gpus or devices)[0]


def _devices(cl: Any, platform: Any) -> list[Any]:
    try:
        return list(platform.get_devices())
    except cl.Error:
        return []


def _check_number(option: str, number: int, count: int) -> None:
    if not 0 <= number < count:
        expected = f"0 to {count - 1}" if count else "an OpenCL platform"
        raise CaptureError(located(option, "no such number", expected=expected, found=number))


class DeviceRun:
    """One experiment on a device: its objects, and passes over its launches.

    What can't be created (a program that doesn't build, a buffer that doesn't fit) makes the
    launches that need it fail; the others run.
    """

    def __init__(self, device: Any, experiment: Experiment) -> None:
        import pyopencl as cl

        self._cl = cl
        self._experiment = experiment
        self._trace = experiment.trace
        self.objects = DeviceObjects(device, experiment.trace)
        self.samples = {launch.index: Samples() for launch in self._trace.launches}

    def run(
        self, repeat: int, warmup: int, skip: Mapping[int, str], on_launch: OnLaunch
    ) -> dict[int, Samples]:
        """Return the times of every launch, by its index.

        Parameters
        ----------
        repeat, warmup : int
            Timed passes, and passes before them.
        skip : mapping
            Index of a launch that must not run -> why.
        on_launch : callable
            Called before a launch that is about to run, or to be waited for.

        Raises
        ------
        QueueLostError
            When a launch fails as it runs. Its context can't be trusted any more: skip the
            launch and start again in a new process.
        """
        for index, reason in skip.items():
            if index in self.samples:
                self.samples[index].reason = reason
        self.objects.allocate()
        # In the first pass each launch runs alone, so that one that fails is known.
        self._pass(on_launch, timed=False, alone=True)
        alone = self._experiment.timing == LATENCY
        for _ in range(max(0, warmup - 1)):
            self._pass(on_launch, timed=False, alone=alone)
        for _ in range(repeat):
            self._pass(on_launch, timed=True, alone=alone)
        return self.samples

    def _pass(self, on_launch: OnLaunch, *, timed: bool, alone: bool) -> None:
        steps: list[Command | Launch] = [*self._trace.commands, *self._trace.launches]
        steps.sort(key=lambda step: step.seq)
        events: list[tuple[int, Any]] = []
        for step in steps:
            if isinstance(step, Command):
                self.objects.transfer(step)
                continue
            samples = self.samples[step.index]
            if samples.reason:
                continue
            if alone:
                # A driver may run the kernel, and die of it, within the call.
                on_launch(step.index)
            try:
                event = self._launch(step)
            except (GpusimError, self._cl.Error, AttributeError, TypeError, ValueError) as error:
                samples.reason = one_line(error)
                continue
            events.append((step.index, event))
            if alone:
                self._wait(step.index, event, on_launch)
        for index, event in events:
            self._wait(index, event, on_launch)
        if timed:
            self._note(events)
        for step in self._trace.launches:
            dropped = self.objects.dropped.get(step.program, "")
            self.samples[step.index].dropped_option = dropped

    def _wait(self, index: int, event: Any, on_launch: OnLaunch) -> None:
        status = self._cl.command_execution_status.COMPLETE
        try:
            if event.command_execution_status != status:
                on_launch(index)
            event.wait()
        except self._cl.Error as error:
            raise QueueLostError(index, one_line(error)) from None

    def _note(self, events: list[tuple[int, Any]]) -> None:
        latency = self._experiment.timing == LATENCY
        for index, event in events:
            samples = self.samples[index]
            if samples.reason:
                continue
            try:
                times = event.profile
                end = times.start if latency else times.end
                begin = times.queued if latency else times.start
            except self._cl.Error as error:
                samples.reason = one_line(error)
                continue
            if end <= begin:
                samples.reason = f"the driver's event says {end - begin} ns"
            else:
                samples.times_ns.append(int(end - begin))

    def _launch(self, launch: Launch) -> Any:
        kernel = self.objects.kernel(launch)
        dim = launch.work_dim
        local = launch.local_size
        offset = launch.global_offset[:dim] if any(launch.global_offset) else None
        return self._cl.enqueue_nd_range_kernel(
            self.objects.queue,
            kernel,
            launch.global_size[:dim],
            None if local is None else local[:dim],
            global_work_offset=offset,
        )


def describe(device: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a result notes of the device."""
    yield "name", device.name.strip()
    yield "driver", device.driver_version.strip()
    yield "version", device.version.strip()
    yield "compute_units", int(device.max_compute_units)
    yield "clock_mhz", int(device.max_clock_frequency)
