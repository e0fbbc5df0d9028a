"""``gpusim device ID``: every figure of a model with its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table

_COLUMNS = ("figure", "value", "unit", "kind", "source", "note", "file")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("device")
    def device(
        model: str = typer.Argument(
            ...,
            metavar="ID|new",
            help="Id (see `gpusim devices`) or YAML file, :VIEW for a view; `new` drafts a model.",
        ),
        as_json: bool = JsonOption,
        as_csv: bool = CsvOption,
        clinfo: Path = typer.Option(
            None, "--from", metavar="FILE", help="With `new`: what clinfo printed on the board."
        ),
        clock: float = typer.Option(None, "--clock", metavar="MHZ", help="With `new`: GPU clock."),
        dram: float = typer.Option(
            None, "--dram", metavar="GB/S", help="With `new`: peak of the external memory."
        ),
        new_id: str = typer.Option(None, "--id", help="With `new`: id of the model."),
        output: Path = typer.Option(
            None, "-o", "--output", metavar="FILE", help="With `new`: file to write, <id>.yaml."
        ),
    ) -> None:
        """Show every figure of a device model, or draft a model of a new board."""
        from gpusim.device import load_device

        if model == "new":
            _draft(clinfo, clock, dram, new_id, output)
            return
        spec = load_device(model)
        if as_json:
            print_json(_payload(spec))
        elif as_csv:
            print_csv(_COLUMNS, [_row(path, q) for path, q in spec.figures().items()])
        else:
            _print(spec)


def _draft(
    clinfo: Path | None,
    clock: float | None,
    dram: float | None,
    new_id: str | None,
    output: Path | None,
) -> None:
    """Write a model, never over an existing file."""
    from gpusim.device.new_model import new_model
    from gpusim.errors import DeviceError, OutputError, located

    if clinfo is None:
        raise DeviceError(located("device new", "nothing to start from", expected="--from FILE"))
    try:
        text = clinfo.read_text(errors="replace")
    except OSError as error:
        raise DeviceError(located(clinfo, "cannot be read", found=error.strerror)) from None
    name, model = new_model(
        text, str(clinfo), clock_mhz=clock, dram_gb_per_s=dram, device_id=new_id
    )
    path = output or Path(f"{name}.yaml")
    try:
        with path.open("x") as stream:
            stream.write(model)
    except OSError as error:
        raise OutputError(located(path, "cannot be written", found=error.strerror)) from None
    print(f"{path}: a model of {name}; every figure is assumed until you check it:")
    print(f"gpusim device {path if path.suffix == '.yaml' else path.resolve()}")


def _payload(spec: Any) -> dict[str, Any]:
    from gpusim.cli.devices import summarise
    from gpusim.device.figure import canonical_unit
    from gpusim.device.schema import FIGURES

    figures = {}
    for path, quantity in spec.figures().items():
        section, name = path.split(".")
        figures[path] = {
            "value": quantity.value,
            "unit": canonical_unit(FIGURES[section][name].dimension),
            "given": quantity.given,
            "given_unit": quantity.unit,
            "kind": quantity.kind.value,
            "source": list(quantity.source),
            "note": quantity.note,
            "file": quantity.file,
            "calibration": quantity.calibration,
        }
    summary = summarise(spec)
    counts = summary.pop("figures")
    return {
        **summary,
        "gpu": spec.gpu,
        "view": spec.view,
        "evidence": counts,
        "figures": figures,
        "sources": spec.sources,
    }


def _row(path: str, quantity: Any) -> tuple[str, ...]:
    given = quantity.given
    if isinstance(given, dict):
        given = ", ".join(f"≤{registers}: {threads}" for registers, threads in given.items())
    return (
        path,
        str(given),
        "" if quantity.unit in ("text", "count", "table") else quantity.unit,
        quantity.kind.value,
        " ".join(quantity.source),
        quantity.note,
        quantity.file,
    )


def _print(spec: Any) -> None:
    print(f"{spec.id}: {spec.name}, {spec.board}")
    print(f"family {spec.family}, ISA {spec.isa}, read from {spec.file}\n")
    rows: list[tuple[str, ...]] = []
    section = ""
    for path, quantity in spec.figures().items():
        if rows and not path.startswith(f"{section}."):
            rows.append(("",) * (len(_COLUMNS) - 1))
        section = path.split(".")[0]
        rows.append(_row(path, quantity)[:-1])
    print_table(_COLUMNS[:-1], rows, right="<>")
    print("\nSources")
    for key, citation in sorted(spec.sources.items()):
        print(f"  {key}: {citation}")
