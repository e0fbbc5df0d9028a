"""Addresses of image accesses: texels in rows, one after the other.

Devices tile their images; how is not documented, so a texel lies where the API says: row by row.
A coordinate is a sum like any address: a base per work-item and a stride per loop. What lies
outside of the image counts as the nearest texel of its edge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.image_calls import coordinates, image_access
from gpusim.count.image_format import EXTENTS, ImageLayout, image_layout
from gpusim.isa.ir_view import IRView, is_value, parameter_index

if TYPE_CHECKING:
    from gpusim.lower.job import Job

_QUERY = re.compile(r"_Z\d+get_image_(width|height|dim)")
_CONSTANT = re.compile(r"<\d+ x \w+> ")
_NORMALIZED = 1
Operand = Callable[[int, int], "tuple[Any, dict[int, Any]] | None"]
"""(instruction, position) -> base and strides of an integer operand, None where it has none."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where an image argument lies on the device."""

    address: int
    layout: ImageLayout
    extents: int
    """Coordinates of a texel, the layer not counted."""


@dataclass(frozen=True, slots=True)
class Lane:
    """``base + sum over loops of stride * iteration``; float or integer."""

    base: Any
    strides: dict[int, Any]


@dataclass(frozen=True, slots=True)
class JobImages:
    """The image and sampler arguments of a job, by parameter."""

    places: Mapping[int, ImagePlace]
    is_normalized: Mapping[int, bool]
    """Of samplers: whether coordinates are fractions of the image's size."""


NO_IMAGES = JobImages({}, {})


def image_places(job: Job) -> JobImages:
    """Return the image and sampler arguments of a job."""
    places: dict[int, ImagePlace] = {}
    samplers: dict[int, bool] = {}
    for bound in job.arguments:
        index = bound.argument.index
        if bound.image is not None:
            places[index] = ImagePlace(
                bound.address, image_layout(bound.image), EXTENTS[bound.image.type]
            )
        if bound.sampler is not None:
            samplers[index] = bound.sampler.normalized
    return JobImages(places, samplers)


def accessed_images(kernel: KernelIR, view: IRView, images: JobImages) -> dict[int, ImagePlace]:
    """Return the image that each image access of a kernel touches, by instruction."""
    found: dict[int, ImagePlace] = {}
    if not images.places:
        return found
    for index in np.flatnonzero(kernel.instructions["callee"] >= 0).tolist():
        if image_access(view.callee(index)) is not None:
            place = images.places.get(parameter_index(view.operands[index][0]))
            if place is not None:
                found[index] = place
    return found


class TexelAddress:
    """Evaluates the coordinates of the image accesses of one kernel."""

    def __init__(self, view: IRView, images: JobImages, operand: Operand) -> None:
        self._view = view
        self._images = images
        self._operand = operand

    def address(self, index: int, place: ImagePlace) -> Lane | None:
        """Return the address that an image access touches, None where it depends on data."""
        access = image_access(self._view.callee(index))
        if access is None:
            return None
        position, is_float, sampler = coordinates(access[2])
        kind = access[2].parameters[position]
        layout = place.layout
        sizes = [*(layout.width, layout.height)[: place.extents], layout.layers]
        steps = [*(layout.texel_bytes, layout.row_pitch_bytes)[: place.extents]]
        steps.append(layout.slice_pitch_bytes)
        is_normal = sampler >= 0 and self._is_normalized(index, sampler)
        base: Any = np.int64(place.address)
        strides: dict[int, Any] = {}
        for lane, (size, step) in enumerate(zip(sizes, steps, strict=True)):
            if size == 1 or lane >= kind.lanes:
                continue
            value = self._lane(index, position, lane if kind.lanes > 1 else -1)
            if value is None:
                return None
            scale = size if is_float and is_normal and lane < place.extents else 1
            start = np.clip(np.floor(value.base * scale), 0, size - 1).astype(np.int64)
            base = base + start * step
            for loop, stride in value.strides.items():
                moved = np.rint(np.asarray(stride) * (scale * step)).astype(np.int64)
                strides[loop] = strides.get(loop, 0) + moved
        return Lane(base, strides)

    def _is_normalized(self, index: int, position: int) -> bool:
        parameter = parameter_index(self._view.operands[index][position])
        if parameter >= 0:
            return self._images.is_normalized.get(parameter, False)
        text = self._view.operand_texts[index][position]
        return text.isdigit() and bool(int(text) & _NORMALIZED)

    def _lane(self, user: int, position: int, lane: int) -> Lane | None:
        """Return one lane of an operand; -1 = it is a scalar."""
        code = self._view.operands[user][position]
        if not is_value(code):
            if parameter_index(code) >= 0 and lane < 0:
                return self._integer(user, position)
            return _literal(self._view.operand_texts[user][position], lane)
        kind = self._view.type_of(code)
        if lane < 0 and kind.kind == "int" and self._view.opcode[code] != "extractelement":
            found = self._integer(user, position)
            return found or self._compute(code, lane)
        return self._compute(code, lane)

    def _integer(self, user: int, position: int) -> Lane | None:
        found = self._operand(user, position)
        return None if found is None else Lane(*found)

    def _compute(self, code: int, lane: int) -> Lane | None:
        name, texts = self._view.opcode[code], self._view.operand_texts[code]
        match name:
            case "insertelement":
                if not texts[2].isdigit():
                    return None
                return self._lane(code, *((1, -1) if int(texts[2]) == lane else (0, lane)))
            case "extractelement":
                return self._lane(code, 0, int(texts[1])) if texts[1].isdigit() else None
            case "shufflevector":
                return self._shuffled(code, lane)
            case "sitofp" | "uitofp" | "sext" | "zext" | "trunc" | "freeze" | "fpext" | "fptosi":
                return self._lane(code, 0, lane)
            case "call":
                return self._call(code, lane)
        function = _ARITHMETIC.get(name)
        if function is None:
            return None
        left, right = self._lane(code, 0, lane), self._lane(code, 1, lane)
        return None if left is None or right is None else function(left, right)

    def _shuffled(self, code: int, lane: int) -> Lane | None:
        mask = re.findall(r"i32 (\d+|poison|undef)", self._view.texts[code].rsplit("<", 1)[-1])
        if "zeroinitializer" in self._view.texts[code].rsplit(",", 1)[-1]:
            chosen = 0
        elif lane < len(mask) and mask[lane].isdigit():
            chosen = int(mask[lane])
        else:
            return None
        n_first = self._view.operand_type(code).lanes
        return self._lane(code, *((0, chosen) if chosen < n_first else (1, chosen - n_first)))

    def _call(self, code: int, lane: int) -> Lane | None:
        callee = self._view.callee(code)
        query = _QUERY.match(callee)
        if query:
            place = self._images.places.get(parameter_index(self._view.operands[code][0]))
            if place is None:
                return None
            is_width = query[1] == "width" or (query[1] == "dim" and lane == 0)
            return Lane(np.int64(place.layout.width if is_width else place.layout.height), {})
        if callee.startswith(("llvm.fmuladd.", "llvm.fma.")):
            a, b, c = (self._lane(code, position, lane) for position in range(3))
            product = None if a is None or b is None else _product(a, b)
            return None if product is None or c is None else _sum(product, c, 1)
        return None


def _literal(text: str, lane: int) -> Lane | None:
    """Return a lane of a constant as LLVM prints it."""
    body = _CONSTANT.sub("", text)
    if body == "zeroinitializer":
        return Lane(np.int64(0), {})
    parts = re.findall(r"(?:i\d+|float|half|double) ([^\s,>)]+)", body)
    if body.startswith("splat"):
        value = parts[0] if parts else ""
    elif lane >= 0:
        value = parts[lane] if lane < len(parts) else ""
    else:
        value = body
    if value in ("poison", "undef"):
        return Lane(np.int64(0), {})
    if value.startswith("0x"):
        number: Any = np.array(int(value, 16), np.uint64).view(np.float64)[()]
        return Lane(number, {})
    try:
        return Lane(np.float64(value) if "." in value else np.int64(int(value)), {})
    except (ValueError, OverflowError):
        return None


def _sum(a: Lane, b: Lane, sign: int) -> Lane:
    strides = dict(a.strides)
    for loop, stride in b.strides.items():
        strides[loop] = strides.get(loop, 0) + sign * stride
    return Lane(a.base + sign * b.base, strides)


def _product(a: Lane, b: Lane) -> Lane | None:
    if a.strides and b.strides:
        return None
    moving, fixed = (a, b) if a.strides else (b, a)
    strides = {loop: stride * fixed.base for loop, stride in moving.strides.items()}
    return Lane(a.base * b.base, strides)


def _quotient(a: Lane, b: Lane) -> Lane | None:
    if b.strides or np.any(b.base == 0):
        return None
    return Lane(a.base / b.base, {loop: stride / b.base for loop, stride in a.strides.items()})


_ARITHMETIC: dict[str, Callable[[Lane, Lane], Lane | None]] = {
    "add": lambda a, b: _sum(a, b, 1),
    "fadd": lambda a, b: _sum(a, b, 1),
    "sub": lambda a, b: _sum(a, b, -1),
    "fsub": lambda a, b: _sum(a, b, -1),
    "mul": _product,
    "fmul": _product,
    "fdiv": _quotient,
    "shl": lambda a, b: None if b.strides else _product(a, Lane(np.int64(1) << b.base, {})),
}
