"""Count a job: bind its arguments, run it in the worker, build its `WorkCount`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from gpusim.count.arguments import bind_arguments
from gpusim.count.faults import describe
from gpusim.count.limits import Limits
from gpusim.count.process import WorkerProcess, shared_worker
from gpusim.count.work_count import WorkCount
from gpusim.errors import CountError, located

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR
    from gpusim.count.memory import Memory
    from gpusim.lower.job import Job

_ALIGNED = 128
"""Promised alignment of buffer arguments: what clCreateBuffer guarantees (long16)."""


class _Session:
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
                limit="Limits.compile_seconds",
            )
            self._kernels.add(key)
        head, _ = self.worker.ask(
            {"op": "load", "kernel": key, "variant": variant},
            seconds=limits.compile_seconds,
            where=where,
            limit="Limits.compile_seconds",
        )
        self._metas[key, variant] = head["meta"]
        return key, head["meta"], head["seconds"]

    def map(self, memory: Memory, where: str) -> None:
        """Make the worker see a trace's buffers."""
        self._refresh()
        wanted = (id(memory), memory.size_bytes)
        if self._mapped != wanted:
            self.worker.ask(
                {"op": "map", "bytes": memory.size_bytes},
                seconds=30,
                handle=memory.handle,
                where=where,
            )
            self._mapped = wanted


_sessions: dict[int, _Session] = {}


def _session() -> _Session:
    worker = shared_worker()
    return _sessions.setdefault(id(worker), _Session(worker))


def _check_shape(job: Job, limits: Limits, where: str) -> None:
    sizes = (*job.global_size, *job.local_size)
    if min(sizes) < 1:
        raise CountError(located(where, "an NDRange of no work-items", found=str(sizes)))
    if any(g % n for g, n in zip(job.global_size, job.local_size, strict=True)):
        raise CountError(
            located(
                where,
                "the local size does not divide the global size of the job",
                found=f"{job.local_size} and {job.global_size}",
            )
        )
    if job.group_items > limits.group_items:
        raise CountError(
            located(
                where,
                "work-group too large",
                expected=f"at most {limits.group_items} work-items "
                "(raise it with Limits.group_items)",
                found=str(job.group_items),
            )
        )


def _check_memory(meta: dict[str, Any], job: Job, limits: Limits, where: str) -> None:
    if meta["private_bytes"] > limits.private_bytes:
        raise CountError(
            located(
                where,
                "private arrays are too large",
                expected=f"at most {limits.private_bytes} bytes "
                "(raise it with Limits.private_bytes)",
                found=f"{meta['private_bytes']} bytes",
            )
        )
    frames = meta["frame_bytes"] * job.group_items
    if frames > limits.group_memory_bytes:
        raise CountError(
            located(
                where,
                "the state of a work-group across barriers is too large",
                expected=f"at most {limits.group_memory_bytes} bytes "
                "(raise it with Limits.group_memory_bytes)",
                found=f"{frames} bytes",
            )
        )
    local = sum(v["size_bytes"] for v in meta["variables"] if v["address_space"] == 3)
    if local > limits.local_bytes:
        raise CountError(
            located(
                where,
                "local variables are too large",
                expected=f"at most {limits.local_bytes} bytes (raise it with Limits.local_bytes)",
                found=f"{local} bytes",
            )
        )


def _shape_words(job: Job) -> list[int]:
    base = [o + i for o, i in zip(job.launch_global_offset, job.item_offset, strict=True)]
    return [
        *job.n_groups,
        *job.local_size,
        *base,
        *job.group_offset,
        *job.launch_global_size,
        *job.launch_num_groups,
        *job.enqueued_local_size,
        *job.launch_global_offset,
        job.work_dim,
    ]


def count_job(
    kernel: KernelIR,
    job: Job,
    memory: Memory,
    *,
    mode: str = "auto",
    limits: Limits | None = None,
    where: str = "",
) -> WorkCount:
    """Execute one job and count how often every basic block ran, per work-group class.

    Parameters
    ----------
    kernel : KernelIR
        The normalised kernel.
    job : Job
        NDRange and arguments.
    memory : Memory
        Buffers that the arguments refer to; their contents change as the kernel writes.
    mode : str
        ``auto`` or ``full``.
    limits : Limits, optional
        Time, instructions and memory allowed.
    where : str
        File and launch, in front of every message.

    Returns
    -------
    WorkCount
        Exact counts.

    Raises
    ------
    CountError
        The kernel cannot be executed, faults, or exceeds a limit.
    """
    limits = limits or Limits()
    if mode not in ("auto", "full"):
        raise CountError(located(where, "unknown mode", expected="auto or full", found=mode))
    label = f"{where}: kernel {kernel.name}" if where else f"kernel {kernel.name}"
    _check_shape(job, limits, label)
    return _count_full(kernel, job, memory, limits, label)


def _count_full(
    kernel: KernelIR, job: Job, memory: Memory, limits: Limits, label: str
) -> WorkCount:
    session = _session()
    offsets = [
        memory.region(b.argument.ref).offset
        for b in job.arguments
        if b.argument.ref is not None and b.argument.ref in memory
    ]
    is_aligned = all(offset % _ALIGNED == 0 for offset in offsets)
    variant = f"checked/{_ALIGNED if is_aligned else 1}"
    key, meta, compile_seconds = session.load(kernel, variant, limits, label)
    _check_memory(meta, job, limits, label)
    arguments = bind_arguments(kernel, job, memory, meta["formals"], limits, label)
    session.map(memory, label)
    request = {
        "op": "run",
        "kernel": key,
        "variant": variant,
        "shape": _shape_words(job),
        "arguments": arguments,
        "instructions": limits.instructions,
        "seconds": limits.seconds,
    }
    head, body = session.worker.ask(
        request, seconds=limits.seconds + 1, where=label, limit="Limits.seconds"
    )
    if "fault" in head:
        raise CountError(
            f"{label}: {describe(head['fault'], meta, arguments, kernel, job, limits)}"
        )
    if "timeout" in head:
        raise CountError(
            f"{label}: {head['timeout']} of {head['groups']} work-groups done after "
            f"{limits.seconds:g} s (raise it with Limits.seconds)"
        )
    n_classes, n_blocks = head["classes"]
    data = np.frombuffer(body, np.int64)
    classes = data[: n_classes * n_blocks].reshape(n_classes, n_blocks)
    for bound in job.arguments:
        if bound.argument.ref is not None and bound.argument.ref in memory:
            memory.mark_known(bound.argument.ref)
    return WorkCount(
        kernel=kernel,
        local_size=job.local_size,
        n_work_groups=job.n_work_groups,
        n_work_items=job.n_work_items,
        class_blocks=classes,
        class_runs=data[n_classes * n_blocks :].reshape(-1, 2),
        mode="full",
        bounds="checked",
        compile_seconds=compile_seconds,
        count_seconds=head["seconds"],
    )
