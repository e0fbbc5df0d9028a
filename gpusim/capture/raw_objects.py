"""Objects of a raw log: programs and builds, kernels, memory, samplers, argument sets."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

from gpusim.capture.raw_blobs import RawBlobs
from gpusim.capture.raw_frames import Frames
from gpusim.capture.raw_layout import (
    ADDRESSING_MODES,
    CHANNEL_ORDERS,
    CHANNEL_TYPES,
    FILTER_MODES,
    IMAGE_TYPES,
    NO_ID,
    RELEASE,
    ObjectKind,
    Record,
)
from gpusim.capture.raw_models import (
    AnswersRecord,
    BuildRecord,
    KernelRecord,
    MemoryRecord,
    ParameterRecord,
    ProgramRecord,
    QueueRecord,
    SamplerRecord,
    read_record,
)
from gpusim.errors import TraceError, located
from gpusim.trace.records import (
    Argument,
    ArgumentKind,
    Buffer,
    Image,
    Kernel,
    Program,
    Sampler,
)

_ARGUMENT_KINDS = {
    1: ArgumentKind.BUFFER,
    2: ArgumentKind.IMAGE,
    3: ArgumentKind.SAMPLER,
    4: ArgumentKind.LOCAL,
    5: ArgumentKind.VALUE,
    6: ArgumentKind.NULL,
}
_ARGUMENT_HEAD = struct.Struct("<III")
_ARGUMENT = struct.Struct("<HBBII")


@dataclass(slots=True, kw_only=True)
class Objects:
    """Everything that launches and commands refer to."""

    platforms: list[AnswersRecord] = field(default_factory=list)
    devices: list[AnswersRecord] = field(default_factory=list)
    queues: dict[int, QueueRecord] = field(default_factory=dict)
    programs: dict[int, Program] = field(default_factory=dict)
    kernels: dict[int, Kernel] = field(default_factory=dict)
    parameters: dict[int, tuple[ParameterRecord, ...]] = field(default_factory=dict)
    """Per kernel id."""
    buffers: dict[int, Buffer] = field(default_factory=dict)
    images: dict[int, Image] = field(default_factory=dict)
    samplers: dict[int, Sampler] = field(default_factory=dict)
    argument_sets: dict[int, tuple[Argument, ...]] = field(default_factory=dict)
    guessed_arguments: int = 0
    """Arguments whose kind was guessed from a live handle."""


def read_objects(frames: Frames, blobs: RawBlobs) -> Objects:
    """Read every record that is not a launch, a command or a time.

    Raises
    ------
    TraceError
        When a record lacks what it should say.
    """
    objects = Objects()
    programs = _Programs(blobs)
    for index, kind in enumerate(frames.type.tolist()):
        match kind:
            case Record.PLATFORM:
                objects.platforms.append(read_record(frames, index, AnswersRecord))
            case Record.DEVICE:
                objects.devices.append(read_record(frames, index, AnswersRecord))
            case Record.QUEUE:
                queue = read_record(frames, index, QueueRecord)
                objects.queues[queue.id] = queue
            case Record.PROGRAM:
                programs.create(read_record(frames, index, ProgramRecord))
            case Record.BUILD:
                programs.build(read_record(frames, index, BuildRecord))
            case Record.KERNEL:
                _add_kernel(objects, read_record(frames, index, KernelRecord))
            case Record.MEMORY:
                record = read_record(frames, index, MemoryRecord)
                _add_memory(objects, record, int(frames.time_ns[index]))
            case Record.SAMPLER:
                _add_sampler(objects, read_record(frames, index, SamplerRecord))
            case Record.ARGUMENTS:
                _add_arguments(objects, frames, index)
    objects.programs = programs.finish()
    _release(objects, frames)
    return objects


class _Programs:
    """Programs with the options of their last successful build."""

    def __init__(self, blobs: RawBlobs) -> None:
        self._blobs = blobs
        self._created: dict[int, ProgramRecord] = {}
        self._built: dict[int, BuildRecord] = {}

    def create(self, record: ProgramRecord) -> None:
        self._created[record.id] = record

    def build(self, record: BuildRecord) -> None:
        if record.program is not None and (record.rc == 0 or record.program not in self._built):
            self._built[record.program] = record

    def finish(self) -> dict[int, Program]:
        return {key: self._program(self._created[key]) for key in sorted(self._created)}

    def _program(self, created: ProgramRecord) -> Program:
        if created.form == "linked":
            return self._linked(created)
        built = self._built.get(created.id)
        headers = []
        for name, header in built.headers if built else ():
            included = self._created.get(header)
            if included is not None and included.blob is not None:
                headers.append((name, included.blob))
        return Program(
            id=created.id,
            kind=created.form,
            blob=created.blob,
            build_options=built.options if built else "",
            headers=tuple(headers),
        )

    def _linked(self, created: ProgramRecord) -> Program:
        """Return a linked program as one text: its inputs one after the other."""
        # Only what is older can be an input, so this comes to an end.
        inputs = [
            self._program(self._created[key])
            for key in created.inputs
            if key in self._created and key < created.id
        ]
        kinds = {part.kind for part in inputs}
        if kinds != {"source"} or len(inputs) < len(created.inputs):
            return Program(
                id=created.id,
                kind="il" if kinds == {"il"} and len(inputs) == 1 else "binary",
                blob=inputs[0].blob if len(inputs) == 1 else None,
                build_options=created.options,
            )
        texts = [self._blobs[part.blob] for part in inputs if part.blob is not None]
        headers = dict(pair for part in inputs for pair in part.headers)
        options = dict.fromkeys(
            option for part in inputs for option in part.build_options.split(" ") if option
        )
        return Program(
            id=created.id,
            kind="source",
            blob=inputs[0].blob if len(inputs) == 1 else self._blobs.add(b"\n".join(texts)),
            build_options=" ".join(options),
            headers=tuple(headers.items()),
        )


def _add_kernel(objects: Objects, record: KernelRecord) -> None:
    # Without a program: of one that came from a call the shim does not know.
    if record.program is not None:
        kernel = Kernel(id=record.id, name=record.name, program=record.program)
        objects.kernels[record.id] = kernel
        objects.parameters[record.id] = tuple(record.parameters)


def _add_memory(objects: Objects, record: MemoryRecord, created_ns: int) -> None:
    image = record.image
    if image is None:
        objects.buffers[record.id] = Buffer(
            id=record.id,
            size_bytes=record.size,
            flags=record.flags,
            parent=record.parent,
            offset_bytes=record.offset,
            content=record.content,
            content_hash=record.content_hash,
            created_ns=created_ns,
        )
        return
    objects.images[record.id] = Image(
        id=record.id,
        type=IMAGE_TYPES.get(image.type, "image2d"),
        width=max(image.width, 1),
        height=max(image.height, 1),
        depth=max(image.depth, 1),
        array_size=max(image.array_size, 1),
        channel_order=CHANNEL_ORDERS.get(image.order, f"order_{image.order:x}"),
        channel_type=CHANNEL_TYPES.get(image.channel, f"type_{image.channel:x}"),
        row_pitch_bytes=image.row_pitch,
        slice_pitch_bytes=image.slice_pitch,
        flags=record.flags,
        buffer=record.parent if record.parent in objects.buffers else None,
        content=record.content,
        created_ns=created_ns,
    )


def _add_sampler(objects: Objects, record: SamplerRecord) -> None:
    mode, kind = record.addressing, record.filter
    objects.samplers[record.id] = Sampler(
        id=record.id,
        normalized=record.normalized,
        addressing=ADDRESSING_MODES.get(mode, f"mode_{mode:x}"),
        filter=FILTER_MODES.get(kind, f"filter_{kind:x}"),
    )


def _add_arguments(objects: Objects, frames: Frames, index: int) -> None:
    payload = frames.payload(index)
    if len(payload) < _ARGUMENT_HEAD.size:
        raise _too_short(frames, index)
    key, _, count = _ARGUMENT_HEAD.unpack_from(payload, 0)
    at = _ARGUMENT_HEAD.size
    arguments = []
    for _ in range(count):
        if len(payload) < at + _ARGUMENT.size:
            raise _too_short(frames, index)
        position, code, guessed, size, reference = _ARGUMENT.unpack_from(payload, at)
        at += _ARGUMENT.size
        kind = _ARGUMENT_KINDS.get(code)
        value = None
        if kind is ArgumentKind.VALUE:
            value = payload[at : at + size]
            if len(value) != size:
                raise _too_short(frames, index)
            at += -(-size // 4) * 4
        objects.guessed_arguments += guessed
        # Code 0: the program launched without setting it; the runtime accepted that.
        if kind is not None:
            arguments.append(_argument(position, kind, size, reference, value))
    objects.argument_sets[key] = tuple(arguments)


def _too_short(frames: Frames, index: int) -> TraceError:
    return TraceError(located(frames.where(index), "arguments are cut off"))


def _argument(
    position: int, kind: ArgumentKind, size: int, reference: int, value: bytes | None
) -> Argument:
    refers = kind in (ArgumentKind.BUFFER, ArgumentKind.IMAGE, ArgumentKind.SAMPLER)
    if refers and reference == NO_ID:
        kind, refers = ArgumentKind.NULL, False
    return Argument(
        index=position,
        kind=kind,
        size_bytes=size,
        ref=reference if refers else None,
        value=value,
    )


def _release(objects: Objects, frames: Frames) -> None:
    """Set the release times of buffers and images."""
    indices = frames.of_type(Record.RELEASE)
    records = frames.packed(indices, RELEASE)
    times = frames.time_ns[indices]
    for record, time_ns in zip(records, times.tolist(), strict=True):
        if record["kind"] != ObjectKind.MEMORY:
            continue
        key = int(record["id"])
        if key in objects.buffers:
            objects.buffers[key] = replace(objects.buffers[key], released_ns=time_ns)
        elif key in objects.images:
            objects.images[key] = replace(objects.images[key], released_ns=time_ns)
