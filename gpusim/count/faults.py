"""What the native code reports about a kernel's fault -> one line for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpusim.compiler.kernel_ir import ADDRESS_SPACES
from gpusim.compiler.limits import how_to_raise
from gpusim.count import layout
from gpusim.count.arguments import parameter_name

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR
    from gpusim.count.limits import Limits
    from gpusim.lower.job import Job


def describe(
    fault: list[int],
    meta: dict[str, Any],
    arguments: list[list[Any]],
    kernel: KernelIR,
    job: Job,
    limits: Limits,
) -> str:
    """Return the cause of a fault and which work-item it happened in.

    Parameters
    ----------
    fault : list of int
        The eight words at `layout.FAULT`.
    meta : dict
        What the worker knows about the compiled kernel.
    arguments : list
        As bound by `arguments.bind_arguments`.
    """
    code, site, offset, group, x, y, z, length = fault
    nx, ny, _ = job.n_groups
    gx, gy, gz = group % nx, group // nx % ny, group // (nx * ny)
    o = job.group_offset
    item = f"work-group ({gx + o[0]},{gy + o[1]},{gz + o[2]}), work-item ({x},{y},{z})"
    group_text = f"work-group ({gx + o[0]},{gy + o[1]},{gz + o[2]})"
    match code:
        case layout.FAULT_FUEL:
            return (
                f"{item}: more than {limits.instructions:g} instructions "
                f"({how_to_raise('instructions')})"
            )
        case layout.FAULT_BARRIER:
            return f"{group_text}: a barrier is not reached by all work-items of the group"
        case layout.FAULT_UNREACHABLE:
            return f"{item}: the kernel's behaviour is undefined here (unreachable code reached)"
    return f"{item}: " + _access(meta["sites"][site], offset, length, arguments, kernel)


def _access(
    site: dict[str, Any], offset: int, length: int, arguments: list[list[Any]], kernel: KernelIR
) -> str:
    size_bytes = length or site["bytes"]
    roots = site["roots"]
    space = ADDRESS_SPACES.get(site["address_space"], "unknown")
    what = f"{space} {site['kind']} of {size_bytes} bytes"
    if roots == ["null"]:
        return f"{what} through a null pointer"
    if len(roots) != 1 or roots[0] == "?":
        return f"{what} is outside of every buffer of the kernel, or misaligned"
    root = roots[0]
    if root.startswith("%a."):
        index = int(root[3:])
        bound = arguments[index]
        name = parameter_name(kernel, index)
        if bound[0] == "null":
            return f"{what} through {name}, which is NULL"
        total = bound[-1] if bound[0] in ("buffer", "local") else site["bytes"]
        is_inside = bound[0] in ("buffer", "local") and 0 <= offset <= total - size_bytes
    elif root.startswith("@"):
        name, total, is_inside = f"variable {root[1:]}", None, False
    else:
        name, total, is_inside = "a private array", None, False
    if is_inside:
        return (
            f"misaligned {what} at byte {offset} of {name}, which needs a multiple of "
            f"{site['align_bytes']}"
        )
    of = f" of {total} bytes" if total is not None else ""
    return f"out of bounds {what} at byte {offset} of {name}{of}"
