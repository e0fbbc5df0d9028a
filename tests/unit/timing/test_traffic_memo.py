from dataclasses import replace

import pytest

from gpusim.device.quantity import Evidence
from gpusim.timing.figures import read_gpu
from gpusim.timing.memory_traffic import estimate_traffic
from gpusim.timing.residency import residency
from gpusim.timing.simulate import simulate
from gpusim.timing.traffic_memo import FIGURES, TrafficMemo
from tests.unit.timing import synthetic


class _Watched:
    """Figures that remember which of them were read."""

    def __init__(self, figures):
        self._figures = figures
        self.read = set()

    def __getattr__(self, name):
        if name == "has_warps":
            return self.warp_width > 1
        self.read.add(name)
        return getattr(self._figures, name)


def _case(family):
    spec = synthetic.device(family)
    ir = synthetic.kernel_ir(loads=2, stores=1)
    work = synthetic.launch_work(spec, global_size=(4096, 1, 1), trips=10, ir=ir)
    figures = read_gpu(spec, Evidence())
    resident = residency(figures, group_items=64, registers=4, has_barrier=False, local_bytes=0)
    return spec, work, figures, resident


@pytest.mark.parametrize("family", ["midgard", "bifrost", "pascal"])
def test_the_estimate_reads_no_figure_that_the_memo_ignores(family):
    _, work, figures, resident = _case(family)
    watched = _Watched(figures)
    estimate_traffic(work.jobs[0], work.counts[0], watched, resident)
    assert watched.read
    assert watched.read <= set(FIGURES)


@pytest.mark.parametrize("family", ["midgard", "pascal"])
def test_a_memo_changes_no_result(family):
    spec, work, figures, resident = _case(family)
    memo = TrafficMemo()
    alone = simulate(spec, [work])
    assert simulate(spec, [work], memo=memo).total_ps == alone.total_ps
    assert simulate(spec, [work], memo=memo).total_ps == alone.total_ps
    assert len(memo.known) == 1
    smaller = replace(figures, l1_fills=4.0)
    job, count = work.jobs[0], work.counts[0]
    assert memo.traffic(job, count, smaller, resident).l1_load_misses > 0
    assert len(memo.known) == 2
