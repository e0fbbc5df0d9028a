"""Nothing private is left in any byte of a scrubbed trace; the kernels still build."""

from dataclasses import replace

import pytest

from gpusim.trace import load_trace, write_trace
from gpusim.trace.jsonl import dump_jsonl
from gpusim.trace.records import Program
from gpusim.trace.scrub import scrub, scrub_build_options
from tests.unit.trace.sample import BLOBS, SOURCE, sample_trace, sha

PRIVATE = (b"/home/", b"somebody", b"--secret", b"C:\\Users", b"hunter2")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ""),
        ("-DT=4  -cl-mad-enable", "-DT=4  -cl-mad-enable"),
        ("-I /home/a/inc -DT=4", "-DT=4"),
        ("-I/home/a/inc -DT=4", "-DT=4"),
        ('-I"/home/a b/inc" -DT=4', "-DT=4"),
        ("-DT=4 -I '/home/a b/inc'", "-DT=4"),
        ("-isystem /usr/include -iquote x -DT=4", "-DT=4"),
        ("-include /home/a/x.h -DT=4", "-DT=4"),
        ("-I relative/path -DT=4", "-DT=4"),
        ('-DNAME="/home/a b/c" -DT=4', '-DNAME="/scrubbed" -DT=4'),
        ("-DPATH=/home/a/c -DT=4", "-DPATH=/scrubbed -DT=4"),
        ("-DPATH=C:\\Users\\a -DT=4", "-DPATH=/scrubbed -DT=4"),
        ("-DHALF=1/2 -DAREA=(w)/(h)", "-DHALF=1/2 -DAREA=(w)/(h)"),
        ('-DNAME="a b" -cl-std=CL2.0', '-DNAME="a b" -cl-std=CL2.0'),
        ('-DBROKEN="a -I /home/b', '-DBROKEN="a'),
    ],
)
def test_build_options(options, expected):
    assert scrub_build_options(options) == expected


def private_trace():
    text = b'#line 1 "/home/somebody/k.cl"\n# 7 "C:\\Users\\a\\b.h"\n' + SOURCE
    trace = sample_trace()
    manifest = {
        **trace.manifest,
        "hostname": "somebody-laptop",
        "provenance": {
            **trace.manifest["provenance"],
            "password": "hunter2",
            "shim": {"path": "/home/somebody/.cache/shim.so", "version": "1"},
        },
    }
    blobs = {**BLOBS, sha(text): text}
    device = dict(trace.devices[0])
    device["real"] = {**device["real"], "CL_DRIVER_VERSION": "built in /home/somebody/pocl, 3.1"}
    return replace(
        trace,
        manifest=manifest,
        devices=(device,),
        programs={**trace.programs, 1: replace(trace.programs[1], blob=sha(text))},
        read_blob=blobs.__getitem__,
    )


def test_nothing_private_is_left_and_what_replay_needs_is(tmp_path):
    trace = private_trace()
    scrubbed = scrub(trace)
    write_trace(scrubbed.trace, tmp_path / "t")
    loaded = load_trace(tmp_path / "t")
    text = b"".join(dump_jsonl(loaded))
    for secret in PRIVATE:
        assert secret not in text
    assert list(loaded.launches) == list(trace.launches)
    assert list(loaded.commands) == list(trace.commands)
    assert loaded.buffers == trace.buffers
    program = loaded.programs[1]
    assert program.build_options == '-DT=4 -DNAME="a b"'
    assert loaded.read_blob(program.blob) == b'#line 1 "k.cl"\n# 7 "b.h"\n' + SOURCE
    assert loaded.manifest["provenance"] == {
        "source": "captured",
        "shim": {"path": "/scrubbed", "version": "1"},
    }
    assert loaded.devices[0]["real"]["CL_DRIVER_VERSION"] == "built in /scrubbed, 3.1"
    assert set(scrubbed.removed) == {
        "manifest: hostname",
        "provenance: argv",
        "provenance: environment",
        "provenance: password",
        "provenance: shim: path: path",
        "device 0: real: CL_DRIVER_VERSION: path",
        "program 1: build options",
        "program 1: file names in line markers",
    }
    assert scrubbed.notes == ("contents of buffers are kept as they are",)


def test_scrubbing_twice_changes_nothing_more():
    once = scrub(private_trace()).trace
    twice = scrub(once)
    assert twice.removed == ()
    assert twice.trace.programs == once.programs
    assert twice.trace.manifest == once.manifest


def test_text_that_is_not_utf8_and_binaries_are_left_alone():
    text = b"// caf\xe9\n" + SOURCE
    trace = sample_trace(
        programs={
            1: Program(id=1, kind="source", blob=sha(text)),
            2: Program(id=2, kind="binary", blob=sha(b"/home/x")),
        },
        read_blob={sha(text): text, sha(b"/home/x"): b"/home/x"}.__getitem__,
    )
    assert scrub(trace).trace.programs == trace.programs
