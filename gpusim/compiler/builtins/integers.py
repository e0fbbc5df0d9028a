"""Integer and relational functions (OpenCL C 6.12.3, 6.12.6)."""

from __future__ import annotations

from collections.abc import Callable

from gpusim.compiler.builtins.body import Body, Value
from gpusim.compiler.mangling import ClType

Emitter = Callable[[Body], None]


def _prefix(kind: ClType) -> str:
    return "s" if kind.is_signed else "u"


def _abs(body: Body) -> None:
    kind = body.types[0]
    if not kind.is_signed:
        body.ret(body.arguments[0])
        return
    arguments = [(kind.ir, body.arguments[0]), ("i1", "false")]
    body.ret(body.call(f"llvm.abs.{kind.suffix}", kind.ir, arguments))


def _abs_diff(body: Body) -> None:
    kind = body.types[0]
    high = body.intrinsic(_prefix(kind) + "max", kind, *body.arguments)
    low = body.intrinsic(_prefix(kind) + "min", kind, *body.arguments)
    body.ret(body.op("sub", kind, high, low))


def _saturating(name: str) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        body.ret(body.intrinsic(f"{_prefix(kind)}{name}.sat", kind, *body.arguments))

    return emit


def _half_add(is_rounded: bool) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        x, y = body.arguments
        common = body.op("or" if is_rounded else "and", kind, x, y)
        differing = body.op("xor", kind, x, y)
        shift = "ashr" if kind.is_signed else "lshr"
        half = body.op(shift, kind, differing, body.constant(1, kind))
        body.ret(body.op("sub" if is_rounded else "add", kind, common, half))

    return emit


def _count_bits(name: str, has_flag: bool) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        arguments = [(kind.ir, body.arguments[0])]
        if has_flag:
            arguments.append(("i1", "false"))
        body.ret(body.call(f"llvm.{name}.{kind.suffix}", kind.ir, arguments))

    return emit


def _product(body: Body, kind: ClType, x: Value, y: Value) -> tuple[Value, ClType]:
    wide = ClType(kind.kind, 2 * kind.bits, kind.lanes)
    extend = "sext" if kind.is_signed else "zext"
    return (
        body.op("mul", wide, body.cast(extend, x, kind, wide), body.cast(extend, y, kind, wide)),
        wide,
    )


def _mul_hi(body: Body) -> None:
    kind = body.types[0]
    body.ret(_high_product(body, kind))


def _high_product(body: Body, kind: ClType) -> Value:
    product, wide = _product(body, kind, *body.arguments[:2])
    shifted = body.op("lshr", wide, product, body.constant(kind.bits, wide))
    return body.cast("trunc", shifted, wide, kind)


def _mad_hi(body: Body) -> None:
    kind = body.types[0]
    body.ret(body.op("add", kind, _high_product(body, kind), body.arguments[2]))


def _mad_sat(body: Body) -> None:
    kind = body.types[0]
    product, wide = _product(body, kind, *body.arguments[:2])
    extend = "sext" if kind.is_signed else "zext"
    total = body.op("add", wide, product, body.cast(extend, body.arguments[2], kind, wide))
    if kind.is_signed:
        low, high = -(1 << (kind.bits - 1)), (1 << (kind.bits - 1)) - 1
        total = body.intrinsic("smax", wide, total, body.constant(low, wide))
        total = body.intrinsic("smin", wide, total, body.constant(high, wide))
    else:
        total = body.intrinsic("umin", wide, total, body.constant((1 << kind.bits) - 1, wide))
    body.ret(body.cast("trunc", total, wide, kind))


def _mul24(body: Body) -> None:
    # Operands beyond 24 bits give an implementation-defined result: the low 32 bits of the product.
    body.ret(body.op("mul", body.types[0], *body.arguments))


def _mad24(body: Body) -> None:
    kind = body.types[0]
    product = body.op("mul", kind, *body.arguments[:2])
    body.ret(body.op("add", kind, product, body.arguments[2]))


def _rotate(body: Body) -> None:
    kind = body.types[0]
    value, amount = body.arguments
    body.ret(body.intrinsic("fshl", kind, value, value, amount))


def _upsample(body: Body) -> None:
    kind = body.types[0]
    wide = ClType(kind.kind, 2 * kind.bits, kind.lanes)
    high = body.cast("zext", body.arguments[0], kind, wide)
    high = body.op("shl", wide, high, body.constant(kind.bits, wide))
    low = body.cast("zext", body.arguments[1], body.types[1], wide)
    body.ret(body.op("or", wide, high, low))


def _flag(body: Body, condition: Value, kind: ClType) -> None:
    """Return a comparison: 1 for true in a scalar, all bits set in a vector."""
    flag = "i1" if kind.lanes == 1 else f"<{kind.lanes} x i1>"
    body.ret(body.cast("zext" if kind.lanes == 1 else "sext", condition, flag, body.result))


def _compare(predicate: str) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        _flag(body, body.op(f"fcmp {predicate}", kind, *body.arguments), kind)

    return emit


def _classify(predicate: str) -> Emitter:
    """Compare the magnitude with infinity."""

    def emit(body: Body) -> None:
        kind = body.types[0]
        size = body.intrinsic("fabs", kind, body.arguments[0])
        infinity = body.constant(float("inf"), kind)
        _flag(body, body.op(f"fcmp {predicate}", kind, size, infinity), kind)

    return emit


def _isnan(body: Body) -> None:
    kind = body.types[0]
    x = body.arguments[0]
    _flag(body, body.op("fcmp uno", kind, x, x), kind)


_MIN_EXPONENT = {16: -14, 32: -126, 64: -1022}


def _isnormal(body: Body) -> None:
    kind = body.types[0]
    size = body.intrinsic("fabs", kind, body.arguments[0])
    smallest = body.constant(2.0 ** _MIN_EXPONENT[kind.bits], kind)
    is_large = body.op("fcmp oge", kind, size, smallest)
    is_finite = body.op("fcmp olt", kind, size, body.constant(float("inf"), kind))
    flag = "i1" if kind.lanes == 1 else f"<{kind.lanes} x i1>"
    _flag(body, body.emit(f"and {flag} {is_large}, {is_finite}"), kind)


def _signbit(body: Body) -> None:
    kind = body.types[0]
    bits = body.cast("bitcast", body.arguments[0], kind, kind.integer)
    is_set = body.op("icmp slt", kind.integer, bits, body.constant(0, kind.integer))
    _flag(body, is_set, kind)


def _any_all(is_all: bool) -> Emitter:
    def emit(body: Body) -> None:
        kind = body.types[0]
        is_set = body.op("icmp slt", kind, body.arguments[0], body.constant(0, kind))
        if kind.lanes > 1:
            packed = f"i{kind.lanes}"
            mask = body.cast("bitcast", is_set, f"<{kind.lanes} x i1>", packed)
            test = f"icmp eq {packed} {mask}, -1" if is_all else f"icmp ne {packed} {mask}, 0"
            is_set = body.emit(test)
        body.ret(body.cast("zext", is_set, "i1", "i32"))

    return emit


def _bitselect(body: Body) -> None:
    kind = body.types[0]
    bits = kind.integer
    a, b, mask = (body.cast("bitcast", value, kind, bits) for value in body.arguments)
    if not kind.is_float:
        a, b, mask = body.arguments
    differing = body.op("and", bits, body.op("xor", bits, a, b), mask)
    mixed = body.op("xor", bits, differing, a)
    body.ret(body.cast("bitcast", mixed, bits, kind) if kind.is_float else mixed)


def _select(body: Body) -> None:
    kind, test = body.types[0], body.types[2]
    if kind.lanes == 1:
        chosen = body.op("icmp ne", test, body.arguments[2], body.constant(0, test))
    else:
        chosen = body.op("icmp slt", test, body.arguments[2], body.constant(0, test))
    body.ret(body.select(chosen, kind, body.arguments[1], body.arguments[0]))


EMITTERS: dict[str, Emitter] = {
    "abs": _abs,
    "abs_diff": _abs_diff,
    "add_sat": _saturating("add"),
    "sub_sat": _saturating("sub"),
    "hadd": _half_add(False),
    "rhadd": _half_add(True),
    "clz": _count_bits("ctlz", True),
    "ctz": _count_bits("cttz", True),
    "popcount": _count_bits("ctpop", False),
    "mul_hi": _mul_hi,
    "mad_hi": _mad_hi,
    "mad_sat": _mad_sat,
    "mul24": _mul24,
    "mad24": _mad24,
    "rotate": _rotate,
    "upsample": _upsample,
    "isequal": _compare("oeq"),
    "isnotequal": _compare("une"),
    "isgreater": _compare("ogt"),
    "isgreaterequal": _compare("oge"),
    "isless": _compare("olt"),
    "islessequal": _compare("ole"),
    "islessgreater": _compare("one"),
    "isordered": _compare("ord"),
    "isunordered": _compare("uno"),
    "isfinite": _classify("olt"),
    "isinf": _classify("oeq"),
    "isnan": _isnan,
    "isnormal": _isnormal,
    "signbit": _signbit,
    "any": _any_all(False),
    "all": _any_all(True),
    "bitselect": _bitselect,
    "select": _select,
}
