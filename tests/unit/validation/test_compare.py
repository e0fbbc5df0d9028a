import json
from dataclasses import replace

import pandas as pd
import pytest

from gpusim.cli.app import main
from gpusim.errors import GpusimError, TraceError
from gpusim.library.hand import element_type, plan_copy
from gpusim.trace.records import DeviceTimes
from gpusim.validation.compare import compare_tables, parse_share
from gpusim.validation.compare_trace import compare_trace
from gpusim.validation.tables import read_time_table

COPY = plan_copy(1 << 14, element_type("float4"), (64, 1, 1)).trace


def write(path, text):
    path.write_text(text)
    return path


@pytest.fixture
def tables(tmp_path):
    ours = write(
        tmp_path / "ours.csv",
        "launch,kernel,predicted_ms\n0,a,1.1\n1,b,1.8\n2,c,5\n9,never measured,1\n",
    )
    truth = write(
        tmp_path / "truth.csv", "index,kernel,measured_us\n0,a,1000\n1,b,2000\n2,c,4000\n3,d,7\n"
    )
    return ours, truth


def test_tables_join_on_launch_and_units_are_converted(tables):
    result = compare_tables(*tables)
    errors = {pair.label: pair.error for pair in result.pairs}
    assert errors == {
        "0": pytest.approx(0.1), "1": pytest.approx(-0.1), "2": pytest.approx(0.25), "3": None,
    }  # fmt: skip
    assert (result.summary.n, result.summary.n_tried) == (3, 4)
    assert result.summary.mape == pytest.approx(0.15)
    text = " ".join(result.mapping)
    assert "predicted_ms" in text
    assert "in us" in text
    assert "1 simulated rows were not measured" in text


def test_rows_join_on_kernel_and_sizes_and_repeats_are_averaged(tmp_path):
    ours = write(tmp_path / "a.csv", "kernel,global,local,simulated_ms\nk,4x1x1,NULL,3\n")
    truth = write(
        tmp_path / "b.csv",
        'kernel,global_size,local_size,value,unit\nk,"4, 1, 1",driver,2,ms\nk,"4,1,1",,4000,us\n',
    )
    (pair,) = compare_tables(ours, truth).pairs
    assert (pair.measured_ms, pair.simulated_ms) == (pytest.approx(3), 3)


def test_parquet(tmp_path, tables):
    path = tmp_path / "ours.parquet"
    pd.read_csv(tables[0]).to_parquet(path)
    assert compare_tables(path, tables[1]).summary == compare_tables(*tables).summary


def test_a_table_with_both_columns_gives_each_side_its_own(tmp_path):
    path = write(tmp_path / "t.csv", "id,measured_ms,simulated_ms\n1,2,3\n")
    assert read_time_table(path, prefer="simulated").times_ms == (3,)
    assert read_time_table(path, prefer="measured").times_ms == (2,)
    assert compare_tables(path, path).summary.mape == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("ours", "truth", "message"),
    [
        ("launch,x\n0,1\n", "launch,time_ms\n0,1\n", "no column of times"),
        ("launch,time_ms\n", "launch,time_ms\n0,1\n", "no rows"),
        ("launch,time_ms\n0,fast\n", "launch,time_ms\n0,1\n", "row 1: time_ms: not a number"),
        ("a,time_ms\n0,1\n", "launch,time_ms\n0,1\n", "no keys in common"),
        ("launch,time_ms\n5,1\n", "launch,time_ms\n0,1\n", "no row matches"),
        ("launch,time_ms\n0,1\n", "launch,time_ms\n0,0\n", "not positive"),
        ("kernel,value,unit\nk,1,GBPS\n", "kernel,time_ms\nk,1\n", "not a unit of time"),
    ],
)
def test_bad_tables(tmp_path, ours, truth, message):
    with pytest.raises(TraceError, match=message) as caught:
        compare_tables(write(tmp_path / "a.csv", ours), write(tmp_path / "b.csv", truth))
    assert "\n" not in str(caught.value)


def on_board(trace, ns, **manifest):
    launch = replace(trace.launches[0], times=DeviceTimes(start_ns=100, end_ns=100 + ns))
    return replace(trace, launches=(launch,), manifest=dict(manifest))


def test_a_trace_against_its_own_times():
    result = compare_trace(on_board(COPY, 50_000), "mali-t860")
    assert result.pairs[0].measured_ms == pytest.approx(0.05)
    assert result.pairs[0].simulated_ms > 0


def test_times_of_another_device_are_refused():
    with pytest.raises(TraceError, match="impersonated"):
        compare_trace(on_board(COPY, 50_000, impersonated=True), "mali-t860")
    with pytest.raises(TraceError, match=r"no START\.\.END times"):
        compare_trace(COPY, "mali-t860")


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0.1", 0.1), (" 2.5 %", 0.025)])
def test_shares(text, share):
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "ten", "-1%", "nan", "10%%"])
def test_no_shares(text):
    with pytest.raises(GpusimError, match="--fail-above"):
        parse_share(text)


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, arguments)])
    return ended.value.code


def test_the_command_prints_one_json_object(tables, capsys):
    assert run(*tables, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["coverage"] == 0.75
    assert document["mape"] == pytest.approx(0.15)
    assert len(document["pairs"]) == 4


def test_the_command_fails_above_a_limit_or_on_missing_rows(tables, tmp_path, capsys):
    assert run(*tables, "--fail-above", "90%") == 1
    assert "1 measured rows have no simulated time" in capsys.readouterr().err
    whole = write(tmp_path / "t.csv", "launch,measured_ms\n0,1\n1,2\n2,4\n")
    assert run(tables[0], whole, "--fail-above", "16%") == 0
    assert run(tables[0], whole, "--fail-above", "14%") == 1
    assert "MAPE 15.0% is above 14.0%" in capsys.readouterr().err


def test_the_command_writes_plot_and_page(tables, tmp_path, capsys):
    plot, page = tmp_path / "p.png", tmp_path / "p.html"
    assert run(*tables, "--plot", plot, "--html", page) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    assert "<td>1.1</td>" in text
    assert "http" not in text.replace("https://www.w3.org", "")
    assert "MAPE" in capsys.readouterr().out


def test_the_command_says_what_is_missing(tables, capsys):
    assert run(tables[0]) == 2
    assert "expected a second table" in capsys.readouterr().err
    assert run(*tables, "--device", "mali-t860") == 2
    assert "--device belongs to a trace" in capsys.readouterr().err
