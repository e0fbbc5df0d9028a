"""Run experiments on an OpenCL device with profiling events. Only the worker process does this."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpusim.capture.replayer import Experiment
from gpusim.capture.replayer.experiment import LATENCY
from gpusim.errors import CaptureError, GpusimError, TraceError, located
from gpusim.trace.records import (
    Argument,
    ArgumentKind,
    Buffer,
    Command,
    CommandKind,
    Image,
    Launch,
    Trace,
)

_WRITES = (CommandKind.WRITE, CommandKind.UNMAP)

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
        self._device = device
        self._experiment = experiment
        self._trace = experiment.trace
        self._context = cl.Context([device])
        self._queue = cl.CommandQueue(
            self._context, properties=cl.command_queue_properties.PROFILING_ENABLE
        )
        self._objects: dict[int, Any] = {}
        self._problems: dict[int, str] = {}
        self._samplers: dict[int, Any] = {}
        self._programs: dict[int, Any] = {}
        self._kernels: dict[int, Any] = {}
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
        self._allocate()
        # In the first pass each launch runs alone, so that one that fails is known.
        self._pass(on_launch, timed=False, alone=True)
        alone = self._experiment.timing == LATENCY
        for _ in range(max(0, warmup - 1)):
            self._pass(on_launch, timed=False, alone=alone)
        for _ in range(repeat):
            self._pass(on_launch, timed=True, alone=alone)
        return self.samples

    def _allocate(self) -> None:
        launches = self._trace.launches
        used = {
            argument.ref
            for launch in launches
            for argument in launch.arguments
            if argument.ref is not None and argument.kind is not ArgumentKind.SAMPLER
        }
        for number in sorted(used):
            with self._noting(number):
                self._object(number)

    def _noting(self, number: int) -> _Noting:
        return _Noting(self._cl, self._problems, number)

    def _object(self, number: int) -> Any:
        """Return the memory object of that id, created at first use."""
        if number not in self._objects:
            if number in self._trace.buffers:
                self._objects[number] = self._buffer(self._trace.buffers[number])
            elif number in self._trace.images:
                self._objects[number] = self._image(self._trace.images[number])
            else:
                raise TraceError(f"memory object {number} is not in the trace")
        return self._objects[number]

    def _buffer(self, buffer: Buffer) -> Any:
        import numpy as np

        cl = self._cl
        if buffer.parent is not None:
            parent = self._object(buffer.parent)
            end = buffer.offset_bytes + buffer.size_bytes
            return parent[buffer.offset_bytes : end]
        made = cl.Buffer(self._context, cl.mem_flags.READ_WRITE, max(1, buffer.size_bytes))
        if buffer.content is None:
            self._fill(made, b"\0", 0, buffer.size_bytes)
        else:
            data = np.frombuffer(self._trace.read_blob(buffer.content), dtype=np.uint8)
            cl.enqueue_copy(self._queue, made, data)
        return made

    def _fill(self, target: Any, pattern: bytes, offset: int, size_bytes: int) -> None:
        import numpy as np

        if size_bytes:
            word = np.frombuffer(pattern, dtype=np.uint8)
            self._cl.enqueue_fill_buffer(self._queue, target, word, offset, size_bytes)

    def _image(self, image: Image) -> Any:
        cl = self._cl
        shapes = {
            "image1d": (image.width,),
            "image2d": (image.width, image.height),
            "image3d": (image.width, image.height, image.depth),
        }
        if image.type not in shapes:
            raise TraceError(f"image {image.id}: {image.type} is not replayed on devices")
        pixel = cl.ImageFormat(
            getattr(cl.channel_order, image.channel_order),
            getattr(cl.channel_type, image.channel_type),
        )
        shape = shapes[image.type]
        made = cl.create_image(self._context, cl.mem_flags.READ_WRITE, pixel, shape=shape)
        import numpy as np

        n_bytes = int(np.prod(shape)) * pixel.itemsize
        content = self._trace.read_blob(image.content) if image.content else bytes(n_bytes)
        region = (*shape, 1, 1)[:3]
        cl.enqueue_copy(
            self._queue, made, np.frombuffer(content, np.uint8), origin=(0, 0, 0), region=region
        )
        return made

    def _pass(self, on_launch: OnLaunch, *, timed: bool, alone: bool) -> None:
        steps: list[Command | Launch] = [*self._trace.commands, *self._trace.launches]
        steps.sort(key=lambda step: step.seq)
        events: list[tuple[int, Any]] = []
        for step in steps:
            if isinstance(step, Command):
                self._transfer(step)
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
        kernel = self._kernel(launch)
        for argument in launch.arguments:
            self._bind(kernel, argument)
        dim = launch.work_dim
        local = launch.local_size
        offset = launch.global_offset[:dim] if any(launch.global_offset) else None
        return self._cl.enqueue_nd_range_kernel(
            self._queue,
            kernel,
            launch.global_size[:dim],
            None if local is None else local[:dim],
            global_work_offset=offset,
        )

    def _kernel(self, launch: Launch) -> Any:
        if launch.index not in self._kernels:
            program = self._program(launch.program)
            self._kernels[launch.index] = self._cl.Kernel(program, launch.kernel)
        return self._kernels[launch.index]

    def _program(self, number: int) -> Any:
        found = self._programs.get(number)
        if found is None:
            try:
                found = self._build(number)
            except GpusimError as error:
                found = error
            except self._cl.Error as error:
                found = TraceError(f"program {number} does not build: {one_line(error)}")
            self._programs[number] = found
        if isinstance(found, GpusimError):
            raise found
        return found

    def _build(self, number: int) -> Any:
        record = self._trace.programs[number]
        if record.kind != "source" or record.blob is None or record.headers:
            raise TraceError(f"program {number}: only programs of recorded source are measured")
        text = self._trace.read_blob(record.blob).decode("utf-8", "surrogateescape")
        with warnings.catch_warnings():
            # Compilers' remarks come as warnings; they are no problem of the measurement.
            warnings.simplefilter("ignore")
            program = self._cl.Program(self._context, text)
            return program.build(options=record.build_options, devices=[self._device])

    def _bind(self, kernel: Any, argument: Argument) -> None:
        kind, ref = argument.kind, argument.ref
        if kind is ArgumentKind.LOCAL:
            kernel.set_arg(argument.index, self._cl.LocalMemory(argument.size_bytes))
        elif kind is ArgumentKind.VALUE:
            kernel.set_arg(argument.index, argument.value)
        elif kind is ArgumentKind.NULL or ref is None:
            kernel.set_arg(argument.index, None)
        elif kind is ArgumentKind.SAMPLER:
            kernel.set_arg(argument.index, self._sampler(ref))
        elif ref in self._problems:
            raise TraceError(f"buffer {ref}: {self._problems[ref]}")
        else:
            kernel.set_arg(argument.index, self._object(ref))

    def _sampler(self, number: int) -> Any:
        if number not in self._samplers:
            cl, record = self._cl, self._trace.samplers[number]
            self._samplers[number] = cl.Sampler(
                self._context,
                record.normalized,
                getattr(cl.addressing_mode, record.addressing),
                getattr(cl.filter_mode, record.filter),
            )
        return self._samplers[number]

    def _transfer(self, command: Command) -> None:
        """Redo what the trace knows of a write, copy or fill of buffers; nothing else matters."""
        target, source = command.target, command.source
        if target not in self._objects or not moves_bytes(self._trace, command):
            return
        with self._noting(target):
            made = self._objects[target]
            if command.kind is CommandKind.COPY:
                if source is not None:
                    self._cl.enqueue_copy(
                        self._queue,
                        made,
                        self._object(source),
                        byte_count=command.size_bytes,
                        src_offset=command.source_offset_bytes,
                        dst_offset=command.offset_bytes,
                    )
                return
            content = self._trace.read_blob(command.content or "")
            if command.kind is CommandKind.FILL:
                self._fill(made, content, command.offset_bytes, command.size_bytes)
            else:
                import numpy as np

                data = np.frombuffer(content, dtype=np.uint8)
                self._cl.enqueue_copy(self._queue, made, data, dst_offset=command.offset_bytes)


class _Noting:
    """Turn a failure with a memory object into its problem."""

    def __init__(self, cl: Any, problems: dict[int, str], number: int) -> None:
        self._errors = (cl.Error, GpusimError, AttributeError, TypeError, ValueError)
        self._problems = problems
        self._number = number

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, self._errors):
            self._problems.setdefault(self._number, one_line(error))
            return True
        return False


def moves_bytes(trace: Trace, command: Command) -> bool:
    """Whether a command puts recorded bytes into a buffer in one piece."""
    if command.target not in trace.buffers or "Rect" in command.name:
        return False
    if command.kind is CommandKind.COPY:
        return command.source in trace.buffers
    known = command.content is not None
    return known and command.kind in (*_WRITES, CommandKind.FILL)


def one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def describe(device: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a result notes of the device."""
    yield "name", device.name.strip()
    yield "driver", device.driver_version.strip()
    yield "version", device.version.strip()
    yield "compute_units", int(device.max_compute_units)
    yield "clock_mhz", int(device.max_clock_frequency)
