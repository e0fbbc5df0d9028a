"""Memory instructions of ResNet-50 layer 16 equal the published ones, computed from execution.

Source: Radu et al., "Performance Aware CNN Channel Pruning for Embedded GPUs", IISWC 2019
(arXiv 2002.08697), Tables I-IV: instructions per GPU job with 92, 93, 96 and 97 output channels,
counted by the simulator of Kaszyk et al. (ISPASS 2019). The paper's labels of the first two
kernels are swapped; here each row stands under the kernel that makes it (the one that grows with
the channels is the weights reshape). The counts are those of one prepare and four runs.
"""

import pytest

from gpusim.pipeline import replay
from gpusim.resources import traces_dir
from gpusim.trace import load_trace

RESHAPE, IM2COL, GEMM = "reshape_to_columns", "im2col3x3_nhwc", "gemm_mm"

# channels -> kernel -> memory instructions of each job of the kernel, summed over the trace.
TABLES_I_TO_IV = {
    92: {RESHAPE: [212_152], IM2COL: [3_615_808], GEMM: [36_267_840, 5_440_176]},
    93: {RESHAPE: [214_458], IM2COL: [3_615_808], GEMM: [43_521_408]},
    96: {RESHAPE: [221_376], IM2COL: [3_615_808], GEMM: [43_521_408]},
    97: {RESHAPE: [223_682], IM2COL: [3_615_808], GEMM: [43_521_408, 1_813_392]},
}
COLUMNS = {92: [20, 3], 93: [24], 96: [24], 97: [24, 1]}


@pytest.fixture(scope="module", params=sorted(TABLES_I_TO_IV))
def replayed(request):
    """The channels of a shipped trace, and its replay on the G72."""
    trace = load_trace(traces_dir() / f"resnet50-l16-c{request.param}.gptrace")
    return request.param, replay(trace, "mali-g72")


def _launches(report, kernel):
    return [row for row in report.launches if row.kernel == kernel]


def test_nothing_was_left_out(replayed):
    _, report = replayed
    assert report.failures == ()
    assert [row.kernel for row in report.launches] == [RESHAPE, *(4 * [IM2COL, GEMM])]


@pytest.mark.parametrize("kernel", [RESHAPE, IM2COL, GEMM])
def test_memory_instructions_equal_the_paper(replayed, kernel):
    channels, report = replayed
    jobs = zip(
        *([job.memory_instructions for job in row.jobs] for row in _launches(report, kernel)),
        strict=True,
    )
    assert [sum(job) for job in jobs] == TABLES_I_TO_IV[channels][kernel]


def test_jobs_of_the_matrix_product(replayed):
    channels, report = replayed
    for row in _launches(report, GEMM):
        assert row.local_size == (4, 1, 1)
        assert [job.global_size for job in row.jobs] == [
            (columns, 196, 1) for columns in COLUMNS[channels]
        ]
        assert [job.local_size[0] for job in row.jobs] == [
            min(columns, 4) for columns in COLUMNS[channels]
        ]


def test_other_kernels_are_one_job(replayed):
    _, report = replayed
    for row in report.launches:
        if row.kernel != GEMM:
            assert len(row.jobs) == 1
