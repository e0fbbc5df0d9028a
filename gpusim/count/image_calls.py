"""Calls of image functions -> calls of the native functions of `image_texels`."""

from __future__ import annotations

import re
from collections.abc import Callable

from gpusim.compiler.mangling import ClType, Signature, demangle
from gpusim.count.defined import flat
from gpusim.count.image_texels import LANE_TYPES, WORDS
from gpusim.count.ir_text import Call
from gpusim.errors import CountError

SAMPLER_INITIALIZER = "__translate_sampler_initializer"
"""Called for a sampler in the source; only bitcode of other compilers still has the call."""

_ACCESS = re.compile(r"(read|write)_image(f|i|ui|h)")
_QUERY = re.compile(r"get_image_(\w+)")
_QUERIED = {
    "width": "width",
    "height": "height",
    "array_size": "layers",
    "channel_data_type": "type_number",
    "channel_order": "order_number",
}


def is_image_function(callee: str) -> bool:
    """Whether a mangled name is that of a function over images or samplers."""
    return "_image" in callee or callee == SAMPLER_INITIALIZER


def image_access(callee: str) -> tuple[str, str, Signature] | None:
    """Return (``read`` or ``write``, family, signature) of an image function, None for others."""
    signature = demangle(callee)
    match = _ACCESS.fullmatch(signature.name) if signature else None
    return (match[1], match[2], signature) if match and signature else None


def coordinates(signature: Signature) -> tuple[int, bool, int]:
    """Return (coordinate parameter, whether it is float, sampler parameter or -1)."""
    has_sampler = len(signature.parameters) > 1 and signature.parameters[1].name == "ocl_sampler"
    position = 2 if has_sampler else 1
    return position, signature.parameters[position].is_float, 1 if has_sampler else -1


def image_lines(result: str, call: Call, fresh: Callable[[str], str]) -> list[str]:
    """Return the lines of native IR for a call of an image function.

    Parameters
    ----------
    result : str
        Value it defines, or empty.
    call : Call
        With operands as the compiler left them.
    fresh : callable
        Makes value names.

    Raises
    ------
    CountError
        A function that is not executed.
    """
    operands = [flat(" " + value)[1:] for _, value in call.arguments]
    if call.callee == SAMPLER_INITIALIZER:
        return [f"{result} = inttoptr i32 {operands[0]} to ptr"] if result else []
    access = image_access(call.callee)
    if access is None:
        return _query(result, call, operands[0], fresh)
    action, family, signature = access
    position, is_float, sampler_at = coordinates(signature)
    lines: list[str] = []
    image = signature.parameters[0].name
    parts = _parts(lines, operands[position], signature.parameters[position], fresh)
    sampler = _sampler(lines, call, operands, sampler_at, fresh)
    n_extents = 1 if "image1d" in image else 2
    x, y = parts[0], parts[1] if n_extents == 2 else ("0.0" if is_float else "0")
    z = parts[n_extents] if "array" in image else ("0.0" if is_float else "0")
    kind = "float" if is_float else "i32"
    place = f"ptr {operands[0]}, {kind} {x}, {kind} {y}, {kind} {z}"
    base = "f" if family == "h" else family
    vector = f"<4 x {LANE_TYPES[base]}>"
    if action == "write":
        colour = operands[position + 1]
        if family == "h":
            colour = fresh("w")
            lines.append(f"{colour} = fpext <4 x half> {operands[position + 1]} to <4 x float>")
        return [*lines, f"call void @gpusim.image.write.{base}({place}, {vector} {colour})"]
    texel = fresh("t")
    suffix = "f" if is_float else "i"
    target = fresh("w") if family == "h" else result or fresh("w")
    lines += [
        f"{texel} = call ptr @gpusim.image.find.{suffix}({place}, i32 {sampler})",
        f"{target} = call {vector} @gpusim.image.read.{base}(ptr {operands[0]}, ptr {texel})",
    ]
    if family == "h" and result:
        lines.append(f"{result} = fptrunc <4 x float> {target} to <4 x half>")
    return lines


def _parts(lines: list[str], value: str, kind: ClType, fresh: Callable[[str], str]) -> list[str]:
    """Return the components of a coordinate."""
    if kind.lanes == 1:
        return [value]
    parts = []
    for lane in range(kind.lanes):
        part = fresh("x")
        lines.append(f"{part} = extractelement {kind.ir} {value}, i32 {lane}")
        parts.append(part)
    return parts


def _sampler(
    lines: list[str], call: Call, operands: list[str], at: int, fresh: Callable[[str], str]
) -> str:
    """Return a sampler's bits; reads without one take no address mode and texel numbers."""
    if at < 0:
        return "0"
    if not call.arguments[at][0].startswith("ptr"):
        return operands[at]
    bits = fresh("s")
    lines.append(f"{bits} = ptrtoint ptr {operands[at]} to i32")
    return bits


def _query(result: str, call: Call, image: str, fresh: Callable[[str], str]) -> list[str]:
    signature = demangle(call.callee)
    match = _QUERY.fullmatch(signature.name) if signature else None
    if match is None or (match[1] not in _QUERIED and match[1] != "dim"):
        raise CountError(f"{call.callee} is not executed")
    if not result:
        return []

    def word(name: str, kind: str) -> tuple[list[str], str]:
        wide, value = fresh("w"), fresh("w")
        at = WORDS.index(name)
        lines = [f"{wide} = call i64 @gpusim.image.word(ptr {image}, i64 {at})"]
        if kind == "i64":
            return lines, wide
        return [*lines, f"{value} = trunc i64 {wide} to {kind}"], value

    if match[1] == "dim":
        lines, width = word("width", "i32")
        more, height = word("height", "i32")
        half = fresh("v")
        return [
            *lines,
            *more,
            f"{half} = insertelement <2 x i32> zeroinitializer, i32 {width}, i32 0",
            f"{result} = insertelement <2 x i32> {half}, i32 {height}, i32 1",
        ]
    lines, value = word(_QUERIED[match[1]], call.type)
    return [*lines, f"{result} = add {call.type} {value}, 0"]
