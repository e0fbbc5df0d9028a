"""Counts of the reduction's trace, derived by hand from its source and equal to Oclgrind's.

The ResNet-50 traces are held to published counts in `tests/validation/test_radu_tables.py`.
"""

from gpusim.pipeline import replay
from gpusim.resources import traces_dir
from gpusim.trace import load_trace

N = 262_147
GROUPS, ITEMS = 64, 128


def test_memory_instructions_of_the_reduction():
    """Every element is read once; local memory is written once per item, then per tree step.

    Oclgrind 21.10 executed the same: 262147 global loads, 64 global stores, 16320 local loads
    and 16320 local stores in the first launch; 64, 1, 255 and 255 in the second.
    """
    report = replay(load_trace(traces_dir() / "reduction.gptrace"), "mali-g72")
    assert report.failures == ()
    # 64 + 32 + ... + 1 pairs, each two loads and a store; then the sum is loaded and written.
    per_group = ITEMS + 3 * (ITEMS - 1) + 1 + 1
    found = [[job.memory_instructions for job in launch.jobs] for launch in report.launches]
    assert found == [[N + GROUPS * per_group], [GROUPS + per_group]]
