"""Which operation class a call belongs to: LLVM intrinsics and OpenCL built-in functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

IDS = frozenset({"get_global_id", "get_local_id", "get_group_id"})
"""Work-item functions whose value differs inside an NDRange."""
SIZES = frozenset(
    {
        "get_global_size",
        "get_local_size",
        "get_enqueued_local_size",
        "get_num_groups",
        "get_work_dim",
        "get_global_offset",
    }
)
"""Work-item functions that are uniform over a launch."""
BARRIERS = frozenset({"barrier", "work_group_barrier", "sub_group_barrier"})
FENCES = frozenset({"mem_fence", "read_mem_fence", "write_mem_fence", "atomic_work_item_fence"})

FREE_INTRINSICS = (
    "llvm.lifetime",
    "llvm.dbg",
    "llvm.assume",
    "llvm.experimental.noalias",
    "llvm.invariant",
    "llvm.expect",
    "llvm.donothing",
    "llvm.prefetch",
    "llvm.sideeffect",
)
"""Prefixes of intrinsics that become no code."""

_INTRINSICS: dict[str, tuple[str, ...]] = {
    "fmuladd": ("fma",),
    "fma": ("fma_exact",),
    "fabs": ("fneg",),
    "copysign": ("logic",),
    "floor": ("fround",),
    "ceil": ("fround",),
    "trunc": ("fround",),
    "rint": ("fround",),
    "round": ("fround", "fadd"),
    "roundeven": ("fround",),
    "nearbyint": ("fround",),
    "minnum": ("fminmax",),
    "maxnum": ("fminmax",),
    "minimum": ("fminmax",),
    "maximum": ("fminmax",),
    "minimumnum": ("fminmax",),
    "maximumnum": ("fminmax",),
    "canonicalize": ("fadd",),
    "sqrt": ("sqrt",),
    "exp2": ("exp2",),
    "exp": ("exp",),
    "exp10": ("exp",),
    "log2": ("log2",),
    "log": ("log",),
    "log10": ("log",),
    "sin": ("sincos",),
    "cos": ("sincos",),
    "tan": ("transcendental",),
    "pow": ("pow",),
    "powi": ("pow",),
    "ldexp": ("cvt",),
    "smax": ("iminmax",),
    "smin": ("iminmax",),
    "umax": ("iminmax",),
    "umin": ("iminmax",),
    "abs": ("iabs",),
    "ctlz": ("clz",),
    "cttz": ("bitreverse", "clz"),
    "ctpop": ("ctpop",),
    "bitreverse": ("bitreverse",),
    "bswap": ("shift", "logic"),
    "fshl": ("rotate",),
    "fshr": ("rotate",),
    "sadd.sat": ("iadd",),
    "uadd.sat": ("iadd",),
    "ssub.sat": ("iadd",),
    "usub.sat": ("iadd",),
    "scmp": ("icmp", "icmp", "iadd"),
    "ucmp": ("icmp", "icmp", "iadd"),
    "fptosi.sat": ("cvt",),
    "fptoui.sat": ("cvt",),
    "is.fpclass": ("logic", "icmp"),
    "vector.reduce.fadd": ("fadd",),
    "vector.reduce.add": ("iadd",),
    "umul.with.overflow": ("imulhi", "imul"),
    "smul.with.overflow": ("imulhi", "imul"),
    "uadd.with.overflow": ("iadd", "icmp"),
    "sadd.with.overflow": ("iadd", "icmp"),
    "usub.with.overflow": ("iadd", "icmp"),
}
"""LLVM intrinsic without ``llvm.`` and type suffix -> operation classes in a chain."""

_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "mad": ("fma",),
    "fma": ("fma_exact",),
    "mad24": ("imul", "iadd"),
    "mul24": ("imul",),
    "mad_hi": ("imulhi", "iadd"),
    "mul_hi": ("imulhi",),
    "fabs": ("fneg",),
    "floor": ("fround",),
    "ceil": ("fround",),
    "trunc": ("fround",),
    "rint": ("fround",),
    "round": ("fround", "fadd"),
    "fract": ("fround", "fadd", "fminmax"),
    "fmin": ("fminmax",),
    "fmax": ("fminmax",),
    "min": ("iminmax",),
    "max": ("iminmax",),
    "clamp": ("fminmax", "fminmax"),
    "mix": ("fadd", "fma"),
    "step": ("fcmp", "select"),
    "smoothstep": ("fadd", "fmul", "fminmax", "fma", "fmul"),
    "sign": ("fcmp", "select"),
    "degrees": ("fmul",),
    "radians": ("fmul",),
    "fdim": ("fadd", "fminmax"),
    "copysign": ("logic",),
    "sqrt": ("sqrt",),
    "rsqrt": ("rsqrt",),
    "recip": ("rcp",),
    "divide": ("fdiv_fast",),
    "fmod": ("frem",),
    "remainder": ("frem",),
    "exp": ("exp",),
    "exp2": ("exp2",),
    "exp10": ("exp",),
    "expm1": ("transcendental",),
    "log": ("log",),
    "log2": ("log2",),
    "log10": ("log",),
    "log1p": ("transcendental",),
    "sin": ("sincos",),
    "cos": ("sincos",),
    "sincos": ("sincos", "sincos"),
    "sinpi": ("sincos",),
    "cospi": ("sincos",),
    "pow": ("pow",),
    "powr": ("pow",),
    "pown": ("pow",),
    "rootn": ("pow",),
    "cbrt": ("pow",),
    "hypot": ("fmul", "fma", "sqrt"),
    "ldexp": ("cvt",),
    "nextafter": ("icmp", "iadd", "select"),
    "ilogb": ("clz", "iadd"),
    "logb": ("clz", "cvt"),
    "length": ("fmul", "fma", "sqrt"),
    "fast_length": ("fmul", "fma", "sqrt"),
    "normalize": ("fmul", "fma", "rsqrt", "fmul"),
    "fast_normalize": ("fmul", "fma", "rsqrt", "fmul"),
    "distance": ("fadd", "fmul", "fma", "sqrt"),
    "dot": ("fma",),
    "cross": ("fmul", "fma"),
    "isnan": ("fcmp",),
    "isinf": ("fcmp",),
    "isfinite": ("fcmp",),
    "signbit": ("shift",),
    "abs": ("iabs",),
    "abs_diff": ("iadd", "iabs"),
    "add_sat": ("iadd",),
    "sub_sat": ("iadd",),
    "hadd": ("iadd", "shift"),
    "rhadd": ("iadd", "shift"),
    "clz": ("clz",),
    "ctz": ("bitreverse", "clz"),
    "popcount": ("ctpop",),
    "rotate": ("rotate",),
    "upsample": ("shift", "logic"),
    "bitselect": ("logic", "logic"),
    "select": ("select",),
    "shuffle": ("mov",),
    "shuffle2": ("mov",),
    "any": ("logic",),
    "all": ("logic",),
    "arm_dot": ("dot_int8",),
    "arm_dot_acc": ("dot_int8", "iadd"),
}
"""OpenCL function (without ``native_`` or ``half_``) -> operation classes in a chain."""

_TRANSCENDENTAL = frozenset(
    [
        "tan",
        "tanh",
        "sinh",
        "cosh",
        "asin",
        "acos",
        "atan",
        "atan2",
        "asinh",
        "acosh",
        "atanh",
        "asinpi",
        "acospi",
        "atanpi",
        "atan2pi",
        "tanpi",
        "erf",
        "erfc",
        "tgamma",
        "lgamma",
        "lgamma_r",
    ]
)
_MANGLED = re.compile(r"_Z(\d+)")
_WRAPPER = re.compile(r"(?:__gpusim_|gpusim_|gpusim\.|__cl_)")
_INTRINSIC = re.compile(r"llvm\.([a-z0-9.]+?)(?:\.(?:[vp]\w+|f16|f32|f64|bf16|i\d+))*\Z")


@dataclass(frozen=True, slots=True)
class Call:
    """What a call is, as far as its cost goes."""

    kind: str
    """``classes``, ``free``, ``id``, ``size``, ``barrier``, ``fence``, ``atomic``, ``read_image``,
    ``write_image``, ``query_image``, ``copy``, ``convert``, ``printf`` or ``unknown``."""
    classes: tuple[str, ...] = ()
    name: str = ""


def base_name(callee: str) -> str:
    """Return the OpenCL name of a function: mangling and our own prefix removed."""
    mangled = _MANGLED.match(callee)
    if mangled is not None:
        start = mangled.end()
        return callee[start : start + int(mangled.group(1))]
    return _WRAPPER.sub("", callee, count=1)


def classify(callee: str) -> Call:
    """Return what a call to `callee` is.

    Parameters
    ----------
    callee : str
        Name as in the IR: an LLVM intrinsic, or an OpenCL function, mangled or not.
    """
    if callee.startswith("llvm."):
        return _classify_intrinsic(callee)
    name = base_name(callee)
    simple = {
        **dict.fromkeys(IDS | {"get_local_linear_id", "get_global_linear_id"}, "id"),
        **dict.fromkeys(SIZES, "size"),
        **dict.fromkeys(BARRIERS, "barrier"),
        **dict.fromkeys(FENCES, "fence"),
        "printf": "printf",
        "wait_group_events": "barrier",
        "prefetch": "free",
    }
    if name in simple:
        return Call(simple[name], (), name)
    for prefix, kind in (
        ("atom", "atomic"),
        ("read_image", "read_image"),
        ("write_image", "write_image"),
        ("get_image_", "query_image"),
        ("async_work_group", "copy"),
        ("convert_", "convert"),
        ("as_", "free"),
    ):
        if name.startswith(prefix):
            return Call(kind, (), name)
    plain = re.sub(r"\A(native_|half_)", "", name)
    is_fast = plain != name
    if plain in _TRANSCENDENTAL:
        is_cheap = is_fast and plain in ("tan",)
        return Call(
            "classes", ("sincos", "sincos", "fdiv_fast") if is_cheap else ("transcendental",), name
        )
    if plain in _FUNCTIONS:
        return Call("classes", _FUNCTIONS[plain], name)
    return Call("unknown", (), name)


def _classify_intrinsic(callee: str) -> Call:
    if callee.startswith(FREE_INTRINSICS):
        return Call("free", (), callee)
    if callee.startswith(("llvm.memcpy", "llvm.memmove", "llvm.memset")):
        return Call("copy", (), callee)
    match = _INTRINSIC.match(callee)
    stem = match.group(1) if match is not None else ""
    if stem in _INTRINSICS:
        return Call("classes", _INTRINSICS[stem], callee)
    return Call("unknown", (), callee)
