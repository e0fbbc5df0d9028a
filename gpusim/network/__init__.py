"""Networks: layer tables with exact shapes, ONNX import."""
