"""Every hostile kernel ends in the error expected; the launches around it give their results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import pytest

from gpusim.count import totals
from gpusim.count.limits import Limits
from gpusim.device import DeviceSpec, load_device
from gpusim.pipeline import prepare
from gpusim.report.report import Failure
from gpusim.timing import LaunchWork
from tests.hostile import endless_kernels, image_kernels, memory_kernels, source_kernels
from tests.hostile.launch import GOOD_ITEMS, TRACE, Hostile, trace_of
from tests.hostile.processes import check_nothing_left_behind

CASES: dict[str, Hostile] = {
    **memory_kernels.CASES,
    **image_kernels.CASES,
    **endless_kernels.CASES,
    **source_kernels.CASES,
    **source_kernels.LIMITED,
}
COMPILING = {
    "front_end_seconds": 2.0,
    "front_end_memory_bytes": 1 << 29,
    "front_end_output_bytes": 1 << 24,
    "optimiser_seconds": 2.0,
}
SMALL = {"seconds": 1.0, "compile_seconds": 20.0, "instructions": 10**6}


@cache
def device() -> DeviceSpec:
    return load_device("mali-g72")


@pytest.mark.parametrize("name", list(CASES))
def test_hostile_kernel(name: str) -> None:
    case = CASES[name]
    works, failures = _prepare(case, COMPILING if name in source_kernels.LIMITED else {})
    assert [failure.launch for failure in failures] == [1]
    reason = failures[0].reason
    assert re.search(case.error, reason), reason
    assert reason.startswith(f"{TRACE}: ")
    assert "\n" not in reason
    assert reason.isprintable()
    assert len(reason) < 700
    assert source_kernels.SECRET not in reason
    _check_good_launches(works, [0, 2])
    check_nothing_left_behind()


HARMLESS = source_kernels.HARMLESS | image_kernels.HARMLESS


@pytest.mark.parametrize("name", list(HARMLESS))
def test_harmless_kernel(name: str) -> None:
    works, failures = _prepare(HARMLESS[name])
    assert failures == []
    _check_good_launches([work for work in works if work.launch.index != 1], [0, 2])
    assert [work.launch.index for work in works] == [0, 1, 2]
    check_nothing_left_behind()


def _prepare(
    case: Hostile, compiling: Mapping[str, float] | None = None
) -> tuple[list[LaunchWork], list[Failure]]:
    limits = Limits(**{**SMALL, **(compiling or {}), **case.limits})
    return prepare(trace_of(case), device(), limits=limits)


def _check_good_launches(works: list[LaunchWork], indices: list[int]) -> None:
    assert [work.launch.index for work in works] == indices
    for work in works:
        counted = totals.memory(work.counts[0])
        assert counted["global_load"] == counted["global_store"] == GOOD_ITEMS
