"""The gallery tool: it finds scripts, survives those that fail, and writes what they returned."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

ANALYSIS = Path(__file__).parents[3] / "analysis"
SCRIPT = '''"""RADU Fig. 9: {title}."""
import agreement
NOTE = """
Why it
differs.
"""
def main():
    {body}
'''
ROWS = (
    'return {"rows": [agreement.number("time", 4.0, 5.0, unit="ms"),'
    ' agreement.number("fit", 2.0, 2.0, calibrated=True),'
    ' agreement.claim("slower", False), agreement.claim("kept", True)]}'
)


@pytest.fixture(scope="module")
def gallery():
    sys.path.insert(0, str(ANALYSIS))
    yield importlib.import_module("gallery")
    sys.path.remove(str(ANALYSIS))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "agreement.py").write_text((ANALYSIS / "agreement.py").read_text())
    return tmp_path


def write(folder, name, body, title="a curve"):
    path = folder / f"{name}.py"
    path.write_text(SCRIPT.format(title=title, body=body))
    return path


def test_scripts_are_found_in_the_order_of_papers_and_numbers(gallery, folder):
    for name in ("turner_fig4", "radu_fig10", "radu_fig2", "other_fig1", "radufig"):
        write(folder, name, ROWS)
    (folder / "radu_helper.py").write_text("def draw(): ...\n")
    names = [path.stem for path in gallery.discover(folder)]
    assert names == ["radu_fig2", "radu_fig10", "turner_fig4"]


def test_a_script_gives_rows_title_and_note(gallery, folder):
    item = gallery.run_item(write(folder, "radu_fig9", ROWS))
    assert item.failure == ""
    assert item.title == "RADU Fig. 9: a curve."
    assert item.note == "Why it differs."
    assert item.rows[0]["error"] == pytest.approx(0.25)


def test_a_script_that_raises_costs_its_own_place_only(gallery, folder):
    item = gallery.run_item(write(folder, "radu_fig9", 'raise ValueError("no such layer")'))
    assert item.rows == ()
    assert "no such layer" in item.failure
    assert "no such layer" in gallery.markdown([item])


def test_a_script_that_hangs_is_stopped(gallery, folder):
    script = write(folder, "radu_fig9", "import time; time.sleep(600)")
    assert gallery.run_item(script, limit_s=1).failure == "not done within 1 s"


def test_fitted_values_and_claims_are_counted_apart(gallery, folder):
    item = gallery.run_item(write(folder, "radu_fig9", ROWS))
    assert gallery.summary([item]) == (
        "1 items. Of 1 published numbers that nothing was fitted to, 0 are met within 10 %; "
        "of 2 stated directions, 1 hold."
    )


def test_the_page_names_errors_and_failed_directions(gallery, folder):
    item = gallery.run_item(write(folder, "radu_fig9", ROWS))
    text = gallery.markdown([item])
    assert "| time | 4 ms | 5 ms | +25.0% |" in text
    assert "| fit | 2 | 2 | +0.0% fitted |" in text
    assert "| slower | stated | does not hold | fails |" in text
    assert "../docs/images/gallery/radu_fig9.png" in text


def test_the_html_page_stands_alone(gallery, folder):
    item = gallery.run_item(write(folder, "radu_fig9", ROWS, title="a < b"))
    (folder / "radu_fig9.png").write_bytes(b"\x89PNG")
    text = gallery.page([item], folder)
    assert "data:image/png;base64,iVBORw==" in text
    assert "a &lt; b" in text
    assert not re.search(r'(src|href)=(?!"data:)', text)


def test_every_script_of_the_gallery_names_its_item(gallery):
    scripts = gallery.discover(ANALYSIS)
    stems = {script.stem for script in scripts}
    assert {f"radu_fig{n}" for n in (1, 3, *range(10, 21))} <= stems
    assert {f"radu_table{n}" for n in range(1, 6)} <= stems
    for script in scripts:
        title, note = gallery.describe(script)
        assert ":" in title, script.stem
        assert note, script.stem


def test_the_committed_page_shows_every_picture_that_exists():
    text = (ANALYSIS / "README.md").read_text()
    pictures = {path.stem for path in (ANALYSIS.parent / "docs/images/gallery").glob("*.png")}
    shown = set(re.findall(r"images/gallery/(\w+)\.png", text))
    assert shown <= pictures
    assert {"radu_fig1", "radu_fig14", "radu_table1"} <= shown


def test_pictures_are_small():
    for path in (ANALYSIS.parent / "docs/images/gallery").glob("*.png"):
        assert path.stat().st_size <= 120 * 1024, path.name


def test_rows_survive_the_trip_through_json(gallery, folder):
    item = gallery.run_item(write(folder, "radu_fig9", ROWS))
    assert json.loads(json.dumps(item.rows)) == list(item.rows)
