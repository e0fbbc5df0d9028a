"""``gpusim validate``: predict measured records with frozen parameters, report the errors."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table, progress


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("validate")(validate_command)


def validate_command(
    file: Path = typer.Argument(help="Kernel records: .jsonl or .jsonl.gz."),
    device: str = typer.Option(..., "--device", help="Device model: an id or a YAML file."),
    fidelity: str = typer.Option("wave", help="analytic or wave."),
    predict_only: bool = typer.Option(
        False, "--predict-only", help="Give predictions; measured values may be missing."
    ),
    workers: int = typer.Option(os.cpu_count() or 1, help="Processes."),
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Compare predictions with measured times; nothing is fitted here."""
    from gpusim.errors import GpusimError, located
    from gpusim.validation.kernel_records import read_kernel_records
    from gpusim.validation.validate import validate

    records = read_kernel_records(file)
    if not predict_only and all(record.measured_s is None for record in records):
        raise GpusimError(located(file, "no measured times", expected="'costs', or --predict-only"))
    with progress(f"validate on {device}") as update:
        result = validate(
            records,
            device,
            fidelity=fidelity,
            predict_only=predict_only,
            workers=workers,
            on_progress=update,
        )
    document = result.as_json()
    columns = ("id", "template", "dtype", "measured_ms", "simulated_ms", "error", "reason")
    rows = [tuple(row.get(column, "") for column in columns) for row in document["records"]]
    if as_json:
        print_json(document)
    elif as_csv:
        print_csv(columns, rows)
    else:
        worst = sorted(
            document["records"], key=lambda row: abs(row.get("error") or 0), reverse=True
        )[:10]
        print_table(
            columns, [tuple(_cell(row.get(column, "")) for column in columns) for row in worst]
        )
        summary = result.summary
        typer.echo(f"{summary.n} of {summary.n_tried} records predicted on {device} ({fidelity})")
        if summary.mape is not None:
            typer.echo(
                f"MAPE {summary.mape:.1%}  median {summary.median_ape:.1%}"
                f"  p90 {summary.p90_ape:.1%}  max {summary.max_ape:.1%}"
                f"  bias {summary.bias:+.1%}  Kendall tau {summary.kendall_tau or 0:.3f}"
            )
    failed = [row for row in document["records"] if row["simulated_ms"] is None]
    for row in failed:
        typer.echo(f"gpusim: {file.name}: record {row['id']}: {row['reason']}", err=True)
    if failed:
        raise typer.Exit(2)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
