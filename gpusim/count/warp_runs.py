"""The child's side of lock-step runs: memory for warps, stacks and recorded addresses.

Every policy sees the buffers as they were before the launch; a second one is only run when lanes
parted under the first, for without divergence all policies do the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.count import layout
from gpusim.count.reconvergence import POST_DOMINATOR

Words = npt.NDArray[np.int64]


class WarpRuns:
    """Runs work-groups of one job in lock-step.

    Parameters
    ----------
    entry : callable
        The kernel's native lock-step variant.
    context : (WORDS,) int64
        With shape, arguments and frames already in place.
    meta : dict
        Of the variant.
    request : dict
        ``groups``, ``warp_width``, ``policies``, ``instructions``, ``seconds``.
    """

    def __init__(
        self,
        entry: Callable[[int], int],
        context: Words,
        meta: dict[str, Any],
        request: dict[str, Any],
    ) -> None:
        self._entry, self._context, self._request = entry, context, request
        width, n_items = request["warp_width"], int(np.prod(request["shape"][3:6]))
        n_warps = -(-n_items // width)
        n_blocks = meta["n_counters"]
        self.counts = np.zeros(
            (len(request["groups"]), n_warps, layout.WARP_ROWS, n_blocks + 1), np.int64
        )
        most_sites = max((len(sites) for sites in meta["recorded"]), default=0)
        self._row = np.zeros(n_blocks, np.int64)
        self._states = np.zeros(n_items, np.int32)
        self._levels = np.zeros(n_items, np.int32)
        self._stacks = np.zeros(n_warps * layout.stack_words(width), np.int32)
        mask_words = -(-width // 64)
        self._sink = np.zeros(
            layout.STREAM_HEADER_WORDS + mask_words + width * most_sites + 1, np.int64
        )
        x, y, z = request["shape"][3:6]
        self._ids = np.ascontiguousarray(np.indices((z, y, x), np.int32).reshape(3, -1)[::-1])
        context[layout.LOCAL_IDS] = self._ids.ctypes.data
        self.variables = np.zeros(len(meta["variables"]) + 1, np.int64)
        context[layout.STATES] = self._states.ctypes.data
        context[layout.LEVELS] = self._levels.ctypes.data
        context[layout.STACKS] = self._stacks.ctypes.data
        context[layout.SINK] = self._sink.ctypes.data
        context[layout.VARIABLES] = self.variables.ctypes.data
        context[layout.ROWS] = self._row.ctypes.data
        context[layout.WARP_WIDTH] = width
        context[layout.N_GROUPS_NOW] = 1

    def run(self, policy: str, stream: Words, deadline: float) -> tuple[int, list[int], int]:
        """Run the groups; returns those done, the end of each one's stream, issues not recorded.

        Raises
        ------
        FaultError
            A check failed.
        """
        context = self._context
        self.counts[:] = 0
        context[layout.IS_STACKED] = policy == POST_DOMINATOR
        context[layout.FUEL] = self._request["instructions"]
        start = stream.ctypes.data
        context[layout.STREAM], context[layout.STREAM_LOST] = start, 0
        ends: list[int] = []
        n_groups = len(self.counts)
        for group, counts in zip(self._request["groups"], self.counts, strict=True):
            context[layout.FIRST_GROUP] = group
            # Each group has an equal share of the memory, and what the ones before it left.
            share = len(stream) * (len(ends) + 1) // n_groups
            context[layout.STREAM_END] = start + 8 * share
            context[layout.WARP_COUNTS] = counts.ctypes.data
            if self._entry(context.ctypes.data):
                raise FaultError([int(w) for w in context[layout.FAULT : layout.FAULT + 8]])
            ends.append((int(context[layout.STREAM]) - start) // 8)
            if time.perf_counter() > deadline:
                break
        return len(ends), ends, int(context[layout.STREAM_LOST])


class FaultError(Exception):
    """A check of the kernel failed; its words say which."""

    def __init__(self, words: list[int]) -> None:
        super().__init__(words)
        self.words = words


def serve(
    runs: WarpRuns,
    request: dict[str, Any],
    stream: Words,
    private_buffers: Callable[[], AbstractContextManager[None]],
) -> tuple[dict[str, Any], list[bytes]]:
    """Run the groups of a request under its policies; returns the answer's head and arrays.

    The head's ``runs`` has one entry per policy that was run; the arrays are its counts, (n_group,
    n_warp, WARP_ROWS, n_block + 1) int64. The first policy records addresses into `stream`.
    """
    deadline = time.perf_counter() + request["seconds"]
    nothing = np.empty(0, np.int64)
    found: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for policy in request["policies"]:
        is_first = not found
        started, cpu_started = time.perf_counter(), time.process_time()
        with private_buffers():
            done, ends, lost = runs.run(policy, stream if is_first else nothing, deadline)
        counts = runs.counts[:done]
        found.append(
            {
                "policy": policy,
                "shape": counts.shape,
                "stream_ends": ends if is_first else [],
                "lost": lost if is_first else 0,
                "seconds": time.perf_counter() - started,
                "cpu_seconds": time.process_time() - cpu_started,
            }
        )
        parts.append(counts.tobytes())
        if not counts[:, :, layout.DIVERGENCES].any():
            break
    return {"runs": found}, parts
