"""The OpenCL queries that a profile can answer, and how each answer is written.

A profile file holds readable values (``GPU``, ``[DENORM, FMA]``, a list of extension names); the
shim gets text: integers in decimal, lists separated by spaces. Numbers are those of the OpenCL
3.0 specification's headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Shape(StrEnum):
    """The form of a query's answer in a profile file."""

    TEXT = "text"
    NUMBER = "a whole number, not negative"
    NUMBERS = "three positive whole numbers"
    NAMES = "a list of names without spaces"
    BOOLEAN = "true or false"
    CHOICE = "one of"
    FLAGS = "a list of"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query: the form of its answer and, for enumerations, the values of its names."""

    shape: Shape
    names: Mapping[str, int] = field(default_factory=dict)
    required: bool = True

    @property
    def expected(self) -> str:
        """Say what a valid answer looks like."""
        if self.shape in (Shape.CHOICE, Shape.FLAGS):
            return f"{self.shape.value} {', '.join(self.names)}"
        return self.shape.value

    def accepts(self, value: object) -> bool:
        """Return whether `value` (as YAML gives it) has the right form."""
        match self.shape:
            case Shape.TEXT:
                return isinstance(value, str) and "\n" not in value
            case Shape.NUMBER:
                return _is_number(value)
            case Shape.NUMBERS:
                return (
                    isinstance(value, list)
                    and len(value) == 3
                    and all(_is_number(item) and item > 0 for item in value)
                )
            case Shape.NAMES:
                return (
                    isinstance(value, list)
                    and all(isinstance(item, str) and item.split() == [item] for item in value)
                    and len(set(value)) == len(value)
                )
            case Shape.BOOLEAN:
                return isinstance(value, bool)
            case Shape.CHOICE:
                return isinstance(value, str) and value in self.names
            case Shape.FLAGS:
                return isinstance(value, list) and all(item in self.names for item in value)

    def as_text(self, value: Any) -> str:
        """Return a valid `value` in the form the shim reads."""
        match self.shape:
            case Shape.TEXT:
                return str(value)
            case Shape.NUMBERS | Shape.NAMES:
                return " ".join(str(item) for item in value)
            case Shape.CHOICE:
                return str(self.names[value])
            case Shape.FLAGS:
                bits = 0
                for name in value:
                    bits |= self.names[name]
                return str(bits)
            case _:
                return str(int(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_TEXT = Query(shape=Shape.TEXT)
_NUMBER = Query(shape=Shape.NUMBER)
_NAMES = Query(shape=Shape.NAMES)
_BOOLEAN = Query(shape=Shape.BOOLEAN)
_FP_CONFIG = Query(
    shape=Shape.FLAGS,
    names={
        "DENORM": 1,
        "INF_NAN": 2,
        "ROUND_TO_NEAREST": 4,
        "ROUND_TO_ZERO": 8,
        "ROUND_TO_INF": 16,
        "FMA": 32,
        "SOFT_FLOAT": 64,
        "CORRECTLY_ROUNDED_DIVIDE_SQRT": 128,
    },
)

VECTOR_TYPES = ("CHAR", "SHORT", "INT", "LONG", "HALF", "FLOAT", "DOUBLE")

QUERIES: Mapping[str, Query] = {
    "CL_PLATFORM_NAME": _TEXT,
    "CL_PLATFORM_VENDOR": _TEXT,
    "CL_PLATFORM_VERSION": _TEXT,
    "CL_PLATFORM_PROFILE": _TEXT,
    "CL_PLATFORM_EXTENSIONS": _NAMES,
    "CL_PLATFORM_ICD_SUFFIX_KHR": _TEXT,
    "CL_DEVICE_NAME": _TEXT,
    "CL_DEVICE_VENDOR": _TEXT,
    "CL_DEVICE_VENDOR_ID": _NUMBER,
    "CL_DEVICE_VERSION": _TEXT,
    "CL_DRIVER_VERSION": _TEXT,
    "CL_DEVICE_OPENCL_C_VERSION": _TEXT,
    "CL_DEVICE_PROFILE": _TEXT,
    "CL_DEVICE_EXTENSIONS": _NAMES,
    "CL_DEVICE_BUILT_IN_KERNELS": _TEXT,
    "CL_DEVICE_IL_VERSION": _TEXT,
    "CL_DEVICE_TYPE": Query(
        shape=Shape.FLAGS, names={"DEFAULT": 1, "CPU": 2, "GPU": 4, "ACCELERATOR": 8}
    ),
    "CL_DEVICE_MAX_COMPUTE_UNITS": _NUMBER,
    "CL_DEVICE_MAX_CLOCK_FREQUENCY": _NUMBER,
    "CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS": _NUMBER,
    "CL_DEVICE_MAX_WORK_ITEM_SIZES": Query(shape=Shape.NUMBERS),
    "CL_DEVICE_MAX_WORK_GROUP_SIZE": _NUMBER,
    "CL_KERNEL_WORK_GROUP_SIZE": _NUMBER,
    "CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE": _NUMBER,
    **{
        f"CL_DEVICE_{prefix}_VECTOR_WIDTH_{name}": _NUMBER
        for prefix in ("PREFERRED", "NATIVE")
        for name in VECTOR_TYPES
    },
    "CL_DEVICE_SINGLE_FP_CONFIG": _FP_CONFIG,
    "CL_DEVICE_HALF_FP_CONFIG": _FP_CONFIG,
    "CL_DEVICE_DOUBLE_FP_CONFIG": _FP_CONFIG,
    "CL_DEVICE_GLOBAL_MEM_SIZE": _NUMBER,
    "CL_DEVICE_MAX_MEM_ALLOC_SIZE": _NUMBER,
    "CL_DEVICE_GLOBAL_MEM_CACHE_TYPE": Query(
        shape=Shape.CHOICE, names={"NONE": 0, "READ_ONLY": 1, "READ_WRITE": 2}
    ),
    "CL_DEVICE_GLOBAL_MEM_CACHE_SIZE": _NUMBER,
    "CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE": _NUMBER,
    "CL_DEVICE_LOCAL_MEM_TYPE": Query(
        shape=Shape.CHOICE, names={"NONE": 0, "LOCAL": 1, "GLOBAL": 2}
    ),
    "CL_DEVICE_LOCAL_MEM_SIZE": _NUMBER,
    "CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE": _NUMBER,
    "CL_DEVICE_MAX_CONSTANT_ARGS": _NUMBER,
    "CL_DEVICE_MAX_PARAMETER_SIZE": _NUMBER,
    "CL_DEVICE_MEM_BASE_ADDR_ALIGN": _NUMBER,
    "CL_DEVICE_MIN_DATA_TYPE_ALIGN_SIZE": _NUMBER,
    "CL_DEVICE_HOST_UNIFIED_MEMORY": _BOOLEAN,
    "CL_DEVICE_ERROR_CORRECTION_SUPPORT": _BOOLEAN,
    "CL_DEVICE_PROFILING_TIMER_RESOLUTION": _NUMBER,
    "CL_DEVICE_PRINTF_BUFFER_SIZE": _NUMBER,
    "CL_DEVICE_PARTITION_MAX_SUB_DEVICES": _NUMBER,
    "CL_DEVICE_QUEUE_PROPERTIES": Query(
        shape=Shape.FLAGS, names={"OUT_OF_ORDER_EXEC_MODE": 1, "PROFILING": 2}
    ),
    "CL_DEVICE_SVM_CAPABILITIES": Query(
        shape=Shape.FLAGS,
        names={
            "COARSE_GRAIN_BUFFER": 1,
            "FINE_GRAIN_BUFFER": 2,
            "FINE_GRAIN_SYSTEM": 4,
            "ATOMICS": 8,
        },
    ),
    "CL_DEVICE_IMAGE_SUPPORT": _BOOLEAN,
    "CL_DEVICE_IMAGE2D_MAX_WIDTH": _NUMBER,
    "CL_DEVICE_IMAGE2D_MAX_HEIGHT": _NUMBER,
    "CL_DEVICE_IMAGE3D_MAX_WIDTH": _NUMBER,
    "CL_DEVICE_IMAGE3D_MAX_HEIGHT": _NUMBER,
    "CL_DEVICE_IMAGE3D_MAX_DEPTH": _NUMBER,
    "CL_DEVICE_IMAGE_MAX_BUFFER_SIZE": _NUMBER,
    "CL_DEVICE_IMAGE_MAX_ARRAY_SIZE": _NUMBER,
    "CL_DEVICE_IMAGE_PITCH_ALIGNMENT": _NUMBER,
    "CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT": _NUMBER,
    "CL_DEVICE_MAX_READ_IMAGE_ARGS": _NUMBER,
    "CL_DEVICE_MAX_WRITE_IMAGE_ARGS": _NUMBER,
    "CL_DEVICE_MAX_SAMPLERS": _NUMBER,
}
"""Queries a profile must answer. ``CL_DEVICE_ADDRESS_BITS`` is not among them: the address width
is the host's, because kernels run there."""
