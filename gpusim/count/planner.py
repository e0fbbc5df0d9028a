"""A kernel -> its `Plan`: affine forms of addresses and conditions, loops, dependences."""

from __future__ import annotations

import re

from gpusim.compiler.kernel_ir import BLOCK, CONSTANT, PARAMETER, KernelIR, Loop
from gpusim.compiler.layout import end_of_type, parse_structs, size_and_align, split_list
from gpusim.count.dataflow import MEMORY, SIZES, Instruction, KernelFlow
from gpusim.count.forms import Coefficient, Emitter, Form
from gpusim.count.plan import (
    GROUP_ATOM,
    LOCAL_ATOM,
    Atom,
    Branch,
    Fact,
    Fit,
    Leaf,
    Obligation,
    Plan,
    Pointer,
    Tree,
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
_ACCESSES = ("load", "store", "atomicrmw", "cmpxchg")
_BARRIERS = ("_Z7barrierj", "_Z18work_group_barrier")


class _Unknown(Exception):
    """The value has no affine form."""


class Planner:
    """Builds the plan of one kernel; one use."""

    def __init__(self, kernel: KernelIR) -> None:
        self.kernel = kernel
        self.flow = KernelFlow(kernel)
        self.emit = Emitter()
        self.plan = Plan(refusal="")
        self._forms: dict[Form, int] = {}
        self._values: dict[int, Value | Pointer | None] = {}
        self._fits: dict[Fit, int] = {}
        self._phis: list[tuple[Instruction, int, Loop]] = []
        self._structs = parse_structs(
            [x for x in kernel.text.splitlines() if x.startswith("%") and " = type " in x]
        )
        self._loop_of_header = {loop.header: i for i, loop in enumerate(kernel.loops)}
        self._loop_of_block = [-1] * kernel.n_blocks
        for number, loop in sorted(enumerate(kernel.loops), key=lambda item: item[1].depth):
            for block in loop.blocks:
                self._loop_of_block[block] = number

    def build(self) -> Plan:
        """Return the plan; `refusal` says why when the kernel cannot be sliced."""
        plan = self.plan
        plan.refusal = self._refusal()
        if plan.refusal:
            return plan
        plan.atoms = [Atom("group") for _ in range(3)] + [Atom("local") for _ in range(3)]
        for number, loop in enumerate(self.kernel.loops):
            before = [b for b in self.flow.predecessors[loop.header] if b not in loop.latches]
            plan.loop_entries.append(before[0] if len(before) == 1 else loop.header)
            plan.loop_atoms.append(self._new_atom(Atom("count", loop=number)))
        relevant = self._relevant()
        for block in self.flow.reverse_post_order:
            for instruction in self.flow.blocks[block]:
                if instruction.index in relevant:
                    try:
                        self._values[instruction.index] = self._value(instruction)
                    except _Unknown:
                        self._values[instruction.index] = None
        self._close_phis()
        self._find_accesses()
        self._find_facts()
        self._find_tests()
        self._find_branches()
        control = self.flow.control_dependence
        plan.control_arguments = frozenset(
            int(name[3:]) for name in control if name.startswith("arg")
        )
        plan.control_sizes = SIZES in control
        plan.control_dimensions = _dimensions(control)
        body = [
            *self.emit.lines,
            "return (" + "".join(self.emit.text(form) + "," for form in self._forms) + ")",
        ]
        source = "def evaluate(A, S):\n" + "\n".join("    " + line for line in body)
        scope: dict[str, object] = {"__builtins__": {"abs": abs, "min": min, "max": max}}
        # The text is made of numbers, t0.., A[..] and S[..] only: nothing of it is the kernel's.
        exec(compile(source, "<plan>", "exec"), scope)
        plan.evaluate = scope["evaluate"]  # type: ignore[assignment]
        return plan

    def _refusal(self) -> str:
        flow = self.flow
        if not flow.is_reducible:
            return "irreducible control flow"
        if MEMORY in flow.control_dependence:
            return "a branch depends on memory"
        if any(i.opcode == "unreachable" for i in flow.instructions):
            return "reaches undefined behaviour"
        for instruction in flow.instructions:
            if instruction.opcode == "call" and "image" in instruction.callee:
                return "accesses images"
            if instruction.callee.startswith(_BARRIERS) and not self._is_uniform_block(
                instruction.block
            ):
                return "a barrier under a condition that may differ between work-items"
        return ""

    def _is_uniform_block(self, block: int) -> bool:
        """Whether all work-items of a group execute a block equally often.

        The branches that a block is control dependent on must not depend on ids of work-items;
        PHIs are covered because then every branch in the closure is uniform.
        """
        pending, seen = [block], {block}
        branches = {branch.block: branch for branch in self.flow.branches}
        while pending:
            target = pending.pop()
            for source, branch in branches.items():
                if source in seen or not self._controls(source, target):
                    continue
                if any(
                    name[:3] in ("gid", "lid")
                    for name in self._closed_dependence(branch.operands[0])
                ):
                    return False
                seen.add(source)
                pending.append(source)
        return True

    def _closed_dependence(self, code: int) -> frozenset[str]:
        """Return what a value depends on, the branches that steer its PHIs included."""
        found: frozenset[str] = frozenset()
        pending, seen = [code], set()
        branches = {branch.block: branch for branch in self.flow.branches}
        while pending:
            value = pending.pop()
            found |= self.flow.dependence(value)
            if value < 0 or value in seen:
                continue
            seen.add(value)
            instruction = self.flow.instructions[value]
            pending += [c for c in instruction.operands if c >= 0]
            if instruction.opcode == "phi":
                # Any branch that can choose between the PHI's predecessors.
                for source, branch in branches.items():
                    if any(
                        self._controls(source, p) or source == p
                        for p in self.flow.predecessors[instruction.block]
                    ):
                        pending.append(branch.operands[0])
        return found

    def _controls(self, source: int, target: int) -> bool:
        """Whether `target` is control dependent on the branch at the end of `source`."""
        stop = self.flow.post_dominators[source]
        for successor in self.flow.successors[source]:
            runner = successor
            while runner not in (stop, self.kernel.n_blocks):
                if runner == target:
                    return True
                runner = self.flow.post_dominators[runner]
        return False

    def _relevant(self) -> set[int]:
        """Return the instructions that addresses and conditions are computed from."""
        pending = []
        for instruction in self.flow.instructions:
            if instruction.opcode in _ACCESSES:
                place = 1 if instruction.opcode == "store" else 0
                pending.append(instruction.operands[place])
        pending += [branch.operands[0] for branch in self.flow.branches]
        found: set[int] = set()
        while pending:
            code = pending.pop()
            if code >= 0 and code not in found:
                found.add(code)
                pending += self.flow.instructions[code].operands
        return found

    def _new_atom(self, atom: Atom) -> int:
        self.plan.atoms.append(atom)
        return len(self.plan.atoms) - 1

    def form_id(self, form: Form) -> int:
        """Return the number of a form in what the generated function returns."""
        return self._forms.setdefault(form, len(self._forms))

    def _fit(self, value: Value, low: int, high: int, block: int) -> frozenset[int]:
        """Require a value's form to lie in [low, high]; a constant that does needs nothing."""
        if value.form.is_uniform and isinstance(value.form.const, int):
            if low <= value.form.const <= high:
                return value.needs
            raise _Unknown
        fit = Fit(self.form_id(value.form), low, high, block)
        number = self._fits.setdefault(fit, len(self._fits))
        if number == len(self.plan.fits):
            self.plan.fits.append(fit)
        return value.needs | {number}

    def operand(self, instruction: Instruction, place: int) -> Value:
        """Return an integer operand, in signed reading when it is uniform."""
        code, text = instruction.operands[place], instruction.texts[place]
        if code >= 0:
            value = self._values.get(code)
            if not isinstance(value, Value):
                raise _Unknown
            return value
        if code == CONSTANT:
            if re.fullmatch(r"-?\d+", text):
                return Value(Form(int(text)))
            if text in ("true", "false"):
                return Value(Form(int(text == "true")))
            raise _Unknown
        if code > BLOCK:
            return Value(Form(self.emit.let(f"A[{PARAMETER - code}]")))
        raise _Unknown

    def pointer(self, instruction: Instruction, place: int) -> Pointer:
        """Return a pointer operand."""
        code, text = instruction.operands[place], instruction.texts[place]
        if code >= 0:
            value = self._values.get(code)
            if not isinstance(value, Pointer):
                raise _Unknown
            return value
        if code == CONSTANT:
            if text.startswith("@"):
                return Pointer(text, Form(0))
            raise _Unknown
        return Pointer(f"a{PARAMETER - code}", Form(0))

    def _opaque(
        self,
        instruction: Instruction,
        operation: str,
        values: list[Value],
        facts: tuple[tuple[Form, Coefficient], ...] = (),
        blocks: tuple[int, ...] = (),
    ) -> Form:
        """Return a new atom; `facts` are pairs with ``form + factor * atom <= 0``."""
        needs = _union(values)
        atom = Atom(
            "opaque",
            loop=self._loop_of_block[instruction.block],
            block=instruction.block,
            operation=operation,
            operands=tuple(self.form_id(value.form) for value in values),
            operand_blocks=blocks or (instruction.block,) * len(values),
            needs=needs,
        )
        number = self._new_atom(atom)
        me = Form(0, ((number, 1),))
        atom.facts = tuple(
            Fact(self.form_id(self.emit.form_add(form, self.emit.scale(me, factor))), needs)
            for form, factor in facts
        )
        return me

    def _value(self, instruction: Instruction) -> Value | Pointer | None:
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
        handler = getattr(self, f"_op_{instruction.opcode}", None)
        if handler is None:
            return None
        value: Value = handler(instruction)
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
                self.plan.root_bytes[root] = size_and_align(instruction.element, self._structs)[0]
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
            size, align = size_and_align(kind, self._structs)
            stride = -(-size // align) * align
            form = self.emit.form_add(form, self.emit.scale(index.form, stride))
            needs |= index.needs
        return Pointer(base.root, form, needs)

    def _enter(self, kind: str, index: Value) -> tuple[str, int | None]:
        """Step into an aggregate: (type of the part, byte offset of a structure's field)."""
        kind = self._structs.get(kind, kind)
        if kind.startswith("["):
            return kind[1:-1].split(" x ", 1)[1], None
        if kind.startswith("<") and not kind.startswith("<{"):
            return kind[1:-1].split(" x ", 1)[1], None
        if not isinstance(index.form.const, int):
            raise _Unknown
        is_packed = kind.startswith("<{")
        fields = split_list(kind[2:-2] if is_packed else kind[1:-1])
        offset = 0
        for number, field in enumerate(fields):
            size, align = size_and_align(field, self._structs)
            if not is_packed:
                offset = -(-offset // align) * align
            if number == index.form.const:
                return field, offset
            offset += size
        raise _Unknown

    def _incoming(self, instruction: Instruction) -> list[tuple[int, int]]:
        """Return (operand place, predecessor block) pairs of a PHI."""
        return [
            (place, BLOCK - instruction.operands[place + 1])
            for place in range(0, len(instruction.operands), 2)
        ]

    def _phi(self, instruction: Instruction) -> Value:
        loop = self._loop_of_header.get(instruction.block)
        if loop is not None:
            return Value(self._loop_phi(instruction, loop))
        values = [self.operand(instruction, place) for place, _ in self._incoming(instruction)]
        if all(value.form == values[0].form for value in values):
            return Value(values[0].form, _union(values))
        blocks = tuple(block for _, block in self._incoming(instruction))
        signed = [
            self._signed(value, instruction.bits, block)
            for value, block in zip(values, blocks, strict=True)
        ]
        return Value(self._opaque(instruction, "union", signed, blocks=blocks))

    def _pointer_phi(self, instruction: Instruction) -> Pointer:
        loop = self._loop_of_header.get(instruction.block)
        pairs = self._incoming(instruction)
        if loop is not None:
            latches = self.kernel.loops[loop].latches
            entry = next(place for place, block in pairs if block not in latches)
            first = self.pointer(instruction, entry)
            return Pointer(first.root, self._loop_phi(instruction, loop))
        pointers = [self.pointer(instruction, place) for place, _ in pairs]
        if len({pointer.root for pointer in pointers}) > 1:
            raise _Unknown
        if all(pointer.form == pointers[0].form for pointer in pointers):
            return pointers[0]
        values = [Value(pointer.form, pointer.needs) for pointer in pointers]
        blocks = tuple(block for _, block in pairs)
        form = self._opaque(instruction, "union", values, blocks=blocks)
        return Pointer(pointers[0].root, form)

    def _loop_phi(self, instruction: Instruction, loop: int) -> Form:
        atom = self._new_atom(Atom("phi", loop=loop, block=instruction.block))
        self._phis.append((instruction, atom, self.kernel.loops[loop]))
        return Form(0, ((atom, 1),))

    def _close_phis(self) -> None:
        """Find what an iteration adds to each loop variable, now that the latch is known."""
        for instruction, number, loop in self._phis:
            atom = self.plan.atoms[number]
            pairs = self._incoming(instruction)
            entries = [place for place, block in pairs if block not in loop.latches]
            latches = [place for place, block in pairs if block in loop.latches]
            if len(entries) != 1:
                continue
            try:
                first = self._plain(instruction, entries[0])
                steps = [self._plain(instruction, place) for place in latches]
            except _Unknown:
                continue
            me = Form(0, ((number, 1),))
            changes = {self.emit.subtract(step.form, me) for step in steps}
            atom.first = self.form_id(first.form)
            atom.needs = first.needs.union(*(step.needs for step in steps))
            if len(changes) == 1:
                change = changes.pop()
                if not any(self._varies_in(a, atom.loop) for a, _ in change.terms):
                    atom.step = self.form_id(change)

    def _plain(self, instruction: Instruction, place: int) -> Value:
        if instruction.type.startswith("ptr"):
            pointer = self.pointer(instruction, place)
            mine = self._values[instruction.index]
            if not isinstance(mine, Pointer) or mine.root != pointer.root:
                raise _Unknown
            return Value(pointer.form, pointer.needs)
        return self.operand(instruction, place)

    def _varies_in(self, atom: int, loop: int) -> bool:
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
            return self._extremum(instruction, match[1], match[2])
        if name.startswith("llvm.abs."):
            value = self._signed(self.operand(instruction, 0), instruction.bits, instruction.block)
            return Value(self._opaque(instruction, "abs", [value]))
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

    def _signed(self, value: Value, bits: int, block: int) -> Value:
        """Return a value whose form is its machine word read as signed."""
        if value.form.is_uniform:
            return Value(Form(self.emit.signed(value.form.const, bits)), value.needs)
        needs = self._fit(value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1, block)
        return Value(value.form, needs)

    def _unsigned(self, value: Value, bits: int, block: int) -> Value:
        """Return a value whose form is its machine word read as unsigned."""
        if value.form.is_uniform:
            return Value(Form(self.emit.unsigned(value.form.const, bits)), value.needs)
        return Value(value.form, self._fit(value, 0, (1 << bits) - 1, block))

    def _extremum(self, instruction: Instruction, sign: str, which: str) -> Value:
        read = self._signed if sign == "s" else self._unsigned
        a, b = (
            read(self.operand(instruction, place), instruction.bits, instruction.block)
            for place in range(2)
        )
        if a.form.is_uniform and b.form.is_uniform:
            folded = self.emit.let(f"{which}({a.form.const}, {b.form.const})")
            return Value(Form(folded), a.needs | b.needs)
        factor = -1 if which == "max" else 1
        sides = tuple((self.emit.scale(value.form, -factor), factor) for value in (a, b))
        return Value(self._opaque(instruction, which, [a, b], sides))

    def _both(self, instruction: Instruction) -> tuple[Value, Value]:
        return self.operand(instruction, 0), self.operand(instruction, 1)

    def _op_add(self, instruction: Instruction) -> Value:
        a, b = self._both(instruction)
        return Value(self.emit.form_add(a.form, b.form), a.needs | b.needs)

    def _op_sub(self, instruction: Instruction) -> Value:
        a, b = self._both(instruction)
        return Value(self.emit.subtract(a.form, b.form), a.needs | b.needs)

    def _op_mul(self, instruction: Instruction) -> Value:
        a, b = self._both(instruction)
        if a.form.is_uniform:
            a, b = b, a
        if b.form.is_uniform:
            return Value(self.emit.scale(a.form, b.form.const), a.needs | b.needs)
        a, b = (self._signed(v, instruction.bits, instruction.block) for v in (a, b))
        return Value(self._opaque(instruction, "mul", [a, b]))

    def _op_shl(self, instruction: Instruction) -> Value:
        a, b = self._both(instruction)
        if isinstance(b.form.const, int) and b.form.is_uniform:
            return Value(self.emit.scale(a.form, 1 << (b.form.const % instruction.bits)), a.needs)
        if b.form.is_uniform:
            factor = self.emit.let(f"1 << ({b.form.const} & {instruction.bits - 1})")
            return Value(self.emit.scale(a.form, factor), a.needs | b.needs)
        raise _Unknown

    def _op_trunc(self, instruction: Instruction) -> Value:
        return self.operand(instruction, 0)

    _op_freeze = _op_trunc

    def _op_sext(self, instruction: Instruction) -> Value:
        bits = int(instruction.operand_type[1:])
        return self._signed(self.operand(instruction, 0), bits, instruction.block)

    def _op_zext(self, instruction: Instruction) -> Value:
        bits = int(instruction.operand_type[1:])
        if bits == 1:
            return Value(self._opaque(instruction, "bit", []))
        return self._unsigned(self.operand(instruction, 0), bits, instruction.block)

    def _quotient(self, instruction: Instruction, a: Value, divisor: Value) -> Value:
        """Return floor(a / divisor) of a value that is not negative."""
        d = divisor.form.const
        if a.form.is_uniform:
            folded = self.emit.let(f"{a.form.const} // {d} if {d} else 0")
            return Value(Form(folded), a.needs | divisor.needs)
        if isinstance(d, int) and d > 0 and _divisible(a.form, d):
            numbers = ((atom, c // d) for atom, c in a.form.terms if isinstance(c, int))
            assert isinstance(a.form.const, int)
            return Value(Form(a.form.const // d, tuple(numbers)), a.needs)
        # d * q <= a <= d * q + d - 1
        minus = self.emit.multiply(d, -1)
        low = (self.emit.scale(a.form, -1), d)
        high = (self.emit.form_add(a.form, Form(self.emit.add(1, minus))), minus)
        return Value(self._opaque(instruction, "div", [a, divisor], (low, high)))

    def _nonnegative(self, instruction: Instruction, place: int, bits: int) -> Value:
        value = self._unsigned(self.operand(instruction, place), bits, instruction.block)
        if value.form.is_uniform:
            return value
        high = (1 << (bits - 1)) - 1
        return Value(value.form, self._fit(value, 0, high, instruction.block))

    def _op_udiv(self, instruction: Instruction) -> Value:
        divisor = self._unsigned(self.operand(instruction, 1), instruction.bits, instruction.block)
        if not divisor.form.is_uniform:
            raise _Unknown
        a = self._unsigned(self.operand(instruction, 0), instruction.bits, instruction.block)
        return self._quotient(instruction, a, divisor)

    def _op_sdiv(self, instruction: Instruction) -> Value:
        a, b = self._both(instruction)
        if a.form.is_uniform and b.form.is_uniform:
            return Value(Form(self._truncated(a.form.const, b.form.const)), a.needs | b.needs)
        if not isinstance(b.form.const, int) or not b.form.is_uniform or b.form.const <= 0:
            raise _Unknown
        return self._quotient(instruction, self._nonnegative_signed(instruction), b)

    def _truncated(self, a: Coefficient, b: Coefficient) -> str:
        """Return the quotient of uniform values, rounded towards zero; 0 for division by 0."""
        down = f"(abs({a}) // abs({b}))"
        return self.emit.let(f"({down} if ({a} >= 0) == ({b} > 0) else -{down}) if {b} else 0")

    def _nonnegative_signed(self, instruction: Instruction) -> Value:
        value = self.operand(instruction, 0)
        if value.form.is_uniform:
            raise _Unknown
        return self._nonnegative(instruction, 0, instruction.bits)

    def _op_urem(self, instruction: Instruction) -> Value:
        divisor = self._unsigned(self.operand(instruction, 1), instruction.bits, instruction.block)
        if not divisor.form.is_uniform:
            raise _Unknown
        a = self._unsigned(self.operand(instruction, 0), instruction.bits, instruction.block)
        return self._remainder(instruction, a, divisor)

    def _op_srem(self, instruction: Instruction) -> Value:
        a, b = self._both(instruction)
        if a.form.is_uniform and b.form.is_uniform:
            quotient = self._truncated(a.form.const, b.form.const)
            rest = self.emit.let(
                f"{a.form.const} - {b.form.const} * {quotient} if {b.form.const} else 0"
            )
            return Value(Form(rest), a.needs | b.needs)
        if not isinstance(b.form.const, int) or not b.form.is_uniform or b.form.const <= 0:
            raise _Unknown
        return self._remainder(instruction, self._nonnegative_signed(instruction), b)

    def _remainder(self, instruction: Instruction, a: Value, divisor: Value) -> Value:
        d = divisor.form.const
        if a.form.is_uniform:
            folded = self.emit.let(f"{a.form.const} % {d} if {d} else 0")
            return Value(Form(folded), a.needs | divisor.needs)
        return Value(self._opaque(instruction, "rem", [a, divisor]))

    def _op_lshr(self, instruction: Instruction) -> Value:
        shift = self.operand(instruction, 1).form
        if not shift.is_uniform or not isinstance(shift.const, int):
            raise _Unknown
        a = self._unsigned(self.operand(instruction, 0), instruction.bits, instruction.block)
        return self._quotient(instruction, a, Value(Form(1 << (shift.const % instruction.bits))))

    def _op_ashr(self, instruction: Instruction) -> Value:
        shift = self.operand(instruction, 1).form
        if not shift.is_uniform or not isinstance(shift.const, int):
            raise _Unknown
        a = self._signed(self.operand(instruction, 0), instruction.bits, instruction.block)
        return self._quotient(instruction, a, Value(Form(1 << (shift.const % instruction.bits))))

    def _op_and(self, instruction: Instruction) -> Value:
        a, b = self._both(instruction)
        if a.form.is_uniform and b.form.is_uniform:
            return Value(Form(self.emit.let(f"{a.form.const} & {b.form.const}")), a.needs | b.needs)
        mask = b.form.const if b.form.is_uniform else None
        if isinstance(mask, int) and mask >= 0 and mask & (mask + 1) == 0:
            # The low bits of a word do not depend on how the rest is read.
            return Value(self._opaque(instruction, "low", [a, b]))
        if isinstance(mask, int) and mask >= 0:
            return Value(self._opaque(instruction, "mask", [a, b]))
        if isinstance(mask, int) and -mask & (-mask - 1) == 0:
            value = self._signed(a, instruction.bits, instruction.block)
            up = (self.emit.form_add(value.form, Form(mask + 1)), -1)
            down = (self.emit.scale(value.form, -1), 1)
            return Value(self._opaque(instruction, "align", [value, b], (up, down)))
        raise _Unknown

    def _op_or(self, instruction: Instruction) -> Value:
        a, b = self._both(instruction)
        if a.form.is_uniform and b.form.is_uniform:
            return Value(Form(self.emit.let(f"{a.form.const} | {b.form.const}")), a.needs | b.needs)
        if isinstance(b.form.const, int) and b.form.is_uniform and b.form.const > 0:
            unit = 1 << b.form.const.bit_length()
            if _divisible(a.form, unit):
                return Value(self.emit.form_add(a.form, b.form), a.needs | b.needs)
        values = [self._nonnegative(instruction, place, instruction.bits) for place in range(2)]
        # max(a, b) <= a | b <= a + b
        total = self.emit.form_add(values[0].form, values[1].form)
        facts = ((self.emit.scale(total, -1), 1), *((value.form, -1) for value in values))
        return Value(self._opaque(instruction, "or", values, facts))

    def _op_xor(self, instruction: Instruction) -> Value:
        a, b = self._both(instruction)
        if b.form == Form(-1):
            return Value(self.emit.subtract(Form(-1), a.form), a.needs)
        if a.form.is_uniform and b.form.is_uniform:
            return Value(Form(self.emit.let(f"{a.form.const} ^ {b.form.const}")), a.needs | b.needs)
        raise _Unknown

    def _op_select(self, instruction: Instruction) -> Value:
        values = [
            self._signed(self.operand(instruction, place), instruction.bits, instruction.block)
            for place in (1, 2)
        ]
        return Value(self._opaque(instruction, "union", values))

    def _find_accesses(self) -> None:
        variables = self._variable_sizes()
        written, read = set(), set()
        for instruction in self.flow.instructions:
            if instruction.opcode not in _ACCESSES:
                continue
            place = 1 if instruction.opcode == "store" else 0
            try:
                pointer = self.pointer(instruction, place)
            except _Unknown:
                self.plan.refusal = (
                    f"the address of a {instruction.opcode} is not affine in ids and arguments"
                )
                return
            if pointer.root.startswith("a"):
                parameter = int(pointer.root[1:])
                if instruction.opcode != "load":
                    written.add(parameter)
                if instruction.opcode != "store":
                    read.add(parameter)
            elif pointer.root.startswith("@"):
                self.plan.root_bytes[pointer.root] = variables.get(pointer.root, 0)
            self.plan.obligations.append(
                Obligation(
                    pointer.root,
                    self.form_id(pointer.form),
                    pointer.needs,
                    max(1, instruction.access_bytes),
                    max(1, instruction.align_bytes),
                    instruction.block,
                )
            )
        self.plan.obligations = list(dict.fromkeys(self.plan.obligations))
        self.plan.written_parameters = frozenset(written)
        self.plan.read_parameters = frozenset(read)

    def _variable_sizes(self) -> dict[str, int]:
        found = {}
        pattern = r"^(@[\w.$]+) = [^\n]*?\b(?:global|constant) (.+)$"
        for name, rest in re.findall(pattern, self.kernel.text, re.MULTILINE):
            found[name] = size_and_align(rest[: end_of_type(rest, 0)], self._structs)[0]
        return found

    def _comparison(
        self, instruction: Instruction, is_true: bool
    ) -> list[tuple[Form, frozenset[int], bool]]:
        """Return what an icmp's outcome implies: (form <= 0, needs, or form != 0)."""
        predicate = instruction.predicate
        if not is_true:
            predicate = _NEGATED[predicate]
        a, b = self._both(instruction)
        bits = int(instruction.operand_type[1:]) if instruction.operand_type[0] == "i" else 64
        block = instruction.block
        emit = self.emit
        if predicate in ("ugt", "uge", "sgt", "sge"):
            a, b = b, a
            predicate = _SWAPPED[predicate]
        if predicate in ("slt", "sle", "eq", "ne"):
            a, b = self._signed(a, bits, block), self._signed(b, bits, block)
            needs = a.needs | b.needs
            difference = emit.subtract(a.form, b.form)
            if predicate == "ne":
                return [(difference, needs, True)]
            one = Form(1 if predicate == "slt" else 0)
            found = [(emit.form_add(difference, one), needs, False)]
            if predicate == "eq":
                found.append((emit.scale(difference, -1), needs, False))
            return found
        # ult, ule: with b in the positive half, a's word is too, and a is not negative.
        a = self._signed(a, bits, block)
        high = (1 << (bits - 1)) - 1
        if b.form.is_uniform:
            b = Value(Form(emit.unsigned(b.form.const, bits)), b.needs)
        needs = a.needs | self._fit(b, 0, high, block)
        one = Form(1 if predicate == "ult" else 0)
        found = [(emit.form_add(emit.subtract(a.form, b.form), one), needs, False)]
        return [*found, (emit.scale(a.form, -1), needs, False)]

    def _implied(self, code: int, is_true: bool) -> list[tuple[Form, frozenset[int], bool]]:
        """Return what a condition's outcome implies, looking through and, or, not."""
        if code < 0:
            return []
        instruction = self.flow.instructions[code]
        opcode = instruction.opcode
        try:
            if opcode == "icmp":
                return self._comparison(instruction, is_true)
        except (_Unknown, KeyError):
            return []
        if opcode == "xor" and instruction.texts[1] == "true":
            return self._implied(instruction.operands[0], not is_true)
        is_and = opcode == "and" or (opcode == "select" and instruction.texts[2] == "false")
        is_or = opcode == "or" or (opcode == "select" and instruction.texts[1] == "true")
        if (is_and and is_true) or (is_or and not is_true):
            parts = [c for c in instruction.operands if c >= 0]
            return [item for part in parts for item in self._implied(part, is_true)]
        return []

    def _edge_facts(
        self, branch: Instruction, target: int
    ) -> list[tuple[Form, frozenset[int], bool]]:
        """Return what holds when a branch goes to `target`."""
        if branch.opcode != "br":
            return []
        yes, no = BLOCK - branch.operands[1], BLOCK - branch.operands[2]
        if yes == no:
            return []
        return self._implied(branch.operands[0], target == yes)

    def _find_facts(self) -> None:
        own: list[list[Fact]] = [[] for _ in range(self.kernel.n_blocks)]
        for branch in self.flow.branches:
            for target in set(self.flow.successors[branch.block]):
                if self.flow.predecessors[target] != [branch.block]:
                    continue
                own[target] += [
                    Fact(self.form_id(form), needs, is_ne)
                    for form, needs, is_ne in self._edge_facts(branch, target)
                ]
        atoms = self.plan.atoms
        by_id = list(self._forms)
        everything: list[tuple[Fact, ...]] = []
        for block in range(self.kernel.n_blocks):
            facts: list[Fact] = []
            above = block
            while self.flow.dominators[block] >= 0:
                facts += own[above]
                if above == 0:
                    break
                above = self.flow.dominators[above]
            # A fact about a loop's variable holds in that loop only: later it may have changed.
            usable = [
                fact
                for fact in facts
                if all(
                    atoms[atom].loop < 0 or block in self.kernel.loops[atoms[atom].loop].blocks
                    for atom, _ in by_id[fact.form].terms
                )
            ]
            everything.append(tuple(usable))
        self.plan.block_facts = everything

    def _find_tests(self) -> None:
        branches = {branch.block: branch for branch in self.flow.branches}
        for loop in self.kernel.loops:
            tests: list[Fact] = []
            for block in loop.blocks:
                branch = branches.get(block)
                if branch is None or not all(self.flow.dominates(block, x) for x in loop.latches):
                    continue
                inside = [t for t in self.flow.successors[block] if t in loop.blocks]
                if len(inside) != 1 or len(self.flow.successors[block]) != 2:
                    continue
                if self._loop_of_block[block] != self._loop_of_header[loop.header]:
                    continue
                tests += [
                    Fact(self.form_id(form), needs, is_ne)
                    for form, needs, is_ne in self._edge_facts(branch, inside[0])
                ]
            self.plan.loop_tests.append(tuple(tests))

    def _find_branches(self) -> None:
        self.plan.successors = self.flow.successors
        for branch in self.flow.branches:
            if branch.opcode == "switch":
                found = self._switch(branch)
            else:
                tree = self._tree(branch.operands[0], branch.texts[0])
                yes, no = BLOCK - branch.operands[1], BLOCK - branch.operands[2]
                found = Branch(((tree, yes),), no)
            self.plan.branches[branch.block] = found
        for branch_cases in self.plan.branches.values():
            for tree, _ in branch_cases.cases:
                self.plan.leaves += [leaf for leaf in _leaves(tree) if leaf.dimensions]
        self.plan.leaves = list(dict.fromkeys(self.plan.leaves))

    def _switch(self, branch: Instruction) -> Branch:
        dimensions = _dimensions(self.flow.dependence(branch.operands[0]))
        try:
            bits = int(branch.operand_type[1:])
            value = self._signed(self.operand(branch, 0), bits, branch.block)
        except _Unknown:
            value = None
        cases = []
        for place in range(2, len(branch.operands), 2):
            leaf = Leaf(-1, True, frozenset(), dimensions)
            if value is not None:
                form = self.emit.form_add(value.form, Form(-int(branch.texts[place])))
                leaf = Leaf(self.form_id(form), True, value.needs, dimensions)
            cases.append((("leaf", leaf), BLOCK - branch.operands[place + 1]))
        return Branch(tuple(cases), BLOCK - branch.operands[1])

    def _tree(self, code: int, text: str) -> Tree:
        """Return a condition as comparisons joined by and, or, not."""
        if code < 0:
            return ("const", text == "true") if text in ("true", "false") else ("unknown",)
        instruction = self.flow.instructions[code]
        parts = list(zip(instruction.operands, instruction.texts, strict=True))
        match instruction.opcode:
            case "icmp":
                return self._comparison_tree(instruction)
            case "and" | "or":
                return (instruction.opcode, self._tree(*parts[0]), self._tree(*parts[1]))
            case "freeze":
                return self._tree(*parts[0])
            case "xor" if instruction.texts[1] == "true":
                return ("not", self._tree(*parts[0]))
            case "phi" if instruction.block not in self._loop_of_header:
                ways = [
                    (self._tree(*parts[place]), block)
                    for place, block in self._incoming(instruction)
                ]
                return ("phi", tuple(ways))
            case "select":
                test, yes, no = (self._tree(*part) for part in parts)
                return ("or", ("and", test, yes), ("and", ("not", test), no))
        return ("leaf", Leaf(-1, False, frozenset(), _dimensions(self.flow.dependence(code))))

    def _comparison_tree(self, instruction: Instruction) -> Tree:
        dimensions = _dimensions(self.flow.dependence(instruction.index))
        unknown = ("leaf", Leaf(-1, False, frozenset(), dimensions))
        if instruction.operand_type[0] != "i":
            return unknown
        bits, block = int(instruction.operand_type[1:]), instruction.block
        predicate = instruction.predicate
        read = self._unsigned if predicate[0] == "u" else self._signed
        try:
            a, b = (read(value, bits, block) for value in self._both(instruction))
        except _Unknown:
            return unknown
        if predicate[1:] in ("gt", "le"):
            a, b = b, a
        form = self.form_id(self.emit.subtract(a.form, b.form))
        is_equality = predicate in ("eq", "ne")
        tree = ("leaf", Leaf(form, is_equality, a.needs | b.needs, dimensions))
        return ("not", tree) if predicate in ("ne", "sge", "uge", "sle", "ule") else tree


def _leaves(tree: Tree) -> list[Leaf]:
    if tree[0] == "leaf":
        return [tree[1]]
    parts = [way[0] for way in tree[1]] if tree[0] == "phi" else tree[1:]
    return [leaf for part in parts if isinstance(part, tuple) for leaf in _leaves(part)]


_NEGATED = {
    "eq": "ne",
    "ne": "eq",
    "slt": "sge",
    "sge": "slt",
    "sgt": "sle",
    "sle": "sgt",
    "ult": "uge",
    "uge": "ult",
    "ugt": "ule",
    "ule": "ugt",
}
_SWAPPED = {"sgt": "slt", "sge": "sle", "ugt": "ult", "uge": "ule"}


def _dimensions(dependences: frozenset[str]) -> frozenset[int]:
    return frozenset(int(name[3]) for name in dependences if name[:3] in ("gid", "lid", "grp"))


def _divisible(form: Form, unit: int) -> bool:
    """Whether a form is a multiple of `unit` whatever the launch."""
    numbers = (form.const, *(c for _, c in form.terms))
    return all(isinstance(n, int) and n % unit == 0 for n in numbers)


def _union(values: list[Value]) -> frozenset[int]:
    """Return all fits that some values rest on."""
    found: frozenset[int] = frozenset()
    for value in values:
        found |= value.needs
    return found


def plan_kernel(kernel: KernelIR) -> Plan:
    """Return the plan of a kernel."""
    return Planner(kernel).build()
