"""ACL's matrix product C (m, n) = A (m, k) x B (k, n): three forms and who gets which.

*Native* reads both matrices as they are. *Interleaved* (the older of the two reshaping forms)
reads 4-row blocks of A and 4-column (half: 8) blocks of B, both rewritten beforehand. *Reshaped*
(the newer one, on Bifrost in float only) takes dot products of blocks that lie along k.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpusim.library.acl.binding import Binding, Tensor, macros
from gpusim.library.acl.sequence import Sequence, ceil_div, f32, round_up
from gpusim.library.acl.target import Target
from gpusim.library.plan import Phase
from gpusim.trace.records import Size3

_RESHAPE_LISTED = frozenset(("g52", "g52lit", "g71", "g72", "g76"))
"""The GPUs with a rule of their own for when reshaping pays off."""

NEW_GEMM_WORKLOAD = 1600.0
"""m * n / 20 above which the newer form is taken."""

_SOURCE = "gemm.cl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as the library is asked for it."""

    m: int
    """Rows of A, of one plane."""
    n: int
    k: int
    planes: int = 1
    """Products that share a launch: images, or Winograd's positions times images."""
    b_planes: int = 1
    """How many B there are; plane z of A meets plane z % b_planes of B."""
    output_rows: int = 0
    """Second dimension of the output tensor: the width of a map in NHWC, else m."""
    maps: int = 1
    """Maps of equally many rows that a plane of A consists of when A is a tensor and no matrix
    (NHWC without im2col); the native form takes each as a plane."""
    fuses_bias: bool = False

    @property
    def is_vector(self) -> bool:
        """Whether A is one row."""
        return self.m == self.planes == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Block sizes of the newer form."""

    m0: int
    n0: int
    k0: int
    v0: int
    """Blocks of A side by side."""
    h0: int
    """Blocks of B side by side."""
    is_a_interleaved: bool
    is_b_interleaved: bool


def is_reshaped(product: Product, target: Target) -> bool:
    """Return whether both matrices are rewritten first.

    Assumes that B is constant, as weights are.
    """
    m, n, k = product.m, product.n, product.k
    if target.name not in _RESHAPE_LISTED:
        return m != 1
    if m > 1 and n < 16:
        return True
    if k <= 256 or m <= 4:
        return False
    scale = 1.07 if k > 1024 else 1.0
    plain = f32(f32(3.2) + f32(f32(n * f32(1.51)) / 12))
    reshaped = f32(f32(f32(f32(1.66) * n) * f32(scale)) / 12)
    return plain < reshaped


def is_new_form(product: Product, target: Target, *, is_half: bool) -> bool:
    """Return whether a reshaped product takes the newer form."""
    m = product.m
    return target.is_bifrost and not is_half and f32(m * product.n / 20.0) > NEW_GEMM_WORKLOAD


def tiles(m: int, n: int, target: Target) -> Tiles:
    """Return the blocks of the newer form."""
    if n <= 4:
        chosen = (4, 2, 8, 16, 16, True, False)
    elif target.name == "g76":
        chosen = (4, 4, 2, 8, 16, False, False)
    else:
        chosen = (5, 4, 4, 2, 16, False, True)
    m0, n0, k0, v0, h0, is_a, is_b = chosen
    return Tiles(
        m0=m0,
        n0=n0,
        k0=k0,
        v0=v0 if m >= m0 * v0 else 1,
        h0=h0 if n >= n0 * h0 else 1,
        is_a_interleaved=is_a,
        is_b_interleaved=is_b,
    )


def add_product(plan: Sequence, product: Product, a: str, b: str, c: str, bias: str) -> None:
    """Enqueue a product: B's reshape in `prepare`, the rest in `run`.

    Parameters
    ----------
    plan : Sequence
        Receives the launches and the tensors of reshaped matrices.
    product : Product
        What is multiplied.
    a, b, c, bias : str
        Tensors; `bias` counts only where the product fuses it.
    """
    if not is_reshaped(product, plan.target):
        _add_native(plan, product, a, b, c, bias)
    elif is_new_form(product, plan.target, is_half=plan.is_half):
        _add_reshaped(plan, product, a, b, c)
    else:
        _add_interleaved(plan, product, a, b, c, bias)


def output_tile(product: Product, plan: Sequence) -> tuple[int, int]:
    """Return (columns, rows) that a work-item of the product writes."""
    if not is_reshaped(product, plan.target):
        return _native_columns(plan, product), min(product.output_rows or product.m, 4)
    if is_new_form(product, plan.target, is_half=plan.is_half):
        chosen = tiles(product.m, product.n, plan.target)
        return chosen.n0, chosen.m0
    return 16 // plan.element_bytes, 4


def _add_native(plan: Sequence, product: Product, a: str, b: str, c: str, bias: str) -> None:
    columns, rows = output_tile(product, plan)
    bifrost = plan.target.is_bifrost
    name = "gemm_mm_floating_point"
    if bifrost and not product.is_vector:
        name += f"_{plan.options.dtype}_bifrost"
    elif bifrost and product.n <= 1000 and not plan.is_half:
        name += "_f32_bifrost_1000"
    hint = (4, 1, 1) if bifrost else plan.target.default_hint
    if plan.is_static:
        hint = _static_hint(plan.target, b_rows=product.k, output_rows=_rows(product))
    depth = 8 if name.endswith("_1000") else 4 if name.endswith("_bifrost") else 2
    tensors = plan.tensors
    plan.add(
        Phase.RUN,
        name,
        (
            ceil_div(product.n, columns),
            ceil_div(product.m // product.maps, rows),
            product.planes * product.maps,
        ),
        hint,
        Binding(
            source=_SOURCE,
            macros=macros(
                GEMM_NATIVE=name,
                COLUMNS=columns,
                ROWS=rows,
                DEPTH=depth,
                COLS_A=product.k,
                B_PLANES=product.b_planes,
            )
            + (" -DADD_BIAS" if product.fuses_bias else ""),
            arguments=(a, b, bias, c, *_strides(tensors[a], tensors[b], tensors[c])),
        ),
    )


def _add_interleaved(plan: Sequence, product: Product, a: str, b: str, c: str, bias: str) -> None:
    n0 = 16 // plan.element_bytes
    v0, h0 = (2, 4) if plan.target.is_bifrost else (1, 1)
    m, n, k = product.m, product.n, product.k
    groups_m, groups_n = ceil_div(ceil_div(m, 4), v0), ceil_div(ceil_div(n, n0), h0)
    default = plan.target.default_hint
    blocks_a, blocks_b = f"{a} in blocks", f"{b} in blocks"
    plan.tensors[blocks_a] = Tensor(dims=(4 * v0 * round_up(k, 4), groups_m, product.planes, 1))
    plan.tensors[blocks_b] = Tensor(dims=(n0 * h0 * k, groups_n, product.b_planes, 1))
    tensors = plan.tensors
    plan.add(
        Phase.PREPARE,
        "gemm_reshape_rhs_matrix_nt",
        (ceil_div(n, n0), k, product.b_planes),
        default,
        Binding(
            source="gemm_reshape.cl",
            macros=macros(RHS_NT=1, N0=n0, H0=h0),
            arguments=(
                b, blocks_b, tensors[b].row, tensors[b].plane,
                tensors[blocks_b].row, tensors[blocks_b].plane,
            ),
        ),
    )  # fmt: skip
    plan.add(
        Phase.RUN,
        "gemm_reshape_lhs_matrix_t",
        (ceil_div(k, 4), ceil_div(m, 4), product.planes),
        default,
        _lhs_binding(plan, product, a, blocks_a, m0=4, k0=4, v0=v0, form="LHS_T"),
    )
    name = f"gemm_mm_interleaved_transposed_{plan.options.dtype}"
    hint = default
    if plan.is_static:
        hint = _static_hint(plan.target, b_rows=groups_n, output_rows=_rows(product))
    plan.add(
        Phase.RUN,
        name + ("_bifrost" if plan.target.is_bifrost else ""),
        (ceil_div(n, n0), ceil_div(m, 4), product.planes),
        hint,
        Binding(
            source=_SOURCE,
            macros=macros(
                GEMM_INTERLEAVED=name + ("_bifrost" if plan.target.is_bifrost else ""),
                COLUMNS=n0,
                COLS_A=k,
                V0=v0,
                H0=h0,
                B_PLANES=product.b_planes,
            )
            + (" -DADD_BIAS" if product.fuses_bias else ""),
            arguments=(
                blocks_a, blocks_b, bias, c, tensors[blocks_a].row, tensors[blocks_a].plane,
                tensors[blocks_b].row, tensors[blocks_b].plane, tensors[c].row, tensors[c].plane,
            ),
        ),
    )  # fmt: skip


def _add_reshaped(plan: Sequence, product: Product, a: str, b: str, c: str) -> None:
    m, n, k = product.m, product.n, product.k
    t = tiles(m, n, plan.target)
    depth = round_up(k, t.k0)
    groups_m, groups_n = ceil_div(ceil_div(m, t.m0), t.v0), ceil_div(ceil_div(n, t.n0), t.h0)
    blocks_a, blocks_b = f"{a} in blocks", f"{b} in blocks"
    plan.tensors[blocks_a] = Tensor(dims=(t.m0 * t.v0 * depth, groups_m, product.planes, 1))
    plan.tensors[blocks_b] = Tensor(dims=(t.n0 * t.h0 * depth, groups_n, product.b_planes, 1))
    tensors = plan.tensors
    hint = plan.target.default_hint
    interleave = macros(H0=t.h0) + (" -DRHS_INTERLEAVE" if t.is_b_interleaved else "")
    plan.add(
        Phase.PREPARE,
        "gemm_reshape_rhs_matrix_t",
        (ceil_div(n, t.n0), ceil_div(k, t.k0), product.b_planes),
        hint,
        Binding(
            source="gemm_reshape.cl",
            macros=macros(RHS_T=1, N0=t.n0, K0=t.k0) + " " + interleave,
            arguments=(
                b, blocks_b, k, tensors[b].row, tensors[b].plane,
                tensors[blocks_b].row, tensors[blocks_b].plane,
            ),
        ),
    )  # fmt: skip
    lhs = " -DLHS_INTERLEAVE" if t.is_a_interleaved else ""
    plan.add(
        Phase.RUN,
        "gemm_reshape_lhs_matrix_nt",
        (ceil_div(k, t.k0), ceil_div(m, t.m0), product.planes),
        hint,
        _lhs_binding(plan, product, a, blocks_a, m0=t.m0, k0=t.k0, v0=t.v0, form="LHS_NT" + lhs),
    )
    plan.add(
        Phase.RUN,
        "gemm_mm_reshaped_lhs_nt_rhs_t",
        (ceil_div(n, t.n0), ceil_div(m, t.m0), product.planes),
        hint,
        Binding(
            source=_SOURCE,
            macros=macros(
                GEMM_RESHAPED=1,
                M0=t.m0,
                N0=t.n0,
                K0=t.k0,
                V0=t.v0,
                COLS_A=k,
                B_PLANES=product.b_planes,
            )
            + f" {interleave}{lhs}",
            arguments=(
                blocks_a, blocks_b, c, tensors[blocks_a].row, tensors[blocks_a].plane,
                tensors[blocks_b].row, tensors[blocks_b].plane, tensors[c].row, tensors[c].plane,
            ),
        ),
    )  # fmt: skip


def _lhs_binding(
    plan: Sequence, product: Product, a: str, blocks: str, *, m0: int, k0: int, v0: int, form: str
) -> Binding:
    source, target = plan.tensors[a], plan.tensors[blocks]
    return Binding(
        source="gemm_reshape.cl",
        macros=macros(M0=m0, K0=k0, V0=v0, COLS_A=product.k) + f" -D{form}",
        arguments=(a, blocks, source.row, source.plane, target.row, target.plane),
    )


def _rows(product: Product) -> int:
    return product.output_rows or product.m


def _native_columns(plan: Sequence, product: Product) -> int:
    if plan.target.is_bifrost and not plan.is_half:
        return 2 if product.n <= 1000 and product.is_vector else 4
    return 16 // plan.element_bytes


def _strides(a: Tensor, b: Tensor, c: Tensor) -> tuple[int, ...]:
    return (a.row, a.plane, b.row, b.plane, c.row, c.plane)


def _static_hint(target: Target, *, b_rows: int, output_rows: int) -> Size3 | None:
    """Return what the static tuners choose; nothing for the generic Bifrost."""
    if target.is_bifrost and not target.is_listed:
        return None
    if target.is_bifrost and b_rows == 24:
        return (2, 2, 1)
    return (1, 7, 1) if output_rows == 196 else (8, 8, 1)
