"""Write micro-operations block by block: virtual registers, common subexpressions, hoisting."""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.isa.ir_view import IRView
from gpusim.isa.machine import ALU, LOAD, MESSAGES, MachineBlock, MachineKernel, MicroOp
from gpusim.isa.table import IsaTable
from gpusim.isa.values import Ref, register


class Emitter:
    """Growing machine code of one kernel.

    Blocks must be visited so that a block comes after all blocks that dominate it.
    """

    def __init__(self, view: IRView, table: IsaTable) -> None:
        self.view = view
        self.table = table
        self.bodies: list[list[MicroOp]] = [[] for _ in range(view.kernel.n_blocks)]
        self.tails: list[list[MicroOp]] = [[] for _ in range(view.kernel.n_blocks)]
        self.ties: list[tuple[int, int, int]] = []
        self.register_words: dict[int, int] = {}
        self.block = 0
        self.line = 0
        self.instruction = -1
        self._home: dict[int, int] = {}
        self._seen: dict[tuple[object, ...], tuple[int, Ref]] = {}
        self._hoist_limit = int(table.rule("hoist_limit"))
        self._weights: dict[int, int] = {}

    def new_register(self, words: int = 1, block: int | None = None) -> Ref:
        """Return a fresh virtual register of `words` 32-bit words, defined in `block`."""
        number = len(self.register_words)
        self.register_words[number] = words
        self._home[number] = self.block if block is None else block
        return register(number)

    def add(self, op: MicroOp, *, is_tail: bool = False) -> MicroOp:
        """Append `op` to the current block, or to what must stay at its end."""
        op.line = op.line or self.line
        if op.kind in MESSAGES:
            op.instruction = self.instruction
        (self.tails if is_tail else self.bodies)[self.block].append(op)
        return op

    def chain(
        self,
        name: str,
        operands: Sequence[Ref],
        *,
        words: int = 1,
        lanes: int = 1,
        bits: int = 32,
        result: Ref | None = None,
    ) -> Ref:
        """Emit operation class `name` as the table's chain of micro-operations.

        Returns
        -------
        Ref
            Register with the result; the first operand where the table says "no operation".
        """
        units = self.table.sequence(name)
        if not units:
            return operands[0] if operands else self.new_register(words)
        # The first step of a sequence combines the leading operands, each later step the running
        # value with the last one: a multiply-add is a product, then a sum with the addend.
        first, last = operands, operands[-1:]
        n_leading = 2
        if len(units) > 1 and len(operands) > n_leading:
            first = operands[:-1]
        current = list(first)
        for position, unit in enumerate(units):
            is_last = position == len(units) - 1
            target = result if is_last and result is not None else self.new_register(words)
            self.add(
                MicroOp(
                    name=name,
                    unit=unit,
                    kind=LOAD if unit == "LS" else ALU,
                    reads=registers_of(current),
                    writes=registers_of([target]),
                    words=words_of(current),
                    lanes=lanes,
                    bits=bits,
                )
            )
            current = [target, *last]
        return target

    def shared(self, name: str, operands: Sequence[Ref], words: int = 1) -> Ref:
        """Emit address arithmetic once: reused where it dominates, hoisted out of small loops."""
        key = (name, *operands)
        fixed = self._crowded_loop(self.block)
        found = self._seen.get(key)
        if found is not None and self._is_usable(found[0], fixed):
            return found[1]
        home, line = self.block, self.line
        if fixed < 0:
            self.block = self._outermost_block(operands)
        result = self.chain(name, operands, words=words)
        self._seen[key] = (self.block, result)
        self.block, self.line = home, line
        return result

    def is_made_here(self, ref: Ref) -> bool:
        """Return whether a register is defined in the current block (and not, say, hoisted)."""
        return isinstance(ref.name, int) and self._home.get(ref.name) == self.block

    def is_made_in(self, ref: Ref, loop: int) -> bool:
        """Return whether a register is defined inside a loop."""
        blocks = self.view.kernel.loops[loop].blocks
        return ref.is_register and self._home.get(int(ref.name), -1) in blocks

    def _is_usable(self, home: int, crowded_loop: int) -> bool:
        """Return whether a value made in block `home` serves the current block."""
        if home not in self.view.dominators[self.block]:
            return False
        return crowded_loop < 0 or home in self.view.kernel.loops[crowded_loop].blocks

    def _crowded_loop(self, block: int) -> int:
        """Return the innermost loop of `block` when it is too large to hoist from, else -1."""
        loop = self.view.innermost_loop[block]
        if loop < 0 or self._hoist_limit == 0:
            return -1
        if loop not in self._weights:
            self._weights[loop] = loop_weight(self.view, loop)
        return loop if self._weights[loop] >= self._hoist_limit else -1

    def _outermost_block(self, operands: Sequence[Ref]) -> int:
        """Return the preheader of the outermost loop in which no operand changes."""
        view, block = self.view, self.block
        loop = view.innermost_loop[block]
        homes = {
            self._home[ref.name]
            for ref in operands
            if isinstance(ref.name, int) and ref.is_register
        }
        while loop >= 0 and view.preheader[loop] >= 0:
            if homes & set(view.kernel.loops[loop].blocks):
                break
            block = view.preheader[loop]
            loop = view.kernel.loops[loop].parent
        return block

    def finish(self) -> MachineKernel:
        """Drop results that nothing reads and return the code."""
        blocks = [body + tail for body, tail in zip(self.bodies, self.tails, strict=True)]
        used = {source for _, source, _ in self.ties}
        for ops in blocks:
            for op in ops:
                used.update(op.reads, op.staging)
        has_changed = True
        while has_changed:
            has_changed = False
            for index, ops in enumerate(blocks):
                kept = [op for op in ops if op.kind != ALU or used.intersection(op.writes)]
                has_changed |= len(kept) != len(ops)
                blocks[index] = kept
            if has_changed:
                used = {source for _, source, _ in self.ties}
                for ops in blocks:
                    for op in ops:
                        used.update(op.reads, op.staging)
        return MachineKernel(
            blocks=[MachineBlock(ops=ops) for ops in blocks],
            register_words=self.register_words,
            ties=self.ties,
        )


def registers_of(refs: Sequence[Ref]) -> tuple[int, ...]:
    """Return the register numbers among `refs`, each once, in order."""
    return tuple(dict.fromkeys(int(ref.name) for ref in refs if ref.is_register))


def words_of(refs: Sequence[Ref]) -> tuple[str, ...]:
    """Return the uniform and constant words among `refs`, each once, in order."""
    return tuple(dict.fromkeys(ref.word for ref in refs if ref.word))


_FREE = frozenset(
    (
        *("phi", "getelementptr", "freeze", "fneg", "addrspacecast"),
        *("shufflevector", "insertelement", "extractelement"),
        *("bitcast", "sext", "zext", "trunc"),
    )
)
_ACCESS_WEIGHT = 3


def loop_weight(view: IRView, loop: int) -> int:
    """Return the operations of a loop as a compiler sees them before it hoists addresses.

    An access counts with the scaling and the addition of its address.
    """
    weight = 0
    for block in view.kernel.loops[loop].blocks:
        for index in view.members[block]:
            opcode = view.opcode[index]
            if opcode in ("load", "store"):
                weight += _ACCESS_WEIGHT
            elif opcode not in _FREE:
                weight += 1
    return weight
