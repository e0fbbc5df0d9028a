"""Every hostile kernel ends in the error expected; the launches around it give their results."""

from __future__ import annotations

from functools import cache

import pytest

from gpusim.count import totals
from gpusim.count.limits import Limits
from gpusim.device import DeviceSpec, load_device
from gpusim.pipeline import prepare
from tests.hostile import memory_kernels
from tests.hostile.launch import GOOD_ITEMS, TRACE, Hostile, trace_of
from tests.hostile.processes import check_nothing_left_behind

CASES: dict[str, Hostile] = {**memory_kernels.CASES}
SMALL = {"seconds": 1.0, "compile_seconds": 20.0, "instructions": 10**6}


@cache
def device() -> DeviceSpec:
    return load_device("mali-g72")


@pytest.mark.parametrize("name", list(CASES))
def test_hostile_kernel(name: str) -> None:
    import re

    case = CASES[name]
    works, failures = prepare(trace_of(case), device(), limits=Limits(**{**SMALL, **case.limits}))
    assert [failure.launch for failure in failures] == [1]
    reason = failures[0].reason
    assert re.search(case.error, reason), reason
    assert reason.startswith(f"{TRACE}: ")
    assert "\n" not in reason
    assert reason.isprintable()
    assert [work.launch.index for work in works] == [0, 2]
    for work in works:
        counted = totals.memory(work.counts[0])
        assert counted["global_load"] == counted["global_store"] == GOOD_ITEMS
    check_nothing_left_behind()
