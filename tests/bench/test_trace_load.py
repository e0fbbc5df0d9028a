"""How fast a long trace opens and how much memory that takes, per launch."""

import tracemalloc

import pyarrow as pa
import pytest

from gpusim.trace import load_trace, write_trace
from tests.unit.trace.sample import BLUR_ARGUMENTS, SCALE_ARGUMENTS, launch, sample_trace

N_LAUNCHES = 100_000


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "long.gptrace"
    launches = tuple(
        launch(
            i,
            i + 1,
            global_size=(16 + i % 97, 1, 1),
            arguments=SCALE_ARGUMENTS if i % 2 else BLUR_ARGUMENTS,
            host_ns=1000 * i,
        )
        for i in range(N_LAUNCHES)
    )
    write_trace(sample_trace(launches=launches, commands=()), path)
    return path


@pytest.mark.slow
def test_open(path, benchmark):
    trace = benchmark(load_trace, path)
    assert len(trace.launches) == N_LAUNCHES


@pytest.mark.slow
def test_open_and_look_at_every_launch(path, benchmark):
    def look():
        return sum(launch.global_size[0] for launch in load_trace(path).launches)

    assert benchmark(look) == sum(16 + i % 97 for i in range(N_LAUNCHES))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_launches_looked_at(path):
    trace = load_trace(path)
    sum(1 for _ in trace.launches[:1000])
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    for position, _ in enumerate(trace.launches):
        if position % 10_000 == 0:
            # Two row groups of 65,536 rows and 16 blocks of 256 records, whatever the length.
            assert pa.total_allocated_bytes() - before < 64 * 1024**2
            assert tracemalloc.get_traced_memory()[0] < 16 * 1024**2
    tracemalloc.stop()
