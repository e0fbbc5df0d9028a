"""``gpusim calibrate``: fit the assumed figures of a device model to measured times."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table

if TYPE_CHECKING:
    from gpusim.validation.calibrate import Calibration

_COLUMNS = ("figure", "before", "after", "low", "high", "ablation")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("calibrate")(calibrate_command)


def calibrate_command(
    device: str = typer.Option(..., "--device", help="Device model: an id or a YAML file."),
    measured: list[str] = typer.Option(
        ...,
        "--measured",
        help="Kernel records or a CSV; FILE.csv:WORD takes only kernels whose name has WORD.",
    ),
    output: Path | None = typer.Option(
        None, "-o", "--output", help="Write the model here, its record to calibration/ beside it."
    ),
    figure: list[str] = typer.Option(
        [], "--figure", help="Fit only this figure, such as l2.hit_latency_cycles."
    ),
    sessions_only: bool = typer.Option(
        False, "--sessions-only", help="Fit no figure, only what launches of a session cost."
    ),
    fidelity: str = typer.Option("wave", help="analytic or wave."),
    steps: int = typer.Option(3, min=1, help="Gauss-Newton steps, at most."),
    baselines: bool = typer.Option(
        False, "--baselines", help="Add nearest neighbour and black box (scikit-learn)."
    ),
    keep_worse: bool = typer.Option(
        False, "--keep-worse", help="Write even if held-out records get worse."
    ),
    workers: int = typer.Option(os.cpu_count() or 1, help="Processes."),
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Fit figures of kind assumed or fitted, judge the fit on records it has not seen."""
    result = _calibrate(
        device, measured, figure, sessions_only, fidelity, steps, baselines, workers
    )
    record = result.record
    rows = [
        (one.name, one.before, one.after, *one.bounds, one.ablation) for one in record.parameters
    ]
    if as_json:
        print_json(record.model_dump(mode="json") | {"worse": list(result.worse)})
    elif as_csv:
        print_csv(_COLUMNS, rows)
    else:
        _print(result, rows)
    for line in result.worse:
        typer.echo(f"gpusim: {line}", err=True)
    if output is None:
        return
    if result.worse and not keep_worse:
        typer.echo(f"gpusim: {output}: not written, held-out records got worse", err=True)
        raise typer.Exit(2)
    _write(device, output, result)


def _calibrate(
    device: str,
    measured: list[str],
    figures: list[str],
    sessions_only: bool,
    fidelity: str,
    steps: int,
    baselines: bool,
    workers: int,
) -> Calibration:
    from gpusim.device import load_device
    from gpusim.errors import GpusimError, located
    from gpusim.validation.calibrate import calibrate
    from gpusim.validation.calibrate_samples import read_samples

    if fidelity not in ("analytic", "wave"):
        raise GpusimError(
            located("fidelity", "not for fits", expected="analytic or wave", found=fidelity)
        )
    spec = load_device(device)
    samples = []
    for text in measured:
        name, _, word = text.partition(":")
        samples += read_samples(Path(name), spec, word)
    return calibrate(
        spec,
        samples,
        chosen=figures,
        sessions_only=sessions_only,
        fidelity=fidelity,
        workers=workers,
        max_steps=steps,
        baselines=baselines,
        on_step=lambda text: typer.echo(f"gpusim: {text}", err=True),
    )


def _write(device: str, output: Path, result: Calibration) -> None:
    from gpusim.device import load_device
    from gpusim.device.layer import read_text
    from gpusim.resources import device_models_dir
    from gpusim.validation.calibrate_write import write_fitted
    from gpusim.validation.calibration_record import FOLDER, write_calibration

    spec = load_device(device)
    source = Path(spec.file)
    if not source.is_file():
        source = device_models_dir() / spec.file
    text = write_fitted(read_text(source, spec.file), spec, result.record)
    output.write_text(text, encoding="utf-8")
    write_calibration(result.record, output.parent / FOLDER / f"{output.stem}.yaml")
    load_device(str(output) if output.parent.parts else f"./{output}")


def _print(result: Calibration, rows: Sequence[tuple[object, ...]]) -> None:
    print_table(
        _COLUMNS,
        [tuple(_cell(value) for value in row) for row in rows],
        title=f"Figures of {result.record.device}",
        right="<>>>>>",
    )
    for session in result.record.sessions:
        typer.echo(f"{session.first} to {session.last}: {session.launch_us} us more per launch")
    names = ("mape", "median_ape", "p90_ape")
    print_table(
        ("data", "N", "MAPE", "median", "p90", "tau"),
        [
            (
                name,
                f"{errors['n']:.0f}/{errors['n_tried']:.0f}",
                *(f"{errors[key]:.1%}" if key in errors else "" for key in names),
                f"{errors['kendall_tau']:.3f}" if "kendall_tau" in errors else "",
            )
            for name, errors in result.record.accuracy.items()
        ],
        title="Errors",
        right="<>>>>>",
    )


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
