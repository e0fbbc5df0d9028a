"""Explicit conversions with rounding and saturation (OpenCL C 6.2.3)."""

from __future__ import annotations

import re

from gpusim.compiler.builtins.body import Body, Value
from gpusim.compiler.mangling import SCALAR_TYPES, ClType

CONVERT = re.compile(r"convert_([a-z]+)(\d*)(_sat)?(?:_(rte|rtz|rtp|rtn))?")

_TO_WHOLE = {"rte": "rint", "rtp": "ceil", "rtn": "floor"}
"""Intrinsic that rounds to a whole number; towards zero is what fptosi does by itself."""


def _limits(kind: ClType) -> tuple[int, int]:
    if kind.is_signed:
        return -(1 << (kind.bits - 1)), (1 << (kind.bits - 1)) - 1
    return 0, (1 << kind.bits) - 1


def _prefix(kind: ClType) -> str:
    return "s" if kind.is_signed else "u"


def convert(body: Body, target_name: str, is_saturated: bool, rounding: str) -> None:
    """Emit ``convert_<type><n>[_sat][_rounding]``."""
    source = body.types[0]
    target = SCALAR_TYPES[target_name].with_lanes(source.lanes)
    value = body.arguments[0]
    if source.is_float and target.is_float:
        result = _float_to_float(body, value, source, target, rounding)
    elif source.is_float:
        result = _float_to_int(body, value, source, target, is_saturated, rounding)
    elif target.is_float:
        result = _int_to_float(body, value, source, target, rounding)
    else:
        result = _int_to_int(body, value, source, target, is_saturated)
    body.ret(result)


def _int_to_int(body: Body, value: Value, source: ClType, target: ClType, is_sat: bool) -> Value:
    if is_sat:
        low, high = _limits(target)
        source_low, source_high = _limits(source)
        prefix = _prefix(source)
        if low > source_low:
            value = body.intrinsic(prefix + "max", source, value, body.constant(low, source))
        if high < source_high:
            value = body.intrinsic(prefix + "min", source, value, body.constant(high, source))
    if target.bits == source.bits:
        return value
    if target.bits < source.bits:
        return body.cast("trunc", value, source, target)
    return body.cast("sext" if source.is_signed else "zext", value, source, target)


def _float_to_int(
    body: Body, value: Value, source: ClType, target: ClType, is_sat: bool, rounding: str
) -> Value:
    if rounding in _TO_WHOLE:
        value = body.intrinsic(_TO_WHOLE[rounding], source, value)
    opcode = f"fpto{_prefix(target)}i"
    if is_sat:
        name = f"llvm.{opcode}.sat.{target.suffix}.{source.suffix}"
        return body.call(name, target.ir, [(source.ir, value)])
    return body.cast(opcode, value, source, target)


def _step(body: Body, value: Value, kind: ClType, is_up: bool) -> Value:
    """Return the neighbour of a finite `value`, upwards or downwards."""
    bits = kind.integer
    raw = body.cast("bitcast", value, kind, bits)
    zero, one = body.constant(0, bits), body.constant(1, bits)
    is_negative = body.op("icmp slt", bits, raw, zero)
    # Away from zero is one more in the bit pattern, on either side of it.
    away, back = body.op("add", bits, raw, one), body.op("sub", bits, raw, one)
    moved = body.select(is_negative, bits, back if is_up else away, away if is_up else back)
    smallest = 1 if is_up else 1 - (1 << (kind.bits - 1))
    is_zero = body.op("fcmp oeq", kind, value, body.constant(0, kind))
    moved = body.select(is_zero, bits, body.constant(smallest, bits), moved)
    return body.cast("bitcast", moved, bits, kind)


def _directed(
    body: Body, nearest: Value, kind: ClType, is_above: Value, is_below: Value, rounding: str
) -> Value:
    """Correct a value that was rounded to nearest to another rounding direction.

    `is_above` and `is_below` say whether `nearest` exceeds the exact value or falls short of it.
    """
    flag = "i1" if kind.lanes == 1 else f"<{kind.lanes} x i1>"
    if rounding == "rtz":
        is_positive = body.op("fcmp ogt", kind, nearest, body.constant(0, kind))
        is_negative = body.op("fcmp olt", kind, nearest, body.constant(0, kind))
        go_down = body.emit(f"and {flag} {is_above}, {is_positive}")
        go_up = body.emit(f"and {flag} {is_below}, {is_negative}")
        down = body.select(go_down, kind, _step(body, nearest, kind, False), nearest)
        return body.select(go_up, kind, _step(body, nearest, kind, True), down)
    if rounding == "rtp":
        return body.select(is_below, kind, _step(body, nearest, kind, True), nearest)
    return body.select(is_above, kind, _step(body, nearest, kind, False), nearest)


def _float_to_float(
    body: Body, value: Value, source: ClType, target: ClType, rounding: str
) -> Value:
    if target.bits == source.bits:
        return value
    if target.bits > source.bits:
        return body.cast("fpext", value, source, target)
    nearest = body.cast("fptrunc", value, source, target)
    if rounding in ("", "rte"):
        return nearest
    exact = body.cast("fpext", nearest, target, source)
    is_above = body.op("fcmp ogt", source, exact, value)
    is_below = body.op("fcmp olt", source, exact, value)
    return _directed(body, nearest, target, is_above, is_below, rounding)


def round_to_half(body: Body, value: Value, source: ClType, rounding: str) -> Value:
    """Return floats or doubles as halves under a rounding mode ("" = to nearest even)."""
    target = ClType("float", 16, source.lanes)
    return _float_to_float(body, value, source, target, rounding)


def _int_to_float(body: Body, value: Value, source: ClType, target: ClType, rounding: str) -> Value:
    opcode = f"{_prefix(source)}itofp"
    nearest = body.cast(opcode, value, source, target)
    digits = {16: 11, 32: 24, 64: 53}[target.bits]
    if rounding in ("", "rte") or source.bits <= digits:
        return nearest
    # Compare in the integers. What does not fit there was rounded out of their range.
    back = body.call(
        f"llvm.fpto{_prefix(source)}i.sat.{source.suffix}.{target.suffix}",
        source.ir,
        [(target.ir, nearest)],
    )
    low, high = _limits(source)
    relation = _prefix(source)
    flag = "i1" if source.lanes == 1 else f"<{source.lanes} x i1>"
    beyond = body.op("fcmp oge", target, nearest, body.constant(float(high + 1), target))
    is_above = body.op(f"icmp {relation}gt", source, back, value)
    is_above = body.emit(f"or {flag} {is_above}, {beyond}")
    # A limit that overflows a half is minus infinity, and only that is below every integer.
    is_short = target.bits == 16 and low < -65504
    less = "fcmp ole" if is_short else "fcmp olt"
    beyond = body.op(less, target, nearest, body.constant(float(low), target))
    is_below = body.op(f"icmp {relation}lt", source, back, value)
    is_below = body.emit(f"or {flag} {is_below}, {beyond}")
    return _directed(body, nearest, target, is_above, is_below, rounding)
