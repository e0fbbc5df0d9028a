"""Affine forms of integer instructions: exact for uniform values, ranges and facts for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gpusim.count.dataflow import Instruction
from gpusim.count.forms import Coefficient, Form, UnknownFormError
from gpusim.count.plan import Value

if TYPE_CHECKING:
    from gpusim.count.value_forms import ValueForms


def extremum(forms: ValueForms, instruction: Instruction, sign: str, which: str) -> Value:
    """Return the form of llvm.{s,u}{min,max}."""
    read = forms.signed if sign == "s" else forms.unsigned
    a, b = (
        read(forms.operand(instruction, place), instruction.bits, instruction.block)
        for place in range(2)
    )
    if a.form.is_uniform and b.form.is_uniform:
        folded = forms.emit.let(f"{which}({a.form.const}, {b.form.const})")
        return Value(Form(folded), a.needs | b.needs)
    factor = -1 if which == "max" else 1
    sides = tuple((forms.emit.scale(value.form, -factor), factor) for value in (a, b))
    return Value(forms.opaque(instruction, which, [a, b], sides))


def _op_add(forms: ValueForms, instruction: Instruction) -> Value:
    a, b = forms.both(instruction)
    return Value(forms.emit.form_add(a.form, b.form), a.needs | b.needs)


def _op_sub(forms: ValueForms, instruction: Instruction) -> Value:
    a, b = forms.both(instruction)
    return Value(forms.emit.subtract(a.form, b.form), a.needs | b.needs)


def _op_mul(forms: ValueForms, instruction: Instruction) -> Value:
    a, b = forms.both(instruction)
    if a.form.is_uniform:
        a, b = b, a
    if b.form.is_uniform:
        return Value(forms.emit.scale(a.form, b.form.const), a.needs | b.needs)
    a, b = (forms.signed(v, instruction.bits, instruction.block) for v in (a, b))
    return Value(forms.opaque(instruction, "mul", [a, b]))


def _op_shl(forms: ValueForms, instruction: Instruction) -> Value:
    a, b = forms.both(instruction)
    if isinstance(b.form.const, int) and b.form.is_uniform:
        return Value(forms.emit.scale(a.form, 1 << (b.form.const % instruction.bits)), a.needs)
    if b.form.is_uniform:
        factor = forms.emit.let(f"1 << ({b.form.const} & {instruction.bits - 1})")
        return Value(forms.emit.scale(a.form, factor), a.needs | b.needs)
    raise UnknownFormError


def _op_trunc(forms: ValueForms, instruction: Instruction) -> Value:
    return forms.operand(instruction, 0)


def _op_sext(forms: ValueForms, instruction: Instruction) -> Value:
    bits = int(instruction.operand_type[1:])
    return forms.signed(forms.operand(instruction, 0), bits, instruction.block)


def _op_zext(forms: ValueForms, instruction: Instruction) -> Value:
    bits = int(instruction.operand_type[1:])
    if bits == 1:
        return Value(forms.opaque(instruction, "bit", []))
    return forms.unsigned(forms.operand(instruction, 0), bits, instruction.block)


def _quotient(forms: ValueForms, instruction: Instruction, a: Value, divisor: Value) -> Value:
    """Return floor(a / divisor) of a value that is not negative."""
    d = divisor.form.const
    if a.form.is_uniform:
        folded = forms.emit.let(f"{a.form.const} // {d} if {d} else 0")
        return Value(Form(folded), a.needs | divisor.needs)
    if isinstance(d, int) and d > 0 and _divisible(a.form, d):
        numbers = ((atom, c // d) for atom, c in a.form.terms if isinstance(c, int))
        assert isinstance(a.form.const, int)
        return Value(Form(a.form.const // d, tuple(numbers)), a.needs)
    # What a floor division means: a lies from d * q up to d * q + d - 1.
    minus = forms.emit.multiply(d, -1)
    low = (forms.emit.scale(a.form, -1), d)
    high = (forms.emit.form_add(a.form, Form(forms.emit.add(1, minus))), minus)
    return Value(forms.opaque(instruction, "div", [a, divisor], (low, high)))


def _nonnegative(forms: ValueForms, instruction: Instruction, place: int, bits: int) -> Value:
    value = forms.unsigned(forms.operand(instruction, place), bits, instruction.block)
    if value.form.is_uniform:
        return value
    high = (1 << (bits - 1)) - 1
    return Value(value.form, forms.fit(value, 0, high, instruction.block))


def _op_udiv(forms: ValueForms, instruction: Instruction) -> Value:
    divisor = forms.unsigned(forms.operand(instruction, 1), instruction.bits, instruction.block)
    if not divisor.form.is_uniform:
        raise UnknownFormError
    a = forms.unsigned(forms.operand(instruction, 0), instruction.bits, instruction.block)
    return _quotient(forms, instruction, a, divisor)


def _op_sdiv(forms: ValueForms, instruction: Instruction) -> Value:
    a, b = forms.both(instruction)
    if a.form.is_uniform and b.form.is_uniform:
        return Value(Form(_truncated(forms, a.form.const, b.form.const)), a.needs | b.needs)
    if not isinstance(b.form.const, int) or not b.form.is_uniform or b.form.const <= 0:
        raise UnknownFormError
    return _quotient(forms, instruction, _nonnegative_signed(forms, instruction), b)


def _truncated(forms: ValueForms, a: Coefficient, b: Coefficient) -> str:
    """Return the quotient of uniform values, rounded towards zero; 0 for division by 0."""
    down = f"(abs({a}) // abs({b}))"
    return forms.emit.let(f"({down} if ({a} >= 0) == ({b} > 0) else -{down}) if {b} else 0")


def _nonnegative_signed(forms: ValueForms, instruction: Instruction) -> Value:
    value = forms.operand(instruction, 0)
    if value.form.is_uniform:
        raise UnknownFormError
    return _nonnegative(forms, instruction, 0, instruction.bits)


def _op_urem(forms: ValueForms, instruction: Instruction) -> Value:
    divisor = forms.unsigned(forms.operand(instruction, 1), instruction.bits, instruction.block)
    if not divisor.form.is_uniform:
        raise UnknownFormError
    a = forms.unsigned(forms.operand(instruction, 0), instruction.bits, instruction.block)
    return _remainder(forms, instruction, a, divisor)


def _op_srem(forms: ValueForms, instruction: Instruction) -> Value:
    a, b = forms.both(instruction)
    if a.form.is_uniform and b.form.is_uniform:
        quotient = _truncated(forms, a.form.const, b.form.const)
        rest = forms.emit.let(
            f"{a.form.const} - {b.form.const} * {quotient} if {b.form.const} else 0"
        )
        return Value(Form(rest), a.needs | b.needs)
    if not isinstance(b.form.const, int) or not b.form.is_uniform or b.form.const <= 0:
        raise UnknownFormError
    return _remainder(forms, instruction, _nonnegative_signed(forms, instruction), b)


def _remainder(forms: ValueForms, instruction: Instruction, a: Value, divisor: Value) -> Value:
    d = divisor.form.const
    if a.form.is_uniform:
        folded = forms.emit.let(f"{a.form.const} % {d} if {d} else 0")
        return Value(Form(folded), a.needs | divisor.needs)
    return Value(forms.opaque(instruction, "rem", [a, divisor]))


def _op_lshr(forms: ValueForms, instruction: Instruction) -> Value:
    shift = forms.operand(instruction, 1).form
    if not shift.is_uniform or not isinstance(shift.const, int):
        raise UnknownFormError
    a = forms.unsigned(forms.operand(instruction, 0), instruction.bits, instruction.block)
    return _quotient(forms, instruction, a, Value(Form(1 << (shift.const % instruction.bits))))


def _op_ashr(forms: ValueForms, instruction: Instruction) -> Value:
    shift = forms.operand(instruction, 1).form
    if not shift.is_uniform or not isinstance(shift.const, int):
        raise UnknownFormError
    a = forms.signed(forms.operand(instruction, 0), instruction.bits, instruction.block)
    return _quotient(forms, instruction, a, Value(Form(1 << (shift.const % instruction.bits))))


def _op_and(forms: ValueForms, instruction: Instruction) -> Value:
    a, b = forms.both(instruction)
    if a.form.is_uniform and b.form.is_uniform:
        return Value(Form(forms.emit.let(f"{a.form.const} & {b.form.const}")), a.needs | b.needs)
    mask = b.form.const if b.form.is_uniform else None
    if isinstance(mask, int) and mask >= 0 and mask & (mask + 1) == 0:
        # The low bits of a word do not depend on how the rest is read.
        return Value(forms.opaque(instruction, "low", [a, b]))
    if isinstance(mask, int) and mask >= 0:
        return Value(forms.opaque(instruction, "mask", [a, b]))
    if isinstance(mask, int) and -mask & (-mask - 1) == 0:
        value = forms.signed(a, instruction.bits, instruction.block)
        up = (forms.emit.form_add(value.form, Form(mask + 1)), -1)
        down = (forms.emit.scale(value.form, -1), 1)
        return Value(forms.opaque(instruction, "align", [value, b], (up, down)))
    raise UnknownFormError


def _op_or(forms: ValueForms, instruction: Instruction) -> Value:
    a, b = forms.both(instruction)
    if a.form.is_uniform and b.form.is_uniform:
        return Value(Form(forms.emit.let(f"{a.form.const} | {b.form.const}")), a.needs | b.needs)
    if isinstance(b.form.const, int) and b.form.is_uniform and b.form.const > 0:
        unit = 1 << b.form.const.bit_length()
        if _divisible(a.form, unit) or forms.flow.is_multiple(instruction.operands[0], unit):
            return Value(forms.emit.form_add(a.form, b.form), a.needs | b.needs)
    values = [_nonnegative(forms, instruction, place, instruction.bits) for place in range(2)]
    # An or is at least either operand and at most their sum.
    total = forms.emit.form_add(values[0].form, values[1].form)
    facts = ((forms.emit.scale(total, -1), 1), *((value.form, -1) for value in values))
    return Value(forms.opaque(instruction, "or", values, facts))


def _op_xor(forms: ValueForms, instruction: Instruction) -> Value:
    a, b = forms.both(instruction)
    if b.form == Form(-1):
        return Value(forms.emit.subtract(Form(-1), a.form), a.needs)
    if a.form.is_uniform and b.form.is_uniform:
        return Value(Form(forms.emit.let(f"{a.form.const} ^ {b.form.const}")), a.needs | b.needs)
    raise UnknownFormError


def _op_select(forms: ValueForms, instruction: Instruction) -> Value:
    values = [
        forms.signed(forms.operand(instruction, place), instruction.bits, instruction.block)
        for place in (1, 2)
    ]
    return Value(forms.opaque(instruction, "union", values))


def _divisible(form: Form, unit: int) -> bool:
    """Whether a form is a multiple of `unit` whatever the launch."""
    numbers = (form.const, *(c for _, c in form.terms))
    return all(isinstance(n, int) and n % unit == 0 for n in numbers)


INTEGER_FORMS: dict[str, Callable[[ValueForms, Instruction], Value]] = {
    "add": _op_add,
    "sub": _op_sub,
    "mul": _op_mul,
    "shl": _op_shl,
    "trunc": _op_trunc,
    "sext": _op_sext,
    "zext": _op_zext,
    "udiv": _op_udiv,
    "sdiv": _op_sdiv,
    "urem": _op_urem,
    "srem": _op_srem,
    "lshr": _op_lshr,
    "ashr": _op_ashr,
    "and": _op_and,
    "or": _op_or,
    "xor": _op_xor,
    "select": _op_select,
    "freeze": _op_trunc,
}
"""LLVM opcode -> what finds the form of its result; raises `UnknownFormError`."""
