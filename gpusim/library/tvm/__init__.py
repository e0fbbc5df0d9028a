"""TVM 0.6 on Mali: its schedule templates as launches of our own OpenCL kernels."""
