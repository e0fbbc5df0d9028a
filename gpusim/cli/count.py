"""``gpusim count``: run a kernel from a file and count what it executes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gpusim.cli.limits import LimitOption
from gpusim.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from gpusim.count import KernelCount

ARGUMENT_HELP = (
    "In argument order, one each: buffer:BYTES[:zeros|random|iota|FILE.npy], local:BYTES, "
    "image:WIDTHxHEIGHT[xLAYERS]:ORDER:TYPE[:zeros|random|iota|FILE.npy] (image:64x64:RGBA:FLOAT), "
    "sampler:none|clamp_to_edge|clamp|repeat|mirrored_repeat[:normalized], "
    "or a value as i32:5, u32:5, i64:5, f32:1.5, f16:1.5, f32:1,2,3,4."
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("count")(count_command)


def count_command(
    file: Path = typer.Argument(help="OpenCL C source."),
    kernel: str = typer.Option(..., help="Name of the kernel."),
    global_: str = typer.Option(..., "--global", help="Global size: X, X,Y or X,Y,Z."),
    local: str | None = typer.Option(None, help="Local size, same form."),
    arg: list[str] = typer.Option([], "--arg", help=ARGUMENT_HELP),
    build_options: str = typer.Option("", help="As given to clBuildProgram."),
    warp_width: int = typer.Option(
        32, min=0, max=1024, help="Lanes per warp for the SIMT efficiency; 0 = don't."
    ),
    policy: str = typer.Option(
        "",
        help="Where diverged lanes meet again: post-dominator or lowest-pc. "
        "[default: that of known devices of the warp width]",
    ),
    device: str | None = typer.Option(
        None, help="Take warp width and policy from a device, e.g. mali-g72."
    ),
    mode: str = typer.Option("auto", help="auto, full or slice."),
    seconds: float | None = typer.Option(
        None, min=0.001, help="Time limit of the run; short for --limit seconds=N."
    ),
    instructions: float | None = typer.Option(
        None, min=1, help="Limit of executed instructions; short for --limit instructions=N."
    ),
    limit: list[str] = LimitOption,
    as_json: bool = JsonOption,
) -> None:
    """Run a kernel and count instructions, memory accesses and divergence exactly."""
    from gpusim.count import count_kernel
    from gpusim.count.limits import parse_limits
    from gpusim.errors import CompileError

    try:
        source = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CompileError(f"{file}: {error.strerror}") from None
    settings = list(limit)
    settings += [f"seconds={seconds}"] if seconds is not None else []
    settings += [f"instructions={instructions}"] if instructions is not None else []
    if device is not None:
        warp_width, policy = _warps(device, policy)
    result = count_kernel(
        source,
        kernel,
        _sizes(global_, "--global"),
        _sizes(local, "--local") if local is not None else None,
        arg,
        build_options,
        warp_width=warp_width,
        policy=policy,
        mode=mode,
        limits=parse_limits(settings),
        where=str(file),
    )
    if as_json:
        print_json(result.as_dict())
    else:
        _print(result)


def _sizes(text: str, option: str) -> list[int]:
    from gpusim.errors import CountError, located

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise CountError(
            located(option, "not a size", expected="X, X,Y or X,Y,Z", found=text)
        ) from None


def _warps(device: str, policy: str) -> tuple[int, str]:
    """Return a device's warp width, and the policy asked for or else that of its ISA."""
    from gpusim.count.reconvergence import POLICY_OF_ISA
    from gpusim.device import load_device

    spec = load_device(device)
    return int(spec.core.warp_width.value), policy or POLICY_OF_ISA[spec.isa]


def _print(result: KernelCount) -> None:
    found = result.as_dict()
    memory = found["memory"]
    rows = [
        ("work-items", f"{found['work_items']:,}"),
        ("work-groups", f"{found['work_groups']:,} of {found['local_size']}"),
        ("mode", f"{found['mode']}, bounds {found['bounds']}"),
        ("instructions", f"{found['instructions']:,}"),
        ("barriers", f"{found['barriers']:,}"),
        *((key, f"{n:,}") for key, n in memory.items() if isinstance(n, int) and n),
        *_simt_rows(found["simt"]),
        *_line_rows(memory.get("coalescing")),
        (
            "compile, count (s)",
            f"{found['seconds']['compile']:.3f}, {found['seconds']['count']:.3f}",
        ),
    ]
    print_table(["what", "number"], rows, title=f"kernel {found['kernel']}", right="<>")
    print_table(
        ["opcode", "executed"], [(k, f"{n:,}") for k, n in found["opcodes"].items()], right="<>"
    )


def _simt_rows(simt: dict[str, Any]) -> list[tuple[str, str]]:
    if not simt:
        return []
    other = ", ".join(
        f"{value:.4g} {name}"
        for name, value in simt["efficiency_by_policy"].items()
        if name != simt["policy"]
    )
    sampled = f"{simt['sampled_groups']:,} of {simt['groups']:,} work-groups"
    return [
        ("warp_width", str(simt["warp_width"])),
        ("policy", f"{simt['policy']} ({simt['policy_evidence']})"),
        ("efficiency", f"{simt['efficiency']:.4g} ({other})"),
        ("warp_instructions", f"{simt['warp_instructions']:,.0f}"),
        ("divergent_branches", str(simt["divergent_branches"])),
        ("sampled", f"{sampled}, standard error {simt['sampling_error']:.2g}"),
    ]


def _line_rows(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    if found is None or not found["sites"]:
        return []
    means = found["mean_lines"].items()
    return [(f"lines of {size} B per warp access", f"{mean:.4g}") for size, mean in means]
