"""Our estimate beside the real machine code of ptxas, loop by loop, and costs corrected by it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.errors import CompileError, located
from gpusim.isa.backend import LoweredKernel, lower_kernel
from gpusim.isa.cost import KernelCost, cost_kernel
from gpusim.isa.sass import ARCHITECTURES, SassKernel, find_ptxas, sass_kernel
from gpusim.isa.summary import loop_costs


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedLoop:
    """One loop: instructions of an iteration, inner loops apart."""

    line: int
    depth: int
    blocks: tuple[int, ...]
    ours: float
    sass: float
    ours_messages: float
    sass_messages: float

    @property
    def error(self) -> float:
        """(ours - sass) / sass."""
        return (self.ours - self.sass) / self.sass

    def as_dict(self) -> dict[str, float]:
        """Return the keys of ``gpusim lower --sass --json``."""
        return {
            "line": self.line,
            "depth": self.depth,
            "instructions": self.ours,
            "sass_instructions": self.sass,
            "messages": self.ours_messages,
            "sass_messages": self.sass_messages,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A kernel's loops on both sides."""

    sass: SassKernel
    registers: int
    """As we count them."""
    loops: tuple[ComparedLoop, ...]
    outside: ComparedLoop
    """What no loop contains."""


def compare(kernel: KernelIR, isa: str) -> Comparison:
    """Compile a kernel both ways and set their loops side by side.

    Nothing is unrolled on either side.

    Raises
    ------
    CompileError
        ptxas is not there or refuses the kernel, or its loops are not those of the kernel
        (unrolled or merged all the same).
    """
    return side_by_side(lower_kernel(kernel, isa, unrolls=False), sass_kernel(kernel, isa))


def side_by_side(lowered: LoweredKernel, sass: SassKernel) -> Comparison:
    """Pair the loops of a lowered kernel with those of its binary.

    Raises
    ------
    CompileError
        Their nesting differs.
    """
    loops = loop_costs(lowered)
    nesting, found = [cost.depth for cost in loops], [loop.depth for loop in sass.loops]
    if nesting != found:
        raise CompileError(
            located(
                lowered.view.kernel.name,
                "ptxas made other loops of it",
                expected=f"depths {nesting}",
                found=f"{found}",
            )
        )
    compared = tuple(
        ComparedLoop(
            line=cost.line,
            depth=cost.depth,
            blocks=cost.blocks,
            ours=cost.per_iteration["instructions"],
            sass=loop.instructions,
            ours_messages=cost.per_iteration["messages"],
            sass_messages=loop.messages,
        )
        for cost, loop in zip(loops, sass.loops, strict=True)
    )
    inside = {block for cost in loops for block in cost.blocks}
    free = tuple(block for block in range(len(lowered.blocks)) if block not in inside)
    return Comparison(
        sass=sass,
        registers=lowered.registers,
        loops=compared,
        outside=ComparedLoop(
            line=0,
            depth=0,
            blocks=free,
            ours=sum(lowered.blocks[block].units for block in free),
            sass=sass.outside.instructions,
            ours_messages=sum(lowered.blocks[block].messages for block in free),
            sass_messages=sass.outside.messages,
        ),
    )


def sass_cost(kernel: KernelIR, isa: str) -> KernelCost:
    """Return a kernel's cost with instructions, messages and registers as ptxas has them.

    Every figure of a block is scaled by the ratio that its loop shows; what our estimate saves by
    unrolling stays saved. Where ptxas made other loops, or PTX has no counterpart of a function,
    the estimate stands and a note says so.

    Raises
    ------
    CompileError
        ptxas is not there, or the family has no such machine code.
    """
    if find_ptxas() is None or isa not in ARCHITECTURES:
        sass_kernel(kernel, isa)
    cost = cost_kernel(kernel, isa)
    try:
        found = compare(kernel, isa)
    except CompileError as error:
        return replace(cost, notes=(f"estimated, not taken from ptxas: {error}",))
    blocks = cost.blocks.copy()
    for loop in (*found.loops, found.outside):
        chosen = list(loop.blocks)
        if loop.ours > 0:
            for name in ("issue_cycles", "issue_units", "arithmetic_instructions"):
                blocks[name][chosen] *= loop.sass / loop.ours
        if loop.ours_messages > 0 and loop.sass_messages > 0:
            for name in ("load_store", "load_store_cycles"):
                blocks[name][chosen] *= loop.sass_messages / loop.ours_messages
    return replace(cost, blocks=blocks, registers=found.sass.registers or cost.registers)
