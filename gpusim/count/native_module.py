"""A kernel -> the text of its native module, ready for the code generator."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpusim.count.checks import Site
from gpusim.count.defined import flat
from gpusim.count.driver import (
    argument_layout,
    fault_functions,
    groups_function,
    item_function,
    region_function,
    signature,
)
from gpusim.count.instrument import Instrumenter, has_barrier
from gpusim.count.ir_text import KernelText, closing, split_commas, split_type
from gpusim.count.lockstep import Site as RecordedSite
from gpusim.count.warp_driver import warp_function


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeModule:
    """IR text of a module and what the caller must know to run it."""

    text: str
    n_counters: int
    frame_bytes: int
    """Saved state per work-item of a group; 0 without barriers."""
    argument_offsets: tuple[int, ...]
    """Of each parameter in the argument block: pointer and size, or the value's bytes."""
    argument_bytes: int
    sites: tuple[Site, ...]
    private_bytes: int
    recorded: tuple[tuple[RecordedSite, ...], ...] = ()
    """In lock-step: accesses of each state whose addresses are recorded, in order."""


def _variables(kernel: KernelText) -> list[str]:
    lines = []
    for variable in kernel.variables:
        if variable.address_space == 3:
            kind, value = "global", "zeroinitializer"
        else:
            kind = "constant" if variable.address_space == 2 else "global"
            value = flat(" " + variable.initializer)[1:]
        align = max(variable.align_bytes, 16)
        lines.append(
            f'@"{variable.name}" = internal {kind} {flat(variable.type)} {value}, align {align}'
        )
    return lines


def _declarations(text: str) -> list[str]:
    """Declare every intrinsic and libm function that the text calls but does not define."""
    defined = set(re.findall(r"^define [^\n]*?@([\w.]+)\(", text, re.MULTILINE))
    declared = set(re.findall(r"^declare [^\n]*?@([\w.]+)\(", text, re.MULTILINE))
    needed: dict[str, str] = {}
    for match in re.finditer(r"call (?!i32 @gpusim\.(?:item|region))", text):
        rest = text[match.end() : text.index("\n", match.end())]
        result, tail = split_type(rest)
        name = re.match(r"@([\w.]+)\(", tail)
        if name is None or name.group(1) in defined | declared or name.group(1) in needed:
            continue
        open_at = tail.index("(")
        parts = split_commas(tail[open_at + 1 : closing(tail, open_at)])
        kinds = ", ".join(split_type(part)[0] for part in parts)
        needed[name.group(1)] = f"declare {result} @{name.group(1)}({kinds})"
    return list(needed.values())


def build_module(
    kernel: KernelText, *, policy: str, align: int = 128, lockstep: bool = False
) -> NativeModule:
    """Build the native module of a kernel.

    Parameters
    ----------
    kernel : KernelText
        The kernel.
    policy : str
        ``checked``, ``proven`` or ``slice``, see `Instrumenter`.
    align : int
        Alignment that all buffer arguments are promised to have.
    lockstep : bool
        Run work-items in warps, block by block, and record addresses.

    Raises
    ------
    CountError
        The kernel uses what gpusim does not execute.
    """
    is_cut = policy != "slice" and not lockstep and has_barrier(kernel)
    instrumenter = Instrumenter(kernel, policy, is_cut, is_recorded=lockstep)
    for formal in kernel.formals:
        if formal.byval:
            size = formal.size_bytes
            instrumenter.checks.allocas[formal.name] = (
                f"[{size} x i8]",
                size,
                max(16, formal.align_bytes),
            )
    body = instrumenter.build()
    offsets, argument_bytes = argument_layout(kernel.formals)
    item = item_function(kernel, body, lockstep=lockstep)
    n_blocks = len(kernel.blocks)
    steps = item.lockstep
    if steps is not None:
        region = warp_function(
            signature(kernel),
            block_of_state=steps.block_of_state,
            is_piece=steps.is_piece,
            meeting_of_state=steps.meeting_of_state,
            sites_of_state=[len(sites) for sites in steps.sites_of_state],
            n_blocks=n_blocks,
            variables=[variable.name for variable in kernel.variables],
        )
    else:
        region = region_function(kernel, item.n_states > 0)
    text = "\n".join(
        [
            *kernel.type_definitions,
            *_variables(kernel),
            *body.definitions.values(),
            item.text,
            region,
            groups_function(kernel, offsets, n_blocks, item.n_states, align),
            fault_functions(),
        ]
    )
    text = "\n".join([text, *_declarations(text)])
    return NativeModule(
        text=text,
        n_counters=n_blocks,
        frame_bytes=item.frame_bytes,
        argument_offsets=offsets,
        argument_bytes=argument_bytes,
        sites=tuple(body.sites),
        private_bytes=sum(size for _, size, _ in body.allocas.values()),
        recorded=tuple(tuple(sites) for sites in steps.sites_of_state) if steps else (),
    )
