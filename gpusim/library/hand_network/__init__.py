"""Layers by hand-written OpenCL: direct convolution in 4x4 work-groups and vectors of 16, and CSR.

The library ``hand`` is dense; ``hand-csr`` reads compressed weights.
"""
