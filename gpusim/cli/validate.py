"""``gpusim validate``: predict measured records with frozen parameters, report the errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gpusim.cli.output import (
    CsvOption,
    EvidenceOption,
    JsonOption,
    print_csv,
    print_json,
    print_support,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from gpusim.validation.errors import ErrorSummary
    from gpusim.validation.predict import OnProgress
    from gpusim.validation.validate import Validation

_COLUMNS = ("id", "template", "dtype", "measured_ms", "simulated_ms", "error", "bound", "reason")
_INTERVAL_COLUMNS = ("predicted_low_ms", "predicted_high_ms", "interval_status")
_N_WORST = 10


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("validate")(validate_command)


def validate_command(
    file: Path = typer.Argument(
        help="Kernel records (.jsonl, .jsonl.gz) or a CSV of measured rows."
    ),
    device: str = typer.Option(..., "--device", help="Device model: an id or a YAML file."),
    fidelity: str = typer.Option("wave", help="As in 'gpusim replay'."),
    predict_only: bool = typer.Option(
        False, "--predict-only", help="Give predictions; measured values may be missing."
    ),
    uncalibrated: bool = typer.Option(
        False, "--uncalibrated", help="Put fitted figures back to before the fit."
    ),
    workers: int = typer.Option(os.cpu_count() or 1, help="Processes."),
    evidence: bool = EvidenceOption,
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Compare predictions with measured times; nothing is fitted here."""
    with progress(f"validate on {device}") as update:
        result = _validate(file, device, fidelity, predict_only, uncalibrated, workers, update)
    if as_json:
        print_json(result.as_json() | {"records": _rows(result, evidence)})
    elif as_csv:
        rows = _rows(result, evidence)
        columns = (*_COLUMNS, *_INTERVAL_COLUMNS)
        print_csv(columns, [tuple(row.get(name, "") for name in columns) for row in rows])
    else:
        _print(result)
        if evidence:
            _print_evidence(result)
    for note in result.notes:
        typer.echo(f"gpusim: {file.name}: {note}", err=True)
    failed = [row for row in result.records if row.outcome.simulated_ms is None]
    for row in failed:
        typer.echo(f"gpusim: {file.name}: record {row.line}: {row.outcome.reason}", err=True)
    if failed:
        raise typer.Exit(2)


def _rows(result: Validation, evidence: bool) -> list[dict[str, Any]]:
    """Return the records' objects with their intervals and, if asked, what they rest on."""
    from gpusim.device import load_device
    from gpusim.validation.intervals import record_support
    from gpusim.validation.nearest import calibration_set

    calibration = calibration_set(load_device(result.device))
    rows = []
    for row in result.records:
        time_ms = row.outcome.simulated_ms
        support = record_support(row.template, row.dtype, time_ms, calibration, evidence=evidence)
        if evidence:
            support["fitted_and_assumed"] = list(row.outcome.weak_figures)
        rows.append(row.as_json() | support)
    return rows


def _print_evidence(result: Validation) -> None:
    support = [
        {
            "record": row["id"],
            "kernels": [
                {
                    "template": row["template"],
                    "interval_status": row["interval_status"],
                    "nearest": row["nearest"],
                }
            ],
        }
        for row in _rows(result, evidence=True)
        if "nearest" in row
    ]
    print_support(support, "record")
    weak = sorted({path for row in result.records for path in row.outcome.weak_figures})
    typer.echo(f"fitted or assumed: {', '.join(weak)}")


def _validate(
    file: Path,
    device: str,
    fidelity: str,
    predict_only: bool,
    uncalibrated: bool,
    workers: int,
    update: OnProgress,
) -> Validation:
    from gpusim.errors import GpusimError, located
    from gpusim.validation.kernel_records import read_kernel_records
    from gpusim.validation.measured_rows import read_measured_rows
    from gpusim.validation.validate import validate, validate_rows

    if file.suffix.lower() == ".csv":
        rows = read_measured_rows(file)
        if not predict_only and all(row.value is None for row in rows):
            raise GpusimError(
                located(file, "no measured values", expected="'value', or --predict-only")
            )
        return validate_rows(
            rows,
            device,
            fidelity=fidelity,
            predict_only=predict_only,
            uncalibrated=uncalibrated,
            workers=workers,
            on_progress=update,
        )
    records = read_kernel_records(file)
    if not predict_only and all(record.measured_s is None for record in records):
        raise GpusimError(located(file, "no measured times", expected="'costs', or --predict-only"))
    return validate(
        records,
        device,
        fidelity=fidelity,
        predict_only=predict_only,
        uncalibrated=uncalibrated,
        workers=workers,
        on_progress=update,
    )


def _print(result: Validation) -> None:
    """Print the worst records, the errors per group and the total."""
    worst = sorted(result.records, key=lambda row: abs(row.error or 0), reverse=True)[:_N_WORST]
    rows = [row.as_json() for row in worst]
    print_table(
        _COLUMNS,
        [tuple(_cell(row.get(name, "")) for name in _COLUMNS) for row in rows],
        title=f"The {len(rows)} largest errors",
        right="<<<>>>",
    )
    if result.summary.mape is not None:
        from gpusim.validation.validate import summarise

        lines = list(result.groups())
        lines.append(("all", "", result.summary))
        lines.append(("crude roofline", "", summarise(result.records, roofline=True)))
        typer.echo("")
        print_table(
            ("template", "dtype", "N", "MAPE", "median", "p90", "max", "bias", "tau"),
            [(name, dtype, *_measures(errors)) for name, dtype, errors in lines],
            title="Errors of the time",
            right="<<>>>>>>>",
        )
    typer.echo(
        f"{result.summary.n if result.summary.mape is not None else _n_predicted(result)}"
        f" of {len(result.records)} records predicted on {result.device} ({result.fidelity})"
    )


def _n_predicted(result: Validation) -> int:
    return sum(row.outcome.simulated_ms is not None for row in result.records)


def _measures(errors: ErrorSummary) -> tuple[str, ...]:
    shares = (errors.mape, errors.median_ape, errors.p90_ape, errors.max_ape)
    cells = [f"{errors.n}/{errors.n_tried}"]
    cells += ["" if share is None else f"{share:.1%}" for share in shares]
    cells.append("" if errors.bias is None else f"{errors.bias:+.1%}")
    cells.append("" if errors.kendall_tau is None else f"{errors.kendall_tau:.3f}")
    return tuple(cells)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
