"""Values of the work-item functions for all work-items of chosen work-groups."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.lower.job import Job
from gpusim.trace.records import ArgumentKind

PRIVATE_BASE = 1 << 46
"""Start of the made-up addresses of private arrays."""
LOCAL_BASE = 1 << 44
"""Start of the made-up addresses of local and program-scope variables."""
_ARGUMENT_BASE = LOCAL_BASE + (1 << 40)
_ARGUMENT_STRIDE = 1 << 24

ID_NAMES = (
    *(f"{name}{axis}" for name in ("global_id", "local_id", "group_id") for axis in "012"),
    "local_linear_id",
    "global_linear_id",
    "private_base",
)
"""What differs from work-item to work-item. ``private_base`` is where its private arrays lie."""


def work_item_ids(
    job: Job, groups: npt.NDArray[np.int64], private_bytes: int
) -> dict[str, npt.NDArray[np.int64]]:
    """Return the ids of all work-items of `groups`, group after group, x fastest.

    Parameters
    ----------
    job : Job
    groups : (n,) int64
        Linear numbers of work-groups within the job.
    private_bytes : int
        Of the private arrays of one work-item.

    Returns
    -------
    dict
        Each of `ID_NAMES` -> (n * group_items,) int64.
    """
    nx, ny, _ = job.n_groups
    lx, ly, _ = job.local_size
    item = np.tile(np.arange(job.group_items, dtype=np.int64), len(groups))
    group = np.repeat(np.asarray(groups, dtype=np.int64), job.group_items)
    local = (item % lx, item // lx % ly, item // (lx * ly))
    number = (group % nx, group // nx % ny, group // (nx * ny))
    ids: dict[str, npt.NDArray[np.int64]] = {"local_linear_id": item}
    in_launch = []
    for axis in range(3):
        first = job.item_offset[axis] + number[axis] * job.local_size[axis]
        in_launch.append(first + local[axis])
        ids[f"global_id{axis}"] = in_launch[axis] + job.launch_global_offset[axis]
        ids[f"local_id{axis}"] = local[axis]
        ids[f"group_id{axis}"] = number[axis] + job.group_offset[axis]
    gx, gy, _ = job.launch_global_size
    x, y, z = in_launch
    ids["global_linear_id"] = x + gx * (y + gy * z)
    ids["private_base"] = PRIVATE_BASE + (group * job.group_items + item) * private_bytes
    return ids


def job_sizes(job: Job) -> dict[str, int]:
    """Return the values of the work-item functions that are equal for all work-items."""
    sizes = {"work_dim": job.work_dim}
    for axis in range(3):
        sizes |= {
            f"global_size{axis}": job.launch_global_size[axis],
            f"local_size{axis}": job.local_size[axis],
            f"enqueued_local_size{axis}": job.enqueued_local_size[axis],
            f"num_groups{axis}": job.launch_num_groups[axis],
            f"global_offset{axis}": job.launch_global_offset[axis],
        }
    return sizes


def address_symbols(job: Job) -> dict[str, int]:
    """Return what the coefficients of addresses are made of, arguments aside.

    `job_sizes`, and ``first_item0`` to 2: the global id that local id 0 of group 0 has or would
    have (`gpusim.compiler.affine`).
    """
    symbols = job_sizes(job)
    for axis in range(3):
        before = job.group_offset[axis] * job.local_size[axis]
        first = job.launch_global_offset[axis] + job.item_offset[axis] - before
        symbols[f"first_item{axis}"] = first
    return symbols


SIZE_NAMES = (
    "work_dim",
    *(
        f"{name}{axis}"
        for name in (
            "global_size",
            "local_size",
            "enqueued_local_size",
            "num_groups",
            "global_offset",
        )
        for axis in "012"
    ),
)
"""Keys of `job_sizes`."""


def parameter_values(kernel: KernelIR, job: Job) -> dict[int, int]:
    """Return kernel parameter -> integer value, or address of what is bound to it."""
    values = {}
    for bound in job.arguments:
        argument = bound.argument
        if argument.index >= len(kernel.parameters):
            continue
        if argument.kind is ArgumentKind.LOCAL:
            values[argument.index] = _ARGUMENT_BASE + argument.index * _ARGUMENT_STRIDE
        elif argument.kind is ArgumentKind.VALUE and argument.value:
            # Wider values (vectors, structures) are never whole integers of a kernel.
            values[argument.index] = int.from_bytes(argument.value[:8], "little", signed=True)
        else:
            values[argument.index] = bound.address
    return values
