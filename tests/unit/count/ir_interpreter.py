"""A slow, obvious interpreter of `KernelIR`: one work-item, one instruction at a time.

Integers are Python integers without sign, floats are rounded after each operation, vectors are
lists. It knows what the divergent kernels of the tests need; the rest raises `UnsupportedError`.
"""

import math
import re
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpusim.compiler.kernel_ir import BLOCK, KernelIR
from gpusim.count.address_stream import CONSTANT_BASE, LOCAL_BASE

PRIVATE_BASE = 1 << 60


class UnsupportedError(Exception):
    """The interpreter does not know an instruction."""


@dataclass
class Space:
    """All memory that a group's work-items share, as pieces of bytes at their addresses."""

    pieces: list[tuple[int, bytearray]] = field(default_factory=list)

    def find(self, address: int, size: int) -> tuple[bytearray, int]:
        for start, content in self.pieces:
            if start <= address and address + size <= start + len(content):
                return content, address - start
        raise AssertionError(f"no memory at {address:#x}")


@dataclass
class Shape:
    """What the work-item functions say."""

    global_size: tuple[int, int, int]
    local_size: tuple[int, int, int]
    num_groups: tuple[int, int, int]
    global_offset: tuple[int, int, int]
    work_dim: int


@dataclass
class Lane:
    """One work-item: where it is, what it has computed."""

    local_id: tuple[int, int, int]
    group_id: tuple[int, int, int]
    arguments: list[Any]
    block: int = 0
    before: int = -1
    position: int = 0
    """Instructions of the block that are done; more than none behind a barrier."""
    values: dict[int, Any] = field(default_factory=dict)
    private: Space = field(default_factory=Space)
    used_bytes: int = 0


_FLOATS = {"half": "e", "float": "f", "double": "d"}
_DTYPES = {"half": np.float16, "float": np.float32, "double": np.float64}
_VECTOR = re.compile(r"<(\d+) x (.*)>")
_IDS = {
    "_Z13get_global_idj": "global_id",
    "_Z12get_local_idj": "local_id",
    "_Z12get_group_idj": "group_id",
    "_Z15get_global_sizej": "global_size",
    "_Z14get_local_sizej": "local_size",
    "_Z14get_num_groupsj": "num_groups",
    "_Z17get_global_offsetj": "global_offset",
}
BARRIER = "_Z7barrierj"


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def bits_of(kind: str) -> int:
    return 64 if kind.startswith("ptr") else int(kind[1:])


def size_of(kind: str) -> int:
    if match := re.fullmatch(r"\[(\d+) x (.*)\]", kind):
        return int(match[1]) * size_of(match[2])
    if match := _VECTOR.fullmatch(kind):
        lanes = 4 if match[1] == "3" else int(match[1])
        return lanes * size_of(match[2])
    if kind in _FLOATS:
        return struct.calcsize(_FLOATS[kind])
    if kind.startswith(("i", "ptr")):
        return (bits_of(kind) + 7) // 8
    raise UnsupportedError(kind)


def pack(value: Any, kind: str) -> bytes:
    if match := _VECTOR.fullmatch(kind):
        return b"".join(pack(part, match[2]) for part in value)
    if kind in _DTYPES:
        return _DTYPES[kind](value).tobytes()
    return int(value).to_bytes(size_of(kind), "little")


def unpack(data: bytes, kind: str) -> Any:
    if match := _VECTOR.fullmatch(kind):
        step = size_of(match[2])
        return [unpack(data[i * step : (i + 1) * step], match[2]) for i in range(int(match[1]))]
    if kind in _DTYPES:
        return float(np.frombuffer(data, _DTYPES[kind])[0])
    return int.from_bytes(data, "little")


def stored_bytes(kind: str) -> int:
    """Bytes that a load or store touches: three of a three-component vector."""
    match = _VECTOR.fullmatch(kind)
    return int(match[1]) * size_of(match[2]) if match else size_of(kind)


class Interpreter:
    """Runs the work-items of one group."""

    def __init__(self, kernel: KernelIR, shape: Shape, shared: Space, arguments: list[Any]) -> None:
        self.kernel, self.shape, self.shared, self.arguments = kernel, shape, shared, arguments
        self.types = [t.text for t in kernel.types]
        self.members = [
            np.flatnonzero(kernel.instructions["block"] == b).tolist()
            for b in range(kernel.n_blocks)
        ]
        self.variables: dict[str, int] = {}
        self._place_variables()

    def _place_variables(self) -> None:
        """Give program-scope variables their addresses: local ones first, in order of the text."""
        places = {3: LOCAL_BASE, 2: CONSTANT_BASE}
        pattern = r'^@("?)([\w.$]+)\1 = .*?addrspace\((\d)\)\s+(?:global|constant)\s+(.*)$'
        for _, name, space, rest in re.findall(pattern, self.kernel.text, re.MULTILINE):
            kind = re.match(r"\[.*?\]+|\S+", rest)
            assert kind is not None
            size = size_of(kind[0].rstrip(","))
            where = 3 if space == "3" else 2
            self.variables[name] = places[where]
            if where == 2:
                raise UnsupportedError("constant table")
            self.shared.pieces.append((places[where], bytearray(size)))
            places[where] += -(-size // 128) * 128
        for index, size in enumerate(self.arguments):
            if isinstance(size, tuple):
                self.arguments[index] = places[3]
                self.shared.pieces.append((places[3], bytearray(size[0])))
                places[3] += -(-size[0] // 128) * 128

    def lanes(self, group: int) -> list[Lane]:
        (gx, gy, _), (x, y, z) = self.shape.num_groups, self.shape.local_size
        where = (group % gx, group // gx % gy, group // (gx * gy))
        return [
            Lane((i, j, k), where, self.arguments)
            for k in range(z) for j in range(y) for i in range(x)
        ]  # fmt: skip

    def run_block(self, lane: Lane, accesses: list[tuple[int, int, int]]) -> str:
        """Run a lane to the end of its block or to a barrier.

        Returns ``next``, ``barrier`` or ``end``. Accesses outside private memory are appended:
        (instruction, address, bytes).
        """
        members = self.members[lane.block]
        if lane.position == 0:
            self._phis(lane, members)
        for place in range(lane.position, len(members)):
            index = members[place]
            opcode = self.opcode(index)
            if opcode == "phi":
                continue
            if opcode == "call" and self.callee(index) == BARRIER:
                lane.position = place + 1
                return "barrier"
            if opcode in ("br", "switch"):
                lane.before, lane.block = lane.block, self._target(lane, index)
                lane.position = 0
                return "next"
            if opcode == "ret":
                return "end"
            lane.values[index] = self._execute(lane, index, opcode, accesses)
        raise AssertionError("a block without a terminator")

    def opcode(self, index: int) -> str:
        return self.kernel.opcodes[self.kernel.instructions["opcode"][index]]

    def callee(self, index: int) -> str:
        return self.kernel.callees[self.kernel.instructions["callee"][index]]

    def type_of(self, index: int, column: str = "type") -> str:
        return self.types[self.kernel.instructions[column][index]]

    def _operands(self, index: int) -> list[tuple[int, str]]:
        start, end = self.kernel.operand_start[index : index + 2]
        return [
            (int(self.kernel.operands[i]), self.kernel.operand_text[i]) for i in range(start, end)
        ]

    def _value(self, lane: Lane, operand: tuple[int, str], kind: str) -> Any:
        code, text = operand
        if code >= 0:
            return lane.values[code]
        if -1_000_000 < code <= -1000:
            return lane.arguments[-1000 - code]
        return self._constant(text, kind)

    def _constant(self, text: str, kind: str) -> Any:
        if match := _VECTOR.fullmatch(kind):
            n = int(match[1])
            if text in ("zeroinitializer", "poison", "undef"):
                return [self._constant("0", match[2])] * n
            if text.startswith("splat"):
                inner = text[text.index("(") + 1 : -1].split(" ", 1)[1]
                return [self._constant(inner, match[2])] * n
            parts = text.strip("<>").split(", ")
            return [self._constant(part.split(" ")[-1], match[2]) for part in parts]
        if kind in _DTYPES:
            if text.startswith("0x"):
                if text.startswith("0xH"):
                    return unpack(int(text[3:], 16).to_bytes(2, "little"), "half")
                return struct.unpack("<d", int(text[2:], 16).to_bytes(8, "little"))[0]
            return 0.0 if text in ("poison", "undef") else float(text)
        if text.startswith("@"):
            return self.variables[text[1:].strip('"')]
        if text in ("true", "false"):
            return int(text == "true")
        if text in ("poison", "undef", "null", "zeroinitializer"):
            return 0
        if not re.fullmatch(r"-?\d+", text):
            raise UnsupportedError(text)
        return int(text) & ((1 << bits_of(kind)) - 1)

    def _phis(self, lane: Lane, members: list[int]) -> None:
        found = {}
        for index in members:
            if self.opcode(index) != "phi":
                break
            operands = self._operands(index)
            for value, label in zip(operands[::2], operands[1::2], strict=True):
                if label[0] == BLOCK - lane.before:
                    found[index] = self._value(lane, value, self.type_of(index))
        lane.values.update(found)

    def _target(self, lane: Lane, index: int) -> int:
        operands = self._operands(index)
        if len(operands) == 1:
            return BLOCK - operands[0][0]
        kind = self.type_of(index, "operand_type")
        value = self._value(lane, operands[0], kind)
        if self.opcode(index) == "br":
            return BLOCK - operands[1 if value else 2][0]
        for case, target in zip(operands[2::2], operands[3::2], strict=True):
            if self._value(lane, case, kind) == value:
                return BLOCK - target[0]
        return BLOCK - operands[1][0]

    def _memory(self, lane: Lane, address: int, size: int) -> tuple[bytearray, int]:
        space = lane.private if address >= PRIVATE_BASE else self.shared
        return space.find(address, size)

    def _execute(
        self, lane: Lane, index: int, opcode: str, accesses: list[tuple[int, int, int]]
    ) -> Any:
        kind, first = self.type_of(index), self.type_of(index, "operand_type")
        operands = self._operands(index)
        row = self.kernel.instructions[index]
        predicate = self.kernel.predicates[row["predicate"]] if row["predicate"] >= 0 else ""

        def value(place: int, of: str) -> Any:
            return self._value(lane, operands[place], of)

        match opcode:
            case "load" | "store" | "atomicrmw" | "cmpxchg":
                stored = kind if opcode == "load" else first
                at = {"load": 0, "store": 1}.get(opcode, 0)
                pointer = value(at, "ptr")
                if opcode in ("atomicrmw", "cmpxchg"):
                    stored = kind if opcode == "atomicrmw" else "i32"
                size = stored_bytes(stored)
                if row["address_space"] != 0:
                    accesses.append((index, pointer, size))
                content, offset = self._memory(lane, pointer, size)
                old = unpack(content[offset : offset + size], stored)
                if opcode == "load":
                    return old
                if opcode == "store":
                    content[offset : offset + size] = pack(value(0, stored), stored)[:size]
                    return None
                if opcode == "cmpxchg":
                    same = old == value(1, stored)
                    if same:
                        content[offset : offset + size] = pack(value(2, stored), stored)
                    return [old, int(same)]
                new = atomic(predicate, old, value(1, stored), stored)
                content[offset : offset + size] = pack(new, stored)
                return old
            case "alloca":
                size = size_of(self.types[row["element_type"]])
                address = PRIVATE_BASE + lane.used_bytes
                lane.private.pieces.append((address, bytearray(size)))
                lane.used_bytes += size + 64
                return address
            case "getelementptr":
                return self._address(lane, index, operands)
            case "icmp" | "fcmp":
                return each(first, compare, value(0, first), value(1, first), predicate, opcode)
            case "select":
                chosen = self._value(lane, operands[0], "i1")
                if isinstance(chosen, list):
                    pairs = zip(chosen, value(1, kind), value(2, kind), strict=True)
                    return [a if c else b for c, a, b in pairs]
                return value(1, kind) if chosen else value(2, kind)
            case "fneg":
                return each(kind, lambda part, a: -a, value(0, kind))
            case "freeze":
                return value(0, kind)
            case "bitcast":
                return unpack(pack(value(0, first), first), kind)
            case "extractelement":
                return value(0, first)[value(1, "i64")]
            case "insertelement":
                parts = list(value(0, kind))
                lane_kind = _VECTOR.fullmatch(kind)[2]  # type: ignore[index]
                parts[value(2, "i64")] = value(1, lane_kind)
                return parts
            case "extractvalue":
                return value(0, first)[1 if kind == "i1" else 0]
            case "sext" | "zext" | "trunc" | "sitofp" | "uitofp" | "fptosi" | "fpext" | "fptrunc":
                source = value(0, first)
                if isinstance(source, list):
                    inner, outer = _VECTOR.fullmatch(first), _VECTOR.fullmatch(kind)
                    assert inner is not None
                    assert outer is not None
                    return [convert(opcode, part, inner[2], outer[2]) for part in source]
                return convert(opcode, source, first, kind)
            case "call":
                return self._call(lane, index, kind, operands)
        if len(operands) == 2:
            return each(kind, binary, value(0, kind), value(1, kind), opcode)
        raise UnsupportedError(opcode)

    def _address(self, lane: Lane, index: int, operands: list[tuple[int, str]]) -> int:
        stepped = self.types[self.kernel.instructions["element_type"][index]]
        address: int = self._value(lane, operands[0], "ptr")
        for place, operand in enumerate(operands[1:]):
            if place:
                match = re.fullmatch(r"\[\d+ x (.*)\]", stepped)
                if match is None:
                    raise UnsupportedError(stepped)
                stepped = match[1]
            bits = 64
            if operand[0] >= 0:
                bits = bits_of(self.type_of(operand[0]))
            step = signed(self._value(lane, operand, f"i{bits}"), bits)
            address += step * size_of(stepped)
        return address & ((1 << 64) - 1)

    def _call(self, lane: Lane, index: int, kind: str, operands: list[tuple[int, str]]) -> Any:
        name = self.callee(index)
        if name in _IDS:
            axis = self._value(lane, operands[0], "i32")
            return self._id(lane, _IDS[name], axis) & ((1 << bits_of(kind)) - 1)
        if name == "_Z12get_work_dimv":
            return self.shape.work_dim
        short = re.match(r"(?:llvm|gpusim)\.(\w+)\.", name)
        plain = short[1] if short else name
        if plain in ("assume", "lifetime") or name.startswith("llvm.lifetime"):
            return None
        values = [self._value(lane, operand, kind) for operand in operands[: _arity(plain)]]
        return each(kind, intrinsic, *values, plain)

    def _id(self, lane: Lane, name: str, axis: int) -> int:
        if name == "global_id":
            size, offset = self.shape.local_size[axis], self.shape.global_offset[axis]
            return offset + lane.group_id[axis] * size + lane.local_id[axis]
        source = lane if name in ("local_id", "group_id") else self.shape
        found: int = getattr(source, name)[axis]
        return found


def _arity(name: str) -> int:
    if name in ("fmuladd", "fma"):
        return 3
    return 1 if name in _ONE else 2


def each(kind: str, function: Any, *arguments: Any) -> Any:
    """Apply a function to each component of vectors, or to scalars."""
    match = _VECTOR.fullmatch(kind)
    if match is None:
        return function(kind, *arguments)
    n = int(match[1])
    columns = [a if isinstance(a, list) else [a] * n for a in arguments]
    return [function(match[2], *parts) for parts in zip(*columns, strict=True)]


def rounded(kind: str, value: float) -> float:
    with np.errstate(all="ignore"):
        return float(_DTYPES[kind](value))


def binary(kind: str, a: Any, b: Any, opcode: str) -> Any:
    if kind in _DTYPES:
        with np.errstate(all="ignore"):
            x, y = _DTYPES[kind](a), _DTYPES[kind](b)
            match opcode:
                case "fadd":
                    return float(x + y)
                case "fsub":
                    return float(x - y)
                case "fmul":
                    return float(x * y)
                case "fdiv":
                    return float(x / y)
        raise UnsupportedError(opcode)
    bits = bits_of(kind)
    mask = (1 << bits) - 1
    match opcode:
        case "add":
            found = a + b
        case "sub":
            found = a - b
        case "mul":
            found = a * b
        case "and":
            found = a & b
        case "or":
            found = a | b
        case "xor":
            found = a ^ b
        case "shl":
            found = a << (b % bits)
        case "lshr":
            found = a >> (b % bits)
        case "ashr":
            found = signed(a, bits) >> (b % bits)
        case "udiv":
            found = a // b if b else 0
        case "urem":
            found = a % b if b else 0
        case "sdiv" | "srem":
            x, y = signed(a, bits), signed(b, bits)
            quotient = abs(x) // abs(y) if y else 0
            quotient = -quotient if (x < 0) != (y < 0) else quotient
            found = quotient if opcode == "sdiv" else (x - quotient * y if y else 0)
        case _:
            raise UnsupportedError(opcode)
    return found & mask


def compare(kind: str, a: Any, b: Any, predicate: str, opcode: str) -> int:
    if opcode == "fcmp":
        if math.isnan(a) or math.isnan(b):
            return int(predicate[0] == "u")
        if predicate in ("ord", "uno"):
            return int(predicate == "ord")
        word = predicate[1:]
    else:
        word = predicate
        if word[0] == "s":
            a, b = signed(a, bits_of(kind)), signed(b, bits_of(kind))
        word = word[1:] if word[0] in "su" else word
    return int(
        {"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}[word]
    )


def convert(opcode: str, value: Any, first: str, kind: str) -> Any:
    match opcode:
        case "zext" | "trunc":
            return value & ((1 << bits_of(kind)) - 1)
        case "sext":
            return signed(value, bits_of(first)) & ((1 << bits_of(kind)) - 1)
        case "sitofp":
            return rounded(kind, signed(value, bits_of(first)))
        case "fptosi":
            return int(value) & ((1 << bits_of(kind)) - 1)
    return rounded(kind, value)


def atomic(operation: str, old: int, value: int, kind: str) -> int:
    bits = bits_of(kind)
    match operation:
        case "add" | "sub" | "and" | "or" | "xor":
            found: int = binary(kind, old, value, operation)
        case "xchg":
            found = value
        case "umin" | "umax":
            found = (min if operation == "umin" else max)(old, value)
        case "min" | "max":
            choose = min if operation == "min" else max
            found = choose(signed(old, bits), signed(value, bits)) & ((1 << bits) - 1)
        case _:
            raise UnsupportedError(operation)
    return found


_FUNCTIONS = {
    "sqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan,
    "fabs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "rint": round,
    "_Z3expf": math.exp,
    "_Z4tanhf": math.tanh,
    "_Z3logf": lambda x: math.log(x) if x > 0 else -math.inf,
    "_Z3cosf": math.cos,
    "_Z3sinf": math.sin,
}
_ONE = {*_FUNCTIONS, "abs", "ctpop", "ctlz", "bitreverse"}


def intrinsic(kind: str, *arguments: Any) -> Any:
    *values, name = arguments
    if name in ("fmuladd", "fma") and kind != "double":
        a, b, c = values
        return rounded(kind, a * b + c)
    if name in _FUNCTIONS:
        return rounded(kind, _FUNCTIONS[name](values[0]))
    if name in ("maxnum", "minnum"):
        return (max if name == "maxnum" else min)(values)
    if name in ("smin", "smax", "umin", "umax"):
        bits = bits_of(kind)
        numbers = [signed(v, bits) if name[0] == "s" else v for v in values]
        return (min if name.endswith("min") else max)(numbers) & ((1 << bits) - 1)
    if name in ("sdiv", "udiv", "srem", "urem", "shl", "lshr", "ashr"):
        return binary(kind, values[0], values[1], name)
    if name == "abs":
        return abs(signed(values[0], bits_of(kind))) & ((1 << bits_of(kind)) - 1)
    if name == "ctpop":
        return values[0].bit_count()
    if name == "bitreverse":
        return int(f"{values[0]:0{bits_of(kind)}b}"[::-1], 2)
    if name == "ctlz":
        return bits_of(kind) - values[0].bit_length()
    raise UnsupportedError(name)
