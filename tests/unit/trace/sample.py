"""A small trace that uses every record and every column at least once."""

import hashlib
from dataclasses import replace

from gpusim.trace.records import (
    Argument,
    ArgumentKind,
    Buffer,
    Command,
    CommandKind,
    DeviceTimes,
    Image,
    Kernel,
    Launch,
    Program,
    Sampler,
    Trace,
)

SOURCE = b"""__kernel void scale(__global float *x, float a) { x[get_global_id(0)] *= a; }
__kernel void blur(__read_only image2d_t i, sampler_t s, __local float *t) {}
"""
HEADER = b"#define TILE 4\n"
CONTENT = bytes(range(64))
PATTERN = b"\x00\x00\x80?"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


BLOBS = {sha(data): data for data in (SOURCE, HEADER, CONTENT, PATTERN)}

TIMES = DeviceTimes(queued_ns=2_000, submit_ns=2_100, start_ns=3_000, end_ns=9_000)

SCALE_ARGUMENTS = (
    Argument(index=0, kind=ArgumentKind.BUFFER, size_bytes=8, ref=1),
    Argument(index=1, kind=ArgumentKind.VALUE, size_bytes=4, value=b"\x00\x00\x00@"),
)
BLUR_ARGUMENTS = (
    Argument(index=0, kind=ArgumentKind.IMAGE, size_bytes=8, ref=10),
    Argument(index=1, kind=ArgumentKind.SAMPLER, size_bytes=8, ref=20),
    Argument(index=2, kind=ArgumentKind.LOCAL, size_bytes=256),
    Argument(index=3, kind=ArgumentKind.NULL, size_bytes=8),
)


def launch(index: int, seq: int, **changes: object) -> Launch:
    base = Launch(
        index=index,
        seq=seq,
        kernel="scale",
        program=1,
        kernel_id=5,
        work_dim=1,
        global_size=(16, 1, 1),
        local_size=(4, 1, 1),
        global_offset=(0, 0, 0),
        arguments=SCALE_ARGUMENTS,
        queue=1,
        thread=77,
        host_ns=1_000 * seq,
        host_duration_ns=250,
        times=TIMES,
    )
    return replace(base, **changes)


def sample_trace(**changes: object) -> Trace:
    """Return the sample; keyword arguments replace its fields."""
    base = Trace(
        name="sample",
        manifest={
            "impersonated": True,
            "profile": "mali-g72",
            "completeness": {
                "unrecorded_calls": ["clEnqueueSVMMap"],
                "truncated": False,
                "profiling_forced": True,
            },
            "provenance": {
                "argv": ["/home/somebody/bin/app", "--secret"],
                "environment": {"HOME": "/home/somebody"},
                "source": "captured",
            },
        },
        devices=(
            {
                "real": {"CL_DEVICE_NAME": "pthread-skylake"},
                "presented": {"CL_DEVICE_NAME": "Mali-G72"},
                "profile": "mali-g72",
            },
        ),
        programs={
            1: Program(
                id=1,
                kind="source",
                blob=sha(SOURCE),
                build_options='-DT=4 -I /home/somebody/include -DNAME="a b"',
                headers=(("tile.h", sha(HEADER)),),
            ),
            2: Program(id=2, kind="binary", blob=None),
        },
        kernels={5: Kernel(id=5, name="scale", program=1), 6: Kernel(id=6, name="blur", program=1)},
        buffers={
            1: Buffer(
                id=1,
                size_bytes=64,
                flags=1,
                content=sha(CONTENT),
                content_hash=sha(CONTENT),
                created_ns=10,
                released_ns=90_000,
            ),
            2: Buffer(id=2, size_bytes=16, parent=1, offset_bytes=48, created_ns=20),
            3: Buffer(id=3, size_bytes=1024, created_ns=30),
        },
        images={
            10: Image(
                id=10,
                type="image2d",
                width=8,
                height=4,
                channel_order="RGBA",
                channel_type="HALF_FLOAT",
                row_pitch_bytes=64,
                content=sha(CONTENT),
                created_ns=40,
                released_ns=80_000,
            ),
            11: Image(id=11, type="image1d_buffer", width=16, channel_order="R", buffer=3),
        },
        samplers={
            20: Sampler(id=20, normalized=False, addressing="CLAMP_TO_EDGE", filter="NEAREST")
        },
        launches=(
            launch(0, 2, waits=(1,)),
            launch(1, 3, times=None, result_code=-54, host_ns=3_000),
            launch(
                2,
                6,
                kernel="blur",
                kernel_id=None,
                work_dim=2,
                global_size=(8, 4, 1),
                local_size=None,
                global_offset=(1, 2, 0),
                arguments=BLUR_ARGUMENTS,
                waits=(2, 4),
                label="conv1",
            ),
            launch(3, 7),
            launch(4, 8, arguments=(), queue=None, times=None),
        ),
        commands=(
            Command(
                seq=1,
                kind=CommandKind.WRITE,
                queue=1,
                target=1,
                offset_bytes=0,
                size_bytes=64,
                blocking=True,
                content=sha(CONTENT),
                thread=77,
                host_ns=900,
                host_duration_ns=40,
                times=TIMES,
                name="clEnqueueWriteBuffer",
            ),
            Command(
                seq=4,
                kind=CommandKind.COPY,
                queue=1,
                waits=(2,),
                source=1,
                target=3,
                offset_bytes=8,
                source_offset_bytes=32,
                size_bytes=32,
                name="clEnqueueCopyBuffer",
            ),
            Command(
                seq=5,
                kind=CommandKind.FILL,
                queue=1,
                target=3,
                size_bytes=1024,
                content=sha(PATTERN),
            ),
            Command(seq=9, kind=CommandKind.READ, queue=1, source=10, target=None, size_bytes=256),
            Command(seq=10, kind=CommandKind.FINISH, queue=1, name="clFinish", host_ns=70_000),
        ),
        read_blob=BLOBS.__getitem__,
    )
    return replace(base, **changes)


CONTENTS = (
    "devices",
    "programs",
    "kernels",
    "buffers",
    "images",
    "samplers",
)


def same(left: Trace, right: Trace) -> None:
    """Assert that two traces hold equal records."""
    for name in CONTENTS:
        assert getattr(left, name) == getattr(right, name), name
    assert list(left.launches) == list(right.launches)
    assert list(left.commands) == list(right.commands)
