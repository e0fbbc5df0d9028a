"""Build the trace of a plan: programs, buffers and launches, numbered in order of use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gpusim.library.plan import Phase
from gpusim.trace.records import (
    PLANNED,
    Argument,
    ArgumentKind,
    Buffer,
    Kernel,
    Launch,
    Program,
    Size3,
    Trace,
)

_POINTER_BYTES = 8
_BUFFER = ArgumentKind.BUFFER
_VALUE = ArgumentKind.VALUE


class PlannedTrace:
    """Collect launches; equal programs and kernels are shared.

    Examples
    --------
    >>> plan = PlannedTrace("acl-gemm")
    >>> a = plan.buffer(4096)
    >>> plan.launch(Phase.RUN, source="...", options="", kernel="k", global_size=(64, 1, 1),
    ...             local_size=None, arguments=[a, np.int32(3)])        # doctest: +SKIP
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._programs: dict[int, Program] = {}
        self._program_ids: dict[tuple[str, str], int] = {}
        self._kernels: dict[int, Kernel] = {}
        self._kernel_ids: dict[tuple[int, str], int] = {}
        self._buffers: dict[int, Buffer] = {}
        self._blobs: dict[str, bytes] = {}
        self._launches: list[Launch] = []

    def buffer(self, size_bytes: int, *, content: bytes | None = None) -> BufferRef:
        """Add a buffer; give its `content` where that can reach a branch or an address."""
        number = len(self._buffers)
        digest = None if content is None else self._blob(content)
        self._buffers[number] = Buffer(id=number, size_bytes=size_bytes, content=digest)
        return BufferRef(number)

    def launch(
        self,
        phase: Phase,
        *,
        source: str,
        options: str,
        kernel: str,
        global_size: Size3,
        local_size: Size3 | None,
        arguments: Sequence[BufferRef | LocalBytes | np.generic | bytes],
        work_dim: int = 3,
    ) -> None:
        """Add a launch of `kernel` in OpenCL C text `source` built with `options`.

        Parameters
        ----------
        phase : Phase
            Kept as the launch's label.
        source, options, kernel : str
            OpenCL C, build options, function.
        global_size, local_size : tuple of int
            NDRange; a local size of None leaves the choice to the driver.
        arguments : sequence
            In parameter order: a buffer, local memory, a NumPy scalar, or raw bytes.
        work_dim : int
            Dimensions of the NDRange.
        """
        program = self._program(source, options)
        index = len(self._launches)
        self._launches.append(
            Launch(
                index=index,
                seq=index,
                kernel=kernel,
                kernel_id=self._kernel(program, kernel),
                program=program,
                work_dim=work_dim,
                global_size=global_size,
                local_size=local_size,
                arguments=tuple(_argument(i, value) for i, value in enumerate(arguments)),
                queue=0,
                label=phase.value,
            )
        )

    def trace(self) -> Trace:
        """Return what was collected."""
        return Trace(
            name=self._name,
            manifest={"format": PLANNED},
            programs=self._programs,
            kernels=self._kernels,
            buffers=self._buffers,
            launches=tuple(self._launches),
            read_blob=self._blobs.__getitem__,
        )

    def _blob(self, contents: bytes) -> str:
        digest = hashlib.sha256(contents).hexdigest()
        self._blobs[digest] = contents
        return digest

    def _program(self, source: str, options: str) -> int:
        key = (source, options)
        if key not in self._program_ids:
            number = self._program_ids[key] = len(self._programs)
            text, blob = _text(source)
            self._blobs[blob] = text
            self._programs[number] = Program(
                id=number, kind="source", blob=blob, build_options=options
            )
        return self._program_ids[key]

    def _kernel(self, program: int, name: str) -> int:
        key = (program, name)
        if key not in self._kernel_ids:
            number = self._kernel_ids[key] = len(self._kernels)
            self._kernels[number] = Kernel(id=number, name=name, program=program)
        return self._kernel_ids[key]


@lru_cache(maxsize=256)
def _text(source: str) -> tuple[bytes, str]:
    """Encode and hash a text once, however many layers are planned with it."""
    text = source.encode()
    return text, hashlib.sha256(text).hexdigest()


class BufferRef(int):
    """Id of a buffer, as an argument."""


class LocalBytes(int):
    """Bytes of local memory, as an argument."""


def _argument(index: int, value: BufferRef | LocalBytes | np.generic | bytes) -> Argument:
    if isinstance(value, bytes):
        return Argument(index=index, kind=_VALUE, size_bytes=len(value), value=value)
    if isinstance(value, BufferRef):
        return Argument(index=index, kind=_BUFFER, size_bytes=_POINTER_BYTES, ref=int(value))
    if isinstance(value, LocalBytes):
        return Argument(index=index, kind=ArgumentKind.LOCAL, size_bytes=int(value))
    raw = value.tobytes()
    return Argument(index=index, kind=_VALUE, size_bytes=len(raw), value=raw)
