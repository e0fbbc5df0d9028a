import numpy as np
import pytest

from gpusim.device.quantity import Evidence
from gpusim.timing.figures import read_gpu
from gpusim.timing.memory_traffic import estimate_traffic, loop_trips
from gpusim.timing.residency import residency
from tests.unit.timing import synthetic


def traffic(n=4096, trips=10, family="midgard", loads=2, stores=1, **changes):
    spec = synthetic.device(family, **changes)
    ir = synthetic.kernel_ir(loads=loads, stores=stores)
    work = synthetic.launch_work(spec, global_size=(n, 1, 1), trips=trips, ir=ir)
    (job,), (count,) = work.jobs, work.counts
    figures = read_gpu(spec, Evidence())
    resident = residency(
        figures,
        group_items=job.group_items,
        registers=4,
        has_barrier=False,
        local_bytes=0,
    )
    return estimate_traffic(job, count, figures, resident), count


def test_streaming_fetches_every_line_once():
    # Loads at i + t and 256 elements further, t < 10: 4096 + 256 + 9 floats of one buffer; stores
    # to 4096 floats.
    found, count = traffic()
    assert found.l1_load_misses == pytest.approx((4096 + 256 + 9) * 4 / 64, rel=0.15)
    assert found.l1_store_misses == pytest.approx(4096 * 4 / 64, rel=0.05)
    assert found.l2_load_misses <= found.l1_load_misses
    assert count.class_groups @ found.accessed_bytes == 4096 * 10 * 12


def test_a_cache_that_holds_nothing_fetches_every_time():
    small, _ = traffic(l1__size_bytes=256)
    large, _ = traffic()
    # 256 resident work-items touch 16 lines at a time and stream; ten iterations move by less
    # than a line, so a cache of four lines fetches them again each time.
    assert small.l1_load_misses > 5 * large.l1_load_misses


def test_pages_within_the_translation_buffer_miss_once_each():
    found, _ = traffic(n=1 << 16)
    pages = (1 << 16) * 4 / 4096
    assert pages <= found.tlb_misses <= 4 * pages + 4


def test_a_kernel_without_memory_moves_nothing():
    found, _ = traffic(loads=0, stores=0)
    assert not np.any(found.accessed_bytes)
    assert found.l1_load_misses == found.l2_load_misses == found.waits == 0


def test_trips_follow_from_executed_blocks():
    ir = synthetic.kernel_ir()
    assert loop_trips(ir, np.array([64.0, 640.0, 64.0])) == {0: 10.0}
    assert loop_trips(ir, np.zeros(3)) == {0: 1.0}
