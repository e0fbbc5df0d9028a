"""Read clang's unoptimised module: kernels, functions, globals, and what is refused.

Works on the text because llvmlite offers no way to change attributes, calling conventions or
instructions of a parsed module. LLVM prints canonically: one instruction a line, one definition a
paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gpusim.compiler.kernel_parts import Parameter
from gpusim.compiler.layout import (
    end_of_group,
    end_of_type,
    parse_structs,
    size_and_align,
    split_list,
    value_type,
)
from gpusim.errors import CompileError, located

_DEFINE = re.compile(r"define\s.*?@(?P<name>[\w.$]+)\(")
_GLOBAL = re.compile(r"@(?P<name>[\w.$]+) = ")
_DECLARE = re.compile(r"declare\s.*?@(?P<name>[\w.$]+)\(")
_REFERENCE = re.compile(r"@([\w.$]+)")
_METADATA = re.compile(r"!(?P<id>\d+) = (?P<body>.*)")
_ATTACHED = re.compile(r"!(?P<kind>[a-z_]+) !(?P<id>\d+)")
_LOCATION = re.compile(r"!DILocation\(line: (\d+)")
_DEBUG = re.compile(r"!dbg !(\d+)")
_STRING = re.compile(r'!"((?:[^"\\]|\\.)*)"')
_NUMBER = re.compile(r"i32 (-?\d+)")
_ESCAPE = re.compile(r"\\([0-9A-F]{2})")
_HEADER_ATTRIBUTE = re.compile(
    r" (?:noundef|dso_local|spir_kernel|spir_func|signext|zeroext|(?:local_)?unnamed_addr)\b"
    r"| nofpclass\([^)]*\)"
)
_GROUP = re.compile(r" #\d+\b")
_OPAQUE = re.compile(r'target\("spirv\.(\w+)"[^)]*\)')
_OPAQUE_IR = {"Image": "ptr addrspace(1)", "Sampler": "i32", "Event": "ptr"}
_POISON_STORE = re.compile(r"^(\s+store (?:volatile )?(.+?)) poison, ptr")
_DIVISION = re.compile(
    r"^(?P<head>\s+%\S+ = )(?P<opcode>[us](?:div|rem)) (?:exact )?(?P<type>i\d+|<\d+ x i\d+>) "
    r"(?P<operands>.+?)(?P<tail>(?:, ![\w.]+ !\d+)*)$"
)
_ARGUMENT_STRINGS = ("name", "type", "base_type", "type_qual", "access_qual")
INLINED_LIMIT = 500_000
"""IR instructions of a kernel, unoptimised, with everything inlined."""
_SAMPLER = "__translate_sampler_initializer"
_FILTER_LINEAR = 0x20
_INTRINSICS = re.compile(
    r"llvm\.(?:mem(?:cpy|move|set)|lifetime|dbg|assume|expect|experimental\.noalias|donothing"
    r"|sideeffect|trap|ubsantrap|is\.constant|is\.fpclass|objectsize|prefetch"
    r"|ctpop|ctlz|cttz|bswap|bitreverse|fsh[lr]|abs|[su](?:max|min)|[su](?:add|sub|mul)\."
    r"(?:sat|with\.overflow)|[su]shl\.sat|fpto[su]i\.sat|vector\.reduce"
    r"|fma|fmuladd|fabs|copysign|floor|ceil|trunc|rint|nearbyint|round|roundeven|sqrt|canonicalize"
    r"|(?:min|max)(?:num|imum)|a?(?:sin|cos|tan)h?|sincos|atan2|exp|exp2|exp10|ldexp|frexp|modf"
    r"|log|log2|log10|pow|powi)\."
)
"""LLVM functions that compute from their arguments, or tell the optimiser something. Others reach
into the machine that runs them (stack, clock, signals)."""
_CALL = re.compile(r"\bcall\b.*?[ )](?P<callee>@[\w.$]+|%\S+|asm)[ (]")


@dataclass(slots=True)
class Function:
    """A function definition: its head (parameters) and its lines."""

    name: str
    head: str
    lines: list[str]
    is_kernel: bool
    references: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class KernelSignature:
    """What a program says about one of its kernels."""

    name: str
    parameters: tuple[Parameter, ...]
    required_local_size: tuple[int, int, int] | None


class ProgramText:
    """A module of clang's, taken apart.

    Parameters
    ----------
    text : str
        Unoptimised LLVM IR with line tables.
    where : str
        Name of the program, for messages.
    is_ready : bool
        Keep divisions and undefined stores as they are: the module is not ours to change.
    """

    def __init__(self, text: str, *, where: str, is_ready: bool = False) -> None:
        self.where = where
        self._is_ready = is_ready
        self.functions: dict[str, Function] = {}
        self.globals: dict[str, str] = {}
        self.declarations: dict[str, str] = {}
        self.types: list[str] = []
        self.metadata: dict[int, str] = {}
        self.named_metadata: list[str] = []
        self.layout: list[str] = []
        self._attached: dict[str, dict[str, int]] = {}
        self._split(text)

    def _split(self, text: str) -> None:
        # Metadata come last in the text, but errors in the code want their line numbers.
        everything = text.split("\n")
        for line in everything:
            if line.startswith("!"):
                self._metadata_line(line)
        lines = iter(everything)
        for line in lines:
            if line.startswith("define "):
                self._define(line, lines)
            elif line.startswith("declare "):
                self._declare(line)
            elif line.startswith("@"):
                match = _GLOBAL.match(line)
                if match:
                    self.globals[match["name"]] = self._clean(line)
            elif line.startswith("%"):
                self.types.append(line)
            elif line.startswith("target "):
                self.layout.append(line)
            elif line.startswith("module asm"):
                self._refuse("inline assembly", line)

    def _metadata_line(self, line: str) -> None:
        match = _METADATA.match(line)
        if match:
            body = match["body"].replace("llvm.loop.mustprogress", "gpusim.loop")
            self.metadata[int(match["id"])] = body
        elif line.startswith(("!llvm.dbg.cu", "!llvm.module.flags")):
            self.named_metadata.append(line)

    def _clean(self, line: str) -> str:
        """Drop calling conventions and attributes, give opaque types a plain one."""
        if 'target("' in line:
            for kind in _OPAQUE.findall(line):
                if kind not in _OPAQUE_IR:
                    self._refuse(f"{kind.lower()} objects", line)
            line = _OPAQUE.sub(lambda match: _OPAQUE_IR[match[1]], line)
        return _HEADER_ATTRIBUTE.sub("", line)

    def _define(self, head: str, lines: Iterator[str]) -> None:
        match = _DEFINE.match(head)
        if match is None:
            raise CompileError(located(self.where, "unreadable definition in IR", found=head[:80]))
        name = match["name"]
        is_kernel = " spir_kernel " in head
        self._attached[name] = {
            found["kind"]: int(found["id"]) for found in _ATTACHED.finditer(head)
        }
        # The head ends with attributes and metadata; only the subprogram is wanted.
        parameters = end_of_group(head, match.end() - 1)
        clean = self._clean(head[:parameters])
        body = []
        for line in lines:
            if line == "}":
                break
            body.append(self._instruction(line))
        function = Function(name, clean, body, is_kernel)
        for line in body:
            function.references.update(_REFERENCE.findall(line))
        self.functions[name] = function

    def _instruction(self, line: str) -> str:
        if " call " in line:
            self._check_call(line)
            line = _GROUP.sub("", line)
        elif " alloca " in line:
            if re.search(r"alloca [^,]+, i\d+ ", line):
                self._refuse("variable-size arrays", line)
        elif not self._is_ready:
            line = _POISON_STORE.sub(_defined_store, line)
            line = _DIVISION.sub(_guarded_division, line)
        return self._clean(line)

    def _check_call(self, line: str) -> None:
        match = _CALL.search(line)
        if match is None or match["callee"] == "asm":
            self._refuse("inline assembly", line)
        elif match["callee"].startswith("%"):
            self._refuse("calls through pointers", line)

    def _declare(self, line: str) -> None:
        match = _DECLARE.match(line)
        if match is not None:
            end = end_of_group(line, match.end() - 1)
            self.declarations[match["name"]] = self._clean(line[:end])

    def _refuse(self, what: str, line: str) -> None:
        number = self.line_of(line)
        place = f"{self.where}:{number}" if number else self.where
        raise CompileError(located(place, f"not supported: {what}"))

    def line_of(self, instruction: str) -> int:
        """Return the source line of an instruction's text, 0 when unknown."""
        match = _DEBUG.search(instruction)
        if match is None:
            return 0
        location = _LOCATION.match(self.metadata.get(int(match[1]), ""))
        return int(location[1]) if location else 0

    def subprogram(self, name: str) -> int | None:
        """Return the debug node of a function."""
        return self._attached[name].get("dbg")

    def kernels(self) -> list[KernelSignature]:
        """Return the program's kernels in source order."""
        return [self.signature(name) for name, item in self.functions.items() if item.is_kernel]

    def _node(self, kernel: str, kind: str) -> str:
        return self.metadata.get(self._attached[kernel].get(kind, -1), "")

    def _strings(self, kernel: str, kind: str) -> list[str]:
        found = _STRING.findall(self._node(kernel, kind))
        return [_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) for text in found]

    def signature(self, name: str) -> KernelSignature:
        """Return what the program says about a kernel."""
        structs = parse_structs(self.types)
        texts = parameter_texts(self.functions[name].head)
        columns = {kind: self._strings(name, f"kernel_arg_{kind}") for kind in _ARGUMENT_STRINGS}
        parameters = []
        for index, text in enumerate(texts):
            # Bitcode of other compilers may lack any of these.
            row = {kind: (found[index : index + 1] or [""])[0] for kind, found in columns.items()}
            ir_type = value_type(text[: end_of_type(text, 0)])
            pointee = "*" if ir_type.kind == "pointer" and "byval(" not in text else ""
            base = row["base_type"] or (pointee or "value")
            space = ir_type.address_space
            role = _parameter_kind(base, space)
            parameters.append(
                Parameter(
                    name=row["name"] or f"arg{index}",
                    type_name=row["type"] or (ir_type.text if not pointee else "void*"),
                    kind=role,
                    size_bytes=_size_bytes(text, structs),
                    address_space=space,
                    access=row["access_qual"].removeprefix("__") or "none",
                    is_const="const" in row["type_qual"].split() or space == 2,
                )
            )
        group = [
            int(number) for number in _NUMBER.findall(self._node(name, "reqd_work_group_size"))
        ]
        required = (group[0], group[1], group[2]) if len(group) == 3 else None
        return KernelSignature(name, tuple(parameters), required)

    def check_kernel(self, signature: KernelSignature) -> list[str]:
        """Return the names a kernel needs, the kernel last; refuse what cannot be simulated."""
        for parameter in signature.parameters:
            if any(word in parameter.type_name for word in ("image3d", "msaa", "depth")):
                raise CompileError(
                    located(
                        f"{self.where}: kernel {signature.name}",
                        "not supported: 3D, multi-sample and depth images",
                        found=f"{parameter.type_name} {parameter.name}",
                    )
                )
        order: list[str] = []
        self._visit(signature.name, [], order, set())
        self._check_size(order)
        for name in order:
            if name in self.functions and _SAMPLER in self.functions[name].references:
                self._check_samplers(self.functions[name])
            elif name.startswith("llvm.") and not _INTRINSICS.match(f"{name}."):
                raise CompileError(located(self.where, "not supported: the function", found=name))
        return order

    def _check_size(self, order: list[str]) -> None:
        """Refuse call graphs that double at every level: everything will be inlined."""
        sizes: dict[str, int] = {}
        for name in order:
            if name in self.functions:
                lines = self.functions[name].lines
                called = (found for line in lines for found in _REFERENCE.findall(line))
                sizes[name] = len(lines) + sum(sizes.get(callee, 0) for callee in called)
                if sizes[name] > INLINED_LIMIT:
                    raise CompileError(
                        located(
                            self.where,
                            f"function {name} is too large when all calls are inlined",
                            expected=f"at most {INLINED_LIMIT} instructions",
                            found=sizes[name],
                        )
                    )

    def _visit(self, name: str, path: list[str], order: list[str], done: set[str]) -> None:
        # An explicit stack: call chains of a hostile program may be deeper than Python's.
        stack = [(name, iter(self._needs(name)))]
        active = {name}
        while stack:
            current, needs = stack[-1]
            following = next(needs, None)
            if following is None:
                stack.pop()
                active.discard(current)
                if current not in done:
                    done.add(current)
                    order.append(current)
            elif following in active:
                if following in self.functions:
                    raise CompileError(
                        located(self.where, "not supported: recursion", found=following)
                    )
            elif following not in done:
                active.add(following)
                stack.append((following, iter(self._needs(following))))

    def _needs(self, name: str) -> list[str]:
        if name in self.functions:
            names = self.functions[name].references
        elif name in self.globals:
            names = set(_REFERENCE.findall(self.globals[name])) - {name}
        else:
            return []
        return sorted(names)

    def _check_samplers(self, function: Function) -> None:
        for line in function.lines:
            match = re.search(rf"@{_SAMPLER}\(i32 (\d+)\)", line)
            if match and int(match[1]) & _FILTER_LINEAR:
                self._refuse("filtering samplers", line)


def parameter_texts(head: str) -> list[str]:
    """Return the parameters of a function's head as LLVM writes them."""
    start = head.index("(", head.index("@"))
    return split_list(head[start + 1 : end_of_group(head, start) - 1])


_BY_VALUE = re.compile(r"\bbyval\((.*?)\) align (\d+)")


def _size_bytes(parameter: str, structs: dict[str, str]) -> int:
    match = _BY_VALUE.search(parameter)
    text = match[1] if match else parameter[: end_of_type(parameter, 0)]
    return size_and_align(text, structs)[0]


def _defined_store(match: re.Match[str]) -> str:
    """Store zero where clang folded an undefined expression such as ``5 % 0``."""
    kind = match[2]
    zero = "0" if re.fullmatch(r"i\d+", kind) else "zeroinitializer"
    if kind in ("half", "float", "double"):
        zero = "0.0"
    return f"{match[1]} {zero}, ptr"


def _guarded_division(match: re.Match[str]) -> str:
    """Make a division a call without undefined behaviour; see `division`."""
    kind = match["type"]
    lanes = re.fullmatch(r"<(\d+) x (i\d+)>", kind)
    suffix = f"v{lanes[1]}{lanes[2]}" if lanes else kind
    left, right = split_list(match["operands"])
    return (
        f"{match['head']}call {kind} @gpusim.{match['opcode']}.{suffix}"
        f"({kind} {left}, {kind} {right}){match['tail']}"
    )


def _parameter_kind(base: str, space: int) -> str:
    if base.startswith("image"):
        return "image"
    if base == "sampler_t":
        return "sampler"
    if space == 3:
        return "local"
    return "buffer" if base.endswith("*") or space in (1, 2) else "value"
