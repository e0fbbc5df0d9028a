"""Read what `clinfo` printed on a board, in its table form or with ``--raw``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpusim.errors import DeviceError, located

# Property -> its label in the table form of clinfo.
_LABELS = {
    "Device Name": "CL_DEVICE_NAME",
    "Device Version": "CL_DEVICE_VERSION",
    "Device OpenCL C Version": "CL_DEVICE_OPENCL_C_VERSION",
    "Max compute units": "CL_DEVICE_MAX_COMPUTE_UNITS",
    "Max clock frequency": "CL_DEVICE_MAX_CLOCK_FREQUENCY",
    "Max work group size": "CL_DEVICE_MAX_WORK_GROUP_SIZE",
    "Global memory size": "CL_DEVICE_GLOBAL_MEM_SIZE",
    "Max memory allocation": "CL_DEVICE_MAX_MEM_ALLOC_SIZE",
    "Global Memory cache size": "CL_DEVICE_GLOBAL_MEM_CACHE_SIZE",
    "Global Memory cache line size": "CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE",
    "Local memory type": "CL_DEVICE_LOCAL_MEM_TYPE",
    "Local memory size": "CL_DEVICE_LOCAL_MEM_SIZE",
    "Compute Capability (NV)": "CL_DEVICE_COMPUTE_CAPABILITY_NV",
}
_RAW = re.compile(r"(?:\[[^\]]*\])?\s*(CL_\w+)\s+(\S.*)")
_TABLE = re.compile(r"\s*(\S.*?)\s{2,}(\S.*)")
_NUMBER = re.compile(r"\d{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinfoDevice:
    """One device of a clinfo listing: property name -> text."""

    properties: dict[str, str]

    def text(self, name: str) -> str:
        """Return a property, or an empty text."""
        return self.properties.get(name, "")

    def number(self, name: str) -> int:
        """Return the first number of a property (``"600MHz"`` -> 600), 0 when there is none."""
        match = _NUMBER.search(self.text(name))
        return int(match[0]) if match else 0


def parse_clinfo(text: str, where: str) -> list[ClinfoDevice]:
    """Return the devices of a clinfo listing, in its order.

    Parameters
    ----------
    text : str
        Output of ``clinfo`` or ``clinfo --raw``.
    where : str
        Name of the file, for messages.

    Raises
    ------
    DeviceError
        If there is no device in it.
    """
    devices: list[dict[str, str]] = []
    for line in text.splitlines():
        found = _property(line)
        if found is None:
            continue
        name, value = found
        if name == "CL_DEVICE_NAME":
            devices.append({})
        if devices:
            # The first wins: the end of a listing repeats names of the default device.
            devices[-1].setdefault(name, value)
    # That tail holds names and nothing else.
    full = [device for device in devices if "CL_DEVICE_MAX_COMPUTE_UNITS" in device]
    if not full:
        raise DeviceError(
            located(where, "no OpenCL device in it", expected="the output of clinfo on the board")
        )
    return [ClinfoDevice(properties=device) for device in full]


def _property(line: str) -> tuple[str, str] | None:
    raw = _RAW.match(line)
    if raw is not None:
        return raw[1], _clean(raw[2])
    table = _TABLE.match(line)
    if table is not None and table[1] in _LABELS:
        return _LABELS[table[1]], _clean(table[2])
    return None


def _clean(value: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in value)
    return " ".join(printable.split())[:200]
