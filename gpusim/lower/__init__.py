"""From a launch to the jobs of a device: local size, job split, buffer addresses."""

from gpusim.lower.addresses import AddressMap
from gpusim.lower.job import BoundArgument, Job
from gpusim.lower.local_size import NULL_LOCAL_SIZE, resolve_local_size
from gpusim.lower.lower_launch import lower_launch
from gpusim.lower.regions import Region, split_regions

__all__ = [
    "NULL_LOCAL_SIZE",
    "AddressMap",
    "BoundArgument",
    "Job",
    "Region",
    "lower_launch",
    "resolve_local_size",
    "split_regions",
]
