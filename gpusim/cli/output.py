"""What every command shares: tables, JSON, CSV and progress on the right streams."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer

JsonOption = typer.Option(False, "--json", help="Print one JSON object on stdout, nothing else.")
EvidenceOption = typer.Option(
    False, "--evidence", help="Name the nearest measured kernels and the figures it rests on."
)
CsvOption = typer.Option(False, "--csv", help="Print the table as CSV on stdout.")


def print_json(payload: dict[str, Any]) -> None:
    """Print one JSON object on stdout; keys in the order given, so output is reproducible."""
    json.dump(payload, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def print_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows as CSV on stdout, with a header line."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "", right: str = ""
) -> None:
    """Print rows for a person; wide on a pipe, so that nothing is cut or wrapped there.

    Parameters
    ----------
    columns : sequence of str
        Header, one per column.
    rows : sequence of sequences
        Cells; formatted with ``str``.
    title : str
        Printed above the table.
    right : str
        One character per column: ``>`` = right-aligned. Shorter or empty: left.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for position, column in enumerate(columns):
        is_right = right[position : position + 1] == ">"
        table.add_column(column, justify="right" if is_right else "left", overflow="fold")
    for row in rows:
        # Text, because a cell may hold brackets (build options) that are no markup.
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)


def print_support(support: Sequence[Mapping[str, Any]], place: str) -> None:
    """Print the measured kernels nearest to each predicted one.

    Parameters
    ----------
    support : sequence of mappings
        Each with `place` and ``kernels``: mappings of ``template``, ``interval_status`` and
        ``nearest`` (:meth:`gpusim.validation.nearest.Neighbour.as_json`).
    place : str
        Key that says where the kernels are from.
    """
    rows = []
    for one in support:
        for kernel in one["kernels"]:
            head = (one[place], kernel["template"], kernel["interval_status"])
            if not kernel["nearest"]:
                rows.append((*head, "nothing was measured on this device", "", "", ""))
            for near in kernel["nearest"]:
                distance = near["distance"]
                rows.append(
                    (
                        *head,
                        f"{near['template']} {near['dtype']}",
                        ", ".join(f"{name} {value:g}" for name, value in near["features"].items()),
                        f"{near['error']:+.1%}",
                        "" if distance is None else f"{distance:.2f}",
                    )
                )
    if rows:
        columns = (place, "kernel", "based on", "nearest measured", "features", "error", "distance")
        print_table(columns, rows, title="nearest measured kernels", right="     >>")


class Progress:
    """Progress of a long step; draws nothing unless stderr is a terminal."""

    def __init__(self, bar: Any = None, task: Any = None) -> None:
        self._bar = bar
        self._task = task

    def __call__(self, done: int, total: int) -> None:
        """Report that `done` of `total` units are finished."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Show a bar with rate and ETA on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Progress(bar, bar.add_task(label, total=None))
