"""Speed of compiling: a typical kernel cold and from the cache, many kernels of one trace.

The goals are 0.3 s cold (compile, instrument and JIT), 2 ms from the cache; children that run
clang, LLVM and kernels have been started before, as they are for all kernels but the first.
"""

import subprocess
import sys
import time
from itertools import count

import numpy as np

from gpusim.compiler import compile_kernel
from gpusim.compiler.trace_programs import TracePrograms
from gpusim.count import Limits, count_job
from gpusim.count.session import current_session
from tests.corpus.case import KERNELS
from tests.unit.compiler.test_trace_programs import many_programs
from tests.unit.count.run_case import make_job

SOURCE = (KERNELS / "dense.cl").read_text()
_numbers = count()


def launch(source: str):
    """Compile `gemm_naive`, instrument it, make machine code, run a small launch in full."""
    kernel = compile_kernel(source, "gemm_naive")
    n = 16
    job, memory = make_job(
        "gemm_naive", (n, n), (n, n), [np.zeros((n, n), np.float32)] * 3 + [np.int32(n)]
    )
    counted = count_job(kernel, job, memory, mode="full")
    memory.close()
    return counted


def fresh() -> str:
    """Return the program with another number in the kernel: nothing of it is in the cache."""
    number = next(_numbers) + time.time_ns()
    before, after = SOURCE.split("gemm_naive(", 1)
    test = f"{{ if (get_global_id(0) == {number}ul) return;"
    return f"{before}gemm_naive({after.replace('{', test, 1)}"


def test_cold(benchmark) -> None:
    launch(fresh())
    counted = benchmark.pedantic(launch, setup=lambda: ((fresh(),), {}), rounds=5)
    assert counted.mode == "full"


def test_from_the_cache(benchmark) -> None:
    """What a new process finds on disk: the kernel's arrays, and machine code in the child."""
    source = fresh()
    launch(source)
    session = current_session()

    limits = Limits()
    warm = compile_kernel(SOURCE, "gemm_naive")

    def again() -> None:
        kernel = compile_kernel(source, "gemm_naive")
        session.load(kernel, "proven/128", limits, "")

    def forget() -> None:
        session.worker.stop()
        session.worker.ensure()
        # The child imports NumPy and LLVM while it starts; that is once per process.
        session.load(warm, "proven/128", limits, "")

    benchmark.pedantic(again, setup=forget, rounds=5)


def test_kernels_of_a_trace_in_parallel(benchmark) -> None:
    """The time of one worker over that of all, in `extra_info`."""

    def programs() -> TracePrograms:
        return TracePrograms(many_programs([fresh() for _ in range(6)]))

    pairs = [(number, "gemm_naive") for number in range(6)]
    programs().compile(pairs)
    started = time.perf_counter()
    programs().compile(pairs, workers=1)
    alone = time.perf_counter() - started
    started = time.perf_counter()
    benchmark.pedantic(
        lambda made: made.compile(pairs), setup=lambda: ((programs(),), {}), rounds=1
    )
    benchmark.extra_info["time of one worker / time of all"] = round(
        alone / (time.perf_counter() - started), 2
    )
    print("one worker / all:", benchmark.extra_info)


def test_import(benchmark) -> None:
    """The goal is half a second."""
    benchmark.pedantic(
        subprocess.run, args=([sys.executable, "-c", "import gpusim"],), kwargs={"check": True}
    )
