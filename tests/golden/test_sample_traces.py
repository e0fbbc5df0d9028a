"""The sample traces are what their manifest and their README say.

Launches: names, order and sizes that ACL v19.02 enqueues for this layer on a Mali-G72
(Radu et al., IISWC 2019, Tables I-IV; checked against captures of the library in
`test_launches_are_acls`).
"""

import csv
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
import yaml

from gpusim.resources import traces_dir
from gpusim.trace import load_trace
from gpusim.trace.scrub import scrub
from tests.conftest import need, shared_dir

TRACES = traces_dir()
MANIFEST = yaml.safe_load((TRACES / "MANIFEST.yaml").read_text(encoding="utf-8"))["traces"]
FILES = [entry["file"] for entry in MANIFEST]
CHANNELS = (92, 93, 96, 97)
KEYS = {
    "file",
    "what",
    "command",
    "shown_device",
    "executed_by",
    "recorded_by",
    "date",
    "licence",
    "launches",
    "size_bytes",
    "sha256",
}


def _name(channels):
    return f"resnet50-l16-c{channels}.gptrace"


def test_manifest_lists_every_trace_and_no_other():
    assert sorted(FILES) == sorted(path.name for path in TRACES.glob("*.gptrace"))
    assert set(FILES) == {*(_name(n) for n in CHANNELS), "reduction.gptrace"}


def test_all_together_are_small():
    assert sum((TRACES / name).stat().st_size for name in FILES) < 2**20


@pytest.mark.parametrize("entry", MANIFEST, ids=FILES)
def test_manifest_matches_the_file(entry):
    assert set(entry) == KEYS
    assert all(entry.values())
    data = (TRACES / entry["file"]).read_bytes()
    assert len(data) == entry["size_bytes"]
    assert hashlib.sha256(data).hexdigest() == entry["sha256"]
    trace = load_trace(TRACES / entry["file"])
    assert len(trace.launches) == entry["launches"]
    assert trace.impersonated
    device = trace.devices[0]
    assert device["profile"] == entry["shown_device"] == "mali-g72"
    assert device["presented"]["CL_DEVICE_NAME"] == "Mali-G72"
    assert "PoCL" in entry["executed_by"]


@pytest.mark.parametrize("entry", MANIFEST, ids=FILES)
def test_the_program_is_here(entry):
    program = next(word for word in entry["command"].split() if word.startswith("traces/programs/"))
    source = TRACES / "programs" / program.rsplit("/", 1)[1]
    kernels = source.with_suffix(".cl").read_bytes()
    trace = load_trace(TRACES / entry["file"])
    (blob,) = {item.blob for item in trace.programs.values()}
    assert trace.read_blob(blob).rstrip(b"\0") == kernels


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_the_recording_machine_is_left(name):
    trace = load_trace(TRACES / name)
    for program in trace.programs.values():
        assert "/" not in program.build_options
    with zipfile.ZipFile(TRACES / name) as archive:
        for member in archive.namelist():
            data = archive.read(member)
            assert b"/home/" not in data
            assert b"site-packages" not in data
            assert b"traces/programs" not in data
    for buffer in trace.buffers.values():
        assert buffer.content is None


@pytest.mark.parametrize("channels", CHANNELS)
def test_launches(channels):
    trace = load_trace(TRACES / _name(channels))
    columns = {92: 23, 93: 24, 96: 24, 97: 25}[channels]
    run = [
        ("im2col3x3_nhwc", (64, 784, 1), None),
        ("gemm_mm", (columns, 196, 1), (4, 1, 1)),
    ]
    expected = [("reshape_to_columns", (128, 3, 3), None), *(4 * run)]
    found = [(item.kernel, item.global_size, item.local_size) for item in trace.launches]
    assert found == expected
    assert all(item.result_code == 0 for item in trace.launches)
    assert all("-cl-std=CL2.0" in item.build_options for item in trace.programs.values())


@pytest.mark.shared
@pytest.mark.parametrize("channels", [92, 93, 96, 97])
def test_launches_are_acls(channels):
    """One inference of the trace against a capture of the library itself."""
    path = shared_dir() / "reference" / "acl-captures.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if (row["layer"], row["cout"], row["method"]) == ("L16", str(channels), "gemm")
            and row["device"] == "Mali-G72"
        ]
    library = []
    for row in rows:
        local = tuple(int(row[f"lws{i}"]) for i in range(3)) if row["lws0"] else None
        kernel = "gemm_mm" if row["kernel"].startswith("gemm_mm") else row["kernel"]
        library.append((kernel, tuple(int(row[f"gws{i}"]) for i in range(3)), local))
    trace = load_trace(TRACES / _name(channels))
    found = [(item.kernel, item.global_size, item.local_size) for item in trace.launches[:3]]
    assert found == library


def test_reduction_launches():
    trace = load_trace(TRACES / "reduction.gptrace")
    found = [(item.kernel, item.global_size[0], item.local_size) for item in trace.launches]
    assert found == [("reduce_sum", 8192, (128, 1, 1)), ("reduce_sum", 128, (128, 1, 1))]


def _replayable(trace):
    """What a trace says of its launches, but for times and ids of this one recording."""
    return [
        (
            launch.kernel,
            launch.work_dim,
            launch.global_size,
            launch.local_size,
            launch.global_offset,
            [
                (item.kind, item.size_bytes, item.value, trace.buffers[item.ref].size_bytes)
                if item.ref in trace.buffers
                else (item.kind, item.size_bytes, item.value)
                for item in launch.arguments
            ],
            trace.programs[launch.program],
        )
        for launch in trace.launches
    ]


@pytest.mark.parametrize("entry", [MANIFEST[0], MANIFEST[-1]], ids=[FILES[0], FILES[-1]])
def test_recording_again_gives_the_same_launches(entry, tmp_path):
    need(shutil.which("cc") or importlib.util.find_spec("ziglang"), "a C compiler")
    options, _, command = entry["command"].partition(" -- ")
    raw = tmp_path / entry["file"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", *options.split(), "-o", raw),
            *("--", sys.executable, *command.split()[1:]),
        ],
        cwd=TRACES.parent,
        env=os.environ | {"PYOPENCL_NO_CACHE": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    again = scrub(load_trace(raw)).trace
    assert _replayable(again) == _replayable(load_trace(TRACES / entry["file"]))
