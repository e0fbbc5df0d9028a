"""Raw logs: what is tolerated (a killed process), what is refused (damage), how it is said."""

import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from gpusim.capture.raw import read_raw
from gpusim.capture.raw_frames import MAGIC, crc32c, read_frames
from gpusim.capture.raw_layout import NO_ID, Execution, LaunchFlags, ObjectKind, Record
from gpusim.errors import TraceError
from gpusim.trace.records import ArgumentKind, DeviceTimes
from gpusim.trace.writer import canonical_files, write_trace

HEADER = struct.pack("<8sHHIIIQQ", MAGIC, 1, 0, 40, 77, 64, 1000, 2000)
SOURCE = "a" * 64


def frame(kind: int, payload: bytes, *, thread: int = 0, time_ns: int = 5) -> bytes:
    """Build one frame the way the format says, apart from the shim."""
    payload += b" " * (-len(payload) % 4)
    body = struct.pack("<HHQ", kind, thread, time_ns) + payload
    data = np.frombuffer(body, dtype=np.uint8)
    crc = int(crc32c(data, np.array([0]), np.array([len(body)]))[0])
    return struct.pack("<I", len(body) + 8) + body + struct.pack("<I", crc)


def cold(kind: Record, **values: object) -> bytes:
    return frame(kind, json.dumps(values).encode())


def argument_set(key: int, *items: tuple) -> bytes:
    payload = struct.pack("<III", key, 0, len(items))
    for index, (code, size, reference, value) in enumerate(items):
        payload += struct.pack("<HBBII", index, code, 0, size, reference) + value
        payload += b"\0" * (-len(value) % 4)
    return frame(Record.ARGUMENTS, payload)


def launch(
    seq: int,
    sizes: list[int],
    *,
    flags: int = 0,
    dims: int = 1,
    rc: int = 0,
    waits: tuple = (),
    execution: int = 0,
    kernel: int = 0,
) -> bytes:
    payload = struct.pack("<IIIIiI", seq, 0, kernel, 0, rc, 10)
    payload += struct.pack("<BBBBI", dims, flags, execution, 0, len(waits))
    wide = "Q" if flags & LaunchFlags.WIDE else "I"
    payload += struct.pack(f"<{len(sizes)}{wide}", *sizes)
    payload += struct.pack(f"<{len(waits)}I", *waits)
    return frame(Record.LAUNCH, payload, thread=3, time_ns=100 + seq)


def times(*rows: tuple) -> bytes:
    return frame(
        Record.TIMES, b"".join(struct.pack("<IIQQQQ", row[0], 0, *row[1:]) for row in rows)
    )


SESSION = cold(Record.SESSION, blobs="t.gpblobs", data="full", entry="layer", dry=False)
OBJECTS = (
    cold(Record.PROGRAM, id=0, form="source", blob=SOURCE)
    + cold(Record.BUILD, program=0, options="-DA", rc=0)
    + cold(Record.KERNEL, id=0, name="k", program=0, parameters=[{}, {}])
    + cold(Record.MEMORY, id=0, flags=1, size=64, parent=None, offset=0)
    + argument_set(0, (1, 8, 0, b""), (5, 3, NO_ID, b"abc"))
)
END = cold(Record.END)


@pytest.fixture
def log(tmp_path):
    """Return a function that writes frames as a log and reads it."""
    path = tmp_path / "t.gpraw"

    def read(*frames: bytes, header: bytes = HEADER, tail: bytes = b"\0" * 4096):
        path.write_bytes(header + b"".join(frames) + tail)
        return read_raw(path)[0]

    return read


def test_reads_what_the_format_says(log):
    trace = log(
        SESSION,
        OBJECTS,
        launch(0, [64]),
        launch(1, [8, 4, 2, 2, 1, 0], flags=LaunchFlags.LOCAL | LaunchFlags.OFFSET, dims=2),
        launch(2, [2**32, 64], flags=LaunchFlags.LOCAL | LaunchFlags.WIDE, waits=(1, 0, 1)),
        launch(3, [64], rc=-54),
        times((1, 5, 6, 7, 9), (0, 1, 2, 3, 4)),
        times((1, 4, 6, 8, 12)),
        frame(Record.RELEASE, struct.pack("<II", ObjectKind.MEMORY, 0), time_ns=900),
        END,
    )
    first, second, third = trace.launches
    assert (first.global_size, first.local_size, first.global_offset) == (
        (64, 1, 1),
        None,
        (0,) * 3,
    )
    assert (second.global_size, second.local_size) == ((8, 4, 1), (2, 2, 1))
    assert second.global_offset == (1, 0, 0)
    assert (third.global_size, third.local_size) == ((2**32, 1, 1), (64, 1, 1))
    assert third.waits == (0, 1)
    # A launch that was run in parts spans all of them.
    assert second.times == DeviceTimes(queued_ns=4, submit_ns=6, start_ns=7, end_ns=12)
    assert first.times == DeviceTimes(queued_ns=1, submit_ns=2, start_ns=3, end_ns=4)
    assert third.times is None
    assert [argument.kind for argument in first.arguments] == [
        ArgumentKind.BUFFER,
        ArgumentKind.VALUE,
    ]
    assert first.arguments[1].value == b"abc"
    assert (first.thread, first.host_ns, first.host_duration_ns) == (3, 100, 10)
    assert trace.programs[0].build_options == "-DA"
    assert trace.buffers[0].released_ns == 900
    facts = trace.manifest["provenance"]
    assert facts["n_failed_launches"] == 1
    assert facts["failed_launches"][0]["result_code"] == -54
    assert facts["executions"] == {Execution.AS_ASKED.name.lower(): 3}
    assert (facts["pid"], facts["pointer_bits"]) == (77, 64)
    assert trace.manifest["completeness"]["truncated"] is False


def test_a_log_cut_anywhere_is_read_up_to_there(log):
    frames = [SESSION, OBJECTS, launch(0, [64]), launch(1, [64]), END]
    whole = b"".join(frames)
    ends = np.cumsum([len(part) for part in frames])
    for cut in range(int(ends[1]), len(whole)):
        trace = log(whole[:cut], tail=b"")
        assert len(trace.launches) == int((ends[2:4] <= cut).sum())
        assert trace.manifest["completeness"]["truncated"] is True
        assert trace.notes


def test_a_record_that_was_being_written_does_not_count(log):
    unfinished = b"\0\0\0\0" + launch(1, [64])[4:]
    trace = log(SESSION, OBJECTS, launch(0, [64]), tail=unfinished + b"\0" * 512)
    assert len(trace.launches) == 1
    assert trace.manifest["completeness"]["truncated"] is True


def test_unknown_records_are_skipped(log):
    trace = log(SESSION, OBJECTS, frame(99, b"????"), launch(0, [64]), END)
    assert len(trace.launches) == 1


def test_every_flipped_byte_is_noticed(log, tmp_path):
    path = tmp_path / "t.gpraw"
    log(SESSION, OBJECTS, launch(0, [64]), END, tail=b"")
    good = path.read_bytes()
    rng = np.random.default_rng(6)
    # The header's process id and clocks are not protected.
    for at in [0, 8, 12, *rng.choice(np.arange(40, len(good)), 150, replace=False).tolist()]:
        bad = bytearray(good)
        bad[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        said = complaint(path)
        # A length made longer than the file reads as a log that was cut off there.
        assert said.startswith(str(path)) or said == "cut off"
        assert "\n" not in said


def complaint(path: Path) -> str:
    """Return what reading a log complains about, or that it was taken for a cut one."""
    try:
        trace, _ = read_raw(path)
    except TraceError as error:
        return str(error)
    return "cut off" if trace.manifest["completeness"]["truncated"] else "nothing"


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([SESSION, b"\7\0\0\0" + b"\1" * 32], "impossible length .*found 7"),
        ([SESSION, OBJECTS[:-2] + b"xx"], "wrong checksum"),
        ([OBJECTS], "holds no record of a session"),
        ([SESSION, frame(Record.KERNEL, b"{")], "damaged .*a JSON object"),
        ([SESSION, frame(Record.KERNEL, b"[" * 3000)], "damaged .*a JSON object"),
        ([SESSION, cold(Record.KERNEL, id=0)], "program: wrong value .*Field required"),
        ([SESSION, cold(Record.PROGRAM, id="x", form="source")], "id: wrong value .*'x'"),
        ([SESSION, OBJECTS, frame(Record.LAUNCH, b"\0" * 12)], "too short"),
        ([SESSION, OBJECTS, launch(0, [64], kernel=5)], "unknown kernel .*5"),
        ([SESSION, OBJECTS, launch(0, [64], dims=4)], "impossible NDRange"),
        ([SESSION, OBJECTS, launch(0, [], dims=2)], "impossible NDRange"),
        ([SESSION, OBJECTS, launch(0, [64, 0], flags=LaunchFlags.LOCAL)], "impossible NDRange"),
        ([SESSION, OBJECTS, launch(1, [64]), launch(1, [64])], "does not rise"),
        ([SESSION, OBJECTS, frame(Record.TIMES, b"\0" * 44)], "multiple of 40"),
        ([SESSION, argument_set(0, (5, 400, NO_ID, b"abc"))], "arguments are cut off"),
        ([SESSION, frame(Record.ARGUMENTS, b"\0" * 8)], "arguments are cut off"),
        ([SESSION, cold(Record.PROGRAM, id=0, form="weird")], "form: wrong value"),
        ([SESSION, cold(Record.SAMPLER, id=0, normalized=1, addressing=0, filter=0)], "normalized"),
        ([SESSION, frame(Record.NOTE, b'{"what": "\\ud800", "detail": ""}')], "damaged"),
        ([SESSION, frame(Record.NOTE, b"{}", time_ns=2**63)], "impossible time"),
        ([SESSION, b"\0\0\0\0", OBJECTS], "records follow"),
    ],
)
def test_damage_is_one_line_with_its_place(log, tmp_path, frames, message):
    with pytest.raises(TraceError, match=message) as caught:
        log(*frames)
    assert str(caught.value).startswith(str(tmp_path / "t.gpraw"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "is not a raw log"),
        (b"PK\3\4" + HEADER[4:], "is not a raw log"),
        (HEADER[:8] + b"\2" + HEADER[9:], "unknown version .*expected 1.x, found 2.0"),
        (HEADER[:12] + b"\xff\xff\xff\x7f" + HEADER[16:], "wrong header size"),
    ],
)
def test_wrong_headers(log, header, message):
    with pytest.raises(TraceError, match=message):
        log(header=header, tail=b"")


def test_missing_file(tmp_path):
    with pytest.raises(TraceError, match=r"cannot be read .*No such file"):
        read_frames(tmp_path / "gone.gpraw")


def test_missing_blob_is_named(log, tmp_path):
    trace = log(SESSION, OBJECTS, launch(0, [64]), END)
    with pytest.raises(TraceError, match=f"blob {SOURCE}.*No such file"):
        write_trace(trace, tmp_path / "t.gptrace")


def test_blob_names_do_not_leave_their_folder(log, tmp_path):
    program = cold(Record.PROGRAM, id=0, form="source", blob="../" * 20 + "etcp")
    with pytest.raises(TraceError, match="blob: wrong value"):
        log(SESSION, program)
    with pytest.raises(TraceError, match=r"blob name .*64 hexadecimal digits"):
        log(SESSION).read_blob("../" * 20 + "etcp")


def test_blob_folder_does_not_leave_the_log(tmp_path):
    session = cold(Record.SESSION, blobs="../../../../etc", data="full")
    path = tmp_path / "t.gpraw"
    path.write_bytes(HEADER + session)
    _, blobs = read_raw(path)
    assert list(blobs) == []


def test_damaged_blob_is_refused(log, tmp_path):
    (tmp_path / "t.gpblobs").mkdir()
    (tmp_path / "t.gpblobs" / SOURCE).write_bytes(b"something else")
    with pytest.raises(TraceError, match="does not match its name"):
        log(SESSION, OBJECTS).read_blob(SOURCE)


IMAGE = {
    "type": 0x10F1, "order": 0x10B5, "channel": 0x10DE, "width": 4, "height": 4, "depth": 0,
    "array_size": 0, "row_pitch": 64, "slice_pitch": 0,
}  # fmt: skip
RECORDS = (
    (Record.SESSION, {"shim": "1.0", "blobs": "t.gpblobs", "data": "auto", "argv": ["a"]}),
    (Record.PLATFORM, {"id": 0, "real": {"A": 1, "B": "x"}, "presented": {"A": [1, 2]}}),
    (Record.DEVICE, {"id": 0, "real": {"C": [["e", 1]]}, "presented": {"C": [["e", 1]]}}),
    (Record.QUEUE, {"id": 0, "device": 0, "properties": 0, "profiled": True}),
    (Record.PROGRAM, {"id": 0, "form": "il"}),
    (Record.PROGRAM, {"id": 1, "form": "linked", "inputs": [0, -1], "options": "-a"}),
    (Record.BUILD, {"program": 0, "options": "-D", "rc": 0, "headers": [["h", 0]]}),
    (Record.KERNEL, {"id": 0, "program": 0, "name": "k", "parameters": [{"type": "int*"}]}),
    (Record.MEMORY, {"id": 0, "flags": 1, "size": 64, "parent": None, "offset": 0}),
    (Record.MEMORY, {"id": 1, "flags": 1, "size": 32, "parent": 0, "offset": 32}),
    (
        Record.MEMORY,
        {"id": 2, "flags": 1, "size": 256, "parent": None, "offset": 0, "image": IMAGE},
    ),
    (Record.SAMPLER, {"id": 0, "normalized": True, "addressing": 0x1130, "filter": 0x1140}),
    (Record.NOTE, {"what": "w", "detail": "d"}),
)


def mutated(value: object, rng: random.Random) -> object:
    """Return JSON with one place changed to something else, or taken out."""
    other = [None, -1, 2**70, "x", [], {}, True, 1.5, 0, [["y", -3]]]
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        rest = {name: item for name, item in value.items() if name != key}
        return rest if rng.random() < 0.2 else rest | {key: mutated(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], mutated(value[at], rng), *value[at + 1 :]]
    return rng.choice(other)


def write_records(path: Path, rng: random.Random, victim: int) -> None:
    """Write the records with one of them mutated; with none of them when `victim` is too large."""
    packed = bytearray(launch(0, [64], kernel=0)[16:-4])
    arguments = bytearray(argument_set(0, (1, 8, 1, b""), (2, 8, 2, b""))[16:-4])
    for payload, place in ((packed, len(RECORDS)), (arguments, len(RECORDS) + 1)):
        if victim == place:
            payload[rng.randrange(len(payload))] = rng.randrange(256)
    frames = [
        frame(kind, json.dumps(mutated(values, rng) if at == victim else values).encode())
        for at, (kind, values) in enumerate(RECORDS)
    ]
    frames += [frame(Record.ARGUMENTS, bytes(arguments)), frame(Record.LAUNCH, bytes(packed))]
    path.write_bytes(HEADER + b"".join(frames))


def test_mutated_records_never_surprise(tmp_path):
    path = tmp_path / "t.gpraw"
    rng = random.Random(7)
    refused = 0
    for _ in range(160):
        write_records(path, rng, rng.randrange(len(RECORDS) + 2))
        said = refusal(path)
        refused += bool(said)
        assert not said or said.startswith(str(path)), said
        assert "\n" not in said
    assert 40 < refused < 160
    write_records(path, rng, len(RECORDS) + 2)
    assert refusal(path) == ""


def refusal(path: Path) -> str:
    """Return why a log cannot become a trace; empty when it can."""
    try:
        trace, _ = read_raw(path)
        canonical_files(trace, str(path))
    except TraceError as error:
        return str(error)
    return ""
