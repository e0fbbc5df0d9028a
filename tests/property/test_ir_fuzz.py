"""Whatever a kernel is: a result, or one line that says why not; and a slice is a full run.

Random OpenCL C, and IR of the corpus that was changed at random, go through the counter as a
stranger's kernel would. A slice must count what a run of all work-items *with* all checks counts,
which also shows that its proof of bounds was right. The same cases in every run;
``GPUSIM_FUZZ=1`` makes many more, new ones each time.
"""

from __future__ import annotations

import dataclasses
import os
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpusim.compiler import compile_kernel, kernel_from_bitcode
from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count import Limits, Memory, count_job
from gpusim.count.engine import _Request
from gpusim.count.work_count import WorkCount
from gpusim.errors import CompileError, CountError, GpusimError
from gpusim.lower.job import Job
from tests.corpus.run import bind, job_of
from tests.corpus.table import CASES
from tests.property.ir_mutations import mutated_bytes, mutated_text
from tests.property.random_kernels import random_kernel
from tests.unit.count.run_case import make_job, per_group

IS_FUZZING = os.environ.get("GPUSIM_FUZZ") == "1"
LIMITS = Limits(seconds=2.0, compile_seconds=30.0, instructions=10**7, memory_bytes=1 << 26)
SEED = st.integers(0, 1 << 48)


def examples(number: int, many: int) -> settings:
    return settings(
        max_examples=many if IS_FUZZING else number,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def check_line(error: GpusimError) -> None:
    text = str(error)
    assert text, "an error without words"
    assert text.isprintable(), text
    assert len(text) < 2000, text


def check_refused_late(error: CountError, sliced: WorkCount | None) -> None:
    """A launch that a slice counted may only fail because it takes too long."""
    check_line(error)
    assert sliced is None or "raise it" in str(error), f"counted as a slice, then: {error}"


def check(kernel: KernelIR, job: Job, memory: Memory) -> str:
    """Count a launch by a slice and in full with checks; return what became of it."""
    before = {ref: memory.view(ref).copy() for ref in buffers(job, memory)}
    sliced: WorkCount | None = None
    outcome = "slice"
    try:
        sliced = count_job(kernel, job, memory, mode="slice", limits=LIMITS)
        memory.settle(before)
    except CountError as error:
        check_refused_late(error, sliced)
        outcome = "full"
    after = {ref: memory.view(ref).copy() for ref in before}
    for ref, content in before.items():
        memory.write(ref, 0, content)
    try:
        full = _Request(kernel, job, memory, LIMITS, "fuzz").full(is_proven=False)
    except CountError as error:
        check_refused_late(error, sliced)
        return str(error).partition(": ")[2][:40]
    if sliced is not None:
        np.testing.assert_array_equal(per_group(sliced), per_group(full))
        np.testing.assert_array_equal(sliced.class_blocks, full.class_blocks)
        np.testing.assert_array_equal(sliced.class_runs, full.class_runs)
        for ref, content in after.items():
            np.testing.assert_array_equal(content, memory.view(ref))
    return outcome


def buffers(job: Job, memory: Memory) -> list[int]:
    references = [bound.argument.ref for bound in job.arguments]
    return [ref for ref in references if ref is not None and ref in memory]


@pytest.mark.slow
@pytest.mark.timeout(7200 if IS_FUZZING else 300)
@examples(25, 1500)
@given(seed=SEED)
def test_random_kernels_give_a_result_or_a_line(seed: int) -> None:
    made = random_kernel(Random(seed))
    try:
        kernel = compile_kernel(made.source, "k")
    except CompileError as error:
        check_line(error)
        return
    for sizes, local, arguments in made.launches:
        job, memory = make_job("k", sizes, local, arguments)
        try:
            check(kernel, job, memory)
        finally:
            memory.close()


@cache
def intact(name: str) -> str:
    """Return the normalised IR of a kernel of the corpus."""
    case = CASES[name]
    return compile_kernel(case.source, case.name, case.options).text


@cache
def bitcode(name: str) -> bytes:
    import llvmlite.binding as llvm

    return bytes(llvm.parse_assembly(intact(name)).as_bitcode())


def run_changed(name: str, data: bytes) -> None:
    case = CASES[name]
    try:
        kernel = kernel_from_bitcode(data, case.name)
    except CompileError as error:
        check_line(error)
        return
    memory = Memory()
    try:
        job = job_of(case, bind(case.data(), memory))
        job = dataclasses.replace(job, kernel=case.name)
        check(kernel, job, memory)
    finally:
        memory.close()


@pytest.mark.slow
@pytest.mark.timeout(7200 if IS_FUZZING else 300)
@examples(60, 4000)
@given(name=st.sampled_from(sorted(CASES)), seed=SEED)
def test_changed_ir_gives_a_result_or_a_line(name: str, seed: int) -> None:
    run_changed(name, mutated_text(intact(name), Random(seed)).encode())


@pytest.mark.slow
@pytest.mark.timeout(7200 if IS_FUZZING else 300)
@examples(25, 1000)
@given(name=st.sampled_from(sorted(CASES)), seed=SEED)
def test_changed_bitcode_gives_a_result_or_a_line(name: str, seed: int) -> None:
    run_changed(name, mutated_bytes(bitcode(name), Random(seed)))
