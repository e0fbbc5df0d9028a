"""What a trace is: programs, buffers and the commands that a program gave to its queues.

Frozen records, independent of how they were stored. A planned launch (`library`) and a captured
one (`capture`) are the same type. Not modelled: shared virtual memory, pipes, device queues.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gpusim.errors import TraceError, located

Size3 = tuple[int, int, int]

PLANNED = "planned launches"
"""`manifest["format"]` of a trace that a dispatch model made."""


class ArgumentKind(StrEnum):
    """How a kernel argument was set."""

    BUFFER = "buffer"
    IMAGE = "image"
    SAMPLER = "sampler"
    LOCAL = "local"
    VALUE = "value"
    NULL = "null"


class CommandKind(StrEnum):
    """A command of an OpenCL queue, or a host call that orders queues."""

    LAUNCH = "launch"
    WRITE = "write"
    READ = "read"
    COPY = "copy"
    FILL = "fill"
    MAP = "map"
    UNMAP = "unmap"
    MIGRATE = "migrate"
    BARRIER = "barrier"
    MARKER = "marker"
    FLUSH = "flush"
    FINISH = "finish"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One kernel argument as it was when the launch was enqueued."""

    index: int
    kind: ArgumentKind
    size_bytes: int
    ref: int | None = None
    """Id of the buffer, image or sampler."""
    value: bytes | None = None
    """Little-endian bytes of a by-value argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An OpenCL program: where its text is and how it was built."""

    id: int
    kind: str
    """``source``, ``il`` or ``binary``."""
    blob: str | None
    """SHA-256 (hex) of the text; None when it was not recorded."""
    build_options: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """(name, SHA-256) of the headers given to clCompileProgram."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel object: an OpenCL function of a program."""

    id: int
    name: str
    program: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """A buffer or sub-buffer and its life time."""

    id: int
    size_bytes: int
    flags: int = 0
    parent: int | None = None
    offset_bytes: int = 0
    content: str | None = None
    """SHA-256 of the initial contents, when they were stored."""
    content_hash: str | None = None
    """SHA-256 of the initial contents, when only their hash was stored."""
    created_ns: int = 0
    released_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A 1D or 2D image or image array."""

    id: int
    type: str
    width: int
    height: int = 1
    depth: int = 1
    array_size: int = 1
    channel_order: str = "RGBA"
    channel_type: str = "FLOAT"
    row_pitch_bytes: int = 0
    slice_pitch_bytes: int = 0
    flags: int = 0
    buffer: int | None = None
    content: str | None = None
    created_ns: int = 0
    released_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """A sampler object."""

    id: int
    normalized: bool
    addressing: str
    filter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTimes:
    """Profiling times of a command, device clock, ns; 0 = not reported."""

    queued_ns: int = 0
    submit_ns: int = 0
    start_ns: int = 0
    end_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Anything but a launch that a queue or the host was told to do."""

    seq: int
    kind: CommandKind
    queue: int | None
    waits: tuple[int, ...] = ()
    """`seq` of the commands this one waits for."""
    source: int | None = None
    """Buffer or image read from."""
    target: int | None = None
    """Buffer or image written to."""
    offset_bytes: int = 0
    """Into the target of a write, copy, fill or unmap; into the source of a read or map."""
    source_offset_bytes: int = 0
    """Into the source of a copy."""
    size_bytes: int = 0
    """Bytes moved; for a rectangle, of its rows without the gaps between them."""
    blocking: bool = False
    content: str | None = None
    """SHA-256 of the bytes written, when they were stored; the pattern of a fill."""
    thread: int = 0
    host_ns: int = 0
    host_duration_ns: int = 0
    times: DeviceTimes | None = None
    name: str = ""
    """The OpenCL call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One recorded clEnqueueNDRangeKernel: kernel, NDRange and arguments."""

    index: int
    """Position among the launches of the trace, from 0."""
    seq: int
    """Position among all commands of the trace."""
    kernel: str
    program: int
    work_dim: int
    global_size: Size3
    local_size: Size3 | None
    """As recorded; None where the program passed NULL."""
    global_offset: Size3 = (0, 0, 0)
    arguments: tuple[Argument, ...] = ()
    kernel_id: int | None = None
    queue: int | None = None
    waits: tuple[int, ...] = ()
    thread: int = 0
    host_ns: int = 0
    host_duration_ns: int = 0
    result_code: int = 0
    times: DeviceTimes | None = None
    label: str = ""
    """Free text of a planned launch (layer, phase); empty for a captured one."""


def _no_blob(sha256: str) -> bytes:
    raise TraceError(located("trace", "holds no blobs", expected=sha256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Everything that was recorded of one process.

    `launches` and `commands` are sequences ordered by `seq`; a reader may build their items
    lazily from columns.
    """

    name: str
    """File or folder the trace was read from, for messages."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    devices: tuple[Mapping[str, Any], ...] = ()
    """Per recorded device: ``{"real": {...}, "presented": {...}, "profile": id or None}``."""
    programs: Mapping[int, Program] = field(default_factory=dict)
    kernels: Mapping[int, Kernel] = field(default_factory=dict)
    buffers: Mapping[int, Buffer] = field(default_factory=dict)
    images: Mapping[int, Image] = field(default_factory=dict)
    samplers: Mapping[int, Sampler] = field(default_factory=dict)
    launches: Sequence[Launch] = ()
    commands: Sequence[Command] = ()
    read_blob: Callable[[str], bytes] = field(repr=False, default=_no_blob)
    """Return the bytes of a blob by its SHA-256; raises TraceError when it is missing."""
    notes: tuple[str, ...] = ()
    """What the reader passed over, such as columns of a newer minor version."""

    @property
    def impersonated(self) -> bool:
        """Whether times in this trace belong to another device than the one presented."""
        return bool(self.manifest.get("impersonated", False))
