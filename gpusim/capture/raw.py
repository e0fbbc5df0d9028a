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
from gpusim.capture.raw_objects import Objects, read_objects
from gpusim.capture.raw_queue import QueueRecords, read_queues
from gpusim.errors import TraceError, located
from gpusim.trace.records import Trace

_UNRECORDED = ("unrecorded call", "extension function")
"""Notes that name an OpenCL call the shim passed on without recording it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """What the log says about the process and the capture."""

    values: Mapping[str, Any]
    notes: tuple[tuple[str, str], ...]
    """(what, detail) of every note, in order."""
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
    blobs = RawBlobs(path, path.parent / Path(str(session.values.get("blobs", ""))).name)
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
    if session.values.get("data") == "auto":
        trace = keep_contents(trace, objects.parameters, blobs)
    return trace, blobs


def _read_session(frames: Frames) -> _Session:
    sessions = frames.of_type(Record.SESSION)
    if not len(sessions):
        raise TraceError(located(frames.path, "holds no record of a session", expected="one"))
    notes = []
    for index in frames.of_type(Record.NOTE).tolist():
        values = frames.json(index)
        notes.append((str(values.get("what", "")), str(values.get("detail", ""))))
    return _Session(
        values=frames.json(int(sessions[0])),
        notes=tuple(notes),
        ended=len(frames.of_type(Record.END)) > 0,
    )


def _devices(objects: Objects, session: _Session) -> tuple[Mapping[str, Any], ...]:
    """Return the recorded devices, each with the answers of its platform."""
    platform = objects.platforms[0] if objects.platforms else {"real": {}, "presented": {}}
    return tuple(
        {
            "real": {**platform["real"], **device["real"]},
            "presented": {**platform["presented"], **device["presented"]},
            "profile": session.values.get("profile"),
        }
        for device in objects.devices
    )


def _manifest(
    frames: Frames, session: _Session, objects: Objects, queues: QueueRecords
) -> dict[str, Any]:
    values = session.values
    asked = {queue.get("properties", 0) & 2 for queue in objects.queues.values()}
    return {
        "created_by": f"gpusim shim {values.get('shim', '')}",
        "impersonated": bool(values.get("impersonated", False)),
        "profile": values.get("profile"),
        "completeness": {
            "unrecorded_calls": sorted(
                {detail for what, detail in session.notes if what in _UNRECORDED}
            ),
            "truncated": frames.truncated or not session.ended,
            "profiling_forced": bool(values.get("profiling", False)) and 0 in asked,
        },
        "provenance": {
            "source": "capture",
            "mechanism": values.get("entry"),
            "shim": values.get("shim"),
            "data": values.get("data"),
            "dry": values.get("dry"),
            "profiling": values.get("profiling"),
            "clocks": {
                "host": "CLOCK_MONOTONIC",
                "monotonic_ns": frames.monotonic_ns,
                "real_ns": frames.real_ns,
            },
            "pid": frames.pid,
            "parent_pid": values.get("parent_pid"),
            "pointer_bits": frames.pointer_bits,
            "executable": values.get("executable"),
            "argv": values.get("argv"),
            "environment": values.get("environment"),
            "executions": queues.executions,
            "failed_launches": list(queues.failed_launches),
            "n_failed_launches": queues.n_failed_launches,
            "n_failed_commands": queues.n_failed_commands,
            "n_partial_contents": queues.n_partial_contents,
            "n_guessed_arguments": objects.guessed_arguments,
            "unknown_profile_keys": values.get("unknown_profile_keys", []),
            "notes": [
                f"{what}: {detail}" for what, detail in session.notes if what not in _UNRECORDED
            ],
        },
    }


def _reader_notes(path: Path, frames: Frames, session: _Session) -> tuple[str, ...]:
    if frames.truncated:
        return (f"{path}: the file ends in the middle of a record; what is before it was read",)
    if not session.ended:
        return (f"{path}: the process was killed; what it recorded until then was read",)
    return ()
