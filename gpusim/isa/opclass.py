"""LLVM opcodes -> operation classes of the tables."""

from __future__ import annotations

from gpusim.isa.ir_view import IRView, is_constant

_FLOAT = {"fadd": "fadd", "fsub": "fadd", "fmul": "fmul", "frem": "frem", "fneg": "fneg"}
_INTEGER = {
    "add": "iadd",
    "sub": "iadd",
    "mul": "imul",
    "shl": "shift",
    "lshr": "shift",
    "ashr": "shift",
    "and": "logic",
    "or": "logic",
    "xor": "logic",
    "icmp": "icmp",
}
_WIDE = {
    "iadd": "iadd64",
    "imul": "imul64",
    "shift": "shift64",
    "logic": "logic64",
    "icmp": "icmp64",
}
_DIVISIONS = {"sdiv", "udiv", "srem", "urem"}


def binary_class(view: IRView, index: int, narrow: set[int]) -> list[str] | None:
    """Return the classes (in a chain) of an arithmetic instruction, None if it is none."""
    opcode, kind = view.opcode[index], view.operand_type(index)
    if opcode == "fmul" and kind.bits != 64 and _is_two(view, index):
        return ["fadd"]
    if opcode in _FLOAT:
        return ["f64"] if kind.bits == 64 else [_FLOAT[opcode]]
    if opcode == "fdiv":
        return _divide(view, index)
    is_wide = kind.bits == 64 and kind.kind == "int" and not _is_narrow(view, index, narrow)
    if opcode in _DIVISIONS:
        return _integer_divide(view, index, is_wide)
    if opcode not in _INTEGER:
        return None
    if kind.bits == 1 and opcode == "xor" and is_constant(view.operands[index][-1]):
        # Negation of a condition: whoever reads it inverts its test.
        return ["fneg"]
    name = _INTEGER[opcode]
    return [_WIDE.get(name, name) if is_wide else name]


def _is_two(view: IRView, index: int) -> bool:
    """Return whether a product is a doubling, which an add does as well."""
    return view.operand_texts[index][1].split()[-1] in ("2.000000e+00", "0xH4000")


def _divide(view: IRView, index: int) -> list[str]:
    if view.operand_type(index).bits == 64:
        return ["f64"] * 8
    is_fast = view.has_flag(index, "arcp") or view.has_flag(index, "afn")
    if not is_fast:
        return ["fdiv"]
    numerator = view.operand_texts[index][0].split()[-1]
    return ["rcp"] if numerator in ("1.000000e+00", "1.0") else ["fdiv_fast"]


def _integer_divide(view: IRView, index: int, is_wide: bool) -> list[str]:
    if is_wide:
        return ["div64"]
    opcode = view.opcode[index]
    text = view.operand_texts[index][1].split()[-1]
    if is_constant(view.operands[index][1]) and text.lstrip("-").isdecimal():
        divisor = abs(int(text))
        is_remainder = opcode.endswith("rem")
        if divisor & (divisor - 1) == 0:
            return ["shift", "iadd", "logic"] if opcode.startswith("s") else ["logic"]
        return ["div_const", "imul", "iadd"] if is_remainder else ["div_const"]
    return {"sdiv": ["sdiv"], "srem": ["sdiv"], "udiv": ["udiv"], "urem": ["urem"]}[opcode]


def _is_narrow(view: IRView, index: int, narrow: set[int]) -> bool:
    """Return whether a 64-bit operation works on values that fit 32 bits."""
    if view.opcode[index] != "icmp":
        return index in narrow
    values = [code for code in view.operands[index] if code >= 0]
    return bool(values) and all(code in narrow for code in values)


def cast_class(view: IRView, index: int, narrow: set[int]) -> list[str] | None:
    """Return the classes of a conversion, empty when it is free, None if it is none."""
    opcode = view.opcode[index]
    source, target = view.operand_type(index), view.type_of(index)
    if opcode in ("bitcast", "addrspacecast", "ptrtoint", "inttoptr", "trunc"):
        return []
    if opcode in ("zext", "sext"):
        return _extend(view, index, narrow)
    if opcode in ("fpext", "fptrunc"):
        is_double = 64 in (source.bits, target.bits)
        return ["f64"] if is_double else ["cvt_half"]
    if opcode in ("fptosi", "fptoui", "sitofp", "uitofp"):
        if (source.kind == "float" and source.bits == 64) or (
            target.kind == "float" and (target.bits == 64)
        ):
            return ["f64"]
        is_wide = 64 in (source.bits, target.bits)
        return ["cvt", "cvt", "fma"] if is_wide else ["cvt"]
    return None


def _extend(view: IRView, index: int, narrow: set[int]) -> list[str]:
    source, target, opcode = view.operand_type(index), view.type_of(index), view.opcode[index]
    if source.bits == 1:
        return ["select"]
    if target.bits == 64 and index not in narrow:
        extension = "sext64" if opcode == "sext" else "zext64"
        return [extension] if source.bits == 32 else ["cvt_int", extension]
    if source.bits >= 32:
        return []
    code = view.operands[index][0]
    # A load of a narrow element extends it on the way.
    is_loaded = code >= 0 and view.opcode[code] == "load" and source.lanes == 1
    return [] if is_loaded else ["cvt_int"]
