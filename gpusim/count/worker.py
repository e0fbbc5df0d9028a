"""The child process that compiles and runs kernels; started by `gpusim.count.process`.

One request at a time. A fault that the instrumentation catches is an answer; a crash ends the
process, which the parent turns into an error.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import hashlib
import json
import mmap
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.count import layout, native, wire
from gpusim.count.ir_text import KernelText, parse_kernel
from gpusim.count.native_module import build_module
from gpusim.count.rows import RowMerger
from gpusim.count.warp_runs import FaultError, WarpRuns, serve
from gpusim.errors import CountError

_CHUNK_BYTES = 8 << 20
_FIRST_CHUNK_GROUPS = 64
LOCKSTEP = "+lockstep"
"""Suffix of a policy that runs work-items in warps."""
_MAP_FIXED, _MAP_FIXED_NOREPLACE = 0x10, 0x100000


@dataclasses.dataclass(slots=True)
class _Loaded:
    """A kernel variant that is ready to run."""

    entry: Callable[[int], int]
    keep: Any
    meta: dict[str, Any]


class Worker:
    """State of the child: loaded kernels, mapped buffers."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._texts: dict[str, tuple[str, str]] = {}
        self._parsed: dict[str, KernelText] = {}
        self._loaded: dict[tuple[str, str], _Loaded] = {}
        self._map_address = 0
        self._map_bytes = 0
        self._handle = -1
        self._stream = np.empty(0, np.int64)
        libc = ctypes.CDLL(None, use_errno=True)
        self._mmap = libc.mmap
        self._mmap.restype = ctypes.c_void_p
        flags = (ctypes.c_int, ctypes.c_int, ctypes.c_int)
        self._mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *flags, ctypes.c_long)
        self._munmap = libc.munmap
        self._munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)

    def map_buffers(self, handle: int, n_bytes: int) -> None:
        """Map the file of a trace's buffers, instead of the previous one."""
        if self._map_bytes:
            self._munmap(self._map_address, self._map_bytes)
            self._map_bytes = 0
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        failed = ctypes.c_void_p(-1).value
        address = self._mmap(
            layout.BUFFER_BASE,
            n_bytes,
            protection,
            mmap.MAP_SHARED | _MAP_FIXED_NOREPLACE,
            handle,
            0,
        )
        if address in (None, failed):
            address = self._mmap(None, n_bytes, protection, mmap.MAP_SHARED, handle, 0)
        if address in (None, failed):
            raise CountError(f"cannot map {n_bytes} bytes of buffers")
        self._map_address, self._map_bytes = int(address), n_bytes
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = handle

    def map_stream(self, handle: int, n_bytes: int) -> None:
        """Use a file as the memory that addresses are recorded in."""
        with os.fdopen(handle) as file:
            self._stream = np.frombuffer(mmap.mmap(file.fileno(), n_bytes), np.int64)

    @contextlib.contextmanager
    def private_buffers(self) -> Iterator[None]:
        """Let a run see the buffers' contents and leave them as they are."""
        self._remap(mmap.MAP_PRIVATE)
        try:
            yield
        finally:
            self._remap(mmap.MAP_SHARED)

    def _remap(self, sharing: int) -> None:
        if not self._map_bytes:
            return
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        flags = sharing | _MAP_FIXED
        self._mmap(self._map_address, self._map_bytes, protection, flags, self._handle, 0)

    def kernel(self, key: str, name: str, text: str) -> None:
        """Remember a kernel's IR."""
        self._texts[key] = (name, text)

    def load(self, key: str, variant: str) -> _Loaded:
        """Return a kernel variant, compiled now, before, or in an earlier process."""
        found = self._loaded.get((key, variant))
        if found is not None:
            return found
        name, text = self._texts[key]
        digest = native.object_key(f"{name}\n{text}", variant)
        folder = self._cache / digest[:2]
        object_file, meta_file = folder / f"{digest}.o", folder / f"{digest}.json"
        try:
            code = object_file.read_bytes()
            meta = json.loads(meta_file.read_bytes())
            if hashlib.sha256(code).hexdigest() != meta["sha256"]:
                raise ValueError("damaged")
        except (OSError, ValueError, KeyError):
            code, meta = self._compile(name, key, text, variant)
            meta["sha256"] = hashlib.sha256(code).hexdigest()
            with contextlib.suppress(OSError):
                native.write_atomically(object_file, code)
                native.write_atomically(meta_file, json.dumps(meta).encode())
        entry, keep = native.load_object(code)
        loaded = _Loaded(entry, keep, meta)
        self._loaded[key, variant] = loaded
        return loaded

    def _compile(
        self, name: str, key: str, text: str, variant: str
    ) -> tuple[bytes, dict[str, Any]]:
        kernel = self._parsed.get(key)
        if kernel is None:
            kernel = self._parsed[key] = parse_kernel(text, name)
        policy, align = variant.split("/")
        module = build_module(
            kernel,
            policy=policy.removesuffix(LOCKSTEP),
            align=int(align),
            lockstep=policy.endswith(LOCKSTEP),
        )
        meta = {
            "n_counters": module.n_counters,
            "frame_bytes": module.frame_bytes,
            "private_bytes": module.private_bytes,
            "argument_offsets": module.argument_offsets,
            "argument_bytes": module.argument_bytes,
            "variables": [
                {"address_space": v.address_space, "size_bytes": v.size_bytes}
                for v in kernel.variables
            ],
            "sites": [
                {
                    "kind": site.access.kind if site.access else "",
                    "address_space": site.access.address_space if site.access else 0,
                    "bytes": site.access.bytes if site.access else 0,
                    "align_bytes": site.access.align_bytes if site.access else 1,
                    "roots": site.roots,
                }
                for site in module.sites
            ],
            "recorded": module.recorded,
        }
        return native.compile_object(module.text), meta

    def run(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Run one job; returns the answer's head and body."""
        loaded = self.load(request["kernel"], request["variant"])
        meta = loaded.meta
        started, cpu_started = time.perf_counter(), time.process_time()
        context = np.zeros(layout.WORDS, np.int64)
        shape = np.array(request["shape"], np.int64)
        context[layout.JOB_GROUPS : layout.JOB_GROUPS + layout.SHAPE_WORDS] = shape
        context[layout.LOOP_SIZE : layout.LOOP_SIZE + 3] = request.get("loop", shape[3:6])
        keep, frame_bytes = self._bind(context, request, meta)
        n_groups = int(np.prod(shape[:3]))
        n_columns = meta["n_counters"]
        largest = max(1, min(n_groups, _CHUNK_BYTES // (8 * n_columns)))
        rows = np.zeros((largest, n_columns), np.int64)
        context[layout.ROWS] = rows.ctypes.data
        context[layout.FUEL] = request["instructions"]
        merger = RowMerger(n_columns)
        done, chunk = 0, min(largest, _FIRST_CHUNK_GROUPS)
        while done < n_groups:
            now = min(chunk, n_groups - done)
            context[layout.FIRST_GROUP], context[layout.N_GROUPS_NOW] = done, now
            if loaded.entry(context.ctypes.data):
                fault = [int(word) for word in context[layout.FAULT : layout.FAULT + 8]]
                return {"fault": fault, "meta": meta, "base": self._map_address}, b""
            merger.add(rows[:now])
            done += now
            chunk = min(largest, chunk * 8)
            if time.perf_counter() - started > request["seconds"] and done < n_groups:
                return {"timeout": done, "groups": n_groups}, b""
        del keep, frame_bytes
        classes, runs = merger.classes(), merger.runs()
        head = {
            "classes": classes.shape,
            "runs": runs.shape,
            "seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu_started,
        }
        return head, classes.tobytes() + runs.tobytes()

    def warps(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Run some work-groups in lock-step on a copy of the buffers."""
        loaded = self.load(request["kernel"], request["variant"])
        context = np.zeros(layout.WORDS, np.int64)
        shape = np.array(request["shape"], np.int64)
        context[layout.JOB_GROUPS : layout.JOB_GROUPS + layout.SHAPE_WORDS] = shape
        context[layout.LOOP_SIZE : layout.LOOP_SIZE + 3] = shape[3:6]
        keep, _ = self._bind(context, request, loaded.meta)
        runs = WarpRuns(loaded.entry, context, loaded.meta, request)
        try:
            head, parts = serve(
                runs, request, self._stream[: request["stream_words"]], self.private_buffers
            )
        except FaultError as fault:
            return {"fault": fault.words, "meta": loaded.meta, "base": self._map_address}, b""
        head["base"] = self._map_address
        head["variables"] = [int(address) for address in runs.variables[:-1]]
        head["locals"] = self._local_pointers(request, loaded.meta, keep[0])
        return head, b"".join(parts)

    @staticmethod
    def _local_pointers(
        request: dict[str, Any], meta: dict[str, Any], block: npt.NDArray[np.uint8]
    ) -> list[list[int]]:
        """Return (address, size) of every local memory argument, in order."""
        start = -block.ctypes.data % 128
        return [
            [int(block[start + offset : start + offset + 8].view(np.int64)[0]), bound[1]]
            for offset, bound in zip(meta["argument_offsets"], request["arguments"], strict=True)
            if bound[0] == "local"
        ]

    def points(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Count single work-items of a slice: one row for each (group, local id) asked for."""
        loaded = self.load(request["kernel"], request["variant"])
        started = time.perf_counter()
        context = np.zeros(layout.WORDS, np.int64)
        shape = np.array(request["shape"], np.int64)
        context[layout.JOB_GROUPS : layout.JOB_GROUPS + layout.SHAPE_WORDS] = shape
        keep, _ = self._bind(context, request, loaded.meta)
        points = np.array(request["points"], np.int64).reshape(-1, 6)
        rows = np.zeros((len(points), loaded.meta["n_counters"]), np.int64)
        context[layout.JOB_GROUPS : layout.JOB_GROUPS + 3] = 1
        context[layout.LOOP_SIZE : layout.LOOP_SIZE + 3] = 1
        context[layout.N_GROUPS_NOW] = 1
        for point, row in zip(points, rows, strict=True):
            context[layout.ITEM_BASE : layout.ITEM_BASE + 3] = shape[6:9] + point[:3] * shape[3:6]
            context[layout.GROUP_OFFSET : layout.GROUP_OFFSET + 3] = shape[9:12] + point[:3]
            context[layout.LOOP_START : layout.LOOP_START + 3] = point[3:]
            context[layout.ROWS] = row.ctypes.data
            loaded.entry(context.ctypes.data)
        del keep
        return {"shape": rows.shape, "seconds": time.perf_counter() - started}, rows.tobytes()

    def _bind(
        self, context: npt.NDArray[np.int64], request: dict[str, Any], meta: dict[str, Any]
    ) -> tuple[list[npt.NDArray[np.uint8]], int]:
        """Fill the argument block, local memory and frames; return what must stay alive."""
        block = np.zeros(meta["argument_bytes"] + 256, np.uint8)
        start = -block.ctypes.data % 128
        keep = [block]
        for offset, bound in zip(meta["argument_offsets"], request["arguments"], strict=True):
            at = start + offset
            match bound[0]:
                case "value":
                    data = np.frombuffer(bytes.fromhex(bound[1]), np.uint8)
                    block[at : at + len(data)] = data
                    continue
                case "local":
                    arena = np.zeros(bound[1] + 256, np.uint8)
                    keep.append(arena)
                    pointer = arena.ctypes.data + -arena.ctypes.data % 128
                    size = bound[1]
                case "buffer":
                    pointer, size = self._map_address + bound[1], bound[2]
                case "image":
                    # Size 0: a kernel cannot look into the description.
                    description = np.zeros(16 + len(bound), np.int64)
                    keep.append(description.view(np.uint8))
                    skip = -description.ctypes.data % 128 // 8
                    words = [self._map_address + bound[1], *bound[2:]]
                    description[skip : skip + len(words)] = words
                    pointer, size = description.ctypes.data + 8 * skip, 0
                case "sampler":
                    pointer, size = bound[1], 0
                case _:
                    pointer, size = 0, 0
            block[at : at + 16] = np.array([pointer, size], np.int64).view(np.uint8)
        items = int(np.prod(request["shape"][3:6]))
        frames = np.zeros(meta["frame_bytes"] * items + 128, np.uint8)
        jump = np.zeros(layout.JUMP_BUFFER_BYTES + 64, np.uint8)
        keep += [frames, jump]
        context[layout.ARGUMENTS] = block.ctypes.data + start
        context[layout.FRAMES] = frames.ctypes.data + -frames.ctypes.data % 64
        context[layout.JUMP_BUFFER] = jump.ctypes.data + -jump.ctypes.data % 64
        return keep, len(frames)


def _limit_resources(memory_bytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def answer(
    worker: Worker, request: dict[str, Any], handles: list[int]
) -> tuple[dict[str, Any], bytes]:
    """Serve one request."""
    match request["op"]:
        case "map":
            worker.map_buffers(handles.pop(), request["bytes"])
            return {}, b""
        case "stream":
            worker.map_stream(handles.pop(), request["bytes"])
            return {}, b""
        case "kernel":
            worker.kernel(request["kernel"], request["name"], request["text"])
            return {}, b""
        case "load":
            started = time.perf_counter()
            meta = worker.load(request["kernel"], request["variant"]).meta
            return {"meta": meta, "seconds": time.perf_counter() - started}, b""
        case "run":
            return worker.run(request)
        case "warps":
            return worker.warps(request)
        case "points":
            return worker.points(request)
    raise CountError(f"unknown request {request['op']}")


def main() -> None:
    """Serve requests on the socket whose descriptor is the first argument."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    _limit_resources(int(sys.argv[3]))
    worker = Worker(Path(sys.argv[2]))
    while True:
        try:
            request, _ = wire.receive(channel)
            handles: list[int] = []
            if request["op"] in ("map", "stream"):
                _, handles, _, _ = socket.recv_fds(channel, 1, 1)
        except wire.WireClosedError:
            return
        try:
            head, body = answer(worker, request, list(handles))
        except CountError as error:
            head, body = {"error": str(error)}, b""
        except RuntimeError as error:
            # LLVM's linker, e.g. a function that this machine's C library lacks.
            head, body = {"error": " ".join(str(error).split())[:300]}, b""
        except MemoryError:
            head, body = {"error": "out of memory", "memory": True}, b""
        wire.send(channel, head, body)


if __name__ == "__main__":
    main()
