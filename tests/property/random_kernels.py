"""Random small OpenCL C kernels with launches: loops, branches, vectors, local memory, atomics."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_ARITHMETIC = ("+", "-", "*", "+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^")
_WRITTEN_CELLS = (64, 200, 256, 1000)


@dataclass(frozen=True)
class RandomKernel:
    """A kernel ``k`` and launches of it."""

    source: str
    launches: tuple[tuple[tuple[int, ...], tuple[int, ...], list[Any]], ...]
    """(global size, local size, arguments)."""


def random_kernel(random: Random, n_launches: int = 4) -> RandomKernel:
    """Return a kernel and launches of it; the same for the same state of `random`."""
    source = _Writer(random).kernel()
    return RandomKernel(source, tuple(_launch(random) for _ in range(n_launches)))


def _launch(random: Random) -> tuple[tuple[int, ...], tuple[int, ...], list[Any]]:
    local = (random.choice((1, 2, 4, 5, 8)), random.choice((1, 1, 2)))
    groups = (random.randint(1, 5), random.choice((1, 1, 2, 3)))
    cells = random.choice(_WRITTEN_CELLS)
    values = np.random.default_rng(random.randrange(1 << 30))
    return (
        (groups[0] * local[0], groups[1] * local[1]),
        local,
        [
            np.zeros(cells, np.int32),
            values.integers(-3, 20, cells).astype(np.int32),
            np.ones(cells, np.float32),
            f"local:{random.choice((64, 256, 1024))}",
            np.int32(random.choice((-1, 0, 1, 2, 3, 7, 8, 31, 64, 100))),
            np.int32(random.randint(-2, 12)),
            np.uint32(random.choice((0, 1, 4, 5, 16, 4294967295))),
        ],
    )


class _Writer:
    """Writes one kernel; names it declares are ``v0``, ``v1``.. and, of loops, ``i0``.."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._names = 0
        self._visible = ["x", "y", "l", "g", "p", "q", "(int)r"]
        self._settable: list[str] = []
        self._is_uniform = True

    def kernel(self) -> str:
        """Return the text."""
        lines = self._block(depth=0, n=self._random.randint(2, 6))
        body = "\n".join(["    " + line for line in lines])
        return (
            "__kernel void k(__global int *a, __global const int *b, __global float *f,\n"
            "                __local int *t, int p, int q, uint r) {\n"
            "    const int x = get_global_id(0), y = get_global_id(1);\n"
            "    const int l = get_local_id(0), g = get_group_id(0);\n"
            f"    int m[4] = {{0, 1, 2, 3}};\n{body}\n}}\n"
        )

    def _one(self, *ways: Any) -> Any:
        return self._random.choice(ways)()

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _block(self, depth: int, n: int) -> list[str]:
        visible, settable = list(self._visible), list(self._settable)
        lines = [line for _ in range(n) for line in self._statement(depth)]
        self._visible, self._settable = visible, settable
        return lines

    def _indented(self, depth: int) -> list[str]:
        return ["    " + line for line in self._block(depth + 1, self._random.randint(1, 3))]

    def _statement(self, depth: int) -> list[str]:
        plain = [self._declare, self._assign, self._store, self._store, self._store_other]
        if self._is_uniform:
            plain.append(lambda: ["barrier(CLK_LOCAL_MEM_FENCE);"])
        nested = [self._if, self._for, self._for, self._while, self._switch, self._halving]
        if depth < 3 and self._random.random() < 0.5:
            found: list[str] = self._random.choice(nested)(depth)
            return found
        return self._one(*plain)  # type: ignore[no-any-return]

    def _declare(self) -> list[str]:
        name, value = self._name("v"), self._expression(2)
        self._visible.append(name)
        self._settable.append(name)
        return [f"int {name} = {value};"]

    def _assign(self) -> list[str]:
        if not self._settable:
            return self._declare()
        operation = self._random.choice(("=", "+=", "-=", "^=", "*="))
        return [f"{self._random.choice(self._settable)} {operation} {self._expression(2)};"]

    def _store(self) -> list[str]:
        operation = self._random.choice(("=", "+="))
        return [f"a[{self._index()}] {operation} {self._expression(2)};"]

    def _store_other(self) -> list[str]:
        value, at = self._expression(1), self._index()
        return [
            self._random.choice(
                (
                    f"f[{at}] = f[{self._index()}] * 0.5f + (float)({value});",
                    f"t[{at}] = {value};",
                    f"m[({at}) & 3] = {value};",
                    f"atomic_add(a + {at}, {value});",
                    f"vstore4(vload4({at}, b) + (int4)({value}), {self._index()}, a);",
                    f"((__global float2 *)f)[{at}] += (float2)(1, {value});",
                    f"a[{at}] = t[{self._index()}] + m[({at}) & 3];",
                    f"a[{at}] = sqrt(f[{self._index()}]) > 1.0f ? {value} : 0;",
                )
            )
        ]

    def _if(self, depth: int) -> list[str]:
        was_uniform, self._is_uniform = self._is_uniform, self._random.random() < 0.02
        lines = [f"if ({self._condition()}) {{", *self._indented(depth)]
        if self._random.random() < 0.4:
            lines += ["} else {", *self._indented(depth)]
        self._is_uniform = was_uniform
        return [*lines, "}"]

    def _loop(self, head: str, name: str, depth: int) -> list[str]:
        self._visible.append(name)
        was_uniform, self._is_uniform = self._is_uniform, self._random.random() < 0.1
        lines = [head, *self._indented(depth)]
        if self._random.random() < 0.1:
            word = self._random.choice(("break", "continue"))
            lines.append(f"    if ({self._condition()}) {word};")
        self._is_uniform = was_uniform
        self._visible.remove(name)
        return [*lines, "}"]

    def _for(self, depth: int) -> list[str]:
        name, bound = self._name("i"), self._bound()
        step = self._random.choice((1, 1, 1, 2, 3))
        head = self._random.choice(
            (
                f"for (int {name} = {self._start()}; {name} < {bound}; {name} += {step}) {{",
                f"for (int {name} = {bound}; {name} > {self._start()}; {name} -= {step}) {{",
                f"for (int {name} = {bound}; {name} >= 0; {name} -= {step}) {{",
                f"for (int {name} = 0; {name} != {self._random.randint(0, 9)}; ++{name}) {{",
                f"for (uint {name} = 0; {name} < {bound} % 50u; {name} += {step}) {{",
            )
        )
        return self._loop(head, name, depth)

    def _while(self, depth: int) -> list[str]:
        name = self._name("i")
        lines = self._loop(f"while ({name} < {self._bound()}) {{", name, depth)
        return [f"int {name} = {self._start()};", lines[0], f"    ++{name};", *lines[1:]]

    def _halving(self, depth: int) -> list[str]:
        name = self._name("i")
        head = self._random.choice(
            (
                f"for (int {name} = {self._bound()}; {name} > 0; {name} >>= 1) {{",
                f"for (uint {name} = get_local_size(0) / 2; {name} > 0; {name} /= 2) {{",
                f"for (int {name} = 1; {name} < {self._bound()}; {name} <<= 1) {{",
                f"for (int {name} = 1; {name} < 64; {name} *= 2) {{",
            )
        )
        return self._loop(head, name, depth)

    def _switch(self, depth: int) -> list[str]:
        lines = [f"switch ({self._expression(1)}) {{"]
        for value in self._random.sample(range(-1, 6), self._random.randint(1, 3)):
            lines += [f"case {value}: {{", *self._indented(depth), "}"]
            if self._random.random() < 0.7:
                lines.append("break;")
        return [*lines, "}"]

    def _start(self) -> str:
        return str(self._random.choice((0, 0, 0, 1, "l", "p", "g")))

    def _bound(self) -> str:
        return str(self._random.choice(("p", "q", "r", 4, 10, "get_local_size(0)", "x", "p + q")))

    def _condition(self) -> str:
        one = f"{self._expression(1)} {self._random.choice(_COMPARISONS)} {self._expression(1)}"
        if self._random.random() < 0.25:
            other = f"{self._expression(1)} {self._random.choice(_COMPARISONS)} {self._leaf()}"
            return f"{one} {self._random.choice(('&&', '||'))} {other}"
        return one

    def _index(self) -> str:
        """Return an index: plain, or kept within the smallest buffers."""
        inner = self._expression(1)
        return str(
            self._random.choice(
                (
                    *("x", "l", "y * (int)get_global_size(0) + x", f"({inner})"),
                    *(f"({inner}) & 15", f"min(max({inner}, 0), 15)", f"clamp({inner}, 0, 63)"),
                    *(f"(uint)({inner}) % 16u", "x / 2 + y", f"abs({inner}) & 31"),
                )
            )
        )

    def _leaf(self) -> str:
        if self._random.random() < 0.3:
            return str(self._random.choice((0, 1, 2, 3, 5, 8, 16, -1)))
        return self._random.choice(self._visible)

    def _expression(self, depth: int) -> str:
        if depth <= 0 or self._random.random() < 0.3:
            return self._leaf()
        if self._random.random() < 0.12:
            return self._random.choice(
                (
                    *(f"a[({self._expression(depth - 1)}) & 15]", f"b[{self._index()}]"),
                    *(f"min({self._leaf()}, {self._leaf()})", f"max({self._leaf()}, 2)"),
                    f"({self._condition()} ? {self._leaf()} : {self._leaf()})",
                    f"mul24({self._leaf()}, {self._leaf()})",
                )
            )
        operation = self._random.choice(_ARITHMETIC)
        right = self._expression(depth - 1)
        if operation in ("/", "%", "<<", ">>"):
            right = str(self._random.choice((1, 2, 3, 4, 7, right)))
        return f"({self._expression(depth - 1)} {operation} {right})"
