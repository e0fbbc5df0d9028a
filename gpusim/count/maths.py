"""The maths functions of OpenCL C for native execution: libm, LLVM intrinsics, a few lines of IR.

``+ - * / sqrt fma`` are correctly rounded, half precision included. The rest is the C library's
(below 1 ULP on glibc); ``native_`` and ``half_`` functions are the precise ones. float versions of
`sinpi` and its like are evaluated in double.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import re
import struct
from functools import cache

PREFIX = "gpusim.rt."
"""Of every function of this run-time library."""

_MANGLED = re.compile(r"_Z(\d+)")
_SUFFIX = {"float": "f32", "double": "f64", "half": "f16"}

_INTRINSICS = {
    "ceil": "ceil",
    "fabs": "fabs",
    "floor": "floor",
    "fma": "fma",
    "fmax": "maxnum",
    "fmin": "minnum",
    "copysign": "copysign",
    "mad": "fma",
    "rint": "rint",
    "round": "round",
    "sqrt": "sqrt",
    "trunc": "trunc",
}
_LIBM = {
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "erf"),
    *("erfc", "exp", "exp2", "expm1", "fdim", "fmod", "hypot", "lgamma", "log", "log2", "log10"),
    *("log1p", "logb", "nextafter", "pow", "remainder", "sin", "sinh", "tan", "tanh", "tgamma"),
    *("ldexp", "ilogb", "frexp", "modf", "remquo"),
}
_SAME_AS = {"powr": "pow", "divide": "fdiv"}

# Bodies of what libm lacks: %0.. are the arguments, F the type, S its intrinsic suffix, L the
# libm suffix; numbers in {braces} are constants of type F; the last value is the result.
_BODIES = {
    "rsqrt": ("%q = call F @llvm.sqrt.S(F %0)", "%r = fdiv F {1}, %q"),
    "recip": ("%r = fdiv F {1}, %0",),
    "fdiv": ("%r = fdiv F %0, %1",),
    "degrees": ("%r = fmul F %0, {57.29577951308232}",),
    "radians": ("%r = fmul F %0, {0.017453292519943295}",),
    "acospi": ("%a = call F @acosL(F %0)", "%r = fmul F %a, {0.3183098861837907}"),
    "asinpi": ("%a = call F @asinL(F %0)", "%r = fmul F %a, {0.3183098861837907}"),
    "atanpi": ("%a = call F @atanL(F %0)", "%r = fmul F %a, {0.3183098861837907}"),
    "atan2pi": ("%a = call F @atan2L(F %0, F %1)", "%r = fmul F %a, {0.3183098861837907}"),
    "exp10": ("%r = call F @powL(F {10}, F %0)",),
    # Exact reduction to [-1/2, 1/2] around the nearest integer n; odd n flips the sign.
    "sinpi": (
        "%n = call F @llvm.rint.S(F %0)",
        "%f = fsub F %0, %n",
        "%h = fmul F %n, {0.5}",
        "%w = call F @llvm.rint.S(F %h)",
        "%o = fcmp une F %h, %w",
        "%x = fmul F %f, {3.141592653589793}",
        "%s = call F @sinL(F %x)",
        "%m = fneg F %s",
        "%r = select i1 %o, F %m, F %s",
    ),
    # cos(pi f) = sin(pi (1/2 - |f|)) keeps its relative accuracy near the zeros.
    "cospi": (
        "%n = call F @llvm.rint.S(F %0)",
        "%f = fsub F %0, %n",
        "%h = fmul F %n, {0.5}",
        "%w = call F @llvm.rint.S(F %h)",
        "%o = fcmp une F %h, %w",
        "%p = call F @llvm.fabs.S(F %f)",
        "%d = fsub F {0.5}, %p",
        "%x = fmul F %d, {3.141592653589793}",
        "%s = call F @sinL(F %x)",
        "%m = fneg F %s",
        "%r = select i1 %o, F %m, F %s",
    ),
    "sign": (
        "%z = fcmp oeq F %0, {0}",
        "%u = fcmp uno F %0, %0",
        "%c = call F @llvm.copysign.S(F {1}, F %0)",
        "%k = select i1 %z, F %0, F %c",
        "%r = select i1 %u, F {0}, F %k",
    ),
    "maxmag": (
        "%a = call F @llvm.fabs.S(F %0)",
        "%b = call F @llvm.fabs.S(F %1)",
        "%g = fcmp ogt F %a, %b",
        "%l = fcmp ogt F %b, %a",
        "%m = call F @llvm.maxnum.S(F %0, F %1)",
        "%k = select i1 %l, F %1, F %m",
        "%r = select i1 %g, F %0, F %k",
    ),
    "minmag": (
        "%a = call F @llvm.fabs.S(F %0)",
        "%b = call F @llvm.fabs.S(F %1)",
        "%g = fcmp ogt F %a, %b",
        "%l = fcmp ogt F %b, %a",
        "%m = call F @llvm.minnum.S(F %0, F %1)",
        "%k = select i1 %g, F %1, F %m",
        "%r = select i1 %l, F %0, F %k",
    ),
    "mix": ("%d = fsub F %1, %0", "%r = call F @llvm.fma.S(F %d, F %2, F %0)"),
    "step": ("%c = fcmp olt F %1, %0", "%r = select i1 %c, F {0}, F {1}"),
    "clamp": (
        "%m = call F @llvm.maxnum.S(F %0, F %1)",
        "%r = call F @llvm.minnum.S(F %m, F %2)",
    ),
    "max": ("%r = call F @llvm.maxnum.S(F %0, F %1)",),
    "min": ("%r = call F @llvm.minnum.S(F %0, F %1)",),
    "smoothstep": (
        "%a = fsub F %2, %0",
        "%b = fsub F %1, %0",
        "%c = fdiv F %a, %b",
        "%d = call F @llvm.maxnum.S(F %c, F {0})",
        "%t = call F @llvm.minnum.S(F %d, F {1})",
        "%u = fmul F %t, {-2}",
        "%v = fadd F %u, {3}",
        "%w = fmul F %t, %t",
        "%r = fmul F %w, %v",
    ),
}
_VIA_DOUBLE = {"sinpi", "cospi", "tanpi", "pown", "rootn", "acospi", "asinpi", "atanpi", "atan2pi"}
_PREFIXES = ("native_", "half_")


def base_name(mangled: str) -> str | None:
    """Return the OpenCL name of a mangled builtin, e.g. ``exp`` of ``_Z10native_expf``."""
    match = _MANGLED.match(mangled)
    if match is None:
        return None
    start = match.end()
    name = mangled[start : start + int(match.group(1))]
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def constant(value: float, type_text: str) -> str:
    """Return a floating-point constant as LLVM writes it."""
    if type_text == "half":
        return f"0xH{struct.unpack('<H', struct.pack('<e', value))[0]:04X}"
    if type_text == "float":
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def _expand(body: tuple[str, ...], kind: str) -> str:
    suffix = "" if kind == "double" else "f"
    lines = []
    for line in body:
        text = re.sub(r"\{([^}]*)\}", lambda m: constant(float(m.group(1)), kind), line)
        text = re.sub(r"(?<=\.)S\b", _SUFFIX[kind], re.sub(r"\bF\b", kind, text))
        text = re.sub(r"@(\w+)L\(", rf"@{''}\1{suffix}(", text)
        lines.append("  " + re.sub(r"%(\d)", r"%x\1", text))
    return "\n".join(lines)


def _special(name: str, kind: str) -> str | None:
    """Return the body of functions with integer arguments, for double."""
    if name == "tanpi":
        return (
            f"  %s = call {kind} @{PREFIX}sinpi.{kind}({kind} %x0)\n"
            f"  %c = call {kind} @{PREFIX}cospi.{kind}({kind} %x0)\n"
            f"  %r = fdiv {kind} %s, %c"
        )
    if name == "pown":
        return "  %n = sitofp i32 %x1 to double\n  %r = call double @pow(double %x0, double %n)"
    if name == "rootn":
        # An odd root of a negative number is real; one Newton step removes the error of 1/n.
        return (
            "  %n = sitofp i32 %x1 to double\n"
            "  %i = fdiv double 1.0, %n\n"
            "  %a = call double @llvm.fabs.f64(double %x0)\n"
            "  %p = call double @pow(double %a, double %i)\n"
            "  %b = and i32 %x1, 1\n"
            "  %o = icmp ne i32 %b, 0\n"
            "  %z = fcmp ole double 0.0, %x0\n"
            "  %k = or i1 %o, %z\n"
            "  %s = call double @llvm.copysign.f64(double %p, double %x0)\n"
            "  %e = select i1 %o, double %s, double %p\n"
            f"  %r = select i1 %k, double %e, double {constant(math.nan, 'double')}"
        )
    return None


def definition(name: str, result: str, arguments: tuple[str, ...]) -> str | None:
    """Return IR that defines one scalar maths function.

    Parameters
    ----------
    name : str
        OpenCL name without ``native_`` or ``half_``.
    result : str
        LLVM type of the result.
    arguments : tuple of str
        LLVM types of the arguments.

    Returns
    -------
    str or None
        Definition of ``@gpusim.rt.NAME.TYPE``; None for an unknown function.
    """
    name = _SAME_AS.get(name, name)
    kind = next((t for t in (*arguments, result) if t in _SUFFIX), "")
    if not kind:
        return None
    body = _body(name, kind, result, arguments)
    if body is None:
        return None
    formals = ", ".join(f"{t} %x{i}" for i, t in enumerate(arguments))
    return (
        f"define internal {result} @{PREFIX}{name}.{kind}({formals}) {{\n"
        f"{body}\n  ret {result} %r\n}}"
    )


def symbol(name: str, result: str, arguments: tuple[str, ...]) -> str:
    """Return the name that `definition` gives a function."""
    kind = next((t for t in (*arguments, result) if t in _SUFFIX), "")
    return f"{PREFIX}{_SAME_AS.get(name, name)}.{kind}"


def _body(name: str, kind: str, result: str, arguments: tuple[str, ...]) -> str | None:
    names = [f"{t} %x{i}" for i, t in enumerate(arguments)]
    if name == "nextafter" and kind == "half":
        return _HALF_NEXTAFTER
    if name in _INTRINSICS:
        if name in ("fma", "mad") and kind == "half":
            return f"  %r = call half @{half_fma(0)[0]}({', '.join(names)})"
        callee = f"llvm.{_INTRINSICS[name]}.{_SUFFIX[kind]}"
        return f"  %r = call {result} @{callee}({', '.join(names)})"
    is_wide = kind == "float" and name in _VIA_DOUBLE
    known = name in _LIBM or name in _BODIES or name in _VIA_DOUBLE
    if known and (kind == "half" or is_wide):
        wide = "float" if kind == "half" and name not in _VIA_DOUBLE else "double"
        return _widened(name, kind, wide, result, arguments)
    if name in _LIBM:
        suffix = "" if kind == "double" else "f"
        return f"  %r = call {result} @{name}{suffix}({', '.join(names)})"
    if name in _BODIES:
        return _expand(_BODIES[name], kind)
    return _special(name, kind)


def _widened(
    name: str, kind: str, wide: str, result: str, arguments: tuple[str, ...]
) -> str | None:
    """Evaluate in a wider type: half through float, some float functions through double."""
    if any(t == "ptr" for t in arguments) and name != "frexp":
        return None
    lines, passed = [], []
    for i, t in enumerate(arguments):
        if t == kind:
            lines.append(f"  %w{i} = fpext {kind} %x{i} to {wide}")
            passed.append(f"{wide} %w{i}")
        else:
            passed.append(f"{t} %x{i}")
    target = wide if result == kind else result
    callee = f"{PREFIX}{name}.{wide}"
    last = "%q" if result == kind else "%r"
    lines.append(f"  {last} = call {target} @{callee}({', '.join(passed)})")
    if result == kind:
        lines.append(f"  %r = fptrunc {wide} %q to {kind}")
    return "\n".join(lines)


def dependencies(definition_text: str) -> list[tuple[str, str]]:
    """Return (name, type) of the run-time functions that a definition calls."""
    found = re.findall(rf"call \w+ @{re.escape(PREFIX)}(\w+)\.(float|double)\(", definition_text)
    return list(dict.fromkeys(found))


_HALF_NEXTAFTER = """\
  %a = bitcast half %x0 to i16
  %abs = and i16 %a, 32767
  %is.zero = icmp eq i16 %abs, 0
  %less = fcmp olt half %x0, %x1
  %positive = icmp sgt i16 %a, -1
  %away = xor i1 %less, %positive
  %up = add i16 %a, 1
  %down = sub i16 %a, 1
  %moved = select i1 %away, i16 %down, i16 %up
  %tiny = select i1 %less, i16 1, i16 -32767
  %next = select i1 %is.zero, i16 %tiny, i16 %moved
  %same = fcmp oeq half %x0, %x1
  %nan = fcmp uno half %x0, %x1
  %next.h = bitcast i16 %next to half
  %k = select i1 %same, half %x1, half %next.h
  %r = select i1 %nan, half 0xH7E00, half %k"""
"""The next half: one step of the bit pattern; through float it would not move."""

_HALF_FMA = """\
define internal H @NAME(H %a, H %b, H %c) alwaysinline nounwind {
  ; The product is exact in float; the sum is rounded to odd, so the second rounding is harmless.
  %x = fpext H %a to F
  %y = fpext H %b to F
  %z = fpext H %c to F
  %p = fmul F %x, %y
  %s = fadd F %p, %z
  %pv = fsub F %s, %z
  %zv = fsub F %s, %pv
  %pe = fsub F %p, %pv
  %ze = fsub F %z, %zv
  %e = fadd F %pe, %ze
  %exact = fcmp ueq F %e, zeroinitializer
  %bits = bitcast F %s to I
  %odd = trunc I %bits to M
  %keep = or M %exact, %odd
  %ebits = bitcast F %e to I
  %mixed = xor I %bits, %ebits
  %sign = ashr I %mixed, THIRTYONE
  ; Towards the error: up in magnitude (+1) where signs agree, down (-1) where they do not.
  %step = or I %sign, ONE
  %moved = add I %bits, %step
  %fixed = select M %keep, I %bits, I %moved
  %f = bitcast I %fixed to F
  %r = fptrunc F %f to H
  ret H %r
}"""


def half_fma(lanes: int) -> tuple[str, str]:
    """Return (name, definition) of the fp16 fma with one rounding; `lanes` 0 = scalar.

    LLVM's own expansion through float rounds twice.
    """
    name = f"{PREFIX}half.fma.{lanes}"

    def of(kind: str) -> str:
        return f"<{lanes} x {kind}>" if lanes else kind

    def all_lanes(value: str) -> str:
        return f"<{', '.join([f'i32 {value}'] * lanes)}>" if lanes else value

    text = _HALF_FMA
    for short, kind in (("H", "half"), ("F", "float"), ("I", "i32"), ("M", "i1")):
        text = re.sub(rf"\b{short}\b", of(kind), text)
    for word, value in (("THIRTYONE", "31"), ("ONE", "1"), ("NAME", name)):
        text = re.sub(rf"\b{word}\b", name if word == "NAME" else all_lanes(value), text)
    return name, text


@cache
def libm_symbols() -> dict[str, int]:
    """Return the addresses of the C library's functions that native code may call."""
    library = ctypes.CDLL(ctypes.util.find_library("m") or None)
    process = ctypes.CDLL(None)
    found = {}
    for name in sorted(_LIBM | {"fma", "fmax", "fmin", "rint", "round", "trunc", "ceil", "floor"}):
        for spelled in (name, name + "f"):
            function = getattr(library, spelled, None)
            if function is not None:
                found[spelled] = ctypes.cast(function, ctypes.c_void_p).value or 0
    for name in ("memcpy", "memmove", "memset", "_setjmp", "longjmp"):
        function = getattr(process, name, None)
        if function is not None:
            found[name] = ctypes.cast(function, ctypes.c_void_p).value or 0
    return found
