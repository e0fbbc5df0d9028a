"""What lock-step execution of sampled work-groups shows: warps, blocks, divergence, addresses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpusim.count.address_stream import AddressStream
from gpusim.count.layout import DIVERGENCES, ISSUES, LANES

Table = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimtResult:
    """Executions of every block by every warp of the work-groups that ran in lock-step.

    Sampled where `groups` are fewer than the job's; the counts of those that ran are exact. Sums
    over the job are estimates then, weighed by count class (`gpusim.count.simt`).
    """

    warp_width: int
    policy: str
    """The one asked for; the first key of `counts`."""
    groups: Table
    """(n_group,) linear numbers of the groups that ran."""
    classes: Table
    """(n_group,) their count class."""
    n_work_groups: int
    """Of the job."""
    counts: dict[str, Table]
    """Policy -> (n_group, n_warp, 3, n_block): times a warp issued a block, lanes that ran it,
    times they parted at its end. Policies without divergence share one array."""
    stream: AddressStream | None = None
    seconds: float = 0.0
    """To run and decode, the variant's first compilation included."""

    @property
    def is_sampled(self) -> bool:
        """Whether some groups of the job did not run in lock-step."""
        return len(self.groups) < self.n_work_groups

    def warp_issues(self, policy: str = "") -> Table:
        """Return how often each warp issued each block, (n_group, n_warp, n_block)."""
        return self.counts[policy or self.policy][:, :, ISSUES]

    def warp_lanes(self, policy: str = "") -> Table:
        """Return how many lanes of each warp ran each block, (n_group, n_warp, n_block)."""
        return self.counts[policy or self.policy][:, :, LANES]

    def divergences(self, policy: str = "") -> Table:
        """Return how often lanes parted at the end of each block, (n_group, n_warp, n_block)."""
        return self.counts[policy or self.policy][:, :, DIVERGENCES]

    def class_issues(self, n_classes: int, policy: str = "") -> npt.NDArray[np.float64]:
        """Return the blocks' issues by the warps of one group of each class, on average.

        Returns
        -------
        (n_class, n_block) float64
            NaN for classes of which no group ran.
        """
        issues = self.warp_issues(policy).sum(axis=1)
        sums = np.zeros((n_classes, issues.shape[1]))
        np.add.at(sums, self.classes, issues)
        n_groups = np.bincount(self.classes, minlength=n_classes)[:, None]
        with np.errstate(invalid="ignore"):
            mean: npt.NDArray[np.float64] = np.where(n_groups > 0, sums / n_groups, np.nan)
        return mean
