"""Branch conditions: what an outcome implies, and as trees of comparisons with zero."""

from __future__ import annotations

from gpusim.compiler.kernel_ir import BLOCK
from gpusim.count.dataflow import Instruction
from gpusim.count.forms import Form, UnknownFormError
from gpusim.count.plan import Branch, Leaf, Tree, Value
from gpusim.count.value_forms import ValueForms

Implied = tuple[Form, frozenset[int], bool]
"""form <= 0, or form != 0 where the flag is set, provided that the fits hold."""

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


class Conditions:
    """Reads conditions of one kernel."""

    def __init__(self, forms: ValueForms) -> None:
        self.forms = forms

    def _comparison(self, instruction: Instruction, is_true: bool) -> list[Implied]:
        """Return what an icmp's outcome implies: (form <= 0, needs, or form != 0)."""
        predicate = instruction.predicate
        if not is_true:
            predicate = _NEGATED[predicate]
        a, b = self.forms.both(instruction)
        bits = int(instruction.operand_type[1:]) if instruction.operand_type[0] == "i" else 64
        block = instruction.block
        emit = self.forms.emit
        if predicate in ("ugt", "uge", "sgt", "sge"):
            a, b = b, a
            predicate = _SWAPPED[predicate]
        if predicate in ("slt", "sle", "eq", "ne"):
            a, b = self.forms.signed(a, bits, block), self.forms.signed(b, bits, block)
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
        a = self.forms.signed(a, bits, block)
        high = (1 << (bits - 1)) - 1
        if b.form.is_uniform:
            b = Value(Form(emit.unsigned(b.form.const, bits)), b.needs)
        needs = a.needs | self.forms.fit(b, 0, high, block)
        one = Form(1 if predicate == "ult" else 0)
        found = [(emit.form_add(emit.subtract(a.form, b.form), one), needs, False)]
        return [*found, (emit.scale(a.form, -1), needs, False)]

    def _implied(self, code: int, is_true: bool) -> list[Implied]:
        """Return what a condition's outcome implies, looking through and, or, not."""
        if code < 0:
            return []
        instruction = self.forms.flow.instructions[code]
        opcode = instruction.opcode
        try:
            if opcode == "icmp":
                return self._comparison(instruction, is_true)
        except (UnknownFormError, KeyError):
            return []
        if opcode == "xor" and instruction.texts[1] == "true":
            return self._implied(instruction.operands[0], not is_true)
        is_and = opcode == "and" or (opcode == "select" and instruction.texts[2] == "false")
        is_or = opcode == "or" or (opcode == "select" and instruction.texts[1] == "true")
        if (is_and and is_true) or (is_or and not is_true):
            parts = [c for c in instruction.operands if c >= 0]
            return [item for part in parts for item in self._implied(part, is_true)]
        return []

    def edge_facts(self, branch: Instruction, target: int) -> list[Implied]:
        """Return what holds when a branch goes to `target`."""
        if branch.opcode != "br":
            return []
        yes, no = BLOCK - branch.operands[1], BLOCK - branch.operands[2]
        if yes == no:
            return []
        return self._implied(branch.operands[0], target == yes)

    def switch(self, branch: Instruction) -> Branch:
        """Return the cases of a switch as comparisons with their constants."""
        dimensions = dimensions_of(self.forms.flow.dependence(branch.operands[0]))
        try:
            bits = int(branch.operand_type[1:])
            value = self.forms.signed(self.forms.operand(branch, 0), bits, branch.block)
        except UnknownFormError:
            value = None
        cases = []
        for place in range(2, len(branch.operands), 2):
            leaf = Leaf(-1, True, frozenset(), dimensions)
            if value is not None:
                form = self.forms.emit.form_add(value.form, Form(-int(branch.texts[place])))
                leaf = Leaf(self.forms.form_id(form), True, value.needs, dimensions)
            cases.append((("leaf", leaf), BLOCK - branch.operands[place + 1]))
        return Branch(tuple(cases), BLOCK - branch.operands[1])

    def tree(self, code: int, text: str) -> Tree:
        """Return a condition as comparisons joined by and, or, not."""
        if code < 0:
            return ("const", text == "true") if text in ("true", "false") else ("unknown",)
        instruction = self.forms.flow.instructions[code]
        parts = list(zip(instruction.operands, instruction.texts, strict=True))
        match instruction.opcode:
            case "icmp":
                return self._comparison_tree(instruction)
            case "and" | "or":
                return (instruction.opcode, self.tree(*parts[0]), self.tree(*parts[1]))
            case "freeze":
                return self.tree(*parts[0])
            case "xor" if instruction.texts[1] == "true":
                return ("not", self.tree(*parts[0]))
            case "phi" if instruction.block not in self.forms.loop_of_header:
                ways = [
                    (self.tree(*parts[place]), block)
                    for place, block in self.forms.incoming(instruction)
                ]
                return ("phi", tuple(ways))
            case "select":
                test, yes, no = (self.tree(*part) for part in parts)
                return ("or", ("and", test, yes), ("and", ("not", test), no))
        return (
            "leaf",
            Leaf(-1, False, frozenset(), dimensions_of(self.forms.flow.dependence(code))),
        )

    def _comparison_tree(self, instruction: Instruction) -> Tree:
        dimensions = dimensions_of(self.forms.flow.dependence(instruction.index))
        unknown = ("leaf", Leaf(-1, False, frozenset(), dimensions))
        if instruction.operand_type[0] != "i":
            return unknown
        bits, block = int(instruction.operand_type[1:]), instruction.block
        predicate = instruction.predicate
        read = self.forms.unsigned if predicate[0] == "u" else self.forms.signed
        try:
            a, b = (read(value, bits, block) for value in self.forms.both(instruction))
        except UnknownFormError:
            return unknown
        if predicate[1:] in ("gt", "le"):
            a, b = b, a
        form = self.forms.form_id(self.forms.emit.subtract(a.form, b.form))
        is_equality = predicate in ("eq", "ne")
        tree = ("leaf", Leaf(form, is_equality, a.needs | b.needs, dimensions))
        return ("not", tree) if predicate in ("ne", "sge", "uge", "sle", "ule") else tree


def leaves_of(tree: Tree) -> list[Leaf]:
    """Return all comparisons of a condition."""
    if tree[0] == "leaf":
        return [tree[1]]
    parts = [way[0] for way in tree[1]] if tree[0] == "phi" else tree[1:]
    return [leaf for part in parts if isinstance(part, tuple) for leaf in leaves_of(part)]


def dimensions_of(dependences: frozenset[str]) -> frozenset[int]:
    """Return the dimensions of the NDRange whose ids are among some dependences."""
    return frozenset(int(name[3]) for name in dependences if name[:3] in ("gid", "lid", "grp"))
