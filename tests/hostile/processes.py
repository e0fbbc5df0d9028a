"""What a test leaves behind: child processes that should be gone or idle."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

_WORKERS = ("gpusim.compiler.worker", "gpusim.count.worker")
"""Modules of the children that stay, asleep until the next request."""


@dataclass(frozen=True)
class Child:
    """A process below this one."""

    pid: int
    parent: int
    state: str
    command: str

    @property
    def is_idle_worker(self) -> bool:
        return self.state == "S" and any(name in self.command for name in _WORKERS)


def _read(pid: str) -> Child | None:
    folder = Path("/proc", pid)
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return None
    return Child(pid=int(pid), parent=int(fields[1]), state=fields[0], command=command)


def descendants(pid: int) -> list[Child]:
    """Return the processes below a process."""
    everyone = [_read(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    known = [child for child in everyone if child is not None]
    found = {pid}
    while more := {child.pid for child in known if child.parent in found} - found:
        found |= more
    return [child for child in known if child.pid in found - {pid}]


def check_nothing_left_behind() -> None:
    """Fail unless the only children are the workers, each once per processor, and idle."""
    deadline = time.monotonic() + 5
    while True:
        left = descendants(os.getpid())
        if all(child.is_idle_worker for child in left) and len(left) <= 1 + (os.cpu_count() or 1):
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: {left}")
        time.sleep(0.02)
