"""A slow, obvious interpreter of `KernelIR` for one work-item: the oracle of the address tests.

Integers and addresses are computed; floating-point values are not (they are None), so control flow
must not depend on them. Loads of integers give 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gpusim.compiler.kernel_ir import BLOCK, CONSTANT, PARAMETER, KernelIR
from gpusim.compiler.layout import member_offset, parse_structs, stride_bytes


@dataclass(frozen=True)
class Place:
    """An address: what it points into and how far."""

    base: str
    offset: int


@dataclass(frozen=True)
class Event:
    """An executed memory access."""

    instruction: int
    place: Place
    iterations: Mapping[int, int]


class Interpreter:
    def __init__(
        self,
        kernel: KernelIR,
        arguments: Mapping[int, int],
        sizes: Mapping[str, int],
        group: tuple[int, int, int],
        local: tuple[int, int, int],
    ) -> None:
        self.kernel = kernel
        self.arguments = arguments
        self.sizes = sizes
        self.ids = {"group_id": group, "local_id": local}
        self.values: dict[int, Any] = {}
        types = [line for line in kernel.text.splitlines() if " = type " in line]
        self.structs = parse_structs(types)
        self.iterations: dict[int, int] = {}

    def read(self, code: int, text: str) -> Any:
        if code >= 0:
            return self.values[code]
        if code == CONSTANT:
            if text in ("true", "false"):
                return int(text == "true")
            if text.startswith("@"):
                return Place(text, 0)
            return int(text) if text.lstrip("-").isdigit() else None
        parameter = self.kernel.parameters[PARAMETER - code]
        if parameter.kind in ("buffer", "local"):
            return Place(f"arg{PARAMETER - code}", 0)
        return self.arguments.get(PARAMETER - code)

    def run(self, limit: int = 200_000) -> Iterator[Event]:
        instructions = self.kernel.instructions
        first = {}
        for number, block in enumerate(instructions["block"].tolist()):
            first.setdefault(block, number)
        previous, block = -1, 0
        while True:
            self._enter(previous, block)
            number = first[block]
            target = None
            incoming = {}
            while target is None:
                limit -= 1
                assert limit > 0, "the kernel does not end"
                start, end = self.kernel.operand_start[number : number + 2]
                operands = list(
                    zip(
                        self.kernel.operands[start:end].tolist(),
                        self.kernel.operand_text[start:end],
                        strict=True,
                    )
                )
                opcode = self.kernel.opcodes[instructions["opcode"][number]]
                if opcode == "phi":
                    pairs = zip(operands[::2], operands[1::2], strict=True)
                    incoming[number] = next(
                        self.read(*value) for value, label in pairs if BLOCK - label[0] == previous
                    )
                else:
                    # All PHIs of a block read the values of the edge, not each other's new ones.
                    self.values.update(incoming)
                    incoming = {}
                    if opcode in ("load", "store", "atomicrmw"):
                        place = self.read(*operands[opcode == "store"])
                        yield Event(number, place, dict(self.iterations))
                    if opcode == "ret":
                        return
                    if opcode == "br":
                        target = self._branch(operands)
                    else:
                        self.values[number] = self._compute(number, opcode, operands)
                number += 1
            previous, block = block, target

    def _enter(self, previous: int, block: int) -> None:
        for number, loop in enumerate(self.kernel.loops):
            if loop.header == block:
                inside = previous in loop.blocks
                self.iterations[number] = self.iterations.get(number, 0) + 1 if inside else 0

    def _branch(self, operands: list[tuple[int, str]]) -> int:
        if len(operands) == 1:
            return BLOCK - operands[0][0]
        condition = self.read(*operands[0])
        assert condition is not None, "control flow depends on floats"
        return BLOCK - operands[1 if condition & 1 else 2][0]

    def _compute(self, number: int, opcode: str, operands: list[tuple[int, str]]) -> Any:
        kind = self.kernel.types[self.kernel.instructions["type"][number]]
        if opcode == "getelementptr":
            return self._gep(number, operands)
        if opcode == "alloca":
            return Place(f"private{number}", 0)
        if opcode == "call":
            return self._call(number, operands)
        if kind.kind not in ("int", "pointer") or kind.lanes > 1:
            return None
        if opcode == "load":
            return 0
        values = [self.read(*operand) for operand in operands]
        if any(value is None for value in values[:2]):
            return None
        bits = self.kernel.types[self.kernel.instructions["operand_type"][number]].bits
        return self._arithmetic(number, opcode, values, bits, kind.bits)

    def _arithmetic(
        self, number: int, opcode: str, values: list[Any], bits: int, result_bits: int
    ) -> Any:
        mask = (1 << bits) - 1

        def signed(value: int, width: int = bits) -> int:
            value &= (1 << width) - 1
            return value - (1 << width) if value >> (width - 1) else value

        a = values[0]
        b = values[1] if len(values) > 1 else 0
        if opcode == "icmp":
            predicate = self.kernel.predicates[self.kernel.instructions["predicate"][number]]
            if predicate.startswith("u"):
                a, b = a & mask, b & mask
            else:
                a, b = signed(a), signed(b)
            relation = predicate.lstrip("us") if len(predicate) == 3 else predicate
            return int(
                {"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}[
                    relation
                ]
            )
        if opcode == "select":
            return b if a & 1 else values[2]
        if opcode in ("sext", "trunc", "freeze", "zext"):
            return signed(a) if opcode == "sext" else signed(a & mask, result_bits)
        results = {
            "add": lambda: a + b,
            "sub": lambda: a - b,
            "mul": lambda: a * b,
            "shl": lambda: a << b,
            "lshr": lambda: (a & mask) >> b,
            "ashr": lambda: signed(a) >> b,
            "and": lambda: a & b,
            "or": lambda: a | b,
            "xor": lambda: a ^ b,
            "udiv": lambda: (a & mask) // (b & mask) if b & mask else 0,
            "urem": lambda: (a & mask) % (b & mask) if b & mask else 0,
            "sdiv": lambda: int(signed(a) / signed(b)) if b else 0,
            "srem": lambda: signed(a) - signed(b) * int(signed(a) / signed(b)) if b else 0,
        }
        return signed(results[opcode](), result_bits)

    def _gep(self, number: int, operands: list[tuple[int, str]]) -> Place:
        place = self.read(*operands[0])
        kind = self.kernel.types[self.kernel.instructions["element_type"][number]].text
        offset = place.offset
        for position, operand in enumerate(operands[1:]):
            index = self.read(*operand)
            if position and (kind in self.structs or kind.startswith("{")):
                kind, step = member_offset(kind, index, self.structs)
                offset += step
                continue
            if position:
                kind = kind[kind.index(" x ") + 3 : -1]
            offset += index * stride_bytes(kind, self.structs)
        return Place(place.base, offset)

    def _call(self, number: int, operands: list[tuple[int, str]]) -> Any:
        callee = self.kernel.callees[self.kernel.instructions["callee"][number]]
        if "get_" not in callee:
            if callee.startswith(("llvm.smin", "llvm.umin")):
                return min(self.read(*operands[0]), self.read(*operands[1]))
            return None
        name = callee.split("get_")[1][:-1]
        if name.endswith("linear_id"):
            return self._linear_id(name.removesuffix("_linear_id"))
        dimension = int(operands[0][1])
        if name in self.ids:
            return self.ids[name][dimension]
        if name == "global_id":
            return (
                self.ids["group_id"][dimension] * self.sizes[f"local_size{dimension}"]
                + self.ids["local_id"][dimension]
                + self.sizes[f"global_offset{dimension}"]
            )
        return self.sizes[f"{name}{dimension}"]

    def _linear_id(self, kind: str) -> int:
        total = 0
        for dimension in (2, 1, 0):
            size = self.sizes[f"local_size{dimension}"]
            item = self.ids["local_id"][dimension]
            if kind == "global":
                item += self.ids["group_id"][dimension] * size
                size = self.sizes[f"global_size{dimension}"]
            total = total * size + item
        return total
