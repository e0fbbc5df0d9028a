"""Counting against PoCL and Oclgrind: the same kernels in one run.

PoCL's time is its processor time, all threads together: what one thread would take.

Ratios only: both sides run within seconds of each other on the same machine. Printed with
``pytest -s``, and kept in pytest-benchmark's ``extra_info``.
"""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpusim.compiler import compile_kernel
from gpusim.count import KernelCount, Limits, count_kernel
from gpusim.count.engine import _Request
from tests.conftest import CHECKOUT, need
from tests.corpus.case import KERNELS, Data, Local
from tests.corpus.oclgrind import bitcode, instruction_counts
from tests.corpus.table import CASES
from tests.unit.count.run_case import make_job

f32, i32 = np.float32, np.int32


@dataclass(frozen=True)
class Large:
    """A launch of a corpus kernel that is large enough to time."""

    kernel: str
    global_size: tuple[int, ...]
    local_size: tuple[int, ...]
    args: tuple[object, ...]


def _ones(*shape: int) -> np.ndarray:
    return np.ones(shape, f32)


N = 384
LARGE = [
    Large("gemm_naive", (N, N), (16, 4), (_ones(N, N), _ones(N, N), _ones(N, N), i32(N))),
    Large("gemm_tiled", (N, N), (8, 8), (*(_ones(N, N),) * 3, *(i32(N),) * 3)),
    Large("gemm_block4x4", (N // 4, N // 4), (8, 4), (*(_ones(N, N),) * 3, i32(N), i32(N))),
    Large(
        "conv_nchw",
        (62, 62, 16),
        (31, 2, 1),
        (
            *(_ones(16, 62, 62), _ones(16, 16, 3, 3), _ones(16), _ones(16, 62, 62)),
            *(i32(v) for v in (16, 62, 62, 3, 1, 1)),
        ),
    ),
    Large(
        "reduce_sum_tree",
        (1 << 21,),
        (64,),
        (np.ones(1 << 21, i32), np.ones(1 << 15, i32), Local(256)),
    ),
    Large("softmax_rows", (4096,), (32,), (_ones(4096, 64), _ones(4096, 64), i32(64))),
    Large("nbody_step", (1024,), (32,), (_ones(1024, 4), _ones(1024, 4), i32(1024), f32(0.1))),
    Large(
        "mandelbrot",
        (512, 512),
        (16, 4),
        (np.zeros((512, 512), i32), f32(-2), f32(-1), f32(1 / 256), i32(100)),
    ),
    Large(
        "collatz",
        (1 << 16,),
        (64,),
        (np.arange(1, 1 + (1 << 16), dtype=np.uint32), np.zeros(1 << 16, i32)),
    ),
    Large("rank_sort", (4096,), (64,), (np.arange(4096, dtype=f32), _ones(4096), i32(4096))),
]

POCL = """
import sys, time, pickle, warnings
warnings.simplefilter("ignore")
import numpy as np, pyopencl as cl
device = next(d for p in cl.get_platforms() if "Portable" in p.name for d in p.get_devices())
context = cl.Context([device])
queue = cl.CommandQueue(context)
source, name, sizes, local, args = pickle.load(sys.stdin.buffer)
kernel = cl.Kernel(cl.Program(context, source).build(), name)
keep = []
for i, value in enumerate(args):
    if isinstance(value, int):
        kernel.set_arg(i, cl.LocalMemory(value))
    elif isinstance(value, np.ndarray):
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
        keep.append(cl.Buffer(context, flags, hostbuf=value))
        kernel.set_arg(i, keep[-1])
    else:
        kernel.set_arg(i, value)
best = 1e9
for _ in range(5):
    start = time.process_time()
    cl.enqueue_nd_range_kernel(queue, kernel, sizes, local).wait()
    best = min(best, time.process_time() - start)
print(best)
"""


def _source(large: Large) -> str:
    return (KERNELS / CASES[large.kernel].file).read_text()


def _pocl_seconds(large: Large) -> float:
    """Return the processor time of a launch on PoCL, all its threads together."""
    import pickle

    args = [v.size_bytes if isinstance(v, Local) else v for v in large.args]
    data = pickle.dumps((_source(large), large.kernel, large.global_size, large.local_size, args))
    done = subprocess.run(
        [sys.executable, "-c", POCL],
        input=data,
        capture_output=True,
        timeout=300,
        cwd=CHECKOUT,
    )
    need(done.returncode == 0, f"PoCL: {done.stderr.decode()[-200:]}")
    return float(done.stdout)


def _count(large: Large) -> KernelCount:
    args = [f"local:{v.size_bytes}" if isinstance(v, Local) else v for v in large.args]
    return count_kernel(
        _source(large),
        large.kernel,
        large.global_size,
        large.local_size,
        args,  # type: ignore[arg-type]
        mode="full",
    )


def _our_seconds(large: Large) -> float:
    """Return the processor time of counting in full, with all checks, compiled before."""
    kernel = compile_kernel(_source(large), large.kernel)
    args = [f"local:{v.size_bytes}" if isinstance(v, Local) else v for v in large.args]
    job, memory = make_job(large.kernel, large.global_size, large.local_size, args)
    request = _Request(kernel, job, memory, Limits(), "")
    seconds = min(request.full(is_proven=False).cpu_seconds for _ in range(5))
    memory.close()
    return seconds


def _oclgrind_rate(large: Large, counted: dict[str, Any], folder: Path) -> float:
    """Return Oclgrind's instructions per second.

    The difference of a run with some work-groups and one with a single one, so that neither its
    start nor reading the arguments matters.
    """
    per_group = counted["instructions"] / counted["work_groups"]
    groups = max(2, min(large.global_size[0] // large.local_size[0], int(4e6 / per_group)))
    found = []
    for n in (1, groups):
        case = dataclasses.replace(
            CASES[large.kernel],
            global_size=(n * large.local_size[0], *large.local_size[1:]),
            local_size=large.local_size,
            build=lambda rng: Data(large.args, {}),
        )
        bitcode(case, folder)
        seconds = math.inf
        for _ in range(2):
            start = time.perf_counter()
            counts, printed = instruction_counts(case, folder)
            seconds = min(seconds, time.perf_counter() - start)
            assert counts, printed
        found.append((sum(counts.values()), seconds))
    (few, short), (many, long) = found
    return (many - few) / max(long - short, 1e-3)


def _summary(ratios: dict[str, float]) -> str:
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    each = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    least, most = min(ratios.values()), max(ratios.values())
    return f"geometric mean {mean:.2f}, least {least:.2f}, most {most:.2f} ({each})"


def _only_in_make_bench(benchmark) -> None:
    if benchmark.disabled:
        pytest.skip("takes a minute and judges speed: runs under make bench")


def _report(benchmark, name: str, ratios: dict[str, float]) -> None:
    benchmark.extra_info[name] = {key: round(value, 3) for key, value in ratios.items()}
    print(f"\n{name}: {_summary(ratios)}")


@pytest.mark.slow
def test_counting_against_pocl(benchmark) -> None:
    _only_in_make_bench(benchmark)
    ratios = {large.kernel: _our_seconds(large) / _pocl_seconds(large) for large in LARGE}
    _report(benchmark, "time of counting / time of PoCL", ratios)
    benchmark.pedantic(_our_seconds, args=(LARGE[0],), rounds=1)
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    assert mean < 2
    assert max(ratios.values()) < 4


@pytest.mark.slow
@pytest.mark.oclgrind
def test_counting_against_oclgrind(benchmark, tmp_path: Path) -> None:
    _only_in_make_bench(benchmark)
    ratios = {}
    for large in LARGE:
        ours = _count(large)
        rate = ours.as_dict()["instructions"] / _our_seconds(large)
        ratios[large.kernel] = rate / _oclgrind_rate(large, ours.as_dict(), tmp_path)
    _report(benchmark, "instructions per second / those of Oclgrind", ratios)
    benchmark.pedantic(_our_seconds, args=(LARGE[0],), rounds=1)
    assert min(ratios.values()) > 1
