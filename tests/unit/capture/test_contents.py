"""Which contents stay under --data auto."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from gpusim.capture.contents import SMALL_BYTES, keep_contents, may_steer
from gpusim.capture.raw_blobs import RawBlobs
from gpusim.capture.raw_models import ParameterRecord as Parameter
from gpusim.trace.records import (
    Argument,
    ArgumentKind,
    Buffer,
    Command,
    CommandKind,
    Launch,
    Trace,
)


@pytest.mark.parametrize(
    ("text", "steers"),
    [
        ("float*", False),
        ("const float4 *", False),
        ("__global half8*", False),
        ("double *restrict", False),
        ("int*", True),
        ("uchar16*", True),
        ("void*", True),
        ("struct Shape*", True),
        ("", True),
        ("floatish*", True),
    ],
)
def test_element_types(text, steers):
    assert may_steer(Parameter(type=text)) is steers


FLOATS, INTS = Parameter(type="float*"), Parameter(type="int*")


class Scene:
    """A trace with one launch over some buffers, all with large contents."""

    def __init__(self, tmp_path: Path, buffers: dict[int, int | None], bound: dict[int, Parameter]):
        self.blobs = RawBlobs(tmp_path / "t.gpraw", tmp_path)
        self.contents = {key: bytes([key]) * (SMALL_BYTES + 1) for key in buffers}
        names = {key: self.blobs.add(data) for key, data in self.contents.items()}
        self.parameters = {0: tuple(bound.values())}
        arguments = tuple(
            Argument(index=i, kind=ArgumentKind.BUFFER, size_bytes=8, ref=key)
            for i, key in enumerate(bound)
        )
        self.trace = Trace(
            name="t",
            buffers={
                key: Buffer(id=key, size_bytes=SMALL_BYTES + 1, parent=parent, content=names[key])
                for key, parent in buffers.items()
            },
            launches=(
                Launch(
                    index=0,
                    seq=9,
                    kernel="k",
                    program=0,
                    work_dim=1,
                    global_size=(1, 1, 1),
                    local_size=None,
                    kernel_id=0,
                    arguments=arguments,
                ),
            ),
        )

    def kept(self, *commands: Command) -> set[int]:
        trace = keep_contents(replace(self.trace, commands=commands), self.parameters, self.blobs)
        for key, buffer in trace.buffers.items():
            name = hashlib.sha256(self.contents[key]).hexdigest()
            assert (buffer.content or buffer.content_hash) == name
        return {key for key, buffer in trace.buffers.items() if buffer.content is not None}


def test_integers_stay_and_floats_go(tmp_path):
    scene = Scene(tmp_path, {0: None, 1: None, 2: None}, {0: FLOATS, 1: INTS})
    assert scene.kept() == {1}


def test_a_buffer_bound_both_ways_stays(tmp_path):
    scene = Scene(tmp_path, {0: None}, {0: FLOATS})
    scene.parameters[0] = (INTS,)
    assert scene.kept() == {0}


def test_unknown_parameters_steer(tmp_path):
    scene = Scene(tmp_path, {0: None}, {0: FLOATS})
    scene.parameters.clear()
    assert scene.kept() == {0}


def test_copies_and_parts_pass_it_on(tmp_path):
    buffers = {0: None, 1: 0, 2: None, 3: None}
    scene = Scene(tmp_path, buffers, {1: INTS, 2: FLOATS})
    assert scene.kept() == {0, 1}
    copy = Command(seq=1, kind=CommandKind.COPY, queue=0, source=3, target=0)
    assert scene.kept(copy) == {0, 1, 3}


def test_small_contents_always_stay(tmp_path):
    scene = Scene(tmp_path, {0: None}, {0: FLOATS})
    scene.contents[0] = b"x" * SMALL_BYTES
    small = replace(scene.trace.buffers[0], content=scene.blobs.add(scene.contents[0]))
    scene.trace = replace(scene.trace, buffers={0: small})
    assert scene.kept() == {0}


def test_written_contents_follow_their_buffer(tmp_path):
    scene = Scene(tmp_path, {0: None, 1: None}, {0: FLOATS, 1: INTS})
    name = scene.trace.buffers[0].content
    writes = tuple(
        Command(seq=i, kind=CommandKind.WRITE, queue=0, target=i, content=name) for i in (0, 1)
    )
    trace = keep_contents(replace(scene.trace, commands=writes), scene.parameters, scene.blobs)
    assert [command.content for command in trace.commands] == [None, name]
