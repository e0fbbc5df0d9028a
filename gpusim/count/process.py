"""The parent's side of the worker: start it, ask it, survive it."""

from __future__ import annotations

import atexit
import contextlib
import signal
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import gpusim
from gpusim.compiler.limits import how_to_raise
from gpusim.count import wire
from gpusim.errors import CountError
from gpusim.resources import cache_dir

_DATA_LIMIT_BYTES = 6 << 30
"""Private memory of the worker: LLVM, rows and frames; buffers are shared and not part of it."""


class WorkerProcess:
    """A child process that runs kernels; restarted after a crash or a time-out."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self.generation = 0
        """Changes whenever a new process starts, which then knows nothing yet."""

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        root = str(Path(gpusim.__file__).parent.parent)
        # -c, not -m: the package's folder must be importable wherever it was imported from.
        program = (
            f"import sys; sys.path.insert(0, {root!r}); "
            "from gpusim.count.worker import main; main()"
        )
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", program, str(theirs.fileno())),
                *(str(cache_dir() / "jit"), str(_DATA_LIMIT_BYTES)),
            ],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self._channel = ours
        self.generation += 1
        return ours

    def ensure(self) -> None:
        """Start the process if none runs."""
        if self._channel is None:
            self._start()

    def stop(self) -> str:
        """Kill the process; returns how it had ended, empty if it was alive."""
        cause = ""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
            code = self._process.poll()
            if code is None:
                self._process.kill()
                self._process.wait()
            elif code < 0:
                cause = signal.Signals(-code).name
            else:
                cause = f"exit code {code}"
        if self._channel is not None:
            self._channel.close()
        self._process = self._channel = None
        return cause

    def ask(
        self,
        request: dict[str, Any],
        *,
        seconds: float,
        handle: int | None = None,
        where: str = "",
        limit: str = "",
    ) -> tuple[dict[str, Any], bytes]:
        """Send a request and return its answer.

        Parameters
        ----------
        request : dict
            Message.
        seconds : float
            Time after which the process is killed.
        handle : int, optional
            File descriptor to pass along.
        where, limit : str
            For messages: what is being done, and the field of `Limits` that raises the time.

        Raises
        ------
        CountError
            The worker reports an error, crashes, or takes too long.
        """
        self.ensure()
        channel = self._channel
        assert channel is not None
        try:
            wire.send(channel, request)
            if handle is not None:
                socket.send_fds(channel, [b"f"], [handle])
            head, body = wire.receive(channel, seconds)
        except wire.WireTimeoutError:
            self.stop()
            hint = f" ({how_to_raise(limit)})" if limit else ""
            raise CountError(f"{where}: no result after {seconds:g} s" + hint) from None
        except wire.WireClosedError:
            cause = self.stop()
            raise CountError(f"{where}: the process that runs kernels died ({cause})") from None
        except KeyboardInterrupt:
            self.stop()
            raise
        if "error" in head:
            raise CountError(f"{where}: {head['error']}")
        return head, body


@cache
def shared_worker() -> WorkerProcess:
    """Return this process's worker; it ends with the process."""
    worker = WorkerProcess()
    atexit.register(worker.stop)
    return worker
