"""Launch rule of the copy: one element per work-item."""

from __future__ import annotations

from gpusim.library.hand.plan import HandLaunch, TypeChoice, half_option, plan_launch
from gpusim.trace.records import Size3


def plan_copy(n_scalars: int, kind: TypeChoice, local_size: Size3 | None) -> HandLaunch:
    """Plan a copy of `n_scalars` scalars, `kind.width` of them per work-item."""
    n_elements = n_scalars // kind.width
    size_bytes = n_elements * kind.size_bytes
    trace = plan_launch(
        source="copy.cl",
        kernel="copy_elements",
        build_options=f"-DELEMENT={kind.name}{half_option(kind)}",
        arguments=(0, 1),
        buffers=(size_bytes, size_bytes),
        global_size=(n_elements, 1, 1),
        local_size=local_size,
        work_dim=1,
    )
    return HandLaunch(trace=trace, moved_bytes=2 * size_bytes)
