"""``gpusim sweep``: time variants of layers, find the stairs and name their causes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table, progress

if TYPE_CHECKING:
    from gpusim.network.layers import Layer, Network
    from gpusim.study.stairs import Stairs
    from gpusim.study.sweep import PointTime

_CSV = ("device", "library", "network", "layer", "channels", "predicted_ms", "jobs", "launches")
_SHOWN_LAYERS = 1
"""Layers whose every tread is printed; of more, one line each."""
_MAX_CHANNELS = 1 << 20


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("sweep")(sweep_command)


def sweep_command(
    network: str = typer.Argument(help="A network id (resnet50) or an ONNX file."),
    layer: list[str] = typer.Option(
        [], help="Number or name of a convolution; repeat for more. All of them by default."
    ),
    channels: str | None = typer.Option(
        None, help="FIRST:LAST[:STEP] or N,N,...; 1 to the layer's own number by default."
    ),
    device: str = typer.Option(..., help="Device models, separated by commas."),
    library: str = typer.Option(..., help="Library ids, separated by commas."),
    layout: str | None = typer.Option(None, help="nhwc, nchw or both; the library's by default."),
    dtype: str = typer.Option("f32", help="f32, f16 or both, separated by commas."),
    batch: str = typer.Option("1", help="Images per inference, separated by commas."),
    tuner: str = typer.Option("none", help="none, static or both, separated by commas (ACL)."),
    local: str | None = typer.Option(
        None, help="Local sizes instead of the library's: XxYxZ,XxYxZ,..."
    ),
    clock_mhz: str | None = typer.Option(None, help="GPU clocks, separated by commas."),
    tuning_log: str = typer.Option("", help="Tuned configurations (an AutoTVM log), for tvm."),
    fidelity: str = typer.Option("analytic", help="analytic, wave or detailed."),
    processes: int | None = typer.Option(None, help="Local workers; one per processor."),
    cluster: str | None = typer.Option(None, help="Dask scheduler to use: tcp://host:port."),
    out: Path | None = typer.Option(None, "--out", "-o", help="Parquet file for the whole table."),
    plot: Path | None = typer.Option(None, help="Picture of the stairs (.png, .svg, .pdf)."),
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Time variants of layers before touching hardware, and show the stairs."""
    from gpusim.library.plan import PlanOptions
    from gpusim.network.open import open_network
    from gpusim.study.predict import LAYOUTS
    from gpusim.study.sweep import channel_points, sweep

    opened = open_network(network)
    chosen = chosen_layers(opened, layer)
    points = []
    for name in _words(library):
        options = [
            PlanOptions(
                target="",
                layout=one_layout,
                dtype=one_dtype,
                batch=one_batch,
                tuner=one_tuner,
                tuning_log=tuning_log,
            )
            for one_layout in _words(layout or LAYOUTS.get(name, "nhwc"))
            for one_dtype in _words(dtype)
            for one_batch in _numbers("--batch", batch)
            for one_tuner in _words(tuner)
        ]
        points += channel_points(
            opened.id,
            chosen,
            _channels(channels),
            libraries=[name],
            devices=_words(device),
            options=options,
            fidelity=fidelity,
            clocks_khz=_clocks(clock_mhz),
            local_sizes=_local_sizes(local),
        )
    with progress(f"sweep {len(points)} points") as update:
        times = sweep(points, processes=processes, cluster=cluster, on_progress=update)
    if out is not None:
        _write_parquet(times, out)
    _print(times, as_json=as_json, as_csv=as_csv)
    if plot is not None:
        _plot(times, plot)
    if all(time.failure for time in times):
        from gpusim.errors import GpusimError

        raise GpusimError(f"no point has a time: {times[0].failure}" if times else "no points")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(option: str, text: str) -> list[int]:
    from gpusim.errors import GpusimError, located

    words = _words(text)
    if not words or not all(re.fullmatch(r"[1-9]\d{0,6}", word) for word in words):
        raise GpusimError(located(option, "not a number", expected="1,2,...", found=text))
    return [int(word) for word in words]


def _channels(text: str | None) -> list[int] | None:
    from gpusim.errors import GpusimError, located

    if text is None:
        return None
    if ":" not in text:
        return _numbers("--channels", text)
    match = re.fullmatch(r"(\d{1,7}):(\d{1,7})(?::(\d{1,7}))?", text)
    if match is not None:
        first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if 1 <= first <= last <= _MAX_CHANNELS and step >= 1:
            return list(range(first, last + 1, step))
    expected = "FIRST:LAST[:STEP] with 1 <= FIRST <= LAST"
    raise GpusimError(located("--channels", "not a range", expected=expected, found=text))


def _clocks(text: str | None) -> list[int | None]:
    from gpusim.errors import GpusimError, located

    if text is None:
        return [None]
    try:
        return [round(float(word) * 1000) for word in _words(text)]
    except ValueError:
        raise GpusimError(
            located("--clock-mhz", "not a number", expected="767,400", found=text)
        ) from None


def _local_sizes(text: str | None) -> list[tuple[int, int, int] | None]:
    from gpusim.errors import GpusimError, located

    if text is None:
        return [None]
    sizes: list[tuple[int, int, int] | None] = []
    for word in _words(text):
        match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?(?:x([1-9]\d{0,4}))?", word)
        if match is None:
            raise GpusimError(located("--local", "not a size", expected="XxYxZ", found=word))
        sizes.append((int(match[1]), int(match[2] or 1), int(match[3] or 1)))
    return sizes


def chosen_layers(network: Network, names: list[str]) -> list[Layer]:
    """Return the convolutions with these numbers or names; all of them for no names."""
    from gpusim.errors import GpusimError, located

    if not names:
        return list(network.convolutions)
    found = []
    for name in names:
        number = int(name.removeprefix("L")) if re.fullmatch(r"L?\d+", name) else None
        matching = [
            layer for layer in network.convolutions if name == layer.name or layer.index == number
        ]
        if not matching:
            known = ", ".join(str(layer.index) for layer in network.convolutions)
            raise GpusimError(
                located(f"{network.id}, --layer", "no such convolution", expected=known, found=name)
            )
        found.append(matching[0])
    return found


def _write_parquet(times: list[PointTime], path: Path) -> None:
    from gpusim.errors import OutputError, located
    from gpusim.study.sweep import to_dataframe

    try:
        to_dataframe(times).to_parquet(path, index=False)
    except OSError as error:
        raise OutputError(located(str(path), "can't write", found=error.strerror)) from None


def _groups(times: list[PointTime]) -> dict[str, list[PointTime]]:
    """Return the points of each curve: all that differ in their channels only."""
    groups: dict[str, list[PointTime]] = {}
    varied = _varied(times)
    for time in times:
        groups.setdefault(" ".join(_label(time, varied)), []).append(time)
    return groups


def _varied(times: list[PointTime]) -> set[str]:
    from gpusim.study.sweep import row_of

    rows = [row_of(time) for time in times]
    names = ("layout", "dtype", "batch", "tuner", "local", "clock_khz")
    return {name for name in names if len({row[name] for row in rows}) > 1}


def _label(time: PointTime, varied: set[str]) -> list[str]:
    from gpusim.study.sweep import row_of

    row = row_of(time)
    extra = [f"{name} {row[name]}" for name in sorted(varied)]
    return [f"{row['network']} {row['layer']}, {row['library']} on {row['device']}", *extra]


def _print(times: list[PointTime], *, as_json: bool, as_csv: bool) -> None:
    from gpusim.study.stairs import find_stairs
    from gpusim.study.sweep import row_of

    if as_csv:
        rows = [row_of(time) for time in times]
        extra = [name for name in (rows[0] if rows else {}) if name not in _CSV]
        columns = (*_CSV, *extra)
        print_csv(columns, [[_cell(row[name]) for name in columns] for row in rows])
        return
    groups = _groups(times)
    stairs = {label: find_stairs(group) for label, group in groups.items()}
    if as_json:
        points = [
            {name: _cell(value, none=None) for name, value in row_of(time).items()}
            for time in times
        ]
        print_json(
            {
                "points": points,
                "stairs": [{"curve": label, **_document(one)} for label, one in stairs.items()],
            }
        )
        return
    if len(groups) <= _SHOWN_LAYERS:
        for label, one in stairs.items():
            _print_treads(label, one)
    else:
        _print_summary(groups, stairs)
    failures = [time for time in times if time.failure]
    if failures:
        typer.echo(f"{len(failures)} points have no time, the first: {failures[0].failure}")


def _cell(value: Any, none: Any = "") -> Any:
    """Return a value as CSV and JSON can hold it: a point without a time has none."""
    return none if value is None or value != value else value


def _document(stairs: Stairs) -> dict[str, Any]:
    return {
        "interleaved": stairs.is_interleaved,
        "staircases": list(stairs.staircases),
        "best_channels": list(stairs.best),
        "treads": [
            {
                "first": tread.first,
                "right_edge": tread.last,
                "ms": tread.ms,
                "staircase": tread.staircase,
            }
            for tread in stairs.treads
        ],
        "steps": [
            {
                "channels": step.channels,
                "below_ms": step.below_ms,
                "above_ms": step.above_ms,
                "factor": step.factor,
                "cause": step.cause,
                "explanation": step.words,
            }
            for step in stairs.steps
        ],
    }


def _print_treads(label: str, stairs: Stairs) -> None:
    causes = {step.channels: f"{step.cause}: {step.words}" for step in stairs.steps}
    best = set(stairs.best)
    rows = [
        (
            tread.first,
            tread.last,
            f"{tread.ms:.3f}",
            tread.staircase + 1,
            "*" if tread.last in best else "",
            causes.get(tread.first, ""),
        )
        for tread in stairs.treads
    ]
    columns = ("from", "right edge", "ms", "staircase", "best", "step up to it")
    print_table(columns, rows, title=label, right=">>>> ")
    for number, name in enumerate(stairs.staircases, start=1):
        typer.echo(f"staircase {number}: {name}")
    typer.echo(
        "best to prune to (no higher count is as fast): "
        + ", ".join(map(str, stairs.best))
        + ("; the staircases are interleaved" if stairs.is_interleaved else "")
    )


def _print_summary(groups: dict[str, list[PointTime]], stairs: dict[str, Stairs]) -> None:
    rows = []
    for label, one in stairs.items():
        treads = one.treads
        own = groups[label][-1].predicted_ms
        rows.append(
            (
                label,
                len(groups[label]),
                len(one.steps),
                len(one.staircases),
                f"{own:.3f}",
                f"{max((tread.ms for tread in treads), default=float('nan')):.3f}",
                f"x{max((step.factor for step in one.steps), default=1.0):.2f}",
                ", ".join(map(str, one.best[-4:])),
            )
        )
    columns = (
        "curve", "points", "steps", "staircases", "ms at most", "slowest ms", "highest step",
        "best counts, highest",
    )  # fmt: skip
    print_table(columns, rows, right=" >>>>>>")


def _plot(times: list[PointTime], path: Path) -> None:
    from gpusim.report.plot_stairs import Curve, StepNote, plot_stairs
    from gpusim.study.stairs import find_stairs

    curves = []
    for label, group in _groups(times).items():
        stairs = find_stairs(group)
        timed = [time for time in group if not time.failure]
        channels = [time.point.layer.out_channels for time in timed]
        owner = {
            count: tread.staircase
            for tread in stairs.treads
            for count in range(tread.first, tread.last + 1)
        }
        curves.append(
            Curve(
                label=label,
                channels=channels,
                ms=[time.predicted_ms for time in timed],
                staircase=[owner[count] for count in channels],
                staircases=stairs.staircases,
                best=stairs.best,
                steps=[
                    StepNote(
                        channels=step.channels,
                        ms=step.above_ms,
                        factor=step.factor,
                        text=f"{step.cause}: {step.words}",
                    )
                    for step in stairs.steps
                ],
            )
        )
    plot_stairs(curves, path, title="Predicted time over output channels")
