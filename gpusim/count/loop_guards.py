"""Proofs at run time: one test in front of a loop instead of a check in every iteration.

A loop that counts, ``for (j = s; j < n; j += c)``, runs at most so many times, and an address that
is linear in its counters is inside its buffer all along if it is at the first and at the last
iteration. The test evaluates both in 128-bit integers, in which nothing wraps, and also asks
whether any machine word would wrap on the way; so an attacker's sizes gain nothing. Where it fails,
and for few iterations, the checks of the loop stay in force. LLVM then makes two copies of the
loop, one of them without checks, which it may vectorise like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gpusim.count.cfg import natural_loops, predecessors
from gpusim.count.checks import Checker
from gpusim.count.defined import flat
from gpusim.count.ir_text import Block, Instruction, KernelText, split_commas, split_type
from gpusim.count.pointers import NULL, UNKNOWN, Access, accesses_of

_FEWEST = 24
"""Iterations from which on the test is worth its time."""
_MOST_INSTRUCTIONS, _MOST_ACCESSES = 24, 4
"""Of a loop that LLVM will copy; a guard on one that it will not costs more than it saves."""
_COMPARE = re.compile(
    r"^icmp (?:samesign )?(?P<relation>\w+) (?P<type>i\d+) (?P<left>\S+), (?P<right>\S+)$"
)
_BRANCH = re.compile(r"^br i1 (?P<condition>%\S+), label %(?P<yes>b\.\d+), label %(?P<no>b\.\d+)$")
_INTEGER = re.compile(r"-?\d+")
_MIRRORED = {"slt": "sgt", "sle": "sge", "ult": "ugt", "ule": "uge", "ne": "ne", "eq": "eq"}
_MIRRORED |= {there: back for back, there in _MIRRORED.items()}
_NEGATED = {"slt": "sge", "sle": "sgt", "ult": "uge", "ule": "ugt", "eq": "ne"}
_NEGATED |= {there: back for back, there in _NEGATED.items()}
_SCALAR_BYTES = {"half": 2, "float": 4, "double": 8}
_WORD = "i64"
_WIDE = "i128"

Points = tuple[str, str, str]
"""A value in the first, the second and the last iteration, 128 bits wide."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A loop whose checks are under a condition."""

    preheader: str
    blocks: frozenset[str]
    flag: str
    """i1 value: true where the checks are in force."""
    lines: tuple[str, ...]
    """To run at the end of the preheader."""
    definition: str
    covered: frozenset[tuple[int, int]]
    """(instruction, number of its access) whose check is under the flag."""


class _NotLinearError(Exception):
    """A value that is not a sum of loop counters, or a loop that does not count."""


@dataclass(slots=True)
class _Counter:
    """A PHI that changes by the same amount in every iteration."""

    start: str
    type: str
    step: str
    """Added in each iteration."""
    step_type: str
    stride_bytes: int
    """The step's factor: of a pointer the element's size, else 1 or -1."""
    following: str
    """Value of the next iteration."""


@dataclass(slots=True)
class _Test:
    """The function that decides about one loop."""

    kernel: KernelText
    body: set[str]
    header: Block
    preheader: str
    latch: str
    by_name: dict[str, Instruction]
    home: dict[str, str]
    """Block that defines each value."""
    lines: list[str] = field(default_factory=list)
    passed: dict[str, str] = field(default_factory=dict)
    """Value outside -> its type; they are the function's parameters."""
    flags: list[str] = field(default_factory=list)
    known: dict[str, Points] = field(default_factory=dict)
    names: int = 0

    def fresh(self) -> str:
        self.names += 1
        return f"%n{self.names}"

    def emit(self, text: str) -> str:
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def word(self, value: str, kind: str) -> str:
        """Return an operand of the loop's surroundings, as a parameter or a number."""
        if _INTEGER.fullmatch(value):
            return value
        if not value.startswith(("%", "@")):
            raise _NotLinearError
        self.passed[value] = kind
        return "%p" + str(list(self.passed).index(value))

    def wide(self, value: str, kind: str) -> str:
        """Return an invariant value with 128 bits: integers signed, addresses not."""
        given = self.word(value, kind)
        if _INTEGER.fullmatch(given):
            return given
        if kind == "ptr":
            return self.emit(
                f"zext {_WORD} {self.emit(f'ptrtoint ptr {given} to {_WORD}')} to {_WIDE}"
            )
        return self.emit(f"sext {kind} {given} to {_WIDE}")

    def is_outside(self, value: str) -> bool:
        return not value.startswith("%") or self.home.get(value, "") not in self.body

    def need(self, condition: str) -> None:
        self.flags.append(condition)

    def need_fit(self, value: str, kind: str) -> None:
        """Demand that a value is one of a signed integer type."""
        low = self.emit(f"trunc {_WIDE} {value} to {kind}")
        back = self.emit(f"sext {kind} {low} to {_WIDE}")
        self.need(self.emit(f"icmp eq {_WIDE} {back}, {value}"))

    def sum(self, left: str, right: str, sign: int = 1) -> str:
        return self.emit(f"{'add' if sign > 0 else 'sub'} {_WIDE} {left}, {right}")

    def product(self, left: str, right: str) -> str:
        return self.emit(f"mul {_WIDE} {left}, {right}")

    def counter(self, name: str) -> _Counter:
        """Return how a PHI of the header changes."""
        phi = self.by_name[name]
        if phi.opcode != "phi" or self.home[name] != self.header.name:
            raise _NotLinearError
        incoming = {
            block: value for value, block in re.findall(r"\[ (.*?), %(b\.\d+) \]", phi.text)
        }
        if set(incoming) != {self.preheader, self.latch}:
            raise _NotLinearError
        start, following = incoming[self.preheader], incoming[self.latch]
        update = self.by_name.get(following)
        kind = flat(phi.type)
        if update is None or self.is_outside(following):
            raise _NotLinearError
        if update.opcode == "getelementptr" and kind == "ptr":
            base, steps = _address_parts(update)
            if base != name or len(steps) != 1 or not self.is_outside(steps[0][1]):
                raise _NotLinearError
            ((step_kind, step, stride),) = steps
            return _Counter(start, kind, step, step_kind, stride, following)
        if update.opcode not in ("add", "sub"):
            raise _NotLinearError
        left, right = _operands(update)
        if update.opcode == "add" and right == name:
            left, right = right, left
        if left != name or not self.is_outside(right):
            raise _NotLinearError
        return _Counter(start, kind, right, kind, 1 if update.opcode == "add" else -1, following)

    def points(self, value: str, kind: str) -> Points:
        """Return a value that is linear in the loop's counters.

        Raises
        ------
        _NotLinearError
            It is not.
        """
        if self.is_outside(value):
            same = self.wide(value, kind)
            return (same, same, same)
        if value not in self.known:
            self.known[value] = self._compute(self.by_name[value])
        return self.known[value]

    def _compute(self, instruction: Instruction) -> Points:
        kind = flat(instruction.type)
        match instruction.opcode:
            case "phi":
                return self._count(self.counter(instruction.name))
            case "getelementptr":
                return self._address(instruction)
            case "sext" | "zext" | "trunc" | "freeze":
                source, rest = split_type(flat(instruction.text).split(" ", 1)[1])
                found = self.points(rest.split(" to ")[0], source)
                if instruction.opcode == "zext":
                    for value in (found[0], found[2]):
                        self.need(self.emit(f"icmp sge {_WIDE} {value}, 0"))
                return self._fitting(found, kind)
            case "add" | "sub" | "mul" | "shl":
                return self._arithmetic(instruction, kind)
        raise _NotLinearError

    def _fitting(self, found: Points, kind: str) -> Points:
        for value in (found[0], found[2]):
            if not _INTEGER.fullmatch(value):
                self.need_fit(value, kind)
        return found

    def _arithmetic(self, instruction: Instruction, kind: str) -> Points:
        left, right = _operands(instruction)
        if instruction.opcode in ("add", "sub"):
            sign = 1 if instruction.opcode == "add" else -1
            pairs = zip(self.points(left, kind), self.points(right, kind), strict=True)
            a, b, c = (self.sum(x, y, sign) for x, y in pairs)
            return self._fitting((a, b, c), kind)
        if instruction.opcode == "mul" and self.is_outside(left):
            left, right = right, left
        if not self.is_outside(right):
            raise _NotLinearError
        if instruction.opcode == "shl":
            if not right.isdigit() or int(right) >= int(kind[1:]) - 1:
                raise _NotLinearError
            factor = str(1 << int(right))
        else:
            factor = self.wide(right, kind)
        a, b, c = (self.product(x, factor) for x in self.points(left, kind))
        return self._fitting((a, b, c), kind)

    def _count(self, counter: _Counter) -> Points:
        start = self.wide(counter.start, counter.type)
        step = self.product(self.wide(counter.step, counter.step_type), str(counter.stride_bytes))
        last = self.sum(start, self.product(step, "%last.w"))
        if counter.type != "ptr":
            self.need_fit(last, counter.type)
        return (start, self.sum(start, step), last)

    def _address(self, instruction: Instruction) -> Points:
        base, steps = _address_parts(instruction)
        total = self.points(base, "ptr")
        for kind, value, stride in steps:
            index = self.points(value, kind)
            a, b, c = (
                self.sum(x, self.product(y, str(stride))) for x, y in zip(total, index, strict=True)
            )
            total = (a, b, c)
        return total

    def find_last(self, latch: Block) -> None:
        """Define ``%last``, the number of the last iteration, counted from 0.

        The loop ends when its counter passes a bound, and maybe before; so this is the most.
        """
        match = _BRANCH.match(latch.instructions[-1].text)
        if match is None or (match["yes"] == self.header.name) == (match["no"] == self.header.name):
            raise _NotLinearError
        compare = self.by_name.get(match["condition"])
        found = _COMPARE.match(compare.text) if compare else None
        if found is None:
            raise _NotLinearError
        relation, left, right = found["relation"], found["left"], found["right"]
        if match["no"] == self.header.name:
            relation = _NEGATED[relation]
        if self.is_outside(left):
            left, right, relation = right, left, _MIRRORED[relation]
        if self.is_outside(left) or not self.is_outside(right):
            raise _NotLinearError
        counter, ahead = self._tested(left)
        if not _INTEGER.fullmatch(counter.step) or counter.type != found["type"]:
            raise _NotLinearError
        step = int(counter.step) * counter.stride_bytes
        self._find_last(counter, step, ahead, relation, right)

    def _tested(self, value: str) -> tuple[_Counter, int]:
        """Return the counter that the loop's end depends on, and how many steps ahead."""
        for instruction in self.header.instructions:
            if instruction.opcode != "phi":
                break
            try:
                counter = self.counter(instruction.name)
            except _NotLinearError:
                continue
            if value in (instruction.name, counter.following) and counter.type != "ptr":
                return counter, int(value == counter.following)
        raise _NotLinearError

    def _find_last(
        self, counter: _Counter, step: int, ahead: int, relation: str, bound: str
    ) -> None:
        is_up = relation in ("slt", "sle", "ult", "ule") or (relation == "ne" and step == 1)
        is_down = relation in ("sgt", "sge", "ugt", "uge") or (relation == "ne" and step == -1)
        if not (is_up and step > 0) and not (is_down and step < 0):
            raise _NotLinearError
        start = self.wide(counter.start, counter.type)
        limit = self.wide(bound, counter.type)
        first = self.sum(start, str(ahead * step))
        # How far the first tested value is from one that ends the loop.
        distance = self.sum(limit, first, -1) if is_up else self.sum(first, limit, -1)
        if relation in ("sle", "ule", "sge", "uge"):
            distance = self.sum(distance, "1")
        size = abs(step)
        rounded = self.sum(distance, str(size - 1))
        is_over = self.emit(f"icmp slt {_WIDE} {distance}, 1")
        some = self.emit(f"select i1 {is_over}, {_WIDE} 0, {_WIDE} {rounded}")
        low = self.emit(f"trunc {_WIDE} {some} to {_WORD}")
        self.need_fit(some, _WORD)
        self.lines.append(f"  %last = sdiv {_WORD} {low}, {size}")
        self.lines.append(f"  %last.w = sext {_WORD} %last to {_WIDE}")
        if relation == "ne":
            # It must meet the bound; one that starts behind it goes all around.
            self.need(self.emit(f"icmp sge {_WIDE} {distance}, 0"))
        tested = self.sum(first, self.product("%last.w", str(step)))
        self.need_fit(tested, counter.type)
        if relation[0] == "u":
            for value in (start, limit, tested):
                self.need(self.emit(f"icmp sge {_WIDE} {value}, 0"))


def _operands(instruction: Instruction) -> tuple[str, str]:
    text = flat(instruction.text).split(" ", 1)[1]
    left, right = split_commas(split_type(text)[1])
    return left, right


def _element_bytes(kind: str) -> int:
    """Return the bytes from one element of an array of scalars, vectors or arrays to the next."""
    match = re.fullmatch(r"\[(\d+) x (.*)\]", kind)
    if match:
        return int(match[1]) * _element_bytes(match[2])
    match = re.fullmatch(r"<(\d+) x (.*)>", kind)
    if match and int(match[1]) & (int(match[1]) - 1) == 0:
        return int(match[1]) * _element_bytes(match[2])
    if kind in _SCALAR_BYTES:
        return _SCALAR_BYTES[kind]
    if kind in ("i8", "i16", "i32", "i64"):
        return int(kind[1:]) // 8
    raise _NotLinearError


def _address_parts(instruction: Instruction) -> tuple[str, list[tuple[str, str, int]]]:
    """Return base and (index type, index, bytes per step) of an address computation."""
    text = flat(instruction.text).split(" ", 1)[1]
    kind, *parts = split_commas(text)
    base, *indices = (split_type(part) for part in parts)
    steps = []
    for number, (index_kind, index) in enumerate(indices):
        if number:
            match = re.fullmatch(r"\[\d+ x (.*)\]", kind)
            if match is None:
                raise _NotLinearError
            kind = match[1]
        steps.append((index_kind, index, _element_bytes(kind)))
    return base[1], steps


def find_guards(kernel: KernelText, checks: Checker, costs: dict[str, int]) -> list[Guard]:
    """Return a guard for every innermost loop that counts and has checks that it can replace.

    Parameters
    ----------
    kernel : KernelText
        The kernel.
    checks : Checker
        Knows which memory a pointer belongs to.
    costs : dict
        Instructions per iteration of each loop header, charged to the fuel.
    """
    loops = natural_loops(kernel.blocks)
    before = predecessors(kernel.blocks)
    blocks = {block.name: block for block in kernel.blocks}
    by_name = {i.name: i for block in kernel.blocks for i in block.instructions if i.name}
    home = {i.name: block.name for block in kernel.blocks for i in block.instructions if i.name}
    guards = []
    for header, body in loops.items():
        outside = [name for name in before[header] if name not in body]
        latches = [name for name in before[header] if name in body]
        is_innermost = not any(other in body and other != header for other in loops)
        entered_once = all(set(before[name]) <= body for name in body if name != header)
        if len(outside) != 1 or len(latches) != 1 or not is_innermost or not entered_once:
            continue
        test = _Test(kernel, body, blocks[header], outside[0], latches[0], by_name, home)
        try:
            guards.append(_guard(test, checks, blocks, costs[header]))
        except _NotLinearError:
            continue
    return guards


def _guard(test: _Test, checks: Checker, blocks: dict[str, Block], cost: int) -> Guard:
    if sum(len(blocks[name].instructions) for name in test.body) > _MOST_INSTRUCTIONS:
        raise _NotLinearError
    test.find_last(blocks[test.latch])
    entry, test.lines = test.lines, []
    entry_flags, test.flags = test.flags, []
    covered = set()
    for name in sorted(test.body):
        for instruction in blocks[name].instructions:
            for number, access in enumerate(accesses_of(test.kernel, instruction)):
                if _cover(test, checks, access):
                    covered.add((instruction.index, number))
    if not 0 < len(covered) <= _MOST_ACCESSES:
        raise _NotLinearError
    # The fuel must do for all iterations: (last + 1) * cost.
    fuel = test.wide("%g.fuel.now", _WORD)
    runs = test.sum("%last.w", "1")
    test.need(test.emit(f"icmp sge {_WIDE} {fuel}, {test.product(runs, str(cost))}"))
    label = test.header.name[2:]
    safe, inner = _all(test.flags, "s")
    enough, outer = _all(entry_flags, "e")
    formals = ", ".join(f"{kind} %p{n}" for n, kind in enumerate(test.passed.values()))
    definition = "\n".join(
        [
            f"define internal i1 @gpusim.guard.{label}({formals}) alwaysinline nounwind {{",
            *entry,
            *outer,
            f"  %few = icmp slt {_WORD} %last, {_FEWEST - 1}",
            f"  %lost = xor i1 {enough}, true",
            "  %stop = or i1 %few, %lost",
            "  br i1 %stop, label %checked, label %try",
            "try:",
            *test.lines,
            *inner,
            f"  %unsafe = xor i1 {safe}, true",
            "  ret i1 %unsafe",
            "checked:",
            "  ret i1 true",
            "}",
        ]
    )
    flag, now = f"%g.unsafe.{label}", f"%g.fuel.{label}"
    actuals = ", ".join(
        f"{kind} {now if value == '%g.fuel.now' else value}" for value, kind in test.passed.items()
    )
    lines = (
        f"{now} = load i64, ptr %g.fuel",
        f"{flag} = call i1 @gpusim.guard.{label}({actuals})",
    )
    return Guard(
        preheader=test.preheader,
        blocks=frozenset(test.body),
        flag=flag,
        lines=lines,
        definition=definition,
        covered=frozenset(covered),
    )


def _all(flags: list[str], stem: str) -> tuple[str, list[str]]:
    """Return a value that is true if all flags are, and the lines that compute it."""
    value, lines = "true", []
    for number, flag in enumerate(flags):
        lines.append(f"  %{stem}{number} = and i1 {value}, {flag}")
        value = f"%{stem}{number}"
    return value, lines


def _cover(test: _Test, checks: Checker, access: Access) -> bool:
    """Add what must hold for an access to stay inside its memory in all iterations."""
    roots = checks.roots.roots(access.pointer)
    if access.length or len(roots) != 1 or roots & {NULL, UNKNOWN} or access.bytes < 1:
        return False
    kept = (len(test.lines), len(test.flags), dict(test.known), dict(test.passed))
    try:
        first, second, last = test.points(access.pointer, "ptr")
        base, size = (test.wide(value, _WORD) for value in checks.bounds(access.pointer))
    except _NotLinearError:
        n_lines, n_flags, test.known, test.passed = kept
        del test.lines[n_lines:], test.flags[n_flags:]
        return False
    end = test.sum(base, size)
    for address in (first, last):
        test.need(test.emit(f"icmp uge {_WIDE} {address}, {base}"))
        past = test.sum(address, str(access.bytes))
        test.need(test.emit(f"icmp sle {_WIDE} {past}, {end}"))
    if access.align_bytes > 1:
        both = test.emit(f"or {_WIDE} {first}, {second}")
        low = test.emit(f"and {_WIDE} {both}, {access.align_bytes - 1}")
        test.need(test.emit(f"icmp eq {_WIDE} {low}, 0"))
    return True
