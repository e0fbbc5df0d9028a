"""Images against a slow reading of the specification: addressing, formats, borders, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpusim.compiler import compile_kernel
from gpusim.count import Memory, count_job, count_kernel, totals
from gpusim.count.image_format import CHANNEL_TYPES, ORDERS, ChannelOrder, ChannelType
from gpusim.errors import CompileError, CountError
from gpusim.lower.job import BoundArgument, Job
from gpusim.trace.records import Argument, ArgumentKind, Image, Sampler

W, H = 5, 3
MODES = ("NONE", "CLAMP_TO_EDGE", "CLAMP", "REPEAT", "MIRRORED_REPEAT")


def image(number: int, order: str = "R", kind: str = "FLOAT", **more: object) -> Image:
    fields = {"type": "image2d", "width": W, "height": H, **more}
    return Image(id=number, channel_order=order, channel_type=kind, **fields)  # type: ignore[arg-type]


def sampler(mode: str, *, normalized: bool = False, filter_mode: str = "NEAREST") -> Sampler:
    return Sampler(id=99, normalized=normalized, addressing=mode, filter=filter_mode)


class Launch:
    """Arguments of one kernel, and what they hold afterwards."""

    def __init__(self, source: str, n: int, *values: object) -> None:
        self.memory = Memory()
        self.source, self.n = source, n
        self.arguments = tuple(self._bind(i, value) for i, value in enumerate(values))

    def _bind(self, index: int, value: object) -> BoundArgument:
        def argument(kind: ArgumentKind, **more: object) -> Argument:
            return Argument(index=index, kind=kind, size_bytes=8, **more)  # type: ignore[arg-type]

        if value is None:
            return BoundArgument(argument=argument(ArgumentKind.NULL))
        if isinstance(value, tuple):
            record, contents = value
            self.memory.add_image(record, None if contents is None else contents.tobytes())
            kind = argument(ArgumentKind.IMAGE, ref=record.id)
            return BoundArgument(argument=kind, image=record)
        if isinstance(value, Sampler):
            kind = argument(ArgumentKind.SAMPLER, ref=value.id)
            return BoundArgument(argument=kind, sampler=value)
        if isinstance(value, np.ndarray):
            self.memory.add(100 + index, value.nbytes, content=value.tobytes())
            kind = argument(ArgumentKind.BUFFER, ref=100 + index)
            return BoundArgument(argument=kind, size_bytes=value.nbytes)
        raw = value.tobytes()  # type: ignore[attr-defined]
        kind = Argument(index=index, kind=ArgumentKind.VALUE, size_bytes=len(raw), value=raw)
        return BoundArgument(argument=kind)

    def run(self, mode: str = "auto") -> Launch:
        size = (self.n, 1, 1)
        job = Job(
            launch=0,
            index=0,
            kernel="k",
            program=0,
            global_size=size,
            local_size=(1, 1, 1),
            launch_global_size=size,
            launch_num_groups=size,
            enqueued_local_size=(1, 1, 1),
            arguments=self.arguments,
        )
        self.count = count_job(compile_kernel(self.source, "k"), job, self.memory, mode=mode)
        return self

    def buffer(self, index: int, dtype: type = np.float32) -> np.ndarray:
        return self.memory.contents(100 + index).view(dtype)


READ = """kernel void k(read_only image2d_t a, sampler_t s, global {t}2 *at, global float *to) {{
  int i = get_global_id(0); to[i] = read_imagef(a, s, at[i]).x; }}"""
TEXELS = np.arange(1, W * H + 1, dtype=np.float32).reshape(H, W)


def texel(u: float, size: int, mode: str, *, normalized: bool) -> int | None:
    """Return the index that section 8.2 of the specification gives; None = border."""
    if mode == "REPEAT":
        i = math.floor((u - math.floor(u)) * size)
        return i - size if i > size - 1 else i
    if mode == "MIRRORED_REPEAT":
        i = math.floor(abs(u - 2 * round(u / 2)) * size)
        return min(i, size - 1)
    i = math.floor(u * size if normalized else u)
    if mode == "CLAMP" and not 0 <= i < size:
        return None
    return min(max(i, 0), size - 1)


def expected(points: np.ndarray, mode: str, *, normalized: bool) -> list[float]:
    found = []
    for u, v in points.astype(float):
        x = texel(u, W, mode, normalized=normalized)
        y = texel(v, H, mode, normalized=normalized)
        found.append(0.0 if x is None or y is None else float(TEXELS[y, x]))
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("normalized", [False, True])
def test_float_coordinates(mode: str, normalized: bool) -> None:
    if mode.endswith("REPEAT") and not normalized:
        return
    # Eighths: products with the sizes are exact, so the oracle rounds like the kernel.
    random = np.random.default_rng(5)
    scale = 1 if normalized else 8
    points = (random.integers(-24, 24, (200, 2)) / 8 * scale).astype(np.float32)
    args = ((image(0), TEXELS), sampler(mode, normalized=normalized), points)
    done = Launch(READ.format(t="float"), 200, *args, np.zeros(200, np.float32)).run()
    assert done.buffer(3).tolist() == expected(points, mode, normalized=normalized)


@pytest.mark.parametrize("mode", MODES[:3])
def test_integer_coordinates(mode: str) -> None:
    edge = [-(2**31), -2, -1, 0, W - 1, W, 2**31 - 1]
    points = np.array([(x, y) for x in edge for y in (-1, 0, H - 1, H, -(2**31))], np.int32)
    n = len(points)
    args = ((image(0), TEXELS), sampler(mode), points, np.zeros(n, np.float32))
    done = Launch(READ.format(t="int"), n, *args).run()
    assert done.buffer(3).tolist() == expected(points, mode, normalized=False)


@pytest.mark.parametrize("mode", MODES)
def test_coordinates_that_are_no_numbers_stay_inside(mode: str) -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e10, -0.0], np.float32)
    points = np.array([(x, y) for x in odd for y in odd], np.float32)
    n = len(points)
    repeats = mode.endswith("REPEAT")
    args = ((image(0), TEXELS), sampler(mode, normalized=repeats), points)
    done = Launch(READ.format(t="float"), n, *args, np.zeros(n, np.float32)).run()
    assert set(done.buffer(3).tolist()) <= {0.0, *TEXELS.ravel().tolist()}
    assert totals.memory(done.count)["image_read"] == n
    assert done.count.mode == "full"


def decode(stored: np.ndarray, kind: ChannelType, order: ChannelOrder) -> np.ndarray:
    """Return red, green, blue, alpha of a texel by the tables of the specification."""
    if kind.scale:
        lanes = np.maximum(stored.astype(np.float64) / kind.scale, -1.0)
    else:
        lanes = stored.astype(np.float64)
    source = [*lanes.tolist(), *[0.0] * (4 - len(lanes)), 0.0, 1.0]
    return np.array([source[i] for i in order.read])


def encode(colour: np.ndarray, kind: ChannelType, order: ChannelOrder) -> np.ndarray:
    lanes = colour[list(order.written)].astype(np.float64)
    if kind.scale:
        lanes = np.rint((lanes.astype(np.float32) * np.float32(kind.scale)).astype(np.float64))
    dtype = dtype_of(kind)
    if dtype.kind != "f":
        lanes = np.clip(lanes, np.iinfo(dtype).min, np.iinfo(dtype).max)
    return lanes.astype(dtype)


def dtype_of(kind: ChannelType) -> np.dtype:
    if kind.ir in ("half", "float"):
        return np.dtype(f"f{kind.bytes}")
    return np.dtype(f"{'i' if kind.is_signed else 'u'}{kind.bytes}")


@pytest.mark.parametrize("kind", CHANNEL_TYPES, ids=lambda kind: kind.name)
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
def test_every_format_is_read_and_written(kind: ChannelType, order: ChannelOrder) -> None:
    function = kind.family
    vector = {"f": "float4", "i": "int4", "ui": "uint4"}[function]
    random = np.random.default_rng(7)
    dtype = dtype_of(kind)
    if dtype.kind == "f":
        stored = random.normal(size=(H, W, order.channels)).astype(dtype)
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        stored = random.integers(low, high, (H, W, order.channels), dtype, endpoint=True)
    colours = {
        "f": random.normal(size=(H * W, 4)).astype(np.float32),
        "i": random.integers(-70_000, 70_000, (H * W, 4)).astype(np.int32),
        "ui": random.integers(0, 140_000, (H * W, 4)).astype(np.uint32),
    }[function]
    source = (
        f"kernel void k(read_only image2d_t a, write_only image2d_t b, global {vector} *to,"
        f" global {vector} *from) {{ int i = get_global_id(0); int2 at = (int2)(i % {W}, i / {W});"
        f" to[i] = read_image{function}(a, at); write_image{function}(b, at, from[i]); }}"
    )
    names = (order.name, kind.name)
    args = ((image(0, *names), stored), (image(1, *names), None), np.zeros_like(colours), colours)
    done = Launch(source, W * H, *args).run()
    read = done.buffer(2, colours.dtype.type).reshape(-1, 4)
    written = done.memory.contents(1).view(dtype).reshape(W * H, order.channels)
    for i, texel_ in enumerate(stored.reshape(-1, order.channels)):
        wanted = decode(texel_, kind, order)
        if function == "f":
            np.testing.assert_allclose(read[i], wanted, rtol=2e-7)
        else:
            assert read[i].astype(np.float64).tolist() == wanted.tolist()
        np.testing.assert_array_equal(written[i], encode(colours[i], kind, order))


def test_writes_outside_do_nothing() -> None:
    source = (
        "kernel void k(write_only image2d_t a, global int2 *at) { int i = get_global_id(0);"
        " write_imagef(a, at[i], (float4)(1)); }"
    )
    outside = [(-1, 0), (0, -1), (W, 0), (0, H), (2**31 - 1, 0), (-(2**31), -(2**31))]
    points = np.array([*outside, (1, 2)], np.int32)
    neighbour = np.full(64, 7, np.int32)
    done = Launch(source, len(points), (image(0), None), points, neighbour)
    done.arguments = done.arguments[:2]
    done.run()
    wanted = np.zeros((H, W), np.float32)
    wanted[2, 1] = 1
    np.testing.assert_array_equal(done.memory.contents(0).view(np.float32).reshape(H, W), wanted)
    assert (done.buffer(2, np.int32) == 7).all()
    assert totals.memory(done.count)["image_write"] == len(points)


def test_layers_are_clamped() -> None:
    source = (
        "kernel void k(read_only image2d_array_t a, sampler_t s, global float *to) {"
        " int i = get_global_id(0) - 2; to[i + 2] = read_imagef(a, s, (int4)(0, 0, i, 0)).x;"
        " to[i + 10] = read_imagef(a, s, (float4)(0, 0, i + 0.4f, 0)).x; }"
    )
    record = image(0, type="image2d_array", width=1, height=1, array_size=3)
    texels = np.array([1, 2, 3], np.float32)
    args = ((record, texels), sampler("CLAMP"), np.zeros(16, np.float32))
    found = Launch(source, 8, *args).run().buffer(2)
    assert found[:8].tolist() == [1, 1, 1, 2, 3, 3, 3, 3]
    assert found[8:].tolist() == [1, 1, 1, 2, 3, 3, 3, 3]


ONE_DIMENSION = {
    "image1d_t": ("i", "i", {"type": "image1d", "height": 1}),
    "image1d_buffer_t": ("i", "i", {"type": "image1d_buffer", "height": 1}),
    "image1d_array_t": (
        "(int2)(i % 5, i / 5)",
        "(int2)(i % 5, i / 5)",
        {"type": "image1d_array", "height": 1, "array_size": 3},
    ),
}


@pytest.mark.parametrize("name", list(ONE_DIMENSION))
def test_images_of_one_dimension(name: str) -> None:
    read, write, fields = ONE_DIMENSION[name]
    source = (
        f"kernel void k(read_only {name} a, write_only {name} b) {{ int i = get_global_id(0);"
        f" write_imagef(b, {write}, 2 * read_imagef(a, {read})); }}"
    )
    n = 15 if "array" in name else 5
    texels = np.arange(n, dtype=np.float32)
    args = ((image(0, **fields), texels), (image(1, **fields), None))
    done = Launch(source, n, *args).run()
    assert done.memory.contents(1).view(np.float32).tolist() == (2 * texels).tolist()


def test_queries() -> None:
    source = (
        "kernel void k(read_only image2d_array_t a, global int *to) {"
        " to[0] = get_image_width(a); to[1] = get_image_height(a); int2 d = get_image_dim(a);"
        " to[2] = d.x; to[3] = d.y; to[4] = get_image_array_size(a);"
        " to[5] = get_image_channel_order(a) == CLK_RG;"
        " to[6] = get_image_channel_data_type(a) == CLK_HALF_FLOAT; }"
    )
    record = image(0, "RG", "HALF_FLOAT", type="image2d_array", array_size=4)
    done = Launch(source, 1, (record, None), np.zeros(7, np.int32)).run()
    assert done.buffer(1, np.int32).tolist() == [W, H, W, H, 4, 1, 1]
    assert totals.memory(done.count)["image_read"] == 0


def test_half_colours() -> None:
    source = (
        "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n"
        "kernel void k(read_only image2d_t a, write_only image2d_t b) { int i = get_global_id(0);"
        " int2 at = (int2)(i % 5, i / 5); write_imageh(b, at, read_imageh(a, at) * 2); }"
    )
    texels = np.random.default_rng(3).normal(size=(H, W)).astype(np.float16)
    args = ((image(0, "R", "HALF_FLOAT"), texels), (image(1, "R", "HALF_FLOAT"), None))
    done = Launch(source, W * H, *args).run()
    assert done.memory.contents(1).view(np.float16).tolist() == (2 * texels).ravel().tolist()
    assert totals.memory(done.count)["image_read_bytes"] == 8 * W * H


def test_an_image_of_a_buffer_has_its_pitch() -> None:
    source = (
        "kernel void k(read_only image2d_t a, global float *to) { int i = get_global_id(0);"
        " to[i] = read_imagef(a, (int2)(i % 5, i / 5)).x; }"
    )
    rows = np.zeros((H, 8), np.float32)
    rows[:, :W] = TEXELS
    done = Launch(source, W * H, None, np.zeros(W * H, np.float32))
    done.memory.add(7, rows.nbytes, content=rows.tobytes())
    record = image(8, buffer=7, row_pitch_bytes=32)
    done.memory.add_image(record)
    argument = Argument(index=0, kind=ArgumentKind.IMAGE, size_bytes=8, ref=8)
    done.arguments = (BoundArgument(argument=argument, image=record), done.arguments[1])
    assert done.run().buffer(1).tolist() == TEXELS.ravel().tolist()


def test_contents_arrive_in_the_pitch_they_were_given_in() -> None:
    memory = Memory()
    rows = np.zeros((H, 8), np.float32)
    rows[:, :W] = TEXELS
    memory.add_image(image(0, row_pitch_bytes=32), rows.tobytes())
    assert memory.contents(0).view(np.float32).tolist() == TEXELS.ravel().tolist()
    with pytest.raises(CountError, match="image 1: contents of 10 bytes, expected 60"):
        memory.add_image(image(1), b"0123456789")


def test_only_whole_images_are_written_and_copied() -> None:
    memory = Memory(refuse_missing=True)
    memory.add_image(image(0), TEXELS.tobytes())
    memory.add_image(image(1))
    memory.copy(0, 1, 0, 0, TEXELS.nbytes)
    assert memory.is_known(1)
    assert memory.contents(1).tobytes() == TEXELS.tobytes()
    memory.write(1, 0, TEXELS.tobytes()[:20])
    assert not memory.is_known(1)
    memory.write(1, 0, TEXELS.tobytes())
    assert memory.is_known(1)
    memory.fill(1, 0, 16, bytes(16))
    assert not memory.is_known(1)


PLAIN = "kernel void k(read_only image2d_t a, sampler_t s) { read_imagef(a, s, (int2)(0)); }"
BOTH = (
    "kernel void k({access} image2d_t a, sampler_t s, global float4 *o) {{"
    " o[0] = read_image{f}(a, s, ({coordinate})(0)); }}"
)
LINEAR = (
    "constant sampler_t s = CLK_FILTER_LINEAR; kernel void k(read_only image2d_t a,"
    " global float4 *o) { o[0] = read_imagef(a, s, (float2)(0)); }"
)
OUT = np.zeros(4, np.float32)
WRITES = (
    "kernel void k(write_only image2d_t a, sampler_t s, global float4 *o) {"
    " write_imagef(a, (int2)(0), o[0]); }"
)
READS = BOTH.format(access="read_only", f="f", coordinate="int2")
FLOATS = BOTH.format(access="read_only", f="f", coordinate="float2")
REFUSED = {
    "filter": (READS, image(0), sampler("CLAMP", filter_mode="LINEAR"), "filtering samplers are"),
    "mode": (READS, image(0), sampler("mode_1"), "unknown address mode"),
    "integers, normalised": (READS, image(0), sampler("CLAMP", normalized=True), "integer coord"),
    "repeat, not normalised": (FLOATS, image(0), sampler("REPEAT"), "a repeating sampler"),
    "channel type": (READS, image(0, kind="UNSIGNED_INT8"), sampler("NONE"), "read_imagef of an"),
    "packed": (READS, image(0, "RGB", "UNORM_SHORT_565"), sampler("NONE"), "channel order not"),
    "unknown type": (READS, image(0, kind="type_1"), sampler("NONE"), "channel type not supported"),
    "array": (READS, image(0, type="image2d_array"), sampler("NONE"), "an image of another type"),
    "write-only": (READS, image(0, flags=2), sampler("NONE"), "the image was created write-only"),
    "read-only": (WRITES, image(0, flags=4), sampler("NONE"), "the image was created read-only"),
    "NULL": (READS, None, sampler("NONE"), r"argument 0 \(a\): not an image .*found NULL"),
    "no sampler": (READS, image(0), None, r"argument 1 \(s\): not a sampler .*found NULL"),
    "a buffer": (READS, OUT, sampler("NONE"), "not an image .*found a buffer"),
    "a value": (READS, np.int32(5), sampler("NONE"), "not an image .*found a value"),
    "a number for a sampler": (READS, image(0), np.int32(18), "not a sampler .*found a value"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_refused(name: str) -> None:
    source, first, second, why = REFUSED[name]
    first = (first, None) if isinstance(first, Image) else first
    with pytest.raises(CountError, match=why) as caught:
        Launch(source, 1, first, second, OUT).run()
    assert "\n" not in str(caught.value)


def test_an_image_is_no_buffer() -> None:
    source = "kernel void k(global float *a) { a[0] = 1; }"
    with pytest.raises(CountError, match="an argument of another kind than the float"):
        Launch(source, 1, (image(0), None)).run()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (PLAIN.replace("read_only", "write_only"), "read_image"),
        (PLAIN.replace("image2d_t", "image3d_t").replace("int2", "int4"), "3D"),
        (PLAIN.replace("(int2)(0)", "(double2)(0)"), "read_imagef"),
        (LINEAR, "filtering samplers"),
    ],
)
def test_programs_that_do_not_compile(source: str, why: str) -> None:
    with pytest.raises(CompileError, match=why):
        compile_kernel(source, "k")


def test_specifications_of_arguments() -> None:
    source = (
        "kernel void k(read_only image2d_t a, sampler_t s, write_only image2d_array_t b) {"
        " int x = get_global_id(0), y = get_global_id(1); write_imagef(b, (int4)(x, y, 1, 0),"
        " read_imagef(a, s, (float2)((x + 0.5f) / 6, (y + 0.5f) / 4))); }"
    )
    args = ["image:6x4:R:FLOAT:iota", "sampler:repeat:normalized", "image:6x4x2:RG:HALF_FLOAT"]
    found = count_kernel(source, "k", (6, 4), args=args)
    layer = found.buffer(2, np.float16).reshape(2, 4, 6, 2)
    assert layer[1, ..., 0].tolist() == np.arange(24.0).reshape(4, 6).tolist()
    assert not layer[0].any()
    memory = found.as_dict()["memory"]
    assert memory["image_read"] == memory["image_write"] == 24


@pytest.mark.parametrize(
    ("position", "text", "why"),
    [
        (0, "image:6:R:FLOAT", "not the size of an image2d .*expected WIDTHxHEIGHT"),
        (0, "image:6x0:R:FLOAT", "not the size"),
        (0, "image:6x4:RX:FLOAT", "channel order not supported"),
        (0, "image:6x4:R:FLOT", "channel type not supported"),
        (0, "image:6x4:R:FLOAT:ones", "unknown contents"),
        (0, "image:2000000000x2000000000:R:FLOAT", "image too large"),
        (1, "sampler:linear", "unknown address mode"),
        (1, "sampler:clamp:unit", "unknown word"),
        (1, "i32:5", "not a sampler"),
    ],
)
def test_specifications_that_are_wrong(position: int, text: str, why: str) -> None:
    args = ["image:6x4:R:FLOAT", "sampler:clamp"]
    args[position] = text
    with pytest.raises(CountError, match=why):
        count_kernel(PLAIN, "k", (6, 4), args=args)


def test_bitcode_cannot_pass_a_buffer_off_as_an_image() -> None:
    from gpusim.compiler import kernel_from_bitcode

    text = """target triple = "spir64"
define spir_kernel void @k(ptr addrspace(1) %a) !kernel_arg_addr_space !0 !kernel_arg_access_qual !1
    !kernel_arg_type !2 !kernel_arg_base_type !2 !kernel_arg_type_qual !3 {
  %v = call <4 x float> @_Z11read_imagef14ocl_image2d_roDv2_i(ptr addrspace(1) %a, <2 x i32> zeroinitializer)
  %x = extractelement <4 x float> %v, i32 0
  store float %x, ptr addrspace(1) %a
  ret void
}
declare <4 x float> @_Z11read_imagef14ocl_image2d_roDv2_i(ptr addrspace(1), <2 x i32>)
!0 = !{i32 1}
!1 = !{!"none"}
!2 = !{!"float*"}
!3 = !{!""}
"""  # noqa: E501
    kernel = kernel_from_bitcode(text.encode(), "k")
    launch = Launch("", 1, OUT)
    size = (1, 1, 1)
    job = Job(
        launch=0,
        index=0,
        kernel="k",
        program=0,
        global_size=size,
        local_size=size,
        launch_global_size=size,
        launch_num_groups=size,
        enqueued_local_size=size,
        arguments=launch.arguments,
    )
    with pytest.raises(CountError, match="of what is no image argument"):
        count_job(kernel, job, launch.memory)
