"""Every contradiction a trace can hold has its own line: file, row, expected and found."""

import io
import json
import shutil
import zipfile
from dataclasses import replace

import pytest

from gpusim.errors import TraceError
from gpusim.trace import load_trace, schema, write_trace
from gpusim.trace.jsonl import dump_jsonl, read_jsonl
from gpusim.trace.reader import read_files
from gpusim.trace.records import Argument, ArgumentKind, Buffer, Command, CommandKind, Kernel
from gpusim.trace.storage import MemoryFiles, ZipFiles
from gpusim.trace.writer import canonical_files
from tests.property.trace_mutations import seal, zip_of
from tests.unit.trace.sample import (
    BLOBS,
    BLUR_ARGUMENTS,
    SCALE_ARGUMENTS,
    launch,
    sample_trace,
    sha,
)

SAMPLE = sample_trace()


def with_buffer(**changes):
    return {"buffers": {**SAMPLE.buffers, 2: replace(SAMPLE.buffers[2], **changes)}}


def with_launch(**changes):
    return {"launches": (*SAMPLE.launches, launch(5, 20, **changes))}


def with_command(**changes):
    base = Command(seq=20, kind=CommandKind.WRITE, queue=1, target=3, size_bytes=8)
    return {"commands": (*SAMPLE.commands, replace(base, **changes))}


def with_argument(**changes):
    base = replace(SCALE_ARGUMENTS[1], **changes)
    return with_launch(arguments=(SCALE_ARGUMENTS[0], base))


BUFFER, VALUE, LOCAL = ArgumentKind.BUFFER, ArgumentKind.VALUE, ArgumentKind.LOCAL
PAST_2_32 = 2**32 + 1

CONTRADICTIONS = {
    "kernel of no program": (
        {"kernels": {**SAMPLE.kernels, 7: Kernel(id=7, name="k", program=9)}},
        r"kernels\.parquet: row 2: no such program \(found 9\)",
    ),
    "kernel name": (
        {"kernels": {**SAMPLE.kernels, 7: Kernel(id=7, name="k\x1b[2J", program=1)}},
        r"kernels\.parquet: row 2: column name has a value that is not allowed",
    ),
    "sub-buffer past its parent": (
        with_buffer(offset_bytes=49),
        (
            r"buffers\.parquet: row 1: sub-buffer reaches beyond its parent "
            r"\(expected at most 64 bytes, found 65\)"
        ),
    ),
    "parent missing": (with_buffer(parent=99), r"row 1: no such parent buffer \(found 99\)"),
    "parent is a sub-buffer": (
        with_buffer(parent=2, offset_bytes=0),
        "parent is itself a sub-buffer",
    ),
    "offset without parent": (with_buffer(parent=None), "offset without a parent buffer"),
    "negative size": (
        with_buffer(size_bytes=-1),
        r"row 1: column size_bytes out of range \(expected 0\.\.281474976710656, found -1\)",
    ),
    "size past the cap": (with_buffer(size_bytes=2**49), "column size_bytes out of range"),
    "released early": (
        with_buffer(created_ns=5, released_ns=4),
        r"released before it was created \(expected at least 5 ns, found 4\)",
    ),
    "contents of another size": (
        {"buffers": {**SAMPLE.buffers, 1: replace(SAMPLE.buffers[1], size_bytes=128)}},
        r"stored contents have another size than the buffer \(expected 128 bytes, found 64\)",
    ),
    "blob name": (
        with_buffer(content="../../etc/passwd"),
        "column content has a value that is not allowed",
    ),
    "blob missing": (with_command(content="0" * 64), r"commands\.parquet: row 5: blob missing"),
    "image and buffer share an id": (
        {"buffers": {**SAMPLE.buffers, 10: Buffer(id=10, size_bytes=4)}},
        "a buffer has the same id",
    ),
    "image of no buffer": (
        {"images": {11: replace(SAMPLE.images[11], buffer=77)}},
        r"images\.parquet: row 0: no such buffer",
    ),
    "image type": (
        {"images": {**SAMPLE.images, 10: replace(SAMPLE.images[10], type="image4d")}},
        r"column type has a value that is not allowed \(expected image1d \|",
    ),
    "image past the cap": (
        {"images": {10: replace(SAMPLE.images[10], width=2**32, height=2**17)}},
        r"images\.parquet: row 0: image too large",
    ),
    "launch of no program": (
        with_launch(program=3, kernel_id=None),
        r"launches\.parquet: row 5: no such program \(found 3\)",
    ),
    "launch of no kernel": (with_launch(kernel_id=99), r"row 5: no such kernel \(found 99\)"),
    "launch contradicts its kernel": (
        with_launch(kernel="blur"),
        (
            r"row 5: launch contradicts its kernel \(expected scale of program 1, "
            r"found blur of program 1\)"
        ),
    ),
    "global size past 2^32": (
        with_launch(global_size=(PAST_2_32, 1, 1)),
        r"row 5: column gx out of range \(expected 0\.\.4294967296, found 4294967297\)",
    ),
    "too many work-items": (
        with_launch(work_dim=3, global_size=(2**32, 2**32, 2)),
        "row 5: too many work-items",
    ),
    "local size zero": (with_launch(local_size=(0, 1, 1)), r"row 5: column lx out of range"),
    "local size partly there": (
        with_launch(local_size=(4, None, 1)),
        "row 5: local size is partly empty",
    ),
    "size in an unused dimension": (
        with_launch(global_size=(16, 2, 1)),
        r"row 5: gy of a dimension that the launch does not have \(expected 1, found 2\)",
    ),
    "work_dim": (with_launch(work_dim=4), r"column work_dim out of range \(expected 1\.\.3"),
    "wait on the future": (
        with_launch(waits=(21,)),
        (
            r"launches\.parquet: row 5: waits for a command that is not before it "
            r"\(expected seq of a command before 20, found 21\)"
        ),
    ),
    "wait on itself": (with_launch(waits=(20,)), "waits for a command that is not before it"),
    "wait on nothing": (with_launch(waits=(15,)), "waits for a command that is not before it"),
    "seq of two commands": (
        with_command(seq=8),
        r"commands\.parquet: row 5: seq does not rise \(expected more than the row before, found 8",
    ),
    "seq of a launch": (
        {"launches": (*SAMPLE.launches, launch(5, 10))},
        r"commands\.parquet: row 4: seq is also the seq of a launch \(found 10\)",
    ),
    "write past the buffer": (
        with_command(offset_bytes=1020),
        r"commands\.parquet: row 5: command reaches beyond its buffer",
    ),
    "read past the buffer": (
        with_command(kind=CommandKind.READ, source=1, target=None, offset_bytes=60),
        "command reaches beyond its buffer",
    ),
    "copy past the source": (
        with_command(kind=CommandKind.COPY, source=1, source_offset_bytes=60),
        "command reaches beyond its buffer",
    ),
    "target missing": (with_command(target=44), r"row 5: no such buffer or image \(found 44\)"),
    "launch among commands": (
        with_command(kind=CommandKind.LAUNCH),
        "column kind has a value that is not allowed",
    ),
    "argument of no buffer": (
        with_argument(kind=BUFFER, ref=9, value=None),
        r"args\.parquet: row 7: no such buffer \(found 9\)",
    ),
    "image argument that is a buffer": (
        with_argument(kind=ArgumentKind.IMAGE, ref=1, value=None),
        "no such image",
    ),
    "buffer argument without ref": (
        with_argument(kind=BUFFER, ref=None, value=None),
        r"argument of kind buffer \(expected ref",
    ),
    "value with ref": (with_argument(ref=1), r"argument of kind value \(expected no ref"),
    "local with value": (with_argument(kind=LOCAL), "value of an argument set by reference"),
    "value of another length": (
        with_argument(value=b"12345"),
        r"argument value has another length than size_bytes \(expected equal lengths, found 5\)",
    ),
    "huge value": (with_argument(value=None, size_bytes=2**21), "argument too large"),
    "arguments out of order": (
        with_launch(arguments=(BLUR_ARGUMENTS[1], BLUR_ARGUMENTS[0])),
        r"arguments out of order",
    ),
    "a text where a number belongs": (with_launch(thread="main"), "a record does not fit"),
    "a number past int64": (with_launch(host_ns=2**64), "a record does not fit"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_trace_that_contradicts_itself_is_not_written(case, tmp_path):
    changes, message = CONTRADICTIONS[case]
    with pytest.raises(TraceError, match=message) as caught:
        write_trace(sample_trace(**changes), tmp_path / "t.gptrace", blobs=BLOBS)
    assert str(caught.value).startswith(str(tmp_path / "t.gptrace"))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_jsonl_names_the_line():
    lines = list(dump_jsonl(sample_trace()))
    at = next(i for i, line in enumerate(lines) if b'"seq": 7,' in line)
    lines[at] = lines[at].replace(b'"gx": 16', b'"gx": 4294967297')
    with pytest.raises(TraceError, match=rf"t\.jsonl: line {at + 1}: column gx out of range"):
        read_jsonl(io.BytesIO(b"".join(lines)), "t.jsonl")
    lines[at] = b'{"record": "launch", "seq": "seven"}\n'
    with pytest.raises(TraceError, match=rf"t\.jsonl: line {at + 1}: seq: wrong type"):
        read_jsonl(io.BytesIO(b"".join(lines)), "t.jsonl")
    lines[at] = b'{"record": "launch", "seq": 7,\n'
    with pytest.raises(TraceError, match=rf"t\.jsonl: line {at + 1}: bad JSON"):
        read_jsonl(io.BytesIO(b"".join(lines)), "t.jsonl")


@pytest.fixture
def files():
    return canonical_files(sample_trace(), "t")


def edited(files, edit):
    manifest = json.loads(files[schema.MANIFEST])
    edit(manifest)
    return MemoryFiles("t", files | {schema.MANIFEST: json.dumps(manifest).encode()})


MANIFEST_EDITS = {
    "another format": (lambda m: m.update(format="other"), r"manifest\.json: format: wrong value"),
    "newer major": (
        lambda m: m.update(version=[2, 0]),
        r"unknown version .* \(expected 1\.x, found 2\.0\)",
    ),
    "older major": (lambda m: m.update(version=[0, 9]), "unknown version"),
    "version text": (lambda m: m.update(version="1.0"), r"version: wrong value \(expected \[major"),
    "version of booleans": (lambda m: m.update(version=[True, False]), "version: wrong value"),
    "count": (
        lambda m: m["counts"].update(launches=7),
        r"counts\.launches: wrong count \(expected 5 rows as in launches\.parquet, found 7\)",
    ),
    "count missing": (lambda m: m["counts"].pop("args"), r"counts\.args: wrong value"),
    "hash": (
        lambda m: m["files"]["launches.parquet"].update(sha256="0" * 64),
        r"t: launches\.parquet: wrong SHA-256 \(expected 0{64}, found [0-9a-f]{64}\)",
    ),
    "size": (
        lambda m: m["files"]["launches.parquet"].update(size_bytes=1),
        r"t: launches\.parquet: wrong size \(expected 1 bytes",
    ),
    "file not there": (
        lambda m: m["files"].update({"more.bin": {"sha256": "0" * 64, "size_bytes": 1}}),
        r"t: file missing \(expected more\.bin",
    ),
    "table not listed": (
        lambda m: m["files"].pop("samplers.parquet"),
        r"file not listed \(expected samplers\.parquet",
    ),
    "blob not listed": (lambda m: m["blobs"].popitem(), "blob is not in the manifest"),
    "blob not there": (
        lambda m: m["blobs"].update({"0" * 64: 4}),
        r"file missing \(expected blobs/0{64}\.zst",
    ),
    "blob name": (lambda m: m["blobs"].update({"../x": 4}), r"blobs: wrong value"),
    "untimed launches": (
        lambda m: m["completeness"].update(untimed_launches=0),
        r"untimed_launches: wrong count \(expected 2 as in launches\.parquet, found 0\)",
    ),
    "truncated is a text": (
        lambda m: m["completeness"].update(truncated="no"),
        r"completeness\.truncated: wrong value \(expected bool",
    ),
    "impersonated missing": (lambda m: m.pop("impersonated"), "impersonated: wrong value"),
}


@pytest.mark.parametrize("case", MANIFEST_EDITS)
def test_a_manifest_that_does_not_fit_is_refused(case, files):
    edit, message = MANIFEST_EDITS[case]
    with pytest.raises(TraceError, match=message):
        read_files(edited(files, edit))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "bad JSON"),
        (b"[]", "expected an object, found list"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "integer of 5000 digits"),
        (b'{"a": 1, "a": 2}', "a key occurs twice"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested deeper than 32"),
        (b'{"a": ' + b"[" * 100_000, "bad JSON"),
        (b'{"a": "\\ud800"}', "bad JSON"),
        (b'{"a": "\xff"}', "bad JSON"),
    ],
)
def test_json_that_could_surprise_is_refused(text, message, files):
    with pytest.raises(TraceError, match=message):
        read_files(MemoryFiles("t", files | {schema.MANIFEST: text}))


def test_a_newer_minor_version_loads_with_notes(files):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(files["launches.parquet"]))
    sink = io.BytesIO()
    pq.write_table(table.append_column("priority", pa.nulls(table.num_rows, pa.int64())), sink)
    newer = files | {"launches.parquet": sink.getvalue(), "pipes.parquet": b"?"}
    sealed = seal(newer)
    trace = read_files(edited(sealed, lambda m: m.update(version=[1, 3], clocks=[])))
    assert list(trace.launches) == list(SAMPLE.launches)
    assert [note.removeprefix("t: ") for note in trace.notes] == [
        "manifest.json: key 'clocks' is unknown and was ignored",
        "launches.parquet: column 'priority' is unknown and was ignored",
        "file 'pipes.parquet' is unknown and was ignored",
    ]


def test_a_blob_is_checked_against_its_name(files):
    name = f"blobs/{sha(b'#define TILE 4' + bytes([10]))}.zst"
    import zstandard

    trace = read_files(
        MemoryFiles("t", files | {name: zstandard.ZstdCompressor().compress(b"#define TILE 5\n")})
    )
    with pytest.raises(
        TraceError, match=r"t: blobs/[0-9a-f]{64}\.zst: blob does not match its name"
    ):
        trace.read_blob(name[6:-4])


def test_a_zstd_bomb_is_refused_before_it_grows(files):
    import zstandard

    name = next(name for name in files if name.startswith("blobs/"))
    for size in (2**20, 2**33):
        bomb = zstandard.ZstdCompressor().compress(bytes(min(size, 2**20)))
        if size > 2**20:
            bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(2**20))
        trace = read_files(MemoryFiles("t", files | {name: bomb}))
        with pytest.raises(TraceError, match="blob has another size than the manifest says"):
            trace.read_blob(name[6:-4])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil", "a file may not have this name"),
        ("/etc/passwd", "a file may not have this name"),
        ("blobs/../../evil", "a file may not have this name"),
        ("blobs/nothex.zst", "a file may not have this name"),
        ("other/manifest.json", "a file may not have this name"),
    ],
)
def test_names_that_leave_the_trace_are_refused(name, message, files):
    with pytest.raises(TraceError, match=message):
        ZipFiles("t", zip_of(files | {name: b""}))


def test_compressed_encrypted_linked_and_repeated_zip_members_are_refused(files):
    def packed(change=lambda member: None, method=zipfile.ZIP_STORED):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w") as archive:
            for name, data in files.items():
                member = zipfile.ZipInfo(name)
                change(member)
                archive.writestr(member, data, compress_type=method)
        return sink.getvalue()

    with pytest.raises(TraceError, match=r"compressed zip member \(expected a stored zip"):
        ZipFiles("t", packed(method=zipfile.ZIP_DEFLATED))
    with pytest.raises(TraceError, match="may not hold links"):
        ZipFiles("t", packed(lambda member: setattr(member, "external_attr", 0o120777 << 16)))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("manifest.json", b"{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("manifest.json", b"{}")
    with pytest.raises(TraceError, match="file occurs twice in the zip"):
        ZipFiles("t", sink.getvalue())
    encrypted = bytearray(packed())
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(TraceError, match="encrypted zip member"):
        ZipFiles("t", bytes(encrypted))


def test_links_and_odd_files_in_a_folder_are_refused(tmp_path):
    folder = tmp_path / "t.gptrace"
    write_trace(sample_trace(), f"{folder}/")
    secret = tmp_path / "secret"
    secret.write_text("s")
    (folder / "link.parquet").symlink_to(secret)
    with pytest.raises(TraceError, match="not a plain file"):
        load_trace(folder)
    (folder / "link.parquet").unlink()
    (folder / "sub").mkdir()
    with pytest.raises(TraceError, match="not a plain file"):
        load_trace(folder)
    (folder / "sub").rmdir()
    shutil.move(folder / "blobs", tmp_path / "elsewhere")
    (folder / "blobs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TraceError, match=r"not a plain file|may not hold links"):
        load_trace(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t", b"", r"is not a trace .*found an empty file"),
        ("t", b"\x7fELF", r"is not a trace .*found a file starting with b'\\x7fELF'"),
        ("t", b"PK\x03\x04", "damaged zip"),
        ("t", b"\x1f\x8b\x08", "damaged gzip"),
        ("t.jsonl", b"{}\n", r'line 1: no manifest \(expected "record": "manifest"'),
        ("t.gpraw", b"", r"gpusim trace convert t\.gpraw -o t\.gptrace"),
    ],
)
def test_files_that_are_no_trace_are_named(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TraceError, match=message):
        load_trace(tmp_path / name)


def test_missing_paths_and_folders_without_a_trace_are_named(tmp_path):
    with pytest.raises(TraceError, match="cannot be read"):
        load_trace(tmp_path / "nothing")
    with pytest.raises(TraceError, match=r"file missing \(expected manifest\.json"):
        load_trace(tmp_path)


def test_a_launch_of_no_work_items_is_kept_as_recorded(tmp_path):
    write_trace(sample_trace(**with_launch(global_size=(0, 1, 1), local_size=None)), tmp_path / "t")
    assert load_trace(tmp_path / "t").launches[-1].global_size == (0, 1, 1)


def test_an_argument_may_have_no_recorded_value(tmp_path):
    arguments = (Argument(index=0, kind=VALUE, size_bytes=4),)
    write_trace(sample_trace(**with_launch(arguments=arguments)), tmp_path / "t")
    assert load_trace(tmp_path / "t").launches[-1].arguments == arguments
