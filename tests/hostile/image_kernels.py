"""Kernels that misuse images and samplers, and ones that only look as if they did."""

from __future__ import annotations

import numpy as np

from tests.hostile.launch import (
    CLAMPED,
    CUBE,
    CUT_OFF,
    ENORMOUS,
    INTEGERS,
    LAYERS,
    LINEAR,
    NORMALIZED,
    NULL,
    PIXELS,
    READ_ONLY,
    REPEATED,
    A,
    Hostile,
    ImageRef,
    Ref,
    SamplerRef,
)

READ = "kernel void k(read_only image2d_t m, sampler_t s, global float4 *a) {{ {} }}"
INTEGER = READ.format("a[get_local_id(0)] = read_imagef(m, s, (int2)(get_global_id(0), 0));")
FLOAT = READ.format("a[get_local_id(0)] = read_imagef(m, s, (float2)(get_global_id(0), 0));")
WRITE = (
    "kernel void k(write_only image2d_t m, sampler_t s, global float4 *a) {"
    " write_imagef(m, (int2)(get_global_id(0), 0), a[0]); }"
)


def _image(source: str, error: str, image: int = PIXELS, sampler: int = CLAMPED) -> Hostile:
    return Hostile(source=source, error=error, args=(ImageRef(image), SamplerRef(sampler), Ref(A)))


def _bound(error: str, *args: object) -> Hostile:
    return Hostile(source=INTEGER, error=error, args=args)


CASES = {
    "write to a read-only image": _image(
        READ.format("write_imagef(m, (int2)(0), a[0]);"), "no matching function"
    ),
    "write to an image the host made read-only": _image(
        WRITE, r"argument 0 \(m\): the image was created read-only", READ_ONLY
    ),
    "read of a write-only image": _image(
        WRITE.replace(
            "write_imagef(m, (int2)(get_global_id(0), 0), a[0])",
            "a[0] = read_imagef(m, s, (int2)(0))",
        ),
        "no matching function",
    ),
    "coordinates of another type": _image(
        READ.format("a[0] = read_imagef(m, s, (double2)(0));"), "no matching function"
    ),
    "coordinates of another dimension": _image(
        READ.format("a[0] = read_imagef(m, s, (int4)(0));"), "no matching function"
    ),
    "integers for a sampler of fractions": _image(
        INTEGER, "integer coordinates with a sampler of normalised ones", sampler=NORMALIZED
    ),
    "repetition of coordinates in pixels": _image(
        FLOAT, "a repeating sampler of coordinates that are not normalised", sampler=REPEATED
    ),
    "filtering sampler": _image(FLOAT, "filtering samplers are not supported", sampler=LINEAR),
    "filtering sampler in the source": _image(
        "constant sampler_t f = CLK_FILTER_LINEAR; "
        + READ.format("a[0] = read_imagef(m, f, (float2)(0));"),
        "filtering samplers",
    ),
    "volume": Hostile(
        source="kernel void k(read_only image3d_t m, sampler_t s, global float4 *a) {"
        " a[0] = read_imagef(m, s, (int4)(0)); }",
        error="not supported: 3D",
        args=(ImageRef(CUBE), SamplerRef(CLAMPED), Ref(A)),
    ),
    "volume for a plane": _image(
        INTEGER, "an image of another type .*image2d, found image3d", CUBE
    ),
    "array for a plane": _image(INTEGER, "an image of another type .*image2d_array", LAYERS),
    "integers read as fractions": _image(
        INTEGER, "read_imagef of an image of another channel type", INTEGERS
    ),
    "enormous image": _image(INTEGER, "bring the buffers above .*memory_bytes", ENORMOUS),
    "contents cut off": _image(INTEGER, "contents of 5 bytes, expected 256", CUT_OFF),
    "unknown image": _image(INTEGER, "no such image", 999),
    "unknown sampler": _image(INTEGER, "no such sampler", sampler=999),
    "missing image": _bound(r"argument 0 \(m\): not an image", NULL, SamplerRef(CLAMPED), Ref(A)),
    "missing sampler": _bound(r"argument 1 \(s\): not a sampler", ImageRef(PIXELS), NULL, Ref(A)),
    "missing arguments": _bound("arguments do not match", ImageRef(PIXELS)),
    "buffer for an image": _bound("not an image", Ref(A), SamplerRef(CLAMPED), Ref(A)),
    "number for an image": _bound("not an image", np.int64(64), SamplerRef(CLAMPED), Ref(A)),
    "image for a buffer": _bound(
        "another kind", ImageRef(PIXELS), SamplerRef(CLAMPED), ImageRef(PIXELS)
    ),
    "sampler for a buffer": _bound(
        "another kind", ImageRef(PIXELS), SamplerRef(CLAMPED), SamplerRef(CLAMPED)
    ),
    "image made a pointer": _image(
        READ.format("a[0] = *(global float4 *)m;"), "image2d_t|cannot|invalid"
    ),
}

_FAR = "(int2)(a[i].x * 1e30f, i * 1000000007)"
HARMLESS = {
    "coordinates that are no numbers": _image(
        READ.format(
            "int i = get_local_id(0); float z = i - i;"
            " a[i] = read_imagef(m, s, (float2)(z / z, 1 / z))"
            " + read_imagef(m, s, (float2)(-1 / z, 3e38f));"
        ),
        "",
    ),
    "coordinates far away": _image(
        READ.format(f"int i = get_local_id(0); a[i] = read_imagef(m, s, {_FAR});"), ""
    ),
    "coordinates at the ends of int": _image(
        READ.format(
            "int i = get_local_id(0); a[i] = read_imagef(m, s, (int2)(INT_MIN + i, INT_MAX - i));"
        ),
        "",
    ),
    "coordinates far away without a sampler": _image(
        READ.format(f"int i = get_local_id(0); a[i] = read_imagef(m, {_FAR});"), ""
    ),
    "writes outside of the image": _image(
        WRITE.replace(
            "(int2)(get_global_id(0), 0)", "(int2)(get_global_id(0) * 1000 - 3, INT_MIN)"
        ),
        "",
    ),
    "an image read and written as two": Hostile(
        source="kernel void k(read_only image2d_t m, write_only image2d_t n) {"
        " int2 at = (int2)(get_global_id(0), 0); write_imagef(n, at, read_imagef(m, at) + 1); }",
        error="",
        args=(ImageRef(PIXELS), ImageRef(PIXELS)),
    ),
}
