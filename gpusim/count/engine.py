"""Count a job: prove what can be proven, run what must be run, build its `WorkCount`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import READY
from gpusim.compiler.limits import how_to_raise
from gpusim.count.arguments import bind_arguments
from gpusim.count.faults import describe
from gpusim.count.image_arguments import check_image_calls
from gpusim.count.launch_proof import LaunchProof, plan_of, prove_launch, value_argument
from gpusim.count.limits import Limits
from gpusim.count.reconvergence import POLICIES
from gpusim.count.session import current_session
from gpusim.count.simt import summary
from gpusim.count.slice import (
    cell_points,
    collapsed_shape,
    expand_runs,
    runs_of,
    tables,
)
from gpusim.count.warp_sample import Sample, Warps, choose_groups, run_groups, simt_result
from gpusim.count.work_count import WorkCount
from gpusim.errors import CountError, located

if TYPE_CHECKING:
    from gpusim.compiler.kernel_ir import KernelIR
    from gpusim.count.memory import Memory
    from gpusim.count.plan import Plan
    from gpusim.lower.job import Job

_ALIGNED = 128
"""Promised alignment of buffer arguments: what clCreateBuffer guarantees (long16)."""
_GRACE_SECONDS = 1.0
"""Between the worker's own time limit and its end by force."""
_MAX_REMEMBERED = 10_000
_MAX_KEPT_BYTES = 256 << 20
"""Of written buffers that are kept as they were before a launch, for lock-step runs after it."""

_NO_WORDS = np.empty(0, np.int64)

_rows: dict[tuple[object, ...], npt.NDArray[np.int64]] = {}
"""Rows of slices by everything that they depend on."""
_collapsed_tables: dict[
    tuple[object, ...], tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
] = {}
"""Classes and runs of slices that no box shape fits, likewise."""


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
                expected=f"at most {limits.group_items} work-items ({how_to_raise('group_items')})",
                found=str(job.group_items),
            )
        )


def _check_memory(meta: dict[str, Any], job: Job, limits: Limits, where: str) -> None:
    if meta["private_bytes"] > limits.private_bytes:
        raise CountError(
            located(
                where,
                "private arrays are too large",
                expected=f"at most {limits.private_bytes} bytes ({how_to_raise('private_bytes')})",
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
                f"({how_to_raise('group_memory_bytes')})",
                found=f"{frames} bytes",
            )
        )
    local = sum(v["size_bytes"] for v in meta["variables"] if v["address_space"] == 3)
    if local > limits.local_bytes:
        raise CountError(
            located(
                where,
                "local variables are too large",
                expected=f"at most {limits.local_bytes} bytes ({how_to_raise('local_bytes')})",
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
    warp_width: int = 0,
    policy: str = "",
    lane_addresses: int = 0,
    warps: Warps | None = None,
    where: str = "",
) -> WorkCount:
    """Count how often every basic block of one job runs, per work-group class.

    Parameters
    ----------
    kernel : KernelIR
        The normalised kernel.
    job : Job
        NDRange and arguments.
    memory : Memory
        Buffers that the arguments refer to; their contents change as the kernel writes.
    mode : str
        ``auto``: a slice where it is valid, else full; ``slice``: an error where it is not;
        ``full``: every work-item runs.
    limits : Limits, optional
        Time, instructions and memory allowed.
    warp_width : int
        Also run sampled work-groups in lock-step warps of this width, see `gpusim.count.simt`;
        0 = don't.
    policy : str
        Where diverged lanes meet again: one of `gpusim.count.reconvergence.POLICIES`, ``""`` = that
        of the known devices of this width.
    lane_addresses : int
        Room for addresses of the sampled groups, in lane accesses; 0 = record none.
    warps : Warps, optional
        Instead of these three: everything that can be said of lock-step runs.
    where : str
        File and launch, in front of every message.

    Returns
    -------
    WorkCount
        Exact counts; `simt` and `lockstep` are filled when a warp width was given.

    Raises
    ------
    CountError
        The kernel cannot be executed, faults, or exceeds a limit.
    """
    limits = limits or Limits()
    if mode not in ("auto", "full", "slice"):
        raise CountError(located(where, "unknown mode", expected="auto, full or slice", found=mode))
    if policy and policy not in POLICIES:
        raise CountError(
            located(where, "unknown policy", expected=" or ".join(POLICIES), found=policy)
        )
    label = f"{where}: kernel {kernel.name}" if where else f"kernel {kernel.name}"
    _check_shape(job, limits, label)
    request = _Request(kernel, job, memory, limits, label)
    proof = request.prove()
    if mode == "slice" and proof.refusal:
        raise CountError(located(label, f"cannot be counted by a slice: {proof.refusal}"))
    is_full = mode == "full" or bool(proof.refusal)
    checks = ("checked" if proof.refusal else "proven") if is_full else "slice"
    if warps is None and warp_width:
        warps = Warps(width=warp_width, policy=policy, lane_addresses=lane_addresses)
    if warps is None:
        return request.full(is_proven=not proof.refusal) if is_full else request.slice(proof)
    started = time.perf_counter()
    kept = request.keep_written() if is_full else {}
    sample = request.warps(checks, warps, None) if kept is None else None
    before = time.perf_counter()
    count = request.full(is_proven=not proof.refusal) if is_full else request.slice(proof)
    after = time.perf_counter()
    if sample is None:
        with request.contents_before(kept or {}):
            sample = request.warps(checks, warps, count)
    seconds = time.perf_counter() - after + before - started
    result = replace(simt_result(count, sample), seconds=seconds)
    return replace(count, simt=summary(count, result), lockstep=result)


class _Request:
    """One job to be counted."""

    def __init__(
        self, kernel: KernelIR, job: Job, memory: Memory, limits: Limits, label: str
    ) -> None:
        self.kernel, self.job, self.memory = kernel, job, memory
        self.limits, self.label = limits, label
        self.arguments = bind_arguments(kernel, job, memory, limits, label)
        check_image_calls(kernel, self.arguments, label)
        self.sizes = _shape_words(job)
        offsets = [bound[1] for bound in self.arguments if bound[0] == "buffer"]
        self.align = _ALIGNED if all(offset % _ALIGNED == 0 for offset in offsets) else 1

    def prove(self) -> LaunchProof:
        """Return whether a slice is valid."""
        values: list[int | None] = []
        roots = {}
        for number, bound in enumerate(self.arguments):
            is_value = bound[0] == "value"
            values.append(value_argument(bytes.fromhex(bound[1])) if is_value else None)
            has_bytes = bound[0] in ("buffer", "local")
            roots[f"a{number}"] = bound[-1] if has_bytes else 0
        return prove_launch(self.kernel, values, self.sizes, roots, self.align)

    def _ask(self, variant: str, extra: dict[str, Any]) -> tuple[dict[str, Any], bytes, float]:
        """Have the worker run a variant of the kernel; (answer, arrays, seconds to compile)."""
        session = current_session()
        key, meta, compile_seconds = session.load(self.kernel, variant, self.limits, self.label)
        _check_memory(meta, self.job, self.limits, self.label)
        if not variant.startswith("slice"):
            session.map(self.memory, self.label)
        request = {
            "op": "run",
            "kernel": key,
            "variant": variant,
            "shape": self.sizes,
            "arguments": self.arguments,
            "instructions": self.limits.instructions,
            "seconds": self.limits.seconds,
            **extra,
        }
        head, body = session.worker.ask(
            request,
            seconds=self.limits.seconds + _GRACE_SECONDS,
            where=self.label,
            limit="seconds",
        )
        if "fault" in head:
            cause = describe(
                head["fault"], meta, self.arguments, self.kernel, self.job, self.limits
            )
            raise CountError(f"{self.label}: {cause}")
        if "timeout" in head:
            raise CountError(
                f"{self.label}: {head['timeout']} of {head['groups']} work-groups done after "
                f"{self.limits.seconds:g} s ({how_to_raise('seconds')})"
            )
        return head, body, compile_seconds

    def full(self, *, is_proven: bool) -> WorkCount:
        """Run every work-item."""
        self._need_contents()
        self.memory.settle(self._buffers())
        policy = "proven" if is_proven else "checked"
        head, body, compile_seconds = self._ask(f"{policy}/{self.align}", {})
        for buffer in self._references(plan_of(self.kernel).written_parameters):
            self.memory.mark_known(buffer)
        classes, runs = _tables(head, body)
        count = self._count(classes, runs, "full", policy, compile_seconds, head["seconds"])
        return replace(count, cpu_seconds=head["cpu_seconds"])

    def warps(
        self,
        checks: str,
        warps: Warps,
        count: WorkCount | None,
        groups: list[int] | None = None,
    ) -> Sample:
        """Run sampled or given groups in lock-step on the buffers, without changing them."""
        if checks != "slice":
            self.memory.settle(self._buffers())
        variant = f"{checks}+lockstep/{self.align}"

        def ask(extra: dict[str, Any]) -> tuple[dict[str, Any], bytes, dict[str, Any]]:
            head, body, _ = self._ask(variant, extra)
            _, meta, _ = current_session().load(self.kernel, variant, self.limits, self.label)
            return head, body, meta

        words = warps.stream_words
        memory = current_session().stream(words, self.label)[:words] if words else _NO_WORDS
        groups = groups or choose_groups(warps, self.kernel, self.job, count)
        return run_groups(warps, groups, self.kernel, self.job, self.arguments, memory, ask)

    def keep_written(self) -> dict[int, npt.NDArray[np.uint8]] | None:
        """Return the contents of the buffers that the kernel writes; None = too large."""
        self.memory.settle(self._buffers())
        buffers = self._references(plan_of(self.kernel).written_parameters)
        size = sum(self.memory.region(buffer).size_bytes for buffer in buffers)
        if size > _MAX_KEPT_BYTES:
            return None
        return {buffer: self.memory.view(buffer).copy() for buffer in buffers}

    @contextlib.contextmanager
    def contents_before(self, kept: dict[int, npt.NDArray[np.uint8]]) -> Iterator[None]:
        """Put back what buffers held before the launch, for a while."""
        after = {buffer: self.memory.view(buffer).copy() for buffer in kept}
        for buffer, content in kept.items():
            self.memory.view(buffer)[:] = content
        try:
            yield
        finally:
            for buffer, content in after.items():
                self.memory.view(buffer)[:] = content

    def slice(self, proof: LaunchProof) -> WorkCount:
        """Run one work-item for each box of the NDRange, without memory."""
        started = time.perf_counter()
        compile_seconds = 0.0
        if self.kernel.pipeline == READY:
            # Counts may need no run, but what nobody compiled here may still be refused.
            compile_seconds = current_session().load(
                self.kernel, f"slice/{_ALIGNED}", self.limits, self.label
            )[2]
        if proof.tables is not None:
            classes = np.array(proof.tables.classes, np.int64)
            runs = runs_of(proof.tables.ids, proof.group_runs)
        elif proof.axes is not None:
            points = cell_points(proof.axes)
            rows, seconds = self._cell_rows(proof, points)
            compile_seconds += seconds
            found = tables(proof.axes, rows.tolist())
            classes = np.array(found.classes, np.int64)
            runs = runs_of(found.ids, tuple(axis.group_runs for axis in proof.axes))
        else:
            classes, runs, seconds = self._collapsed(proof)
            compile_seconds += seconds
        self._defer(proof)
        elapsed = time.perf_counter() - started - compile_seconds
        return self._count(classes, runs, "slice", "proven", compile_seconds, elapsed)

    def _cell_rows(
        self, proof: LaunchProof, points: list[tuple[int, ...]]
    ) -> tuple[npt.NDArray[np.int64], float]:
        """Return one row per point, from memory where an equal launch was counted before."""
        plan = proof.plan
        inputs = (
            *self._control_values(plan),
            tuple(self.sizes[3:]) if plan.control_sizes or plan.control_dimensions else (),
            tuple(points) if plan.control_dimensions else (),
        )
        rows = _rows.get(inputs)
        if rows is not None:
            return rows, 0.0
        head, body, compile_seconds = self._ask(
            f"slice/{_ALIGNED}", {"op": "points", "points": points}
        )
        rows = np.frombuffer(body, np.int64).reshape(head["shape"])
        if len(_rows) >= _MAX_REMEMBERED:
            _rows.clear()
        _rows[inputs] = rows
        return rows, compile_seconds

    def _control_values(self, plan: Plan) -> tuple[object, ...]:
        """Return the kernel and the values of the arguments that its branches depend on."""
        values = tuple(self.arguments[number][1] for number in sorted(plan.control_arguments))
        return (self.kernel.key or self.kernel.text, values)

    def _collapsed(
        self, proof: LaunchProof
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], float]:
        """Run all work-items along the axes that branches depend on, one along the others."""
        groups, local = collapsed_shape(proof.plan, self.sizes)
        shape = [*groups, *self.sizes[3:]]
        inputs = (*self._control_values(proof.plan), tuple(shape), tuple(local))
        found, compile_seconds = _collapsed_tables.get(inputs), 0.0
        if found is None:
            head, body, compile_seconds = self._ask(
                f"slice/{_ALIGNED}", {"shape": shape, "loop": local}
            )
            found = _tables(head, body)
            if len(_collapsed_tables) >= _MAX_REMEMBERED:
                _collapsed_tables.clear()
            if found[0].size + found[1].size <= _MAX_REMEMBERED:
                _collapsed_tables[inputs] = found
        classes, runs = found
        scale = self.job.group_items // (local[0] * local[1] * local[2])
        return classes * scale, expand_runs(runs, groups, self.sizes[:3]), compile_seconds

    def _buffers(self) -> list[int]:
        references = (bound.argument.ref for bound in self.job.arguments)
        return [ref for ref in references if ref is not None and ref in self.memory]

    def _references(self, parameters: frozenset[int]) -> list[int]:
        """Return the buffers bound to some parameters."""
        by_index = {b.argument.index: b.argument.ref for b in self.job.arguments}
        found = [by_index.get(index) for index in sorted(parameters)]
        return [ref for ref in found if ref is not None and ref in self.memory]

    def _need_contents(self) -> None:
        """Refuse a launch whose branches read contents that nobody knows."""
        for buffer in self._references(plan_of(self.kernel).control_parameters):
            if not self.memory.is_usable(buffer):
                raise CountError(
                    located(
                        self.label,
                        f"its branches depend on the contents of buffer {buffer}, which the trace "
                        "does not hold (capture with --data full)",
                    )
                )

    def _defer(self, proof: LaunchProof) -> None:
        """Leave the writes of a sliced launch to be made if somebody reads them."""
        buffers = self._references(proof.plan.written_parameters)
        if buffers:
            self.memory.defer(buffers, self._buffers(), self._run_deferred)
            for buffer in buffers:
                self.memory.mark_known(buffer)

    def _run_deferred(self) -> None:
        self._ask(f"proven/{self.align}", {})

    def _count(
        self,
        classes: npt.NDArray[np.int64],
        runs: npt.NDArray[np.int64],
        mode: str,
        bounds: str,
        compile_seconds: float,
        count_seconds: float,
    ) -> WorkCount:
        return WorkCount(
            kernel=self.kernel,
            local_size=self.job.local_size,
            n_work_groups=self.job.n_work_groups,
            n_work_items=self.job.n_work_items,
            class_blocks=classes,
            class_runs=runs,
            mode=mode,
            bounds=bounds,
            compile_seconds=compile_seconds,
            count_seconds=count_seconds,
        )


def _tables(
    head: dict[str, Any], body: bytes
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    n_classes, n_blocks = head["classes"]
    data = np.frombuffer(body, np.int64)
    classes = data[: n_classes * n_blocks].reshape(n_classes, n_blocks)
    return classes, data[n_classes * n_blocks :].reshape(-1, 2)
