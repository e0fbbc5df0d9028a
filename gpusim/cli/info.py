"""``gpusim info``: what is in a trace."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from gpusim.cli.output import JsonOption, print_json, print_table

_NDRANGES_SHOWN = 3


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("info")(info_command)


def info_command(
    trace: Path = typer.Argument(help="A .gptrace, .gpraw or .jsonl trace."),
    as_json: bool = JsonOption,
) -> None:
    """Show what is in a trace: device, programs, launches, memory, completeness."""
    from gpusim.cli.inputs import open_trace
    from gpusim.trace.summary import summarize

    summary = summarize(open_trace(trace))
    if as_json:
        print_json(summary)
        return
    for note in summary["notes"]:
        print(f"gpusim: note: {note}", file=sys.stderr)
    _print_head(summary)
    _print_kernels(summary)
    _print_memory(summary)


def format_bytes(size: int | None) -> str:
    """Return a size for people: bytes below 10 KiB, else KiB, MiB or GiB."""
    if size is None:
        return "-"
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 10 * 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"


def _plain(text: object) -> str:
    """Return text of a trace with control characters shown, not sent to the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(text))


def _size(sizes: list[int] | None) -> str:
    return "NULL" if sizes is None else "×".join(str(size) for size in sizes)


def _print_head(summary: dict[str, Any]) -> None:
    version = ".".join(str(part) for part in summary["format"]["version"])
    print(
        _plain(f"{summary['name']}: trace format {version}, by {summary['format']['created_by']}")
    )
    for device in summary["devices"]:
        text = f"device: {device['presented']}"
        if device["real"] != device["presented"]:
            text += f" (profile {device['profile']}), run by {device['real']}"
        print(_plain(text))
    counts = summary["counts"]
    failed = f", {counts['failed_launches']} of them failed" if counts["failed_launches"] else ""
    span_ms = (summary["host_ns"]["last"] - summary["host_ns"]["first"]) / 1e6
    print(
        f"{counts['launches']} launches{failed}, {counts['commands']} other commands "
        f"in {span_ms:.3f} ms of host time"
    )
    times = summary["times"]
    forced = "; profiling was forced" if times["profiling_forced"] else ""
    print(
        f"device times: {times['timed_launches']} of {counts['launches']} launches, "
        f"{times['meaning']}{forced}"
    )
    print(_plain(f"complete: {_completeness(summary['completeness'])}"))


def _completeness(completeness: dict[str, Any]) -> str:
    gaps = []
    if completeness.get("truncated"):
        gaps.append("the log was cut off")
    if completeness.get("unrecorded_calls"):
        gaps.append(f"calls not recorded: {', '.join(completeness['unrecorded_calls'])}")
    if completeness.get("blobs_omitted"):
        gaps.append("kernel texts and contents were left out")
    return "yes" if not gaps else f"no: {'; '.join(gaps)}"


def _print_kernels(summary: dict[str, Any]) -> None:
    print_table(
        ("program", "kind", "text", "kernels", "build options"),
        [
            (
                program["id"],
                program["kind"],
                format_bytes(program["bytes"]),
                _plain(" ".join(program["kernels"])),
                _plain(program["build_options"]),
            )
            for program in summary["programs"]
        ],
        title="\nPrograms",
        right="> >",
    )
    rows: list[tuple[Any, ...]] = []
    for kernel in summary["kernels"]:
        shown = kernel["ndranges"][:_NDRANGES_SHOWN]
        for position, ndrange in enumerate(shown):
            first = position == 0
            rows.append(
                (
                    kernel["kernel"] if first else "",
                    kernel["program"] if first else "",
                    ndrange["launches"],
                    _size(ndrange["global"]),
                    _size(ndrange["local"]),
                    f"{ndrange['device_ns'] / 1e6:.3f}" if kernel["timed"] else "-",
                )
            )
        rest = kernel["ndranges"][_NDRANGES_SHOWN:]
        if rest:
            launches = sum(ndrange["launches"] for ndrange in rest)
            rows.append(("", "", launches, f"{len(rest)} more NDRanges", "", ""))
    print_table(
        ("kernel", "program", "launches", "global", "local", "device ms"),
        rows,
        title="\nLaunches",
        right=" >>>>>",
    )


def _moment(summary: dict[str, Any]) -> str:
    """Say when the footprint was largest, if the trace has host times."""
    first_ns = summary["host_ns"]["first"]
    if not first_ns or not summary["memory"]["peak_bytes"]:
        return ""
    ms = (summary["memory"]["peak_host_ns"] - first_ns) / 1e6
    return f", from {abs(ms):.3f} ms {'before' if ms < 0 else 'after'} the first launch"


def _print_memory(summary: dict[str, Any]) -> None:
    memory = summary["memory"]
    print(
        f"\nMemory: {memory['buffers']} buffers ({format_bytes(memory['buffer_bytes'])}), "
        f"{memory['sub_buffers']} sub-buffers, "
        f"{memory['images']} images ({format_bytes(memory['image_bytes'])}); "
        f"at most {format_bytes(memory['peak_bytes'])} at a time{_moment(summary)}"
    )
    if memory["images_of_unknown_size"]:
        print(f"{memory['images_of_unknown_size']} images of a format unknown here are not counted")
    if summary["transfers"]:
        print_table(
            ("transfer", "commands", "bytes"),
            [
                (row["kind"], row["commands"], format_bytes(row["bytes"]))
                for row in summary["transfers"]
            ],
            title="\nTransfers",
            right=" >>",
        )
