import json
from dataclasses import replace

import pandas as pd
import pytest

from gpusim.errors import OutputError
from gpusim.pipeline import replay
from gpusim.report import (
    LAUNCH_COLUMNS,
    job_frame,
    launch_rows,
    long_table,
    plot_replays,
    write_perfetto,
    write_tables,
)
from tests.traces import saxpy_trace


@pytest.fixture(scope="module")
def report():
    return replay(saxpy_trace(n=1003, kernels=("saxpy", "saxpy")), "mali-g72")


def test_uneven_launch_becomes_two_jobs(report):
    first = report.launches[0]
    assert [job.global_size for job in first.jobs] == [(960, 1, 1), (43, 1, 1)]
    assert [job.local_size for job in first.jobs] == [(64, 1, 1), (43, 1, 1)]
    assert [job.work_groups for job in first.jobs] == [15, 1]


def test_memory_instructions_by_hand(report):
    """saxpy: two loads and one store per work-item."""
    for launch in report.launches:
        assert sum(job.memory_instructions for job in launch.jobs) == 3 * 1003


def test_times_are_ordered(report):
    for launch in report.launches:
        for job in launch.jobs:
            assert 0 <= job.start_ps < job.end_ps <= report.total_ps
    assert report.launches[0].predicted_ps > 0


def test_launch_rows_match_columns(report):
    rows = launch_rows(report)
    assert all(len(row) == len(LAUNCH_COLUMNS) for row in rows)
    assert rows[0][4] == "2 (960x1x1 + 43x1x1)"


def test_long_table_holds_every_figure_once(report):
    frame = long_table(report)
    assert not frame.duplicated(["path", "metric"]).any()
    total = frame[(frame.path == "replay") & (frame.metric == "total")]
    assert total.value.item() == report.total_ps
    for name, value in report.counters.items():
        assert frame[(frame.path == "gpu") & (frame.metric == name)].value.item() == value


def test_tables_round_trip(report, tmp_path):
    paths = [tmp_path / "t.csv", tmp_path / "t.parquet"]
    write_tables(report, paths)
    pd.testing.assert_frame_equal(pd.read_csv(paths[0]), pd.read_parquet(paths[1]))
    assert len(job_frame(report)) == 4


def test_unknown_table_format_is_refused_before_anything_is_written(report, tmp_path):
    good = tmp_path / "t.csv"
    with pytest.raises(OutputError, match=r"expected \.csv or \.parquet, found \.xlsx"):
        write_tables(report, [good, tmp_path / "t.xlsx"])
    assert not good.exists()


def test_unwritable_paths_are_one_line(report, tmp_path):
    nowhere = tmp_path / "missing" / "t.csv"
    with pytest.raises(OutputError, match=r"t\.csv"):
        write_tables(report, [nowhere])
    with pytest.raises(OutputError, match=r"t\.json"):
        write_perfetto(report, nowhere.with_suffix(".json"))
    with pytest.raises(OutputError, match=r"t\.png"):
        plot_replays([report], nowhere.with_suffix(".png"), title="t")


def test_equal_replays_give_equal_bytes(tmp_path):
    documents = []
    for name in ("a", "b"):
        again = replay(saxpy_trace(n=1003, kernels=("saxpy", "saxpy")), "mali-g72")
        write_perfetto(again, tmp_path / f"{name}.json")
        plot_replays([again], tmp_path / f"{name}.png", title="t")
        files = [(tmp_path / f"{name}{suffix}").read_bytes() for suffix in (".json", ".png")]
        documents.append((json.dumps(again.as_json()), *files))
    assert documents[0] == documents[1]


def test_a_failing_launch_costs_only_itself():
    result = replay(saxpy_trace(kernels=("saxpy", "out_of_bounds", "saxpy")), "mali-g72")
    assert [row.index for row in result.launches] == [0, 2]
    (failure,) = result.failures
    assert failure.launch == 1
    assert "out_of_bounds" in failure.reason
    assert "\n" not in failure.reason


def test_joined_regions_are_no_jobs():
    """A Jetson runs an uneven launch as one grid; its report has two regions, one job."""
    result = replay(saxpy_trace(n=1003), "jetson-tx2")
    (row,) = result.launches
    assert [job.joined for job in row.jobs] == [False, True]
    assert row.n_jobs == 1
    assert launch_rows(result)[0][4] == "1"
    assert row.jobs[0].totals["work_groups"] == 16
    assert row.jobs[1].totals["work_groups"] == 0


def test_float_operations_by_hand(report):
    """saxpy: one multiply-add per work-item."""
    for launch in report.launches:
        assert sum(job.float_operations[32] for job in launch.jobs) == 2 * 1003


def test_figures_come_with_value_and_source(report):
    assert [row.path for row in report.figures] == list(report.fitted_and_assumed)
    clock = next(row for row in report.figures if row.path == "core.clock_khz")
    assert (clock.value, clock.unit, clock.kind) == ("767", "MHz", "assumed")
    assert all(row.value and row.source for row in report.figures)


def test_peaks_by_hand(report):
    """Mali-G72 MP12 at 767 MHz: 12 cores x 3 engines x 4 lanes, a multiply-add each."""
    assert report.hardware.flops == 2 * 12 * 3 * 4 * 767_000_000
    assert report.hardware.issue_per_s == 12 * 3 * 767_000_000


def test_totals_are_those_of_the_counters(report):
    jobs = [job for row in report.launches for job in row.jobs]
    assert sum(job.totals["tasks"] for job in jobs) == report.counters["JS1_TASKS"]
    assert sum(job.totals["warps"] for job in jobs) == report.counters["COMPUTE_WARPS"]


def test_plot_takes_any_name_and_many_launches(report, tmp_path):
    names = ["$x^", "_Z3foo", "\u4e2d", "<b>", *(f"kernel_{k}" for k in range(40))]
    rows = tuple(replace(report.launches[0], kernel=name) for name in names) * 10
    odd = replace(report, launches=rows, trace="$\\frac$")
    plot_replays([odd, odd], tmp_path / "t.png", title="$a$ $$")
    assert (tmp_path / "t.png").stat().st_size > 1000
