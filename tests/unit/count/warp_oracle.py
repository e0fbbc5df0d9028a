"""Lock-step execution written down naively: recursive post-dominators, lowest block first."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.reconvergence import POST_DOMINATOR, block_order
from tests.unit.count.ir_interpreter import BARRIER, Interpreter, Lane

Point = tuple[int, int]
"""Block, and barriers of it that are behind."""


@dataclass
class Record:
    """What the warps of one group did."""

    issues: np.ndarray
    lanes: np.ndarray
    parted: np.ndarray
    """(n_warp, n_block) each."""
    accesses: list[tuple[int, int, tuple[int, ...], tuple[int, ...], int]] = field(
        default_factory=list
    )
    """(warp, instruction, lanes, addresses, bytes) in issue order."""


def successors(kernel: KernelIR) -> dict[str, list[str]]:
    """Return the graph of blocks, their names being their numbers; as the branches name them."""
    graph: dict[str, list[str]] = {str(b): [] for b in range(kernel.n_blocks)}
    for index, row in enumerate(kernel.instructions):
        if kernel.opcodes[row["opcode"]] in ("br", "switch"):
            start, end = kernel.operand_start[index : index + 2]
            targets = [-1_000_000 - int(o) for o in kernel.operands[start:end] if o <= -1_000_000]
            graph[str(row["block"])] = [str(t) for t in dict.fromkeys(targets)]
    return graph


def meeting_points(graph: dict[str, list[str]], exits: list[str]) -> dict[str, str | None]:
    """Return immediate post-dominators by definition: what cuts a block off from all exits."""

    def gets_out(block: str, without: str | None) -> bool:
        seen: set[str] = set()
        waiting = [block]
        while waiting:
            now = waiting.pop()
            if now == without or now in seen:
                continue
            seen.add(now)
            if now in exits:
                return True
            waiting += graph[now]
        return False

    live = [block for block in graph if gets_out(block, None)]
    cutting = {
        a: {b for b in live if b != a and not gets_out(a, b)} if a in live else set() for a in graph
    }
    return {
        a: next((b for b in cuts if cutting[b] == cuts - {b}), None) for a, cuts in cutting.items()
    }


class Warp:
    """One warp of a group."""

    def __init__(
        self, group: "Group", number: int, lanes: list[tuple[int, Lane]], policy: str
    ) -> None:
        self._group, self._number, self._policy = group, number, policy
        self.lanes = lanes
        self.state: dict[int, str] = {i: "next" for i, _ in lanes}
        self.turns = self._run()

    def _point(self, lane: Lane) -> Point:
        members = self._group.interpreter.members[lane.block]
        done = members[: lane.position]
        return lane.block, sum(self._group.is_barrier(index) for index in done)

    def _issue(self, here: list[tuple[int, Lane]]) -> None:
        """Run one block, or piece of one, for some lanes."""
        group, record = self._group, self._group.record
        block, behind = self._point(here[0][1])
        if not behind:
            record.issues[self._number, block] += 1
            record.lanes[self._number, block] += len(here)
        found = []
        for number, lane in here:
            accesses: list[tuple[int, int, int]] = []
            self.state[number] = group.interpreter.run_block(lane, accesses)
            found.append(accesses)
        for rows in zip(*found, strict=True):
            record.accesses.append(
                (
                    self._number,
                    rows[0][0],
                    tuple(number for number, _ in here),
                    tuple(row[1] for row in rows),
                    rows[0][2],
                )
            )
        ends = {(self.state[n], lane.block) for n, lane in here}
        if len(ends) > 1:
            record.parted[self._number, block] += 1

    def _run(self) -> Iterator[None]:
        """Issue one block per turn, to the next barrier of all lanes or to the end."""
        if self._policy == POST_DOMINATOR:
            yield from self._until(self.lanes, None)
            return
        while going := [(n, lane) for n, lane in self.lanes if self.state[n] == "next"]:
            low = min(going, key=lambda pair: self._group.rank(self._point(pair[1])))
            self._issue([p for p in going if self._point(p[1]) == self._point(low[1])])
            yield

    def _until(self, lanes: list[tuple[int, Lane]], stop: int | None) -> Iterator[None]:
        """Run lanes that are together until all of them are at `stop`, wait or have ended."""
        while lanes:
            block = lanes[0][1].block
            if block == stop:
                return
            self._issue(lanes)
            yield
            lanes = [(n, lane) for n, lane in lanes if self.state[n] == "next"]
            targets = sorted({lane.block for _, lane in lanes}, key=self._group.order.__getitem__)
            if len(targets) > 1:
                meeting = self._group.meetings[str(block)]
                meet = None if meeting is None else int(meeting)
                parts = [[p for p in lanes if p[1].block == t] for t in targets if t != meet]
                for part in parts:
                    yield from self._until(part, meet)
                lanes = [(n, lane) for n, lane in lanes if self.state[n] == "next"]

    def go_on(self) -> None:
        """Leave the barrier."""
        for number in self.state:
            self.state[number] = "next"
        self.turns = self._run()


class Group:
    """A work-group whose warps take turns."""

    def __init__(self, interpreter: Interpreter, group: int, width: int, policy: str) -> None:
        self.interpreter = interpreter
        kernel = interpreter.kernel
        graph = successors(kernel)
        self.order = {int(name): i for i, name in enumerate(block_order(graph, "0"))}
        ends = [r["block"] for r in kernel.instructions if kernel.opcodes[r["opcode"]] == "ret"]
        self.meetings = meeting_points(graph, [str(b) for b in ends])
        lanes = interpreter.lanes(group)
        n_warps = -(-len(lanes) // width)
        tables = [np.zeros((n_warps, kernel.n_blocks), np.int64) for _ in range(3)]
        self.record = Record(*tables)
        self.warps = [
            Warp(self, w, list(enumerate(lanes[w * width : (w + 1) * width])), policy)
            for w in range(n_warps)
        ]

    def rank(self, point: Point) -> tuple[int, int]:
        return self.order[point[0]], point[1]

    def is_barrier(self, index: int) -> bool:
        kernel = self.interpreter.kernel
        return (
            kernel.opcodes[kernel.instructions["opcode"][index]] == "call"
            and self.interpreter.callee(index) == BARRIER
        )

    def run(self) -> Record:
        """Run to the end."""
        nothing = object()
        while True:
            turned = [next(warp.turns, nothing) is None for warp in self.warps]
            if any(turned):
                continue
            states = {state for warp in self.warps for state in warp.state.values()}
            assert len(states) == 1
            if states == {"end"}:
                return self.record
            for warp in self.warps:
                warp.go_on()
