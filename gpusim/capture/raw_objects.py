"""Objects of a raw log: programs and builds, kernels, memory, samplers, argument sets."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A kernel parameter as the runtime described it; empty texts where it did not."""

    address: str = ""
    type: str = ""
    name: str = ""


@dataclass(slots=True, kw_only=True)
class Objects:
    """Everything that launches and commands refer to."""

    platforms: list[Mapping[str, Any]] = field(default_factory=list)
    devices: list[Mapping[str, Any]] = field(default_factory=list)
    queues: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    programs: dict[int, Program] = field(default_factory=dict)
    kernels: dict[int, Kernel] = field(default_factory=dict)
    parameters: dict[int, tuple[Parameter, ...]] = field(default_factory=dict)
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
    programs = _Programs(frames, blobs)
    handlers: dict[int, Callable[[int], None]] = {
        Record.PLATFORM: lambda i: objects.platforms.append(frames.json(i)),
        Record.DEVICE: lambda i: objects.devices.append(frames.json(i)),
        Record.QUEUE: lambda i: _read_queue(objects, frames.json(i)),
        Record.PROGRAM: programs.read,
        Record.BUILD: programs.read_build,
        Record.KERNEL: lambda i: _read_kernel(objects, frames.json(i)),
        Record.MEMORY: lambda i: _read_memory(objects, frames.json(i), int(frames.time_ns[i])),
        Record.SAMPLER: lambda i: _read_sampler(objects, frames.json(i)),
        Record.ARGUMENTS: lambda i: _read_arguments(objects, frames, i),
    }
    for index, kind in enumerate(frames.type.tolist()):
        handler = handlers.get(kind)
        if handler is None:
            continue
        try:
            handler(index)
        except (KeyError, TypeError, ValueError, struct.error) as error:
            raise TraceError(
                located(
                    frames.where(index),
                    "record is incomplete",
                    expected=f"a complete {Record(kind).name.lower()} record",
                    found=f"{type(error).__name__}: {error}",
                )
            ) from None
    objects.programs = programs.finish()
    _release(objects, frames)
    return objects


class _Programs:
    """Programs with the options of their last successful build."""

    def __init__(self, frames: Frames, blobs: RawBlobs) -> None:
        self._frames = frames
        self._blobs = blobs
        self._created: dict[int, dict[str, Any]] = {}
        self._built: dict[int, dict[str, Any]] = {}

    def read(self, index: int) -> None:
        values = self._frames.json(index)
        self._created[int(values["id"])] = values

    def read_build(self, index: int) -> None:
        values = self._frames.json(index)
        program, rc = values["program"], int(values["rc"])
        if program is not None and (rc == 0 or program not in self._built):
            self._built[int(program)] = values

    def finish(self) -> dict[int, Program]:
        return {key: self._program(key) for key in sorted(self._created)}

    def _program(self, key: int) -> Program:
        created = self._created[key]
        built = self._built.get(key, {})
        if created["form"] == "linked":
            return self._linked(key, created)
        headers = []
        for name, header in built.get("headers", ()):
            blob = self._created.get(header, {}).get("blob")
            if blob is not None:
                headers.append((str(name), str(blob)))
        return Program(
            id=key,
            kind=str(created["form"]),
            blob=created.get("blob"),
            build_options=str(built.get("options", "")),
            headers=tuple(headers),
        )

    def _linked(self, key: int, created: Mapping[str, Any]) -> Program:
        """Return a linked program as one text: its inputs one after the other."""
        inputs = [self._program(part) for part in created["inputs"] if part in self._created]
        kinds = {part.kind for part in inputs}
        if kinds != {"source"} or len(inputs) < len(created["inputs"]):
            kind = "il" if kinds == {"il"} and len(inputs) == 1 else "binary"
            blob = inputs[0].blob if len(inputs) == 1 else None
            return Program(id=key, kind=kind, blob=blob, build_options=created["options"])
        texts = [self._blobs[part.blob] for part in inputs if part.blob is not None]
        headers = dict(pair for part in inputs for pair in part.headers)
        options = dict.fromkeys(
            option for part in inputs for option in part.build_options.split(" ") if option
        )
        return Program(
            id=key,
            kind="source",
            blob=inputs[0].blob if len(inputs) == 1 else self._blobs.add(b"\n".join(texts)),
            build_options=" ".join(options),
            headers=tuple(headers.items()),
        )


def _read_queue(objects: Objects, values: Mapping[str, Any]) -> None:
    objects.queues[int(values["id"])] = values


def _read_kernel(objects: Objects, values: Mapping[str, Any]) -> None:
    key, program = int(values["id"]), values["program"]
    if program is None:
        # A kernel of a program that came from a call the shim does not know.
        return
    objects.kernels[key] = Kernel(id=key, name=str(values["name"]), program=int(program))
    objects.parameters[key] = tuple(
        Parameter(
            address=str(item.get("address", "")),
            type=str(item.get("type", "")),
            name=str(item.get("name", "")),
        )
        for item in values["parameters"]
    )


def _read_memory(objects: Objects, values: Mapping[str, Any], created_ns: int) -> None:
    key = int(values["id"])
    image = values.get("image")
    if image is None:
        objects.buffers[key] = Buffer(
            id=key,
            size_bytes=int(values["size"]),
            flags=int(values["flags"]),
            parent=values["parent"],
            offset_bytes=int(values["offset"]),
            content=values.get("content"),
            content_hash=values.get("content_hash"),
            created_ns=created_ns,
        )
        return
    order, channel = int(image["order"]), int(image["channel"])
    objects.images[key] = Image(
        id=key,
        type=IMAGE_TYPES.get(int(image["type"]), "image2d"),
        width=max(int(image["width"]), 1),
        height=max(int(image["height"]), 1),
        depth=max(int(image["depth"]), 1),
        array_size=max(int(image["array_size"]), 1),
        channel_order=CHANNEL_ORDERS.get(order, f"order_{order:x}"),
        channel_type=CHANNEL_TYPES.get(channel, f"type_{channel:x}"),
        row_pitch_bytes=int(image["row_pitch"]),
        slice_pitch_bytes=int(image["slice_pitch"]),
        flags=int(values["flags"]),
        buffer=values["parent"] if values["parent"] in objects.buffers else None,
        content=values.get("content"),
        created_ns=created_ns,
    )


def _read_sampler(objects: Objects, values: Mapping[str, Any]) -> None:
    key, mode, kind = int(values["id"]), int(values["addressing"]), int(values["filter"])
    objects.samplers[key] = Sampler(
        id=key,
        normalized=bool(values["normalized"]),
        addressing=ADDRESSING_MODES.get(mode, f"mode_{mode:x}"),
        filter=FILTER_MODES.get(kind, f"filter_{kind:x}"),
    )


def _read_arguments(objects: Objects, frames: Frames, index: int) -> None:
    payload = frames.payload(index)
    key, _, count = _ARGUMENT_HEAD.unpack_from(payload, 0)
    at = _ARGUMENT_HEAD.size
    arguments = []
    for _ in range(count):
        position, code, guessed, size, reference = _ARGUMENT.unpack_from(payload, at)
        at += _ARGUMENT.size
        kind = _ARGUMENT_KINDS.get(code)
        value = None
        if kind is ArgumentKind.VALUE:
            value = payload[at : at + size]
            if len(value) != size:
                raise ValueError(f"argument {position} has {len(value)} of {size} bytes")
            at += -(-size // 4) * 4
        objects.guessed_arguments += guessed
        # Code 0: the program launched without setting it; the runtime accepted that.
        if kind is not None:
            arguments.append(_argument(position, kind, size, reference, value))
    objects.argument_sets[key] = tuple(arguments)


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
