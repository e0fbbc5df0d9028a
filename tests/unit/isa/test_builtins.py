"""Every function a normalised kernel may call has a class."""

import pytest

from gpusim.compiler.builtins.maths import EXTERNAL
from gpusim.isa.builtins import base_name, classify
from gpusim.isa.table import OPERATION_CLASSES


@pytest.mark.parametrize("name", sorted(EXTERNAL))
def test_external_mathematics_is_known(name):
    mangled = f"_Z{len(name)}{name}f"
    call = classify(mangled)
    assert call.kind == "classes"
    assert set(call.classes) <= set(OPERATION_CLASSES)


@pytest.mark.parametrize(
    ("callee", "kind"),
    [
        ("_Z13get_global_idj", "id"),
        ("_Z12get_local_idj", "id"),
        ("_Z15get_global_sizej", "size"),
        ("_Z7barrierj", "barrier"),
        ("_Z9mem_fencej", "fence"),
        ("_Z11read_imagef14ocl_image2d_ro11ocl_samplerDv2_i", "read_image"),
        ("_Z12write_imagef14ocl_image2d_woDv2_iDv4_f", "write_image"),
        ("_Z15get_image_width14ocl_image2d_ro", "query_image"),
        ("llvm.memcpy.p0.p1.i64", "copy"),
        ("llvm.lifetime.start.p0", "free"),
        ("printf", "printf"),
        ("llvm.brand.new.f32", "unknown"),
        ("_Z9no_such_ff", "unknown"),
    ],
)
def test_kinds(callee, kind):
    assert classify(callee).kind == kind


@pytest.mark.parametrize(
    ("callee", "classes"),
    [
        ("llvm.fmuladd.f32", ("fma",)),
        ("llvm.fmuladd.v4f32", ("fma",)),
        ("llvm.fma.v4f32", ("fma_exact",)),
        ("llvm.smax.v2i32", ("iminmax",)),
        ("llvm.fabs.f16", ("fneg",)),
        ("llvm.sqrt.f32", ("sqrt",)),
        ("llvm.fptosi.sat.i32.f32", ("cvt",)),
        ("_Z3expf", ("exp",)),
        ("_Z10native_expf", ("exp",)),
    ],
)
def test_classes(callee, classes):
    assert classify(callee).classes == classes


def test_names_are_demangled():
    assert base_name("_Z10native_expf") == "native_exp"
    assert base_name("plain") == "plain"
