"""Write the body of one built-in function as LLVM IR text."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from gpusim.compiler.mangling import ClType, Signature, mangle

Value = str
"""Text of an SSA value or constant."""

I1 = "i1"


def float_text(number: float, bits: int) -> str:
    """Return a floating-point constant as LLVM reads it: hexadecimal, hence exact."""
    limit = {16: 65520.0, 32: 2.0**128 - 2.0**103, 64: math.inf}[bits]
    if abs(number) >= limit:
        number = math.copysign(math.inf, number)
    if bits == 16:
        return f"0xH{struct.unpack('<H', struct.pack('<e', number))[0]:04X}"
    if bits == 32:
        number = struct.unpack("<f", struct.pack("<f", number))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


class Body:
    """Instructions of one function, in one block unless the emitter says otherwise.

    Attributes
    ----------
    calls : dict
        Mangled or intrinsic name -> ``declare`` line without attributes.
    """

    def __init__(self, signature: Signature, result: str) -> None:
        self.signature = signature
        self.types = signature.parameters
        self.arguments: tuple[Value, ...] = tuple(f"%a{i}" for i in range(len(self.types)))
        self.result = result
        self.lines: list[str] = []
        self.calls: dict[str, str] = {}
        self._count = 0

    def emit(self, text: str) -> Value:
        """Add an instruction that defines a value; return the value."""
        self._count += 1
        name = f"%t{self._count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Add an instruction without a result, or a label (``name:``)."""
        self.lines.append(text if text.endswith(":") else f"  {text}")

    def ret(self, value: Value | None = None) -> None:
        """Return from the function."""
        self.do("ret void" if value is None else f"ret {self.result} {value}")

    def op(self, opcode: str, kind: ClType, *operands: Value) -> Value:
        """Emit an arithmetic instruction over operands of one type."""
        return self.emit(f"{opcode} {kind.ir} {', '.join(operands)}")

    def cast(self, opcode: str, value: Value, source: ClType | str, target: ClType | str) -> Value:
        """Emit a conversion; none when both types are the same."""
        have = source if isinstance(source, str) else source.ir
        want = target if isinstance(target, str) else target.ir
        return value if have == want else self.emit(f"{opcode} {have} {value} to {want}")

    def select(self, condition: Value, kind: ClType, yes: Value, no: Value) -> Value:
        """Emit a select; the condition has as many lanes as `kind`."""
        flag = I1 if kind.lanes == 1 else f"<{kind.lanes} x i1>"
        return self.emit(f"select {flag} {condition}, {kind.ir} {yes}, {kind.ir} {no}")

    def call(
        self, name: str, result: str, arguments: Sequence[tuple[str, Value]], flags: str = ""
    ) -> Value:
        """Emit a call of `name`; remember its declaration."""
        self.calls[name] = f"declare {result} @{name}({', '.join(kind for kind, _ in arguments)})"
        passed = ", ".join(f"{kind} {value}" for kind, value in arguments)
        text = f"call {flags + ' ' if flags else ''}{result} @{name}({passed})"
        if result == "void":
            self.do(text)
            return ""
        return self.emit(text)

    def intrinsic(self, name: str, kind: ClType, *operands: Value, flags: str = "") -> Value:
        """Call an LLVM intrinsic whose operands and result have one type."""
        return self.call(
            f"llvm.{name}.{kind.suffix}", kind.ir, [(kind.ir, item) for item in operands], flags
        )

    def external(self, name: str, kind: ClType, *operands: tuple[ClType, Value]) -> Value:
        """Call an OpenCL function over scalars under its mangled name."""
        mangled = mangle(name, tuple(item for item, _ in operands))
        return self.call(mangled, kind.ir, [(item.ir, value) for item, value in operands])

    def lane(self, value: Value, kind: ClType, index: int) -> Value:
        """Return lane `index` of a vector, or the scalar itself."""
        if kind.lanes == 1:
            return value
        return self.emit(f"extractelement {kind.ir} {value}, i64 {index}")

    def join(self, lanes: Sequence[Value], kind: ClType) -> Value:
        """Build a vector of `kind` from its lanes."""
        if kind.lanes == 1:
            return lanes[0]
        value = "poison"
        element = kind.element.ir
        for index, item in enumerate(lanes):
            value = self.emit(f"insertelement {kind.ir} {value}, {element} {item}, i64 {index}")
        return value

    def splat(self, value: Value, kind: ClType) -> Value:
        """Return `kind` with every lane equal to a scalar."""
        return self.join([value] * kind.lanes, kind)

    def widen(self, index: int, kind: ClType) -> Value:
        """Return argument `index`, spread over the lanes of `kind` when it is a scalar."""
        value = self.arguments[index]
        return value if self.types[index].lanes == kind.lanes else self.splat(value, kind)

    def constant(self, number: float, kind: ClType) -> Value:
        """Return a number, rounded to the type, as a constant of `kind`."""
        text = float_text(number, kind.bits) if kind.is_float else str(int(number))
        return text if kind.lanes == 1 else f"splat ({kind.element.ir} {text})"

    def gep(self, element: str, pointer: Value, kind: ClType, index: Value) -> Value:
        """Return the address of item `index` (i64) of an array of `element`."""
        return self.emit(f"getelementptr {element}, {kind.ir} {pointer}, i64 {index}")

    def text(self, mangled: str) -> str:
        """Return the whole function definition."""
        parameters = ", ".join(
            f"{kind.ir} {name}" for kind, name in zip(self.types, self.arguments, strict=True)
        )
        head = f"define internal {self.result} @{mangled}({parameters}) #1 {{"
        return "\n".join([head, *self.lines, "}"])
