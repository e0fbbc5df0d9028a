"""OpenCL's built-in functions as LLVM IR, written for the types a program calls them with.

A function is either *external* (it stays a call in the normalised IR: work-item functions,
barriers, scalar mathematical functions, image accesses, printf) or *defined*: its body is emitted
here, in terms of LLVM instructions, intrinsics and external scalars, and inlined.
"""

from gpusim.compiler.builtins.catalogue import Linked, link_builtins

__all__ = ["Linked", "link_builtins"]
