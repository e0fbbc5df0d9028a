"""The Arm Compute Library v19.02: its launches, and our kernels under its names."""

from gpusim.library.acl.model import (
    Launches,
    geometry_of,
    launches_of,
    plan_acl,
    plan_direct,
    plan_gemm,
    plan_winograd,
)

__all__ = [
    "Launches",
    "geometry_of",
    "launches_of",
    "plan_acl",
    "plan_direct",
    "plan_gemm",
    "plan_winograd",
]
