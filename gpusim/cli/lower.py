"""``gpusim lower``: what a kernel becomes on an ISA family, and what each part costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gpusim.cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from gpusim.device.spec import DeviceSpec
    from gpusim.isa import LoweredKernel
    from gpusim.isa.sass_compare import Comparison

_MAX_SOURCE = 72


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("lower")(lower_command)


def lower_command(
    file: Path = typer.Argument(help="OpenCL C source."),
    kernel: str = typer.Option(..., help="Name of the kernel."),
    isa: str | None = typer.Option(
        None, help="bifrost, midgard, valhall, maxwell, pascal or adreno; default: the device's."
    ),
    build_options: str = typer.Option("", help="As given to clBuildProgram."),
    local: str | None = typer.Option(
        None, help="Local size X, X,Y or X,Y,Z: whole work-groups that fit a core."
    ),
    device: str | None = typer.Option(None, help="Take pipes and thread limits from this model."),
    sass: bool = typer.Option(
        False, "--sass", help="Compare with the machine code of ptxas (Maxwell, Pascal)."
    ),
    as_json: bool = JsonOption,
) -> None:
    """Show issue costs of a kernel by loop and source line, its registers and its bound."""
    from gpusim.compiler import compile_kernel
    from gpusim.device import load_device
    from gpusim.errors import CompileError, LowerError, located
    from gpusim.isa import lower_kernel
    from gpusim.isa.sass_compare import compare
    from gpusim.isa.summary import as_dict

    try:
        source = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CompileError(f"{file}: {error.strerror}") from None
    spec = load_device(device) if device is not None else None
    if isa is None and spec is None:
        raise LowerError(located("lower", "no target", expected="--isa or --device"))
    family = isa if isa is not None or spec is None else spec.isa
    compiled = compile_kernel(source, kernel, build_options, where=str(file))
    lowered = lower_kernel(compiled, str(family))
    pipes = int(spec.core.n_arithmetic_pipes.value) if spec is not None else 1
    rate = float(spec.core.load_store_per_cycle.value) if spec is not None else 1.0
    result = as_dict(lowered, pipes, rate)
    result["threads_per_core"] = _threads(lowered, spec, _size(local))
    comparison = compare(compiled, str(family)) if sass else None
    if comparison is not None:
        result["sass"] = {
            "arch": comparison.sass.arch,
            "registers": comparison.sass.registers,
            "instructions": comparison.sass.instructions,
            "loops": [loop.as_dict() for loop in comparison.loops],
        }
    if as_json:
        print_json(result)
        return
    _print(lowered, result)
    if comparison is not None:
        _print_comparison(comparison)


def _size(text: str | None) -> int:
    """Return the work-items of a local size, 0 when none is given."""
    from gpusim.errors import LowerError, located

    if text is None:
        return 0
    parts = text.split(",")
    if not 1 <= len(parts) <= 3 or not all(p.isdecimal() and int(p) > 0 for p in parts):
        raise LowerError(located("--local", "not a size", expected="X, X,Y or X,Y,Z", found=text))
    size = 1
    for part in parts:
        size *= int(part)
    return size


def _threads(lowered: LoweredKernel, spec: DeviceSpec | None, group: int) -> int:
    """Return the work-items a core holds: by registers, then in whole work-groups."""
    threads = lowered.threads_per_core
    width = 1
    if spec is not None:
        width = int(spec.core.warp_width.value)
        steps: dict[int, int] = spec.core.max_threads.value
        fitting = [n for limit, n in sorted(steps.items()) if lowered.registers <= limit]
        threads = fitting[0] if fitting else min(steps.values())
        file_words = int(spec.core.registers.value)
        if file_words:
            granule = int(spec.core.register_granule.value)
            each = -(-lowered.registers // granule) * granule
            threads = min(threads, file_words // each // width * width)
    # Without a barrier Midgard starts threads of the next group as others end.
    if group and (lowered.isa != "midgard" or lowered.view.kernel.has_barrier):
        padded = -(-group // width) * width
        threads = threads // padded * group
    return threads


def _print(lowered: LoweredKernel, result: dict[str, object]) -> None:
    from gpusim.isa.summary import line_costs, loop_costs

    print(
        f"{result['kernel']} on {lowered.isa}, per {result['per']}: "
        f"{lowered.registers} registers, {result['threads_per_core']} work-items a core, "
        f"{lowered.spills} spills"
    )
    names = [lowered.unit, "messages", *lowered.blocks[0].pipes] if lowered.blocks else []
    if lowered.isa == "bifrost":
        names.insert(1, "clauses")
    costs = loop_costs(lowered)
    names = list(dict.fromkeys([*names, *(n for c in costs for n in _pipes(lowered, c.blocks))]))
    loops = result["loops"]
    assert isinstance(loops, list)
    rows = [
        [
            f"{'  ' * (cost.depth - 1)}line {cost.line}",
            *(cost.per_iteration.get(name, 0) for name in names),
            entry["bound"],
        ]
        for cost, entry in zip(costs, loops, strict=True)
    ]
    if rows:
        title = "Loops: one iteration, inner loops excluded"
        print_table(["loop", *names, "bound"], rows, title=title, right=" " + ">" * len(names))
    columns = sorted({pipe for _, row in line_costs(lowered) for pipe in row})
    source = lowered.view.kernel.source_lines
    print_table(
        ["line", *columns, "source"],
        [
            [number or "", *(row.get(name, "") for name in columns), _text(source, number)]
            for number, row in line_costs(lowered)
        ],
        title="Operations per source line, all blocks once",
        right=">" * (1 + len(columns)),
    )


def _print_comparison(comparison: Comparison) -> None:
    """Print both sides of each loop; nothing is unrolled on either."""
    binary = comparison.sass
    rows = [
        [
            f"{'  ' * (loop.depth - 1)}line {loop.line}" if loop.depth else "outside loops",
            *(f"{number:g}" for number in (loop.ours, loop.sass)),
            f"{100 * loop.error:+.0f} %",
            *(f"{number:g}" for number in (loop.ours_messages, loop.sass_messages)),
        ]
        for loop in (*comparison.loops, comparison.outside)
    ]
    print_table(
        ["loop", "instructions", "ptxas", "error", "messages", "ptxas"],
        rows,
        title=f"Without unrolling, beside ptxas for {binary.arch} "
        f"({comparison.registers} registers, ptxas {binary.registers})",
        right=" >>>>>",
    )


def _pipes(lowered: LoweredKernel, blocks: tuple[int, ...]) -> list[str]:
    return [name for block in blocks for name in lowered.blocks[block].pipes]


def _text(source: tuple[str, ...], number: int) -> str:
    text = source[number - 1].strip() if 0 < number <= len(source) else ""
    return text if len(text) <= _MAX_SOURCE else text[: _MAX_SOURCE - 1] + "…"
