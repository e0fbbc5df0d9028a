"""LLVM IR text of one kernel as blocks of instructions that can be rewritten line by line.

llvmlite parses and renames (``a.N`` parameters, ``b.N`` blocks, ``v.N`` values), so the text can
be split without a grammar: one instruction is one line, a switch excepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import llvmlite.binding as llvm

from gpusim.errors import CountError

VALUE = re.compile(r"%[av]\.\d+\b")
"""A local value after renaming."""
_LABEL = re.compile(r"label %(b\.\d+)")
_METADATA = re.compile(r",\s*!\w[\w.]*\s+!(?:\d+|\w*\([^)]*\))|\s+#\d+\s*$|\s+#\d+(?=,|$)")
_ADDRESS_SPACE = re.compile(r"addrspace\((\d+)\)")
_OPENERS = "([{<"
_CLOSERS = ")]}>"


@dataclass(slots=True)
class Instruction:
    """One instruction; `text` is the right-hand side without metadata."""

    name: str
    """``%v.N``, empty when it defines nothing."""
    opcode: str
    type: str
    """Of the result, ``void`` when there is none."""
    text: str
    index: int
    """Position in the function, in text order."""

    def values(self) -> list[str]:
        """Return the local values read, in order, with repetitions."""
        return VALUE.findall(self.text)


@dataclass(slots=True)
class Block:
    """A basic block: instructions, the last one the terminator."""

    name: str
    instructions: list[Instruction]
    successors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Formal:
    """A parameter of the kernel's IR function."""

    name: str
    type: str
    address_space: int
    """Of a pointer, else 0."""
    size_bytes: int
    """Of a by-value parameter; of the pointee with `byval`."""
    align_bytes: int
    byval: str = ""
    """Pointee type of a structure passed by value."""

    @property
    def is_pointer(self) -> bool:
        """Whether the caller binds memory to it."""
        return self.type.startswith("ptr") and not self.byval


@dataclass(frozen=True, slots=True)
class Variable:
    """A program-scope variable: a constant table or ``__local`` memory."""

    name: str
    type: str
    address_space: int
    size_bytes: int
    initializer: str
    align_bytes: int


@dataclass(slots=True)
class KernelText:
    """A kernel's function and what it refers to."""

    name: str
    formals: tuple[Formal, ...]
    blocks: list[Block]
    variables: tuple[Variable, ...]
    type_definitions: tuple[str, ...]
    types: dict[str, str] = field(default_factory=dict)
    """Type of every local value."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of every type that a value has."""


def split_commas(text: str) -> list[str]:
    """Split at commas outside of brackets and quotes."""
    parts, depth, start, quoted = [], 0, 0, False
    for position, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char in _OPENERS:
            depth += 1
        elif char in _CLOSERS:
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    tail = text[start:].strip()
    return [*parts, tail] if tail else parts


def closing(text: str, start: int) -> int:
    """Return the position of the bracket that closes the one at `start`."""
    depth, quoted = 0, False
    for position in range(start, len(text)):
        char = text[position]
        if char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char in _OPENERS:
            depth += 1
        elif char in _CLOSERS:
            depth -= 1
            if depth == 0:
                return position
    raise CountError(f"unbalanced brackets in IR text: {text[:80]}")


def split_type(text: str) -> tuple[str, str]:
    """Split ``T rest`` into the type and the rest."""
    text = text.lstrip()
    if text[0] in "<[{":
        end = closing(text, 0) + 1
    elif text.startswith("target("):
        end = closing(text, 6) + 1
    else:
        match = re.match(r"[%\w.\-$]+|%\"[^\"]*\"", text)
        if match is None:
            raise CountError(f"no type at: {text[:80]}")
        end = match.end()
    rest = text[end:].lstrip()
    kind = text[:end]
    if kind == "ptr" and rest.startswith("addrspace("):
        close = rest.index(")") + 1
        return f"ptr {rest[:close]}", rest[close:].lstrip()
    return kind, rest


_ATTRIBUTE = re.compile(
    r"(?:align \d+|(?:noundef|nonnull|zeroext|signext|inreg|readonly|writeonly|readnone|nocapture"
    r"|noalias|returned|immarg|nofree|nest|swiftself|noext|writable|dead_on_unwind|allocptr"
    r"|dead_on_return|dereferenceable|dereferenceable_or_null|captures|byval|sret|range|nofpclass"
    r"|initializes|preallocated|inalloca|elementtype|align)\b"
    r"(?:\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))?)\s+"
)


def strip_attributes(text: str) -> str:
    """Drop parameter attributes in front of a value."""
    while (match := _ATTRIBUTE.match(text)) is not None:
        text = text[match.end() :]
    return text


def address_space(type_text: str) -> int:
    """Return the address space of a pointer type."""
    match = _ADDRESS_SPACE.search(type_text)
    return int(match.group(1)) if match else 0


_CALL = re.compile(r"^(?:(?:tail|musttail|notail) )?call ")


@dataclass(frozen=True, slots=True)
class Call:
    """A direct call taken apart."""

    callee: str
    type: str
    arguments: tuple[tuple[str, str], ...]
    """(type, value) pairs, attributes dropped."""


def parse_call(instruction: Instruction) -> Call:
    """Take a call apart; raises `CountError` for an indirect call or inline assembly."""
    text = instruction.text
    match = _CALL.match(text)
    at = text.find("@")
    paren = text.find("(", at)
    if match is None or at < 0 or " asm " in text[: max(at, 0) or None] or paren < 0:
        raise CountError(f"only direct calls are executed, found: {text[:80]}")
    callee = text[at + 1 : paren].strip('"')
    arguments = []
    for part in split_commas(text[paren + 1 : closing(text, paren)]):
        kind, value = split_type(part)
        arguments.append((kind, strip_attributes(value + " ").strip()))
    return Call(callee, instruction.type, tuple(arguments))


def parse_alloca(instruction: Instruction) -> tuple[str, int]:
    """Return (type, alignment) of a private array; `CountError` when its size is not constant."""
    parts = split_commas(instruction.text.removeprefix("alloca "))
    kind, align = parts[0].removeprefix("inalloca "), 1
    for part in parts[1:]:
        if part.startswith("align "):
            align = int(part.split()[1])
        elif not part.startswith("addrspace"):
            count = split_type(part)[1]
            if not count.isdigit():
                raise CountError("a private array's size is only known at run time")
            kind = f"[{count} x {kind}]"
    return kind, align


def parse_kernel(text: str, name: str) -> KernelText:
    """Parse a module's text and return its kernel `name` with canonical value names.

    Parameters
    ----------
    text : str
        LLVM IR of the module; everything inlined into the kernel.
    name : str
        The kernel's function.

    Raises
    ------
    CountError
        Not valid IR, no such function, a 32-bit address model.
    """
    try:
        module = llvm.parse_assembly(text)
        function = module.get_function(name)
    except RuntimeError as error:
        raise CountError(f"kernel {name}: the IR does not parse: {error}") from None
    except NameError:
        raise CountError(f"kernel {name}: not in the program's IR") from None
    if function.is_declaration:
        raise CountError(f"kernel {name}: only declared, not defined, in the program's IR")
    data = llvm.create_target_data(module.data_layout)
    types, sizes = _rename(function, data)
    printed = str(module)
    blocks = _blocks(function, _body(printed, name))
    definitions = tuple(
        line for line in printed.splitlines() if line.startswith("%") and " = type " in line
    )
    _size_of_allocas(blocks, definitions, module.data_layout, sizes)
    return KernelText(
        name=name,
        formals=_formals(function, printed, name, data),
        blocks=blocks,
        variables=_variables(module, data),
        type_definitions=definitions,
        types=types,
        sizes=sizes,
    )


def _size_of_allocas(
    blocks: list[Block], definitions: tuple[str, ...], layout: str, sizes: dict[str, int]
) -> None:
    kinds = dict.fromkeys(
        parse_alloca(instruction)[0]
        for block in blocks
        for instruction in block.instructions
        if instruction.opcode == "alloca"
    )
    if not kinds:
        return
    lines = [f'target datalayout = "{layout}"', *definitions]
    lines += [f"@x{number} = external global {kind}" for number, kind in enumerate(kinds)]
    probe = llvm.parse_assembly("\n".join(lines))
    data = llvm.create_target_data(layout)
    for number, kind in enumerate(kinds):
        variable = probe.get_global_variable(f"x{number}")
        sizes[kind] = data.get_abi_size(variable.global_value_type)


def _rename(function: Any, data: Any) -> tuple[dict[str, str], dict[str, int]]:
    types: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def note(value: Any, label: str) -> None:
        value.name = label
        kind = str(value.type)
        types["%" + label] = kind
        if kind not in sizes:
            sizes[kind] = data.get_abi_size(value.type)

    for number, argument in enumerate(function.arguments):
        note(argument, f"a.{number}")
    count = 0
    for number, block in enumerate(function.blocks):
        block.name = f"b.{number}"
        for instruction in block.instructions:
            if str(instruction.type) != "void":
                note(instruction, f"v.{count}")
            count += 1
    return types, sizes


def _body(printed: str, name: str) -> list[str]:
    head = re.compile(rf'^define [^\n]*@"?{re.escape(name)}"?\(')
    lines = printed.splitlines()
    start = next(i for i, line in enumerate(lines) if head.match(line))
    end = next(i for i in range(start, len(lines)) if lines[i] == "}")
    return lines[start : end + 1]


def _blocks(function: Any, lines: list[str]) -> list[Block]:
    groups: list[list[str]] = []
    for line in lines[1:-1]:
        body = line.split(";", 1)[0].rstrip() if '"' not in line else line
        if re.match(r"^b\.\d+:", line):
            groups.append([])
        elif body.startswith("    ") or body.strip() == "]":
            groups[-1][-1] += " " + body.strip()
        elif body.startswith("  ") and not body.startswith("  #dbg"):
            groups[-1].append(body.strip())
    blocks, index = [], 0
    for group, block in zip(groups, function.blocks, strict=True):
        instructions = []
        for line, ref in zip(group, block.instructions, strict=True):
            left, separator, right = line.partition(" = ")
            has_name = bool(separator) and left.startswith("%")
            instructions.append(
                Instruction(
                    name=left if has_name else "",
                    opcode=ref.opcode,
                    type=str(ref.type),
                    text=_METADATA.sub("", right if has_name else line).rstrip(),
                    index=index,
                )
            )
            index += 1
        last = instructions[-1]
        targets = _LABEL.findall(last.text) if last.opcode in ("br", "switch") else []
        blocks.append(Block(block.name, instructions, tuple(dict.fromkeys(targets))))
    return blocks


def _formals(function: Any, printed: str, name: str, data: Any) -> tuple[Formal, ...]:
    line = _body(printed, name)[0]
    paren = line.index("(", line.index(f"@{name}" if f"@{name}(" in line else f'@"{name}"'))
    parts = split_commas(line[paren + 1 : closing(line, paren)])
    formals = []
    for part, argument in zip(parts, function.arguments, strict=True):
        kind, rest = split_type(part)
        byval = re.search(r"byval\((.*?)\)(?= )", rest)
        align = re.search(r"\balign (\d+)", rest)
        pointee = byval.group(1) if byval else ""
        size = _byval_size(argument.module, pointee, data) if byval else 0
        formals.append(
            Formal(
                name="%" + argument.name,
                type=kind,
                address_space=address_space(kind),
                size_bytes=size or data.get_abi_size(argument.type),
                align_bytes=int(align.group(1)) if align else 1,
                byval=pointee,
            )
        )
    return tuple(formals)


def _byval_size(module: Any, pointee: str, data: Any) -> int:
    for struct in module.struct_types:
        if f"%{struct.name}" == pointee or f'%"{struct.name}"' == pointee:
            return int(data.get_abi_size(struct))
    probe = llvm.parse_assembly(f"@x = external global {pointee}")
    return int(data.get_abi_size(probe.get_global_variable("x").global_value_type))


def _variables(module: Any, data: Any) -> tuple[Variable, ...]:
    found = []
    for variable in module.global_variables:
        text = str(variable)
        match = re.match(r"^@(\"[^\"]*\"|[\w.$\-]+) = (.*?)\b(?:global|constant) (.*)$", text)
        if match is None or variable.name.startswith("llvm."):
            continue
        parts = split_commas(match.group(3))
        kind, initializer = split_type(parts[0])
        align = next((p for p in parts[1:] if p.startswith("align ")), "align 16")
        found.append(
            Variable(
                name=variable.name,
                type=kind,
                address_space=address_space(match.group(2)),
                size_bytes=data.get_abi_size(variable.global_value_type),
                initializer=initializer,
                align_bytes=int(align.split()[1]),
            )
        )
    return tuple(found)
