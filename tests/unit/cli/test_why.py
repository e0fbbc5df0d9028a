import json
from pathlib import Path

import pytest

from gpusim.cli import app
from gpusim.cli.why import launch_reference
from gpusim.resources import traces_dir

REDUCTION = str(traces_dir() / "reduction.gptrace")
COMPARED = (f"{REDUCTION}#0", f"{REDUCTION}#1", "--device", "mali-g72", "--fidelity", "analytic")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        app.main(["why", *arguments])
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def test_launch_references(tmp_path):
    assert launch_reference("a.gptrace#3") == (Path("a.gptrace"), 3)
    assert launch_reference("a#b.gptrace") == (Path("a#b.gptrace"), None)
    odd = tmp_path / "trace#7"
    odd.mkdir()
    assert launch_reference(str(odd)) == (odd, None)


def test_json_is_one_object(capsys):
    code, out, err = run(capsys, *COMPARED, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    parts = sum(row["contribution_ps"] for row in answer["mechanisms"])
    assert parts + answer["remainder_ps"] == answer["difference_ps"]
    assert answer["a"]["launch"] == 0
    assert answer["launches"][0]["a"]["jobs"][0]["work_groups"] == 64


def test_words_and_table(capsys):
    code, out, err = run(capsys, *COMPARED)
    assert (code, err) == (0, "")
    assert out.startswith("reduction.gptrace#1 on mali-g72 takes")
    assert "part of B - A" in out


def test_bad_input_is_one_line(capsys):
    code, out, err = run(capsys, f"{REDUCTION}#0", REDUCTION, "--device", "mali-g72")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "expected both or neither, found A#0" in err
