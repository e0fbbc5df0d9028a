"""Ids, paths, views, and what each fault of a model file says."""

import pytest

from gpusim.device import Kind, list_devices, load_device
from gpusim.device.schema import FIGURES
from gpusim.device.spec import SECTIONS
from gpusim.errors import DeviceError


def test_schema_and_spec_name_the_same_figures():
    from dataclasses import fields

    assert list(FIGURES) == list(SECTIONS)
    for section, cls in SECTIONS.items():
        assert set(FIGURES[section]) == {field.name for field in fields(cls)}


def test_values_are_canonical_and_keep_what_the_file_says():
    clock = load_device("jetson-nano").core.clock_khz
    assert clock.value == 921_600
    assert type(clock.value) is int
    assert (clock.given, clock.unit) == (921.6, "MHz")
    assert clock.kind is Kind.MEASURED
    assert clock.file == "jetson-nano.yaml"
    assert load_device("mali-g72").core.fma_per_lane.file == "family/bifrost.yaml"


def test_an_unknown_id_lists_close_and_known_ones():
    with pytest.raises(DeviceError) as error:
        load_device("Mali-G27")
    text = str(error.value)
    assert "mali-g72" in text.split("known:")[0]
    assert all(name in text for name in list_devices())
    assert "\n" not in text
