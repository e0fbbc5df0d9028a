"""Memory instructions of our kernels on ACL's launches equal those of the library's own kernels.

ResNet-50 layer 16 (3x3, 128 channels in, 28x28). Sources: Radu et al., IISWC 2019, Tables I-IV
(GEMM, one prepare and four runs, labels of the first two kernels swapped in the paper); for direct
convolution Oclgrind on the library's kernel, per output channel 545,904 loads and 896 stores.
"""

import pytest

from gpusim.library.plan import PlanOptions, plan_layer
from gpusim.network.tables import load_network
from gpusim.pipeline import replay

RUNS = 4
TABLES_I_TO_IV = {
    92: (212_152, 3_615_808, [36_267_840, 5_440_176]),
    93: (214_458, 3_615_808, [43_521_408]),
    96: (221_376, 3_615_808, [43_521_408]),
    97: (223_682, 3_615_808, [43_521_408, 1_813_392]),
}


def _replayed(library, channels):
    layer = load_network("resnet50").layer(16).with_out_channels(channels)
    (plan,) = plan_layer(library, layer, PlanOptions(target="mali-g72"))
    report = replay(plan.trace, "mali-g72", fidelity="analytic")
    assert report.failures == ()
    return [[job.memory_instructions for job in row.jobs] for row in report.launches]


@pytest.mark.parametrize("channels", sorted(TABLES_I_TO_IV))
def test_memory_instructions_of_gemm_equal_the_paper(channels):
    reshape, im2col, gemm = _replayed("acl-gemm", channels)
    tables = TABLES_I_TO_IV[channels]
    assert sum(reshape) == tables[0]
    assert sum(im2col) * RUNS == tables[1]
    assert [job * RUNS for job in gemm] == tables[2]


@pytest.mark.parametrize("channels", [90, 92])
def test_memory_instructions_of_direct_convolution_equal_oclgrind(channels):
    _, direct = _replayed("acl-direct", channels)
    assert sum(direct) == channels * (545_904 + 896)
