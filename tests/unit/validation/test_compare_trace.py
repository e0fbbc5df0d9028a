"""A trace against a table of times that were measured elsewhere."""

import json
from dataclasses import replace

import pytest

from gpusim.cli.app import main
from gpusim.errors import TraceError
from gpusim.library.hand import element_type, plan_copy
from gpusim.pipeline import replay
from gpusim.trace.writer import write_trace
from gpusim.validation.compare import Pair
from gpusim.validation.compare_trace import compare_trace_table
from gpusim.validation.residuals import features_of_sizes, residuals, work_group_range

COPY = plan_copy(1 << 14, element_type("float4"), (64, 1, 1)).trace
ONE = COPY.launches[0]
TRACE = replace(
    COPY,
    launches=(
        ONE,
        replace(ONE, index=1, seq=1, local_size=(16, 1, 1)),
        replace(ONE, index=2, seq=2),
        replace(ONE, index=3, seq=3, kernel="absent"),
    ),
)
DEVICE = "mali-t860"
HEADER = "device,kernel,params,global_size,local_size,metric,value,unit,source\n"


@pytest.fixture(scope="module")
def simulated_ms():
    report = replay(TRACE, DEVICE, fidelity="analytic")
    return {row.index: row.predicted_ps / 1e9 for row in report.launches}


def table(tmp_path, text, name="m.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def compare(path):
    return compare_trace_table(TRACE, DEVICE, path, fidelity="analytic")


def row(launch, value, *, device="Mali-T860", kernel="copy_elements", local="64, 1, 1", unit="us"):
    params = "{}" if launch is None else f'{{""launch"": {launch}}}'
    return f'{device},{kernel},"{params}","4096, 1, 1","{local}",t,{value},{unit},x\n'


def test_rows_that_name_their_launch(tmp_path, simulated_ms):
    text = HEADER + row(0, 100) + row(0, 300) + row(1, 50, local="16, 1, 1")
    text += row(3, 10, kernel="absent") + row(9, 1) + row(0, 1, device="Adreno 530") + row(2, "")
    result = compare(table(tmp_path, text))
    pairs = {pair.label: pair for pair in result.pairs}
    assert pairs["0 copy_elements"].measured_ms == pytest.approx(0.2)
    assert pairs["0 copy_elements"].simulated_ms == pytest.approx(simulated_ms[0])
    assert pairs["1 copy_elements"].simulated_ms == pytest.approx(simulated_ms[1])
    # A launch that can't be simulated counts against the coverage.
    assert pairs["3 absent"].simulated_ms is None
    assert (result.summary.n, result.summary.n_tried) == (2, 3)
    notes = "; ".join(result.mapping)
    assert "joined on launch" in notes
    assert "1 rows of other devices left out: Adreno 530" in notes
    assert "1 rows without a time left out" in notes
    assert "1 rows belong to no launch of the trace" in notes
    assert pairs["1 copy_elements"].features == {
        "kernel": "copy_elements", "dtype": "no floating point", "local": "16,1,1",
        "bound": pairs["1 copy_elements"].features["bound"], "work_groups": "256 to 1023",
    }  # fmt: skip


def test_rows_without_launch_join_on_kernel_and_sizes(tmp_path, simulated_ms):
    text = HEADER + row(None, 100) + row(None, 50, local="16") + row(None, 7, local="1, 1, 1")
    result = compare(table(tmp_path, text))
    pairs = {pair.label: pair for pair in result.pairs}
    mean = (simulated_ms[0] + simulated_ms[2]) / 2
    assert pairs["copy_elements 4096,1,1 64,1,1"].simulated_ms == pytest.approx(mean)
    assert pairs["copy_elements 4096,1,1 16,1,1"].simulated_ms == pytest.approx(simulated_ms[1])
    assert "joined on kernel, global, local" in result.mapping
    assert "1 rows belong to no launch of the trace" in result.mapping


def test_a_table_of_another_tool(tmp_path):
    text = (
        "Start (ns),Duration (ns),CorrId,GrdX,GrdY,GrdZ,BlkX,BlkY,BlkZ,Reg/Trd,Device,Name\n"
        "1,5000,2,64,1,1,64,1,1,32,Mali-T860 (0),copy_elements(float4 *)\n"
        "9,4000,3,256,1,1,16,1,1,32,Mali-T860 (0),copy_elements(float4 *)\n"
    )
    result = compare(table(tmp_path, text))
    assert [pair.measured_ms for pair in result.pairs] == [0.005, 0.004]
    assert any("read as nsys GPU trace" in line for line in result.mapping)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + row(0, 1, kernel="other"), "row 1: launch 0: another kernel than in the trace"),
        (HEADER + row(None, 1, kernel="other"), "no row matches hand/copy|no row matches copy.cl"),
        (HEADER + row(0, 1, device="Adreno 530"), "no row of this device"),
        (HEADER + row(0, 0), "row 1: time not positive"),
        (HEADER + row(0, 1, unit="GBPS"), "not a unit of time"),
        (HEADER + row(0, 1, unit="parsec"), "not a unit of time"),
        ("a,time_ms\n1,2\n", "no keys"),
        ("launch,time_ms\n77,2\n", "no row matches"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, text, message):
    with pytest.raises(TraceError, match=message) as caught:
        compare(table(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_rows_of_rates_are_left_out(tmp_path):
    result = compare(table(tmp_path, HEADER + row(0, 1) + row(1, 5, unit="GBPS", local="16")))
    assert len(result.pairs) == 1
    assert any("1 rows of rates left out" in line for line in result.mapping)


def pair(measured, simulated, **features):
    return Pair(label="x", measured_ms=measured, simulated_ms=simulated, features=features)


def test_residuals_group_by_every_feature_that_varies():
    found = residuals(
        [
            pair(1, 2, kernel="a", dtype="f32", work_groups="16 to 63"),
            pair(1, 0.5, kernel="a", dtype="f32", work_groups="4 to 15"),
            pair(4, 4, kernel="b", dtype="f32", work_groups="16 to 63"),
            pair(4, None, kernel="c", dtype="f16"),
        ]
    )
    assert [(one.feature, one.value, one.n) for one in found] == [
        ("kernel", "a", 2), ("kernel", "b", 1),
        ("work_groups", "4 to 15", 1), ("work_groups", "16 to 63", 2),
    ]  # fmt: skip
    a = found[0]
    assert a.errors == (1, -0.5)
    assert a.bias == pytest.approx(0)
    assert a.mape == pytest.approx(0.75)


def test_ranges_of_work_groups():
    assert [work_group_range(n) for n in (1, 3, 4, 63, 64, 4095, 4096, 10**9)] == [
        "1 to 3", "1 to 3", "4 to 15", "16 to 63", "64 to 255", "1024 to 4095",
        "4096 and more", "4096 and more",
    ]  # fmt: skip
    assert features_of_sizes("64,32", "8,5") == {"local": "8,5", "work_groups": "16 to 63"}
    assert features_of_sizes("64", "") == {"local": "driver"}
    assert features_of_sizes("64,1", "x,1") == {"local": "x,1"}


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, arguments)])
    return ended.value.code


def test_the_command(tmp_path, capsys):
    trace = tmp_path / "t.gptrace"
    write_trace(replace(TRACE, launches=TRACE.launches[:3]), trace)
    text = HEADER + row(0, 100) + row(1, 50, local="16, 1, 1") + row(2, 90)
    measured = table(tmp_path, text)
    page, plot = tmp_path / "p.html", tmp_path / "p.png"
    arguments = (trace, measured, "--device", DEVICE, "--fidelity", "analytic")
    assert run(*arguments, "--html", page, "--plot", plot) == 0
    out = capsys.readouterr().out
    assert "Errors by feature" in out
    assert "coverage 100.0%" in out
    html = page.read_text()
    assert "<h2>Errors by feature</h2>" in html
    assert "<td>local</td><td>16,1,1</td>" in html
    assert "http" not in html
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert run(*arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert {one["feature"] for one in document["residuals"]} >= {"local", "work_groups"}
    assert run(*arguments, "--csv") == 0
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header.endswith("kernel,dtype,local,bound,work_groups")
    assert "copy_elements" in first
    assert run(*arguments, "--fail-above", "0%") == 1
    assert "is above" in capsys.readouterr().err
