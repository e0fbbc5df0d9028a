"""Which built-in functions there are, which stay calls, and what LLVM may assume of those."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gpusim.compiler.builtins import integers, maths, memory
from gpusim.compiler.builtins.body import Body
from gpusim.compiler.builtins.conversions import CONVERT, convert
from gpusim.compiler.mangling import Signature, demangle
from gpusim.errors import CompileError, located

PURE, BARRIER, IMAGE_WRITE, PRINTF = "#2", "#3", "#4", "#5"
"""Attribute groups of the functions that stay calls; see `ATTRIBUTES`."""

ATTRIBUTES = {
    "#0": 'nounwind "no-builtins"',  # the kernel; no-builtins: nothing becomes a memset call
    "#1": 'alwaysinline nounwind "no-builtins"',
    PURE: "nocallback nofree nosync nounwind speculatable willreturn memory(none)",
    # Not nocallback: other work-items change this module's local memory during a barrier.
    BARRIER: "convergent nofree nounwind willreturn",
    IMAGE_WRITE: "nocallback nofree nosync nounwind willreturn",
    PRINTF: "nocallback nofree nounwind willreturn",
}

_WORK_ITEM_NAMES = """
get_work_dim get_global_size get_global_id get_local_size get_enqueued_local_size get_local_id
get_num_groups get_group_id get_global_offset get_global_linear_id get_local_linear_id
"""
WORK_ITEM = frozenset(_WORK_ITEM_NAMES.split())
_BARRIERS_NAMES = """
barrier work_group_barrier mem_fence read_mem_fence write_mem_fence
"""
BARRIERS = frozenset(_BARRIERS_NAMES.split())
SYNCHRONISING = frozenset(["barrier", "work_group_barrier"])
"""Those at which work-items wait for each other."""

_IMAGE_READ = re.compile(r"read_image(f|i|ui|h)")
_IMAGE_WRITE = re.compile(r"write_image(f|i|ui|h)")
_IMAGE_QUERY = re.compile(
    r"get_image_(width|height|dim|channel_data_type|channel_order|array_size)"
)
_REFUSED = (
    (re.compile(r"(sub_group|get_.*sub_group|intel_sub_group).*"), "sub-groups"),
    (re.compile(r"work_group_(?!barrier).*"), "work-group collectives"),
    (
        re.compile(r"atomic_(fetch|load|store|exchange|compare|init|flag|work_item).*"),
        "C11 atomics",
    ),
    (re.compile(r".*_pipe.*"), "pipes"),
    (
        re.compile(r"(enqueue|get_default_queue|ndrange|retain_event|release_event).*"),
        "device-side enqueue",
    ),
    (re.compile(r"to_(global|local|private)|get_fence"), "generic address-space queries"),
)
_REFUSED_IMAGES = ("image3d", "msaa", "depth")

_EMITTERS: Mapping[str, Callable[[Body], None]] = {
    **maths.EMITTERS,
    **integers.EMITTERS,
    **memory.EMITTERS,
}

DECLARATION = re.compile(r"declare\s+(?P<result>.+?)\s+@(?P<name>[\w.$]+)\((?P<args>.*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Text to add to a module, so that only external calls are left."""

    definitions: tuple[str, ...]
    declarations: tuple[str, ...]


def is_image_type(name: str) -> bool:
    """Whether an opaque parameter type is an image."""
    return name.startswith("ocl_image")


def _refusal(signature: Signature) -> str:
    for pattern, what in _REFUSED:
        if pattern.fullmatch(signature.name):
            return what
    for kind in signature.parameters:
        if any(word in kind.name for word in _REFUSED_IMAGES):
            return "3D, multi-sample and depth images"
    first = signature.parameters[0] if signature.parameters else None
    if (
        signature.name.startswith(("atom_", "atomic_"))
        and first is not None
        and first.pointee is not None
        and first.pointee.bits != 32
    ):
        return "64-bit atomics"
    return ""


def _external_attributes(signature: Signature) -> str:
    """Return the attribute group of a function that stays a call, "" for one that is defined."""
    name = signature.name
    if name in WORK_ITEM:
        return PURE
    if name in BARRIERS:
        return BARRIER
    if name in maths.EXTERNAL and all(kind.lanes == 1 for kind in signature.parameters):
        return PURE
    if _IMAGE_QUERY.fullmatch(name):
        return PURE
    if _IMAGE_READ.fullmatch(name):
        # What a read_only image holds cannot change during the launch.
        is_constant = signature.parameters[0].name.endswith("_ro")
        return PURE if is_constant else IMAGE_WRITE
    if _IMAGE_WRITE.fullmatch(name):
        return IMAGE_WRITE
    return ""


def call_attributes(mangled: str) -> str:
    """Return the attribute group of a function that stays a call in the normalised IR."""
    signature = demangle(mangled)
    if signature is None:
        return PRINTF
    return _external_attributes(signature) or PRINTF


def _emit(body: Body) -> bool:
    """Write the body of a defined function; False when there is no such function."""
    name = body.signature.name
    if name in _EMITTERS:
        _EMITTERS[name](body)
    elif name in maths.EXTERNAL:
        maths.lanewise(body)
    elif match := CONVERT.fullmatch(name):
        convert(body, match[1], match[3] is not None, match[4] or "")
    elif match := memory.VLOAD_HALF.fullmatch(name):
        memory.vload_half(body, match[1] == "a", int(match[2] or 1))
    elif match := memory.VSTORE_HALF.fullmatch(name):
        memory.vstore_half(body, match[1] == "a", int(match[2] or 1), match[3] or "")
    elif match := memory.VLOAD.fullmatch(name):
        memory.vload(body, int(match[1]))
    elif match := memory.VSTORE.fullmatch(name):
        memory.vstore(body, int(match[1]))
    else:
        return False
    return True


def link_builtins(declarations: Iterable[str], *, where: str) -> Linked:
    """Define or declare every function that a program calls and does not contain.

    Parameters
    ----------
    declarations : iterable of str
        ``declare`` lines without attributes, LLVM intrinsics excluded.
    where : str
        Name of the program, for messages.

    Returns
    -------
    Linked

    Raises
    ------
    CompileError
        A function is refused (sub-groups, C11 atomics, 3D images...) or unknown.
    """
    definitions: list[str] = []
    kept: dict[str, str] = {}
    pending = list(declarations)
    done: set[str] = set()
    while pending:
        line = pending.pop()
        match = DECLARATION.match(line)
        if match is None:
            raise CompileError(located(where, "unreadable declaration in IR", found=line[:80]))
        mangled = match["name"]
        if mangled in done:
            continue
        done.add(mangled)
        if mangled.startswith("llvm."):
            kept[mangled] = line
            continue
        if mangled == "printf":
            kept[mangled] = f"{line} {PRINTF}"
            continue
        signature = demangle(mangled)
        if signature is None:
            raise CompileError(located(where, "calls a function it does not define", found=mangled))
        refused = _refusal(signature)
        if refused:
            raise CompileError(located(where, f"not supported: {refused}", found=signature.name))
        attributes = _external_attributes(signature)
        if attributes:
            kept[mangled] = f"{line} {attributes}"
            continue
        body = Body(signature, match["result"])
        if not _emit(body):
            raise CompileError(
                located(where, "calls a function it does not define", found=signature.name)
            )
        definitions.append(body.text(mangled))
        pending.extend(body.calls.values())
    return Linked(definitions=tuple(definitions), declarations=tuple(kept.values()))
