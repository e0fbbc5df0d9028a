"""What the worker process has been told: kernels, compiled variants, mapped buffers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from gpusim.count.process import WorkerProcess, shared_worker

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR
    from gpusim.count.limits import Limits
    from gpusim.count.memory import Memory


class Session:
    """What the current worker process has been told."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self._generation = -1
        self._kernels: set[str] = set()
        self._metas: dict[tuple[str, str], dict[str, Any]] = {}
        self._mapped: tuple[int, int] | None = None

    def _refresh(self) -> None:
        self.worker.ensure()
        if self.worker.generation != self._generation:
            self._generation = self.worker.generation
            self._kernels.clear()
            self._metas.clear()
            self._mapped = None

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


_sessions: dict[int, Session] = {}


def current_session() -> Session:
    """Return the session with this process's worker."""
    worker = shared_worker()
    return _sessions.setdefault(id(worker), Session(worker))
