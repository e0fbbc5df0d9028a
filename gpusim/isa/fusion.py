"""Which IR instructions share one machine operation.

An instruction is *absorbed* when its only user performs it as well: a multiply by the add that
may contract it, a shift by a logic operation where the ISA has the pair, a comparison by the
branch where the ISA compares and branches at once.
"""

from __future__ import annotations

from gpusim.isa.ir_view import IRView, is_constant
from gpusim.isa.table import IsaTable

_PAIRABLE = {
    "shl": "shift",
    "lshr": "shift",
    "ashr": "shift",
    "and": "logic",
    "or": "logic",
    "xor": "logic",
    "add": "iadd",
    "mul": "imul",
}
_FUSED_CLASS = {
    "shift+logic": "shift",
    "shift+iadd": "iadd",
    "imul+iadd": "imul",
    "logic+logic": "logic",
}


class Fusion:
    """The pairs of one kernel on one family.

    Attributes
    ----------
    absorbed : set of int
        Instructions that emit nothing.
    fused : dict
        Absorbing instruction -> (operation class, absorbed instruction, its operand position).
    branches : dict
        Conditional branch -> integer comparison that it performs.
    extended : dict
        Right shift that only extends the low half of a narrow 64-bit value -> (left shift that
        it undoes, bits by which the left shift went further).
    """

    def __init__(self, view: IRView, table: IsaTable, narrow: set[int]) -> None:
        self.absorbed: set[int] = set()
        self.fused: dict[int, tuple[str, int, int]] = {}
        self.branches: dict[int, int] = {}
        self.extended: dict[int, tuple[int, int]] = {}
        pairs = set(str(table.rule("fused_pairs")).split()) - {"-"}
        for index in range(view.n_instructions):
            opcode = view.opcode[index]
            if opcode in ("fadd", "fsub"):
                self._contract(view, index)
            elif opcode in _PAIRABLE and view.type_of(index).bits == 32:
                self._pair(view, index, pairs)
            elif opcode in ("ashr", "lshr") and index in narrow:
                self._extend_in_place(view, index)
            elif opcode == "br" and table.rule("compare_branch_fused"):
                self._branch(view, index)

    def _single_use(self, view: IRView, code: int, user: int) -> bool:
        return (
            code >= 0
            and view.users[code] == [user]
            and code not in self.absorbed
            and code not in self.fused
            and view.block_of[code] == view.block_of[user]
        )

    def _absorb(self, name: str, inner: int, user: int, position: int) -> None:
        self.absorbed.add(inner)
        self.fused[user] = (name, inner, position)

    def _contract(self, view: IRView, index: int) -> None:
        if not self._may_contract(view, index) or view.type_of(index).bits == 64:
            return
        for position, code in enumerate(view.operands[index]):
            if (
                self._single_use(view, code, index)
                and view.opcode[code] == "fmul"
                and self._may_contract(view, code)
            ):
                self._absorb("fma", code, index, position)
                return

    def _may_contract(self, view: IRView, index: int) -> bool:
        """Return whether the operation may lose its rounding step.

        ``-cl-fast-relaxed-math`` shows as permission to reassociate.
        """
        return view.has_flag(index, "contract") or view.has_flag(index, "reassoc")

    def _pair(self, view: IRView, index: int, pairs: set[str]) -> None:
        outer = _PAIRABLE[view.opcode[index]]
        for position, code in enumerate(view.operands[index]):
            if not self._single_use(view, code, index):
                continue
            inner = _PAIRABLE.get(view.opcode[code], "")
            name = f"{inner}+{outer}"
            if name not in pairs or view.type_of(code).bits != view.type_of(index).bits:
                continue
            if name == "shift+iadd" and not (
                view.opcode[code] == "shl" and is_constant(view.operands[code][1])
            ):
                continue
            self._absorb(_FUSED_CLASS[name], code, index, position)
            return

    def _extend_in_place(self, view: IRView, index: int) -> None:
        code, half = view.operands[index][0], "32"
        if (
            self._single_use(view, code, index)
            and view.opcode[code] == "shl"
            and is_constant(view.operands[code][1])
            and view.operand_texts[index][1].split()[-1] == half
        ):
            further = int(view.operand_texts[code][1].split()[-1]) - int(half)
            if further >= 0:
                self.absorbed.add(code)
                self.extended[index] = (code, further)

    def _branch(self, view: IRView, index: int) -> None:
        code = view.operands[index][0]
        if self._single_use(view, code, index) and view.opcode[code] == "icmp":
            self.absorbed.add(code)
            self.branches[index] = code
