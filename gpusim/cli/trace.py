"""``gpusim trace``: convert, scrub and dump traces."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from gpusim.cli.output import JsonOption, print_json

_Input = typer.Argument(help="A .gptrace, .gpraw or .jsonl trace.")
_Output = typer.Option(
    ..., "-o", "--output", help="Trace to write: a file, or a folder if it ends with /."
)


def register(app: typer.Typer) -> None:
    """Add the group of commands to the application."""
    group = typer.Typer(no_args_is_help=True, help="Convert, scrub and dump traces.")
    group.command("convert")(convert_command)
    group.command("scrub")(scrub_command)
    group.command("dump")(dump_command)
    app.add_typer(group, name="trace")


def convert_command(
    source: Path = _Input, output: str = _Output, as_json: bool = JsonOption
) -> None:
    """Write a trace of any form, such as the raw log of a killed program, as a .gptrace."""
    from gpusim.cli.inputs import open_trace
    from gpusim.trace.writer import write_trace

    trace = open_trace(source)
    write_trace(trace, output)
    for note in trace.notes:
        print(f"gpusim: note: {note}", file=sys.stderr)
    if as_json:
        counts = {"launches": len(trace.launches), "commands": len(trace.commands)}
        print_json({"output": output, **counts, "notes": list(trace.notes)})
    else:
        print(f"{output}: {len(trace.launches)} launches, {len(trace.commands)} other commands")


def scrub_command(source: Path = _Input, output: str = _Output, as_json: bool = JsonOption) -> None:
    """Remove host paths, program arguments and environment; keep what replay needs."""
    from gpusim.cli.inputs import open_trace
    from gpusim.trace.scrub import scrub
    from gpusim.trace.writer import write_trace

    scrubbed = scrub(open_trace(source))
    write_trace(scrubbed.trace, output)
    if as_json:
        print_json(
            {"output": output, "removed": list(scrubbed.removed), "notes": list(scrubbed.notes)}
        )
        return
    for place in scrubbed.removed:
        print(f"removed {place}")
    for note in scrubbed.notes:
        print(f"gpusim: note: {note}", file=sys.stderr)
    print(f"{output}: {len(scrubbed.removed)} places scrubbed")


def dump_command(
    source: Path = _Input,
    output: Path | None = typer.Option(
        None, "-o", "--output", help="File to write (.jsonl or .jsonl.gz) instead of stdout."
    ),
    jsonl: bool = typer.Option(True, "--jsonl", help="Write JSONL; the only form so far."),
    no_blobs: bool = typer.Option(
        False, "--no-blobs", help="Leave out kernel texts and buffer contents."
    ),
) -> None:
    """Write a trace as text, one JSON object a line."""
    from gpusim.cli.inputs import open_trace
    from gpusim.trace.jsonl import dump_jsonl, write_jsonl

    trace = open_trace(source)
    if output is not None:
        write_jsonl(trace, output, with_blobs=not no_blobs)
        return
    for line in dump_jsonl(trace, with_blobs=not no_blobs):
        sys.stdout.buffer.write(line)
