"""Speed of counting, as ratios in one run: against PoCL, against Oclgrind; slices; cold and warm.

Processor time on both sides, so that a busy machine changes little. The limits are those of the
project's counting issue (2.0x PoCL in the geometric mean, 4x at worst, 300x Oclgrind).
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpusim.compiler.compile import compile_kernel
from gpusim.count import Limits, count_job, totals
from gpusim.count.engine import _Request
from tests.conftest import need
from tests.unit.count.corpus import KERNELS, Case
from tests.unit.count.oclgrind import bitcode, simulation
from tests.unit.count.run_case import make_job


def f(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape).astype(np.float32)


def i32(value: int) -> np.int32:
    return np.int32(value)


def square(n: int) -> list[np.ndarray]:
    return [f(n, n)]


def sizes(n: int) -> list[np.int32]:
    return [i32(n), i32(n)]


def ones(bits: int) -> np.ndarray:
    return np.ones(1 << bits, np.int32)


def cases(bits: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 12, 1 << bits).astype(np.int32)


def reduced(bits: int) -> list[Any]:
    return [i32(1 << bits), "local:256"]


LINEAR, GROUPS = ("linear_algebra.cl",), ("reductions.cl",)
IMAGES, MATHS = ("images.cl",), ("maths.cl",)

LARGE = [
    Case(*LINEAR, "saxpy", (1 << 23,), (64,), lambda: [f(1 << 23), f(1 << 23), np.float32(2)]),
    Case(*LINEAR, "gemm_tile", (128, 128), (8, 8), lambda: [f(512, 512)] * 3 + [i32(512)]),
    Case(*LINEAR, "gemm_local", (256, 256), (8, 8), lambda: [f(256, 256)] * 3 + [i32(256)]),
    Case(*LINEAR, "transpose_local", (2048, 2048), (8, 8), lambda: square(2048) * 2 + sizes(2048)),
    Case(*GROUPS, "reduce_sum", (1 << 16,), (64,), lambda: [f(1 << 24), f(1024), *reduced(24)]),
    Case(*GROUPS, "scan_group", (1 << 20,), (256,), lambda: [ones(20), ones(20), "local:1024"]),
    Case(
        *IMAGES,
        "conv3x3",
        (1024, 1024),
        (8, 8),
        lambda: [f(1024, 1024), f(9), *square(1024), *sizes(1024)],
    ),
    Case(*IMAGES, "stencil5", (2048, 2048), (8, 8), lambda: square(2048) * 2 + sizes(2048)),
    Case(*IMAGES, "mandelbrot", (512, 512), (8, 8), lambda: [*square(512), *sizes(512), i32(200)]),
    Case(*IMAGES, "switch_mix", (1 << 21,), (64,), lambda: [cases(21), cases(21)]),
    Case(*MATHS, "softmax_rows", (4096,), (64,), lambda: [f(4096, 256)] * 2 + [i32(256)]),
    Case(*MATHS, "nbody", (2048,), (64,), lambda: [f(2048, 4)] * 2 + [i32(2048)]),
]


def checked_seconds(case: Case) -> float:
    """Return the processor time of a full run with every check on, best of three."""
    kernel = compile_kernel(case.source, case.kernel)
    job, memory = make_job(case.kernel, case.global_size, case.local_size, case.arguments())
    request = _Request(kernel, job, memory, Limits(), "")
    return min(request.full(is_proven=False).cpu_seconds for _ in range(4))


def pocl_seconds(case: Case, cl: Any, context: Any) -> float:
    """Return the processor time of PoCL on one thread, best of three after a first run."""
    queue = cl.CommandQueue(context)
    kernel = getattr(cl.Program(context, case.source).build(), case.kernel)
    flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
    keep = []
    for index, value in enumerate(case.arguments()):
        if isinstance(value, str):
            kernel.set_arg(index, cl.LocalMemory(int(value.split(":")[1])))
        elif isinstance(value, np.ndarray):
            keep.append(cl.Buffer(context, flags, hostbuf=np.ascontiguousarray(value)))
            kernel.set_arg(index, keep[-1])
        else:
            kernel.set_arg(index, value)
    seconds = []
    for _ in range(4):
        started = time.process_time()
        cl.enqueue_nd_range_kernel(queue, kernel, case.global_size, case.local_size)
        queue.finish()
        seconds.append(time.process_time() - started)
    return min(seconds[1:])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_full_counting_against_pocl(monkeypatch) -> None:
    os.environ.setdefault("POCL_DEVICES", "basic")
    cl = pytest.importorskip("pyopencl")
    try:
        devices = [d for p in cl.get_platforms() for d in p.get_devices()]
    except cl.Error:
        devices = []
    devices = [d for d in devices if "pocl" in d.version.lower()]
    need(devices, "PoCL")
    context = cl.Context(devices[:1])
    ratios = {c.kernel: checked_seconds(c) / pocl_seconds(c, cl, context) for c in LARGE}
    mean = float(np.exp(np.mean(np.log(list(ratios.values())))))
    print(devices[0].version, {k: round(v, 2) for k, v in ratios.items()}, "mean", round(mean, 2))
    assert mean < 2.0
    assert max(ratios.values()) < 4.0


@pytest.mark.slow
@pytest.mark.oclgrind
def test_full_counting_against_oclgrind(tmp_path: Path) -> None:
    import shutil
    import subprocess

    need(shutil.which("oclgrind-kernel"), "oclgrind")
    case = Case(
        "linear_algebra.cl", "gemm_tile", (64, 64), (8, 8), lambda: [f(256, 256)] * 3 + [i32(256)]
    )
    bitcode(case, tmp_path)
    name = simulation(case, tmp_path)
    started = time.perf_counter()
    subprocess.run(
        ["oclgrind-kernel", "--inst-counts", "--num-threads", "1", name],
        cwd=tmp_path, check=False, capture_output=True, timeout=240,
    )  # fmt: skip
    theirs = time.perf_counter() - started
    ours = checked_seconds(case)
    print("Oclgrind over ours:", round(theirs / ours))
    assert theirs / ours > 100


def test_slice_of_a_large_ndrange(benchmark) -> None:
    source = (KERNELS / "linear_algebra.cl").read_text()
    kernel = compile_kernel(source, "gemm_tile")
    n = 2048
    values = [np.zeros((n, n), np.float32)] * 3 + [np.int32(n)]
    job, memory = make_job("gemm_tile", (n // 4, n // 4), (8, 8), values)
    counted = benchmark(count_job, kernel, job, memory)
    assert counted.mode == "slice"
    assert totals.memory(counted)["global_store"] == n * n // 4


CONVOLVE = """__kernel void convolve(__global const float *in, __global const float *w,
        __global float *out, int W, int H, int C, int R) {
    int x = get_global_id(0), y = get_global_id(1), o = get_global_id(2);
    int OW = W - R + 1, OH = H - R + 1;
    if (x >= OW || y >= OH) return;
    float s = 0;
    for (int c = 0; c < C; ++c)
        for (int i = 0; i < R; ++i)
            for (int j = 0; j < R; ++j)
                s += in[(c * H + y + i) * W + x + j] * w[((o * C + c) * R + i) * R + j];
    out[(o * OH + y) * OW + x] = s;
}"""


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def saxpy(k: int) -> tuple[Any, ...]:
    n = 64 * (100 + k)
    return (n,), (64,), [zeros(n), zeros(n), np.float32(2)]


def gemm_tile(k: int) -> tuple[Any, ...]:
    n = 64 + 16 * k
    return (n // 4, n // 4), (4, 4), [zeros(n, n)] * 3 + [i32(n)]


def gemm_local(k: int) -> tuple[Any, ...]:
    n = 64 + 8 * k
    return (n, n), (8, 8), [zeros(n, n)] * 3 + [i32(n)]


def convolve(k: int) -> tuple[Any, ...]:
    channels = 4 + k
    buffers = [zeros(channels, 60, 60), zeros(8, channels, 9), zeros(8, 60, 60)]
    return (64, 64, 8), (8, 8, 1), [*buffers, i32(60), i32(60), i32(channels), i32(3)]


NEW_LAUNCHES = {"saxpy": saxpy, "gemm_tile": gemm_tile, "gemm_local": gemm_local}


@pytest.mark.parametrize("name", [*NEW_LAUNCHES, "convolve"])
def test_slices_of_launches_never_seen_before(benchmark, name: str) -> None:
    """Each round has other sizes or arguments; the goal is 100 microseconds."""
    is_file = name in NEW_LAUNCHES
    source = (KERNELS / "linear_algebra.cl").read_text() if is_file else CONVOLVE
    kernel = compile_kernel(source, name)
    numbers = iter(range(1000))

    def launch() -> tuple[tuple[Any, ...], dict[str, Any]]:
        sizes, local, arguments = NEW_LAUNCHES.get(name, convolve)(next(numbers))
        return (kernel, *make_job(name, sizes, local, arguments)), {}

    for _ in range(3):
        count_job(*launch()[0])
    counted = benchmark.pedantic(count_job, setup=launch, rounds=40)
    assert counted.mode == "slice"


def test_lockstep(benchmark) -> None:
    case = next(c for c in LARGE if c.kernel == "mandelbrot")
    kernel = compile_kernel(case.source, case.kernel)
    job, memory = make_job(case.kernel, case.global_size, case.local_size, case.arguments())
    counted = benchmark(count_job, kernel, job, memory, warp_width=32)
    assert counted.simt["warp_width"] == 32
