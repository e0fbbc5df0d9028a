import csv
import io
import json

import pytest

from gpusim.cli import app

SWEPT = ("resnet50", "--layer", "16", "--device", "mali-g72", "--library", "acl-gemm")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        app.main(["sweep", *arguments])
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def test_csv_starts_with_the_agreed_columns(capsys):
    code, out, err = run(capsys, *SWEPT, "--channels", "92,93,97", "--csv", "--processes", "1")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0])[:8] == [
        "device", "library", "network", "layer", "channels", "predicted_ms", "jobs", "launches",
    ]  # fmt: skip
    assert [row["channels"] for row in rows] == ["92", "93", "97"]
    assert [row["jobs"] for row in rows] == ["3", "2", "3"]


def test_table_json_picture_and_parquet(capsys, tmp_path):
    import pandas as pd

    picture, table = tmp_path / "stairs.png", tmp_path / "sweep.parquet"
    options = (*SWEPT, "--channels", "89:97", "--processes", "1")
    code, out, err = run(capsys, *options, "--plot", str(picture), "-o", str(table))
    assert (code, err) == (0, "")
    assert "job split" in out
    assert "best to prune to" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_parquet(table)) == 9
    code, out, _ = run(capsys, *options, "--json")
    answer = json.loads(out)
    (stairs,) = answer["stairs"]
    assert stairs["best_channels"] == [96, 97]
    assert {step["cause"] for step in stairs["steps"]} == {"job split"}


def test_several_layers_get_a_line_each(capsys):
    code, out, _ = run(
        capsys, "alexnet", "--layer", "6", "--layer", "8", "--channels", "60:64",
        "--device", "mali-t860", "--library", "acl-gemm", "--processes", "1",
    )  # fmt: skip
    assert code == 0
    assert "alexnet conv6, acl-gemm on mali-t860" in out
    assert "alexnet conv8, acl-gemm on mali-t860" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--channels", "5:2"), "--channels: not a range"),
        (("--channels", "a"), "--channels: not a number"),
        (("--layer", "99"), "no such convolution"),
        (("--local", "4x0"), "--local: not a size"),
        (("--clock-mhz", "fast"), "--clock-mhz: not a number"),
        (("--batch", "0"), "--batch: not a number"),
    ],
)
def test_bad_options_get_one_line(capsys, arguments, words):
    code, out, err = run(capsys, *SWEPT, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_no_time_at_all_is_an_error(capsys):
    code, _, err = run(
        capsys, *SWEPT[:-1], "clblast", "--layout", "nhwc", "--channels", "4", "--processes", "1"
    )
    assert code == 2
    assert "no point has a time" in err


def test_plans_take_a_tuning_log(capsys, tmp_path):
    log = tmp_path / "broken.log"
    log.write_text("{\n")
    for command in (
        ["plan", "resnet50", "--layer", "16"],
        ["predict", "alexnet"],
        ["sweep", "resnet50", "--layer", "16", "--channels", "8", "--processes", "1"],
    ):
        with pytest.raises(SystemExit):
            app.main(
                [*command, "--library", "tvm", "--device", "mali-t860", "--tuning-log", str(log)]
            )
        captured = capsys.readouterr()
        assert "broken.log:1: not an entry of an AutoTVM log" in captured.out + captured.err
