"""Launches and other queue commands of a raw log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpusim.capture.raw_frames import HEAD_BYTES, Frames
from gpusim.capture.raw_layout import (
    BOX,
    COMMAND,
    LAUNCH,
    NO_ID,
    TIMES,
    ContentState,
    Execution,
    LaunchFlags,
    Record,
)
from gpusim.capture.raw_objects import Objects
from gpusim.capture.shim_source import api_names
from gpusim.errors import TraceError, located
from gpusim.trace.records import Command, CommandKind, DeviceTimes, Launch, Size3

_COMMAND_KINDS = {
    1: CommandKind.WRITE,
    2: CommandKind.READ,
    3: CommandKind.COPY,
    4: CommandKind.FILL,
    5: CommandKind.MAP,
    6: CommandKind.UNMAP,
    7: CommandKind.MIGRATE,
    8: CommandKind.BARRIER,
    9: CommandKind.MARKER,
    10: CommandKind.FLUSH,
    11: CommandKind.FINISH,
    12: CommandKind.WAIT,
}
_LISTED_FAILURES = 100
"""Failed launches that the manifest lists one by one."""
_MAX_EXTENT = 2**32
_MAX_OFFSET = 2**48
_MAX_NS = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecords:
    """What the queues of a process were given."""

    launches: tuple[Launch, ...]
    commands: tuple[Command, ...]
    failed_launches: tuple[dict[str, Any], ...]
    """The first of them: kernel, sizes and result code."""
    n_failed_launches: int
    n_failed_commands: int
    executions: dict[str, int]
    """Launches by the way they were executed."""
    n_partial_contents: int
    """Commands whose contents are not contiguous in the object, and were left out."""


def read_queues(frames: Frames, objects: Objects) -> QueueRecords:
    """Read launches, commands and their device times.

    Raises
    ------
    TraceError
        When a record names an object that the log does not have, or says impossible things.
    """
    times = _read_times(frames)
    launches, failed, n_failed, executions = _read_launches(frames, objects, times)
    commands, n_failed_commands, n_partial = _read_commands(frames, objects, times)
    return QueueRecords(
        launches=launches,
        commands=commands,
        failed_launches=failed,
        n_failed_launches=n_failed,
        n_failed_commands=n_failed_commands,
        executions=executions,
        n_partial_contents=n_partial,
    )


def _read_times(frames: Frames) -> dict[int, DeviceTimes]:
    """Return the device times by sequence number; a launch run in parts spans all of them."""
    times: dict[int, DeviceTimes] = {}
    for index in frames.of_type(Record.TIMES).tolist():
        batch = frames.payload(index)
        if len(batch) % TIMES.itemsize:
            raise TraceError(
                located(
                    frames.where(index),
                    "damaged",
                    expected=f"a multiple of {TIMES.itemsize} bytes",
                    found=len(batch),
                )
            )
        for sequence, _, *nanoseconds in np.frombuffer(batch, dtype=TIMES).tolist():
            queued, submit, start, end = nanoseconds
            if max(nanoseconds) >= _MAX_NS:
                continue
            before = times.get(sequence)
            if before is not None:
                queued = min(queued, before.queued_ns)
                submit = min(submit, before.submit_ns)
                start = min(start, before.start_ns)
                end = max(end, before.end_ns)
            times[sequence] = DeviceTimes(
                queued_ns=queued, submit_ns=submit, start_ns=start, end_ns=end
            )
    return times


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """Global size, local size and offset of some launches; unused dimensions are 1, 1, 0."""

    values: NDArray[np.int64]
    """Shape (n, 3, 3): launch, one of the three, dimension."""
    n_bytes: NDArray[np.int64]
    """Shape (n,): bytes that the sizes take in the record."""


def _read_sizes(frames: Frames, indices: NDArray[np.int64], rows: NDArray[np.void]) -> _Sizes:
    """Unpack the sizes of all launches, one group of equal layout at a time."""
    values = np.empty((len(rows), 3, 3), dtype=np.int64)
    values[:] = [[1] * 3, [1] * 3, [0] * 3]
    n_bytes = np.zeros(len(rows), dtype=np.int64)
    start = frames.start[indices] + HEAD_BYTES + LAUNCH.itemsize
    room = frames.start[indices] + frames.length[indices] - 4 - start
    dimensions, flags = rows["dimensions"].astype(np.int64), rows["flags"].astype(np.int64)
    layout = dimensions * 8 + flags
    for code in np.unique(layout).tolist():
        dims, flag = divmod(code, 8)
        members = np.flatnonzero(layout == code)
        lists = [0]
        lists += [1] if flag & LaunchFlags.LOCAL else []
        lists += [2] if flag & LaunchFlags.OFFSET else []
        item = 8 if flag & LaunchFlags.WIDE else 4
        size = len(lists) * dims * item
        short = room[members] < size
        if not 1 <= dims <= 3 or flags[members[0]] > 7 or short.any():
            # Of a launch that failed even these may be wrong; it is only counted.
            broken = members[(rows["rc"][members] == 0) & (short | (not 1 <= dims <= 3))]
            if len(broken):
                raise TraceError(
                    located(
                        frames.where(int(indices[broken[0]])),
                        "impossible NDRange",
                        expected="1 to 3 dimensions and their sizes",
                        found=f"{dims} dimensions",
                    )
                )
            continue
        at = start[members][:, None] + np.arange(size)
        packed = np.ascontiguousarray(frames.data[at]).view(f"<u{item}").astype(np.int64)
        for position, which in enumerate(lists):
            values[members, which, :dims] = packed[:, position * dims : (position + 1) * dims]
        n_bytes[members] = size
    return _Sizes(values=values, n_bytes=n_bytes)


def _waits(
    frames: Frames, index: int, offset: int, count: int, layout_bytes: int
) -> tuple[int, ...]:
    """Return the wait list behind the fixed part of a record."""
    if not count:
        return ()
    start = int(frames.start[index]) + HEAD_BYTES + layout_bytes + offset
    end = int(frames.start[index] + frames.length[index]) - 4
    if start + 4 * count > end:
        raise TraceError(
            located(frames.where(index), "wait list too long", expected=f"{end - start} bytes")
        )
    # A wait may name the same command twice; once is enough.
    values = frames.data[start : start + 4 * count].view("<u4").tolist()
    return tuple(sorted(set(values)))


def _id(value: int) -> int | None:
    return None if value == NO_ID else value


def _size3(values: list[int]) -> Size3:
    return values[0], values[1], values[2]


def _read_launches(
    frames: Frames, objects: Objects, times: dict[int, DeviceTimes]
) -> tuple[tuple[Launch, ...], tuple[dict[str, Any], ...], int, dict[str, int]]:
    indices = frames.of_type(Record.LAUNCH)
    rows = frames.packed(indices, LAUNCH)
    _check_rising(frames, indices, rows["sequence"])
    sizes = _read_sizes(frames, indices, rows)
    succeeded = rows["rc"] == 0
    _check_sizes(frames, indices, sizes, succeeded)
    codes, counts = np.unique(rows["execution"][succeeded], return_counts=True)
    executions = {
        _execution_name(code): count
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
    }
    columns = [rows[name].tolist() for name in LAUNCH.names or ()]
    columns += [column[indices].tolist() for column in (frames.thread, frames.time_ns)]
    columns += [sizes.n_bytes.tolist(), *(sizes.values[:, which].tolist() for which in range(3))]
    local_flag = int(LaunchFlags.LOCAL)
    launches: list[Launch] = []
    failed: list[dict[str, Any]] = []
    n_failed = 0
    for index, row in zip(indices.tolist(), zip(*columns, strict=True), strict=True):
        (
            sequence, queue, kernel_id, argument_set, rc, duration, dimensions, flags, _,
            _, n_waits, thread, host_ns, size_bytes, global_size, local_size, offset,
        ) = row  # fmt: skip
        has_local = flags & local_flag
        kernel = objects.kernels.get(kernel_id)
        if rc != 0:
            n_failed += 1
            if len(failed) < _LISTED_FAILURES:
                failed.append(
                    {
                        "kernel": kernel.name if kernel else None,
                        "global": list(global_size[:dimensions]),
                        "local": list(local_size[:dimensions]) if has_local else None,
                        "result_code": rc,
                    }
                )
            continue
        if kernel is None or argument_set not in objects.argument_sets:
            raise TraceError(
                located(
                    frames.where(index),
                    "launch of an unknown kernel" if kernel is None else "unknown arguments",
                    found=_id(kernel_id) if kernel is None else _id(argument_set),
                )
            )
        launches.append(
            Launch(
                index=len(launches),
                seq=sequence,
                kernel=kernel.name,
                program=kernel.program,
                work_dim=dimensions,
                global_size=_size3(global_size),
                local_size=_size3(local_size) if has_local else None,
                global_offset=_size3(offset),
                arguments=objects.argument_sets[argument_set],
                kernel_id=kernel_id,
                queue=_id(queue),
                waits=_waits(frames, index, size_bytes, n_waits, LAUNCH.itemsize),
                thread=thread,
                host_ns=host_ns,
                host_duration_ns=duration,
                result_code=rc,
                times=times.get(sequence),
            )
        )
    return tuple(launches), tuple(failed), n_failed, executions


def _execution_name(code: int) -> str:
    try:
        return Execution(code).name.lower()
    except ValueError:
        return f"unknown_{code}"


def _check_sizes(
    frames: Frames, indices: NDArray[np.int64], sizes: _Sizes, succeeded: NDArray[np.bool_]
) -> None:
    low = np.array([0, 1, 0])[:, None]
    high = np.array([_MAX_EXTENT, _MAX_EXTENT, _MAX_OFFSET])[:, None]
    bad = ((sizes.values < low) | (sizes.values > high)).any(axis=(1, 2)) & succeeded
    if bad.any():
        at = int(np.argmax(bad))
        global_size, local_size, offset = sizes.values[at].tolist()
        raise TraceError(
            located(
                frames.where(int(indices[at])),
                "impossible NDRange",
                expected=f"sizes up to {_MAX_EXTENT}",
                found=f"global {global_size}, local {local_size}, offset {offset}",
            )
        )


def _check_rising(frames: Frames, indices: NDArray[np.int64], sequence: NDArray[Any]) -> None:
    falls = np.flatnonzero(np.diff(sequence.astype(np.int64)) <= 0)
    if len(falls):
        raise TraceError(
            located(frames.where(int(indices[int(falls[0]) + 1])), "sequence number does not rise")
        )


def _read_commands(
    frames: Frames, objects: Objects, times: dict[int, DeviceTimes]
) -> tuple[tuple[Command, ...], int, int]:
    indices = frames.of_type(Record.COMMAND)
    rows = frames.packed(indices, COMMAND)
    _check_rising(frames, indices, rows["sequence"])
    names = api_names()
    commands: list[Command] = []
    n_failed = n_partial = 0
    threads, host = frames.thread[indices].tolist(), frames.time_ns[indices].tolist()
    digests = [bytes(digest).hex() for digest in rows["digest"]]
    memory = objects.buffers.keys() | objects.images.keys()
    for position, row in enumerate(rows.tolist()):
        (
            sequence, queue, rc, kind, api, blocking, source, target, duration, offset,
            source_offset, size, _, state, has_box, n_waits, _,
        ) = row  # fmt: skip
        index = int(indices[position])
        if rc != 0:
            n_failed += 1
            continue
        if kind not in _COMMAND_KINDS or api not in names:
            raise TraceError(
                located(frames.where(index), "unknown command", found=f"{kind}, {api}")
            )
        for reference in (source, target):
            if reference not in memory and reference != NO_ID:
                raise TraceError(located(frames.where(index), "unknown object", found=reference))
        content = digests[position] if state == ContentState.STORED else None
        box_bytes = BOX.itemsize if has_box else 0
        if content is not None and has_box and not _contiguous(frames, index, objects, target):
            content = None
            n_partial += 1
        commands.append(
            Command(
                seq=sequence,
                kind=_COMMAND_KINDS[kind],
                queue=_id(queue),
                waits=_waits(frames, index, box_bytes, n_waits, COMMAND.itemsize),
                source=_id(source),
                target=_id(target),
                offset_bytes=offset,
                source_offset_bytes=source_offset,
                size_bytes=size,
                blocking=bool(blocking),
                content=content,
                thread=threads[position],
                host_ns=host[position],
                host_duration_ns=duration,
                times=times.get(sequence),
                name=names[api],
            )
        )
    return tuple(commands), n_failed, n_partial


def _contiguous(frames: Frames, index: int, objects: Objects, target: int) -> bool:
    """Return whether the bytes of a rectangle lie one after the other in its target."""
    start = int(frames.start[index]) + HEAD_BYTES + COMMAND.itemsize
    box = frames.data[start : start + BOX.itemsize].view(BOX)[0]
    width, height, depth = (int(n) for n in box["region"])
    image = objects.images.get(target)
    if image is not None:
        whole = (image.width, max(image.height, 1), max(image.depth, 1))
        if image.type.endswith("_array"):
            whole = (image.width, image.height, image.array_size)
            if image.type == "image1d_array":
                whole = (image.width, image.array_size, 1)
        return not any(box["target_origin"]) and (width, height, depth) == whole
    row, plane = (int(n) for n in box["target_pitch"])
    return (height == 1 or row == width) and (depth == 1 or plane == width * height)
