"""Our own OpenCL kernels with their launch rules: matrix product, copies, peak rates."""

from gpusim.library.hand.gemm import plan_gemm, plan_interleave, plan_transpose
from gpusim.library.hand.peak import (
    COMPUTE_OPERATIONS,
    READS_PER_WORK_ITEM,
    PeakLimits,
    peak_group,
    plan_latency_probe,
    plan_peak_compute,
    plan_peak_read,
)
from gpusim.library.hand.plan import HandLaunch, TypeChoice, element_type
from gpusim.library.hand.streaming import plan_copy

__all__ = [
    "COMPUTE_OPERATIONS",
    "READS_PER_WORK_ITEM",
    "HandLaunch",
    "PeakLimits",
    "TypeChoice",
    "element_type",
    "peak_group",
    "plan_copy",
    "plan_gemm",
    "plan_interleave",
    "plan_latency_probe",
    "plan_peak_compute",
    "plan_peak_read",
    "plan_transpose",
]
