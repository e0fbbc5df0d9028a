"""Mangled names of OpenCL functions, taken apart."""

from __future__ import annotations

import pytest

from gpusim.compiler.mangling import ClType, demangle, mangle

FLOAT = ClType("float", 32)
INT = ClType("int", 32)


def pointer(pointee: ClType, space: int) -> ClType:
    return ClType("pointer", 64, 1, space, pointee)


@pytest.mark.parametrize(
    ("mangled", "name", "parameters"),
    [
        ("_Z3expf", "exp", (FLOAT,)),
        ("_Z12get_work_dimv", "get_work_dim", ()),
        ("_Z3powDv4_fS_", "pow", (FLOAT.with_lanes(4), FLOAT.with_lanes(4))),
        ("_Z5clampDv2_iS_S_", "clamp", (INT.with_lanes(2),) * 3),
        ("_Z3madDhDhDh", "mad", (ClType("float", 16),) * 3),
        ("_Z6vload4mPU3AS1Kf", "vload4", (ClType("uint", 64), pointer(FLOAT, 1))),
        (
            "_Z7vstore4Dv4_fmPU3AS3f",
            "vstore4",
            (FLOAT.with_lanes(4), ClType("uint", 64), pointer(FLOAT, 3)),
        ),
        ("_Z10atomic_addPU3AS1Vii", "atomic_add", (pointer(INT, 1), INT)),
        ("_Z5fractfPf", "fract", (FLOAT, pointer(FLOAT, 0))),
        (
            "_Z6sincosDv4_fPU3AS1S_",
            "sincos",
            (FLOAT.with_lanes(4), pointer(FLOAT.with_lanes(4), 1)),
        ),
        (
            "_Z8shuffle2Dv2_fS_Dv4_j",
            "shuffle2",
            (FLOAT.with_lanes(2), FLOAT.with_lanes(2), ClType("uint", 32, 4)),
        ),
    ],
)
def test_demangle(mangled: str, name: str, parameters: tuple[ClType, ...]) -> None:
    signature = demangle(mangled)
    assert signature is not None
    assert signature.name == name
    assert signature.parameters == parameters


def test_opaque_types() -> None:
    signature = demangle("_Z11read_imagef14ocl_image2d_ro11ocl_samplerDv2_i")
    assert signature is not None
    assert [kind.name for kind in signature.parameters] == ["ocl_image2d_ro", "ocl_sampler", ""]
    assert [kind.ir for kind in signature.parameters] == ["ptr addrspace(1)", "i32", "<2 x i32>"]


def test_address_space_and_name_are_not_run_together() -> None:
    signature = demangle("_Z17wait_group_eventsiPU3AS49ocl_event")
    assert signature is not None
    assert signature.parameters[1].address_space == 4
    assert signature.parameters[1].pointee is not None
    assert signature.parameters[1].pointee.name == "ocl_event"


@pytest.mark.parametrize("text", ["printf", "_Z", "_Z3ex", "_Z3expS9_", "_Z3expf$", "_Z99expf", ""])
def test_other_names_are_not_taken_for_functions(text: str) -> None:
    signature = demangle(text)
    assert signature is None or signature.name not in ("exp", "printf")


def test_mangle_is_the_inverse_for_scalars() -> None:
    assert mangle("pow", (FLOAT, FLOAT)) == "_Z3powff"
    assert mangle("ldexp", (ClType("float", 16), INT)) == "_Z5ldexpDhi"
