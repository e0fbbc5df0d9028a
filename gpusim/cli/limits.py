"""The option that raises limits, for every command that compiles and runs kernels."""

from __future__ import annotations

import typer

LimitOption = typer.Option(
    [],
    "--limit",
    help=(
        "NAME=N, repeatable: another limit than the default, by the name that the error message "
        "gives (seconds, instructions, memory_bytes, front_end_seconds, optimiser_seconds...)."
    ),
)
