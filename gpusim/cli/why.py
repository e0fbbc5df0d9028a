"""``gpusim why``: the causal difference between two launches or two runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gpusim.cli.output import JsonOption, print_json, print_table, progress

if TYPE_CHECKING:
    from gpusim.study.why import Difference


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("why")(why_command)


def why_command(
    a: str = typer.Argument(help="Trace, or TRACE#LAUNCH for one launch of it."),
    b: str = typer.Argument(help="What to compare it with; may be the same trace."),
    device: str = typer.Option(..., "--device", help="Device model: an id or a YAML file."),
    device_b: str | None = typer.Option(None, "--device-b", help="Device of B, if another one."),
    fidelity: str = typer.Option("wave", help="analytic or wave."),
    as_json: bool = JsonOption,
) -> None:
    """Explain why B takes longer or less than A, by switching mechanisms off in turn."""
    from gpusim.cli.inputs import open_trace
    from gpusim.study.why import as_json as why_json
    from gpusim.study.why import explain
    from gpusim.study.why_words import causal_chain

    path_a, launch_a = launch_reference(a)
    path_b, launch_b = launch_reference(b)
    with progress("simulate without one mechanism after the other") as update:
        difference = explain(
            open_trace(path_a),
            open_trace(path_b),
            device,
            device_b,
            launch_a=launch_a,
            launch_b=launch_b,
            fidelity=fidelity,
            on_progress=update,
        )
    chain = causal_chain(difference)
    if as_json:
        print_json(why_json(difference, chain))
    else:
        for line in chain:
            typer.echo(line)
        typer.echo("")
        print_difference(difference)
    for side, row in difference.failures:
        typer.echo(f"gpusim: {side}: launch {row.launch} ({row.kernel}): {row.reason}", err=True)
    if difference.failures:
        raise typer.Exit(2)


def launch_reference(text: str) -> tuple[Path, int | None]:
    """Split ``TRACE#LAUNCH``; a file whose name ends that way is taken as it is."""
    path, mark, number = text.rpartition("#")
    if mark and number.isdecimal() and not Path(text).exists():
        return Path(path), int(number)
    return Path(text), None


def print_difference(difference: Difference) -> None:
    """Print what each mechanism has to do with the difference."""
    rows = [
        (
            effect.words,
            _us(effect.alone_a_ps),
            _us(effect.alone_b_ps),
            _part(effect.contribution_ps),
        )
        for effect in difference.effects
        if effect.alone_a_ps or effect.alone_b_ps or effect.contribution_ps
    ]
    rows.append(("with every mechanism off", "", "", _part(difference.remainder_ps)))
    rows.append(
        (
            "in all",
            _us(difference.a.time_ps),
            _us(difference.b.time_ps),
            _part(difference.difference_ps),
        )
    )
    columns = ("µs", "A saves without it", "B saves without it", "part of B - A")
    print_table(columns, rows, right=" >>>")
    typer.echo(
        "Savings are of each mechanism alone and need not add up, since mechanisms hide each "
        "other;\nthe last column shares out the difference and does (docs/reports.md)."
    )


def _us(value_ps: int) -> str:
    return f"{value_ps / 1e6:,.3f}"


def _part(value_ps: int) -> str:
    return f"{value_ps / 1e6:+,.3f}" if abs(value_ps) >= 500 else "0.000"
