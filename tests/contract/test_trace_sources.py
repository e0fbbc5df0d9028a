"""One harness for everything that gives a Trace: what the later stages rely on.

Written record by record, so it is also the slow oracle of the loader's column checks.
"""

import gzip
import hashlib
import itertools

import pytest

from gpusim import resources
from gpusim.cli.inputs import open_trace
from gpusim.trace import load_trace, write_trace
from gpusim.trace.jsonl import dump_jsonl
from gpusim.trace.records import ArgumentKind, CommandKind
from gpusim.trace.writer import check_trace, referenced_blobs
from tests.unit.capture import test_raw as raw
from tests.unit.trace.sample import same, sample_trace, sha


def stored_zip(tmp_path):
    write_trace(sample_trace(), tmp_path / "t.gptrace")
    return load_trace(tmp_path / "t.gptrace")


def folder(tmp_path):
    write_trace(sample_trace(), f"{tmp_path}/t.gptrace/")
    return load_trace(tmp_path / "t.gptrace")


def jsonl(tmp_path):
    (tmp_path / "t.jsonl").write_bytes(b"".join(dump_jsonl(sample_trace())))
    return load_trace(tmp_path / "t.jsonl")


def packed_jsonl(tmp_path):
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(b"".join(dump_jsonl(sample_trace()))))
    return load_trace(tmp_path / "t.jsonl.gz")


def memory(tmp_path):
    return check_trace(sample_trace())


def raw_log(tmp_path):
    text = b"kernel void k(global int *a, char3 b) {}"
    program = raw.cold(raw.Record.PROGRAM, id=0, form="source", blob=sha(text))
    objects = raw.OBJECTS[len(raw.cold(raw.Record.PROGRAM, id=0, form="source", blob=raw.SOURCE)) :]
    launches = raw.launch(0, [64]) + raw.launch(1, [8, 4], dims=2, waits=(0,))
    log = raw.HEADER + raw.SESSION + program + objects + launches
    (tmp_path / "t.gpraw").write_bytes(log + raw.times((0, 1, 2, 3, 4)) + raw.END)
    (tmp_path / "t.gpblobs").mkdir()
    (tmp_path / "t.gpblobs" / sha(text)).write_bytes(text)
    return open_trace(tmp_path / "t.gpraw")


def shipped(path):
    return lambda tmp_path: load_trace(path)


IN_TESTS = (stored_zip, folder, jsonl, packed_jsonl, memory, raw_log)
SOURCES = {source.__name__: source for source in IN_TESTS}
SOURCES |= {path.name: shipped(path) for path in sorted(resources.traces_dir().glob("*.gptrace"))}


@pytest.fixture(params=SOURCES, scope="module")
def trace(request, tmp_path_factory):
    return SOURCES[request.param](tmp_path_factory.mktemp("source"))


def test_launches_and_commands_have_one_order(trace):
    launches, commands = list(trace.launches), list(trace.commands)
    assert [launch.index for launch in launches] == list(range(len(launches)))
    for items in (launches, commands):
        assert all(a.seq < b.seq for a, b in itertools.pairwise(items))
    seqs = {item.seq for item in (*launches, *commands)}
    assert len(seqs) == len(launches) + len(commands)
    for item in (*launches, *commands):
        assert all(wait in seqs and wait < item.seq for wait in item.waits)


def test_launches_name_programs_and_kernels_that_exist(trace):
    for launch in trace.launches:
        assert launch.program in trace.programs
        if launch.kernel_id is not None:
            kernel = trace.kernels[launch.kernel_id]
            assert (kernel.name, kernel.program) == (launch.kernel, launch.program)
    for kernel in trace.kernels.values():
        assert kernel.program in trace.programs


def test_ndranges_are_whole_and_neutral_beyond_their_dimensions(trace):
    for launch in trace.launches:
        assert 1 <= launch.work_dim <= 3
        assert len(launch.global_size) == len(launch.global_offset) == 3
        assert launch.global_size[launch.work_dim :] == (1,) * (3 - launch.work_dim)
        assert launch.global_offset[launch.work_dim :] == (0,) * (3 - launch.work_dim)
        if launch.local_size is not None:
            assert len(launch.local_size) == 3
            assert min(launch.local_size) >= 1
            assert launch.local_size[launch.work_dim :] == (1,) * (3 - launch.work_dim)


def test_arguments_name_objects_that_exist(trace):
    pools = {
        ArgumentKind.BUFFER: trace.buffers,
        ArgumentKind.IMAGE: trace.images,
        ArgumentKind.SAMPLER: trace.samplers,
    }
    for launch in trace.launches:
        indices = [argument.index for argument in launch.arguments]
        assert indices == sorted(set(indices))
        for argument in launch.arguments:
            if argument.kind in pools:
                assert argument.ref in pools[argument.kind]
            else:
                assert argument.ref is None
            if argument.value is not None:
                assert argument.kind == ArgumentKind.VALUE
                assert len(argument.value) == argument.size_bytes


def test_objects_lie_inside_their_parents(trace):
    for key, buffer in trace.buffers.items():
        assert buffer.id == key
        if buffer.parent is not None:
            parent = trace.buffers[buffer.parent]
            assert parent.parent is None
            assert buffer.offset_bytes + buffer.size_bytes <= parent.size_bytes
    for image in trace.images.values():
        assert image.id not in trace.buffers
        assert image.buffer is None or image.buffer in trace.buffers
    for command in trace.commands:
        assert command.kind != CommandKind.LAUNCH
        for ref in (command.source, command.target):
            assert ref is None or ref in trace.buffers or ref in trace.images


def test_blobs_are_there_and_match_their_names(trace):
    for name in referenced_blobs(trace):
        assert hashlib.sha256(trace.read_blob(name)).hexdigest() == name


def test_the_manifest_says_whose_times_these_are(trace):
    assert trace.manifest["format"] == "gpusim.trace"
    assert trace.impersonated is trace.manifest["impersonated"]
    untimed = [launch for launch in trace.launches if not launch.times or not launch.times.end_ns]
    assert trace.manifest["completeness"]["untimed_launches"] == len(untimed)
    for device in trace.devices:
        assert set(device) >= {"real", "presented", "profile"}


def test_it_can_be_written_and_read_again(trace, tmp_path):
    write_trace(trace, tmp_path / "again")
    again = load_trace(tmp_path / "again")
    same(trace, again)
    assert again.manifest == trace.manifest
    write_trace(again, tmp_path / "twice")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "twice").read_bytes()
