"""A job's arguments against the kernel's parameters: what the native code is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpusim.compiler.limits import how_to_raise
from gpusim.count.image_arguments import bind_image, bind_sampler
from gpusim.errors import CountError, located
from gpusim.trace.records import ArgumentKind

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR, Parameter
    from gpusim.count.limits import Limits
    from gpusim.count.memory import Memory
    from gpusim.lower.job import BoundArgument, Job

Bound = list[Any]
"""``["buffer", offset, size]``, ``["local", size]``, ``["value", hex]``, ``["null"]``,
``["sampler", bits]`` or ``["image", offset, *words]``, see `image_texels.WORDS`."""


def parameter_name(kernel: KernelIR, index: int) -> str:
    """Return how messages call a parameter."""
    name = kernel.parameters[index].name if index < len(kernel.parameters) else ""
    return f"argument {index}" + (f" ({name})" if name else "")


def bind_arguments(
    kernel: KernelIR,
    job: Job,
    memory: Memory,
    limits: Limits,
    where: str,
) -> list[Bound]:
    """Match a job's arguments with the parameters of the compiled kernel.

    Raises
    ------
    CountError
        Missing or surplus arguments, a value of the wrong size, a buffer where a value belongs,
        local memory above the limit.
    """
    by_index = {bound.argument.index: bound for bound in job.arguments}
    n_parameters = len(kernel.parameters)
    if sorted(by_index) != list(range(n_parameters)):
        raise CountError(
            located(
                where,
                "arguments do not match the kernel's parameters",
                expected=f"{n_parameters} arguments",
                found=f"arguments {sorted(by_index)}",
            )
        )
    bound = [
        _bind(kernel, by_index[i], parameter, memory, where)
        for i, parameter in enumerate(kernel.parameters)
    ]
    local = sum(b[1] for b in bound if b[0] == "local")
    if local > limits.local_bytes:
        raise CountError(
            located(
                where,
                "local memory arguments are too large",
                expected=f"at most {limits.local_bytes} bytes ({how_to_raise('local_bytes')})",
                found=f"{local} bytes",
            )
        )
    return bound


def _bind(
    kernel: KernelIR, bound: BoundArgument, parameter: Parameter, memory: Memory, where: str
) -> Bound:
    argument = bound.argument
    place = f"{where}: {parameter_name(kernel, argument.index)}"
    is_pointer = parameter.kind in ("buffer", "local")
    is_local = parameter.kind == "local"
    if parameter.kind == "image":
        return bind_image(bound, parameter, memory, place)
    if parameter.kind == "sampler":
        return bind_sampler(bound, place)
    match argument.kind:
        case ArgumentKind.VALUE:
            if is_pointer:
                raise CountError(
                    located(place, "not a pointer", expected="a buffer", found="a value")
                )
            data = argument.value or b""
            if len(data) != parameter.size_bytes:
                raise CountError(
                    located(
                        place,
                        "value of the wrong size",
                        expected=f"{parameter.size_bytes} bytes",
                        found=f"{len(data)} bytes",
                    )
                )
            return ["value", data.hex()]
        case ArgumentKind.LOCAL:
            if not (is_pointer and is_local):
                raise CountError(
                    located(place, "the parameter is not in local memory", found="a local size")
                )
            size = bound.size_bytes or argument.size_bytes
            return ["local", size]
        case ArgumentKind.BUFFER:
            if not is_pointer or is_local or argument.ref is None:
                expected = "local memory" if is_local else "a value"
                raise CountError(
                    located(place, "not a buffer", expected=expected, found="a buffer")
                )
            region = memory.region(argument.ref)
            return ["buffer", region.offset, region.size_bytes]
        case ArgumentKind.NULL:
            if not is_pointer:
                raise CountError(located(place, "not a pointer", found="NULL"))
            return ["null"]
    expected = "local memory" if is_local else "a buffer" if is_pointer else "a value"
    raise CountError(
        located(
            place,
            f"an argument of another kind than the {parameter.type_name}",
            expected=expected,
            found=argument.kind.value,
        )
    )
