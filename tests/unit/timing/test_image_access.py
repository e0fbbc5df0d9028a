"""Where image accesses go: rows of texels, from coordinates of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from gpusim.compiler import compile_kernel
from gpusim.isa.ir_view import IRView
from gpusim.lower.job import BoundArgument, Job
from gpusim.timing.address_form import Access, access_forms
from gpusim.timing.image_access import image_places
from gpusim.trace.records import Argument, ArgumentKind, Image, Sampler

W, H, LAYERS, TEXEL = 16, 8, 3, 4
BASE = 1 << 32
X, Y = (np.arange(W * H) % W).astype(np.int64), (np.arange(W * H) // W).astype(np.int64)

HEAD = (
    "constant sampler_t edge = CLK_ADDRESS_CLAMP_TO_EDGE | CLK_FILTER_NEAREST;"
    "constant sampler_t unit = CLK_NORMALIZED_COORDS_TRUE | CLK_FILTER_NEAREST;"
    "kernel void k(read_only {kind} m, sampler_t s, global float4 *to, int n) {{"
    " int x = get_global_id(0), y = get_global_id(1); float4 v = 0; {body}"
    " to[y * 16 + x] = v; }}"
)


def image_reads(body: str, kind: str = "image2d_t", *, normalized: bool = True) -> list[Access]:
    """Return the accesses of a kernel to an image, with n = 5."""
    kernel = compile_kernel(HEAD.format(kind=kind, body=body), "k")
    record = Image(
        id=0,
        type=kind.removesuffix("_t"),
        width=W,
        height=H,
        array_size=LAYERS if "array" in kind else 1,
        channel_type="UNORM_INT8",
    )
    sampler = Sampler(id=1, normalized=normalized, addressing="CLAMP", filter="NEAREST")

    def argument(index: int, kind: ArgumentKind) -> Argument:
        return Argument(index=index, kind=kind, size_bytes=8, ref=index)

    size = (W, H, 1)
    job = Job(
        launch=0,
        index=0,
        kernel="k",
        program=0,
        global_size=size,
        local_size=size,
        launch_global_size=size,
        launch_num_groups=(1, 1, 1),
        enqueued_local_size=size,
        arguments=(
            BoundArgument(argument=argument(0, ArgumentKind.IMAGE), address=BASE, image=record),
            BoundArgument(argument=argument(1, ArgumentKind.SAMPLER), sampler=sampler),
            BoundArgument(argument=argument(2, ArgumentKind.BUFFER)),
        ),
    )
    found = access_forms(
        kernel,
        IRView(kernel),
        ids={"global_id0": X, "global_id1": Y},
        sizes={},
        parameters={2: 0, 3: 5},
        trips=dict.fromkeys(range(len(kernel.loops)), 3.0),
        address_spaces=(),
        images=image_places(job),
    )
    assert all(access.access_bytes == TEXEL and access.is_load for access in found)
    return found


def at(x: np.ndarray, y: np.ndarray) -> list[int]:
    x, y = np.clip(x, 0, W - 1), np.clip(y, 0, H - 1)
    return (BASE + (y * W + x) * TEXEL).tolist()


CASES = {
    "read_imagef(m, edge, (int2)(x, y))": (X, Y),
    "read_imagef(m, (int2)(y, x))": (Y, X),
    "read_imagef(m, edge, (int2)(x, y) + (int2)(3, -2))": (X + 3, Y - 2),
    "read_imagef(m, edge, (int2)(x, y).yx * 2)": (2 * Y, 2 * X),
    "read_imagef(m, edge, (int2)(x, y) + n)": (X + 5, Y + 5),
    "read_imagef(m, edge, (float2)(x + 0.5f, 7.25f))": (X, 7 + 0 * X),
    "read_imagef(m, edge, (int2)(get_image_width(m) - 1 - x, y))": (W - 1 - X, Y),
    "read_imagef(m, unit, (float2)((x + 0.5f) / 32, (y + 0.5f) / 16))": (X // 2, Y // 2),
    "read_imagef(m, s, ((float2)(x, y) + 0.5f) / convert_float2(get_image_dim(m)))": (X, Y),
}


@pytest.mark.parametrize("call", list(CASES))
def test_addresses(call: str) -> None:
    (access,) = image_reads(f"v = {call};")
    assert access.form is not None
    assert np.broadcast_to(access.form.base, X.shape).tolist() == at(*CASES[call])
    assert not any(np.any(stride) for stride in access.form.strides.values())


def test_a_sampler_of_pixels_does_not_scale() -> None:
    (access,) = image_reads("v = read_imagef(m, s, (float2)(x, y));", normalized=False)
    assert access.form is not None
    assert np.broadcast_to(access.form.base, X.shape).tolist() == at(X, Y)


def test_loops_move_by_texels_and_rows() -> None:
    (access,) = image_reads(
        "for (int j = 0; j < n; j++) for (int i = 0; i < n; i++)"
        " v += read_imagef(m, edge, (int2)(x + 2 * i, y + j));"
    )
    assert access.form is not None
    inner, outer = access.loops
    assert {int(np.max(access.form.strides[inner])), int(np.max(access.form.strides[outer]))} == {
        2 * TEXEL,
        W * TEXEL,
    }


def test_layers_follow_each_other() -> None:
    (access,) = image_reads("v = read_imagef(m, edge, (int4)(x, y, 2, 0));", "image2d_array_t")
    assert access.form is not None
    wanted = np.array(at(X, Y)) + 2 * W * H * TEXEL
    assert np.broadcast_to(access.form.base, X.shape).tolist() == wanted.tolist()


def test_coordinates_from_memory_have_no_address() -> None:
    (access,) = image_reads("v = read_imagef(m, edge, (int2)((int)to[x].x, y));")
    assert access.form is None
