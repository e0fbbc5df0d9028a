"""Cost tables are data with evidence, and refused when they are not."""

import pytest

from gpusim.device.quantity import Kind
from gpusim.errors import DeviceError
from gpusim.isa.table import (
    ISAS,
    ISSUE_KEYS,
    OPERATION_CLASSES,
    UNITS,
    load_table,
    parse_sequence,
    parse_table,
)
from gpusim.resources import device_models_dir
from tests.conftest import CHECKOUT


def text_of(isa):
    return (device_models_dir() / "isa" / f"{isa}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("isa", ISAS)
def test_every_figure_has_evidence(isa):
    table = load_table(isa)
    for quantity in [*table.issue.values(), *table.operations.values()]:
        assert quantity.source
        assert set(quantity.source) <= set(table.sources)
        assert isinstance(quantity.kind, Kind)
        assert quantity.unit


@pytest.mark.parametrize("isa", ISAS)
def test_every_class_is_there(isa):
    assert set(load_table(isa).operations) == set(OPERATION_CLASSES)


@pytest.mark.parametrize("isa", ISAS)
def test_no_source_is_listed_in_vain(isa):
    table = load_table(isa)
    used = {s for q in [*table.issue.values(), *table.operations.values()] for s in q.source}
    assert used == set(table.sources)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("isa: bifrost", "isa: midgard"), "wrong family"),
        (("unit: tuples", "unit: bundles"), "wrong unit"),
        (("  fadd: {value: E", "  faddd: {value: E"), "unknown key"),
        (("  fadd: {value: E,", "  fadd: {value: X,"), "bad micro-operation"),
        (("  fadd: {value: E,", "  fadd: {value: E*0,"), "bad micro-operation"),
        (("  fadd: {value: E, unit: slots,", "  fadd: {value: E,"), "missing key unit"),
        (("  fadd: {value: E,", "  fadd: {value: E, worth: 3,"), "unknown key"),
        (
            ("source: [mesa_isa], kind: reverse-engineered}\n  fmul", "kind: assumed}\n  fmul"),
            "missing key source",
        ),
        (("tuples_per_clause: {value: 8", "tuples_per_clause: {value: 0"), "bad value"),
        (("tuples_per_clause: {value: 8", "tuples_per_clause: {value: many"), "bad value"),
        (
            ("threads_by_registers: {value: {64: 384}", "threads_by_registers: {value: 3"),
            "bad table",
        ),
        (('fused_pairs: {value: "shift+logic"', 'fused_pairs: {value: "shift"'), "bad pairs"),
        (("kind: documented", "kind: guessed"), "unknown kind"),
        (("source: [mesa_sched]", "source: [hearsay]"), "unknown source"),
        (("issue:\n", "issue:\n  colour: {value: 1}\n"), "unknown key"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(change, message):
    text = text_of("bifrost")
    assert change[0] in text
    with pytest.raises(DeviceError) as caught:
        parse_table(text.replace(*change, 1), "bifrost", "isa/bifrost.yaml")
    assert message in str(caught.value)
    assert "isa/bifrost.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_family_is_refused():
    with pytest.raises(DeviceError, match="no such family"):
        load_table("itanium")


def test_sequences_expand():
    units = UNITS["bifrost"]
    assert parse_sequence("F A*3", units, "here") == ("F", "A", "A", "A")
    assert parse_sequence("-", units, "here") == ()


@pytest.mark.parametrize("text", ["", " ", 5, None, "F*1001", "F*-1", "F*x", "F A Q"])
def test_bad_sequences_are_refused(text):
    with pytest.raises(DeviceError):
        parse_sequence(text, UNITS["bifrost"], "here")


def test_the_rules_of_the_hardware_page():
    """Figures of Mesa's Bifrost and Midgard schedulers, as the reference page states them."""
    bifrost, midgard = load_table("bifrost"), load_table("midgard")
    assert bifrost.rule("register_reads_per_tuple") == 3
    assert bifrost.rule("register_ports_per_tuple") == 4
    assert bifrost.rule("tuples_per_clause") == 8
    assert bifrost.rule("words_per_clause") == 13
    assert midgard.rule("threads_by_registers") == {4: 256, 8: 128, 16: 64}
    assert midgard.sequence("fma_exact") == ("LUT",)
    assert midgard.sequence("fma") == ("FMUL", "ADD")


def test_every_rule_and_class_is_read_by_the_code():
    folders = [CHECKOUT / "gpusim" / name for name in ("isa", "timing")]
    files = [path for folder in folders for path in folder.glob("*.py") if path.name != "table.py"]
    code = "".join(path.read_text() for path in files)
    for name in {*OPERATION_CLASSES, *(key for keys in ISSUE_KEYS.values() for key in keys)}:
        assert f'"{name}"' in code or f'="{name}"' in code, name
