import numpy as np
import pytest

from gpusim.device import load_device
from gpusim.device.quantity import Evidence
from gpusim.timing.address_form import Access, Form
from gpusim.timing.figures import read_gpu
from gpusim.timing.memory_traffic import (
    bank_cycles,
    estimate_traffic,
    lines_per_warp,
    loop_trips,
    warp_addresses,
)
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


NVIDIA = read_gpu(load_device("jetson-tx2"), Evidence())


def read_of(addresses, access_bytes=4):
    """Return one read of a warp at given addresses."""
    form = Form(np.asarray(addresses, dtype=np.int64))
    return Access(
        block=0, loops=(), access_bytes=access_bytes, is_load=True, is_store=False, form=form
    )


@pytest.mark.parametrize(
    ("addresses", "access_bytes", "cycles"),
    [
        # Eight groups of four lanes, two groups a cycle.
        (4 * np.arange(32), 4, 4.0),
        # Lanes 28 bytes apart, as a fetch of seven elements a lane begins: group g spans bytes
        # 112 g to 112 g + 87, which is two lines for g = 1 to 5 and one for the other three.
        (28 * np.arange(32), 4, 6.5),
        # Every lane in a line of its own.
        (128 * np.arange(32), 4, 16.0),
        # Sixteen bytes a lane: four beats a group.
        (16 * np.arange(32), 16, 16.0),
        # All lanes read one word: one beat a group.
        (np.zeros(32), 4, 4.0),
    ],
)
def test_cycles_of_a_warp_on_nvidia_by_hand(addresses, access_bytes, cycles):
    access = read_of(addresses, access_bytes)
    assert lines_per_warp(access, 32, NVIDIA) == cycles


@pytest.mark.parametrize(
    ("words", "access_bytes", "conflicts"),
    [
        (np.arange(32), 4, 0),
        (np.zeros(32), 4, 0),
        (2 * np.arange(32), 4, 1),
        (8 * np.arange(32), 4, 7),
        (32 * np.arange(32), 4, 31),
        (33 * np.arange(32), 4, 0),
        (7 * np.arange(32), 4, 0),
        (4 * np.arange(32), 16, 0),
    ],
)
def test_bank_conflicts_by_hand(words, access_bytes, conflicts):
    warps = warp_addresses(4 * words.astype(np.int64), 32, 32)
    assert bank_cycles(warps, access_bytes, 32) == conflicts


def test_bank_conflicts_equal_the_slow_way():
    random = np.random.default_rng(7)
    warps = 4 * random.integers(0, 300, (20, 32))
    slow = []
    for warp in warps.tolist():
        banks = {}
        for address in warp:
            banks.setdefault(address // 4 % 32, set()).add(address // 4)
        slow.append(max(len(words) for words in banks.values()) - 1)
    assert bank_cycles(warps, 4, 32) == pytest.approx(np.mean(slow))
