"""Read the raw log of a capture as a trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpusim.capture.contents import keep_contents
from gpusim.capture.raw_blobs import RawBlobs
from gpusim.capture.raw_frames import Frames, read_frames
from gpusim.capture.raw_layout import Record
from gpusim.capture.raw_models import Answers, NoteRecord, SessionRecord, read_record
from gpusim.capture.raw_objects import Objects, read_objects
from gpusim.capture.raw_queue import QueueRecords, read_queues
from gpusim.errors import TraceError, located
from gpusim.trace.records import Trace

_PROFILING = 2  # CL_QUEUE_PROFILING_ENABLE
_UNRECORDED = ("unrecorded call", "extension function")
"""Notes that name an OpenCL call the shim passed on without recording it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """What the log says about the process and the capture."""

    record: SessionRecord
    notes: tuple[NoteRecord, ...]
    ended: bool
    """Whether the process ran its exit handlers."""


def read_raw(path: str | Path) -> tuple[Trace, Mapping[str, bytes]]:
    """Read a ``.gpraw`` log and the blobs beside it.

    Parameters
    ----------
    path : str or Path
        The log of one process.

    Returns
    -------
    trace : Trace
        Launches and commands that failed are left out; ``manifest["provenance"]`` counts them.
    blobs : mapping from SHA-256 to bytes
        Contents of the trace, read from the folder ``NAME.gpblobs`` when they are looked at.

    Raises
    ------
    TraceError
        When the log is damaged or a blob that it names is missing. A log that ends early, as
        SIGKILL leaves it, is not damaged: ``completeness.truncated`` says so.
    """
    path = Path(path)
    frames = read_frames(path)
    session = _read_session(frames)
    blobs = RawBlobs(path, path.parent / Path(session.record.blobs).name)
    objects = read_objects(frames, blobs)
    queues = read_queues(frames, objects)
    trace = Trace(
        name=str(path),
        manifest=_manifest(frames, session, objects, queues),
        devices=_devices(objects, session),
        programs=objects.programs,
        kernels=objects.kernels,
        buffers=objects.buffers,
        images=objects.images,
        samplers=objects.samplers,
        launches=queues.launches,
        commands=queues.commands,
        read_blob=blobs.__getitem__,
        notes=_reader_notes(path, frames, session),
    )
    if session.record.data == "auto":
        trace = keep_contents(trace, objects.parameters, blobs)
    return trace, blobs


def _read_session(frames: Frames) -> _Session:
    sessions = frames.of_type(Record.SESSION)
    if not len(sessions):
        raise TraceError(located(frames.path, "holds no record of a session", expected="one"))
    notes = frames.of_type(Record.NOTE).tolist()
    return _Session(
        record=read_record(frames, int(sessions[0]), SessionRecord),
        notes=tuple(read_record(frames, index, NoteRecord) for index in notes),
        ended=len(frames.of_type(Record.END)) > 0,
    )


def _devices(objects: Objects, session: _Session) -> tuple[Mapping[str, Any], ...]:
    """Return the recorded devices, each with the answers of its platform."""
    platform = objects.platforms[:1]
    return tuple(
        {
            "real": _plain([*(item.real for item in platform), device.real]),
            "presented": _plain([*(item.presented for item in platform), device.presented]),
            "profile": session.record.profile,
        }
        for device in objects.devices
    )


def _plain(parts: list[Answers]) -> dict[str, Any]:
    """Return answers as JSON values: JSON has no tuples."""
    return {
        name: [list(item) if isinstance(item, tuple) else item for item in value]
        if isinstance(value, list)
        else value
        for part in parts
        for name, value in part.items()
    }


def _manifest(
    frames: Frames, session: _Session, objects: Objects, queues: QueueRecords
) -> dict[str, Any]:
    record = session.record
    asked = {queue.properties & _PROFILING for queue in objects.queues.values()}
    return {
        "created_by": f"gpusim shim {record.shim}",
        "impersonated": record.impersonated,
        "profile": record.profile,
        "completeness": {
            "unrecorded_calls": sorted(
                {note.detail for note in session.notes if note.what in _UNRECORDED}
            ),
            "truncated": frames.truncated or not session.ended,
            "profiling_forced": record.profiling and 0 in asked,
        },
        "provenance": {
            "source": "capture",
            "mechanism": record.entry,
            "shim": record.shim,
            "data": record.data,
            "dry": record.dry,
            "profiling": record.profiling,
            "clocks": {
                "host": "CLOCK_MONOTONIC",
                "monotonic_ns": frames.monotonic_ns,
                "real_ns": frames.real_ns,
            },
            "pid": frames.pid,
            "parent_pid": record.parent_pid,
            "pointer_bits": frames.pointer_bits,
            "executable": record.executable,
            "argv": record.argv,
            "environment": record.environment,
            "executions": queues.executions,
            "failed_launches": list(queues.failed_launches),
            "n_failed_launches": queues.n_failed_launches,
            "n_failed_commands": queues.n_failed_commands,
            "n_partial_contents": queues.n_partial_contents,
            "n_guessed_arguments": objects.guessed_arguments,
            "unknown_profile_keys": record.unknown_profile_keys,
            "notes": [
                f"{note.what}: {note.detail}"
                for note in session.notes
                if note.what not in _UNRECORDED
            ],
        },
    }


def _reader_notes(path: Path, frames: Frames, session: _Session) -> tuple[str, ...]:
    if frames.truncated:
        return (f"{path}: the file ends in the middle of a record; what is before it was read",)
    if not session.ended:
        return (f"{path}: the process was killed; what it recorded until then was read",)
    return ()
