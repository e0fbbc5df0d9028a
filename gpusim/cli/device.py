"""``gpusim device ID``: every figure of a model with its evidence."""

from __future__ import annotations

from typing import Any

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table

_COLUMNS = ("figure", "value", "unit", "kind", "source", "note", "file")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("device")
    def device(
        model: str = typer.Argument(
            ..., metavar="ID", help="Id (see `gpusim devices`) or YAML file; :VIEW for a view."
        ),
        as_json: bool = JsonOption,
        as_csv: bool = CsvOption,
    ) -> None:
        """Show every figure of a device model: value, unit, kind, source, note."""
        from gpusim.device import load_device

        spec = load_device(model)
        if as_json:
            print_json(_payload(spec))
        elif as_csv:
            print_csv(_COLUMNS, [_row(path, q) for path, q in spec.figures().items()])
        else:
            _print(spec)


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
