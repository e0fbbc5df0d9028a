"""Networks: layer tables with exact shapes, ONNX import."""

from gpusim.network.layers import Layer, LayerKind, Network
from gpusim.network.tables import NETWORKS, load_network

__all__ = ["NETWORKS", "Layer", "LayerKind", "Network", "load_network"]
