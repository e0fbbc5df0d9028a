"""Device models: YAML with evidence for every figure -> frozen DeviceSpec."""

from gpusim.device.loader import list_devices, load_device
from gpusim.device.quantity import Evidence, Kind, Quantity
from gpusim.device.spec import DeviceSpec

__all__ = ["DeviceSpec", "Evidence", "Kind", "Quantity", "list_devices", "load_device"]
