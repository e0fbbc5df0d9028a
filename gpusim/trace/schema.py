"""The tables of the canonical trace format: their columns, types and allowed values, as data.

Reader, writer, JSONL and the documentation test all read this page; docs/trace-format.md says
the same in prose. A new nullable column raises the minor version, anything else the major one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpusim.trace.records import ArgumentKind, CommandKind

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "gpusim.trace"
VERSION = (1, 0)
MANIFEST = "manifest.json"
DEVICES = "devices.json"
BLOB_FOLDER = "blobs"

MAX_ID = 2**63 - 1
MAX_NS = 2**62 - 1
"""Largest host or device time; a time plus a duration still fits int64."""
MAX_BYTES = 2**48
"""Largest size or offset of an object; offset + size still fits int64."""
MAX_WORK_ITEMS = 2**62
"""Largest product of a launch's global sizes."""
MAX_EXTENT = 2**32
"""Largest global or local size in one dimension."""

SHA256_PATTERN = r"[0-9a-f]{64}"
_NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_$.]{0,1023}"
_CONSTANT_PATTERN = r"[A-Za-z0-9_]{1,64}"

IMAGE_TYPES = frozenset(
    {"image1d", "image1d_buffer", "image1d_array", "image2d", "image2d_array", "image3d"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: Arrow type by short name, range or vocabulary, JSONL default."""

    name: str
    type: str
    """``i64``, ``i32``, ``bool``, ``text``, ``bytes``, ``i64[]`` or ``text[]``."""
    nullable: bool = False
    low: int = 0
    high: int = MAX_ID
    choices: frozenset[str] = frozenset()
    """Allowed texts; empty: any."""
    pattern: str = ""
    """Regular expression that a text must match in full; empty: any."""
    default: object = None
    """JSONL leaves the key out when the value equals this; a null is always left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: file ``<name>.parquet``, JSONL records of kind `record`."""

    name: str
    record: str
    columns: tuple[Column, ...] = field(repr=False)

    @property
    def file(self) -> str:
        """Name of the table's file in a trace."""
        return f"{self.name}.parquet"

    def column(self, name: str) -> Column:
        """Return the column called `name`."""
        return next(column for column in self.columns if column.name == name)


def _id(name: str = "id", *, nullable: bool = False) -> Column:
    return Column(name=name, type="i64", nullable=nullable)


def _bytes(name: str, *, default: object = None) -> Column:
    return Column(name=name, type="i64", high=MAX_BYTES, default=default)


def _ns(name: str, *, nullable: bool = False, default: object = None) -> Column:
    return Column(name=name, type="i64", high=MAX_NS, nullable=nullable, default=default)


def _sha(name: str) -> Column:
    return Column(name=name, type="text", nullable=True, pattern=SHA256_PATTERN)


def _extent(name: str) -> Column:
    return Column(name=name, type="i64", high=MAX_EXTENT, default=1)


_FLAGS = Column(name="flags", type="i64", default=0)
_WAITS = Column(name="waits", type="i64[]", default=[])
_THREAD = Column(name="thread", type="i64", default=0)
_TIMES = tuple(_ns(f"{name}_ns", nullable=True) for name in ("queued", "submit", "start", "end"))

PROGRAMS = Table(
    name="programs",
    record="program",
    columns=(
        _id(),
        Column(name="kind", type="text", choices=frozenset({"source", "il", "binary"})),
        _sha("blob"),
        Column(name="build_options", type="text", default=""),
        Column(name="header_names", type="text[]", default=[]),
        Column(name="header_blobs", type="text[]", pattern=SHA256_PATTERN, default=[]),
    ),
)

KERNELS = Table(
    name="kernels",
    record="kernel",
    columns=(
        _id(),
        Column(name="name", type="text", pattern=_NAME_PATTERN),
        _id("program"),
    ),
)

BUFFERS = Table(
    name="buffers",
    record="buffer",
    columns=(
        _id(),
        _bytes("size_bytes"),
        _FLAGS,
        _id("parent", nullable=True),
        _bytes("offset_bytes", default=0),
        _sha("content"),
        _sha("content_hash"),
        _ns("created_ns", default=0),
        _ns("released_ns", nullable=True),
    ),
)

IMAGES = Table(
    name="images",
    record="image",
    columns=(
        _id(),
        Column(name="type", type="text", choices=IMAGE_TYPES),
        Column(name="width", type="i64", low=1, high=MAX_EXTENT),
        Column(name="height", type="i64", low=1, high=MAX_EXTENT, default=1),
        Column(name="depth", type="i64", low=1, high=MAX_EXTENT, default=1),
        Column(name="array_size", type="i64", low=1, high=MAX_EXTENT, default=1),
        Column(name="channel_order", type="text", pattern=_CONSTANT_PATTERN, default="RGBA"),
        Column(name="channel_type", type="text", pattern=_CONSTANT_PATTERN, default="FLOAT"),
        _bytes("row_pitch_bytes", default=0),
        _bytes("slice_pitch_bytes", default=0),
        _FLAGS,
        _id("buffer", nullable=True),
        _sha("content"),
        _ns("created_ns", default=0),
        _ns("released_ns", nullable=True),
    ),
)

SAMPLERS = Table(
    name="samplers",
    record="sampler",
    columns=(
        _id(),
        Column(name="normalized", type="bool"),
        Column(name="addressing", type="text", pattern=_CONSTANT_PATTERN),
        Column(name="filter", type="text", pattern=_CONSTANT_PATTERN),
    ),
)

ARGUMENTS = Table(
    name="args",
    record="arg",
    columns=(
        _id("argset"),
        Column(name="index", type="i32", high=65535),
        Column(name="kind", type="text", choices=frozenset(kind.value for kind in ArgumentKind)),
        _bytes("size_bytes"),
        _id("ref", nullable=True),
        Column(name="value", type="bytes", nullable=True),
    ),
)

LAUNCHES = Table(
    name="launches",
    record="launch",
    columns=(
        _id("seq"),
        Column(name="kernel", type="text", pattern=_NAME_PATTERN),
        _id("program"),
        _id("kernel_id", nullable=True),
        Column(name="work_dim", type="i32", low=1, high=3),
        *(_extent(f"g{axis}") for axis in "xyz"),
        *(
            Column(name=f"l{axis}", type="i64", nullable=True, low=1, high=MAX_EXTENT)
            for axis in "xyz"
        ),
        *(Column(name=f"o{axis}", type="i64", high=MAX_BYTES, default=0) for axis in "xyz"),
        _id("argset", nullable=True),
        _id("queue", nullable=True),
        _WAITS,
        _THREAD,
        _ns("host_ns", default=0),
        _ns("host_duration_ns", default=0),
        Column(name="result_code", type="i32", low=-(2**31), high=2**31 - 1, default=0),
        *_TIMES,
        Column(name="label", type="text", default=""),
    ),
)

COMMANDS = Table(
    name="commands",
    record="command",
    columns=(
        _id("seq"),
        Column(
            name="kind",
            type="text",
            choices=frozenset(kind.value for kind in CommandKind if kind != CommandKind.LAUNCH),
        ),
        _id("queue", nullable=True),
        _WAITS,
        _id("source", nullable=True),
        _id("target", nullable=True),
        _bytes("offset_bytes", default=0),
        _bytes("source_offset_bytes", default=0),
        _bytes("size_bytes", default=0),
        Column(name="blocking", type="bool", default=False),
        _sha("content"),
        _THREAD,
        _ns("host_ns", default=0),
        _ns("host_duration_ns", default=0),
        *_TIMES,
        Column(name="name", type="text", default=""),
    ),
)

TABLES: tuple[Table, ...] = (
    PROGRAMS,
    KERNELS,
    SAMPLERS,
    BUFFERS,
    IMAGES,
    ARGUMENTS,
    LAUNCHES,
    COMMANDS,
)
"""In the order in which a JSONL trace lists them."""

TIME_COLUMNS = tuple(column.name for column in _TIMES)
_ITEM_NAME = "element"
"""Parquet's name for the items of a list; the same on both sides keeps schemas comparable."""


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type in which a column is written."""
    import pyarrow as pa

    scalar = {
        "i64": pa.int64(),
        "i32": pa.int32(),
        "bool": pa.bool_(),
        "text": pa.string(),
        "bytes": pa.binary(),
    }
    if column.type.endswith("[]"):
        item = pa.field(_ITEM_NAME, scalar[column.type.removesuffix("[]")], nullable=False)
        return pa.list_(item)
    return scalar[column.type]


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema in which a table is written."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(column.name, arrow_type(column), nullable=column.nullable)
            for column in table.columns
        ]
    )


def type_name(arrow: pa.DataType) -> str:
    """Return the short name of an Arrow type; Arrow's own name for a type we do not use."""
    import pyarrow as pa

    if pa.types.is_dictionary(arrow):
        return type_name(arrow.value_type)
    if pa.types.is_list(arrow):
        return f"{type_name(arrow.value_type)}[]"
    known = {pa.int64(): "i64", pa.int32(): "i32", pa.bool_(): "bool"}
    known |= {pa.string(): "text", pa.binary(): "bytes"}
    return known.get(arrow, str(arrow))
