"""Affine forms of a kernel's values: ids, arguments, addresses, loop variables."""

from __future__ import annotations

import re

from gpusim.compiler.kernel_ir import BLOCK, CONSTANT, PARAMETER, KernelIR, Loop
from gpusim.compiler.layout import parse_structs, size_and_align, split_list
from gpusim.count.dataflow import Instruction, KernelFlow
from gpusim.count.forms import Coefficient, Emitter, Form, UnknownFormError
from gpusim.count.integer_forms import INTEGER_FORMS, extremum
from gpusim.count.plan import (
    GROUP_ATOM,
    LOCAL_ATOM,
    Atom,
    Fact,
    Fit,
    Plan,
    Pointer,
    Value,
)

_SIZE_WORDS = {
    "_Z15get_global_sizej": (12, 1),
    "_Z14get_local_sizej": (3, 1),
    "_Z14get_num_groupsj": (15, 1),
    "_Z17get_global_offsetj": (21, 0),
    "_Z23get_enqueued_local_sizej": (18, 1),
}
"""Function -> (first word among the sizes, value in a dimension that does not exist)."""


class ValueForms:
    """Works out forms in program order; loop variables are closed at the end."""

    def __init__(self, kernel: KernelIR, flow: KernelFlow, plan: Plan) -> None:
        self.kernel = kernel
        self.flow = flow
        self.emit = Emitter()
        self.plan = plan
        self.numbers: dict[Form, int] = {}
        self.values: dict[int, Value | Pointer | None] = {}
        self._fits: dict[Fit, int] = {}
        self._unsigned_words: dict[int, int] = {}
        self._phis: list[tuple[Instruction, int, Loop]] = []
        self.structs = parse_structs(
            [x for x in kernel.text.splitlines() if x.startswith("%") and " = type " in x]
        )
        self.loop_of_header = {loop.header: i for i, loop in enumerate(kernel.loops)}
        self.loop_of_block = [-1] * kernel.n_blocks
        for number, loop in sorted(enumerate(kernel.loops), key=lambda item: item[1].depth):
            for block in loop.blocks:
                self.loop_of_block[block] = number

    def run(self, relevant: set[int]) -> None:
        """Find the forms of the instructions that matter."""
        for block in self.flow.reverse_post_order:
            for instruction in self.flow.blocks[block]:
                if instruction.index in relevant:
                    self.values[instruction.index] = self._value_or_word(instruction)
        self.close_phis()

    def new_atom(self, atom: Atom) -> int:
        """Add a variable; returns its number."""
        self.plan.atoms.append(atom)
        return len(self.plan.atoms) - 1

    def form_id(self, form: Form) -> int:
        """Return the number of a form in what the generated function returns."""
        return self.numbers.setdefault(form, len(self.numbers))

    def fit(self, value: Value, low: int, high: int, block: int) -> frozenset[int]:
        """Require a value's form to lie in [low, high]; a constant that does needs nothing."""
        if value.form.is_uniform and isinstance(value.form.const, int):
            if low <= value.form.const <= high:
                return value.needs
            raise UnknownFormError
        return self._new_fit(value, low, high, block)

    def _new_fit(self, value: Value, low: int, high: int, block: int) -> frozenset[int]:
        fit = Fit(self.form_id(value.form), low, high, block)
        number = self._fits.setdefault(fit, len(self._fits))
        if number == len(self.plan.fits):
            self.plan.fits.append(fit)
        return value.needs | {number}

    def operand(self, instruction: Instruction, place: int) -> Value:
        """Return an integer operand, in signed reading when it is uniform."""
        code, text = instruction.operands[place], instruction.texts[place]
        if code >= 0:
            value = self.values.get(code)
            if not isinstance(value, Value):
                raise UnknownFormError
            return value
        if code == CONSTANT:
            if re.fullmatch(r"-?\d+", text):
                return Value(Form(int(text)))
            if text in ("true", "false"):
                return Value(Form(int(text == "true")))
            raise UnknownFormError
        if code > BLOCK:
            return Value(Form(self.emit.let(f"A[{PARAMETER - code}]")))
        raise UnknownFormError

    def pointer(self, instruction: Instruction, place: int) -> Pointer:
        """Return a pointer operand."""
        code, text = instruction.operands[place], instruction.texts[place]
        if code >= 0:
            value = self.values.get(code)
            if not isinstance(value, Pointer):
                raise UnknownFormError
            return value
        if code == CONSTANT:
            if text.startswith("@"):
                return Pointer(text, Form(0))
            raise UnknownFormError
        return Pointer(f"a{PARAMETER - code}", Form(0))

    def opaque(
        self,
        instruction: Instruction,
        operation: str,
        values: list[Value],
        facts: tuple[tuple[Form, Coefficient], ...] = (),
        blocks: tuple[int, ...] = (),
    ) -> Form:
        """Return a new atom; `facts` are pairs with ``form + factor * atom <= 0``."""
        needs = union_of_needs(values)
        atom = Atom(
            "opaque",
            loop=self.loop_of_block[instruction.block],
            block=instruction.block,
            operation=operation,
            operands=tuple(self.form_id(value.form) for value in values),
            operand_blocks=blocks or (instruction.block,) * len(values),
            needs=needs,
        )
        number = self.new_atom(atom)
        me = Form(0, ((number, 1),))
        atom.facts = tuple(
            Fact(self.form_id(self.emit.form_add(form, self.emit.scale(me, factor))), needs)
            for form, factor in facts
        )
        return me

    def _value_or_word(self, instruction: Instruction) -> Value | Pointer | None:
        """Return an instruction's form; of an integer that has none, a word of its width."""
        try:
            value = self.value(instruction)
        except UnknownFormError:
            value = None
        is_integer = re.fullmatch(r"i\d+", instruction.type) and instruction.bits <= 64
        if value is None and is_integer:
            return Value(self.opaque(instruction, f"word{instruction.bits}", []))
        return value

    def value(self, instruction: Instruction) -> Value | Pointer | None:
        """Return an instruction's form; None or `UnknownFormError` when it has none."""
        if instruction.lanes > 1:
            return None
        if instruction.type.startswith("ptr"):
            return self._pointer_value(instruction)
        if not re.fullmatch(r"i\d+", instruction.type):
            return None
        if instruction.opcode == "phi":
            return self._phi(instruction)
        if instruction.opcode == "call":
            return self._call(instruction)
        handler = INTEGER_FORMS.get(instruction.opcode)
        if handler is None:
            return None
        value = handler(self, instruction)
        if value.form.is_uniform:
            # Uniform values are exact, so that division and comparison can be done on them.
            return Value(Form(self.emit.signed(value.form.const, instruction.bits)), value.needs)
        return value

    def _pointer_value(self, instruction: Instruction) -> Pointer | None:
        match instruction.opcode:
            case "getelementptr":
                return self._gep(instruction)
            case "bitcast" | "addrspacecast" | "freeze":
                return self.pointer(instruction, 0)
            case "alloca":
                root = f"v{instruction.index}"
                self.plan.root_bytes[root] = size_and_align(instruction.element, self.structs)[0]
                return Pointer(root, Form(0))
            case "phi":
                return self._pointer_phi(instruction)
        return None

    def _gep(self, instruction: Instruction) -> Pointer:
        base = self.pointer(instruction, 0)
        form, needs, kind = base.form, base.needs, instruction.element
        for place in range(1, len(instruction.operands)):
            index = self.operand(instruction, place)
            if place > 1:
                kind, step = self._enter(kind, index)
                if step is not None:
                    form = self.emit.form_add(form, Form(step))
                    continue
            size, align = size_and_align(kind, self.structs)
            stride = -(-size // align) * align
            form = self.emit.form_add(form, self.emit.scale(index.form, stride))
            needs |= index.needs
        return Pointer(base.root, form, needs)

    def _enter(self, kind: str, index: Value) -> tuple[str, int | None]:
        """Step into an aggregate: (type of the part, byte offset of a structure's field)."""
        kind = self.structs.get(kind, kind)
        if kind.startswith("["):
            return kind[1:-1].split(" x ", 1)[1], None
        if kind.startswith("<") and not kind.startswith("<{"):
            return kind[1:-1].split(" x ", 1)[1], None
        if not isinstance(index.form.const, int):
            raise UnknownFormError
        is_packed = kind.startswith("<{")
        fields = split_list(kind[2:-2] if is_packed else kind[1:-1])
        offset = 0
        for number, field in enumerate(fields):
            size, align = size_and_align(field, self.structs)
            if not is_packed:
                offset = -(-offset // align) * align
            if number == index.form.const:
                return field, offset
            offset += size
        raise UnknownFormError

    def incoming(self, instruction: Instruction) -> list[tuple[int, int]]:
        """Return (operand place, predecessor block) pairs of a PHI."""
        return [
            (place, BLOCK - instruction.operands[place + 1])
            for place in range(0, len(instruction.operands), 2)
        ]

    def _phi(self, instruction: Instruction) -> Value:
        loop = self.loop_of_header.get(instruction.block)
        if loop is not None:
            return Value(self._loop_phi(instruction, loop))
        values = [self.operand(instruction, place) for place, _ in self.incoming(instruction)]
        if all(value.form == values[0].form for value in values):
            return Value(values[0].form, union_of_needs(values))
        blocks = tuple(block for _, block in self.incoming(instruction))
        signed = [
            self.signed(value, instruction.bits, block)
            for value, block in zip(values, blocks, strict=True)
        ]
        return Value(self.opaque(instruction, "union", signed, blocks=blocks))

    def _pointer_phi(self, instruction: Instruction) -> Pointer:
        loop = self.loop_of_header.get(instruction.block)
        pairs = self.incoming(instruction)
        if loop is not None:
            latches = self.kernel.loops[loop].latches
            entry = next(place for place, block in pairs if block not in latches)
            first = self.pointer(instruction, entry)
            return Pointer(first.root, self._loop_phi(instruction, loop))
        pointers = [self.pointer(instruction, place) for place, _ in pairs]
        if len({pointer.root for pointer in pointers}) > 1:
            raise UnknownFormError
        if all(pointer.form == pointers[0].form for pointer in pointers):
            return pointers[0]
        values = [Value(pointer.form, pointer.needs) for pointer in pointers]
        blocks = tuple(block for _, block in pairs)
        form = self.opaque(instruction, "union", values, blocks=blocks)
        return Pointer(pointers[0].root, form)

    def _loop_phi(self, instruction: Instruction, loop: int) -> Form:
        atom = self.new_atom(Atom("phi", loop=loop, block=instruction.block))
        self._phis.append((instruction, atom, self.kernel.loops[loop]))
        return Form(0, ((atom, 1),))

    def close_phis(self) -> None:
        """Find what an iteration adds to each loop variable, now that the latch is known."""
        for instruction, number, loop in self._phis:
            atom = self.plan.atoms[number]
            pairs = self.incoming(instruction)
            entries = [place for place, block in pairs if block not in loop.latches]
            latches = [place for place, block in pairs if block in loop.latches]
            if len(entries) != 1:
                continue
            try:
                first = self._plain(instruction, entries[0])
                steps = [self._plain(instruction, place) for place in latches]
            except UnknownFormError:
                continue
            if len(latches) == 1 and (shift := self._shift(instruction, latches[0])):
                self._close_shifted(number, instruction, first, shift)
                continue
            me = Form(0, ((number, 1),))
            changes = {self.emit.subtract(step.form, me) for step in steps}
            atom.first = self.form_id(first.form)
            atom.needs = first.needs.union(*(step.needs for step in steps))
            if len(changes) == 1:
                change = changes.pop()
                if not any(self.varies_in(a, atom.loop) for a, _ in change.terms):
                    atom.step = self.form_id(change)

    def _shift(self, phi: Instruction, latch: int) -> int:
        """Return by how many bits an iteration shifts a loop variable up; 0 = it does not."""
        code = phi.operands[latch]
        if code < 0:
            return 0
        step = self.flow.instructions[code]
        is_shift = step.opcode in ("shl", "lshr", "ashr") and step.operands[0] == phi.index
        if not is_shift or not step.texts[1].isdigit() or not 0 < int(step.texts[1]) < step.bits:
            return 0
        return int(step.texts[1]) if step.opcode == "shl" else -int(step.texts[1])

    def _close_shifted(self, number: int, phi: Instruction, first: Value, shift: int) -> None:
        """Note a loop variable that is shifted; its words equal its values where no bit is lost.

        So it is while it is neither negative nor above half of the words: in the beginning, and
        when it grows after each shift.
        """
        atom = self.plan.atoms[number]
        loop = self.kernel.loops[atom.loop]
        top = (1 << (phi.bits - 1)) - 1
        entry = next(block for _, block in self.incoming(phi) if block not in loop.latches)
        atom.first, atom.shift = self.form_id(first.form), shift
        atom.needs = self._new_fit(first, 0, top, entry)
        if shift > 0:
            grown = Value(Form(0, ((number, 1 << shift),)))
            atom.needs |= self._new_fit(grown, 0, top, loop.latches[0])

    def _plain(self, instruction: Instruction, place: int) -> Value:
        if instruction.type.startswith("ptr"):
            pointer = self.pointer(instruction, place)
            mine = self.values[instruction.index]
            if not isinstance(mine, Pointer) or mine.root != pointer.root:
                raise UnknownFormError
            return Value(pointer.form, pointer.needs)
        return self.operand(instruction, place)

    def varies_in(self, atom: int, loop: int) -> bool:
        """Whether an atom changes within a loop."""
        inner = self.plan.atoms[atom].loop
        while inner >= 0:
            if inner == loop:
                return True
            inner = self.kernel.loops[inner].parent
        return False

    def _call(self, instruction: Instruction) -> Value | None:
        name = instruction.callee
        if name in ("_Z13get_global_idj", "_Z12get_local_idj", "_Z12get_group_idj", *_SIZE_WORDS):
            dimension = self.operand(instruction, 0).form.const
            if not isinstance(dimension, int):
                return None
            return Value(self._work_item(name, dimension))
        if name == "_Z12get_work_dimv":
            return Value(Form(self.emit.let("S[24]")))
        match = re.fullmatch(r"llvm\.([su])(min|max)\.i\d+", name)
        if match:
            return extremum(self, instruction, match[1], match[2])
        if name.startswith("llvm.abs."):
            value = self.signed(self.operand(instruction, 0), instruction.bits, instruction.block)
            return Value(self.opaque(instruction, "abs", [value]))
        return None

    def _work_item(self, name: str, d: int) -> Form:
        if name in _SIZE_WORDS:
            word, missing = _SIZE_WORDS[name]
            return Form(self.emit.let(f"S[{word + d}]")) if 0 <= d < 3 else Form(missing)
        if not 0 <= d < 3:
            return Form(0)
        group, local = (GROUP_ATOM + d, 1), (LOCAL_ATOM + d, 1)
        if name == "_Z12get_local_idj":
            return Form(0, (local,))
        if name == "_Z12get_group_idj":
            return Form(self.emit.let(f"S[{9 + d}]"), (group,))
        size = self.emit.let(f"S[{3 + d}]")
        return Form(self.emit.let(f"S[{6 + d}]"), ((GROUP_ATOM + d, size), local))

    def signed(self, value: Value, bits: int, block: int) -> Value:
        """Return a value whose form is its machine word read as signed."""
        if value.form.is_uniform:
            return Value(Form(self.emit.signed(value.form.const, bits)), value.needs)
        needs = self.fit(value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1, block)
        return Value(value.form, needs)

    def unsigned(self, value: Value, bits: int, block: int) -> Value:
        """Return a value whose form is its machine word read as unsigned."""
        if value.form.is_uniform:
            return Value(Form(self.emit.unsigned(value.form.const, bits)), value.needs)
        word = self._word_of(value.form)
        if word is not None:
            return Value(self._unsigned_word(word, bits))
        return Value(value.form, self.fit(value, 0, (1 << bits) - 1, block))

    def _word_of(self, form: Form) -> int | None:
        """Return the atom when a form is nothing but a word about which nothing is known."""
        if form.const != 0 or len(form.terms) != 1 or form.terms[0][1] != 1:
            return None
        atom = form.terms[0][0]
        return atom if self.plan.atoms[atom].operation.startswith("word") else None

    def _unsigned_word(self, word: int, bits: int) -> Form:
        """Return an atom for the unsigned reading of a word."""
        if word not in self._unsigned_words:
            known = self.plan.atoms[word]
            twin = Atom("opaque", loop=known.loop, block=known.block, operation=f"uword{bits}")
            self._unsigned_words[word] = self.new_atom(twin)
        return Form(0, ((self._unsigned_words[word], 1),))

    def both(self, instruction: Instruction) -> tuple[Value, Value]:
        """Return both operands of a binary instruction."""
        return self.operand(instruction, 0), self.operand(instruction, 1)


def union_of_needs(values: list[Value]) -> frozenset[int]:
    """Return all fits that some values rest on."""
    found: frozenset[int] = frozenset()
    for value in values:
        found |= value.needs
    return found
