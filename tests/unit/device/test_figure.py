"""One figure: exact conversion, and what each fault of its node says."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpusim.device.figure import canonical_unit, read_figure
from gpusim.device.quantity import Kind
from gpusim.device.schema import FIGURES
from gpusim.errors import DeviceError
from gpusim.units import UNITS

SIZE = FIGURES["l2"]["size_bytes"]
CLOCK = FIGURES["core"]["clock_khz"]
TIME = FIGURES["host"]["enqueue_ps"]
SHARE = FIGURES["dram"]["efficiency"]
TABLE = FIGURES["core"]["max_threads"]
POLICY = FIGURES["policy"]["job_split"]
GOOD = {"value": 256, "unit": "KiB", "source": "log", "kind": "measured"}


def read(rule=SIZE, **changes):
    node = {key: value for key, value in (GOOD | changes).items() if value is not ...}
    return read_figure(node, "l2.size_bytes", rule, "m.yaml")


def refused(rule=SIZE, **changes):
    with pytest.raises(DeviceError) as error:
        read(rule, **changes)
    text = str(error.value)
    assert text.startswith("m.yaml: l2.size_bytes: ")
    assert len(text.splitlines()) == 1
    return text


def test_a_good_figure_keeps_its_evidence():
    quantity = read(source=["log", "guide"], note="two\n lines", kind="reverse-engineered")
    assert quantity.value == 256 * 1024
    assert quantity.given == 256
    assert quantity.source == ("log", "guide")
    assert quantity.kind is Kind.REVERSE_ENGINEERED
    assert quantity.note == "two lines"
    assert (quantity.path, quantity.file) == ("l2.size_bytes", "m.yaml")


@pytest.mark.parametrize("key", ["value", "unit", "source", "kind"])
def test_a_missing_key_is_named(key):
    for text in (refused(**{key: ...}), refused(**{key: None})):
        assert f"missing '{key}'" in text
        assert "expected value, unit, source, kind" in text
        assert "found " in text


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"nota": "x"}, ["unknown key 'nota'", "did you mean 'note'"]),
        ({"unit": "KiBs"}, ["unknown unit", "did you mean 'KiB'"]),
        ({"unit": "us"}, ["wrong dimension", "us (time)"]),
        ({"unit": ["KiB"]}, ["unknown unit"]),
        ({"kind": "messured"}, ["unknown kind", "did you mean 'measured'"]),
        ({"kind": True}, ["unknown kind"]),
        ({"source": []}, ["bad source"]),
        ({"source": ["a", 3]}, ["bad source"]),
        ({"source": {"a": 1}}, ["bad source"]),
        ({"note": 3}, ["'note' is not text"]),
        ({"value": "256"}, ["not a number"]),
        ({"value": True}, ["not a number"]),
        ({"value": [256]}, ["not a number"]),
        ({"value": -1}, ["impossible value", "-1 KiB"]),
        ({"value": 0}, ["impossible value"]),
        ({"value": 10**30}, ["impossible value"]),
        ({"value": 0.0001}, ["not a whole number of B"]),
        ({"kind": "fitted"}, ["calibration", "kind fitted without"]),
        ({"calibration": "run 1"}, ["calibration", "kind measured with"]),
    ],
)
def test_each_fault_says_what_was_expected(changes, fragments):
    text = refused(**changes)
    assert all(fragment in text for fragment in fragments), text


@pytest.mark.parametrize("node", [None, 3, "x", [], ["value"]])
def test_what_is_no_figure_is_refused(node):
    with pytest.raises(DeviceError, match="not a figure"):
        read_figure(node, "l2.size_bytes", SIZE, "m.yaml")


def test_a_fitted_figure_carries_its_calibration_record():
    quantity = read(kind="fitted", calibration="calibrations/2025-01-01.json")
    assert quantity.kind is Kind.FITTED
    assert quantity.calibration == "calibrations/2025-01-01.json"


@pytest.mark.parametrize(
    ("rule", "unit", "value"),
    [
        (CLOCK, "MHz", 0),
        (CLOCK, "MHz", -600),
        (CLOCK, "GHz", 11),
        (SHARE, "fraction", 1.01),
        (SHARE, "fraction", 0),
        (SHARE, "fraction", -0.5),
        (TIME, "us", -1),
        (FIGURES["core"]["n_shader_cores"], "count", 0),
        (FIGURES["core"]["n_shader_cores"], "count", 1.5),
        (FIGURES["l2"]["line_bytes"], "B", 48),
        (FIGURES["core"]["thread_create_per_cycle"], "op/cycle", 0),
    ],
)
def test_physically_impossible_values_are_refused(rule, unit, value):
    refused(rule, unit=unit, value=value)


@pytest.mark.parametrize(
    ("rule", "unit", "value", "canonical"),
    [
        (CLOCK, "MHz", 921.6, 921_600),
        (CLOCK, "GHz", 1.3005, 1_300_500),
        (TIME, "us", 12.197493, 12_197_493),
        (TIME, "ns", 0.3, 300),
        (FIGURES["dram"]["peak_bytes_per_s"], "GB/s", 14.9, 14_900_000_000),
        (SIZE, "MiB", 1, 1 << 20),
    ],
)
def test_conversion_is_exact_where_binary_floats_are_not(rule, unit, value, canonical):
    found = read(rule, unit=unit, value=value).value
    assert found == canonical
    assert type(found) is int


@given(st.integers(1, 10**7), st.integers(0, 6))
def test_decimals_of_a_time_convert_without_rounding(digits, places):
    given_us = digits / 10**places
    exact = Fraction(digits, 10**places) * 10**6
    quantity = read(TIME, unit="us", value=given_us)
    assert quantity.value == exact


def test_a_table_is_sorted_and_must_fall():
    table = read(TABLE, unit="table", value={16: 64, 4: 256, 8: 128}).value
    assert list(table.items()) == [(4, 256), (8, 128), (16, 64)]
    assert "more threads with more registers" in refused(
        TABLE, unit="table", value={4: 128, 8: 256}
    )
    for bad in ({}, [], 5, {"4": 256}, {4: 0}, {0: 4}, {4: 2.5}, {4: True}, {2000: 4}):
        refused(TABLE, unit="table", value=bad)


def test_a_word_is_one_of_the_known():
    assert read(POLICY, unit="text", value="none").value == "none"
    assert "did you mean 'uniform_and_remainder'" in refused(
        POLICY, unit="text", value="uniform_and_remainders"
    )
    refused(POLICY, unit="text", value=3)


def test_every_dimension_of_the_schema_has_units_and_one_canonical():
    for rules in FIGURES.values():
        for rule in rules.values():
            assert UNITS[canonical_unit(rule.dimension)] == (rule.dimension, 1)
            assert rule.low <= rule.high
            assert not math.isnan(rule.high)
