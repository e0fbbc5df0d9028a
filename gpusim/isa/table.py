"""The cost tables of an ISA family: ``device_models/isa/*.yaml``, loaded strictly.

A table states issue rules and, for each operation class, the micro-operations it becomes. Each
entry carries its evidence. The language of `operations` is small: ``F A`` is a chain of two
micro-operations, ``F*3`` a chain of three, ``-`` nothing at all; the names of units are the
family's own and are checked here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from gpusim.device.quantity import Kind, Quantity
from gpusim.device.strict_yaml import parse_yaml
from gpusim.errors import DeviceError, located
from gpusim.resources import device_models_dir

ISAS = ("bifrost", "midgard", "valhall", "maxwell", "pascal", "adreno")
"""Families with a back end."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


OPERATION_CLASSES = _names(
    "mov fadd fmul fma fma_exact fneg fcmp fminmax fround fdiv fdiv_fast frem rcp rsqrt sqrt exp2 "
    "exp log2 log sincos pow transcendental iadd imul imulhi logic shift icmp select iminmax iabs "
    "clz ctpop bitreverse rotate sdiv udiv urem div_const iadd64 imul64 logic64 shift64 icmp64 "
    "select64 div64 cvt cvt_half cvt_int sext64 zext64 dot_int8 f64 address_shift address_add load "
    "store atomic atomic_result image_read image_write barrier branch jump global_id local_id"
)
"""What every table states; 32 bits wide unless the name says otherwise."""

_COMMON_ISSUE = _names(
    "message_bytes half_lanes registers reserved_registers threads_by_registers "
    "message_latency_cycles back_edge_jumps compare_branch_fused fused_pairs sums_indices "
    "merges_local_loads hoist_limit local_base aligned_accesses pointer_words"
)
_MAY_BE_ZERO = _names(
    "reserved_registers back_edge_jumps compare_branch_fused sums_indices merges_local_loads "
    "hoist_limit local_base aligned_accesses"
)
_NVIDIA_ISSUE = _COMMON_ISSUE + _names(
    "alu_cycles half_rate_cycles sfu_cycles double_cycles load_store_cycles control_cycles "
    "dual_issue immediate_offset_bits instruction_latency_cycles sfu_latency_cycles "
    "predicate_latency_cycles local_latency_cycles loads_per_wait dependency_barriers "
    "unroll_operations pointer_copies register_aim"
)
ISSUE_KEYS: dict[str, tuple[str, ...]] = {
    "bifrost": _COMMON_ISSUE
    + _names(
        "register_reads_per_tuple register_ports_per_tuple "
        "tuples_per_clause words_per_clause tuple_latency_cycles "
        "message_cycles"
    ),
    "midgard": _COMMON_ISSUE
    + _names(
        "vector_bytes constant_bytes_per_bundle operations_per_load_store_word "
        "bundle_latency_cycles pipe_latency_cycles message_cycles"
    ),
    "valhall": _COMMON_ISSUE
    + _names(
        "fma_cycles cvt_cycles sfu_cycles branch_cycles wide_issue_cycles immediate_offset_bits "
        "instruction_latency_cycles message_cycles address_moves"
    ),
    "maxwell": _NVIDIA_ISSUE,
    "pascal": _NVIDIA_ISSUE,
    "adreno": _COMMON_ISSUE
    + _names(
        "alu_cycles mad_cycles half_mad_cycles multiply_cycles sfu_cycles slow_sfu_cycles "
        "load_store_cycles control_cycles instruction_latency_cycles sfu_latency_cycles"
    ),
}
"""Issue rules that a family's table must state, and the only ones it may."""

UNITS: dict[str, tuple[str, ...]] = {
    "bifrost": _names("F A E T"),
    "midgard": _names("ADD MUL FMUL MOST SEL ANY LUT VMUL VADD BR LS TEX"),
    "valhall": _names("FMA CVT CVT2 SFU SFU2 LS BR TEX"),
    "maxwell": _names("ALU HALF SFU DP LSU CTL"),
    "pascal": _names("ALU HALF SFU DP LSU CTL"),
    "adreno": _names("ALU MAD MUL SFU SLOW LS TEX CTL"),
}
"""Unit names that an operation of the family may name."""

ISSUE_UNIT = {"bifrost": "tuples", "midgard": "bundles"}
"""What one issue of the family is called; elsewhere ``instructions``."""

_MAX_REPEAT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class IsaTable:
    """A loaded table; `issue` and `operations` hold a :class:`Quantity` per entry."""

    isa: str
    unit: str
    issue: dict[str, Quantity]
    operations: dict[str, Quantity]
    """Value: tuple of unit names, in dependency order."""
    sources: dict[str, str]
    file: str

    def rule(self, name: str) -> Any:
        """Return the plain value of an issue rule."""
        return self.issue[name].value

    def sequence(self, name: str) -> tuple[str, ...]:
        """Return the units of operation class `name`, in dependency order."""
        value: tuple[str, ...] = self.operations[name].value
        return value


@cache
def load_table(isa: str) -> IsaTable:
    """Load the table of an ISA family.

    Parameters
    ----------
    isa : str
        One of `ISAS`.

    Returns
    -------
    IsaTable

    Raises
    ------
    DeviceError
        Unknown family; or a file that is malformed, misses a key, has an unknown one, or an
        entry without evidence.
    """
    if isa not in ISAS:
        raise DeviceError(located("isa", "no such family", expected=", ".join(ISAS), found=isa))
    path = device_models_dir() / "isa" / f"{isa}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceError(located(path.name, f"cannot read the table: {error}")) from None
    return parse_table(text, isa, f"isa/{path.name}")


def parse_table(text: str, isa: str, file: str) -> IsaTable:
    """Parse and check one table.

    Parameters
    ----------
    text : str
        YAML.
    isa : str
        Family that the table must be of.
    file : str
        For messages.

    Returns
    -------
    IsaTable

    Raises
    ------
    DeviceError
        As :func:`load_table`.
    """
    document = parse_yaml(text, file)
    _check_keys(document, ("isa", "unit", "sources", "issue", "operations"), file)
    if document["isa"] != isa:
        raise DeviceError(
            located(f"{file}: isa", "wrong family", expected=isa, found=document["isa"])
        )
    unit = ISSUE_UNIT.get(isa, "instructions")
    if document["unit"] != unit:
        raise DeviceError(
            located(f"{file}: unit", "wrong unit", expected=unit, found=document["unit"])
        )
    sources = document["sources"]
    if not isinstance(sources, dict) or not sources:
        raise DeviceError(located(f"{file}: sources", "no sources", expected="key: citation"))
    _check_keys(document["issue"], ISSUE_KEYS[isa], f"{file}: issue")
    _check_keys(document["operations"], OPERATION_CLASSES, f"{file}: operations")
    issue = {
        name: _quantity(node, f"issue.{name}", file, sources)
        for name, node in document["issue"].items()
    }
    for name, quantity in issue.items():
        _check_rule(name, quantity.value, f"{file}: issue.{name}")
    operations = {}
    for name in OPERATION_CLASSES:
        quantity = _quantity(document["operations"][name], f"operations.{name}", file, sources)
        units = parse_sequence(quantity.given, UNITS[isa], f"{file}: operations.{name}")
        operations[name] = Quantity(
            path=quantity.path,
            value=units,
            given=quantity.given,
            unit=quantity.unit,
            source=quantity.source,
            kind=quantity.kind,
            note=quantity.note,
        )
    return IsaTable(
        isa=isa, unit=unit, issue=issue, operations=operations, sources=dict(sources), file=file
    )


def parse_sequence(text: object, units: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Expand ``"F A*2"`` to ``("F", "A", "A")``; ``"-"`` to nothing.

    Raises
    ------
    DeviceError
        A unit that the family does not have, or a repeat count that is no number from 1 to 1000.
    """
    if not isinstance(text, str) or not text.split():
        raise DeviceError(located(where, "not a sequence", expected="units or '-'", found=text))
    if text.strip() == "-":
        return ()
    result: list[str] = []
    for word in text.split():
        name, _, repeat = word.partition("*")
        count = repeat or "1"
        if name not in units or not count.isdecimal() or not 1 <= int(count) <= _MAX_REPEAT:
            expected = "one of " + " ".join(sorted(units)) + ", with *n to repeat"
            raise DeviceError(located(where, "bad micro-operation", expected=expected, found=word))
        result.extend([name] * int(count))
    return tuple(result)


def _check_keys(node: object, expected: Collection[str], where: str) -> None:
    if not isinstance(node, dict):
        raise DeviceError(located(where, "not a mapping", expected="keys and values", found=node))
    for key in node:
        if key not in expected:
            raise DeviceError(
                located(where, "unknown key", expected=", ".join(sorted(expected)), found=key)
            )
    missing = sorted(set(expected) - set(node))
    if missing:
        raise DeviceError(located(where, f"missing key {missing[0]}"))


def _quantity(node: object, path: str, file: str, sources: dict[str, str]) -> Quantity:
    """Return a figure with its evidence checked."""
    where = f"{file}: {path}"
    if not isinstance(node, dict):
        raise DeviceError(
            located(where, "not a figure", expected="value, unit, source, kind", found=node)
        )
    _check_keys({key: 0 for key in node if key != "note"} | {"note": 0}, _FIGURE_KEYS, where)
    for key in ("value", "unit", "source", "kind"):
        if node.get(key) is None:
            raise DeviceError(located(where, f"missing {key}"))
    cited = node["source"]
    for source in cited if isinstance(cited, list) and cited else [cited]:
        if source not in sources:
            raise DeviceError(
                located(where, "unknown source", expected=", ".join(sources), found=source)
            )
    try:
        kind = Kind(node["kind"])
    except ValueError:
        kinds = ", ".join(kind.value for kind in Kind)
        raise DeviceError(
            located(where, "unknown kind", expected=kinds, found=node["kind"])
        ) from None
    return Quantity(
        path=f"isa.{path}",
        value=node["value"],
        given=node["value"],
        unit=str(node["unit"]),
        source=tuple(cited),
        kind=kind,
        note=str(node.get("note", "")),
    )


_FIGURE_KEYS = {"value", "unit", "source", "kind", "note"}


def _check_rule(name: str, value: object, where: str) -> None:
    """Refuse a rule that no machine can have."""
    if name == "threads_by_registers":
        steps = value if isinstance(value, dict) else {}
        is_table = bool(steps) and all(map(_is_positive, steps.values()))
        if not is_table or not all(isinstance(key, int) and key > 0 for key in steps):
            raise DeviceError(located(where, "bad table", expected="registers: work-items"))
        return
    if name == "fused_pairs":
        pairs = [word.split("+") for word in str(value).split() if word != "-"]
        if not all(len(p) == 2 and set(p) <= set(OPERATION_CLASSES) for p in pairs):
            raise DeviceError(located(where, "bad pairs", expected="class+class", found=value))
        return
    is_fine = _is_positive(value) or (name in _MAY_BE_ZERO and value == 0)
    if not is_fine:
        raise DeviceError(located(where, "bad value", expected="a positive number", found=value))


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
