"""Which device model a measured row's free-text device name means.

Rows name boards as their authors did: ``Mali-T860MP4 (RK3399, 800MHz)``, ``Mali-T628 2-core
(cl1.2)``, ``Jetson Nano GM20B via PoCL 1.3``. The table below is the whole rule.
"""

from __future__ import annotations

import re

from gpusim.device import DeviceSpec

_PATTERNS: tuple[tuple[str, str], ...] = (
    ("mali-t628:mp2", r"mali-?t628\b.*\b(2-core|mp2)\b|mali-?t628mp2\b"),
    ("mali-t628", r"mali-?t628"),
    ("mali-t860", r"mali-?t860(mp4)?\b"),
    ("mali-t880-mp12", r"mali-?t880.*(mp12|8890)"),
    ("mali-t880-mp4", r"mali-?t880.*(mp4|x20|6797)"),
    ("mali-g72", r"mali-?g72(mp12)?\b"),
    ("mali-g52", r"mali-?g52"),
    ("mali-g610", r"mali-?g610"),
    ("jetson-tx2", r"jetson-? ?tx2|tegra x2|gp10b"),
    ("jetson-nano", r"jetson-? ?nano"),
    ("adreno-530", r"adreno-? ?(\(tm\) )?530"),
    ("adreno-418", r"adreno-? ?(\(tm\) )?418"),
)
"""(device id, pattern on the lower-case name); the first that matches wins."""


def device_id_of(name: str) -> str | None:
    """Return the id of the shipped model that a measured device name means, if any."""
    lowered = name.lower().strip()
    for device_id, pattern in _PATTERNS:
        if lowered == device_id or re.search(pattern, lowered):
            return device_id
    return None


def is_device(name: str, device: DeviceSpec) -> bool:
    """Return whether a measured row belongs to `device`.

    A model that gpusim does not ship (a file of the user's) is matched by its id, its OpenCL
    name or its board, whatever the case.
    """
    own = {device.id.lower(), device.name.lower(), device.board.lower()}
    known = device_id_of(name)
    ids = {device.id, f"{device.gpu}:{device.view}"} if device.view else {device.id}
    return known in ids or name.lower().strip() in own
