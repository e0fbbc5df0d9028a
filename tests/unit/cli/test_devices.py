"""``gpusim devices`` and ``gpusim device``: what they print, as text, CSV and JSON."""

import csv
import io
import json

import pytest

from gpusim.cli.app import main
from gpusim.device import list_devices, load_device


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_every_model_is_one_row_of_each_form(capsys):
    code, text, _ = run(capsys, "devices")
    assert code == 0
    _, table, _ = run(capsys, "devices", "--csv")
    rows = list(csv.DictReader(io.StringIO(table)))
    _, payload, _ = run(capsys, "devices", "--json")
    objects = json.loads(payload)["devices"]
    assert [row["id"] for row in rows] == [row["id"] for row in objects] == list_devices()
    assert all(name in text for name in list_devices())


def test_counts_by_kind_add_up_to_all_figures(capsys):
    _, payload, _ = run(capsys, "devices", "--json")
    for row in json.loads(payload)["devices"]:
        assert sum(row["figures"].values()) == len(load_device(row["id"]).figures())


def test_json_of_a_device_gives_value_evidence_and_citation(capsys):
    code, payload, _ = run(capsys, "device", "mali-t628:mp2", "--json")
    shown = json.loads(payload)
    clock = shown["figures"]["core.clock_khz"]
    assert code == 0
    assert (clock["value"], clock["unit"]) == (600_000, "kHz")
    assert (clock["given"], clock["given_unit"], clock["kind"]) == (600, "MHz", "measured")
    assert all(key in shown["sources"] for key in clock["source"])
    assert (shown["gpu"], shown["view"]) == ("mali-t628", "mp2")
    # JSON has no integer keys: a table's keys become text.
    assert shown["figures"]["core.max_threads"]["value"] == {"4": 256, "8": 128, "16": 64}


def test_text_of_a_device_shows_each_figure_and_each_citation(capsys):
    _, text, _ = run(capsys, "device", "mali-g72")
    spec = load_device("mali-g72")
    assert all(path in text for path in spec.figures())
    assert all(citation in text for citation in spec.sources.values())


def test_an_unknown_device_is_one_line_and_exit_code_2(capsys):
    code, out, err = run(capsys, "device", "mali-g27")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "mali-g72" in err
