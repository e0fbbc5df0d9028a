"""OpenCL C of a loop nest whose loops are plain, unrolled or vectorised.

The compiler of TVM writes a schedule this way: an unrolled loop repeats its body with a constant,
a vectorised one turns the body into vector operations. Here the same is built from an index per
array: a base expression and a stride per axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_LANES = (2, 3, 4, 8, 16)
"""Vector lengths of OpenCL C. The fallback can mimic a vectorised axis with another length, which
TVM's code generator has no type for; such an axis is taken as a plain loop here."""

Env = dict[str, int | str]
"""Axis -> its value at this point: a constant, or the name of a loop variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A loop."""

    name: str
    extent: int
    how: str = "none"
    """``none``, ``unroll`` or ``vec``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """An array and where a point of the nest lies in it."""

    name: str
    strides: Mapping[str, int]
    """Axis -> elements from one value to the next; axes not named don't move."""
    base: str = "0"

    def index(self, env: Env) -> str:
        """Return the index expression at a point; a vectorised axis counts as 0."""
        constant = 0
        terms = [] if self.base == "0" else [self.base]
        for axis, stride in self.strides.items():
            value = env.get(axis, 0)
            if isinstance(value, int):
                constant += value * stride
            elif stride:
                terms.append(value if stride == 1 else f"{value} * {stride}")
        if constant or not terms:
            terms.append(str(constant))
        return " + ".join(terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """How many lanes the body has and along which axis."""

    scalar: str
    """OpenCL type of an element."""
    lanes: int = 1
    axis: str = ""

    @property
    def type(self) -> str:
        """OpenCL type of a value."""
        return f"{self.scalar}{self.lanes}" if self.lanes > 1 else self.scalar

    def load(self, array: Array, env: Env) -> str:
        """Return an expression that reads all lanes."""
        index = array.index(env)
        stride = array.strides.get(self.axis, 0)
        if self.lanes == 1 or stride == 0:
            element = f"{array.name}[{index}]"
            return element if self.lanes == 1 else f"(({self.type})({element}))"
        if stride == 1:
            return f"vload{self.lanes}(0, {array.name} + {index})"
        elements = ", ".join(
            f"{array.name}[{index} + {lane * stride}]" for lane in range(self.lanes)
        )
        return f"(({self.type})({elements}))"

    def store(self, array: Array, env: Env, value: str) -> list[str]:
        """Return statements that write all lanes."""
        index = array.index(env)
        stride = array.strides.get(self.axis, 0)
        if self.lanes == 1:
            return [f"{array.name}[{index}] = {value};"]
        if stride == 1:
            return [f"vstore{self.lanes}({value}, 0, {array.name} + {index});"]
        lines = ["{", f"  {self.type} lanes = {value};"]
        lines += [
            f"  {array.name}[{index} + {lane * stride}] = lanes.s{lane:x};"
            for lane in range(self.lanes)
        ]
        return [*lines, "}"]


Statement = Callable[[Env, Vector], list[str]]


def emit(axes: Sequence[Axis], scalar: str, statement: Statement) -> list[str]:
    """Return the lines of a nest, outermost axis first.

    Parameters
    ----------
    axes : sequence of Axis
        At most one is vectorised.
    scalar : str
        OpenCL type of an element.
    statement : callable
        Returns the lines of the body, given where the axes stand and the vector's shape.
    """
    vectors = [axis for axis in axes if axis.how == "vec" and axis.extent in _LANES]
    vector = Vector(scalar=scalar)
    if vectors:
        vector = Vector(scalar=scalar, lanes=vectors[0].extent, axis=vectors[0].name)
    loops = [axis for axis in axes if axis not in vectors]
    return _emit(loops, {}, vector, statement)


def _emit(axes: list[Axis], env: Env, vector: Vector, statement: Statement) -> list[str]:
    if not axes:
        return statement(env, vector)
    axis, rest = axes[0], axes[1:]
    if axis.extent == 1:
        return _emit(rest, {**env, axis.name: 0}, vector, statement)
    if axis.how == "unroll":
        lines: list[str] = []
        for value in range(axis.extent):
            lines += _emit(rest, {**env, axis.name: value}, vector, statement)
        return lines
    body = _emit(rest, {**env, axis.name: axis.name}, vector, statement)
    head = f"for (int {axis.name} = 0; {axis.name} < {axis.extent}; ++{axis.name}) {{"
    return [head, *("  " + line for line in body), "}"]


def kernel_text(name: str, parameters: str, body: Sequence[str], scalar: str) -> str:
    """Return a whole program with one kernel."""
    extension = "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n" if scalar == "half" else ""
    lines = "\n".join("  " + line for line in body)
    return f"{extension}kernel void {name}({parameters}) {{\n{lines}\n}}\n"
