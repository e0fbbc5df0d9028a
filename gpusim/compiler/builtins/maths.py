"""Mathematical, common and geometric functions (OpenCL C 6.12.2, 6.12.4, 6.12.5)."""

from __future__ import annotations

import math
from collections.abc import Callable

from gpusim.compiler.builtins.body import Body, Value
from gpusim.compiler.mangling import ClType

Emitter = Callable[[Body], None]

_EXTERNAL_NAMES = """
acos acosh acospi asin asinh asinpi atan atan2 atan2pi atanh atanpi cbrt cos cosh cospi erf erfc
exp exp10 exp2 expm1 fmod hypot ilogb ldexp lgamma log log10 log1p log2 logb nextafter pow pown
powr remainder rootn rsqrt sin sinh sinpi tan tanh tanpi tgamma native_cos native_exp
native_exp10 native_exp2 native_log native_log10 native_log2 native_powr native_rsqrt native_sin
native_tan half_cos half_exp half_exp10 half_exp2 half_log half_log10 half_log2 half_powr
half_rsqrt half_sin half_tan
"""
EXTERNAL = frozenset(_EXTERNAL_NAMES.split())
"""Scalar functions that stay calls; a vector form becomes one call per lane."""

_APPROXIMATE = "afn arcp"

_INTRINSICS = {
    "ceil": ("ceil", ""),
    "floor": ("floor", ""),
    "trunc": ("trunc", ""),
    "rint": ("rint", ""),
    "round": ("round", ""),
    "fabs": ("fabs", ""),
    "fma": ("fma", ""),
    "mad": ("fmuladd", ""),
    "sqrt": ("sqrt", ""),
    "native_sqrt": ("sqrt", "afn"),
    "half_sqrt": ("sqrt", "afn"),
    "copysign": ("copysign", ""),
    "fmin": ("minnum", ""),
    "fmax": ("maxnum", ""),
}


def _intrinsic(name: str, flags: str) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        values = [body.widen(index, kind) for index in range(len(body.types))]
        body.ret(body.intrinsic(name, kind, *values, flags=flags))

    return emit


def lanewise(body: Body) -> None:
    """Call the scalar function once per lane; a scalar argument goes to every lane."""
    kind = body.types[0]
    name = body.signature.name
    scalar = "i32" if name == "ilogb" else kind.element.ir
    lanes = []
    for index in range(kind.lanes):
        operands = tuple(
            (item.element, body.lane(value, item, index))
            for item, value in zip(body.types, body.arguments, strict=True)
        )
        lanes.append(
            body.external(name, ClType("int", 32) if scalar == "i32" else kind.element, *operands)
        )
    result = ClType("int", 32, kind.lanes) if name == "ilogb" else kind
    body.ret(body.join(lanes, result))


def _divide(body: Body) -> None:
    kind = body.types[0]
    body.ret(body.op(f"fdiv {_APPROXIMATE}", kind, *body.arguments))


def _reciprocal(body: Body) -> None:
    kind = body.types[0]
    one = body.constant(1, kind)
    body.ret(body.op(f"fdiv {_APPROXIMATE}", kind, one, body.arguments[0]))


def _fdim(body: Body) -> None:
    kind = body.types[0]
    x, y = body.arguments
    difference = body.op("fsub", kind, x, y)
    # Unordered compares false, so a NaN comes out of the subtraction.
    is_less = body.op("fcmp ole", kind, x, y)
    body.ret(body.select(is_less, kind, body.constant(0, kind), difference))


def _magnitude(is_max: bool) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        x, y = body.arguments
        big_x, big_y = body.intrinsic("fabs", kind, x), body.intrinsic("fabs", kind, y)
        both = body.intrinsic("maxnum" if is_max else "minnum", kind, x, y)
        relation = "ogt" if is_max else "olt"
        first = body.op(f"fcmp {relation}", kind, big_x, big_y)
        second = body.op(f"fcmp {relation}", kind, big_y, big_x)
        body.ret(body.select(first, kind, x, body.select(second, kind, y, both)))

    return emit


def _nan(body: Body) -> None:
    kind = body.types[0]
    target = ClType("float", kind.bits, kind.lanes)
    quiet = {16: 0x7E00, 32: 0x7FC00000, 64: 0x7FF8000000000000}[kind.bits]
    bits = body.op("or", kind, body.arguments[0], body.constant(quiet, kind))
    body.ret(body.cast("bitcast", bits, kind, target))


def _store(body: Body, value: Value, kind: ClType, pointer: int) -> None:
    body.do(f"store {kind.ir} {value}, {body.types[pointer].ir} {body.arguments[pointer]}")


def _per_lane(body: Body, name: str, *extra: tuple[ClType, Value]) -> Value:
    kind = body.types[0]
    lanes = []
    for index in range(kind.lanes):
        more = [(item.element, body.lane(value, item, index)) for item, value in extra]
        first = (kind.element, body.lane(body.arguments[0], kind, index))
        lanes.append(body.external(name, kind.element, first, *more))
    return body.join(lanes, kind)


def _sincos(body: Body) -> None:
    kind = body.types[0]
    _store(body, _per_lane(body, "cos"), kind, 1)
    body.ret(_per_lane(body, "sin"))


def _fract(body: Body) -> None:
    kind = body.types[0]
    x = body.arguments[0]
    whole = body.intrinsic("floor", kind, x)
    _store(body, whole, kind, 1)
    # The spec keeps the result below 1 by this very constant: the largest value under 1.
    digits = {16: 11, 32: 24, 64: 53}[kind.bits]
    bound = body.constant(1.0 - 2.0**-digits, kind)
    rest = body.op("fsub", kind, x, whole)
    body.ret(body.intrinsic("minnum", kind, rest, bound))


def _modf(body: Body) -> None:
    kind = body.types[0]
    x = body.arguments[0]
    whole = body.intrinsic("trunc", kind, x)
    _store(body, whole, kind, 1)
    rest = body.op("fsub", kind, x, whole)
    is_infinite = body.op("fcmp oeq", kind, x, whole)
    rest = body.select(is_infinite, kind, body.constant(0, kind), rest)
    body.ret(body.intrinsic("copysign", kind, rest, x))


def _frexp(body: Body) -> None:
    kind = body.types[0]
    i32 = ClType("int", 32, kind.lanes)
    x = body.arguments[0]
    lanes = [
        body.external("ilogb", i32.element, (kind.element, body.lane(x, kind, index)))
        for index in range(kind.lanes)
    ]
    exponent = body.op("add", i32, body.join(lanes, i32), body.constant(1, i32))
    # Zero, infinity and NaN are their own mantissa, with exponent 0.
    doubled = body.op("fadd", kind, x, x)
    is_plain = body.op("fcmp one", kind, doubled, x)
    flag = "i1" if kind.lanes == 1 else f"<{kind.lanes} x i1>"
    infinite = body.op(
        "fcmp ueq", kind, body.intrinsic("fabs", kind, x), body.constant(math.inf, kind)
    )
    is_plain = body.emit(f"select {flag} {infinite}, {flag} zeroinitializer, {flag} {is_plain}")
    exponent = body.select(is_plain, i32, exponent, body.constant(0, i32))
    _store(body, exponent, i32, 1)
    negative = body.op("sub", i32, body.constant(0, i32), exponent)
    body.ret(_per_lane(body, "ldexp", (i32, negative)))


def _remquo(body: Body) -> None:
    kind = body.types[0]
    i32 = ClType("int", 32, kind.lanes)
    x, y = body.arguments[:2]
    rest = _per_lane(body, "remainder", (kind, y))
    quotient = body.op("fdiv", kind, body.op("fsub", kind, x, rest), y)
    rounded = body.intrinsic("rint", kind, quotient)
    # Seven low bits of the magnitude with the quotient's sign are what the spec promises.
    size = body.intrinsic("fabs", kind, rounded)
    modulus = body.constant(128, kind)
    turns = body.intrinsic("floor", kind, body.op("fdiv", kind, size, modulus))
    low = body.op("fsub", kind, size, body.op("fmul", kind, turns, modulus))
    whole = body.call(
        f"llvm.fptosi.sat.{i32.suffix}.{kind.suffix}",
        i32.ir,
        [(kind.ir, body.intrinsic("copysign", kind, low, rounded))],
    )
    _store(body, whole, i32, 2)
    body.ret(rest)


def _lgamma_r(body: Body) -> None:
    kind = body.types[0]
    i32 = ClType("int", 32, kind.lanes)
    x = body.arguments[0]
    half = body.op("fmul", kind, body.intrinsic("floor", kind, x), body.constant(0.5, kind))
    is_odd = body.op("fcmp one", kind, half, body.intrinsic("floor", kind, half))
    is_negative = body.op("fcmp olt", kind, x, body.constant(0, kind))
    minus = body.select(is_odd, i32, body.constant(-1, i32), body.constant(1, i32))
    sign = body.select(is_negative, i32, minus, body.constant(1, i32))
    _store(body, sign, i32, 1)
    body.ret(_per_lane(body, "lgamma"))


def _min_max(is_max: bool) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        x, y = body.arguments[0], body.widen(1, kind)
        if kind.is_float:
            name = "maxnum" if is_max else "minnum"
        else:
            name = ("s" if kind.is_signed else "u") + ("max" if is_max else "min")
        body.ret(body.intrinsic(name, kind, x, y))

    return emit


def _clamp(body: Body) -> None:
    kind = body.types[0]
    low, high = body.widen(1, kind), body.widen(2, kind)
    prefix = "" if kind.is_float else ("s" if kind.is_signed else "u")
    suffix = "num" if kind.is_float else ""
    raised = body.intrinsic(f"{prefix}max{suffix}", kind, body.arguments[0], low)
    body.ret(body.intrinsic(f"{prefix}min{suffix}", kind, raised, high))


def _mix(body: Body) -> None:
    kind = body.types[0]
    x, y = body.arguments[:2]
    step = body.op("fsub", kind, y, x)
    body.ret(body.intrinsic("fmuladd", kind, step, body.widen(2, kind), x))


def _step(body: Body) -> None:
    kind = body.types[1]
    is_below = body.op("fcmp olt", kind, body.arguments[1], body.widen(0, kind))
    body.ret(body.select(is_below, kind, body.constant(0, kind), body.constant(1, kind)))


def _smoothstep(body: Body) -> None:
    kind = body.types[2]
    low, high = body.widen(0, kind), body.widen(1, kind)
    above = body.op("fsub", kind, body.arguments[2], low)
    ratio = body.op("fdiv", kind, above, body.op("fsub", kind, high, low))
    ratio = body.intrinsic("maxnum", kind, ratio, body.constant(0, kind))
    ratio = body.intrinsic("minnum", kind, ratio, body.constant(1, kind))
    slope = body.intrinsic("fmuladd", kind, ratio, body.constant(-2, kind), body.constant(3, kind))
    body.ret(body.op("fmul", kind, body.op("fmul", kind, ratio, ratio), slope))


def _sign(body: Body) -> None:
    kind = body.types[0]
    x = body.arguments[0]
    zero = body.constant(0, kind)
    one = body.intrinsic("copysign", kind, body.constant(1, kind), x)
    is_number = body.op("fcmp one", kind, x, zero)
    is_nan = body.op("fcmp uno", kind, x, zero)
    plain = body.select(is_number, kind, one, body.intrinsic("copysign", kind, zero, x))
    body.ret(body.select(is_nan, kind, zero, plain))


def _scale(factor: float) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        body.ret(body.op("fmul", kind, body.arguments[0], body.constant(factor, kind)))

    return emit


def _dot_of(body: Body, x: Value, y: Value, kind: ClType) -> Value:
    element = kind.element
    total = ""
    for index in range(kind.lanes):
        pair = body.lane(x, kind, index), body.lane(y, kind, index)
        if not total:
            total = body.op("fmul", element, *pair)
        else:
            total = body.intrinsic("fmuladd", element, *pair, total)
    return total


def _dot(body: Body) -> None:
    x, y = body.arguments
    body.ret(_dot_of(body, x, y, body.types[0]))


def _length(is_distance: bool, flags: str) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        vector = body.op("fsub", kind, *body.arguments) if is_distance else body.arguments[0]
        if kind.lanes == 1:
            body.ret(body.intrinsic("fabs", kind, vector))
            return
        squared = _dot_of(body, vector, vector, kind)
        body.ret(body.intrinsic("sqrt", kind.element, squared, flags=flags))

    return emit


def _normalize(root: str) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        vector = body.arguments[0]
        squared = _dot_of(body, vector, vector, kind)
        scale = body.external(root, kind.element, (kind.element, squared))
        scaled = body.op("fmul", kind, vector, body.splat(scale, kind))
        # The zero vector is its own direction.
        is_zero = body.op("fcmp oeq", kind.element, squared, body.constant(0, kind.element))
        body.ret(body.emit(f"select i1 {is_zero}, {kind.ir} {vector}, {kind.ir} {scaled}"))

    return emit


def _cross(body: Body) -> None:
    kind = body.types[0]
    element = kind.element
    x = [body.lane(body.arguments[0], kind, index) for index in range(3)]
    y = [body.lane(body.arguments[1], kind, index) for index in range(3)]
    lanes = []
    for index in range(3):
        i, j = (index + 1) % 3, (index + 2) % 3
        back = body.op("fmul", element, x[j], y[i])
        negative = body.emit(f"fneg {element.ir} {back}")
        lanes.append(body.intrinsic("fmuladd", element, x[i], y[j], negative))
    if kind.lanes == 4:
        lanes.append(body.constant(0, element))
    body.ret(body.join(lanes, kind))


EMITTERS: dict[str, Emitter] = {
    **{name: _intrinsic(*how) for name, how in _INTRINSICS.items()},
    "native_divide": _divide,
    "half_divide": _divide,
    "native_recip": _reciprocal,
    "half_recip": _reciprocal,
    "fdim": _fdim,
    "maxmag": _magnitude(True),
    "minmag": _magnitude(False),
    "nan": _nan,
    "sincos": _sincos,
    "fract": _fract,
    "modf": _modf,
    "frexp": _frexp,
    "remquo": _remquo,
    "lgamma_r": _lgamma_r,
    "min": _min_max(False),
    "max": _min_max(True),
    "clamp": _clamp,
    "mix": _mix,
    "step": _step,
    "smoothstep": _smoothstep,
    "sign": _sign,
    "degrees": _scale(180 / math.pi),
    "radians": _scale(math.pi / 180),
    "dot": _dot,
    "length": _length(False, ""),
    "fast_length": _length(False, "afn"),
    "distance": _length(True, ""),
    "fast_distance": _length(True, "afn"),
    "normalize": _normalize("rsqrt"),
    "fast_normalize": _normalize("half_rsqrt"),
    "cross": _cross,
}
