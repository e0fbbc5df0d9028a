"""Compile: OpenCL C -> normalised LLVM IR -> SSA blocks as plain arrays."""
