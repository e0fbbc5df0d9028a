"""``gpusim devices``: the device models that ship, and how well each is known."""

from __future__ import annotations

from typing import Any

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("devices")
    def devices(as_json: bool = JsonOption, as_csv: bool = CsvOption) -> None:
        """List the device models: size, peak rates, and how many figures are known how."""
        from gpusim.device import list_devices, load_device

        rows = [summarise(load_device(name)) for name in list_devices()]
        if as_json:
            print_json({"devices": rows})
        elif as_csv:
            print_csv(list(_flat(rows[0])), [list(_flat(row).values()) for row in rows])
        else:
            _print(rows)


def summarise(spec: Any) -> dict[str, Any]:
    """Return one device's row: identity, size, peaks, number of figures by kind."""
    from gpusim.device import Evidence

    evidence = Evidence()
    for quantity in spec.figures().values():
        evidence(quantity)
    return {
        "id": spec.id,
        "name": spec.name,
        "board": spec.board,
        "family": spec.family,
        "isa": spec.isa,
        "n_shader_cores": spec.core.n_shader_cores.value,
        "clock_khz": spec.core.clock_khz.value,
        "peak_fp32_flops": spec.peak_flops(),
        "peak_fp16_flops": spec.peak_flops(half=True),
        "dram_peak_bytes_per_s": spec.dram.peak_bytes_per_s.value,
        "figures": evidence.by_kind(),
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    counts = {f"figures_{kind}": number for kind, number in row["figures"].items()}
    return {key: value for key, value in row.items() if key != "figures"} | counts


def _print(rows: list[dict[str, Any]]) -> None:
    kinds = list(rows[0]["figures"])
    columns = ("id", "name", "family", "cores", "MHz", "fp32 GFLOP/s", "DRAM GB/s", *kinds)
    cells = [
        (
            row["id"],
            row["name"],
            row["family"],
            row["n_shader_cores"],
            f"{row['clock_khz'] / 1e3:.1f}",
            f"{row['peak_fp32_flops'] / 1e9:.1f}",
            f"{row['dram_peak_bytes_per_s'] / 1e9:.1f}",
            *row["figures"].values(),
        )
        for row in rows
    ]
    print_table(columns, cells, right="<<<>>>>" + ">" * len(kinds))
    print("\nThe last five columns count a model's figures by how they are known;")
    print("`gpusim device ID` shows each figure with its source.")
