"""What is in a trace, as one JSON-ready object; `gpusim info` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gpusim.errors import TraceError
from gpusim.trace.check_columns import integers
from gpusim.trace.encode import encode
from gpusim.trace.footprint import footprint, image_bytes
from gpusim.trace.records import CommandKind, Program, Trace

if TYPE_CHECKING:
    import pyarrow as pa

TRANSFERS = (
    CommandKind.WRITE,
    CommandKind.READ,
    CommandKind.COPY,
    CommandKind.FILL,
    CommandKind.MAP,
    CommandKind.UNMAP,
    CommandKind.MIGRATE,
)
_NDRANGE = ("gx", "gy", "gz", "lx", "ly", "lz")


def summarize(trace: Trace) -> dict[str, Any]:
    """Return what a trace holds.

    Returns
    -------
    dict
        ``name``, ``format``, ``devices``, ``times``, ``programs``, ``kernels``, ``memory``,
        ``transfers``, ``completeness``, ``counts``, ``host_ns``, ``notes``. Sizes in bytes,
        times in ns; see docs/trace-format.md.
    """
    launches = _Launches()
    for chunk in encode(trace)["launches"]():
        launches.add(chunk)
    kernels = launches.kernels()
    return {
        "name": trace.name,
        "format": {
            "version": list(trace.manifest.get("version", [])),
            "created_by": trace.manifest.get("created_by"),
        },
        "devices": [_device(device) for device in trace.devices],
        "times": _times(trace, launches.timed),
        "programs": [_program(trace, program, kernels) for program in trace.programs.values()],
        "kernels": kernels,
        "memory": _memory(trace),
        "transfers": _transfers(trace),
        "completeness": dict(trace.manifest.get("completeness", {})),
        "counts": {
            "launches": len(trace.launches),
            "failed_launches": launches.failed,
            "commands": len(trace.commands),
            "programs": len(trace.programs),
            "kernels": len(trace.kernels),
            "buffers": len(trace.buffers),
            "images": len(trace.images),
            "samplers": len(trace.samplers),
        },
        "host_ns": launches.span(),
        "notes": list(trace.notes),
    }


class _Launches:
    """Groups launches by kernel and NDRange, chunk by chunk."""

    def __init__(self) -> None:
        self.timed = 0
        self.failed = 0
        self._groups: dict[tuple[Any, ...], list[int]] = {}
        self._first_ns: int | None = None
        self._last_ns = 0

    def add(self, chunk: pa.Table) -> None:
        import pyarrow as pa

        start, end = (integers(chunk[f"{name}_ns"], 0) for name in ("start", "end"))
        failed = integers(chunk["result_code"]) != 0
        host = integers(chunk["host_ns"])
        self.timed += int((end != 0).sum())
        self.failed += int(failed.sum())
        if len(host):
            first = int(host.min())
            self._first_ns = first if self._first_ns is None else min(first, self._first_ns)
            self._last_ns = max(
                self._last_ns, int((host + integers(chunk["host_duration_ns"])).max())
            )
        keys = ["kernel", "program", *_NDRANGE]
        table = pa.table(
            {
                **{name: chunk[name] for name in keys[1:]},
                "kernel": chunk["kernel"].cast(pa.string()),
                "failed": pa.array(failed.astype(np.int64)),
                # Summed as float64: exact for a hundred days, and it cannot wrap around.
                "device_ns": pa.array(np.where(end > start, end - start, 0).astype(np.float64)),
                "timed": pa.array((end != 0).astype(np.int64)),
            }
        )
        totals = table.group_by(keys, use_threads=False).aggregate(
            [("gx", "count"), ("failed", "sum"), ("device_ns", "sum"), ("timed", "sum")]
        )
        columns = [totals[name].to_pylist() for name in keys]
        sums = [
            totals[name].to_pylist()
            for name in ("gx_count", "failed_sum", "device_ns_sum", "timed_sum")
        ]
        for key, values in zip(zip(*columns, strict=True), zip(*sums, strict=True), strict=True):
            known = self._groups.setdefault(key, [0] * len(values))
            self._groups[key] = [a + b for a, b in zip(known, values, strict=True)]

    def span(self) -> dict[str, int]:
        return {"first": self._first_ns or 0, "last": self._last_ns}

    def kernels(self) -> list[dict[str, Any]]:
        """Return kernels in order of first use, their NDRanges by number of launches."""
        result: dict[tuple[str, int], dict[str, Any]] = {}
        for key, (launches, failed, device_ns, timed) in self._groups.items():
            name, program, *sizes = key
            kernel = result.setdefault(
                (name, program),
                {
                    "kernel": name,
                    "program": program,
                    "launches": 0,
                    "failed": 0,
                    "timed": 0,
                    "device_ns": 0,
                    "ndranges": [],
                },
            )
            kernel["launches"] += launches
            kernel["failed"] += failed
            kernel["timed"] += timed
            kernel["device_ns"] += int(device_ns)
            local = None if sizes[3] is None else sizes[3:]
            kernel["ndranges"].append(
                {
                    "global": sizes[:3],
                    "local": local,
                    "launches": launches,
                    "device_ns": int(device_ns),
                }
            )
        for kernel in result.values():
            kernel["ndranges"].sort(
                key=lambda item: (-item["launches"], item["global"], item["local"] or [])
            )
        return list(result.values())


def _device(device: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "real": device["real"].get("CL_DEVICE_NAME"),
        "presented": device["presented"].get("CL_DEVICE_NAME"),
        "profile": device.get("profile"),
    }


def _times(trace: Trace, timed: int) -> dict[str, Any]:
    """Say whose times these are: a trace made under another device's name has the host's."""
    if timed == 0:
        meaning = "none"
    elif trace.impersonated:
        meaning = "of the real device, not of the presented one"
    else:
        meaning = "of the presented device"
    return {
        "timed_launches": timed,
        "meaning": meaning,
        "impersonated": trace.impersonated,
        "profiling_forced": trace.manifest.get("completeness", {}).get("profiling_forced", False),
    }


def _program(trace: Trace, program: Program, kernels: list[dict[str, Any]]) -> dict[str, Any]:
    names = {kernel.name for kernel in trace.kernels.values() if kernel.program == program.id}
    names |= {kernel["kernel"] for kernel in kernels if kernel["program"] == program.id}
    return {
        "id": program.id,
        "kind": program.kind,
        "bytes": _blob_bytes(trace, program.blob),
        "build_options": program.build_options,
        "headers": [name for name, _ in program.headers],
        "kernels": sorted(names),
    }


def _blob_bytes(trace: Trace, blob: str | None) -> int | None:
    """Return the size of a blob; None when the trace does not hold it."""
    if blob is None or trace.manifest.get("completeness", {}).get("blobs_omitted"):
        return None
    try:
        return len(trace.read_blob(blob))
    except TraceError:
        return None


def _memory(trace: Trace) -> dict[str, Any]:
    changes = footprint(trace)
    peak = int(np.argmax(changes["bytes"])) if len(changes) else 0
    own = [buffer.size_bytes for buffer in trace.buffers.values() if buffer.parent is None]
    images = [image_bytes(image) for image in trace.images.values()]
    return {
        "buffers": len(own),
        "sub_buffers": len(trace.buffers) - len(own),
        "buffer_bytes": sum(own),
        "images": len(images),
        "image_bytes": sum(size for size in images if size),
        "images_of_unknown_size": images.count(None),
        "peak_bytes": int(changes["bytes"][peak]) if len(changes) else 0,
        "peak_host_ns": int(changes["host_ns"][peak]) if len(changes) else 0,
        "end_bytes": int(changes["bytes"][-1]) if len(changes) else 0,
    }


def _transfers(trace: Trace) -> list[dict[str, Any]]:
    totals = {kind.value: [0, 0] for kind in TRANSFERS}
    for chunk in encode(trace)["commands"]():
        kinds, sizes = chunk["kind"].to_pylist(), integers(chunk["size_bytes"]).tolist()
        for kind, size in zip(kinds, sizes, strict=True):
            if kind in totals:
                totals[kind][0] += 1
                totals[kind][1] += size
    return [
        {"kind": kind, "commands": commands, "bytes": size}
        for kind, (commands, size) in totals.items()
        if commands
    ]
