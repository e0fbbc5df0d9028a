"""Addresses of a kernel as sums: a base per work-item plus a stride per enclosing loop.

What is affine in ids and loop counters is so for every launch: the compiler's descriptors say
how (`gpusim.compiler.affine`), and only numbers are filled in here. Other addresses (of
quotients, choices, products of ids) are worked out for the launch: ids and arguments are
numbers, so the base is plain arithmetic on arrays over chosen work-items, and what is left is
how it moves from one iteration of a loop to the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.compiler.affine import AddressDescriptor, affine_addresses
from gpusim.compiler.kernel_ir import BLOCK, KernelIR
from gpusim.compiler.polynomial import Polynomial
from gpusim.isa.ir_view import IRView, is_value, parameter_index
from gpusim.timing import form_arithmetic as arithmetic
from gpusim.timing.form_arithmetic import Array, Form
from gpusim.timing.image_access import NO_IMAGES, JobImages, TexelAddress, accessed_images
from gpusim.timing.work_item_ids import LOCAL_BASE

_HIGHEST = 1 << 62
_VARIABLE_STRIDE = 1 << 24
_INDEX_BITS = 32
_BUILTIN = re.compile(r"_Z\d+get_(\w+?)[jv]$")
_INTRINSIC = re.compile(r"(?:llvm|gpusim)\.(\w+)\.i(\d+)$")
_CASTS = ("sext", "zext", "trunc", "freeze", "bitcast", "addrspacecast", "ptrtoint", "inttoptr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A load or store of a kernel with its addresses."""

    block: int
    loops: tuple[int, ...]
    """Enclosing loops, innermost first."""
    access_bytes: int
    is_load: bool
    is_store: bool
    form: Form | None
    """None where the address depends on loaded data whose contents are not known."""


def access_forms(
    kernel: KernelIR,
    view: IRView,
    *,
    ids: Mapping[str, Array],
    sizes: Mapping[str, int],
    parameters: Mapping[int, int],
    trips: Mapping[int, float],
    address_spaces: tuple[int, ...],
    images: JobImages = NO_IMAGES,
    contents: Mapping[int, npt.NDArray[np.int32]] = MappingProxyType({}),
) -> list[Access]:
    """Return the accesses of a kernel to the given address spaces, in program order.

    Parameters
    ----------
    kernel : KernelIR
    view : IRView
        Of `kernel`.
    ids : mapping
        Work-item function -> (n_thread,) values.
    sizes : mapping
        `address_symbols` of the job.
    parameters : mapping
        Kernel parameter -> integer or address.
    trips : mapping
        Loop -> mean iterations per entry; needed where a value leaves its loop.
    address_spaces : tuple of int
        SPIR numbers.
    images : JobImages
        Of the job; their texels are accessed like global memory.
    contents : mapping
        Address of a buffer of indices -> its 32-bit words.
    """
    solver = _Solver(kernel, view, ids, sizes, parameters, trips, contents)
    descriptors = affine_addresses(kernel)
    accesses = []
    texels = TexelAddress(view, images, solver.plain_operand)
    touched = accessed_images(kernel, view, images)
    for index, row in enumerate(kernel.instructions):
        if index in touched:
            place, block = touched[index], int(row["block"])
            texel = texels.address(index, place)
            accesses.append(
                Access(
                    block=block,
                    loops=solver.nest(block),
                    access_bytes=place.layout.texel_bytes,
                    is_load="read_image" in view.callee(index),
                    is_store="write_image" in view.callee(index),
                    form=None if texel is None else Form(texel.base, texel.strides),
                )
            )
            continue
        if row["access_bytes"] <= 0 or row["address_space"] not in address_spaces:
            continue
        name = view.opcode[index]
        block = int(row["block"])
        accesses.append(
            Access(
                block=block,
                loops=solver.nest(block),
                access_bytes=int(row["access_bytes"]),
                is_load=name != "store",
                is_store=name != "load",
                form=solver.address(index, descriptors.get(index)),
            )
        )
    return accesses


class _Solver:
    """Evaluates values on demand and solves the recurrences of loop variables."""

    def __init__(
        self,
        kernel: KernelIR,
        view: IRView,
        ids: Mapping[str, Array],
        sizes: Mapping[str, int],
        parameters: Mapping[int, int],
        trips: Mapping[int, float],
        contents: Mapping[int, npt.NDArray[np.int32]],
    ) -> None:
        self.view = view
        self._contents = contents
        self._kernel = kernel
        self._named = dict(ids) | {name: np.int64(v) for name, v in sizes.items()}
        self._parameters = parameters
        self._trips = trips
        self._known: dict[int, Form | None] = {}
        self._solving: dict[int, int] = {}
        """PHI being solved -> its stand-in key."""
        self._headers = {loop.header: i for i, loop in enumerate(kernel.loops)}
        self._variables: dict[str, int] = {}

    def plain_operand(self, index: int, position: int) -> tuple[Any, dict[int, Any]] | None:
        """Return base and strides of an operand, None where it is no sum."""
        form = self.operand(index, position)
        return None if form is None else (form.base, form.strides)

    def nest(self, block: int) -> tuple[int, ...]:
        """Return the loops around a block, innermost first."""
        loop, nest = self.view.innermost_loop[block], []
        while loop >= 0:
            nest.append(loop)
            loop = self._kernel.loops[loop].parent
        return tuple(nest)

    def address(self, index: int, descriptor: AddressDescriptor | None) -> Form | None:
        """Return the address of an access, from its descriptor where it has one."""
        if descriptor is not None:
            form = self._described(descriptor)
            if form is not None:
                return form
        return self.operand(index, 1 if self.view.opcode[index] == "store" else 0)

    def _described(self, descriptor: AddressDescriptor) -> Form | None:
        """Return a descriptor's form; None where a symbol has no value at this launch."""
        start = self._base(descriptor.base)
        offset = self._number(descriptor.offset)
        if start is None or offset is None:
            return None
        base: Any = start + offset
        for name, coefficients in (("group_id", descriptor.group), ("local_id", descriptor.local)):
            for axis, coefficient in enumerate(coefficients):
                if coefficient:
                    factor = self._number(coefficient)
                    if factor is None:
                        return None
                    base = base + self._named[f"{name}{axis}"] * factor
        strides = {}
        for loop, coefficient in descriptor.loops:
            factor = self._number(coefficient)
            if factor is None:
                return None
            strides[loop] = factor
        return Form(base, strides)

    def _base(self, name: str) -> Any:
        if name.startswith("arg"):
            value = self._parameters.get(int(name.removeprefix("arg")))
            return None if value is None else np.int64(value)
        if name.startswith("@"):
            form = self._literal(name)
            return None if form is None else form.base
        return self._named["private_base"]

    def _number(self, polynomial: Polynomial) -> Any:
        """Return a polynomial's value at this launch, None where it is unknown."""
        values = {}
        for symbol in polynomial.symbols:
            value = self._symbol(symbol)
            if value is None:
                return None
            values[symbol] = value
        value = polynomial.value(values)
        return np.int64(value) if abs(value) < _HIGHEST else None

    def _symbol(self, symbol: str) -> int | None:
        if symbol.startswith("arg"):
            return self._parameters.get(int(symbol.removeprefix("arg")))
        if symbol.startswith("value"):
            form = self._value(int(symbol.removeprefix("value")))
            if form is None or form.strides or not form.is_exact or np.ndim(form.base):
                return None
            return int(form.base)
        return int(self._named[symbol]) if symbol in self._named else None

    def operand(self, index: int, position: int) -> Form | None:
        """Return an operand as its user sees it."""
        code = self.view.operands[index][position]
        if not is_value(code):
            parameter = parameter_index(code)
            if parameter >= 0:
                value = self._parameters.get(parameter)
                return None if value is None else Form(np.int64(value))
            return self._literal(self.view.operand_texts[index][position])
        return self._outside(self._value(code), self.view.block_of[index])

    def _outside(self, form: Form | None, block: int) -> Form | None:
        """Return `form` as seen in `block`: loops that were left stand at their last iteration."""
        if form is None:
            return None
        left = [
            key for key in form.strides if key >= 0 and block not in self._kernel.loops[key].blocks
        ]
        if not left:
            return form
        base, strides = form.base, dict(form.strides)
        for loop in left:
            last = max(0, round(self._trips.get(loop, 1.0)) - 1)
            base = base + strides.pop(loop) * last
        return Form(base, strides, form.is_exact)

    def _literal(self, text: str) -> Form | None:
        if text in ("true", "false"):
            return Form(np.int64(text == "true"))
        if text in ("null", "undef", "poison"):
            return Form(np.int64(0))
        match = re.search(r'@"?([\w.$-]+)', text)
        if match:
            order = self._variables.setdefault(match.group(1), len(self._variables))
            return Form(np.int64(LOCAL_BASE + order * _VARIABLE_STRIDE))
        try:
            value = int(text)
        except ValueError:
            return None
        return Form(np.int64(value - (1 << 64) if value >= 1 << 63 else value))

    def _value(self, index: int) -> Form | None:
        if index in self._solving:
            return Form(np.int64(0), {self._solving[index]: 1})
        if index not in self._known:
            before = set(self._known)
            form = self._compute(index)
            if self._solving:
                # Values found while a recurrence is open may hold its stand-in: forget them.
                for other in set(self._known) - before:
                    if _mentions(self._known[other]):
                        del self._known[other]
                if _mentions(form):
                    return form
            self._known[index] = form
        return self._known[index]

    def _compute(self, index: int) -> Form | None:
        name = self.view.opcode[index]
        kind = self.view.type_of(index)
        if kind.kind not in ("int", "pointer") or kind.lanes != 1:
            return None
        if name == "phi":
            return self._phi(index)
        if name == "call":
            return self._call(index)
        if name == "alloca":
            return Form(self._named["private_base"])
        if name in _CASTS:
            return self.operand(index, 0)
        if name == "getelementptr":
            return self._address(index)
        if name == "select":
            return self._select(index)
        if name == "load":
            return self._loaded(index)
        if name in ("atomicrmw", "cmpxchg"):
            return None
        if len(self.view.operands[index]) != 2:
            return None
        a, b = self.operand(index, 0), self.operand(index, 1)
        if a is None or b is None:
            return None
        return self._binary(index, name, a, b)

    def _loaded(self, index: int) -> Form | None:
        """Return an index that is loaded from known contents.

        Along a loop it moves by its mean step over the first half of the iterations, as entries
        of a sorted list do; None where the contents are not known.
        """
        place = self.operand(index, 0) if self._contents else None
        kind = self.view.type_of(index)
        if place is None or kind.bits != _INDEX_BITS or any(key < 0 for key in place.strides):
            return None
        lowest = int(np.min(place.base))
        for address, words in self._contents.items():
            if address <= lowest < address + words.nbytes:
                break
        else:
            return None
        first = self._words(place.base, address, words)
        strides = {}
        for loop, stride in place.strides.items():
            middle = max(1, round(self._trips.get(loop, 1.0)) // 2)
            later = self._words(place.base + middle * stride, address, words)
            strides[loop] = np.int64(np.rint((later - first) / middle))
        return Form(first, strides, is_exact=False)

    @staticmethod
    def _words(places: Any, address: int, words: npt.NDArray[np.int32]) -> Any:
        return words[np.clip((places - address) // words.itemsize, 0, len(words) - 1)].astype(
            np.int64
        )

    def _binary(self, index: int, name: str, a: Form, b: Form) -> Form | None:
        if name == "add" or (name == "or" and "disjoint" in self.view.texts[index]):
            return arithmetic.total(a, b, 1)
        if name == "sub":
            return arithmetic.total(a, b, -1)
        if name == "mul":
            return arithmetic.product(a, b)
        if name == "shl" and not b.strides:
            return arithmetic.product(a, Form(np.int64(1) << (b.base & 63)))
        function = self._function(index, name)
        if function is None:
            return None
        is_exact = a.is_exact and b.is_exact and not (a.strides or b.strides)
        return Form(function(a.base, b.base), {}, is_exact)

    def _function(self, index: int, name: str) -> Callable[..., Any] | None:
        """Return a function of two arrays for an operation that does not keep sums."""
        if name == "icmp":
            return arithmetic.PREDICATES[self.view.predicate(index)]
        bits = self.view.type_of(index).bits
        if name in ("lshr", "udiv", "urem") and bits < 64:
            mask = (1 << bits) - 1
            plain = arithmetic.FUNCTIONS[name]
            return lambda a, b: plain(a & mask, b & mask)
        return arithmetic.FUNCTIONS.get(name)

    def _call(self, index: int) -> Form | None:
        callee = self.view.callee(index)
        builtin = _BUILTIN.match(callee)
        if builtin:
            name, texts = builtin.group(1), self.view.operand_texts[index]
            key = name + (texts[0] if texts else "")
            value = self._named.get(key, self._named.get(name))
            return None if value is None else Form(value)
        intrinsic = _INTRINSIC.match(callee)
        if intrinsic is None or intrinsic.group(1) not in arithmetic.FUNCTIONS:
            return None
        a, b = self.operand(index, 0), self.operand(index, 1)
        if a is None or b is None:
            return None
        is_exact = a.is_exact and b.is_exact and not (a.strides or b.strides)
        return Form(arithmetic.FUNCTIONS[intrinsic.group(1)](a.base, b.base), {}, is_exact)

    def _address(self, index: int) -> Form | None:
        total = self.operand(index, 0)
        for position, stride in enumerate(self.view.element_bytes[index], start=1):
            step = self.operand(index, position)
            if total is None or step is None:
                return None
            total = arithmetic.total(total, arithmetic.scaled(step, stride), 1)
        return total

    def _select(self, index: int) -> Form | None:
        """Choose per work-item; where the choice varies in a loop, the arm that moves stands."""
        condition, yes, no = (self.operand(index, position) for position in range(3))
        if yes is None or no is None:
            return yes or no
        if condition is not None and not condition.strides and condition.is_exact:
            chosen = condition.base != 0
            strides = {
                loop: np.where(chosen, yes.strides.get(loop, 0), no.strides.get(loop, 0))
                for loop in yes.strides | no.strides
            }
            return Form(np.where(chosen, yes.base, no.base), strides, yes.is_exact and no.is_exact)
        arm = max(yes, no, key=lambda form: (len(form.strides), form.base.size))
        return Form(arm.base, dict(arm.strides), is_exact=False)

    def _phi(self, index: int) -> Form | None:
        block = self.view.block_of[index]
        loop = self._headers.get(block)
        if loop is None:
            return self._merge(index)
        blocks = self._kernel.loops[loop].blocks
        codes = self.view.operands[index]
        outside = [i for i in range(0, len(codes), 2) if BLOCK - codes[i + 1] not in blocks]
        inside = [i for i in range(0, len(codes), 2) if BLOCK - codes[i + 1] in blocks]
        start = self.operand(index, outside[0]) if outside else None
        if start is None or not inside:
            return None
        stand_in = -1 - len(self._solving)
        self._solving[index] = stand_in
        onward = self.operand(index, inside[0])
        del self._solving[index]
        if onward is None:
            return None
        if stand_in not in onward.strides:
            # Set anew in every iteration, e.g. the counter of another loop: take what it becomes.
            return Form(onward.base, dict(onward.strides), is_exact=False)
        if np.any(onward.strides[stand_in] != 1) or loop in onward.strides:
            return Form(start.base, dict(start.strides), is_exact=False)
        step_strides = {k: v for k, v in onward.strides.items() if k != stand_in}
        is_exact = start.is_exact and onward.is_exact and not any(k >= 0 for k in step_strides)
        strides = dict(start.strides)
        strides[loop] = onward.base
        for key, value in step_strides.items():
            if key < 0:
                strides[key] = strides.get(key, 0) + value
        return Form(start.base, strides, is_exact)

    def _merge(self, index: int) -> Form | None:
        """Return one of the values that meet here, the one that moves most."""
        codes = self.view.operands[index]
        forms = [self.operand(index, position) for position in range(0, len(codes), 2)]
        known = [form for form in forms if form is not None]
        if not known:
            return None
        arm = max(known, key=lambda form: (len(form.strides), form.base.size))
        return Form(arm.base, dict(arm.strides), is_exact=len(known) == 1 and arm.is_exact)


def _mentions(form: Form | None) -> bool:
    """Return whether `form` holds the stand-in of an open recurrence."""
    return form is not None and any(key < 0 for key in form.strides)
