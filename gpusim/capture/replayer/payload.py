"""Experiments as the bytes that a replayer program carries; ``payload.h`` reads them.

Little-endian, no alignment: u32 and u64 numbers, f64, and strings as a u32 length and bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence

from gpusim.capture.raw_layout import (
    ADDRESSING_MODES,
    CHANNEL_ORDERS,
    CHANNEL_TYPES,
    FILTER_MODES,
    IMAGE_TYPES,
)
from gpusim.capture.replayer.experiment import LATENCY, Experiment, Wanted, size_cell
from gpusim.errors import CaptureError, located
from gpusim.trace.records import (
    Argument,
    ArgumentKind,
    Buffer,
    Command,
    CommandKind,
    Image,
    Launch,
    Program,
    Sampler,
    Size3,
    Trace,
)

MAGIC = b"GPSMEAS1"
_NONE = 0xFFFFFFFF
_KINDS = {
    ArgumentKind.VALUE: 0,
    ArgumentKind.LOCAL: 1,
    ArgumentKind.NULL: 2,
    ArgumentKind.BUFFER: 3,
    ArgumentKind.IMAGE: 4,
    ArgumentKind.SAMPLER: 5,
}
_LAUNCH, _WRITE, _COPY, _FILL = range(4)
_NS_UNITS = {"us": 1e-3, "GFLOPS": 1.0, "GIOPS": 1.0, "GBPS": 1.0}
"""Unit -> factor to the time in ns, or to operations or bytes per ns."""


def encode(
    experiments: Sequence[Experiment], *, repeat: int, warmup: int, device_name: str
) -> bytes:
    """Return the payload.

    Raises
    ------
    CaptureError
        When the trace holds what no board program can run (a constant of an image unknown to
        us), or when there is no launch at all.
    """
    if not any(experiment.rows for experiment in experiments):
        raise CaptureError(located("--build", "nothing to measure", expected="one launch at least"))
    parts = [MAGIC, _u32(repeat), _u32(warmup), _text(device_name), _u32(len(experiments))]
    for experiment in experiments:
        parts += _experiment(experiment)
    return b"".join(parts)


def _experiment(experiment: Experiment) -> Iterable[bytes]:
    trace = experiment.trace
    memory = _memory_order(trace)
    objects = {number: position for position, number in enumerate(memory)}
    programs = {number: position for position, number in enumerate(trace.programs)}
    samplers = {number: position for position, number in enumerate(trace.samplers)}
    yield _u32(int(experiment.timing == LATENCY))
    yield _u32(len(programs))
    for program in trace.programs.values():
        yield from _program(trace, program)
    yield _u32(len(memory))
    for number in memory:
        if number in trace.buffers:
            yield from _buffer(trace, trace.buffers[number], objects)
        else:
            yield from _image(trace, trace.images[number])
    yield _u32(len(samplers))
    for sampler in trace.samplers.values():
        yield _sampler(sampler)
    yield _u32(len(experiment.rows))
    for row in experiment.rows:
        yield _row(row)
    rows = {
        launch.index: row
        for launch, row in zip(trace.launches, experiment.row_of_launch, strict=True)
    }
    steps = [
        *(_transfer(trace, command, objects) for command in trace.commands),
        *(
            (launch.seq, _launch(launch, rows[launch.index], programs, objects, samplers))
            for launch in trace.launches
        ),
    ]
    known = sorted((step for step in steps if step is not None), key=lambda step: step[0])
    yield _u32(len(known))
    for _, encoded in known:
        yield encoded


def _memory_order(trace: Trace) -> list[int]:
    """Return the memory objects that launches use, parents before their parts."""
    used: dict[int, None] = {}

    def add(number: int) -> None:
        buffer = trace.buffers.get(number)
        if buffer is not None and buffer.parent is not None and buffer.parent not in used:
            add(buffer.parent)
        used[number] = None

    for launch in trace.launches:
        for argument in launch.arguments:
            in_memory = argument.kind in (ArgumentKind.BUFFER, ArgumentKind.IMAGE)
            if in_memory and argument.ref is not None and argument.ref not in used:
                if argument.ref not in trace.buffers and argument.ref not in trace.images:
                    where = f"{trace.name}: launch {launch.index}"
                    raise CaptureError(located(where, "unknown memory object", found=argument.ref))
                add(argument.ref)
    return list(used)


def _program(trace: Trace, program: Program) -> Iterable[bytes]:
    runs = program.kind == "source" and program.blob is not None and not program.headers
    yield _text(program.build_options)
    # An empty text makes the launches of this program fail on the board, with that reason.
    yield _bytes(trace.read_blob(program.blob) if runs and program.blob else b"")


def _buffer(trace: Trace, buffer: Buffer, objects: Mapping[int, int]) -> Iterable[bytes]:
    parent = _NONE if buffer.parent is None else objects[buffer.parent]
    yield _u32(0) + _u64(buffer.size_bytes) + _u32(parent) + _u64(buffer.offset_bytes)
    yield _bytes(trace.read_blob(buffer.content) if buffer.content else b"")


def _image(trace: Trace, image: Image) -> Iterable[bytes]:
    where = f"{trace.name}: image {image.id}"
    yield _u32(_code(IMAGE_TYPES, image.type, where))
    yield _u32(_code(CHANNEL_ORDERS, image.channel_order, where))
    yield _u32(_code(CHANNEL_TYPES, image.channel_type, where))
    for extent in (image.width, image.height, image.depth, image.array_size):
        yield _u64(extent)
    yield _bytes(trace.read_blob(image.content) if image.content else b"")


def _sampler(sampler: Sampler) -> bytes:
    where = f"sampler {sampler.id}"
    return (
        _u32(int(sampler.normalized))
        + _u32(_code(ADDRESSING_MODES, sampler.addressing, where))
        + _u32(_code(FILTER_MODES, sampler.filter, where))
    )


def _row(row: Wanted) -> bytes:
    return b"".join(
        (
            _text(row.kernel),
            # Open, so that the program can add what it found.
            _text(json.dumps(dict(row.params))[:-1]),
            _text(size_cell(row.global_size)),
            _text(size_cell(row.local_size)),
            _text(row.metric),
            _text(row.unit),
            struct.pack("<dd", _NS_UNITS[row.unit], row.amount),
        )
    )


def _transfer(
    trace: Trace, command: Command, objects: Mapping[int, int]
) -> tuple[int, bytes] | None:
    """Return a write, copy or fill whose bytes are known and whose buffers are used."""
    if command.target is None or command.target not in objects:
        return None
    if command.target not in trace.buffers or "Rect" in command.name:
        return None
    target = _u32(objects[command.target]) + _u64(command.offset_bytes)
    if command.kind is CommandKind.COPY:
        if command.source is None or command.source not in objects:
            return None
        if command.source not in trace.buffers:
            return None
        source = _u32(objects[command.source]) + _u64(command.source_offset_bytes)
        return command.seq, _u32(_COPY) + target + source + _u64(command.size_bytes)
    if command.content is None:
        return None
    content = _bytes(trace.read_blob(command.content))
    if command.kind is CommandKind.FILL:
        return command.seq, _u32(_FILL) + target + _u64(command.size_bytes) + content
    if command.kind in (CommandKind.WRITE, CommandKind.UNMAP):
        return command.seq, _u32(_WRITE) + target + content
    return None


def _launch(
    launch: Launch,
    row: int,
    programs: Mapping[int, int],
    objects: Mapping[int, int],
    samplers: Mapping[int, int],
) -> bytes:
    local = launch.local_size or (0, 0, 0)
    head = (
        _u32(_LAUNCH) + _u32(row) + _u32(programs[launch.program]) + _text(launch.kernel)
        + _u32(launch.work_dim) + _size(launch.global_size) + _size(local)
        + _size(launch.global_offset) + _u32(len(launch.arguments))
    )  # fmt: skip
    return head + b"".join(_argument(one, objects, samplers) for one in launch.arguments)


def _argument(argument: Argument, objects: Mapping[int, int], samplers: Mapping[int, int]) -> bytes:
    kind, ref = argument.kind, 0
    if kind in (ArgumentKind.BUFFER, ArgumentKind.IMAGE, ArgumentKind.SAMPLER):
        if argument.ref is None:
            kind = ArgumentKind.NULL
        else:
            ref = (samplers if kind is ArgumentKind.SAMPLER else objects)[argument.ref]
    head = _u32(argument.index) + _u32(_KINDS[kind]) + _u64(argument.size_bytes) + _u32(ref)
    return head + _bytes(argument.value or b"")


def _code(names: Mapping[int, str], name: str, where: str) -> int:
    found = next((code for code, known in names.items() if known == name), None)
    if found is None:
        raise CaptureError(located(where, "unknown constant", found=name))
    return found


def _size(size: Size3) -> bytes:
    return struct.pack("<3Q", *size)


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


def _u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def _bytes(value: bytes) -> bytes:
    return _u32(len(value)) + value


def _text(value: str) -> bytes:
    return _bytes(value.encode("utf-8", "surrogateescape"))
