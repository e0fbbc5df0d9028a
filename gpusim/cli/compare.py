"""``gpusim compare``: simulated against measured times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table

if TYPE_CHECKING:
    from gpusim.validation.compare import Comparison
    from gpusim.validation.residuals import Residual

_COLUMNS = ("label", "measured_ms", "simulated_ms", "error")
_GROUP_COLUMNS = ("feature", "value", "N", "bias", "MAPE", "median |ln|")
_TABLES = (".csv", ".parquet")
_N_WORST = 10
_N_GROUPS = 40


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("compare")(compare_command)


def compare_command(
    simulated: Path = typer.Argument(
        help="Simulated times (.csv, .parquet), or a trace captured on a real board."
    ),
    measured: Path | None = typer.Argument(
        None,
        help="Measured times: .csv, .parquet, or a file of clpeak, nsys, ncu or AutoTVM; none for "
        "a trace with its own times.",
    ),
    device: str | None = typer.Option(None, "--device", help="Device model to replay a trace on."),
    fidelity: str = typer.Option("wave", help="As in 'gpusim replay'."),
    fail_above: str | None = typer.Option(
        None, "--fail-above", help="Exit 1 above this mean error, e.g. 10%, or on a missing row."
    ),
    html: Path | None = typer.Option(None, help="Write a page with plots and all rows."),
    plot: Path | None = typer.Option(None, help="Write the scatter plot and error CDF (PNG)."),
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Compare simulated with measured times; columns and units are found from the headers."""
    from gpusim.validation.compare import exceeds, parse_share
    from gpusim.validation.residuals import FEATURES

    limit = None if fail_above is None else parse_share(fail_above)
    result = _compare(simulated, measured, device, fidelity)
    _write_figures(result, html, plot)
    if as_json:
        print_json(result.as_json())
    elif as_csv:
        names = (*_COLUMNS, *FEATURES)
        rows = result.as_json()["pairs"]
        print_csv(names, [tuple(row.get(name, "") for name in names) for row in rows])
    else:
        _print(result)
    if limit is not None and exceeds(result.summary, limit):
        typer.echo(_verdict(result, limit), err=True)
        raise typer.Exit(1)


def _compare(
    simulated: Path, measured: Path | None, device: str | None, fidelity: str
) -> Comparison:
    from gpusim.cli.inputs import open_trace
    from gpusim.errors import GpusimError
    from gpusim.validation.compare import compare_tables
    from gpusim.validation.compare_trace import compare_trace, compare_trace_table

    if simulated.suffix.lower() in _TABLES:
        if measured is None:
            raise GpusimError(f"{simulated}: compare a table with what? (expected a second table)")
        if device is not None:
            raise GpusimError("--device belongs to a trace; two tables are compared as they are")
        return compare_tables(simulated, measured)
    if device is None:
        raise GpusimError(f"{simulated}: a trace needs --device, the model to replay it on")
    trace = open_trace(simulated)
    if measured is not None:
        return compare_trace_table(trace, device, measured, fidelity=fidelity)
    return compare_trace(trace, device, fidelity=fidelity)


def _write_figures(result: Comparison, html: Path | None, plot: Path | None) -> None:
    if html is None and plot is None:
        return
    from gpusim.report.plot_errors import ErrorGroup, plot_errors, write_comparison_page

    known = [pair for pair in result.pairs if pair.simulated_ms is not None]
    measured = [pair.measured_ms for pair in known]
    simulated = [pair.simulated_ms or 0.0 for pair in known]
    residuals = result.residuals
    groups = [
        ErrorGroup(feature=row.feature, value=row.value, errors=row.errors) for row in residuals
    ]
    if plot is not None:
        plot_errors(measured, simulated, plot, groups=groups)
    if html is not None:
        rows = [tuple(_cell(row[name]) for name in _COLUMNS) for row in result.as_json()["pairs"]]
        lines = (*result.mapping, *_measures(result))
        write_comparison_page(
            measured,
            simulated,
            html,
            lines=lines,
            columns=_COLUMNS,
            rows=rows,
            groups=groups,
            group_columns=_GROUP_COLUMNS,
            group_rows=[_residual_cells(row) for row in residuals],
        )


def _print(result: Comparison) -> None:
    for line in result.mapping:
        typer.echo(line)
    pairs = sorted(result.pairs, key=lambda pair: -abs(pair.error or 0))[:_N_WORST]
    typer.echo("")
    print_table(
        _COLUMNS,
        [
            (pair.label, *map(_cell, (pair.measured_ms, pair.simulated_ms, pair.error)))
            for pair in pairs
        ],
        title=f"The {len(pairs)} largest errors",
        right="<>>>",
    )
    residuals = result.residuals
    if residuals:
        typer.echo("")
        rows = [_residual_cells(row) for row in residuals[:_N_GROUPS]]
        print_table(_GROUP_COLUMNS, rows, title="Errors by feature", right="<<>>>>")
        if len(residuals) > _N_GROUPS:
            typer.echo(f"{len(residuals) - _N_GROUPS} more with --html or --json")
        typer.echo("")
    for line in _measures(result):
        typer.echo(line)


def _residual_cells(row: Residual) -> tuple[str, ...]:
    figures = (f"{row.bias:+.1%}", f"{row.mape:.1%}", f"{row.median_log_error:.3f}")
    return (row.feature, row.value, str(row.n), *figures)


def _measures(result: Comparison) -> list[str]:
    errors = result.summary
    coverage = f"coverage {errors.n / errors.n_tried:.1%}"
    lines = [f"{errors.n} of {errors.n_tried} measured rows have a simulated time, {coverage}"]
    if errors.mape is not None:
        lines.append(
            f"MAPE {errors.mape:.1%}  RMSPE {errors.rmspe:.1%}  median {errors.median_ape:.1%}"
            f"  p90 {errors.p90_ape:.1%}  max {errors.max_ape:.1%}  bias {errors.bias:+.1%}"
            f"  median |ln(simulated / measured)| {errors.median_log_error:.3f}"
            f"  Kendall tau {'-' if errors.kendall_tau is None else f'{errors.kendall_tau:.3f}'}"
        )
    return lines


def _verdict(result: Comparison, limit: float) -> str:
    errors = result.summary
    if errors.n < errors.n_tried:
        return f"gpusim: {errors.n_tried - errors.n} measured rows have no simulated time"
    return f"gpusim: MAPE {errors.mape:.1%} is above {limit:.1%}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
