"""What the driver makes of a launch: one or more jobs, each a uniform NDRange."""

from __future__ import annotations

from dataclasses import dataclass

from gpusim.trace.records import Argument, Image, Sampler, Size3


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundArgument:
    """An argument with the virtual address the driver gave its buffer."""

    argument: Argument
    address: int = 0
    """Virtual address of the first byte the kernel sees (sub-buffer offset included)."""
    size_bytes: int = 0
    """Bytes from `address` that belong to the buffer; of a local argument: its size."""
    image: Image | None = None
    """What an image argument refers to."""
    sampler: Sampler | None = None
    """What a sampler argument refers to."""
    index_content: bytes | None = None
    """Of a buffer of a planned trace that holds indices: its contents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The job manager's unit: a part of a launch with one work-group shape.

    A launch whose global size is no multiple of its local size becomes several jobs: the part
    that divides and the remainders, each remainder with its own smaller group shape.
    """

    launch: int
    """Index of the launch in the trace."""
    index: int
    """Position among the jobs of the launch."""
    kernel: str
    program: int
    global_size: Size3
    """Work-items of this job."""
    local_size: Size3
    """Resolved; never NULL, divides `global_size`."""
    item_offset: Size3 = (0, 0, 0)
    """First work-item of this job within the launch (without the launch's global offset)."""
    group_offset: Size3 = (0, 0, 0)
    """Id of this job's first work-group within the launch."""
    launch_global_size: Size3
    launch_global_offset: Size3 = (0, 0, 0)
    launch_num_groups: Size3
    enqueued_local_size: Size3
    """Group shape of the launch's main part (what get_enqueued_local_size returns)."""
    work_dim: int = 3
    arguments: tuple[BoundArgument, ...] = ()
    joined: bool = False
    """Whether the device runs this region as part of the launch's first job (edge groups of one
    grid) instead of as a job of its own."""

    @property
    def n_groups(self) -> Size3:
        """Work-groups of this job per dimension."""
        g, l = self.global_size, self.local_size  # noqa: E741
        return (g[0] // l[0], g[1] // l[1], g[2] // l[2])

    @property
    def n_work_groups(self) -> int:
        """Work-groups of this job."""
        x, y, z = self.n_groups
        return x * y * z

    @property
    def group_items(self) -> int:
        """Work-items per work-group."""
        x, y, z = self.local_size
        return x * y * z

    @property
    def n_work_items(self) -> int:
        """Work-items of this job."""
        x, y, z = self.global_size
        return x * y * z
