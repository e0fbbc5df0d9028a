"""What the worker process has been told: kernels, compiled variants, mapped buffers."""

from __future__ import annotations

import atexit
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from gpusim.count.process import WorkerProcess, shared_worker

if TYPE_CHECKING:
    import numpy.typing as npt

    from gpusim.compiler.kernel_ir import KernelIR
    from gpusim.count.limits import Limits
    from gpusim.count.memory import Memory


_STREAM_BYTES = 1 << 20
"""Least memory for recorded addresses."""


class Session:
    """What the current worker process has been told."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self._generation = -1
        self._kernels: set[str] = set()
        self._metas: dict[tuple[str, str], dict[str, Any]] = {}
        self._mapped: tuple[int, int] | None = None
        self._stream: Memory | None = None
        self._has_stream = False

    def _refresh(self) -> None:
        self.worker.ensure()
        if self.worker.generation != self._generation:
            self._generation = self.worker.generation
            self._kernels.clear()
            self._metas.clear()
            self._mapped = None
            self._has_stream = False

    def load(
        self, kernel: KernelIR, variant: str, limits: Limits, where: str
    ) -> tuple[str, dict[str, Any], float]:
        """Compile a variant in the worker; returns its key, description and the seconds it took."""
        self._refresh()
        key = hashlib.sha256(f"{kernel.name}\n{kernel.text}".encode()).hexdigest()
        found = self._metas.get((key, variant))
        if found is not None:
            return key, found, 0.0
        if key not in self._kernels:
            self.worker.ask(
                {"op": "kernel", "kernel": key, "name": kernel.name, "text": kernel.text},
                seconds=limits.compile_seconds,
                where=where,
                limit="compile_seconds",
            )
            self._kernels.add(key)
        head, _ = self.worker.ask(
            {"op": "load", "kernel": key, "variant": variant},
            seconds=limits.compile_seconds,
            where=where,
            limit="compile_seconds",
        )
        self._metas[key, variant] = head["meta"]
        return key, head["meta"], head["seconds"]

    def map(self, memory: Memory, where: str) -> None:
        """Make the worker see a trace's buffers."""
        self._refresh()
        wanted = (memory.serial, memory.size_bytes)
        if self._mapped != wanted:
            self.worker.ask(
                {"op": "map", "bytes": memory.size_bytes},
                seconds=30,
                handle=memory.handle,
                where=where,
            )
            self._mapped = wanted

    def stream(self, words: int, where: str) -> npt.NDArray[np.int64]:
        """Return memory shared with the worker for recorded addresses, at least `words` long."""
        from gpusim.count.memory import Memory

        self._refresh()
        if self._stream is None or self._stream.size_bytes < 8 * words:
            self._stream = Memory()
            atexit.register(self._stream.close)
            self._stream.add(0, max(_STREAM_BYTES, 8 * words))
            self._has_stream = False
        if not self._has_stream:
            n_bytes = self._stream.size_bytes
            self.worker.ask(
                {"op": "stream", "bytes": n_bytes},
                seconds=30,
                handle=self._stream.handle,
                where=where,
            )
            self._has_stream = True
        return self._stream.view(0).view(np.int64)


_sessions: dict[int, Session] = {}


def current_session() -> Session:
    """Return the session with this process's worker."""
    worker = shared_worker()
    return _sessions.setdefault(id(worker), Session(worker))
