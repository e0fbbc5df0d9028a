import numpy as np

from gpusim.timing.memory_traffic import estimate_traffic
from tests.unit.timing import synthetic


def traffic(buffer_bytes, n=1024, trips=10):
    work = synthetic.launch_work(
        synthetic.device(), global_size=(n, 1, 1), trips=trips, buffer_bytes=buffer_bytes
    )
    (job,), (count,) = work.jobs, work.counts
    return estimate_traffic(job, count), count


def test_every_touched_byte_moves_once_when_it_is_reused():
    found, count = traffic(buffer_bytes=4096)
    groups = count.class_groups
    # 1024 work-items load 2 x 4 bytes ten times; the two buffers hold 8192 bytes together.
    assert groups @ found.dram_read_bytes == 8192
    assert groups @ found.accessed_bytes == 1024 * 10 * 12
    assert groups @ found.loads == 1024 * 10 * 2


def test_what_is_never_reused_moves_as_often_as_it_is_accessed():
    found, count = traffic(buffer_bytes=1 << 29)
    assert count.class_groups @ found.dram_read_bytes == 1024 * 10 * 8
    assert count.class_groups @ found.dram_write_bytes == 1024 * 10 * 4


def test_a_kernel_without_memory_moves_nothing():
    work = synthetic.launch_work(synthetic.device(), ir=synthetic.kernel_ir(loads=0, stores=0))
    found = estimate_traffic(work.jobs[0], work.counts[0])
    assert not np.any(found.accessed_bytes)
    assert not np.any(found.dram_read_bytes)
