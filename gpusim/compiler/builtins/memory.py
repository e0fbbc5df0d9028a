"""vload/vstore, atomics, shuffles and asynchronous copies (OpenCL C 6.12.7 to 6.12.12)."""

from __future__ import annotations

import re
from collections.abc import Callable

from gpusim.compiler.builtins.body import Body, Value
from gpusim.compiler.builtins.conversions import round_to_half
from gpusim.compiler.mangling import ClType

Emitter = Callable[[Body], None]

HALF = ClType("float", 16)
I64 = ClType("uint", 64)

VLOAD = re.compile(r"vload(\d+)")
VSTORE = re.compile(r"vstore(\d+)")
VLOAD_HALF = re.compile(r"vload(a?)_half(\d*)")
VSTORE_HALF = re.compile(r"vstore(a?)_half(\d*)(?:_(rte|rtz|rtp|rtn))?")


def _address(body: Body, element: ClType, stride: int, offset: int, pointer: int) -> Value:
    kind = body.types[pointer]
    item = f"[{stride} x {element.ir}]" if stride > 1 else element.ir
    return body.gep(item, body.arguments[pointer], kind, body.arguments[offset])


def vload(body: Body, lanes: int) -> None:
    """Load a vector that is aligned as its element only."""
    pointer = body.types[1]
    element = pointer.pointee or HALF
    kind = element.with_lanes(lanes)
    place = _address(body, element, lanes, 0, 1)
    align = element.bits // 8
    body.ret(body.emit(f"load {kind.ir}, {pointer.ir} {place}, align {align}"))


def vstore(body: Body, lanes: int) -> None:
    """Store a vector that is aligned as its element only."""
    kind, pointer = body.types[0], body.types[2]
    place = _address(body, kind.element, lanes, 1, 2)
    align = kind.bits // 8
    body.do(f"store {kind.ir} {body.arguments[0]}, {pointer.ir} {place}, align {align}")
    body.ret()


def _half_shape(is_aligned: bool, lanes: int) -> tuple[int, int]:
    """Return stride (in halves) and alignment (in bytes) of a vector of halves in memory."""
    stride = 4 if is_aligned and lanes == 3 else lanes
    return stride, 2 * stride if is_aligned else 2


def vload_half(body: Body, is_aligned: bool, lanes: int) -> None:
    """Load halves as floats."""
    pointer = body.types[1]
    stride, align = _half_shape(is_aligned, lanes)
    place = _address(body, HALF, stride, 0, 1)
    kind = HALF.with_lanes(lanes)
    value = body.emit(f"load {kind.ir}, {pointer.ir} {place}, align {align}")
    body.ret(body.cast("fpext", value, kind, body.result))


def vstore_half(body: Body, is_aligned: bool, lanes: int, rounding: str) -> None:
    """Store floats as halves."""
    source, pointer = body.types[0], body.types[2]
    stride, align = _half_shape(is_aligned, lanes)
    place = _address(body, HALF, stride, 1, 2)
    kind = HALF.with_lanes(lanes)
    value = round_to_half(body, body.arguments[0], source, rounding)
    body.do(f"store {kind.ir} {value}, {pointer.ir} {place}, align {align}")
    body.ret()


_ATOMICS = {
    "add": "add",
    "sub": "sub",
    "xchg": "xchg",
    "and": "and",
    "or": "or",
    "xor": "xor",
    "inc": "add",
    "dec": "sub",
    "min": "min",
    "max": "max",
}


def _atomic(name: str) -> Emitter:
    def emit(body: Body) -> None:
        pointer = body.types[0]
        element = pointer.pointee or ClType("int", 32)
        operation = _ATOMICS[name]
        if operation in ("min", "max") and not element.is_signed:
            operation = "u" + operation
        value = "1" if name in ("inc", "dec") else body.arguments[1]
        body.ret(
            body.emit(
                f"atomicrmw {operation} {pointer.ir} {body.arguments[0]}, "
                f"{element.ir} {value} monotonic, align 4"
            )
        )

    return emit


def _compare_exchange(body: Body) -> None:
    pointer = body.types[0]
    kind = (pointer.pointee or ClType("int", 32)).ir
    place, expected, wanted = body.arguments
    pair = body.emit(
        f"cmpxchg {pointer.ir} {place}, {kind} {expected}, {kind} {wanted} "
        "monotonic monotonic, align 4"
    )
    body.ret(body.emit(f"extractvalue {{ {kind}, i1 }} {pair}, 0"))


def _shuffle(body: Body) -> None:
    mask_type = body.types[-1]
    sources = list(zip(body.types[:-1], body.arguments[:-1], strict=True))
    kind, joined = sources[0]
    if len(sources) == 2:
        both = kind.with_lanes(2 * kind.lanes)
        order = ", ".join(f"i32 {index}" for index in range(both.lanes))
        joined = body.emit(
            f"shufflevector {kind.ir} {joined}, {kind.ir} {sources[1][1]}, "
            f"<{both.lanes} x i32> <{order}>"
        )
        kind = both
    result = kind.with_lanes(mask_type.lanes)
    used = body.constant(kind.lanes - 1, mask_type)
    mask = body.op("and", mask_type, body.arguments[-1], used)
    lanes = []
    for index in range(mask_type.lanes):
        chosen = body.lane(mask, mask_type, index)
        lanes.append(
            body.emit(f"extractelement {kind.ir} {joined}, {mask_type.element.ir} {chosen}")
        )
    body.ret(body.join(lanes, result))


def _work_item(body: Body, name: str, dimension: int) -> Value:
    return body.call(f"_Z{len(name)}{name}j", "i64", [("i32", str(dimension))])


def _linear(body: Body) -> tuple[Value, Value]:
    """Return the local linear id and the work-group's size."""
    ids = [_work_item(body, "get_local_id", dimension) for dimension in range(3)]
    sizes = [_work_item(body, "get_local_size", dimension) for dimension in range(3)]
    plane = body.op("mul", I64, ids[2], sizes[1])
    row = body.op("add", I64, plane, ids[1])
    linear = body.op("add", I64, body.op("mul", I64, row, sizes[0]), ids[0])
    size = body.op("mul", I64, body.op("mul", I64, sizes[0], sizes[1]), sizes[2])
    return linear, size


def _async_copy(is_strided: bool) -> Emitter:
    """Copy in a loop: every work-item takes every work-group-size-th item."""

    def emit(body: Body) -> None:
        target, source = body.types[:2]
        element = (target.pointee or HALF).ir
        count = body.arguments[2]
        event = body.arguments[-1]
        start, size = _linear(body)
        body.do("br label %check")
        body.do("check:")
        body.do(f"%index = phi i64 [ {start}, %0 ], [ %next, %copy ]")
        body.do(f"%more = icmp ult i64 %index, {count}")
        body.do("br i1 %more, label %copy, label %done")
        body.do("copy:")
        far = body.op("mul", I64, "%index", body.arguments[3]) if is_strided else "%index"
        # The stride belongs to the side in global memory.
        from_index = far if source.address_space == 1 else "%index"
        to_index = far if target.address_space == 1 else "%index"
        from_place = body.gep(element, body.arguments[1], source, from_index)
        to_place = body.gep(element, body.arguments[0], target, to_index)
        value = body.emit(f"load {element}, {source.ir} {from_place}")
        body.do(f"store {element} {value}, {target.ir} {to_place}")
        body.do(f"%next = add nuw i64 %index, {size}")
        body.do("br label %check")
        body.do("done:")
        body.ret(event)

    return emit


def _wait(body: Body) -> None:
    body.call("_Z7barrierj", "void", [("i32", "3")])
    body.ret()


def _nothing(body: Body) -> None:
    body.ret()


EMITTERS: dict[str, Emitter] = {
    **{f"atomic_{name}": _atomic(name) for name in _ATOMICS},
    **{f"atom_{name}": _atomic(name) for name in _ATOMICS},
    "atomic_cmpxchg": _compare_exchange,
    "atom_cmpxchg": _compare_exchange,
    "shuffle": _shuffle,
    "shuffle2": _shuffle,
    "async_work_group_copy": _async_copy(False),
    "async_work_group_strided_copy": _async_copy(True),
    "wait_group_events": _wait,
    "prefetch": _nothing,
}
