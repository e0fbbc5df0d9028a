"""Work-item functions: which value of the NDRange each one reads."""

from __future__ import annotations

from gpusim.count.ir_text import Call

_PER_DIMENSION = {
    "_Z13get_global_idj": ("gid", 0),
    "_Z12get_local_idj": ("lid", 0),
    "_Z12get_group_idj": ("grp", 0),
    "_Z15get_global_sizej": ("gsize", 1),
    "_Z14get_local_sizej": ("lsize", 1),
    "_Z14get_num_groupsj": ("ngrp", 1),
    "_Z17get_global_offsetj": ("goff", 0),
    "_Z23get_enqueued_local_sizej": ("esize", 1),
}
"""Mangled name -> (value, result for a dimension that does not exist)."""
_PLAIN = {
    "_Z12get_work_dimv": "wdim",
    "_Z20get_global_linear_idv": "glin",
    "_Z19get_local_linear_idv": "llin",
}
WORK_ITEM_FUNCTIONS = frozenset(_PER_DIMENSION) | frozenset(_PLAIN)

PROLOGUE = [
    *(f"%g.lid.{d} = add i64 %g.l{axis}, 0" for d, axis in enumerate("xyz")),
    *(f"%g.gid.{d} = add i64 %g.first.{d}, %g.l{axis}" for d, axis in enumerate("xyz")),
    "%g.lin.1 = mul i64 %g.lid.2, %g.lsize.1",
    "%g.lin.2 = add i64 %g.lin.1, %g.lid.1",
    "%g.lin.3 = mul i64 %g.lin.2, %g.lsize.0",
    "%g.llin = add i64 %g.lin.3, %g.lid.0",
    *(f"%g.rel.{d} = sub i64 %g.gid.{d}, %g.goff.{d}" for d in range(3)),
    "%g.lin.4 = mul i64 %g.rel.2, %g.gsize.1",
    "%g.lin.5 = add i64 %g.lin.4, %g.rel.1",
    "%g.lin.6 = mul i64 %g.lin.5, %g.gsize.0",
    "%g.glin = add i64 %g.lin.6, %g.rel.0",
]
"""Ids of the work-item from those of its group; unused ones cost nothing after O3."""

SHAPE_NAMES = [
    *(f"%g.{name}.{d}" for name in ("lsize",) for d in range(3)),
    *(f"%g.{name}.{d}" for name in ("gsize", "ngrp", "esize", "goff") for d in range(3)),
    "%g.wdim",
]
"""Values of the launch that the work-item function takes as arguments."""


def work_item_value(result: str, call: Call) -> list[str]:
    """Return the lines that define `result` as a work-item function's value."""
    if not result:
        return []
    kind = call.type
    if call.callee in _PLAIN:
        value = f"%g.{_PLAIN[call.callee]}"
        if kind == "i64":
            return [f"{result} = add i64 {value}, 0"]
        return [f"{result} = trunc i64 {value} to {kind}"]
    name, default = _PER_DIMENSION[call.callee]
    dimension = call.arguments[0][1]
    if dimension.isdigit():
        value = f"%g.{name}.{dimension}" if int(dimension) < 3 else str(default)
        return [f"{result} = add i64 {value}, 0"]
    if not dimension.startswith("%"):
        return [f"{result} = add i64 {default}, 0"]
    stem = "%g." + result[1:]
    lines, value = [], str(default)
    for d in (2, 1, 0):
        lines.append(f"{stem}.is{d} = icmp eq i32 {dimension}, {d}")
        target = result if d == 0 else f"{stem}.to{d}"
        lines.append(f"{target} = select i1 {stem}.is{d}, i64 %g.{name}.{d}, i64 {value}")
        value = target
    return lines
