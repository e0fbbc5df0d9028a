"""Our back ends against what a real compiler emits: Mesa 25.0.7's panfrost on our own kernels.

`tests/golden/isa_kernels.cl` was compiled offline for Mali-T860, G72 and G57; the statistics stand
in the shared reference files (``mali-compiler/stats.csv``). Compared is one iteration of each
innermost loop, variant ``addr32_proxy``: 32-bit address arithmetic stands for fused 64-bit adds.
Its count includes a jump that is never executed, hence minus one.

Left out: `hgemm_*` (Mesa uses one lane of a half pair; tested on its own) and `conv3x3_naive_pad`
(unrolled there, a loop here).
"""

import csv
import statistics
from collections import defaultdict

import pytest

from gpusim.compiler import compile_kernel
from gpusim.isa import lower_kernel
from gpusim.isa.summary import loop_costs
from gpusim.pipeline import replay
from gpusim.resources import traces_dir
from gpusim.trace import load_trace
from tests.conftest import CHECKOUT, need, shared_dir

KERNELS = CHECKOUT / "tests" / "golden" / "isa_kernels.cl"
UNIT = {"bifrost": "tuples", "valhall": "instructions", "midgard": "bundles"}
STATISTIC = {
    "bifrost": ("bifrost_g72", "tuples"),
    "valhall": ("valhall_g57", "inst"),
    "midgard": ("midgard_t860", "bundles"),
}
LEFT_OUT = ("hgemm", "conv3x3_naive_pad")

# Loops that the shared statistics leave out, from the table of `mali-compiler.md`: kernel, loop,
# static bundles / tuples / instructions. Mesa refuses the 256-item group on Midgard.
TABLE_ONLY = [
    ("gemm_local8", 0, {"midgard": 44, "bifrost": 35, "valhall": 67}),
    ("gemm_local16", 0, {"bifrost": 76, "valhall": 147}),
    ("reduce_local", 0, {"midgard": 5, "bifrost": 8, "valhall": 10}),
]


@pytest.fixture(scope="module")
def statistics_of():
    """(kernel, architecture) -> {statistic: value} of variant addr32_proxy."""
    path = shared_dir() / "reference" / "mali-compiler" / "stats.csv"
    need(path.is_file(), "the statistics of the Mali compiler")
    found = defaultdict(dict)
    with path.open() as stream:
        for row in csv.DictReader(stream):
            if row["variant"] == "addr32_proxy":
                found[row["kernel"], row["arch"]][row["stat"]] = float(row["value"])
    return found


@pytest.fixture(scope="module")
def kernel_of():
    """Compile a kernel of the golden file once."""
    source, cache = KERNELS.read_text(), {}

    def get(name):
        if name not in cache:
            cache[name] = compile_kernel(source, name, "")
        return cache[name]

    return get


def innermost(kernel, isa):
    """Costs of the innermost loops, in source order."""
    code = lower_kernel(kernel, isa)
    loops = code.view.kernel.loops
    outer = {loops[loop.parent].header for loop in loops if loop.parent >= 0}
    return [cost for cost in loop_costs(code) if cost.header not in outer]


def pairs(statistics_of, kernel_of, isa):
    """(kernel, loop, ours, reference statistics) of every innermost loop that is compared."""
    architecture, _ = STATISTIC[isa]
    for (name, arch), stats in sorted(statistics_of.items()):
        if arch != architecture or name.startswith(LEFT_OUT):
            continue
        wanted = [n for n in range(8) if stats.get(f"loop{n}_inner") == 1]
        if not wanted:
            continue
        costs = innermost(kernel_of(name), isa)
        assert len(costs) == len(wanted), name
        for cost, number in zip(costs, wanted, strict=True):
            loop = {k.split("_", 1)[1]: v for k, v in stats.items() if k[:6] == f"loop{number}_"}
            yield name, number, cost.per_iteration, loop


@pytest.mark.shared
@pytest.mark.parametrize("isa", sorted(UNIT))
def test_innermost_loops(isa, statistics_of, kernel_of, record_property):
    errors = {}
    for name, number, ours, reference in pairs(statistics_of, kernel_of, isa):
        expected = reference[STATISTIC[isa][1]] - 1
        errors[f"{name}[{number}]"] = (ours[UNIT[isa]] - expected) / expected
    sizes = sorted(abs(error) for error in errors.values())
    record_property("errors", {name: round(error, 3) for name, error in errors.items()})
    assert len(sizes) >= 12
    assert statistics.median(sizes) <= 0.07, errors
    assert sizes[-1] <= 0.20, errors


@pytest.mark.shared
@pytest.mark.parametrize("isa", ["bifrost", "valhall"])
def test_messages_are_exact(isa, statistics_of, kernel_of):
    for name, number, ours, reference in pairs(statistics_of, kernel_of, isa):
        expected = reference.get("msg", sum(v for k, v in reference.items() if k[:4] == "msg_"))
        assert ours["messages"] == expected, (name, number)


@pytest.mark.shared
def test_load_store_operations_of_midgard_are_exact(statistics_of, kernel_of):
    for name, number, ours, reference in pairs(statistics_of, kernel_of, "midgard"):
        spills = sum(v for k, v in reference.items() if k.endswith("spill"))
        assert ours["messages"] == reference.get("msg", 0) - spills, (name, number)


@pytest.mark.shared
@pytest.mark.parametrize("isa", ["midgard", "valhall"])
def test_register_class(isa, statistics_of, kernel_of):
    """`threads` of the statistics: 4, 2, 1 for at most 4, 8, 16 registers; 2, 1 for 32, 64."""
    architecture, _ = STATISTIC[isa]
    verdicts = {}
    for (name, arch), stats in statistics_of.items():
        if arch == architecture:
            n = lower_kernel(kernel_of(name), isa).registers
            if isa == "midgard":
                factor = 4 if n <= 4 else 2 if n <= 8 else 1
            else:
                factor = 2 if n <= 32 else 1
            verdicts[name] = factor == stats["threads"]
    assert len(verdicts) >= 20
    assert sum(verdicts.values()) >= 0.8 * len(verdicts), verdicts


@pytest.mark.shared
def test_half_products_take_half_the_reference(statistics_of, kernel_of):
    stats = statistics_of["hgemm_4x4_k4", "bifrost_g72"]
    (ours,) = innermost(kernel_of("hgemm_4x4_k4"), "bifrost")
    one_lane = stats["loop0_n_fma"]
    assert one_lane == 64
    expected = stats["loop0_tuples"] - 1 - one_lane / 2
    assert ours.per_iteration["tuples"] == pytest.approx(expected, rel=0.07)
    assert ours.per_iteration["messages"] == stats["loop0_msg"]


@pytest.mark.parametrize(("name", "loop", "reference"), TABLE_ONLY)
def test_loops_with_local_memory(name, loop, reference, kernel_of):
    for isa, static in reference.items():
        if name == "reduce_local":
            code = lower_kernel(kernel_of(name), isa)
            ours = loop_costs(code)[loop].per_iteration[UNIT[isa]]
        else:
            ours = innermost(kernel_of(name), isa)[loop].per_iteration[UNIT[isa]]
        assert ours == pytest.approx(static - 1, rel=0.20), isa


# Radu et al., IISWC 2019, tables I-IV, decoded per work-item (`acl-dispatch.md`): arithmetic
# instructions of a GEMM work-item (K = 1153), of an im2col work-item, of a reshaped weight.
GEMM_WORK_ITEM = 45_071
IM2COL_WORK_ITEM = 220
RESHAPED_WEIGHT = 12

# ACL's weights reshape steps two pointers through all filters, one element per iteration.
RESHAPE = """
kernel void reshape(global const uchar *src, global uchar *dst, uint filters, uint src_stride_w,
                    uint dst_stride_x, uint dst_stride_y) {
  global const uchar *from = src + get_global_id(0) * sizeof(float);
  global uchar *to = dst + get_global_id(0) * dst_stride_y;
  for (uint i = 0; i < filters; i++) {
    *(global float *)to = *(global const float *)from;
    from += src_stride_w;
    to += dst_stride_x;
  }
}
"""


def test_arithmetic_instructions_of_the_matrix_product():
    report = replay(load_trace(traces_dir() / "resnet50-l16-c92.gptrace"), "mali-g72")
    for kernel, expected in (("gemm_mm", GEMM_WORK_ITEM), ("im2col3x3_nhwc", IM2COL_WORK_ITEM)):
        jobs = [job for row in report.launches if row.kernel == kernel for job in row.jobs]
        for job in jobs:
            work_items = job.global_size[0] * job.global_size[1] * job.global_size[2]
            each = job.arithmetic_instructions / work_items
            assert each == pytest.approx(expected, rel=0.08), kernel


def test_arithmetic_instructions_of_the_weights_reshape():
    (loop,) = loop_costs(lower_kernel(compile_kernel(RESHAPE, "reshape", ""), "bifrost"))
    each = loop.per_iteration["arithmetic_instructions"]
    assert each == pytest.approx(RESHAPED_WEIGHT, rel=0.08)
    assert loop.per_iteration["messages"] == 2
