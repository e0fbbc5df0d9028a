"""Ways to break a trace, all in memory. Each takes a source of randomness and returns the wreck."""

import copy
import gzip
import io
import json
import warnings
import zipfile
from functools import cache
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gpusim.trace import schema
from gpusim.trace.jsonl import dump_jsonl
from gpusim.trace.reader import read_files
from gpusim.trace.storage import MemoryFiles
from gpusim.trace.writer import canonical_files
from tests.unit.trace.sample import sample_trace

WHERE = "wreck.gptrace"
TABLE_FILES = [table.file for table in schema.TABLES]


@cache
def base_files():
    """The files of an intact trace."""
    return canonical_files(sample_trace(), WHERE)


@cache
def base_jsonl():
    """The lines of the same trace as JSONL."""
    return tuple(dump_jsonl(read_files(MemoryFiles(WHERE, base_files()))))


@cache
def base_zip():
    return zip_of(base_files())


@cache
def base_rows(file):
    return pq.read_table(io.BytesIO(base_files()[file]))


@cache
def unguarded_table(file, is_packed):
    """The same table as a foreign writer might store it: damage gets past the page checksums."""
    sink = io.BytesIO()
    compression = "snappy" if is_packed else "none"
    pq.write_table(base_rows(file), sink, compression=compression, store_schema=False)
    return sink.getvalue()


def zip_of(files):
    """Return a stored zip of the files."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(member, files[name])
    return sink.getvalue()


def seal(files):
    """Make hashes, sizes and the list of files agree with the contents again."""
    manifest = json.loads(files[schema.MANIFEST])
    manifest["files"] = {
        name: {"sha256": sha256(data).hexdigest(), "size_bytes": len(data)}
        for name, data in files.items()
        if name != schema.MANIFEST and not name.startswith("blobs/")
    }
    return files | {schema.MANIFEST: json.dumps(manifest).encode()}


def damage_bytes(random, data):
    """Flip, cut, insert, repeat or blank some bytes."""
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        at = random.randrange(len(data) + 1)
        action = random.randrange(6)
        if action == 0 and data:
            data[at % len(data)] ^= 1 << random.randrange(8)
        elif action == 1 and data:
            data[at % len(data)] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif action == 2:
            del data[at:]
        elif action == 3:
            del data[at : at + random.choice((1, 4, 64))]
        elif action == 4:
            data[at:at] = data[max(0, at - 16) : at]
        else:
            data[at : at + 8] = bytes(random.choice((0, 0xFF)) for _ in range(8))
    return bytes(data)


def damage_files(random):
    """Delete, swap, copy, rename, empty or damage files without telling the manifest."""
    files = dict(base_files())
    names = sorted(files)
    name, other = random.choice(names), random.choice(names)
    action = random.randrange(6)
    if action == 0:
        del files[name]
    elif action == 1:
        files[name], files[other] = files[other], files[name]
    elif action == 2:
        files[name] = files[other]
    elif action == 3:
        files["blobs/" + f"{random.randrange(16):064x}" + ".zst"] = files.pop(name)
    elif action == 4:
        files[name] = b""
    else:
        files[name] = damage_bytes(random, files[name])
    return files


def damage_sealed(random):
    """Damage one table, list or blob and give it a correct hash, so that its parser sees it."""
    files = dict(base_files())
    if random.randrange(5) == 0:
        name = random.choice(sorted(name for name in files if name.startswith("blobs/")))
        bomb = zstandard.ZstdCompressor().compress(bytes(random.choice((0, 1 << 16))))
        files[name] = bomb if random.randrange(8) == 0 else damage_bytes(random, files[name])
        return files
    name = random.choice([*TABLE_FILES, schema.DEVICES])
    if name in TABLE_FILES and random.randrange(2):
        files[name] = unguarded_table(name, random.randrange(2) == 0)
    files[name] = damage_bytes(random, files[name])
    if random.randrange(8) == 0:
        files[name] = files[random.choice(TABLE_FILES)]
    return seal(files)


ODD_VALUES = (
    None,
    True,
    0,
    -1,
    1,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**70,
    10**400,
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "0" * 64,
    "../../etc/passwd",
    "a\x00b",
    "\ud800",
    "x" * 3000,
    [],
    [1, 0],
    [2, 0],
    [1, 7],
    [[]],
    {},
    {"a": {"b": []}},
)


def _slots(value, found):
    """List every (container, key) of a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            _slots(value[key], found)
    return found


def damage_json(random, value):
    """Return JSON text of `value` with one odd value, missing key, extra key or deep nest."""
    value = copy.deepcopy(value)
    container, key = random.choice(_slots(value, []))
    action = random.randrange(6)
    if action == 0:
        del container[key]
    elif action == 1 and isinstance(container, dict):
        container[key + random.choice(("s", " ", "\n"))] = container.pop(key)
    elif action == 2:
        depth = random.choice((10, 40, 5000))
        return json.dumps(value).replace("{", "[" * depth + "{", 1).encode()
    elif action == 3:
        text = json.dumps(value)
        return (text[:-1] + ", " + text[1:]).encode()
    else:
        container[key] = random.choice(ODD_VALUES)
    return json.dumps(value).encode()


def damage_manifest(random):
    files = dict(base_files())
    files[schema.MANIFEST] = damage_json(random, json.loads(files[schema.MANIFEST]))
    return files


def damage_devices(random):
    files = dict(base_files())
    files[schema.DEVICES] = damage_json(random, json.loads(files[schema.DEVICES]))
    return seal(files)


ODD_TYPES = (
    pa.int8(),
    pa.int32(),
    pa.int64(),
    pa.uint64(),
    pa.float64(),
    pa.string(),
    pa.binary(),
    pa.bool_(),
    pa.list_(pa.int64()),
    pa.list_(pa.list_(pa.int64())),
    pa.decimal128(38, 2),
    pa.timestamp("ns"),
    pa.struct([("a", pa.int64())]),
    pa.map_(pa.string(), pa.int64()),
)
OWN_TYPES = {schema.arrow_type(column) for table in schema.TABLES for column in table.columns}
ODD_CELLS = {
    "int": (-1, 0, 1, 3, 7, 2**31 - 1, 2**32 + 1, 2**48 + 1, 2**63 - 1, -(2**63), None),
    "text": ("", "launch", "null", "scale", "x" * 2000, "é\n", "0" * 64, None),
    "bytes": (b"", b"\x00" * 4, b"\xff" * 300, None),
    "bool": (True, False, None),
    "list": ([], [0], [1, 1], [-1], [2**63 - 1], None),
}


def _odd_cell(random, kind):
    if pa.types.is_integer(kind):
        return random.choice(ODD_CELLS["int"])
    if pa.types.is_boolean(kind):
        return random.choice(ODD_CELLS["bool"])
    if pa.types.is_list(kind):
        if pa.types.is_string(kind.value_type):
            return random.choice(([], ["a"], ["a", "b"], ["0" * 64], None))
        return random.choice(ODD_CELLS["list"])
    return random.choice(ODD_CELLS["bytes" if pa.types.is_binary(kind) else "text"])


def _with_cell(random, table):
    at = random.randrange(table.num_columns)
    field = table.schema.field(at)
    if field.type not in OWN_TYPES:
        return table
    values = table.column(at).to_pylist()
    for _ in range(random.choice((1, 1, 3))):
        value = _odd_cell(random, field.type)
        if pa.types.is_int32(field.type) and value is not None:
            value = max(-(2**31), min(2**31 - 1, value))
        values[random.randrange(len(values))] = value
    column = pa.array(values, type=field.type)
    return table.set_column(at, pa.field(field.name, field.type), column)


def _with_column(random, table):
    at = random.randrange(table.num_columns)
    name = table.schema.field(at).name
    action = random.randrange(5)
    if action == 0:
        return table.remove_column(at)
    if action == 1:
        kind = random.choice(ODD_TYPES)
        return table.set_column(at, name, pa.nulls(table.num_rows, kind))
    if action == 2:
        new_names = [*table.column_names]
        new_names[at] = random.choice((name + "s", "", random.choice(new_names), name + ".x"))
        return table.rename_columns(new_names)
    if action == 3:
        return table.append_column(
            random.choice((name, "future", name + ".x")), pa.nulls(table.num_rows, pa.int64())
        )
    order = [*range(table.num_columns)]
    random.shuffle(order)
    return table.select(order)


def _with_rows(random, table):
    rows = [*range(table.num_rows)]
    action = random.randrange(4)
    if action == 0:
        random.shuffle(rows)
    elif action == 1:
        rows.append(random.randrange(table.num_rows))
    elif action == 2:
        rows.pop(random.randrange(table.num_rows))
    else:
        rows = []
    return table.take(pa.array(rows, type=pa.int64()))


def damage_columns(random):
    """Change cells, columns, types or rows of a table in a file that is otherwise well made."""
    files = dict(base_files())
    name = random.choice(TABLE_FILES)
    table = base_rows(name)
    for _ in range(random.choice((1, 1, 2))):
        change = random.choice((_with_cell, _with_cell, _with_column, _with_rows))
        if table.num_rows and table.num_columns:
            table = change(random, table)
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        store_schema=random.randrange(4) == 0,
        row_group_size=random.choice((1, 2, 1000)),
        compression=random.choice(("zstd", "none", "snappy")),
        use_dictionary=random.randrange(2) == 0,
    )
    files[name] = sink.getvalue()
    if random.randrange(4):
        manifest = json.loads(files[schema.MANIFEST])
        manifest["counts"][name.removesuffix(".parquet")] = table.num_rows
        files[schema.MANIFEST] = json.dumps(manifest).encode()
    return seal(files)


EVIL_NAMES = (
    "../evil",
    "/etc/passwd",
    "blobs/../../evil",
    "blobs\\evil",
    "C:evil",
    "blobs/x.zst",
    "blobs/" + "A" * 64 + ".zst",
    "manifest.json/x",
    "a" * 300,
    "",
    ".hidden",
    "naïve",
)


def damage_zip(random):
    """Damage the zip's bytes, or make one with members it should not have."""
    action = random.randrange(7)
    if action <= 2:
        return damage_bytes(random, base_zip())
    files = dict(base_files())
    name = random.choice(sorted(files))
    sink = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(sink, "w") as archive:
        warnings.simplefilter("ignore")  # duplicate names
        for each in sorted(files):
            member = zipfile.ZipInfo(each)
            if each == name and action == 3:
                member.filename = random.choice(EVIL_NAMES)
            if each == name and action == 4:
                member.external_attr = random.choice((0o120777, 0o020666, 0o040755)) << 16
            method = zipfile.ZIP_STORED
            if each == name and action == 5:
                method = random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            archive.writestr(member, files[each], compress_type=method)
        if action == 6:
            archive.writestr(zipfile.ZipInfo(name), files[name])
    data = bytearray(sink.getvalue())
    if random.randrange(4) == 0:
        # The central directory is where a zip lies about sizes, methods and flags.
        start = data.find(b"PK\x01\x02")
        at = start + random.randrange(len(data) - start)
        data[at] ^= 1 << random.randrange(8)
    return bytes(data)


def damage_jsonl(random):
    """Damage lines of JSONL, their order, their values or the gzip around them."""
    lines = [*base_jsonl()]
    at, other = random.randrange(len(lines)), random.randrange(len(lines))
    action = random.randrange(8)
    if action == 0:
        del lines[at]
    elif action == 1:
        lines.insert(other, lines[at])
    elif action == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif action == 3:
        lines[at] = damage_bytes(random, lines[at])
    elif action == 4:
        return gzip.compress(b"".join(lines), 1)[: random.randrange(2000)]
    elif action == 5:
        return damage_bytes(random, gzip.compress(b"".join(lines), 1))
    else:
        lines[at] = damage_json(random, json.loads(lines[at])) + b"\n"
    return b"".join(lines)
