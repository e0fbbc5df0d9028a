"""``gpusim plan``: the launches that a library would make for a layer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

from gpusim.cli.output import CsvOption, JsonOption, print_csv, print_json, print_table

if TYPE_CHECKING:
    from gpusim.library.plan import PlannedLayer
    from gpusim.network.layers import Layer

_CONV = "CIN,H,W,K,STRIDE,PAD,COUT"
_COLUMNS = ("phase", "kernel", "global", "local")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("plan")(plan_command)


def plan_command(
    network: str | None = typer.Argument(None, help="A network id (resnet50) or an ONNX file."),
    layer: str | None = typer.Option(
        None, help="Number of a convolution as the papers count, or the name of any layer."
    ),
    channels: int | None = typer.Option(None, help="Output channels instead of the layer's own."),
    conv: str | None = typer.Option(None, help=f"A convolution of your own: {_CONV}."),
    library: str = typer.Option(..., help="Library id, such as acl or acl-gemm."),
    device: str = typer.Option(..., help="Device id, or a GPU that only the library knows."),
    layout: str | None = typer.Option(None, help="nhwc or nchw; the library's own by default."),
    dtype: str = typer.Option("f32", help="f32 or f16."),
    batch: int = typer.Option(1, help="Images per inference."),
    tuner: str = typer.Option("none", help="none or static (ACL)."),
    bias: bool = typer.Option(True, help="Whether the layer adds a bias."),
    tuning_log: str = typer.Option("", help="Tuned configurations (an AutoTVM log), for tvm."),
    as_json: bool = JsonOption,
    as_csv: bool = CsvOption,
) -> None:
    """Show the launches that a library would make for a layer."""
    from gpusim.library.plan import PlanOptions, plan_layer
    from gpusim.study.predict import LAYOUTS

    chosen = _layer(network, layer, channels, conv)
    options = PlanOptions(
        target=device,
        layout=layout or LAYOUTS.get(library, "nhwc"),
        dtype=dtype,
        batch=batch,
        tuner=tuner,
        bias=bias,
        tuning_log=tuning_log,
    )
    plans = plan_layer(library, chosen, options)
    if as_json:
        document = _document(plans[0])
        if len(plans) > 1:
            document["candidates"] = [_document(plan) for plan in plans]
        print_json(document)
    elif as_csv:
        rows = [(plan.method, *row) for plan in plans for row in _rows(plan)]
        print_csv(("method", *_COLUMNS), rows)
    else:
        for plan in plans:
            typer.echo(_title(plan))
            print_table(_COLUMNS, _rows(plan))
            for note in plan.unverified:
                typer.echo(f"not verified by a capture: {note}")


def _layer(network: str | None, name: str | None, channels: int | None, conv: str | None) -> Layer:
    from gpusim.errors import GpusimError, located

    if conv is not None and (network or name):
        raise GpusimError("--conv describes a layer of its own; leave out the network and --layer")
    if conv is not None:
        layer = _own_convolution(conv)
    elif network is None or name is None:
        raise GpusimError(f"name a network and a --layer, or a convolution with --conv {_CONV}")
    else:
        layer = _network_layer(network, name)
    if channels is None:
        return layer
    if channels < 1:
        raise GpusimError(located("--channels", "too small", expected="1 or more", found=channels))
    return layer.with_out_channels(channels)


def _own_convolution(text: str) -> Layer:
    from gpusim.errors import GpusimError, located
    from gpusim.network.layers import Layer, LayerKind

    if not re.fullmatch(r"\d+(,\d+){6}", text):
        raise GpusimError(located("--conv", "not a layer", expected=_CONV, found=text))
    cin, height, width, kernel, stride, pad, cout = map(int, text.split(","))
    is_empty = 0 in (cin, height, width, kernel, stride, cout)
    if is_empty or min(height, width) + 2 * pad < kernel:
        expected = "numbers above 0 (padding: or 0), filters no larger than the padded map"
        raise GpusimError(located("--conv", "no output", expected=expected, found=text))
    return Layer(
        index=0,
        name="conv",
        kind=LayerKind.CONVOLUTION,
        in_channels=cin,
        in_height=height,
        in_width=width,
        out_channels=cout,
        kernel_height=kernel,
        kernel_width=kernel,
        stride=stride,
        pad=pad,
    )


def _network_layer(network: str, name: str) -> Layer:
    from gpusim.errors import GpusimError, located
    from gpusim.network.open import open_network

    opened = open_network(network)
    number = int(name.removeprefix("L")) if re.fullmatch(r"L?\d+", name) else None
    for layer in opened.layers:
        if layer.name == name or (layer in opened.convolutions and layer.index == number):
            return layer
    names = ", ".join(str(layer.index) for layer in opened.convolutions)
    expected = f"a convolution ({names}) or the name of a layer"
    raise GpusimError(located(f"{network}, --layer", "unknown", expected=expected, found=name))


def _rows(plan: PlannedLayer) -> list[tuple[str, str, str, str]]:
    return [
        (
            phase.value,
            launch.kernel,
            "x".join(map(str, launch.global_size)),
            "" if launch.local_size is None else "x".join(map(str, launch.local_size)),
        )
        for phase, launch in plan.launches
    ]


def _document(plan: PlannedLayer) -> dict[str, Any]:
    layer, options = plan.layer, plan.options
    return {
        "library": plan.library,
        "method": plan.method,
        "device": options.target,
        "layout": options.layout,
        "dtype": options.dtype,
        "batch": options.batch,
        "tuner": options.tuner,
        "layer": layer.name,
        "channels": layer.out_channels,
        "launches": [
            {
                "phase": phase.value,
                "kernel": launch.kernel,
                "global": list(launch.global_size),
                "local": None if launch.local_size is None else list(launch.local_size),
            }
            for phase, launch in plan.launches
        ],
        "unverified": list(plan.unverified),
    }


def _title(plan: PlannedLayer) -> str:
    layer, options = plan.layer, plan.options
    return (
        f"{layer.name} ({layer.in_channels}x{layer.in_height}x{layer.in_width} to "
        f"{layer.out_channels} channels) by {plan.library}, {plan.method}, "
        f"{options.layout}, {options.dtype}, on {options.target}"
    )
