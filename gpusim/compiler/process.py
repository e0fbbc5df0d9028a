"""The parent's side of the LLVM worker: start, ask, kill on time-out."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from typing import Any

from gpusim.compiler.clang import limit_process
from gpusim.compiler.worker import receive, send
from gpusim.errors import CompileError, located

TIME_LIMIT_S = 120
CPU_LIMIT_S = 3600
"""Of a worker's whole life; a request is stopped by `TIME_LIMIT_S`."""
MEMORY_LIMIT_BYTES = 4 << 30


class Worker:
    """One LLVM process; restarted after a crash, a time-out or a fork of the parent."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process unless it runs already; it gets ready in the background."""
        if self._process is not None and self._owner == os.getpid():
            if self._process.poll() is None:
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
        limit_process(self._process.pid, seconds=CPU_LIMIT_S, memory_bytes=MEMORY_LIMIT_BYTES)

    def ask(self, head: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        """Send a request and return the reply.

        Parameters
        ----------
        head : dict
            ``task``, ``where`` and what the task needs.
        payload : bytes
            IR text or bitcode.

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
        with self._lock:
            self.start()
            process = self._process
            if process is None or process.stdin is None or process.stdout is None:
                raise CompileError(located(where, "the LLVM process could not be started"))
            late = threading.Event()
            timer = threading.Timer(TIME_LIMIT_S, _stop, (process, late))
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
                reason = (
                    f"LLVM did not finish in {TIME_LIMIT_S} s"
                    if late.is_set()
                    else "LLVM crashed or ran out of memory on this program"
                )
                raise CompileError(located(where, reason))
        if "error" in reply[0]:
            raise CompileError(reply[0]["error"])
        return reply

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
        with self._lock:
            self._drop()


def _stop(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


WORKER = Worker()
atexit.register(WORKER.close)
