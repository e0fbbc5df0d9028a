"""How often libraries flush their queue, by what their public sources do.

A captured trace holds the flushes of its program. A planned one has none, and one can ask what
another library's habit would change.
"""

from __future__ import annotations

from gpusim.errors import DeviceError, located

_PERIODS: dict[str, dict[str, int]] = {
    "tflite": {"mali": 24, "nvidia": 0, "adreno": 0},
    "mindspore": {"mali": 10, "nvidia": 10, "adreno": 10},
    "tnn": {"mali": 10, "nvidia": 10, "adreno": 10},
    "paddle-lite": {"mali": 10, "nvidia": 10, "adreno": 10},
    "mnn": {"mali": 2, "nvidia": 2, "adreno": 10},
    "none": {"mali": 0, "nvidia": 0, "adreno": 0},
}
"""Library -> vendor -> kernels between flushes, 0 = only where the program asks. From the
sources of TFLite, MindSpore, TNN, Paddle-Lite and MNN; none of them names NVIDIA, which gets what
they do on devices they do not know."""
_VENDORS = {"maxwell": "nvidia", "pascal": "nvidia", "adreno": "adreno"}
FLUSH_POLICIES = tuple(_PERIODS)


def library_flush_period(library: str, family: str) -> int:
    """Return the enqueues after which a library flushes on a family of GPUs; 0 = never by itself.

    Raises
    ------
    DeviceError
        If the library's habit is not known.
    """
    if library not in _PERIODS:
        expected = ", ".join(FLUSH_POLICIES)
        raise DeviceError(located("flush policy", "unknown", expected=expected, found=library))
    return _PERIODS[library][_VENDORS.get(family, "mali")]
