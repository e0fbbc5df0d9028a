"""The frames of a raw log: header, framing and checksums, as docs/capture.md describes them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpusim.errors import TraceError, located

MAGIC = b"GPSIMRAW"
VERSION = (1, 0)
_HEADER = struct.Struct("<8sHHIIIQQ")
_FRAME = struct.Struct("<IHHQ")
HEAD_BYTES = 16
"""Length, type, thread and time, before the payload."""
_CRC_BYTES = 4
_OVERHEAD_BYTES = HEAD_BYTES + _CRC_BYTES
_MAX_FRAME_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The frames of one raw log, checked, as columns."""

    path: Path
    pid: int
    pointer_bits: int
    monotonic_ns: int
    """Host clock when the log was opened; `real_ns` is the wall clock at that moment."""
    real_ns: int
    data: NDArray[np.uint8] = field(repr=False)
    start: NDArray[np.int64] = field(repr=False)
    """Offset of every frame in `data`."""
    length: NDArray[np.int64] = field(repr=False)
    type: NDArray[np.int64] = field(repr=False)
    thread: NDArray[np.int64] = field(repr=False)
    time_ns: NDArray[np.int64] = field(repr=False)
    truncated: bool
    """Whether the file ends in the middle of a frame."""

    def of_type(self, kind: int) -> NDArray[np.int64]:
        """Return the indices of the frames of one type, in order."""
        return np.flatnonzero(self.type == kind)

    def payload(self, index: int) -> bytes:
        """Return the payload of one frame."""
        start = int(self.start[index])
        return self.data[
            start + HEAD_BYTES : start + int(self.length[index]) - _CRC_BYTES
        ].tobytes()

    def packed(self, indices: NDArray[np.int64], layout: np.dtype[np.void]) -> NDArray[np.void]:
        """Return the fixed part of the payloads of some frames as one structured array.

        Raises
        ------
        TraceError
            When one is shorter than `layout`.
        """
        if not len(indices):
            return np.zeros(0, dtype=layout)
        starts = self.start[indices] + HEAD_BYTES
        room = self.length[indices] - _OVERHEAD_BYTES
        short = room < layout.itemsize
        if short.any():
            at = int(indices[int(np.argmax(short))])
            raise TraceError(
                located(
                    self.where(at),
                    "record too short",
                    expected=f"at least {layout.itemsize} bytes",
                    found=int(self.length[at]) - _OVERHEAD_BYTES,
                )
            )
        rows = self.data[starts[:, None] + np.arange(layout.itemsize)]
        result: NDArray[np.void] = np.ascontiguousarray(rows).view(layout)[:, 0]
        return result

    def where(self, index: int) -> str:
        """Return file and place of a frame, for messages."""
        return f"{self.path}: record {index} at byte {int(self.start[index])}"


def _crc_tables() -> NDArray[np.uint32]:
    """Return the four tables of the sliced CRC-32C (polynomial 0x1EDC6F41, reflected)."""
    table = np.zeros((4, 256), dtype=np.uint32)
    table[0] = np.arange(256)
    for _ in range(8):
        table[0] = (table[0] >> 1) ^ (table[0] & 1) * np.uint32(0x82F63B78)
    for k in range(1, 4):
        table[k] = (table[k - 1] >> 8) ^ table[0][table[k - 1] & 255]
    return table


def crc32c(
    data: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Return the CRC-32C of many ranges of `data` at once.

    Parameters
    ----------
    data : uint8 array
        The bytes.
    starts, sizes : int64 arrays, shape (n,)
        The ranges; sizes are multiples of four.

    Returns
    -------
    uint32 array, shape (n,)
        All ranges advance together, longest first, so the number of NumPy steps is that of the
        longest range.
    """
    table = _crc_tables()
    order = np.argsort(-sizes, kind="stable")
    begin, words = starts[order], sizes[order] // 4
    crc = np.full(len(order), 0xFFFFFFFF, dtype=np.uint32)
    ascending = -words
    for word in range(int(words[0]) if len(words) else 0):
        n = int(np.searchsorted(ascending, -word, side="left"))
        at = begin[:n] + 4 * word
        value = crc[:n].copy()
        for k in range(4):
            value ^= data[at + k].astype(np.uint32) << np.uint32(8 * k)
        crc[:n] = (
            table[3][value & 255]
            ^ table[2][value >> 8 & 255]
            ^ table[1][value >> 16 & 255]
            ^ table[0][value >> 24]
        )
    result = np.empty_like(crc)
    result[order] = ~crc
    return result


def read_frames(path: Path) -> Frames:
    """Read and check the frames of a raw log.

    Raises
    ------
    TraceError
        When the file cannot be read, is no raw log or of an unknown version, or is damaged. A
        file that was cut off in the middle of a frame is read up to there.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise TraceError(located(path, "cannot be read", found=error.strerror)) from None
    pid, bits, monotonic, real, at = _read_header(path, data)
    starts, lengths, types, threads, times, end, truncated = _split(path, data, at)
    frames = Frames(
        path=path,
        pid=pid,
        pointer_bits=bits,
        monotonic_ns=monotonic,
        real_ns=real,
        data=data,
        start=np.array(starts, dtype=np.int64),
        length=np.array(lengths, dtype=np.int64),
        type=np.array(types, dtype=np.int64),
        thread=np.array(threads, dtype=np.int64),
        time_ns=np.array(times, dtype=np.int64),
        truncated=truncated,
    )
    _check_sums(frames)
    _check_rest(path, data, end)
    return frames


def read_start(path: Path) -> tuple[int, int]:
    """Return process id and host time (ns) of the start of a raw log; raises like read_frames."""
    try:
        with path.open("rb") as file:
            head = np.frombuffer(file.read(_HEADER.size), dtype=np.uint8)
    except OSError as error:
        raise TraceError(located(path, "cannot be read", found=error.strerror)) from None
    pid, _, monotonic, _, _ = _read_header(path, head)
    return pid, monotonic


def _read_header(path: Path, data: NDArray[np.uint8]) -> tuple[int, int, int, int, int]:
    if len(data) < _HEADER.size or data[: len(MAGIC)].tobytes() != MAGIC:
        found = data[: len(MAGIC)].tobytes()
        raise TraceError(located(path, "is not a raw log", expected=repr(MAGIC), found=repr(found)))
    _, major, minor, size, pid, bits, monotonic, real = _HEADER.unpack_from(
        data[: _HEADER.size].tobytes(), 0
    )
    if major != VERSION[0]:
        raise TraceError(
            located(
                path,
                "unknown version of the raw log; a newer gpusim may read it",
                expected=f"{VERSION[0]}.x",
                found=f"{major}.{minor}",
            )
        )
    if not _HEADER.size <= size <= len(data):
        raise TraceError(
            located(path, "wrong header size", expected=f"{_HEADER.size} bytes", found=size)
        )
    return pid, bits, monotonic, real, size


_Split = tuple[list[int], list[int], list[int], list[int], list[int], int, bool]


def _split(path: Path, data: NDArray[np.uint8], at: int) -> _Split:
    """Walk the frames up to a length of zero or the end of the file."""
    view = data.data
    end = len(data)
    starts: list[int] = []
    lengths: list[int] = []
    types: list[int] = []
    threads: list[int] = []
    times: list[int] = []
    while at + HEAD_BYTES <= end:
        length, kind, thread, time_ns = _FRAME.unpack_from(view, at)
        if length == 0:
            return starts, lengths, types, threads, times, at, False
        if length % 4 or not _OVERHEAD_BYTES <= length <= _MAX_FRAME_BYTES:
            raise TraceError(
                located(
                    f"{path}: record {len(starts)} at byte {at}",
                    "damaged: impossible length",
                    expected=f"a multiple of 4 from {_OVERHEAD_BYTES} to {_MAX_FRAME_BYTES}",
                    found=length,
                )
            )
        if time_ns >= 2**62:
            raise TraceError(
                located(
                    f"{path}: record {len(starts)} at byte {at}",
                    "damaged: impossible time",
                    found=time_ns,
                )
            )
        if at + length > end:
            return starts, lengths, types, threads, times, end, True
        starts.append(at)
        lengths.append(length)
        types.append(kind)
        threads.append(thread)
        times.append(time_ns)
        at += length
    return starts, lengths, types, threads, times, end, at < end


def _check_sums(frames: Frames) -> None:
    if not len(frames.start):
        return
    computed = crc32c(frames.data, frames.start + 4, frames.length - 8)
    ends = frames.start + frames.length
    stored = frames.data[(ends - _CRC_BYTES)[:, None] + np.arange(_CRC_BYTES)]
    wrong = np.ascontiguousarray(stored).view("<u4")[:, 0] != computed
    if wrong.any():
        at = int(np.argmax(wrong))
        raise TraceError(located(frames.where(at), "damaged: wrong checksum"))


def _check_rest(path: Path, data: NDArray[np.uint8], end: int) -> None:
    """Refuse a log whose end mark is followed by more records: a length was overwritten.

    What follows the end may hold the record that was being written when the process was killed;
    that one has no length yet.
    """
    rest = data[end:]
    words = rest[: len(rest) // 4 * 4].view("<u4")
    for word in np.flatnonzero(words)[:65536]:
        at = end + 4 * int(word)
        length = int(words[word])
        if length % 4 or not _OVERHEAD_BYTES <= length <= min(_MAX_FRAME_BYTES, len(data) - at):
            continue
        crc = crc32c(data, np.array([at + 4]), np.array([length - 8]))[0]
        if int(crc) == int.from_bytes(data[at + length - _CRC_BYTES : at + length], "little"):
            raise TraceError(
                located(
                    f"{path}: byte {end}",
                    "damaged: the log ends here, but records follow",
                    found=at,
                )
            )
