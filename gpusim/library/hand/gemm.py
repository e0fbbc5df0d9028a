"""Launch rules of the matrix product by 4x4 blocks and of its two reshapes.

C (m, n) = A (m, k) x B (k, n). A work-item of the product computes a 4x4 block of C from one row
block of A and one column block of B, each 4 * k elements long.
"""

from __future__ import annotations

from gpusim.errors import TraceError, located
from gpusim.library.hand.plan import HandLaunch, TypeChoice, half_option, int32, plan_launch
from gpusim.trace.records import Size3

_SOURCE = "gemm.cl"
_BLOCK = 4
_K_PER_ITERATION = 3


def plan_gemm(m: int, n: int, k: int, kind: TypeChoice, local_size: Size3 | None) -> HandLaunch:
    """Plan ``gemm_interleaved_transposed_vec4``.

    The kernel takes three values of k per iteration, so k is rounded up to a multiple of three
    and the inputs carry the rest as padding.
    """
    _check_blocks(m=m, n=n)
    iterations = -(-k // _K_PER_ITERATION)
    overrun = (iterations * _K_PER_ITERATION - k) * _BLOCK
    size = kind.scalar_bytes
    trace = plan_launch(
        source=_SOURCE,
        kernel="gemm_interleaved_transposed_vec4",
        build_options=_options(kind),
        arguments=(int32(n), int32(_BLOCK * k), 0, 1, 2),
        buffers=((m * k + overrun) * size, (n * k + overrun) * size, m * n * size),
        global_size=(n // _BLOCK, m // _BLOCK, 1),
        local_size=local_size,
        work_dim=2,
    )
    return HandLaunch(trace=trace, operations=2 * m * n * k, moved_bytes=(m + n) * k * size)


def plan_interleave(m: int, k: int, kind: TypeChoice, local_size: Size3 | None) -> HandLaunch:
    """Plan ``mat_interleave_vec4``: A (m, k) into row blocks."""
    _check_blocks(m=m, k=k)
    size_bytes = m * k * kind.scalar_bytes
    trace = plan_launch(
        source=_SOURCE,
        kernel="mat_interleave_vec4",
        build_options=_options(kind),
        arguments=(int32(k), 0, 1),
        buffers=(size_bytes, size_bytes),
        global_size=(k // _BLOCK, m // _BLOCK, 1),
        local_size=local_size,
        work_dim=2,
    )
    return HandLaunch(trace=trace, moved_bytes=2 * size_bytes)


def plan_transpose(k: int, n: int, kind: TypeChoice, local_size: Size3 | None) -> HandLaunch:
    """Plan ``mat_trans_vec4``: B (k, n) into column blocks."""
    _check_blocks(n=n)
    size_bytes = k * n * kind.scalar_bytes
    trace = plan_launch(
        source=_SOURCE,
        kernel="mat_trans_vec4",
        build_options=_options(kind),
        arguments=(int32(n), int32(k), 0, 1),
        buffers=(size_bytes, size_bytes),
        global_size=(n // _BLOCK, k, 1),
        local_size=local_size,
        work_dim=2,
    )
    return HandLaunch(trace=trace, moved_bytes=2 * size_bytes)


def _options(kind: TypeChoice) -> str:
    if kind.width != 1:
        raise TraceError(
            located("matrix element", "not a scalar", expected="float or half", found=kind.name)
        )
    return f"-DTYPE={kind.scalar}{half_option(kind)}"


def _check_blocks(**extents: int) -> None:
    for name, extent in extents.items():
        if extent < _BLOCK or extent % _BLOCK:
            raise TraceError(
                located(
                    f"matrix extent {name}",
                    "no whole blocks",
                    expected="a multiple of 4",
                    found=extent,
                )
            )
