"""Bounds and alignment checks of memory accesses, as lines of IR in front of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpusim.count.defined import flat
from gpusim.count.ir_text import KernelText
from gpusim.count.pointers import NULL, UNKNOWN, Access, Roots, find_roots

ITEM_IDS = "i64 %g.group, i64 %g.lx, i64 %g.ly, i64 %g.lz"
"""Arguments that tell a fault handler which work-item runs."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place that native code can report a fault at."""

    access: Access | None
    roots: tuple[str, ...]
    what: str = ""


@dataclass(slots=True)
class Checker:
    """Writes checks; collects the sites that they report, and values they need at entry."""

    kernel: KernelText
    is_active: bool
    """Whether accesses are checked at all."""
    roots: Roots = field(init=False)
    sites: list[Site] = field(default_factory=list)
    allocas: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Private array -> (type, bytes, alignment)."""
    prologue: list[str] = field(default_factory=list)
    _limits: dict[tuple[str, int], str] = field(default_factory=dict)
    _variables: dict[str, int] = field(default_factory=dict)
    _names: int = 0

    def __post_init__(self) -> None:
        self.roots = find_roots(self.kernel)
        self._variables = {"@" + v.name: v.size_bytes for v in self.kernel.variables}

    def fresh(self, hint: str) -> str:
        """Return a value name that is not in use."""
        self._names += 1
        return f"%g.{hint}{self._names}"

    def needs_fat(self, name: str) -> bool:
        """Whether a PHI or select must carry base and size of what it points into."""
        roots = self.roots.roots(name)
        return self.is_active and len(roots) > 1 and UNKNOWN not in roots

    def _carrier(self, pointer: str) -> str:
        """Return the phi or select whose base and size hold for a pointer of several roots."""
        by_name = {i.name: i for b in self.kernel.blocks for i in b.instructions if i.name}
        while by_name[pointer].opcode not in ("phi", "select"):
            instruction = by_name[pointer]
            pointer = next(v for v in instruction.values() if len(self.roots.roots(v)) > 1)
        return pointer

    def bounds(self, pointer: str) -> tuple[str, str]:
        """Return (base, size) of the memory a pointer belongs to, as i64 values."""
        roots = self.roots.roots(pointer)
        if len(roots) == 1:
            return self._root_bounds(next(iter(roots)))
        stem = "%g." + self._carrier(pointer)[1:]
        return f"{stem}.base", f"{stem}.size"

    def _root_bounds(self, root: str) -> tuple[str, str]:
        if root == NULL:
            return "0", "0"
        base = self._limits.get((root, -1))
        if base is None:
            base = f"%g.base.{len(self._limits)}"
            self._limits[root, -1] = base
            self.prologue.append(f"{base} = ptrtoint ptr {_root_pointer(root)} to i64")
        return base, self._root_size(root)

    def _root_size(self, root: str) -> str:
        if root in self.allocas:
            return str(self.allocas[root][1])
        if root in self._variables:
            return str(self._variables[root])
        return f"%g.size.{root[1:]}"

    def _limit(self, root: str, size: int) -> str:
        """Return the number of offsets at which an access of `size` bytes stays inside."""
        total = self._root_size(root)
        if total.isdigit():
            return str(max(0, int(total) - size + 1))
        limit = self._limits.get((root, size))
        if limit is None:
            limit = f"%g.limit.{len(self._limits)}"
            self._limits[root, size] = limit
            self.prologue.append(
                f"{limit} = call i64 @llvm.usub.sat.i64(i64 {total}, i64 {size - 1})"
            )
        return limit

    def check(self, access: Access, flag: str = "") -> list[str]:
        """Return the lines that end the launch if an access is out of bounds or misaligned.

        Parameters
        ----------
        access : Access
        flag : str
            i1 value that says whether the check is in force; empty = always.
        """
        if not self.is_active:
            return []
        roots = self.roots.roots(access.pointer)
        address = self.fresh("a")
        lines = [f"{address} = ptrtoint ptr {flat(' ' + access.pointer)[1:]} to i64"]
        if UNKNOWN in roots:
            bad, offset = self._check_all_roots(lines, address, access), address
        elif len(roots) > 1:
            base, size = self.bounds(access.pointer)
            bad, offset = self._compare(lines, address, base, size, access)
        else:
            root = next(iter(roots), NULL)
            bad, offset = self._check_root(lines, address, root, access)
        if access.align_bytes > 1:
            low, odd, either = self.fresh("l"), self.fresh("o"), self.fresh("b")
            lines += [
                f"{low} = and i64 {address}, {access.align_bytes - 1}",
                f"{odd} = icmp ne i64 {low}, 0",
                f"{either} = or i1 {bad}, {odd}",
            ]
            bad = either
        if flag:
            guarded = self.fresh("b")
            lines.append(f"{guarded} = and i1 {flag}, {bad}")
            bad = guarded
        self.sites.append(Site(access, tuple(sorted(roots))))
        length = self._length(access)
        lines.append(
            f"call void @gpusim.check(i1 {bad}, i64 {len(self.sites) - 1}, i64 {offset}, "
            f"i64 {length}, ptr %g.ctx, {ITEM_IDS})"
        )
        return lines

    @staticmethod
    def _length(access: Access) -> str:
        return access.length or str(access.bytes)

    def _check_root(
        self, lines: list[str], address: str, root: str, access: Access
    ) -> tuple[str, str]:
        if root == NULL or access.length:
            base, size = self._root_bounds(root)
            return self._compare(lines, address, base, size, access)
        base = self._root_bounds(root)[0]
        offset, bad = self.fresh("o"), self.fresh("b")
        lines += [
            f"{offset} = sub i64 {address}, {base}",
            f"{bad} = icmp uge i64 {offset}, {self._limit(root, max(1, access.bytes))}",
        ]
        return bad, offset

    def _compare(
        self, lines: list[str], address: str, base: str, size: str, access: Access
    ) -> tuple[str, str]:
        """Compare offset and length with a size known at run time only; nothing wraps."""
        offset, far, room, long, bad = (self.fresh(hint) for hint in ("o", "b", "r", "b", "b"))
        lines += [
            f"{offset} = sub i64 {address}, {base}",
            f"{far} = icmp ugt i64 {offset}, {size}",
            f"{room} = sub i64 {size}, {offset}",
            f"{long} = icmp ugt i64 {self._length(access)}, {room}",
            f"{bad} = or i1 {far}, {long}",
        ]
        return bad, offset

    def _check_all_roots(self, lines: list[str], address: str, access: Access) -> str:
        everything = [f.name for f in self.kernel.formals if f.type.startswith("ptr")]
        everything += [*self._variables, *self.allocas]
        bad = "true"
        for root in everything:
            base, size = self._root_bounds(root)
            outside, _ = self._compare(lines, address, base, size, access)
            both = self.fresh("b")
            lines.append(f"{both} = and i1 {bad}, {outside}")
            bad = both
        return bad


def _root_pointer(root: str) -> str:
    return root if root.startswith("%") else '@"' + root[1:] + '"'
