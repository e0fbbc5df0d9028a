"""A kernel's IR -> a native work-item function with counters, checks and fuel.

One line of the kernel becomes a few lines of well-defined IR. Counters are memory words that the
O3 pipeline promotes to registers; nothing here shows up in the counts, because a block is counted
as a whole by its size in the original text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from gpusim.count import maths
from gpusim.count.builtin_calls import builtin_accesses, builtin_definitions
from gpusim.count.cfg import loop_costs, reverse_post_order
from gpusim.count.checks import ITEM_IDS, Checker, Site
from gpusim.count.defined import call_text, define, flat, lanes_of, zero
from gpusim.count.image_calls import image_lines, is_image_function
from gpusim.count.image_texels import image_definitions
from gpusim.count.ir_text import (
    Call,
    Instruction,
    KernelText,
    address_space,
    parse_alloca,
    parse_call,
)
from gpusim.count.loop_guards import Guard, find_guards
from gpusim.count.pointers import Access, accesses_of
from gpusim.count.work_items import WORK_ITEM_FUNCTIONS, work_item_value
from gpusim.errors import CountError

BARRIERS = {"_Z7barrierj", "_Z18work_group_barrierj", "_Z18work_group_barrierj12memory_scope"}
FENCES = {
    "_Z9mem_fencej",
    "_Z14read_mem_fencej",
    "_Z15write_mem_fencej",
    "_Z22atomic_work_item_fencej12memory_order12memory_scope",
}


RECORD = "!record"
"""Line that stands for the recording of an address: instruction, kind, space, bytes, pointer."""


@dataclass(slots=True)
class ItemBody:
    """The work-item function before it is cut at barriers."""

    kernel: KernelText
    prologue: list[str]
    """Lines that every entry into the function runs."""
    start: list[str]
    """Lines that run once per work-item."""
    blocks: dict[str, list[str]]
    """Lines per block; a barrier is the line ``!barrier``."""
    types: dict[str, str]
    """Flat type of every value that may live across a barrier."""
    allocas: dict[str, tuple[str, int, int]]
    """Private array -> (type, bytes, alignment)."""
    definitions: dict[str, str]
    """Run-time functions used."""
    sites: list[Site]


@dataclass(slots=True)
class Instrumenter:
    """Builds an `ItemBody`; one use per kernel."""

    kernel: KernelText
    policy: str
    """``checked``: compare accesses with bounds, charge loops to the fuel; ``proven``: neither;
    ``slice``: no memory at all, for kernels whose branches don't depend on it."""
    is_cut: bool = False
    """Whether the function is cut at barriers: cheap values are then computed anew behind each."""
    is_recorded: bool = False
    """Whether the addresses of accesses outside private memory are recorded, for a driver that
    counts blocks itself."""
    checks: Checker = field(init=False)
    definitions: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    _guards: dict[str, Guard] = field(default_factory=dict)
    """Of the loop around each block."""
    _block: str = ""
    """Whose instructions are being rewritten."""

    def __post_init__(self) -> None:
        self.checks = Checker(self.kernel, self.policy == "checked")
        self.types = {name: flat(kind) for name, kind in self.kernel.types.items()}

    def build(self) -> ItemBody:
        """Return the function body.

        Raises
        ------
        CountError
            The kernel calls what gpusim does not execute.
        """
        costs = loop_costs(self.kernel.blocks) if self.policy == "checked" else {}
        self._find_allocas()
        hoisted = movable(self.kernel) if self.is_cut else frozenset[str]()
        has_guards = self.policy == "checked" and not self.is_recorded
        guards = find_guards(self.kernel, self.checks, costs) if has_guards else []
        self._guards = {name: guard for guard in guards for name in guard.blocks}
        blocks = {}
        numbers = {block.name: number for number, block in enumerate(self.kernel.blocks)}
        by_name = {block.name: block for block in self.kernel.blocks}
        for name in reverse_post_order(self.kernel.blocks):
            block, number = by_name[name], numbers[name]
            self._block = name
            phis = [i for i in block.instructions if i.opcode == "phi"]
            lines = [line for phi in phis for line in self._phi(phi)]
            if not self.is_recorded:
                lines += self._count(number)
            if block.name in costs:
                lines += self._charge(costs[block.name], self._guards.get(block.name))
            for instruction in block.instructions[len(phis) :]:
                if instruction is block.instructions[-1]:
                    lines += self._tests(guard for guard in guards if guard.preheader == name)
                found = self._instruction(instruction)
                (self.checks.prologue if instruction.name in hoisted else lines).extend(found)
            blocks[block.name] = lines
        return ItemBody(
            kernel=self.kernel,
            prologue=self.checks.prologue,
            start=[],
            blocks={name: blocks[name] for name in numbers if name in blocks},
            types=self.types,
            allocas=self.checks.allocas,
            definitions=self.definitions,
            sites=self.checks.sites,
        )

    def _count(self, block: int) -> list[str]:
        pointer, old, new = self.checks.fresh("p"), self.checks.fresh("c"), self.checks.fresh("n")
        return [
            f"{pointer} = getelementptr i64, ptr %g.counters, i64 {block}",
            f"{old} = load i64, ptr {pointer}",
            f"{new} = add i64 {old}, 1",
            f"store i64 {new}, ptr {pointer}",
        ]

    def _tests(self, guards: Iterable[Guard]) -> list[str]:
        lines: list[str] = []
        for guard in guards:
            self.definitions[guard.flag] = guard.definition
            self.types[guard.flag] = "i1"
            lines += guard.lines
        return lines

    def _charge(self, cost: int, guard: Guard | None) -> list[str]:
        old, new, empty = self.checks.fresh("f"), self.checks.fresh("f"), self.checks.fresh("e")
        lines = [
            f"{old} = load i64, ptr %g.fuel",
            f"{new} = sub i64 {old}, {cost}",
            f"store i64 {new}, ptr %g.fuel",
            f"{empty} = icmp slt i64 {new}, 0",
        ]
        if guard is not None:
            guarded = self.checks.fresh("e")
            lines.append(f"{guarded} = and i1 {guard.flag}, {empty}")
            empty = guarded
        return [
            *lines,
            f"call void @gpusim.check.fuel(i1 {empty}, ptr %g.ctx, {ITEM_IDS})",
        ]

    def _find_allocas(self) -> None:
        for block in self.kernel.blocks:
            for instruction in block.instructions:
                if instruction.opcode != "alloca":
                    continue
                kind, align = parse_alloca(instruction)
                size = self.kernel.sizes[kind]
                self.checks.allocas[instruction.name] = (flat(kind), size, align)

    def _phi(self, phi: Instruction) -> list[str]:
        lines = [f"{phi.name} = {flat(phi.text)}"]
        if not self.checks.needs_fat(phi.name):
            return lines
        incoming = re.findall(r"\[ (.*?), %(b\.\d+) \]", phi.text)
        bounds = [(self.checks.bounds(value), block) for value, block in incoming]
        for part, suffix in ((0, "base"), (1, "size")):
            pairs = ", ".join(f"[ {bound[part]}, %{block} ]" for bound, block in bounds)
            name = f"%g.{phi.name[1:]}.{suffix}"
            self.types[name] = "i64"
            lines.append(f"{name} = phi i64 {pairs}")
        return lines

    def _select(self, instruction: Instruction) -> list[str]:
        lines = define(instruction)
        if not self.checks.needs_fat(instruction.name):
            return lines
        match = re.match(r"^select (i1 \S+), ptr[^%@n]* (\S+), ptr[^%@n]* (\S+)$", instruction.text)
        if match is None:
            raise CountError(f"pointer select not understood: {instruction.text}")
        left, right = self.checks.bounds(match.group(2)), self.checks.bounds(match.group(3))
        for part, suffix in ((0, "base"), (1, "size")):
            name = f"%g.{instruction.name[1:]}.{suffix}"
            self.types[name] = "i64"
            lines.append(f"{name} = select {match.group(1)}, i64 {left[part]}, i64 {right[part]}")
        return lines

    def _instruction(self, instruction: Instruction) -> list[str]:
        match instruction.opcode:
            case "load" | "store" | "atomicrmw" | "cmpxchg":
                return self._memory(instruction)
            case "alloca" | "fence":
                return []
            case "call":
                return self._call(instruction)
            case "select":
                return self._select(instruction)
            case "br" | "switch" | "ret":
                return [_terminator(instruction)]
            case "unreachable":
                return [
                    f"call void @gpusim.unreachable(ptr %g.ctx, {ITEM_IDS})",
                    "unreachable",
                ]
            case "invoke" | "indirectbr" | "resume" | "callbr" | "va_arg":
                raise CountError(f"{instruction.opcode} is not executed")
        return define(instruction)

    def _record(self, access: Access) -> list[str]:
        if not self.is_recorded or not access.address_space:
            return []
        pointer = flat(" " + access.pointer)[1:]
        what = f"{access.instruction} {access.kind} {access.address_space} {access.bytes}"
        return [f"{RECORD} {what} {pointer}"]

    def _memory(self, instruction: Instruction) -> list[str]:
        accesses = accesses_of(self.kernel, instruction)
        lines = [line for access in accesses for line in self._record(access)]
        if self.policy == "slice":
            return [*lines, zero(instruction.name, instruction.type)] if instruction.name else lines
        guard = self._guards.get(self._block)
        for number, access in enumerate(accesses):
            is_covered = guard is not None and (instruction.index, number) in guard.covered
            lines += self.checks.check(access, guard.flag if guard and is_covered else "")
        text = flat(instruction.text)
        prefix = f"{instruction.name} = " if instruction.name else ""
        return [*lines, prefix + text]

    def _call(self, instruction: Instruction) -> list[str]:
        call = parse_call(instruction)
        if call.callee in BARRIERS:
            return [] if self.policy == "slice" and not self.is_recorded else ["!barrier"]
        if call.callee in FENCES:
            return []
        if call.callee in WORK_ITEM_FUNCTIONS:
            return work_item_value(instruction.name, call)
        if call.callee.startswith("llvm."):
            return self._intrinsic(instruction, call)
        if is_image_function(call.callee):
            self.definitions.update(image_definitions())
            return image_lines(instruction.name, call, self.checks.fresh)
        if call.callee == "printf":
            return [zero(instruction.name, "i32")] if instruction.name else []
        return self._maths(instruction, call)

    def _intrinsic(self, instruction: Instruction, call: Call) -> list[str]:
        if call.callee.startswith(("llvm.fma.", "llvm.fmuladd.")) and call.type.endswith(
            ("half", "half>")
        ):
            name, text = maths.half_fma(lanes_of(call.type)[0])
            self.definitions[name] = text
            return [f"{instruction.name} = {call_text(call, name)}"]
        accesses = accesses_of(self.kernel, instruction)
        lines = [line for access in accesses for line in self._record(access)]
        if accesses and self.policy == "slice":
            return lines
        for access in accesses:
            lines += self.checks.check(access)
        return [*lines, *define(instruction)]

    def _maths(self, instruction: Instruction, call: Call) -> list[str]:
        name = maths.base_name(call.callee)
        scalars = tuple(flat(kind) for kind, _ in call.arguments)
        is_scalar = name is not None and not any(lanes_of(kind)[0] for kind in scalars)
        if is_scalar and maths.definition(str(name), flat(call.type), scalars) is not None:
            return self._apply(instruction.name, str(name), call)
        return self._builtin(instruction, call)

    def _builtin(self, instruction: Instruction, call: Call) -> list[str]:
        """Call a built-in function that the compiler defines; only ready bitcode has any."""
        accesses = builtin_accesses(call)
        prefix = f"{instruction.name} = " if instruction.name else ""
        lines = []
        for access in accesses:
            pointer = call.arguments[access.pointer][1]
            address = pointer
            if access.index >= 0:
                kind, index = call.arguments[access.index]
                address, scaled = self.checks.fresh("q"), self.checks.fresh("i")
                lines += [
                    f"{scaled} = mul {kind} {flat(' ' + index)[1:]}, {access.stride_bytes}",
                    f"{address} = getelementptr i8, ptr {flat(' ' + pointer)[1:]}, {kind} {scaled}",
                ]
                self.checks.roots.of[address] = self.checks.roots.roots(pointer)
            space = address_space(call.arguments[access.pointer][0])
            found = Access(
                instruction=instruction.index,
                kind=access.kind,
                pointer=address,
                address_space=space,
                bytes=access.bytes,
                align_bytes=access.align_bytes,
            )
            lines += [*self._record(found), *self.checks.check(found)]
        if accesses and self.policy == "slice":
            return [*lines, zero(instruction.name, call.type)] if instruction.name else lines
        if call.callee not in self.definitions:
            definitions, externals = builtin_definitions(call, self.kernel.name)
            self.definitions.update(definitions)
            for external in externals:
                self._wrap(external)
        return [*lines, prefix + call_text(call)]

    def _wrap(self, external: Call) -> None:
        """Define a maths function under its mangled name, for bodies that call it."""
        name = maths.base_name(external.callee)
        scalars = tuple(kind for kind, _ in external.arguments)
        symbol = self._define(str(name), external.type, scalars, external.callee)
        formals = ", ".join(f"{kind} %x{i}" for i, kind in enumerate(scalars))
        self.definitions[external.callee] = (
            f"define internal {external.type} @{external.callee}({formals}) {{\n"
            f"  %r = call {external.type} @{symbol}({formals})\n  ret {external.type} %r\n}}"
        )

    def _apply(self, result: str, name: str, call: Call) -> list[str]:
        """Call a scalar maths function once per lane."""
        lanes, lane_type = lanes_of(call.type)
        scalars = tuple(flat(lanes_of(kind)[1]) for kind, _ in call.arguments)
        function = self._define(name, flat(lane_type), scalars, call.callee)
        if not lanes:
            return [f"{result} = " + call_text(call, function)] if result else []
        lines, vector = [], "zeroinitializer"
        for lane in range(lanes):
            passed = []
            for (kind, value), scalar in zip(call.arguments, scalars, strict=True):
                text = flat(" " + value)[1:]
                if lanes_of(kind)[0]:
                    part = self.checks.fresh("x")
                    lines.append(f"{part} = extractelement {kind} {text}, i32 {lane}")
                    text = part
                passed.append(f"{scalar} {text}")
            one = self.checks.fresh("y")
            lines.append(f"{one} = call {lane_type} @{function}({', '.join(passed)})")
            following = result if lane == lanes - 1 else self.checks.fresh("v")
            lines.append(
                f"{following} = insertelement {call.type} {vector}, {lane_type} {one}, i32 {lane}"
            )
            vector = following
        return lines

    def _define(self, name: str, result: str, scalars: tuple[str, ...], callee: str) -> str:
        symbol = maths.symbol(name, result, scalars)
        if symbol in self.definitions:
            return symbol
        text = maths.definition(name, result, scalars)
        if text is None:
            raise CountError(
                f"kernel {self.kernel.name}: calls {callee}, a function gpusim cannot execute"
            )
        self.definitions[symbol] = text
        if "half.fma" in text:
            fma, fma_text = maths.half_fma(0)
            self.definitions[fma] = fma_text
        for used, kind in maths.dependencies(text):
            arguments = tuple(kind if t in ("half", "float", "double") else t for t in scalars)
            wide = kind if result in ("half", "float", "double") else result
            self._define(used, wide, arguments, callee)
        return symbol


def _terminator(instruction: Instruction) -> str:
    if instruction.opcode == "ret":
        if instruction.text != "ret void":
            raise CountError("a kernel returns nothing")
        return "ret void"
    return flat(instruction.text)


def has_barrier(kernel: KernelText) -> bool:
    """Whether a kernel calls a barrier."""
    calls = (i for b in kernel.blocks for i in b.instructions if i.opcode == "call")
    return any(f"@{name}(" in call.text for call in calls for name in BARRIERS)


_PURE = {
    *("add", "sub", "mul", "shl", "lshr", "ashr", "and", "or", "xor", "sdiv", "udiv", "srem"),
    *("urem", "trunc", "zext", "sext", "icmp", "select", "getelementptr", "bitcast"),
    *("addrspacecast", "freeze"),
}


def movable(kernel: KernelText) -> frozenset[str]:
    """Return the values made of ids, sizes and arguments by cheap integer instructions alone."""
    found = {formal.name for formal in kernel.formals}
    by_name = {block.name: block for block in kernel.blocks}
    for name in reverse_post_order(kernel.blocks):
        for instruction in by_name[name].instructions:
            is_id = instruction.opcode == "call" and any(
                f"@{function}(" in instruction.text for function in WORK_ITEM_FUNCTIONS
            )
            is_scalar = instruction.type.startswith(("i", "ptr"))
            if (
                (instruction.opcode in _PURE or is_id)
                and is_scalar
                and found.issuperset(instruction.values())
            ):
                found.add(instruction.name)
    return frozenset(found)
