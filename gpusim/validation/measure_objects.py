"""The OpenCL objects of an experiment: memory, programs, samplers, arguments, transfers."""

from __future__ import annotations

import re
import warnings
from typing import Any

from gpusim.errors import GpusimError, TraceError
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


class DeviceObjects:
    """A context with a profiling queue, and what a trace's launches need in it.

    What can't be created (a program that doesn't build, a buffer that doesn't fit) is a problem
    of the launches that need it, raised when they ask.
    """

    def __init__(self, device: Any, trace: Trace) -> None:
        import pyopencl as cl

        self._cl = cl
        self._device = device
        self._trace = trace
        self._context = cl.Context([device])
        self.queue = cl.CommandQueue(
            self._context, properties=cl.command_queue_properties.PROFILING_ENABLE
        )
        self._objects: dict[int, Any] = {}
        self._problems: dict[int, str] = {}
        self._samplers: dict[int, Any] = {}
        self._programs: dict[int, Any] = {}
        self._kernels: dict[int, Any] = {}
        self.dropped: dict[int, str] = {}
        """Program -> the option that it was built without, as the device refused it."""

    def allocate(self) -> None:
        """Create the memory objects that the launches use."""
        launches = self._trace.launches
        used = {
            argument.ref
            for launch in launches
            for argument in launch.arguments
            if argument.ref is not None and argument.kind is not ArgumentKind.SAMPLER
        }
        for number in sorted(used):
            with self._noting(number):
                self.memory(number)

    def _noting(self, number: int) -> _Noting:
        return _Noting(self._cl, self._problems, number)

    def memory(self, number: int) -> Any:
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
            parent = self.memory(buffer.parent)
            end = buffer.offset_bytes + buffer.size_bytes
            return parent[buffer.offset_bytes : end]
        made = cl.Buffer(self._context, cl.mem_flags.READ_WRITE, max(1, buffer.size_bytes))
        if buffer.content is None:
            self._fill(made, b"\0", 0, buffer.size_bytes)
        else:
            data = np.frombuffer(self._trace.read_blob(buffer.content), dtype=np.uint8)
            cl.enqueue_copy(self.queue, made, data)
        return made

    def _fill(self, target: Any, pattern: bytes, offset: int, size_bytes: int) -> None:
        import numpy as np

        if size_bytes:
            word = np.frombuffer(pattern, dtype=np.uint8)
            self._cl.enqueue_fill_buffer(self.queue, target, word, offset, size_bytes)

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
            self.queue, made, np.frombuffer(content, np.uint8), origin=(0, 0, 0), region=region
        )
        return made

    def kernel(self, launch: Launch) -> Any:
        """Return a launch's kernel with its arguments set.

        Raises
        ------
        TraceError
            When its program doesn't build, or a buffer can't be had.
        """
        if launch.index not in self._kernels:
            program = self._program(launch.program)
            self._kernels[launch.index] = self._cl.Kernel(program, launch.kernel)
        kernel = self._kernels[launch.index]
        for argument in launch.arguments:
            self._bind(kernel, argument)
        return kernel

    def _program(self, number: int) -> Any:
        found = self._programs.get(number)
        if found is None:
            try:
                found = self._build(number)
            except GpusimError as error:
                found = error
            self._programs[number] = found
        if isinstance(found, GpusimError):
            raise found
        return found

    def _build(self, number: int) -> Any:
        record = self._trace.programs[number]
        if record.kind != "source" or record.blob is None or record.headers:
            raise TraceError(f"program {number}: only programs of recorded source are measured")
        text = self._trace.read_blob(record.blob).decode("utf-8", "surrogateescape")
        program = self._cl.Program(self._context, text)
        try:
            return self._compiled(program, record.build_options)
        except self._cl.Error as error:
            options, standard = without_standard(record.build_options)
            if not standard:
                raise TraceError(f"program {number} does not build: {build_error(error)}") from None
        # Captured as if on a newer device: the text itself often is fine with an older one.
        program = self._cl.Program(self._context, text)
        try:
            built = self._compiled(program, options)
        except self._cl.Error as error:
            raise TraceError(f"program {number} does not build: {build_error(error)}") from None
        self.dropped[number] = standard
        return built

    def _compiled(self, program: Any, options: str) -> Any:
        with warnings.catch_warnings():
            # Compilers' remarks come as warnings; they are no problem of the measurement.
            warnings.simplefilter("ignore")
            return program.build(options=options, devices=[self._device])

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
            kernel.set_arg(argument.index, self.memory(ref))

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

    def transfer(self, command: Command) -> None:
        """Redo what the trace knows of a write, copy or fill of buffers; nothing else matters."""
        target, source = command.target, command.source
        if target not in self._objects or not moves_bytes(self._trace, command):
            return
        with self._noting(target):
            made = self._objects[target]
            if command.kind is CommandKind.COPY:
                if source is not None:
                    self._cl.enqueue_copy(
                        self.queue,
                        made,
                        self.memory(source),
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
                self._cl.enqueue_copy(self.queue, made, data, dst_offset=command.offset_bytes)


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


def without_standard(options: str) -> tuple[str, str]:
    """Return build options without ``-cl-std``, and that option; empty where there is none."""
    words = options.split()
    standard = next((word for word in words if word.startswith("-cl-std=")), "")
    return " ".join(word for word in words if word != standard), standard


def build_error(error: BaseException) -> str:
    """Return the first line of a build log that speaks of an error."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line[:300] for line in lines if re.search(r"\berror:", line)), one_line(error))


def one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
