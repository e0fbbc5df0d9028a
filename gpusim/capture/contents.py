"""Which buffer contents stay in a trace under ``--data auto``.

The shim stores what is written to a buffer before it can know what the buffer is for. Whether
bytes can reach a branch or an address is judged here, where all launches are known: by the
element type of the pointer parameters that a buffer is bound to. Integers, structures, ``void``
and parameters of unknown type may hold indices, counts or flags and stay. Buffers that only ever
appear as floating-point pointers (or never reach a kernel) are reduced to their hash when they
are larger than `SMALL_BYTES`. Copies, sub-buffers and images over buffers pass on what they are
used for. Counting a kernel that branches on large floating-point data needs ``--data full``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from gpusim.capture.raw_blobs import RawBlobs
from gpusim.capture.raw_models import ParameterRecord
from gpusim.trace.records import ArgumentKind, Buffer, Command, Trace

SMALL_BYTES = 4096
"""Contents up to this size stay whatever they are: parameter blocks, flags, small tables."""

_QUALIFIERS = frozenset(
    ["const", "volatile", "restrict", "__restrict", "global", "__global", "constant", "__constant"]
)
_FLOATING = re.compile(r"(?:half|float|double)(?:2|3|4|8|16)?")


def may_steer(parameter: ParameterRecord) -> bool:
    """Return whether what a pointer parameter points at may reach a branch or an address.

    Parameters
    ----------
    parameter : ParameterRecord
        Of a kernel; its type is spelt as in the source, such as ``const float4*``.
    """
    words = [word for word in re.split(r"[\s*]+", parameter.type) if word not in _QUALIFIERS]
    text = " ".join(word for word in words if word)
    return not text or _FLOATING.fullmatch(text) is None


def keep_contents(
    trace: Trace, parameters: Mapping[int, tuple[ParameterRecord, ...]], blobs: RawBlobs
) -> Trace:
    """Reduce contents that cannot steer a kernel to their hash.

    Parameters
    ----------
    trace : Trace
        With every recorded content.
    parameters : mapping
        Parameters of the kernels, by kernel id.
    blobs : RawBlobs
        To learn the sizes of contents.

    Returns
    -------
    Trace
        The same trace; some `content` fields are None, a buffer's moved to `content_hash`.
    """
    groups = _Groups(trace)
    steering = {groups.find(ref) for ref in _bound_to_steering(trace, parameters)}

    def keeps(ref: int | None, content: str | None) -> bool:
        if content is None:
            return False
        if ref is not None and ref in trace.buffers and groups.find(ref) in steering:
            return True
        return blobs.size(content) <= SMALL_BYTES

    def buffer_kept(buffer: Buffer) -> Buffer:
        if buffer.content is None or keeps(buffer.id, buffer.content):
            return buffer
        return replace(buffer, content=None, content_hash=buffer.content)

    def command_kept(command: Command) -> Command:
        if command.content is None or keeps(command.target, command.content):
            return command
        return replace(command, content=None)

    return replace(
        trace,
        buffers={key: buffer_kept(buffer) for key, buffer in trace.buffers.items()},
        images={
            key: image
            if image.content is None or keeps(image.id, image.content)
            else replace(image, content=None)
            for key, image in trace.images.items()
        },
        commands=tuple(command_kept(command) for command in trace.commands),
    )


def _bound_to_steering(
    trace: Trace, parameters: Mapping[int, tuple[ParameterRecord, ...]]
) -> set[int]:
    """Return the buffers that some launch binds to a parameter that may steer it."""
    found: set[int] = set()
    seen: set[tuple[int | None, int]] = set()
    for launch in trace.launches:
        # Launches share their argument tuples; one look at each is enough.
        key = (launch.kernel_id, id(launch.arguments))
        if key in seen:
            continue
        seen.add(key)
        known = parameters.get(launch.kernel_id, ()) if launch.kernel_id is not None else ()
        for argument in launch.arguments:
            if argument.kind is not ArgumentKind.BUFFER or argument.ref is None:
                continue
            if argument.index >= len(known) or may_steer(known[argument.index]):
                found.add(argument.ref)
    return found


class _Groups:
    """Memory objects that share or hand on their bytes, as disjoint sets."""

    def __init__(self, trace: Trace) -> None:
        self._parent: dict[int, int] = {}
        for buffer in trace.buffers.values():
            if buffer.parent is not None:
                self._join(buffer.id, buffer.parent)
        for image in trace.images.values():
            if image.buffer is not None:
                self._join(image.id, image.buffer)
        for command in trace.commands:
            if command.source is not None and command.target is not None:
                self._join(command.source, command.target)

    def find(self, item: int) -> int:
        """Return the representative of the set of `item`."""
        root = item
        while self._parent.get(root, root) != root:
            root = self._parent[root]
        while self._parent.get(item, item) != root:
            self._parent[item], item = root, self._parent[item]
        return root

    def _join(self, a: int, b: int) -> None:
        self._parent[self.find(a)] = self.find(b)
