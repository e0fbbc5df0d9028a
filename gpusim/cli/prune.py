"""``gpusim prune``: channel counts that meet a latency at the least loss of accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table, progress

if TYPE_CHECKING:
    from gpusim.study.prune import PruneResult


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("prune")(prune_command)


def prune_command(
    network: str = typer.Argument(help="A network id (resnet50) or an ONNX file."),
    device: str = typer.Option(..., help="Device model: an id or a YAML file."),
    library: str = typer.Option(..., help="Library id, such as acl-gemm."),
    budget: str = typer.Option(..., help="0.7x (of the full time), 8ms, or '1.5x faster'."),
    accuracy: Path | None = typer.Option(
        None, help="CSV: layer,channels,accuracy or layer,channel,score. A proxy by default."
    ),
    evaluate: str | None = typer.Option(
        None, help="Your command; gets a plan (JSON file), prints an accuracy as its last word."
    ),
    min_accuracy: float | None = typer.Option(
        None, help="With --evaluate: take back what falls below."
    ),
    min_share: float = typer.Option(0.125, help="Of its channels that a layer keeps at least."),
    layout: str | None = typer.Option(None, help="nhwc or nchw; the library's own by default."),
    dtype: str = typer.Option("f32", help="f32 or f16."),
    batch: int = typer.Option(1, help="Images per inference."),
    tuner: str = typer.Option("none", help="none or static (ACL)."),
    fidelity: str = typer.Option("analytic", help="analytic, wave or detailed."),
    processes: int | None = typer.Option(None, help="Local workers; one per processor."),
    out: Path | None = typer.Option(None, "--out", "-o", help="Plan as .json or .csv."),
    plot: Path | None = typer.Option(None, help="Picture of time against loss."),
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Plan channel pruning that meets a latency budget."""
    from gpusim.errors import GpusimError, located
    from gpusim.network.open import open_network
    from gpusim.study.accuracy_loss import read_accuracy
    from gpusim.study.channel_groups import channel_groups
    from gpusim.study.prune import prune
    from gpusim.study.prune_files import layer_rows, result_document, user_script, write_plan

    if min_accuracy is not None and evaluate is None:
        raise GpusimError("--min-accuracy needs --evaluate, which measures it")
    if not 0 < min_share <= 1:
        raise GpusimError(
            located("--min-share", "not a share", expected="above 0, at most 1", found=min_share)
        )
    opened = open_network(network)
    groups = channel_groups(opened)
    loss = None if accuracy is None else read_accuracy(accuracy, opened, groups.groups)
    with progress(f"prune on {device}") as update:
        result = prune(
            opened,
            device,
            library,
            budget=budget,
            loss=loss,
            evaluate=None if evaluate is None else user_script(evaluate, groups),
            min_accuracy=min_accuracy,
            min_share=min_share,
            layout=layout,
            dtype=dtype,
            batch=batch,
            tuner=tuner,
            fidelity=fidelity,
            processes=processes,
            on_progress=lambda _what, done, total: update(done, total),
        )
    if out is not None:
        write_plan(result, out)
    if plot is not None:
        _plot(result, plot)
    if as_json:
        print_json(result_document(result))
    elif as_csv:
        rows = layer_rows(result.groups, result.plan)
        print_csv(tuple(rows[0]), [tuple(row.values()) for row in rows])
    else:
        _print(result)
    if not result.met:
        raise GpusimError(
            located(
                "--budget",
                "not reached within --min-share",
                expected=f"{result.budget_ms:.3f} ms",
                found=f"{result.plan.predicted_ms:.3f} ms",
            )
        )


def _print(result: PruneResult) -> None:
    layers = result.groups.network.layers
    plan = result.plan
    rows = []
    for group in result.groups.groups:
        if group.id not in plan.counts:
            continue
        names = ", ".join(layers[position].name for position in group.layers)
        count = plan.counts[group.id]
        rows.append((names, group.channels, count, f"{1 - count / group.channels:.1%}"))
    title = (
        f"{result.groups.network.id} on {result.device} under {result.library} ({result.fidelity})"
    )
    print_table(("layers", "channels", "keep", "pruned"), rows, title=title, right=" >>>")
    factor = result.full_ms / plan.predicted_ms
    typer.echo(
        f"{result.full_ms:.3f} ms -> {plan.predicted_ms:.3f} ms (x{factor:.2f} faster; budget "
        f"{result.budget_ms:.3f} ms), loss {plan.loss:.4f} by {_WORDS[result.loss_source]}"
    )
    if plan.accuracy is not None:
        typer.echo(f"accuracy measured by your command: {plan.accuracy:g}")
    for share, other in result.uninstructed:
        change = other.predicted_ms / result.full_ms
        typer.echo(
            f"{share:.0%} of the channels removed from every layer: {other.predicted_ms:.3f} ms "
            f"(x{change:.2f} of the full time), loss {other.loss:.4f}"
        )
    for note in result.notes:
        typer.echo(f"note: {note}")


_WORDS = {
    "table": "your accuracy table",
    "importance": "your importance scores",
    "proxy": "the proxy (square of the pruned share, summed over layers): it only orders plans",
}


def _plot(result: PruneResult, path: Path) -> None:
    from gpusim.report.plot_front import plot_front

    plot_front(
        [(plan.predicted_ms, plan.loss) for plan in result.front],
        (result.plan.predicted_ms, result.plan.loss),
        result.budget_ms,
        [(f"{share:.0%}", (plan.predicted_ms, plan.loss)) for share, plan in result.uninstructed],
        path,
        title=f"{result.groups.network.id} on {result.device} under {result.library}",
        loss_label=f"loss by {result.loss_source}",
    )
