"""Tuning results in the libraries' own formats.

- ACL: the table that CLTuner loads, ``config_id;x;y;z`` a line. A config id names a kernel's
  configuration, so only launches planned from a layer have one, and only for the kernels whose
  ids are known here: the matrix product of a convolution and the direct convolution.
- CSV: every tuned launch, whatever it is of.

Sources: src/runtime/CL/CLTuner.cpp (format), CLGEMMMatrixMultiplyKernel.cpp and
CLDirectConvolutionLayerKernel.cpp (ids) of ACL, read; never loaded into the library by us.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from gpusim.library.plan import PlannedLayer
from gpusim.study.tune import TunedLaunch

_COLUMNS = (
    "kernel", "where", "launches", "global", "local_given", "local_resolved", "local_best",
    "given_ms", "best_ms", "gain", "gain_low", "gain_high", "interval_status", "candidates",
    "fixed_because",
)  # fmt: skip
_PS_PER_MS = 10**9
_NATIVE = "gemm_mm_floating_point"
_OLD_RESHAPED = "gemm_mm_interleaved_transposed"


def tuning_csv(tuned: Sequence[TunedLaunch]) -> str:
    """Return every tuned launch as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(row_of(one).values() for one in tuned)
    return text.getvalue()


def row_of(one: TunedLaunch) -> dict[str, object]:
    """Return a tuned launch as a row."""
    words = {
        "global": one.global_size,
        "local_given": one.given,
        "local_resolved": one.resolved,
        "local_best": one.best,
    }
    sizes = {name: "" if size is None else "x".join(map(str, size)) for name, size in words.items()}
    return {
        "kernel": one.kernel,
        "where": one.label,
        "launches": one.times,
        **sizes,
        "given_ms": one.given_ps / _PS_PER_MS,
        "best_ms": one.best_ps / _PS_PER_MS,
        "gain": one.gain,
        "gain_low": one.gain_low,
        "gain_high": one.gain_high,
        "interval_status": one.interval_status.value,
        "candidates": one.tried,
        "fixed_because": one.skipped,
    }


def acl_table(
    tuned: Sequence[TunedLaunch], plans: Sequence[PlannedLayer]
) -> tuple[str, tuple[str, ...]]:
    """Return CLTuner's table, and the kernels whose better local size it cannot hold.

    Parameters
    ----------
    tuned : sequence of TunedLaunch
        With the layer's name as label.
    plans : sequence of PlannedLayer
        ACL's plans of these layers.
    """
    layers = {plan.layer.name: plan for plan in plans}
    lines: dict[str, str] = {}
    missing: list[str] = []
    for one in tuned:
        if one.best is None:
            continue
        plan = layers.get(one.label)
        identifier = None if plan is None else acl_config_id(one.kernel, plan)
        if identifier is None:
            missing.append(one.kernel)
            continue
        lines.setdefault(identifier, ";".join((identifier, *map(str, one.best))))
    return "".join(f"{line}\n" for line in lines.values()), tuple(dict.fromkeys(missing))


def acl_config_id(kernel: str, plan: PlannedLayer) -> str | None:
    """Return the id under which ACL looks up a kernel's local size; None when it isn't known."""
    layer, options = plan.layer, plan.options
    dtype = {"f32": "f32", "f16": "f16"}[options.dtype]
    if kernel.startswith("direct_convolution"):
        top, left, bottom, right = layer.pads
        stride_y, stride_x = layer.strides
        numbers = (
            layer.kernel_width, left, top, right, bottom, stride_x, stride_y,
            layer.out_width, layer.out_height,
        )  # fmt: skip
        return "_".join(("direct_convolution", dtype, *map(str, numbers), options.layout))
    if kernel.startswith((_NATIVE, _OLD_RESHAPED)) and plan.method == "gemm":
        return _gemm_id(kernel, plan, dtype)
    return None


def _gemm_id(kernel: str, plan: PlannedLayer, dtype: str) -> str:
    layer, options = plan.layer, plan.options
    skips_im2col = not any("im2col" in launch.kernel for _, launch in plan.launches)
    inner = layer.in_channels * layer.kernel_height * layer.kernel_width
    # Without a separate addition the bias is one more row of the weights.
    inner += int(options.bias and not skips_im2col)
    is_3d = options.layout == "nhwc"
    words = ["gemm"]
    if kernel.startswith(_OLD_RESHAPED):
        words.append("reshaped")
    if is_3d and skips_im2col:
        words.append("3di")
    if is_3d:
        words.append("3do")
    if is_3d:
        shape = (layer.out_width, layer.out_channels, layer.out_height, options.batch)
    else:
        shape = (layer.out_height * layer.out_width, layer.out_channels, options.batch, 1)
    columns = inner
    if kernel.startswith(_OLD_RESHAPED):
        # Rows of the transposed weights: blocks of 16 bytes, 1 wide on Midgard, 4 on Bifrost.
        per_block = 4 if dtype == "f32" else 8
        columns = inner * per_block * (4 if "bifrost" in kernel else 1)
    return "_".join((*words, dtype, *map(str, (*shape, columns))))
