import json

import pytest

from gpusim.cli import app
from gpusim.resources import traces_dir

REDUCTION = str(traces_dir() / "reduction.gptrace")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        app.main(["replay", REDUCTION, "--device", "mali-g72", *arguments])
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def test_page_and_timeline_are_written(capsys, tmp_path):
    page, timeline = tmp_path / "r.html", tmp_path / "t.json"
    code, _, err = run(capsys, "--html", str(page), "--perfetto", str(timeline))
    assert (code, err) == (0, "")
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(timeline.read_text())["otherData"]["device"] == "mali-g72"


def test_a_page_is_of_one_device(capsys, tmp_path):
    page = tmp_path / "r.html"
    code, out, err = run(capsys, "--device", "mali-t860", "--html", str(page))
    assert (code, out) == (2, "")
    assert "--html" in err
    assert err.count("\n") == 1
    assert not page.exists()


def test_unwritable_page_is_one_line(capsys, tmp_path):
    code, _, err = run(capsys, "--html", str(tmp_path / "missing" / "r.html"))
    assert code == 2
    assert err.count("\n") == 1
    assert "r.html" in err


def test_all_fidelities_side_by_side(capsys):
    code, out, err = run(capsys, "--fidelity", "all", "--csv")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].startswith("device,fidelity,")
    assert [line.split(",")[1] for line in lines[1:]] == [
        fidelity for fidelity in ("analytic", "wave", "detailed") for _ in range(2)
    ]
    code, out, _ = run(capsys, "--fidelity", "all")
    assert code == 0
    assert "detailed to wave" in out


def test_clock_schedule_flushing_and_a_cold_start(capsys):
    totals = []
    for options in ([], ["--cold"], ["--clock", "400MHz"], ["--clock", "0ms:400MHz,1us:767MHz"]):
        code, out, _ = run(capsys, "--json", *options)
        assert code == 0
        totals.append(json.loads(out)["total_ms"])
    warm, cold, slow, faster = totals
    assert cold > warm
    # The second clock is there before the first job.
    assert slow > faster == warm


@pytest.mark.parametrize("options", [["--clock", "fast"], ["--flush-policy", "caffe"]])
def test_unknown_choices_are_one_line(capsys, options):
    code, out, err = run(capsys, *options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
