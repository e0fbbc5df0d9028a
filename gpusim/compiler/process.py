"""The parent's side of the LLVM worker: start, ask, kill on time-out."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gpusim.compiler.clang import limit_process
from gpusim.compiler.limits import CompileLimits, how_to_raise
from gpusim.compiler.worker import receive, send
from gpusim.errors import CompileError, located

_LIFE_REQUESTS = 10
"""A worker may use the processor time of so many requests that reach their limit."""


class Worker:
    """One LLVM process for one thread at a time.

    Restarted after a crash, a time-out or a fork of the parent.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._limits = CompileLimits()

    def start(self, limits: CompileLimits | None = None) -> None:
        """Start the process unless it runs already; it gets ready in the background.

        One that was started with tighter limits than now allowed is replaced.
        """
        limits = limits or CompileLimits()
        is_allowed = (
            limits.optimiser_memory_bytes == self._limits.optimiser_memory_bytes
            and limits.optimiser_seconds <= self._limits.optimiser_seconds
        )
        if self._process is not None and self._owner == os.getpid():
            if self._process.poll() is None and is_allowed:
                return
            self._drop()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gpusim.compiler.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._owner = os.getpid()
        self._limits = limits
        limit_process(
            self._process.pid,
            seconds=_LIFE_REQUESTS * limits.optimiser_seconds,
            memory_bytes=limits.optimiser_memory_bytes,
            output_bytes=limits.front_end_output_bytes,
        )

    def ask(
        self, head: dict[str, Any], payload: bytes, limits: CompileLimits | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Send a request and return the reply.

        Parameters
        ----------
        head : dict
            ``task``, ``where`` and what the task needs.
        payload : bytes
            IR text or bitcode.
        limits : CompileLimits, optional
            Time and memory allowed.

        Returns
        -------
        head : dict
        payload : bytes

        Raises
        ------
        CompileError
            The worker reports an error, dies, or does not answer in time.
        """
        where = head["where"]
        limits = limits or CompileLimits()
        reply, is_late = self._exchange(head, payload, limits)
        if reply is None and not is_late:
            # An old process may have died of its age or of an earlier program; ask a fresh one.
            reply, is_late = self._exchange(head, payload, limits)
        if reply is None:
            reason = (
                f"LLVM did not finish in {limits.optimiser_seconds:g} s "
                f"({how_to_raise('optimiser_seconds')})"
                if is_late
                else "LLVM crashed on this program or ran out of its "
                f"{limits.optimiser_memory_bytes} bytes of memory "
                f"({how_to_raise('optimiser_memory_bytes')})"
            )
            raise CompileError(located(where, reason))
        if "error" in reply[0]:
            raise CompileError(reply[0]["error"])
        return reply

    def _exchange(
        self, head: dict[str, Any], payload: bytes, limits: CompileLimits
    ) -> tuple[tuple[dict[str, Any], bytes] | None, bool]:
        """Return the reply, or None and whether the time ran out."""
        self.start(limits)
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return None, False
        late = threading.Event()
        timer = threading.Timer(limits.optimiser_seconds, _stop, (process, late))
        timer.start()
        try:
            send(process.stdin, head, payload)  # type: ignore[arg-type]
            reply = receive(process.stdout)  # type: ignore[arg-type]
        except (OSError, ValueError):
            reply = None
        finally:
            timer.cancel()
        if reply is None:
            self._drop()
        return reply, late.is_set()

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if self._owner == os.getpid():
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue

    def close(self) -> None:
        """End the process."""
        self._drop()


def _stop(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


class WorkerPool:
    """As many workers as threads ask at once, up to the number of processors.

    Compiling the kernels of a trace in threads therefore runs LLVM in parallel.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.forget()

    def forget(self) -> None:
        """Start without workers: after a fork they, and any lock held, belong to the parent."""
        self._free = threading.Semaphore(self._limit)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []

    def start(self, limits: CompileLimits | None = None) -> None:
        """Have one worker get ready in the background."""
        with self._borrowed() as worker:
            worker.start(limits)

    @contextmanager
    def _borrowed(self) -> Iterator[Worker]:
        with self._free:
            with self._lock:
                worker = self._idle.pop() if self._idle else Worker()
            try:
                yield worker
            finally:
                with self._lock:
                    self._idle.append(worker)

    def ask(
        self, head: dict[str, Any], payload: bytes, limits: CompileLimits | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Send a request to a free worker; see `Worker.ask`."""
        with self._borrowed() as worker:
            return worker.ask(head, payload, limits)

    def close(self) -> None:
        """End the idle processes."""
        with self._lock:
            workers, self._idle = self._idle, []
        for worker in workers:
            worker.close()


WORKERS = WorkerPool(limit=os.cpu_count() or 1)
atexit.register(WORKERS.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WORKERS.forget)
