"""Affine descriptors: how the address of a memory access follows from ids and loop counters.

An address is ``base + offset + sum(coefficient * atom)``. Atoms are the group and local ids and,
for every enclosing loop, the number of the iteration (0, 1, 2...). Coefficients are polynomials
over what is equal for all work-items: integer arguments, sizes, and integer values computed from
those (``value17`` = the result of instruction 17).

A descriptor is exact as long as no integer on the way wraps at its width, which holds for every
address inside a buffer that the program computes as its author meant it. Whoever needs a proof
checks ranges (`count` does).

The symbols are ``argN``, ``valueN``, ``work_dim``, and per dimension D ``global_sizeD``,
``local_sizeD``, ``enqueued_local_sizeD``, ``num_groupsD``, ``global_offsetD`` and ``first_itemD``,
the global id that local id 0 of group 0 has or would have: a job may begin within its launch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gpusim.compiler.control_flow import reverse_post_order
from gpusim.compiler.kernel_ir import BLOCK, CONSTANT, PARAMETER, KernelIR
from gpusim.compiler.layout import member_offset, parse_structs, stride_bytes
from gpusim.compiler.polynomial import Polynomial

_INTEGER = re.compile(r"-?\d+")
_WORK_ITEM = re.compile(r"_Z\d+get_(\w+?)(?:[jv])$")
_TRANSPARENT = frozenset(("sext", "zext", "trunc", "freeze", "bitcast", "addrspacecast"))
_LOW_WORD = str((1 << 32) - 1)
_SIZES = ("global_size", "local_size", "enqueued_local_size", "num_groups", "global_offset")
_ONE = Polynomial.number(1)


@dataclass(frozen=True, slots=True)
class Affine:
    """``sum(coefficient * atom)``; the atom "" is 1."""

    terms: Mapping[str, Polynomial] = field(default_factory=dict)

    @classmethod
    def number(cls, value: int) -> Affine:
        """Return a constant."""
        return cls({"": Polynomial.number(value)} if value else {})

    @classmethod
    def atom(cls, name: str, coefficient: Polynomial = _ONE) -> Affine:
        """Return a multiple of an atom."""
        return cls({name: coefficient} if coefficient else {})

    def __add__(self, other: Affine) -> Affine:
        terms = dict(self.terms)
        for name, coefficient in other.terms.items():
            total = terms.pop(name, Polynomial()) + coefficient
            if total:
                terms[name] = total
        return Affine(terms)

    def scaled(self, factor: Polynomial) -> Affine:
        """Return a multiple."""
        products = {name: coefficient * factor for name, coefficient in self.terms.items()}
        return Affine({name: product for name, product in products.items() if product})

    @property
    def uniform(self) -> Polynomial | None:
        """The value where it is the same for all work-items and iterations, else None."""
        if not self.terms:
            return Polynomial()
        return self.terms.get("") if len(self.terms) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressDescriptor:
    """The address of one load, store or atomic."""

    instruction: int
    base: str
    """``arg2`` (a parameter), ``@name`` (a variable of the module) or ``private4`` (an alloca)."""
    address_space: int
    access_bytes: int
    offset: Polynomial
    """Bytes from the base where all ids and loop counters are 0."""
    group: tuple[Polynomial, Polynomial, Polynomial]
    """Bytes per step of the group id, per dimension."""
    local: tuple[Polynomial, Polynomial, Polynomial]
    """Bytes per step of the local id, per dimension."""
    loops: tuple[tuple[int, Polynomial], ...]
    """(loop index, bytes per iteration), loops with stride 0 left out."""

    def address(
        self,
        symbols: Mapping[str, int],
        group: tuple[int, int, int],
        local: tuple[int, int, int],
        iterations: Mapping[int, int],
    ) -> int:
        """Return the distance from the base in bytes for one work-item and iteration."""
        total = self.offset.value(symbols)
        total += sum(c.value(symbols) * i for c, i in zip(self.group, group, strict=True))
        total += sum(c.value(symbols) * i for c, i in zip(self.local, local, strict=True))
        return total + sum(c.value(symbols) * iterations[loop] for loop, c in self.loops)


_MAX_KERNELS = 4096
_descriptors: dict[str, dict[int, AddressDescriptor | None]] = {}


def affine_addresses(kernel: KernelIR) -> dict[int, AddressDescriptor | None]:
    """Return a descriptor for every load, store and atomic of a kernel that has one.

    Parameters
    ----------
    kernel : KernelIR

    Returns
    -------
    dict
        Instruction -> descriptor; None where the address is not affine: it depends on loaded
        data, on a choice between different forms, or on a product of ids.
    """
    if not kernel.key:
        return _Analysis(kernel).descriptors()
    if kernel.key not in _descriptors:
        if len(_descriptors) >= _MAX_KERNELS:
            _descriptors.clear()
        _descriptors[kernel.key] = _Analysis(kernel).descriptors()
    return _descriptors[kernel.key]


class _Analysis:
    """Forms of all integer and pointer values of one kernel."""

    def __init__(self, kernel: KernelIR) -> None:
        self.kernel = kernel
        self.structs = parse_structs(
            [
                line
                for line in kernel.text.split("\n")
                if line.startswith("%") and " = type " in line
            ]
        )
        self.opcode = [kernel.opcodes[code] for code in kernel.instructions["opcode"]]
        self.block = kernel.instructions["block"].tolist()
        self.forms: dict[int, Affine | None] = {}
        self.loop_at = {loop.header: number for number, loop in enumerate(kernel.loops)}
        self.blocks = [frozenset(loop.blocks) for loop in kernel.loops]
        self._walk()
        self._solve_loops()

    def operands(self, number: int) -> list[tuple[int, str]]:
        """Return code and text of an instruction's operands."""
        start, end = self.kernel.operand_start[number : number + 2]
        codes = self.kernel.operands[start:end].tolist()
        return list(zip(codes, self.kernel.operand_text[start:end], strict=True))

    def _form(self, code: int, text: str) -> Affine | None:
        if code >= 0:
            return self.forms.get(code)
        if code == CONSTANT:
            if _INTEGER.fullmatch(text):
                return Affine.number(int(text))
            if text.startswith("@") and " " not in text:
                return Affine.atom(f"base:{text}")
            return Affine() if text == "null" else None
        index = PARAMETER - code
        parameter = self.kernel.parameters[index]
        if parameter.kind in ("buffer", "local", "image"):
            return Affine.atom(f"base:arg{index}")
        if parameter.kind == "value":
            return Affine.atom("", Polynomial.symbol(f"arg{index}"))
        return None

    def _walk(self) -> None:
        """Give every value a form over ids, uniform symbols and the PHIs of loop headers."""
        successors: list[list[int]] = [[] for _ in range(self.kernel.n_blocks)]
        for source, target in self.kernel.edges.tolist():
            successors[source].append(target)
        members: dict[int, list[int]] = {}
        for number, block in enumerate(self.block):
            members.setdefault(block, []).append(number)
        for block in reverse_post_order(successors):
            for number in members[block]:
                self.forms[number] = self._value(number)

    def _value(self, number: int) -> Affine | None:
        opcode = self.opcode[number]
        kind = self.kernel.types[self.kernel.instructions["type"][number]]
        if kind.lanes != 1 or kind.kind not in ("int", "pointer"):
            return None
        if opcode == "phi":
            return self._phi(number)
        if opcode == "call":
            form = self._work_item(number)
        elif opcode == "alloca":
            return Affine.atom(f"base:private{number}")
        else:
            form = self._computed(number, opcode)
        return form if form is not None else self._opaque(number)

    def _phi(self, number: int) -> Affine | None:
        if self.block[number] in self.loop_at:
            return Affine.atom(f"phi:{number}")
        values = self.operands(number)[::2]
        forms = [self._form(*value) for value in values]
        same = forms[0] is not None and all(form == forms[0] for form in forms)
        return forms[0] if same else None

    def _computed(self, number: int, opcode: str) -> Affine | None:
        if opcode == "getelementptr":
            return self._gep(number)
        if opcode in _TRANSPARENT:
            return self._form(*self.operands(number)[0])
        if opcode == "and" and self.operands(number)[1][1] == _LOW_WORD:
            # How LLVM writes a truncation to 32 bits and the extension back.
            return self._form(*self.operands(number)[0])
        if opcode not in ("add", "sub", "mul", "shl", "or"):
            return None
        left, right = (self._form(*operand) for operand in self.operands(number)[:2])
        if left is None or right is None:
            return None
        if opcode == "add":
            return left + right
        if opcode == "sub":
            return left + right.scaled(Polynomial.number(-1))
        if opcode == "or":
            return _disjoint_or(left, right)
        if opcode == "shl":
            shift = right.uniform.constant if right.uniform is not None else None
            return None if shift is None else left.scaled(Polynomial.number(1 << shift))
        for form, factor in ((left, right.uniform), (right, left.uniform)):
            if factor is not None:
                return form.scaled(factor)
        return None

    def _gep(self, number: int) -> Affine | None:
        (code, text), *indices = self.operands(number)
        form = self._form(code, text)
        kind = self.kernel.types[self.kernel.instructions["element_type"][number]].text
        for position, (index_code, index_text) in enumerate(indices):
            index = self._form(index_code, index_text)
            if form is None or index is None:
                return None
            if position and (kind in self.structs or kind.startswith(("{", "<{"))):
                kind, offset = member_offset(kind, int(index_text), self.structs)
                form += Affine.number(offset)
                continue
            if position:
                kind = kind[kind.index(" x ") + 3 : -1]
            form += index.scaled(Polynomial.number(stride_bytes(kind, self.structs)))
        return form

    def _work_item(self, number: int) -> Affine | None:
        callee = self.kernel.callees[self.kernel.instructions["callee"][number]]
        match = _WORK_ITEM.match(callee)
        if match is None:
            return None
        name = match[1]
        if name == "work_dim":
            return Affine.atom("", Polynomial.symbol("work_dim"))
        if name == "local_linear_id":
            sizes = [Polynomial.symbol(f"local_size{d}") for d in range(3)]
            return _linear([Affine.atom(f"local{d}") for d in range(3)], sizes)
        if name == "global_linear_id":
            sizes = [Polynomial.symbol(f"global_size{d}") for d in range(3)]
            return _linear([_global_id(d, is_relative=True) for d in range(3)], sizes)
        (_, text), *_rest = self.operands(number)
        if not _INTEGER.fullmatch(text):
            return None
        dimension = int(text)
        if dimension > 2:
            return Affine.number(0 if name.endswith("id") or name == "global_offset" else 1)
        if name == "global_id":
            return _global_id(dimension)
        if name in ("group_id", "local_id"):
            return Affine.atom(f"{name.removesuffix('_id')}{dimension}")
        if name in _SIZES:
            return Affine.atom("", Polynomial.symbol(f"{name}{dimension}"))
        return None

    def _opaque(self, number: int) -> Affine | None:
        """Name the result of arithmetic on uniform values."""
        if self.opcode[number] in ("load", "call", "getelementptr", "atomicrmw", "extractvalue"):
            return None
        for code, text in self.operands(number):
            form = None if code <= BLOCK else self._form(code, text)
            if form is None or form.uniform is None:
                return None
        return Affine.atom("", Polynomial.symbol(f"value{number}"))

    def _solve_loops(self) -> None:
        """Replace header PHIs by ``start + step * iteration``, outer loops first."""
        solved: dict[str, Affine | None] = {}
        headers = [
            number
            for number in self.forms
            if self.opcode[number] == "phi" and self.block[number] in self.loop_at
        ]
        depth = {n: self.kernel.loops[self.loop_at[self.block[n]]].depth for n in headers}
        for number in sorted(headers, key=lambda item: (depth[item], item)):
            solved[f"phi:{number}"] = self._recurrence(number, solved)
        self.solved = solved

    def _recurrence(self, number: int, solved: Mapping[str, Affine | None]) -> Affine | None:
        loop = self.loop_at[self.block[number]]
        operands = self.operands(number)
        start: Affine | None = None
        steps = []
        for value, (label, _) in zip(operands[::2], operands[1::2], strict=True):
            form = self._form(*value)
            if form is None:
                return None
            if BLOCK - label in self.blocks[loop]:
                steps.append(form + Affine.atom(f"phi:{number}", Polynomial.number(-1)))
            elif start is not None and start != form:
                return None
            else:
                start = form
        step = steps[0].uniform if steps and all(item == steps[0] for item in steps) else None
        if start is None or step is None:
            return None
        begin = self._substituted(start, solved)
        return None if begin is None else begin + Affine.atom(f"loop{loop}", step)

    @staticmethod
    def _substituted(form: Affine, solved: Mapping[str, Affine | None]) -> Affine | None:
        total = Affine()
        for name, coefficient in form.terms.items():
            if not name.startswith("phi:"):
                total += Affine.atom(name, coefficient)
                continue
            value = solved.get(name)
            if value is None:
                return None
            total += value.scaled(coefficient)
        return total

    def descriptors(self) -> dict[int, AddressDescriptor | None]:
        """Return the descriptor of every memory access."""
        found: dict[int, AddressDescriptor | None] = {}
        for number, opcode in enumerate(self.opcode):
            if opcode in ("load", "store", "atomicrmw", "cmpxchg"):
                operands = self.operands(number)
                form = self._form(*operands[1 if opcode == "store" else 0])
                found[number] = None if form is None else self._descriptor(number, form)
        return found

    def _descriptor(self, number: int, form: Affine) -> AddressDescriptor | None:
        whole = self._substituted(form, self.solved)
        if whole is None:
            return None
        bases = [name for name in whole.terms if name.startswith("base:")]
        if len(bases) != 1 or whole.terms[bases[0]] != _ONE:
            return None
        loops = []
        for name, coefficient in whole.terms.items():
            if name.startswith("loop"):
                loop = int(name.removeprefix("loop"))
                if self.block[number] not in self.blocks[loop]:
                    # The value that a counter has after its loop depends on the trip count.
                    return None
                loops.append((loop, coefficient))
        row = self.kernel.instructions[number]
        zero = Polynomial()
        group = [whole.terms.get(f"group{d}", zero) for d in range(3)]
        local = [whole.terms.get(f"local{d}", zero) for d in range(3)]
        return AddressDescriptor(
            instruction=number,
            base=bases[0].removeprefix("base:"),
            address_space=int(row["address_space"]),
            access_bytes=int(row["access_bytes"]),
            offset=whole.terms.get("", zero),
            group=(group[0], group[1], group[2]),
            local=(local[0], local[1], local[2]),
            loops=tuple(sorted(loops)),
        )


def _global_id(dimension: int, *, is_relative: bool = False) -> Affine:
    size = Polynomial.symbol(f"local_size{dimension}")
    form = Affine.atom(f"group{dimension}", size) + Affine.atom(f"local{dimension}")
    form += Affine.atom("", Polynomial.symbol(f"first_item{dimension}"))
    if is_relative:
        offset = Polynomial.symbol(f"global_offset{dimension}")
        form += Affine.atom("", -offset)
    return form


def _linear(ids: list[Affine], sizes: list[Polynomial]) -> Affine:
    row = ids[2].scaled(sizes[1]) + ids[1]
    return row.scaled(sizes[0]) + ids[0]


def _disjoint_or(left: Affine, right: Affine) -> Affine | None:
    """Return the sum where an or of a small constant cannot carry."""
    for form, other in ((left, right), (right, left)):
        constant = other.uniform.constant if other.uniform is not None else None
        if constant is None or constant < 0:
            continue
        unit = 1 << constant.bit_length()
        numbers = [c for item in form.terms.values() for _, c in item.terms]
        if all(number % unit == 0 for number in numbers):
            return left + right
    return None
