"""Rewrite an instruction so that every input has one defined outcome.

LLVM may delete code in front of undefined behaviour, bounds checks included. So flags that make
poison are dropped, undefined constants are zero, division by zero divides by one, shift amounts
wrap, conversions out of range are frozen. Address spaces are flat in native code.

Division is what `gpusim.compiler.division` defines: ``x / 0 = 0``, ``x % 0 = 0``,
``MIN / -1 = MIN``, ``MIN % -1 = 0``.
"""

from __future__ import annotations

import re

from gpusim.count.ir_text import Call, Instruction, parse_call, split_commas, split_type

_FLAG_WORD = re.compile(
    r"(?<![@%.\w])(?:nuw|nsw|exact|disjoint|nneg|inbounds|nusw|samesign|fast|nnan|ninf|nsz|arcp|contract|afn"
    r"|reassoc|volatile|inrange\([^)]*\)) "
)
_SPACE = re.compile(r" ?addrspace\(\d+\)")
_UNDEFINED = re.compile(r"(?<=[ (\[{<])(?:undef|poison)(?=[ ,)\]}>]|$)")
_CAST_EXPRESSION = re.compile(r"\baddrspacecast(?= \()")
_INTEGER = re.compile(r"-?\d+")
_DROPPED = (
    "llvm.lifetime.",
    "llvm.assume",
    "llvm.dbg.",
    "llvm.experimental.noalias.scope.decl",
    "llvm.donothing",
)
_POISON_ON_ZERO = ("llvm.ctlz.", "llvm.cttz.", "llvm.abs.")


def flat(text: str) -> str:
    """Drop address spaces, poison flags and undefined constants from a piece of IR."""
    text = _CAST_EXPRESSION.sub("bitcast", _SPACE.sub("", _FLAG_WORD.sub("", text)))
    return _UNDEFINED.sub("zeroinitializer", text)


def zero(name: str, type_text: str) -> str:
    """Return a line that defines `name` as zero of a type."""
    kind = flat(type_text)
    return f"{name} = select i1 true, {kind} zeroinitializer, {kind} zeroinitializer"


def lanes_of(type_text: str) -> tuple[int, str]:
    """Return (lanes, lane type); a scalar has 0 lanes."""
    match = re.fullmatch(r"<(\d+) x (.*)>", type_text)
    return (int(match.group(1)), match.group(2)) if match else (0, type_text)


def splat(type_text: str, value: str) -> str:
    """Return a constant with `value` in every lane."""
    lanes, lane = lanes_of(type_text)
    if not lanes:
        return value
    return "<" + ", ".join([f"{lane} {value}"] * lanes) + ">"


def _division(instruction: Instruction) -> list[str]:
    opcode, name, kind = instruction.opcode, instruction.name, instruction.type
    left, right = split_commas(split_type(_operands(instruction))[1])
    if _INTEGER.fullmatch(right) and int(right) not in (0, -1):
        return [f"{name} = {opcode} {kind} {left}, {right}"]
    lanes, lane = lanes_of(kind)
    mask = f"<{lanes} x i1>" if lanes else "i1"
    stem = "%g." + name[1:]
    lines = [f"{stem}.z = icmp eq {kind} {right}, zeroinitializer"]
    bad = f"{stem}.z"
    if opcode[0] == "s":
        lowest = splat(kind, str(-(2 ** (int(lane[1:]) - 1))))
        lines += [
            f"{stem}.m = icmp eq {kind} {right}, {splat(kind, '-1')}",
            f"{stem}.l = icmp eq {kind} {left}, {lowest}",
            f"{stem}.o = and {mask} {stem}.m, {stem}.l",
            f"{stem}.b = or {mask} {stem}.z, {stem}.o",
        ]
        bad = f"{stem}.b"
    lines.append(f"{stem}.d = select {mask} {bad}, {kind} {splat(kind, '1')}, {kind} {right}")
    if opcode.endswith("rem"):
        return [*lines, f"{name} = {opcode} {kind} {left}, {stem}.d"]
    return [
        *lines,
        f"{stem}.q = {opcode} {kind} {left}, {stem}.d",
        f"{name} = select {mask} {stem}.z, {kind} zeroinitializer, {kind} {stem}.q",
    ]


def _operands(instruction: Instruction) -> str:
    return flat(instruction.text).split(" ", 1)[1].strip()


def _shift(instruction: Instruction) -> list[str]:
    opcode, name, kind = instruction.opcode, instruction.name, instruction.type
    left, right = split_commas(split_type(_operands(instruction))[1])
    width = int(lanes_of(kind)[1][1:])
    if _INTEGER.fullmatch(right) and 0 <= int(right) < width:
        return [f"{name} = {opcode} {kind} {left}, {right}"]
    wrapped = f"%g.{name[1:]}.s"
    wrap = "and" if width & (width - 1) == 0 else "urem"
    modulus = width - 1 if wrap == "and" else width
    return [
        f"{wrapped} = {wrap} {kind} {right}, {splat(kind, str(modulus))}",
        f"{name} = {opcode} {kind} {left}, {wrapped}",
    ]


def _frozen(instruction: Instruction) -> list[str]:
    kind = flat(instruction.type)
    raw = f"%g.{instruction.name[1:]}.f"
    return [f"{raw} = {flat(instruction.text)}", f"{instruction.name} = freeze {kind} {raw}"]


def _has_constant_index(instruction: Instruction) -> bool:
    last = split_commas(instruction.text)[-1]
    return _INTEGER.fullmatch(split_type(last)[1]) is not None


def call_text(call: Call, callee: str | None = None) -> str:
    """Return ``call T @callee(args)`` without attributes, in the flat address space."""
    arguments = ", ".join(f"{flat(kind)} {flat(' ' + value)[1:]}" for kind, value in call.arguments)
    return f"call {flat(call.type)} @{callee or call.callee}({arguments})"


def _intrinsic(instruction: Instruction) -> list[str]:
    call = parse_call(instruction)
    if call.callee.startswith(_DROPPED):
        return []
    if call.callee.startswith(_POISON_ON_ZERO):
        first = call.arguments[0]
        call = Call(call.callee, call.type, (first, ("i1", "false")))
    callee = re.sub(r"\.p\d+", ".p0", call.callee)
    callee = callee.replace("llvm.fmuladd.", "llvm.fma.")
    prefix = f"{instruction.name} = " if instruction.name else ""
    return [prefix + call_text(call, callee)]


def define(instruction: Instruction) -> list[str]:
    """Return the lines of native IR for an instruction that is no load, store, atomic or branch.

    Parameters
    ----------
    instruction : Instruction
        As the compiler left it. Calls must be calls of LLVM intrinsics.

    Returns
    -------
    list of str
        Instructions without undefined behaviour; empty for hints such as ``llvm.assume``.
    """
    opcode = instruction.opcode
    if opcode in ("sdiv", "udiv", "srem", "urem"):
        return _division(instruction)
    if opcode in ("shl", "lshr", "ashr"):
        return _shift(instruction)
    if opcode in ("fptosi", "fptoui"):
        return _frozen(instruction)
    if opcode in ("extractelement", "insertelement") and not _has_constant_index(instruction):
        return _frozen(instruction)
    if opcode == "addrspacecast":
        return [f"{instruction.name} = bitcast {_operands(instruction)}"]
    if opcode == "call":
        return _intrinsic(instruction)
    text = flat(instruction.text)
    return [f"{instruction.name} = {text}" if instruction.name else text]
