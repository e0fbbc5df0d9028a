"""The page on the format names every file, table, column and manifest key that exists."""

import re

import pytest

from gpusim.trace import manifest, schema
from tests.conftest import CHECKOUT

PAGE = (CHECKOUT / "docs" / "trace-format.md").read_text()


def section(name):
    return re.search(rf"### {name}\n(.*?)(?=\n##)", PAGE, re.DOTALL)[1]


@pytest.mark.parametrize("table", schema.TABLES, ids=lambda table: table.name)
def test_every_column_is_described_in_its_section_and_no_other(table):
    rows = re.findall(r"^\| (`.*?) \|", section(table.name), re.MULTILINE)
    described = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(described) == sorted(column.name for column in table.columns)
    assert table.file in PAGE
    assert f"`{table.record}`" in PAGE


@pytest.mark.parametrize("table", schema.TABLES, ids=lambda table: table.name)
def test_vocabularies_are_listed(table):
    text = section(table.name)
    for column in table.columns:
        for choice in column.choices:
            assert f"`{choice}`" in text


def test_every_manifest_key_is_described():
    text = section("manifest.json")
    for key in manifest.KEYS - {"completeness"}:
        assert f"`{key}`" in text
    for key in manifest.COMPLETENESS:
        assert f"`completeness.{key}`" in text


def test_the_version_is_the_one_described():
    assert f"version {schema.VERSION[0]}.{schema.VERSION[1]}." in PAGE
    assert f"`{schema.FORMAT}`" in PAGE
