"""``gpusim predict``: a network's latency on a device under a library, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from gpusim.study.predict import NetworkPrediction

_MIB = 1 << 20


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("predict")(predict_command)


def predict_command(
    network: str = typer.Argument(help="A network id (resnet50) or an ONNX file."),
    device: str = typer.Option(..., "--device", help="Device model: an id or a YAML file."),
    library: str = typer.Option(..., "--library", help="Library id, or all: the best per layer."),
    layout: str | None = typer.Option(None, help="nhwc or nchw; the library's own by default."),
    dtype: str = typer.Option("f32", help="f32 or f16."),
    batch: int = typer.Option(1, help="Images per inference."),
    tuner: str = typer.Option("none", help="none or static (ACL)."),
    fidelity: str = typer.Option("wave", help="analytic, wave or detailed."),
    clock_mhz: float | None = typer.Option(None, help="GPU clock; the device's by default."),
    image: str | None = typer.Option(
        None, help="HEIGHTxWIDTH, for an ONNX file that leaves it open."
    ),
    tuning_log: str = typer.Option("", help="Tuned configurations (an AutoTVM log), for tvm."),
    threads: int | None = typer.Option(None, help="Threads, for openmp and openmp-simd."),
    sparsity: float = typer.Option(0.0, help="Share of zero weights, 0 to 1 (openmp, hand-csr)."),
    evidence: bool = EvidenceOption,
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Predict the latency of a network before touching hardware."""
    from gpusim.study.predict import predict

    with progress(f"predict on {device}") as update:
        result = predict(
            network,
            device,
            library,
            layout=layout,
            dtype=dtype,
            batch=batch,
            tuner=tuner,
            fidelity=fidelity,
            clock_khz=None if clock_mhz is None else round(clock_mhz * 1000),
            image=None if image is None else parse_image(image),
            sparsity=sparsity,
            tuning_log=tuning_log,
            threads=threads,
            on_progress=update,
        )
    support = result.support() if evidence else []
    if as_json:
        print_json(result.as_json() | ({"support": support} if evidence else {}))
    elif as_csv:
        rows = result.rows()
        print_csv(tuple(rows[0]) if rows else (), [tuple(row.values()) for row in rows])
    else:
        print_prediction(result)
        print_support(support, "layer")
        if evidence:
            typer.echo(f"fitted or assumed: {', '.join(result.weak_figures)}")


def parse_image(text: str) -> tuple[int, int]:
    """Return (height, width) of ``224x224``.

    Raises
    ------
    GpusimError
        For anything else.
    """
    from gpusim.errors import GpusimError, located

    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise GpusimError(located("--image", "no size", expected="HEIGHTxWIDTH", found=text))
    return (int(height), int(width))


def print_prediction(result: NetworkPrediction) -> None:
    """Print the table per layer, the sums, and what the result rests on."""
    columns = [
        "layer",
        "kind",
        "shape",
        "method",
        "launches",
        "jobs",
        "ms",
        "80 % interval",
        "based on",
        "share",
    ]
    if result.library == "all":
        columns.append("the next best")
    rows = []
    for row, one in zip(result.rows(), result.layers, strict=True):
        method = row["method"]
        if row["library"] != result.library:
            method = f"{row['library']}: {method}"
        cells = [
            row["layer"],
            row["kind"],
            row["shape"],
            method,
            row["launches"],
            row["jobs"],
            f"{row['predicted_ms']:.3f}",
            one.interval.words(),
            one.interval.status.value,
            f"{row['share']:.1%}",
        ]
        if result.library == "all":
            cells.append(_next_best(one.others, one.run_ps))
        rows.append(cells)
    title = f"{result.network.id} on {result.device} under {result.library} ({result.fidelity})"
    print_table(columns, rows, title=title, right="    >>>> >")
    memory = result.footprint
    typer.echo(
        f"total {result.total_ms:.3f} ms (80 % interval {result.interval.words()}, "
        f"{result.interval.status}), host and driver included "
        f"({result.gpu_ps / 1e9:.3f} ms from the first job to the last)"
    )
    typer.echo(
        f"memory {memory.peak_bytes / _MIB:.1f} MiB at "
        f"{result.network.layers[memory.peak_layer].name}: weights "
        f"{memory.weights_bytes / _MIB:.1f}, kept by the library "
        f"{memory.prepared_bytes / _MIB:.1f}, the rest maps and workspace"
        if memory.layers
        else "memory 0 MiB"
    )
    if result.library == "all":
        for other in result.alternatives:
            missing = f", {other.missing} layers by others" if other.missing else ""
            times = f"{other.run_ps / 1e9:.3f} ms, x{other.ratio:.2f}"
            typer.echo(f"all by {other.library}: {times}{missing}")
    kinds = ", ".join(f"{number} {kind}" for kind, number in result.evidence.items() if number)
    typer.echo(f"figures used: {kinds}")
    for note in result.notes:
        typer.echo(f"note: {note}")


def _next_best(others: tuple[tuple[str, int], ...], best_ps: int) -> str:
    if not others:
        return ""
    name, time_ps = others[0]
    return f"{name} x{time_ps / best_ps:.2f}"
