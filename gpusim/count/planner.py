"""A kernel -> its `Plan`: obligations of accesses, facts, loop tests, branches, dependences."""

from __future__ import annotations

import re

from gpusim.compiler.kernel_ir import BLOCK, CONSTANT, PARAMETER, KernelIR
from gpusim.compiler.layout import end_of_type, size_and_align
from gpusim.count.conditions import Conditions, dimensions_of, leaves_of
from gpusim.count.dataflow import MEMORY, SIZES, Instruction, KernelFlow
from gpusim.count.forms import UnknownFormError
from gpusim.count.plan import Atom, Branch, Fact, Obligation, Plan
from gpusim.count.value_forms import ValueForms

_ACCESSES = ("load", "store", "atomicrmw", "cmpxchg")
_BARRIERS = ("_Z7barrierj", "_Z18work_group_barrier")


class Planner:
    """Builds the plan of one kernel; one use."""

    def __init__(self, kernel: KernelIR) -> None:
        self.kernel = kernel
        self.flow = KernelFlow(kernel)
        self.plan = Plan(refusal="")
        self.forms = ValueForms(kernel, self.flow, self.plan)
        self.conditions = Conditions(self.forms)

    def build(self) -> Plan:
        """Return the plan; `refusal` says why when the kernel cannot be sliced."""
        plan = self.plan
        plan.written_parameters = self.flow.written_parameters
        plan.control_parameters = self.flow.control_parameters
        plan.refusal = self._refusal()
        if plan.refusal:
            return plan
        plan.atoms = [Atom("group") for _ in range(3)] + [Atom("local") for _ in range(3)]
        for number, loop in enumerate(self.kernel.loops):
            before = [b for b in self.flow.predecessors[loop.header] if b not in loop.latches]
            plan.loop_entries.append(before[0] if len(before) == 1 else loop.header)
            plan.loop_atoms.append(self.forms.new_atom(Atom("count", loop=number)))
            plan.loop_parents.append(loop.parent)
            plan.loop_blocks.append(frozenset(loop.blocks))
            plan.loop_headers[loop.header] = number
        self.forms.run(self._relevant())
        self._find_accesses()
        self._find_facts()
        self._find_tests()
        self._find_branches()
        control = self.flow.control_dependence
        plan.control_arguments = frozenset(
            int(name[3:]) for name in control if name.startswith("arg")
        )
        plan.control_sizes = SIZES in control
        plan.control_dimensions = dimensions_of(control)
        plan.group_dimensions = dimensions_of(
            frozenset(name for name in control if not name.startswith("lid"))
        )
        body = [
            *self.forms.emit.lines,
            "return ("
            + "".join(self.forms.emit.text(form) + "," for form in self.forms.numbers)
            + ")",
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
            if instruction.opcode == "call" and self._takes_pointer(instruction):
                return "calls a function that accesses memory"
            if instruction.callee.startswith(_BARRIERS) and not self._is_uniform_block(
                instruction.block
            ):
                return "a barrier under a condition that may differ between work-items"
        return ""

    def _takes_pointer(self, call: Instruction) -> bool:
        """Whether a call may access memory; printf, which gets its format, does not count."""
        if call.callee == "printf":
            return False
        instructions, parameters = self.flow.instructions, self.kernel.parameters
        for code, text in zip(call.operands, call.texts, strict=True):
            if code >= 0 and "ptr" in instructions[code].type:
                return True
            if code == CONSTANT and text.startswith("@"):
                return True
            is_parameter = BLOCK < code <= PARAMETER
            if is_parameter and parameters[PARAMETER - code].kind in ("buffer", "local"):
                return True
        return False

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

    def _find_accesses(self) -> None:
        variables = self._variable_sizes()
        for instruction in self.flow.instructions:
            if instruction.opcode not in _ACCESSES:
                continue
            place = 1 if instruction.opcode == "store" else 0
            try:
                pointer = self.forms.pointer(instruction, place)
            except UnknownFormError:
                self.plan.refusal = (
                    f"the address of a {instruction.opcode} is not affine in ids and arguments"
                )
                return
            if pointer.root.startswith("@"):
                self.plan.root_bytes[pointer.root] = variables.get(pointer.root, 0)
            self.plan.obligations.append(
                Obligation(
                    pointer.root,
                    self.forms.form_id(pointer.form),
                    pointer.needs,
                    max(1, instruction.access_bytes),
                    max(1, instruction.align_bytes),
                    instruction.block,
                )
            )
        self.plan.obligations = list(dict.fromkeys(self.plan.obligations))

    def _variable_sizes(self) -> dict[str, int]:
        found = {}
        pattern = r"^(@[\w.$]+) = [^\n]*?\b(?:global|constant) (.+)$"
        for name, rest in re.findall(pattern, self.kernel.text, re.MULTILINE):
            found[name] = size_and_align(rest[: end_of_type(rest, 0)], self.forms.structs)[0]
        return found

    def _find_facts(self) -> None:
        own: list[list[Fact]] = [[] for _ in range(self.kernel.n_blocks)]
        for branch in self.flow.branches:
            for target in set(self.flow.successors[branch.block]):
                if self.flow.predecessors[target] != [branch.block]:
                    continue
                own[target] += [
                    Fact(self.forms.form_id(form), needs, is_ne)
                    for form, needs, is_ne in self.conditions.edge_facts(branch, target)
                ]
        atoms = self.plan.atoms
        by_id = list(self.forms.numbers)
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
                if self.forms.loop_of_block[block] != self.forms.loop_of_header[loop.header]:
                    continue
                tests += [
                    Fact(self.forms.form_id(form), needs, is_ne)
                    for form, needs, is_ne in self.conditions.edge_facts(branch, inside[0])
                ]
            self.plan.loop_tests.append(tuple(tests))

    def _find_branches(self) -> None:
        self.plan.successors = self.flow.successors
        for branch in self.flow.branches:
            if branch.opcode == "switch":
                found = self.conditions.switch(branch)
            else:
                tree = self.conditions.tree(branch.operands[0], branch.texts[0])
                yes, no = BLOCK - branch.operands[1], BLOCK - branch.operands[2]
                found = Branch(((tree, yes),), no)
            self.plan.branches[branch.block] = found
        for branch_cases in self.plan.branches.values():
            for tree, _ in branch_cases.cases:
                self.plan.leaves += [leaf for leaf in leaves_of(tree) if leaf.dimensions]
        self.plan.leaves = list(dict.fromkeys(self.plan.leaves))


def plan_kernel(kernel: KernelIR) -> Plan:
    """Return the plan of a kernel."""
    return Planner(kernel).build()
