"""``gpusim tune``: the best local sizes of a trace or a network on a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_json, print_table, progress

if TYPE_CHECKING:
    from gpusim.library.plan import PlannedLayer
    from gpusim.study.tune import Target, TunedLaunch


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("tune")(tune_command)


def tune_command(
    what: str = typer.Argument(help="A trace, or with --library a network id or an ONNX file."),
    device: str = typer.Option(..., help="Device model: an id or a YAML file."),
    library: str | None = typer.Option(None, help="Library id, to tune a network."),
    layer: list[str] = typer.Option([], help="Only this convolution; repeat for more."),
    layout: str | None = typer.Option(None, help="nhwc or nchw; the library's own by default."),
    dtype: str = typer.Option("f32", help="f32 or f16."),
    batch: int = typer.Option(1, help="Images per inference."),
    fidelity: str = typer.Option("analytic", help="analytic, wave or detailed."),
    exhaustive: bool = typer.Option(False, help="Also sizes that are no powers of two."),
    form: str | None = typer.Option(
        None, "--format", help="Of --out: acl (CLTuner) or csv; the library's own by default."
    ),
    out: Path | None = typer.Option(None, "--out", "-o", help="File for the tuned sizes."),
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Find the local size under which each launch is fastest."""
    from gpusim.device import load_device
    from gpusim.errors import GpusimError, located
    from gpusim.study.tune import tune
    from gpusim.study.tuning_files import row_of, tuning_csv

    if form not in (None, "acl", "csv"):
        raise GpusimError(located("--format", "unknown", expected="acl or csv", found=form))
    if library is None and (layer or form == "acl"):
        raise GpusimError("--layer and --format acl need --library and a network")
    spec = load_device(device)
    plans: list[PlannedLayer] = []
    notes: list[str] = []
    if library is None:
        targets = _trace_targets(what)
    else:
        plans, notes = _plans(what, library, layer, layout, dtype, batch, spec.id)
        targets = _plan_targets(plans)
    with progress(f"tune on {spec.id}") as update:
        tuned, failures = tune(
            targets, spec, fidelity=fidelity, exhaustive=exhaustive, on_progress=update
        )
    notes += failures
    if out is not None:
        notes += _write(out, form, library, tuned, plans)
    if as_json:
        rows = [row_of(one) for one in tuned]
        print_json({"device": spec.id, "fidelity": fidelity, "launches": rows, "notes": notes})
    elif as_csv:
        typer.echo(tuning_csv(tuned), nl=False)
    else:
        _print(tuned, spec.id, fidelity, notes)
    if not tuned:
        raise GpusimError(f"{what}: nothing tuned: {notes[0] if notes else 'no launches'}")


def _trace_targets(path: str) -> list[Target]:
    from gpusim.study.tune import Target
    from gpusim.trace import load_trace

    trace = load_trace(path)
    return [
        Target(launch=launch, trace=trace, label=f"#{launch.index}")
        for launch in trace.launches
        if launch.result_code == 0 and 0 not in launch.global_size
    ]


def _plans(
    network: str,
    library: str,
    names: list[str],
    layout: str | None,
    dtype: str,
    batch: int,
    target: str,
) -> tuple[list[PlannedLayer], list[str]]:
    from gpusim.cli.sweep import chosen_layers
    from gpusim.errors import GpusimError
    from gpusim.library.plan import PlanOptions, plan_layer
    from gpusim.network.open import open_network
    from gpusim.study.predict import LAYOUTS

    opened = open_network(network)
    options = PlanOptions(
        target=target,
        layout=layout or LAYOUTS.get(library, "nhwc"),
        dtype=dtype,
        batch=batch,
    )
    plans, notes = [], []
    for one in chosen_layers(opened, names) if names else opened.layers:
        try:
            plans.append(plan_layer(library, one, options)[0])
        except GpusimError as error:
            notes.append(str(error))
    return plans, notes


def _plan_targets(plans: list[PlannedLayer]) -> list[Target]:
    from gpusim.library.plan import Phase
    from gpusim.study.tune import Target

    return [
        Target(launch=launch, trace=plan.trace, label=plan.layer.name)
        for plan in plans
        for phase, launch in plan.launches
        if phase is Phase.RUN
    ]


def _write(
    path: Path,
    form: str | None,
    library: str | None,
    tuned: list[TunedLaunch],
    plans: list[PlannedLayer],
) -> list[str]:
    from gpusim.errors import OutputError, located
    from gpusim.study.tuning_files import acl_table, tuning_csv

    notes: list[str] = []
    is_acl = form == "acl" or (form is None and (library or "").startswith("acl"))
    if is_acl:
        text, missing = acl_table(tuned, plans)
        if missing:
            notes.append(
                "not in CLTuner's table, their config ids are not known: " + ", ".join(missing)
            )
    else:
        text = tuning_csv(tuned)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(located(str(path), "can't write", found=error.strerror)) from None
    return notes


def _print(tuned: list[TunedLaunch], device: str, fidelity: str, notes: list[str]) -> None:
    rows = []
    for one in sorted(tuned, key=lambda one: (one.best_ps - one.given_ps) * one.times):
        given = "driver: " * (one.given is None) + "x".join(map(str, one.resolved))
        rows.append(
            (
                one.label,
                one.kernel,
                one.times,
                "x".join(map(str, one.global_size)),
                given,
                "" if one.best is None else "x".join(map(str, one.best)),
                f"{one.given_ps / 1e9:.3f}",
                f"{one.best_ps / 1e9:.3f}",
                one.skipped or f"{one.gain:.1%}",
                f"{one.gain_low:.1%} to {one.gain_high:.1%}" if one.best else "",
            )
        )
    columns = ("where", "kernel", "n", "global", "local", "best local", "ms", "best ms", "gain",
               "80 % interval")  # fmt: skip
    print_table(columns, rows, title=f"local sizes on {device} ({fidelity})", right="  >   >>>>")
    before = sum(one.given_ps * one.times for one in tuned)
    after = sum(one.best_ps * one.times for one in tuned)
    if before:
        saved = 1 - after / before
        typer.echo(f"all launches: {before / 1e9:.3f} ms -> {after / 1e9:.3f} ms ({saved:.1%})")
    for note in dict.fromkeys(notes):
        typer.echo(f"note: {note}")
