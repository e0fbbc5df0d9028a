"""The exact amount of work of one job: executions of every basic block per work-group class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count.simt_result import SimtResult


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkCount:
    """Exact executed work of one job.

    Work-groups with equal block counts form a *count class*. Nothing is sampled but what `simt` and
    `lockstep` say of warps.
    """

    kernel: KernelIR
    local_size: tuple[int, int, int]
    n_work_groups: int
    n_work_items: int
    class_blocks: npt.NDArray[np.int64]
    """(n_class, n_block) executions of each block, summed over the work-items of ONE group."""
    class_runs: npt.NDArray[np.int64]
    """(n_run, 2): class, number of consecutive groups; groups in linear order, x fastest."""
    mode: str
    """``slice`` or ``full``."""
    bounds: str
    """``proven`` or ``checked``."""
    compile_seconds: float = 0.0
    count_seconds: float = 0.0
    """Wall time."""
    cpu_seconds: float = 0.0
    """Processor time of native execution, for comparisons on a busy machine."""
    simt: dict[str, Any] = field(default_factory=dict)
    """Of lock-step execution, see `gpusim.count.simt.summary`; sampled where it says so."""
    lockstep: SimtResult | None = None
    """Executions per warp and block, and address streams, of the groups that ran in lock-step."""

    @property
    def class_groups(self) -> npt.NDArray[np.int64]:
        """(n_class,) number of work-groups of each class."""
        return np.bincount(
            self.class_runs[:, 0], weights=self.class_runs[:, 1], minlength=len(self.class_blocks)
        ).astype(np.int64)

    @property
    def block_executions(self) -> npt.NDArray[np.int64]:
        """(n_block,) executions over the whole job, per work-item."""
        return self.class_groups @ self.class_blocks
