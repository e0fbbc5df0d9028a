"""Dynamic pruning: kernels of our own that run only the active kernels of a layer, per input."""

from gpusim.library.dynamic.activity import (
    ActivityProfile,
    SwitchedLayer,
    check_profile,
    load_profile,
    profile_names,
)
from gpusim.library.dynamic.launches import ORDERS, DynamicOptions, plan_static
from gpusim.library.dynamic.network import (
    DynamicStep,
    StepRole,
    expected_macs,
    plan_dynamic_network,
    with_classes,
)

__all__ = [
    "ORDERS",
    "ActivityProfile",
    "DynamicOptions",
    "DynamicStep",
    "StepRole",
    "SwitchedLayer",
    "check_profile",
    "expected_macs",
    "load_profile",
    "plan_dynamic_network",
    "plan_static",
    "profile_names",
    "with_classes",
]
