"""``--arg`` specifications of ``gpusim count`` -> contents of buffers, local sizes, values.

``buffer:BYTES[:zeros|random|iota|FILE.npy]``, ``local:BYTES``, ``i32:5``, ``f32:1.5``; a value
may be a vector: ``f32:1,2,3,4``. ``image:WIDTHxHEIGHT[xLAYERS]:ORDER:TYPE[:contents]``, with ORDER
and TYPE as the constants of the OpenCL API without ``CL_``, and ``sampler:MODE[:normalized]`` with
MODE one of none, clamp_to_edge, clamp, repeat, mirrored_repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gpusim.compiler.kernel_ir import Parameter
from gpusim.count.image_arguments import sampler_bits
from gpusim.count.image_format import ImageLayout, image_layout
from gpusim.errors import CountError, located
from gpusim.trace.records import Image, Sampler

VALUE_TYPES = {
    **{f"i{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"u{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"f{bits}": np.dtype(f"f{bits // 8}") for bits in (16, 32, 64)},
}
_ELEMENTS = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "long": "i8",
    "ulong": "u8",
    "half": "f2",
    "float": "f4",
    "double": "f8",
    "size_t": "u8",
}
_BUFFER_LIMIT_BYTES = 1 << 40
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentSpec:
    """One kernel argument."""

    kind: str
    """``buffer``, ``image``, ``sampler``, ``local`` or ``value``."""
    size_bytes: int
    data: bytes | npt.NDArray[np.uint8] | None = None
    """Contents of a buffer or image (None = zeros) or bytes of a value."""
    image: Image | None = None
    sampler: Sampler | None = None


def element_type(parameter: Parameter | None) -> np.dtype[np.generic]:
    """Return the scalar type that a buffer parameter points to; ``uint8`` when it has none."""
    name = parameter.type_name.rstrip("*").rstrip("0123456789") if parameter else ""
    return np.dtype(_ELEMENTS.get(name, "u1"))


def _fill(how: str, size_bytes: int, dtype: np.dtype[np.generic], where: str) -> bytes | None:
    n = -(-size_bytes // dtype.itemsize)
    if how == "zeros":
        return None
    if how == "iota":
        return np.arange(n).astype(dtype).tobytes()[:size_bytes]
    if how == "random":
        random = np.random.default_rng(_SEED)
        if dtype.kind == "f":
            return random.random(n).astype(dtype).tobytes()[:size_bytes]
        return random.integers(0, 100, n).astype(dtype).tobytes()[:size_bytes]
    if not how.endswith(".npy"):
        raise CountError(
            located(
                where, "unknown contents", expected="zeros, random, iota or FILE.npy", found=how
            )
        )
    try:
        data = bytes(np.load(Path(how), allow_pickle=False).tobytes())
    except (OSError, ValueError) as error:
        raise CountError(located(where, f"cannot read {how}: {error}")) from None
    if len(data) > size_bytes:
        raise CountError(
            located(where, f"{how} does not fit", expected=f"{size_bytes} bytes", found=len(data))
        )
    return data


def parse_argument(text: str, parameter: Parameter | None, index: int) -> ArgumentSpec:
    """Parse one specification.

    Parameters
    ----------
    text : str
        As on the command line.
    parameter : Parameter or None
        The kernel's parameter, for the element type of ``random`` and ``iota``: floats are
        uniform in [0, 1), integers in 0..99, the same in every run.
    index : int
        Position, for messages.

    Raises
    ------
    CountError
        Unknown kind, malformed number, unreadable file.
    """
    where = f"--arg {text} (argument {index})"
    kind, _, rest = text.partition(":")
    if kind in ("buffer", "local"):
        size, _, how = rest.partition(":")
        if not size.isdigit() or not 0 < int(size) < _BUFFER_LIMIT_BYTES:
            raise CountError(
                located(where, "not a size", expected="a positive number of bytes", found=size)
            )
        if kind == "local":
            return ArgumentSpec(kind="local", size_bytes=int(size))
        data = _fill(how or "zeros", int(size), element_type(parameter), where)
        return ArgumentSpec(kind="buffer", size_bytes=int(size), data=data)
    if kind == "image":
        return _image(rest, parameter, index, where)
    if kind == "sampler":
        return _sampler(rest, index, where)
    if kind in VALUE_TYPES:
        value = _value(rest, VALUE_TYPES[kind], where)
        return ArgumentSpec(kind="value", size_bytes=len(value), data=value)
    expected = (
        "buffer:BYTES[:contents], local:BYTES, image:WIDTHxHEIGHT:ORDER:TYPE[:contents], "
        "sampler:MODE or TYPE:VALUE, TYPE one of "
    )
    raise CountError(
        located(where, "unknown argument", expected=expected + ", ".join(VALUE_TYPES), found=kind)
    )


def _image(text: str, parameter: Parameter | None, index: int, where: str) -> ArgumentSpec:
    """Parse ``WIDTHxHEIGHT[xLAYERS]:ORDER:TYPE[:contents]``; extents as the parameter's type."""
    kind = parameter.type_name.removesuffix("_t") if parameter else "image2d"
    extents, _, rest = text.partition(":")
    order, _, rest = rest.partition(":")
    channel_type, _, how = rest.partition(":")
    names = [
        "WIDTH",
        *(["HEIGHT"] if "2d" in kind else []),
        *(["LAYERS"] if "array" in kind else []),
    ]
    sizes = extents.split("x")
    if len(sizes) != len(names) or not all(n.isdigit() and 0 < int(n) < 1 << 31 for n in sizes):
        raise CountError(
            located(where, f"not the size of an {kind}", expected="x".join(names), found=extents)
        )
    by_name = dict(zip(names, map(int, sizes), strict=True))
    image = Image(
        id=index,
        type=kind,
        width=by_name["WIDTH"],
        height=by_name.get("HEIGHT", 1),
        array_size=by_name.get("LAYERS", 1),
        channel_order=order,
        channel_type=channel_type,
    )
    layout = image_layout(image, where=where)
    if layout.size_bytes >= _BUFFER_LIMIT_BYTES:
        raise CountError(
            located(where, "image too large", expected=f"below {_BUFFER_LIMIT_BYTES} bytes")
        )
    data = _fill(how or "zeros", layout.size_bytes, _channel_dtype(layout), where)
    return ArgumentSpec(kind="image", size_bytes=layout.size_bytes, data=data, image=image)


def _channel_dtype(layout: ImageLayout) -> np.dtype[np.generic]:
    kind = layout.type
    if kind.ir in ("half", "float"):
        return np.dtype(f"f{kind.bytes}")
    return np.dtype(f"{'i' if kind.is_signed else 'u'}{kind.bytes}")


def _sampler(text: str, index: int, where: str) -> ArgumentSpec:
    mode, _, rest = text.partition(":")
    if rest not in ("", "normalized"):
        raise CountError(
            located(where, "unknown word", expected="normalized, or nothing", found=rest)
        )
    sampler = Sampler(
        id=index, normalized=rest == "normalized", addressing=mode.upper(), filter="NEAREST"
    )
    sampler_bits(sampler, where=where)
    return ArgumentSpec(kind="sampler", size_bytes=8, sampler=sampler)


def _value(text: str, dtype: np.dtype[np.generic], where: str) -> bytes:
    try:
        parts = [float(p) if dtype.kind == "f" else int(p, 0) for p in text.split(",")]
        lanes = np.array(parts, dtype)
    except (ValueError, OverflowError):
        raise CountError(located(where, "not a value", expected=str(dtype), found=text)) from None
    if len(lanes) == 3:
        lanes = np.append(lanes, np.zeros(1, dtype))
    return lanes.tobytes()


def array_argument(value: npt.NDArray[np.generic] | np.generic) -> ArgumentSpec:
    """Return a buffer with an array's contents, or a NumPy scalar as a value."""
    data = np.ascontiguousarray(value).tobytes()
    kind = "buffer" if isinstance(value, np.ndarray) else "value"
    return ArgumentSpec(kind=kind, size_bytes=len(data), data=data)
