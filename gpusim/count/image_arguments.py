"""Image and sampler arguments against what a kernel does with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpusim.compiler.kernel_parts import BLOCK, PARAMETER
from gpusim.count.image_calls import coordinates, image_access, is_image_function
from gpusim.count.image_format import CHANNEL_TYPES, image_layout
from gpusim.errors import CountError, located
from gpusim.trace.records import ArgumentKind

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR, Parameter
    from gpusim.count.memory import Memory
    from gpusim.lower.job import BoundArgument
    from gpusim.trace.records import Image, Sampler

_NORMALIZED, _LINEAR, _MODES = 0x1, 0x20, 0xE
_ADDRESSING = {"NONE": 0, "CLAMP_TO_EDGE": 2, "CLAMP": 4, "REPEAT": 6, "MIRRORED_REPEAT": 8}
_NEAREST = 0x10
_WRITE_ONLY, _READ_ONLY = 1 << 1, 1 << 2
"""Of cl_mem_flags."""


def sampler_bits(sampler: Sampler, *, where: str) -> int:
    """Return a sampler as the number that a constant sampler of OpenCL C is.

    Raises
    ------
    CountError
        A filter or an address mode that is not executed.
    """
    if sampler.filter != "NEAREST":
        raise CountError(
            located(where, "filtering samplers are not supported", expected="NEAREST",
                    found=sampler.filter)
        )  # fmt: skip
    if sampler.addressing not in _ADDRESSING:
        raise CountError(
            located(
                where,
                "unknown address mode",
                expected=", ".join(_ADDRESSING),
                found=sampler.addressing,
            )
        )
    return _ADDRESSING[sampler.addressing] | _NEAREST | sampler.normalized


def bind_sampler(bound: BoundArgument, place: str) -> list[Any]:
    """Return what native code is given for a sampler parameter."""
    if bound.argument.kind is not ArgumentKind.SAMPLER or bound.sampler is None:
        raise CountError(located(place, "not a sampler", expected="a sampler", found=_named(bound)))
    return ["sampler", sampler_bits(bound.sampler, where=place)]


def bind_image(bound: BoundArgument, parameter: Parameter, memory: Memory, place: str) -> list[Any]:
    """Return what native code is given for an image parameter.

    Raises
    ------
    CountError
        No image, one of another type or access, or one that is not executed.
    """
    if bound.argument.kind is not ArgumentKind.IMAGE or bound.image is None:
        raise CountError(located(place, "not an image", expected="an image", found=_named(bound)))
    image = bound.image
    wanted = parameter.type_name.removesuffix("_t")
    if image.type != wanted:
        raise CountError(
            located(place, "an image of another type", expected=wanted, found=image.type)
        )
    _check_access(image, parameter, place)
    layout = image_layout(image, where=place)
    try:
        region = memory.region(image.id)
    except CountError as error:
        raise CountError(located(place, str(error))) from None
    if layout.size_bytes > region.size_bytes:
        raise CountError(
            located(
                place,
                "the image does not fit into its memory",
                expected=f"{layout.size_bytes} bytes",
                found=f"{region.size_bytes} bytes",
            )
        )
    return ["image", region.offset, *layout.words()]


def _named(bound: BoundArgument) -> str:
    kind = bound.argument.kind
    return {ArgumentKind.NULL: "NULL", ArgumentKind.LOCAL: "local memory"}.get(
        kind, f"a {kind.value}" if kind is not ArgumentKind.IMAGE else "an image"
    )


def _check_access(image: Image, parameter: Parameter, place: str) -> None:
    for flag, forbidden, what in (
        (_READ_ONLY, ("write_only", "read_write"), "read-only"),
        (_WRITE_ONLY, ("read_only", "read_write", "none"), "write-only"),
    ):
        if image.flags & flag and parameter.access in forbidden:
            access = parameter.access if parameter.access != "none" else "read_only"
            raise CountError(
                located(place, f"the image was created {what}", expected=access, found=what)
            )


def check_image_calls(kernel: KernelIR, arguments: list[list[Any]], where: str) -> None:
    """Refuse image functions whose image, format or sampler OpenCL does not allow.

    Native code trusts that what it takes for an image is one, so this is also what keeps ready
    bitcode from passing a buffer off as an image.

    Parameters
    ----------
    kernel : KernelIR
    arguments : list
        As bound by `arguments.bind_arguments`.
    where : str
        In front of messages.

    Raises
    ------
    CountError
        One line that names the function and the argument.
    """
    if not any(is_image_function(callee) for callee in kernel.callees):
        return
    for index, row in enumerate(kernel.instructions):
        callee = kernel.callees[row["callee"]] if row["callee"] >= 0 else ""
        if "_image" not in callee:
            continue
        first = int(kernel.operand_start[index])
        for number in _parameters(kernel, int(kernel.operands[first])):
            if number is None or arguments[number][0] != "image":
                raise CountError(located(where, f"{callee} of what is no image argument"))
            _check_format(kernel, arguments[number], callee, number, where)
        access = image_access(callee)
        if access is not None and access[0] == "read":
            _check_sampler(kernel, arguments, access[2], first, where)


def _parameters(kernel: KernelIR, code: int) -> list[int | None]:
    """Return the parameters that an image operand may be; None for anything else."""
    found: list[int | None] = []
    pending, seen = [code], set()
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if BLOCK < value <= PARAMETER:
            found.append(PARAMETER - value)
            continue
        opcode = kernel.opcodes[kernel.instructions["opcode"][value]] if value >= 0 else ""
        start, end = (
            (int(kernel.operand_start[value]), int(kernel.operand_start[value + 1]))
            if value >= 0
            else (0, 0)
        )
        operands = [int(operand) for operand in kernel.operands[start:end]]
        if opcode == "phi":
            pending += operands[::2]
        elif opcode == "select":
            pending += operands[1:]
        else:
            found.append(None)
    return found


def _check_format(kernel: KernelIR, bound: list[Any], callee: str, number: int, where: str) -> None:
    access = image_access(callee)
    if access is None:
        return
    action, family, _ = access
    kind = next(kind for kind in CHANNEL_TYPES if kind.number == bound[-2])
    if kind.family != ("f" if family == "h" else family):
        expected = ", ".join(k.name for k in CHANNEL_TYPES if k.family == family.replace("h", "f"))
        raise CountError(
            located(
                f"{where}: argument {number} ({kernel.parameters[number].name})",
                f"{action}_image{family} of an image of another channel type",
                expected=expected,
                found=kind.name,
            )
        )


def _check_sampler(
    kernel: KernelIR, arguments: list[list[Any]], signature: Any, first: int, where: str
) -> None:
    _, is_float, at = coordinates(signature)
    if at < 0:
        return
    code, text = int(kernel.operands[first + at]), kernel.operand_text[first + at]
    if BLOCK < code <= PARAMETER:
        number = PARAMETER - code
        place = f"{where}: argument {number} ({kernel.parameters[number].name})"
        if arguments[number][0] != "sampler":
            raise CountError(located(place, "not a sampler"))
        bits = int(arguments[number][1])
    elif text.isdigit():
        place, bits = f"{where}: a sampler of the source", int(text)
    else:
        return
    if bits & _LINEAR:
        raise CountError(located(place, "filtering samplers are not supported"))
    is_normal = bool(bits & _NORMALIZED)
    if is_normal and not is_float:
        raise CountError(
            located(
                place,
                "integer coordinates with a sampler of normalised ones",
                expected="CLK_NORMALIZED_COORDS_FALSE, or float coordinates",
            )
        )
    if not is_normal and bits & _MODES in (_ADDRESSING["REPEAT"], _ADDRESSING["MIRRORED_REPEAT"]):
        raise CountError(
            located(
                place,
                "a repeating sampler of coordinates that are not normalised",
                expected="CLK_NORMALIZED_COORDS_TRUE",
            )
        )
