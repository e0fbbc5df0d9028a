"""Give generic pointers (OpenCL C 2.0) back the address space they were made from.

After inlining, a generic pointer is an ``addrspacecast`` of a real one, passed through
getelementptr, PHI, select and freeze. Where all sources of such a value agree, its address space
is known and the cast disappears. LLVM's own pass for this works for targets with a flat space
only, which spir64 is not.
"""

from __future__ import annotations

import re

from gpusim.errors import CompileError, located

_GENERIC = "ptr addrspace(4)"
_CAST = re.compile(
    r"^\s+(%\S+) = addrspacecast (ptr(?: addrspace\(\d\))?) (\S+) to ptr addrspace\(4\)"
)
_CONSTANT_CAST = re.compile(
    r"addrspacecast \((ptr(?: addrspace\(\d\))?) (@[\w.$]+|null) to ptr addrspace\(4\)\)"
)
_NULL = re.compile(r"addrspacecast \(ptr addrspace\(4\) null to ptr(?: addrspace\(\d\))?\)")
"""How clang spells a null pointer of any address space."""
_DERIVED = re.compile(r"^\s+(%\S+) = (getelementptr|phi|select|freeze)\b(.*)")
_BASE = re.compile(r"ptr addrspace\(4\) (%[\w.$-]+|addrspacecast \([^()]*(?:\(\d\))?[^()]*\)|\w+)")
_PHI_VALUE = re.compile(r"\[ (.+?), %[^\]]+ \]")
_VALUE = re.compile(r"%[\w.$-]+")


def has_generic(text: str) -> bool:
    """Whether a module's text still contains generic pointers."""
    return "addrspace(4)" in text


def resolve_generic(text: str, *, where: str) -> str:
    """Replace generic pointers by pointers into the address space they provably point to.

    Parameters
    ----------
    text : str
        A module after inlining.
    where : str
        Name of the program, for messages.

    Returns
    -------
    str

    Raises
    ------
    CompileError
        A pointer may point into more than one address space, or comes from memory.
    """
    text = _NULL.sub("null", text)
    lines = text.split("\n")
    sources: dict[str, list[str]] = {}
    spaces: dict[str, str] = {}
    for line in lines:
        cast = _CAST.match(line)
        if cast:
            spaces[cast[1]] = cast[2]
            continue
        derived = _DERIVED.match(line)
        if derived and _GENERIC in line:
            sources[derived[1]] = _inputs(derived[2], derived[3])
    _propagate(sources, spaces, where=where)
    return "\n".join(_rewrite(line, spaces, where=where) for line in lines) + "\n"


def _inputs(opcode: str, rest: str) -> list[str]:
    if opcode == "phi":
        return _PHI_VALUE.findall(rest)
    return [match[1] for match in _BASE.finditer(rest)]


def _space_of(value: str, spaces: dict[str, str]) -> str | None:
    constant = _CONSTANT_CAST.match(value)
    return constant[1] if constant else spaces.get(value)


def _propagate(sources: dict[str, list[str]], spaces: dict[str, str], *, where: str) -> None:
    """Extend `spaces` over derived pointers until nothing changes."""
    changed = True
    while changed:
        changed = False
        for name, inputs in sources.items():
            known = {space for value in inputs if (space := _space_of(value, spaces))}
            if len(known) > 1:
                raise CompileError(
                    located(
                        where,
                        "a generic pointer may point into several address spaces",
                        found=", ".join(sorted(known)),
                    )
                )
            if known and name not in spaces:
                spaces[name] = known.pop()
                changed = True


def _rewrite(line: str, spaces: dict[str, str], *, where: str) -> str:
    if "addrspace(4)" not in line:
        return line
    cast = _CAST.match(line)
    if cast:
        # A getelementptr by nothing is an alias that LLVM folds at once.
        head, tail = line[: line.index(" = ")], line[cast.end() :]
        return f"{head} = getelementptr i8, {cast[2]} {cast[3]}, i64 0{tail}"
    line = _CONSTANT_CAST.sub(lambda match: f"\0{match[1]}\0{match[2]}", line)
    wanted = {spaces[name] for name in _VALUE.findall(line) if name in spaces}
    wanted |= set(re.findall(r"\0(ptr(?: addrspace\(\d\))?)\0", line))
    line = re.sub(r"\0ptr(?: addrspace\(\d\))?\0", "", line)
    if len(wanted) != 1 or " call " in line:
        raise CompileError(
            located(where, "a generic pointer has no provable address space", found=line.strip())
        )
    return line.replace(_GENERIC, wanted.pop())
