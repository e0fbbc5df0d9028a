"""``gpusim dynamic``: what a network gains when its kernels are switched per input."""

from __future__ import annotations

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("dynamic")(dynamic_command)


def dynamic_command(
    network: str = typer.Argument(help="A network id, such as caffenet."),
    device: str = typer.Option(..., "--device", help="GPU: an id or a YAML file."),
    profile: str = typer.Option(..., "--profile", help="Activity profile: an id or a YAML file."),
    cpu: str = typer.Option("", "--cpu", help="CPU model for a part of the batch."),
    batch_cpu: int = typer.Option(0, "--batch-cpu", min=0, help="Images on the CPU."),
    batch_gpu: int = typer.Option(1, "--batch-gpu", min=0, help="Images on the GPU."),
    order: str = typer.Option("batch-kernels-rows", help="Order of the global dimensions."),
    rows: int = typer.Option(1, min=1, help="Rows of a map per work-item."),
    fidelity: str = typer.Option("wave", help="analytic, wave or detailed."),
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Compare a network with and without dynamic pruning, and find the best split of a batch."""
    from gpusim.study.dynamic import open_study

    study = open_study(
        profile, device, network=network, cpu=cpu, order=order, rows=rows, fidelity=fidelity
    )
    splits = [(batch_cpu, batch_gpu)]
    if cpu and batch_cpu and batch_gpu:
        splits += [(batch_cpu, 0), (0, batch_gpu)]
        splits.append(study.best_split(batch_cpu + batch_gpu, dynamic=True))
    rows_found = [study.compare(*split).row() for split in dict.fromkeys(splits)]
    layers = []
    if batch_gpu:
        run = study.gpu(batch_gpu, dynamic=True)
        layers = [
            {
                "layer": one.step.layer.name,
                "role": one.step.role.value,
                "kernels_active": one.step.out_active,
                "channels_active": one.step.in_active,
                "macs": one.step.macs,
                "gpu_ms": one.run_ps / 1e9,
            }
            for one in run.steps
        ]
    if as_json:
        print_json(
            {
                "network": study.network.id,
                "device": study.device.id,
                "cpu": cpu,
                "profile": study.profile.id,
                "order": order,
                "fidelity": fidelity,
                "splits": rows_found,
                "layers": layers,
            }
        )
    elif as_csv:
        print_csv(tuple(rows_found[0]), [tuple(row.values()) for row in rows_found])
    else:
        print_table(
            ["on", "CPU images", "GPU images", "static ms/image", "dynamic ms/image", "speed-up"],
            [
                [
                    row["where"],
                    row["cpu_batch"],
                    row["gpu_batch"],
                    f"{row['static_ms_per_image']:.2f}",
                    f"{row['dynamic_ms_per_image']:.2f}",
                    f"{row['speed_up']:.2f}",
                ]
                for row in rows_found
            ],
            title=f"{study.network.id} under {study.profile.id} on {study.device.id} ({fidelity})",
            right=" >>>>>",
        )
        if layers:
            print_table(
                ["layer", "", "kernels", "channels", "GPU ms"],
                [
                    [
                        row["layer"],
                        row["role"],
                        f"{row['kernels_active']:.0%}",
                        f"{row['channels_active']:.0%}",
                        f"{row['gpu_ms']:.3f}",
                    ]
                    for row in layers
                ],
                title=f"dynamic, {batch_gpu} images on the GPU",
                right="  >>>",
            )
