"""Issue: blocks of a kernel + ISA family -> issue cost, registers, messages."""

from gpusim.isa.backend import LoweredKernel, lower_kernel
from gpusim.isa.cost import BLOCK_COST, KernelCost, cost_kernel
from gpusim.isa.table import ISAS, IsaTable, load_table

__all__ = [
    "BLOCK_COST",
    "ISAS",
    "IsaTable",
    "KernelCost",
    "LoweredKernel",
    "cost_kernel",
    "load_table",
    "lower_kernel",
]
