"""Sparse weights: patterns, compressed formats and their bytes, OpenCL kernels that read them."""
