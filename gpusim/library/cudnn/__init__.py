"""cuDNN on Jetson: a model of closed code, built from its kernels' public names."""

from gpusim.library.cudnn.model import plan_cudnn

__all__ = ["plan_cudnn"]
