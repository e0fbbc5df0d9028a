"""The integer part of a kernel, ready to run: what decides blocks and addresses, nothing else.

Work-item ids and arguments are known at a launch; so the blocks that a work-item executes and the
addresses it touches follow from integer arithmetic alone, unless they depend on loaded data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import BLOCK, KernelIR
from gpusim.isa.ir_view import IRView, is_value, parameter_index
from gpusim.loops import thread_run as op
from gpusim.timing.work_item_ids import ID_NAMES, LOCAL_BASE, SIZE_NAMES

ACCESS_SITE = np.dtype(
    [
        ("instruction", np.int64),
        ("block", np.int64),
        ("address_space", np.int64),
        ("access_bytes", np.int64),
        ("is_load", np.bool_),
        ("is_store", np.bool_),  # an atomic is both
        ("is_known", np.bool_),  # whether the address follows from ids and arguments
    ]
)

_BINARY = {
    "add": op.ADD,
    "sub": op.SUB,
    "mul": op.MUL,
    "shl": op.SHL,
    "lshr": op.LSHR,
    "ashr": op.ASHR,
    "and": op.AND,
    "or": op.OR,
    "xor": op.XOR,
    "sdiv": op.SDIV,
    "udiv": op.UDIV,
    "srem": op.SREM,
    "urem": op.UREM,
}
# predicate -> operation, operands swapped
_PREDICATES = {
    "eq": (op.EQ, False),
    "ne": (op.NE, False),
    "slt": (op.SLT, False),
    "sle": (op.SLE, False),
    "sgt": (op.SLT, True),
    "sge": (op.SLE, True),
    "ult": (op.ULT, False),
    "ule": (op.ULE, False),
    "ugt": (op.ULT, True),
    "uge": (op.ULE, True),
}
_COPIES = ("sext", "freeze", "bitcast", "addrspacecast", "ptrtoint", "inttoptr")
_CALLS = {
    "smin": op.SMIN,
    "smax": op.SMAX,
    "umin": op.UMIN,
    "umax": op.UMAX,
    "sdiv": op.SDIV,
    "udiv": op.UDIV,
    "srem": op.SREM,
    "urem": op.UREM,
}
_INTRINSIC = re.compile(r"(?:llvm|gpusim)\.(\w+)\.i(\d+)$")
_COUNTS = {"ctpop": op.POPCOUNT, "ctlz": op.CTLZ, "cttz": op.CTTZ}
_BUILTIN = re.compile(r"_Z\d+get_(\w+?)[jv]$")
_VARIABLE_STRIDE = 1 << 24
"""Distance of the made-up addresses of program-scope and local variables."""


class UnsupportedError(Exception):
    """A value does not follow from ids and arguments by the operations known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadProgram:
    """Code for :func:`gpusim.loops.thread_run.run_threads`."""

    code: npt.NDArray[np.int64]
    edges: npt.NDArray[np.int64]
    copies: npt.NDArray[np.int64]
    initial: npt.NDArray[np.int64]
    """Registers with constants in place; those of parameters and sizes are set per job."""
    names: dict[str, int]
    """Register of each input, size and parameter (``parameter3``); inputs come first."""
    sites: npt.NDArray[np.void]
    """(n_site,) ACCESS_SITE in program order; only known ones appear in the address stream."""
    block_sites: tuple[npt.NDArray[np.int64], ...] = field(repr=False)
    """Known sites of each block, in order."""


def thread_program(kernel: KernelIR) -> ThreadProgram | None:
    """Return the integer part of `kernel`; None if control flow depends on loaded data."""
    try:
        return _Builder(kernel).build()
    except UnsupportedError:
        return None


class _Builder:
    """Selects what is needed, numbers registers, emits code block by block."""

    def __init__(self, kernel: KernelIR) -> None:
        self._kernel = kernel
        self._view = IRView(kernel)
        self._registers: dict[object, int] = {}
        self._constants: dict[int, int] = {}
        self._code: list[tuple[int, int, int, int, int]] = []
        self._edges: list[tuple[int, int]] = []
        """(from block, to block); turned into rows at the end."""
        for name in (*ID_NAMES, *SIZE_NAMES):
            self._registers[name] = len(self._registers)
        for index in range(len(kernel.parameters)):
            self._registers[f"parameter{index}"] = len(self._registers)
        self._variables: dict[str, int] = {}

    def build(self) -> ThreadProgram:
        sites = self._find_sites()
        conditions = [
            codes[0]
            for index, codes in enumerate(self._view.operands)
            if self._view.opcode[index] in ("br", "switch") and len(codes) > 1
        ]
        addresses = [self._address_operand(int(row["instruction"])) for row in sites]
        needed = self._needed([c for c in (*conditions, *addresses) if c >= 0])
        unknown = self._unknown(needed)
        if any(code in unknown for code in conditions):
            raise UnsupportedError
        sites["is_known"] = [code not in unknown for code in addresses]
        computed = needed - unknown
        starts: list[int] = []
        known_by_block: list[list[int]] = []
        position = {int(row["instruction"]): row for row in sites}
        for block, members in enumerate(self._view.members):
            starts.append(len(self._code))
            known_by_block.append([])
            self._emit(op.BLOCK, a=block)
            for index in members:
                if index in position and position[index]["is_known"]:
                    self._emit(op.ACCESS, a=self._operand(index, self._address_position(index)))
                    known_by_block[block].append(index)
                if index in computed and self._view.opcode[index] != "phi":
                    self._emit_value(index)
                if self._view.opcode[index] in ("br", "switch", "ret", "unreachable"):
                    self._emit_terminator(index, block)
        edges, copies = self._finish_edges(starts, computed)
        initial = np.zeros(len(self._registers) + len(self._constants) + 1, dtype=np.int64)
        for value, register in self._constants.items():
            initial[register] = value
        numbers = {int(row["instruction"]): i for i, row in enumerate(sites)}
        return ThreadProgram(
            code=np.array(self._code, dtype=np.int64),
            edges=edges,
            copies=copies,
            initial=initial,
            names={name: r for name, r in self._registers.items() if isinstance(name, str)},
            sites=sites,
            block_sites=tuple(
                np.array([numbers[i] for i in members], dtype=np.int64)
                for members in known_by_block
            ),
        )

    def _find_sites(self) -> npt.NDArray[np.void]:
        rows = self._kernel.instructions
        indices = np.flatnonzero(rows["access_bytes"] > 0)
        sites = np.zeros(len(indices), dtype=ACCESS_SITE)
        sites["instruction"] = indices
        for name in ("block", "address_space", "access_bytes"):
            sites[name] = rows[name][indices]
        names = [self._view.opcode[index] for index in indices]
        sites["is_load"] = [name != "store" for name in names]
        sites["is_store"] = [name != "load" for name in names]
        return sites

    def _address_position(self, index: int) -> int:
        return 1 if self._view.opcode[index] == "store" else 0

    def _address_operand(self, index: int) -> int:
        """Return the operand code of the address; calls (atomics, vloads) address their first."""
        return self._view.operands[index][self._address_position(index)]

    def _needed(self, seeds: list[int]) -> set[int]:
        needed: set[int] = set()
        pending = list(seeds)
        while pending:
            value = pending.pop()
            if value in needed:
                continue
            needed.add(value)
            if self._view.opcode[value] in ("load", "atomicrmw", "cmpxchg"):
                continue
            pending += [code for code in self._view.operands[value] if is_value(code)]
        return needed

    def _unknown(self, needed: set[int]) -> set[int]:
        """Return the needed values that cannot be computed, and all that follows from them."""
        unknown = {index for index in needed if not self._is_supported(index)}
        has_grown = True
        while has_grown:
            has_grown = False
            for index in needed - unknown:
                if any(code in unknown for code in self._view.operands[index]):
                    unknown.add(index)
                    has_grown = True
        return unknown

    def _is_supported(self, index: int) -> bool:
        name = self._view.opcode[index]
        kind = self._view.type_of(index)
        if kind.kind not in ("int", "pointer") or kind.lanes != 1 or kind.bits > 64:
            return False
        if name in ("phi", "select", "trunc", "zext", "getelementptr", "alloca", *_COPIES):
            return name != "select" or self._view.operand_type(index).lanes == 1
        if name in _BINARY:
            return True
        if name == "icmp":
            return self._view.operand_type(index).lanes == 1
        if name == "call":
            callee = self._view.callee(index)
            match = _INTRINSIC.match(callee)
            if match:
                return match.group(1) in (*_CALLS, *_COUNTS, "abs")
            return self._builtin_register(index) is not None
        return False

    def _builtin_register(self, index: int) -> int | None:
        """Return the register of a work-item function's value."""
        match = _BUILTIN.match(self._view.callee(index))
        if match is None:
            return None
        name = match.group(1)
        if name in ("local_linear_id", "global_linear_id", "work_dim"):
            return self._registers[name]
        texts = self._view.operand_texts[index]
        if not texts or not texts[0].isdigit():
            return None
        axis = int(texts[0])
        if axis > 2:
            return self._constant(0 if name.endswith(("id", "offset")) else 1)
        return self._registers.get(f"{name}{axis}")

    def _constant(self, value: int) -> int:
        if value not in self._constants:
            register = self._registers.setdefault(("constant", value), len(self._registers))
            self._constants[value] = register
        return self._constants[value]

    def _operand(self, index: int, position: int) -> int:
        code = self._view.operands[index][position]
        if is_value(code):
            return self._register(code)
        parameter = parameter_index(code)
        if parameter >= 0:
            return self._registers[f"parameter{parameter}"]
        return self._constant(self._literal(self._view.operand_texts[index][position]))

    def _register(self, index: int) -> int:
        if self._view.opcode[index] == "call":
            builtin = self._builtin_register(index)
            if builtin is not None:
                return builtin
        return self._registers.setdefault(index, len(self._registers))

    def _literal(self, text: str) -> int:
        if text in ("true", "false"):
            return int(text == "true")
        if text in ("null", "undef", "poison", "zeroinitializer"):
            return 0
        match = re.search(r'@"?([\w.$-]+)', text)
        if match:
            order = self._variables.setdefault(match.group(1), len(self._variables))
            return LOCAL_BASE + order * _VARIABLE_STRIDE
        try:
            value = int(text)
        except ValueError as error:
            raise UnsupportedError from error
        return value - (1 << 64) if value >= 1 << 63 else value

    def _emit(self, operation: int, dst: int = 0, a: int = 0, b: int = 0, c: int = 0) -> None:
        self._code.append((operation, dst, a, b, c))

    def _emit_value(self, index: int) -> None:
        view = self._view
        name, bits = view.opcode[index], view.type_of(index).bits
        if name == "call" and self._builtin_register(index) is not None:
            return
        dst = self._register(index)
        if name == "alloca":
            self._emit(op.COPY, dst, self._registers["private_base"])
        elif name == "getelementptr":
            self._emit_address(index, dst)
        elif name in _COPIES:
            self._emit(op.COPY, dst, self._operand(index, 0))
        elif name in ("trunc", "zext"):
            width = bits if name == "trunc" else view.operand_type(index).bits
            code = op.TRUNC if name == "trunc" else op.ZEXT
            self._emit(code, dst, self._operand(index, 0), c=width)
        elif name == "select":
            self._emit(op.SELECT, dst, *(self._operand(index, i) for i in range(3)))
        elif name == "icmp":
            code, is_swapped = _PREDICATES[view.predicate(index)]
            a, b = self._operand(index, 0), self._operand(index, 1)
            self._emit(code, dst, *((b, a) if is_swapped else (a, b)))
        elif name in _BINARY:
            a, b = self._operand(index, 0), self._operand(index, 1)
            self._emit(_BINARY[name], dst, a, b, bits)
        else:
            self._emit_intrinsic(index, dst, bits)

    def _emit_intrinsic(self, index: int, dst: int, bits: int) -> None:
        match = _INTRINSIC.match(self._view.callee(index))
        name = match.group(1) if match else ""
        a = self._operand(index, 0)
        if name == "abs":
            self._emit(op.ABS, dst, a)
        elif name in _COUNTS:
            self._emit(_COUNTS[name], dst, a, c=bits)
        else:
            self._emit(_CALLS[name], dst, a, self._operand(index, 1), bits)

    def _emit_address(self, index: int, dst: int) -> None:
        self._emit(op.COPY, dst, self._operand(index, 0))
        for position, stride in enumerate(self._view.element_bytes[index], start=1):
            scaled = self._registers.setdefault("scaled", len(self._registers))
            step = self._operand(index, position)
            self._emit(op.MUL, scaled, step, self._constant(stride), 64)
            self._emit(op.ADD, dst, dst, scaled, 64)

    def _emit_terminator(self, index: int, block: int) -> None:
        codes = self._view.operands[index]
        name = self._view.opcode[index]
        if name in ("ret", "unreachable"):
            self._emit(op.RETURN)
        elif name == "br" and len(codes) == 1:
            self._emit(op.JUMP, a=self._edge(block, codes[0]))
        elif name == "br":
            yes, no = self._edge(block, codes[1]), self._edge(block, codes[2])
            self._emit(op.BRANCH, a=self._operand(index, 0), b=yes, c=no)
        else:
            self._emit_switch(index, block)

    def _emit_switch(self, index: int, block: int) -> None:
        """Test one case after the other; the fall-through of a test is the next row."""
        codes = self._view.operands[index]
        value = self._operand(index, 0)
        test = self._registers.setdefault("test", len(self._registers))
        for position in range(2, len(codes), 2):
            self._emit(op.EQ, test, value, self._operand(index, position))
            onward = self._edge(-1, len(self._code) + 1)
            taken = self._edge(block, codes[position + 1])
            self._emit(op.BRANCH, a=test, b=taken, c=onward)
        self._emit(op.JUMP, a=self._edge(block, codes[1]))

    def _edge(self, source: int, target: int) -> int:
        """Return the number of a new edge; from -1 the target is a row, else a block's code."""
        self._edges.append((source, BLOCK - target if source >= 0 else target))
        return len(self._edges) - 1

    def _finish_edges(
        self, starts: list[int], computed: set[int]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        edges, copies = [], list[tuple[int, int]]()
        for source, target in self._edges:
            first = len(copies)
            if source >= 0:
                copies += self._phi_copies(source, target, computed)
            row = starts[target] if source >= 0 else target
            edges.append((row, first, len(copies)))
        return (
            np.array(edges, dtype=np.int64).reshape(-1, 3),
            np.array(copies, dtype=np.int64).reshape(-1, 2),
        )

    def _phi_copies(
        self, source: int, target: int, computed: set[int]
    ) -> Iterator[tuple[int, int]]:
        for index in self._view.members[target]:
            if self._view.opcode[index] != "phi" or index not in computed:
                continue
            codes = self._view.operands[index]
            for position in range(0, len(codes), 2):
                if BLOCK - codes[position + 1] == source:
                    yield self._register(index), self._operand(index, position)
                    break
