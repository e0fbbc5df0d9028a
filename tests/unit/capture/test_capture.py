"""Whole captures: every way in, whatever the program does with OpenCL, and what can go wrong."""

import dataclasses
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from gpusim.capture.run import MODES, capture
from gpusim.errors import CaptureError, OutputError
from gpusim.trace import load_trace
from gpusim.trace.records import ArgumentKind, CommandKind
from tests.conftest import need


@pytest.mark.parametrize("mode", MODES)
def test_linked_program_in_every_mode(captured, mode):
    trace = captured("basic", "5", mode=mode)
    assert [launch.local_size for launch in trace.launches] == [(64, 1, 1), None] * 2 + [(64, 1, 1)]
    first = trace.launches[0]
    assert (first.kernel, first.work_dim, first.global_size) == ("scale", 1, (256, 1, 1))
    kinds = [argument.kind for argument in first.arguments]
    assert kinds == [ArgumentKind.BUFFER] * 2 + [ArgumentKind.VALUE] * 2
    assert first.arguments[2].value == (256).to_bytes(4, "little")
    assert np.frombuffer(first.arguments[3].value, "<f4")[0] == 3.0
    program = trace.programs[first.program]
    assert program.kind == "source"
    assert program.build_options == "-DUNUSED=1"
    assert trace.read_blob(program.blob).startswith(b"kernel void scale(global const float *in")
    assert all(launch.times.end_ns >= launch.times.start_ns > 0 for launch in trace.launches)
    assert trace.manifest["completeness"]["truncated"] is False
    assert trace.manifest["completeness"]["profiling_forced"] is True
    assert trace.impersonated is False
    expected = {"auto": "layer"}.get(mode, mode)
    assert trace.manifest["provenance"]["mechanism"] == expected


@pytest.mark.parametrize("mode", MODES)
def test_library_loaded_by_name(captured, mode):
    trace = captured("byname", "libOpenCL.so.1", linked=False, mode=mode)
    assert [launch.kernel for launch in trace.launches] == ["fill"]


@pytest.mark.parametrize("mode", ["auto", "layer", "preload"])
def test_library_loaded_by_path(captured, mode):
    from gpusim.capture.runtime import system_library

    trace = captured("byname", str(system_library()), linked=False, mode=mode)
    assert [launch.kernel for launch in trace.launches] == ["fill"]


@pytest.mark.parametrize("mode", ["auto", "layer", "preload"])
def test_python_with_its_own_loader(opencl, tmp_path, mode):
    need_pyopencl()
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, pyopencl as cl\n"
        "device = cl.get_platforms()[0].get_devices()[0]\n"
        "context = cl.Context([device])\n"
        "queue = cl.CommandQueue(context)\n"
        "text = 'kernel void twice(global float *x) { x[get_global_id(0)] *= 2; }'\n"
        "kernel = cl.Program(context, text).build().twice\n"
        "x = np.arange(64, dtype=np.float32)\n"
        "flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR\n"
        "buffer = cl.Buffer(context, flags, hostbuf=x)\n"
        "kernel(queue, (64,), (16,), buffer)\n"
        "out = np.empty_like(x)\n"
        "cl.enqueue_copy(queue, out, buffer)\n"
        "assert (out == 2 * x).all()\n"
    )
    target = tmp_path / "t.gptrace"
    result = capture([sys.executable, str(script)], output=target, mode=mode)
    assert result.exit_code == 0
    launch = load_trace(target).launches[0]
    assert (launch.kernel, launch.global_size, launch.local_size) == (
        "twice",
        (64, 1, 1),
        (16, 1, 1),
    )


def need_pyopencl() -> None:
    from importlib.util import find_spec

    need(find_spec("pyopencl"), "pyopencl")


def test_queues_events_and_hidden_profiling(captured):
    # The program itself checks that it sees queues and events as it asked for them.
    trace = captured("queues")
    write, marker, barrier, flush, read, wait, finish = trace.commands
    (launch,) = trace.launches
    assert [command.kind for command in trace.commands] == [
        CommandKind.WRITE,
        CommandKind.MARKER,
        CommandKind.BARRIER,
        CommandKind.FLUSH,
        CommandKind.READ,
        CommandKind.WAIT,
        CommandKind.FINISH,
    ]
    assert launch.waits == (write.seq,)
    assert marker.waits == (launch.seq,)
    assert barrier.waits == (marker.seq,)
    assert wait.waits == (launch.seq, read.seq)
    assert {write.queue, barrier.queue, read.queue, finish.queue} == {0}
    assert {launch.queue, marker.queue, flush.queue} == {1}
    assert wait.queue is None
    assert launch.global_offset == (0, 0, 0)
    assert write.name == "clEnqueueWriteBuffer"
    assert all(command.times is not None for command in (write, read))


def test_no_profiling_leaves_queues_alone(captured):
    trace = captured("queues", profiling=False)
    assert trace.launches[0].times is None
    assert trace.manifest["completeness"]["profiling_forced"] is False


def test_buffers_maps_and_rectangles(captured):
    trace = captured("memory", "buffers")
    (launch,) = trace.launches
    parent, part, source, target, copy = (trace.buffers[key] for key in range(5))
    assert (part.parent, part.offset_bytes, part.size_bytes) == (0, 16384, 16384)
    assert [argument.ref for argument in launch.arguments] == [part.id, source.id, target.id]
    by_name = {command.name: command for command in trace.commands}
    unmap = by_name["clEnqueueUnmapMemObject"]
    # The indices stay, since they are addresses; the floats are reduced to their hash.
    assert trace.read_blob(unmap.content) == np.arange(4095, -1, -1, dtype="<i4").tobytes()
    assert (unmap.target, unmap.size_bytes) == (part.id, 16384)
    assert source.content is None
    assert source.content_hash is not None
    moved = by_name["clEnqueueCopyBuffer"]
    assert (moved.source, moved.target) == (target.id, copy.id)
    assert (moved.source_offset_bytes, moved.offset_bytes, moved.size_bytes) == (0, 4, 16380)
    fill = by_name["clEnqueueFillBuffer"]
    assert trace.read_blob(fill.content) == b"\0" * 4
    strided, whole = (
        command for command in trace.commands if command.name == "clEnqueueWriteBufferRect"
    )
    assert strided.content is None
    assert (strided.offset_bytes, strided.size_bytes) == (64 + 8, 32)
    assert whole.content is not None
    assert trace.manifest["provenance"]["n_partial_contents"] == 1
    assert part.released_ns >= part.created_ns
    assert parent.released_ns is not None
    assert copy.released_ns is None


@pytest.mark.parametrize(
    ("data", "stored", "hashed"), [("none", 0, 0), ("hash", 0, 1), ("full", 1, 0)]
)
def test_data_modes(captured, data, stored, hashed):
    trace = captured("memory", "buffers", data=data)
    assert sum(buffer.content is not None for buffer in trace.buffers.values()) == stored
    assert sum(buffer.content_hash is not None for buffer in trace.buffers.values()) == hashed
    unmap = next(item for item in trace.commands if item.kind is CommandKind.UNMAP)
    assert (unmap.content is not None) == bool(stored)


def test_images_and_samplers(captured):
    trace = captured("memory", "images", data="full")
    image = trace.images[min(trace.images)]
    assert (image.type, image.width, image.height) == ("image2d", 16, 8)
    assert (image.channel_order, image.channel_type) == ("RGBA", "FLOAT")
    assert len(trace.read_blob(image.content)) == 16 * 8 * 16
    (launch,) = trace.launches
    kinds = [argument.kind for argument in launch.arguments]
    assert kinds == [ArgumentKind.IMAGE, ArgumentKind.SAMPLER, ArgumentKind.BUFFER]
    sampler = trace.samplers[launch.arguments[1].ref]
    assert (sampler.normalized, sampler.addressing, sampler.filter) == (
        False,
        "CLAMP_TO_EDGE",
        "NEAREST",
    )
    writes = [item for item in trace.commands if item.name == "clEnqueueWriteImage"]
    assert [item.content is None for item in writes] == [False, True, False]
    counts = Counter(item.name for item in trace.commands)
    assert counts["clEnqueueCopyImage"] == counts["clEnqueueMapImage"] == 1
    assert counts["clEnqueueCopyImageToBuffer"] == counts["clEnqueueCopyBufferToImage"] == 1


def test_shared_virtual_memory_is_a_buffer(captured):
    trace = captured("memory", "svm")
    if not trace.launches:
        pytest.skip("the runtime has no shared virtual memory")
    (argument,) = trace.launches[0].arguments
    part = trace.buffers[argument.ref]
    assert (part.offset_bytes, part.size_bytes) == (64, 960)
    assert trace.buffers[part.parent].size_bytes == 1024


def test_reused_handles_are_new_objects(captured):
    trace = captured("memory", "reuse")
    refs = [launch.arguments[0].ref for launch in trace.launches]
    assert refs == sorted(set(refs))
    assert len(refs) == 8
    assert all(buffer.released_ns is not None for buffer in trace.buffers.values())


def test_programs_compiled_linked_cloned_and_binary(captured):
    trace = captured("programs")
    cloned = [launch for launch in trace.launches if launch.kernel == "times"]
    values = [int.from_bytes(launch.arguments[1].value, "little") for launch in cloned]
    # A clone starts with the arguments of its original and does not change them.
    assert values[-1] == 2
    assert values[:-1] in ([], [10])
    linked = trace.programs[cloned[0].program]
    assert linked.kind == "source"
    assert linked.build_options == "-DA=1"
    ((name, blob),) = linked.headers
    assert (name, trace.read_blob(blob)) == ("factor.h", b"#define FACTOR 3\n")
    binary = trace.programs[trace.launches[-1].program]
    assert binary.kind == "binary"
    assert binary.blob is not None
    assert any("binary program" in text for text in trace.manifest["provenance"]["notes"])


def test_limits_of_the_presented_device_hold(captured):
    # The program checks the error codes and the results itself.
    trace = captured("limits", profile="mali-g72")
    facts = trace.manifest["provenance"]
    assert facts["n_failed_launches"] == 4
    assert [item["result_code"] for item in facts["failed_launches"]] == [-55, -54, -54, -5]
    assert facts["executions"] == {"as_asked": 2, "local_null": 1, "split": 2}
    ragged = [launch for launch in trace.launches if launch.global_size == (10, 1, 1)]
    assert [launch.local_size for launch in ragged] == [(4, 1, 1)] * 2
    assert all(launch.times.end_ns > 0 for launch in ragged)
    plane = trace.launches[-1]
    assert (plane.global_size, plane.local_size) == ((7, 5, 1), (4, 2, 1))
    assert plane.global_offset == (16, 0, 0)
    options = {program.build_options for program in trace.programs.values()}
    assert options == {"", "-cl-std=CL2.0", "-cl-arm-non-uniform-work-group-size"}
    refused = [text for text in facts["notes"] if text.startswith("refused")]
    assert len(refused) == 3
    assert trace.impersonated


def test_presented_answers_are_those_of_the_profile(captured):
    from gpusim.capture.profile import load_profile

    trace = captured("basic", "1", profile="mali-t860")
    (device,) = trace.devices
    profile = load_profile("mali-t860")
    shown = device["presented"]
    assert device["profile"] == "mali-t860"
    assert shown["CL_DEVICE_NAME"] == "Mali-T860"
    assert shown["CL_DEVICE_VENDOR"] == "ARM"
    assert device["real"]["CL_DEVICE_NAME"] != "Mali-T860"
    for name, text in profile.flat().items():
        if isinstance(shown.get(name), int):
            assert shown[name] == int(text), name
        elif isinstance(shown.get(name), str):
            assert shown[name] == text, name
    extensions = [name for name, _ in shown["CL_DEVICE_EXTENSIONS_WITH_VERSION"]]
    assert extensions == shown["CL_DEVICE_EXTENSIONS"].split()
    assert shown["CL_DEVICE_ADDRESS_BITS"] == device["real"]["CL_DEVICE_ADDRESS_BITS"]
    # A query that came with a later OpenCL than the profile's has no answer there.
    assert "CL_DEVICE_GENERIC_ADDRESS_SPACE_SUPPORT" not in shown


def test_profile_with_import_memory(captured, tmp_path, monkeypatch, capfd):
    from gpusim.capture.profile import Profile, load_profile

    profile = load_profile("mali-g72")
    claims = profile.answers["CL_DEVICE_EXTENSIONS"]
    answers = dict(profile.answers)
    answers["CL_DEVICE_EXTENSIONS"] = dataclasses.replace(
        claims, value=[*claims.value, "cl_arm_import_memory"]
    )
    importing: Profile = dataclasses.replace(profile, answers=answers)
    trace = captured("byname", "libOpenCL.so", linked=False, profile=importing, data="full")
    assert capfd.readouterr().out == "0 7 import\n"
    (buffer,) = trace.buffers.values()
    assert (buffer.size_bytes, trace.read_blob(buffer.content)) == (256, b"\0" * 256)


def test_dry_run_executes_nothing(captured):
    trace = captured("basic", "1", dry=True, exit_code=1)  # its own check of the result fails
    assert [launch.kernel for launch in trace.launches] == ["scale"]
    assert trace.manifest["provenance"]["executions"] == {"dry": 1}


def test_dry_run_of_half_precision(opencl, tmp_path):
    need_pyopencl()
    script = tmp_path / "half.py"
    script.write_text(
        "import numpy as np, pyopencl as cl\n"
        "device = cl.get_platforms()[0].get_devices(cl.device_type.GPU)[0]\n"
        "context = cl.Context([device])\n"
        "queue = cl.CommandQueue(context)\n"
        "text = '#pragma OPENCL EXTENSION cl_khr_fp16 : enable\\n'\n"
        "text += 'kernel void h(global half4 *x, half a) { x[get_global_id(0)] *= a; }'\n"
        "kernel = cl.Program(context, text).build().h\n"
        "buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE, 1024)\n"
        "kernel.set_args(buffer, np.float16(2))\n"
        "cl.enqueue_nd_range_kernel(queue, kernel, (128,), (64,)).wait()\n"
    )
    target = tmp_path / "t.gptrace"
    dry = capture([sys.executable, str(script)], output=target, profile="mali-g72", dry=True)
    assert dry.exit_code == 0
    trace = load_trace(target)
    assert trace.launches[0].arguments[1].value == np.float16(2).tobytes()
    assert any("halves" in text for text in trace.manifest["provenance"]["notes"])
    real = capture([sys.executable, str(script)], output=target, profile="mali-g72")
    if real.exit_code:  # PoCL without cl_khr_fp16
        notes = load_trace(target).manifest["provenance"]["notes"]
        assert any("needs one with cl_khr_fp16, or --dry" in text for text in notes)


def test_killed_program_keeps_its_launches(captured):
    trace = captured("basic", "3000", "kill", exit_code=137)
    assert len(trace.launches) == 3000
    assert trace.manifest["completeness"]["truncated"] is True
    assert sum(launch.times is not None for launch in trace.launches) == 3000


def test_threads(captured):
    trace = captured("threads")
    assert len(trace.launches) == 800
    assert len({launch.thread for launch in trace.launches}) == 4
    for thread in {launch.thread for launch in trace.launches}:
        own = [launch for launch in trace.launches if launch.thread == thread]
        assert len(own) == 200
        assert len({(item.queue, item.kernel_id, item.arguments) for item in own}) == 1
    assert [launch.seq for launch in trace.launches] == sorted(
        {launch.seq for launch in trace.launches}
    )


def test_forked_processes_write_a_trace_each(captured):
    captured("threads", "fork")
    traces = [load_trace(item.path) for item in captured.result.traces]
    values = {trace.launches[0].arguments[1].value[0] for trace in traces}
    assert values == {1, 2}
    assert [len(trace.launches) for trace in traces] == [200, 200]
    parent, child = captured.result.traces
    assert parent.path.name == "t.gptrace"
    assert child.path.name == f"t.{child.pid}.gptrace"
    assert traces[1].manifest["provenance"]["parent_pid"] == parent.pid


def test_child_that_inherits_objects(captured):
    captured("threads", "inherit")
    parent, child = (load_trace(item.path) for item in captured.result.traces)
    assert len(parent.launches) == 200
    assert len(child.launches) == 0
    part = child.buffers[max(child.buffers)]
    assert part.parent in parent.buffers
    assert part.id not in parent.buffers


def test_raw_log_is_kept_when_asked_and_readable(captured, tmp_path):
    captured("basic", "2", keep_raw=True)
    (log,) = tmp_path.glob("t.*.gpraw")
    done = subprocess.run(
        [sys.executable, "-m", "gpusim", "trace", "convert", str(log), "-o", "again.gptrace"],
        cwd=tmp_path,
        check=True,
    )
    assert done.returncode == 0
    again = load_trace(tmp_path / "again.gptrace")
    assert list(again.launches) == list(load_trace(tmp_path / "t.gptrace").launches)


def test_raw_log_is_removed_otherwise(captured, tmp_path):
    captured("basic", "2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.gptrace"]


def test_same_program_twice_gives_the_same_records(captured):
    first, second = (captured("basic", "20") for _ in range(2))

    def untimed(launch):
        return (launch.seq, launch.kernel, launch.global_size, launch.local_size, launch.arguments)

    assert [untimed(item) for item in first.launches] == [untimed(item) for item in second.launches]
    assert first.programs == second.programs


def test_command_line(compiled, tmp_path):
    options = ["--as", "mali-g72", "-o", "c.gptrace", "--"]
    done = subprocess.run(
        [sys.executable, "-m", "gpusim", "capture", *options, compiled("basic"), "3", "kill"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 137
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("gpusim: c.gptrace: 3 launches of 1 kernels")
    assert "as Mali-G72" in line
    assert "the process did not end by itself" in line


def test_program_without_opencl(opencl, tmp_path):
    with pytest.raises(CaptureError, match="used no OpenCL that the shim could see"):
        capture(["true"], output=tmp_path / "t.gptrace")


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (["/nonexistent/program"], {}, CaptureError, "cannot be started .*No such file"),
        ([], {}, CaptureError, "no program to run"),
        (["true"], {"mode": "magic"}, CaptureError, "--mode: unknown .*auto or layer"),
        (["true"], {"data": "some"}, CaptureError, "--data: unknown .*none"),
        (["true"], {"output": "/nonexistent/t.gptrace"}, OutputError, "folder does not exist"),
    ],
)
def test_errors_are_one_line(opencl, tmp_path, arguments, options, error, message):
    options = {"output": tmp_path / "t.gptrace"} | options
    with pytest.raises(error, match=message) as caught:
        capture(arguments, **options)
    assert "\n" not in str(caught.value)
