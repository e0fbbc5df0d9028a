"""No cost of a golden kernel changes unnoticed; origin of the values: see `isa_costs.py`."""

import json

from gpusim.isa import ISAS
from tests.golden.isa_costs import SNAPSHOT, costs


def test_costs_are_those_of_the_snapshot():
    expected = json.loads(SNAPSHOT.read_text())
    found = costs()
    assert set(found) == set(expected)
    for name, row in found.items():
        assert row == expected[name], name


def test_the_snapshot_covers_every_family():
    for name, row in json.loads(SNAPSHOT.read_text()).items():
        assert tuple(row) == ISAS, name
