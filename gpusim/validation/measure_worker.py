"""Run as ``python -m gpusim.validation.measure_worker``: measure, one JSON line at a time.

A process of its own, because a kernel that brings the driver down takes its process with it; the
parent (:mod:`gpusim.validation.measure`) goes on without that kernel. The request is one JSON
object on stdin.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gpusim.capture.replayer import Experiment, experiment_of_trace
from gpusim.errors import GpusimError
from gpusim.trace.records import Trace
from gpusim.validation.measure_board import board_state
from gpusim.validation.measure_device import (
    DeviceRun,
    QueueLostError,
    Samples,
    choose_device,
    describe,
)
from gpusim.validation.measure_objects import one_line

Say = Callable[..., None]
"""Write one line of the keyword arguments."""


def main() -> None:
    """Measure what the request names; problems are lines too."""
    os.environ.setdefault("PYOPENCL_NO_CACHE", "1")
    request = json.loads(sys.stdin.read())
    # What drivers print on stdout must not get between the lines.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**line: Any) -> None:
        lines.write(json.dumps(line) + "\n")
        lines.flush()

    try:
        _measure(request, say)
    except GpusimError as error:
        say(problem=str(error))


def _measure(request: Mapping[str, Any], say: Say) -> None:
    device = choose_device(request["platform"], request["device"])
    say(device=dict(describe(device)))
    experiments = _experiments(request, device)
    skip = {(one[0], one[1]): str(one[2]) for one in request["skip"]}
    say(experiments=len(experiments))
    for number in range(int(request["first"]), len(experiments)):
        experiment = experiments[number]
        mine = {launch: reason for (at, launch), reason in skip.items() if at == number}
        say(at=[number, -1])
        try:
            run = DeviceRun(device, experiment)
            samples = run.run(
                request["repeat"],
                request["warmup"],
                mine,
                partial(_say_at, say, number),
            )
        except QueueLostError as error:
            say(at=[number, error.launch])
            say(lost=str(error))
            return
        except Exception as error:
            # Whatever a driver does to one experiment must not take the others with it.
            reason = one_line(error)
            samples = {one.index: Samples(reason=reason) for one in experiment.trace.launches}
        state = board_state()
        say(done=number, state=state, rows=list(_rows(experiment, samples)))


def _say_at(say: Say, experiment: int, launch: int) -> None:
    say(at=[experiment, launch])


def _rows(experiment: Experiment, samples: Mapping[int, Samples]) -> Iterator[dict[str, Any]]:
    by_row: dict[int, list[Samples]] = {}
    for launch, row in zip(experiment.trace.launches, experiment.row_of_launch, strict=True):
        by_row.setdefault(row, []).append(samples[launch.index])
    for row, found in by_row.items():
        reasons = [one.reason for one in found if one.reason]
        wanted = experiment.rows[row]
        dropped = [one.dropped_option for one in found if one.dropped_option]
        yield {
            "kernel": wanted.kernel,
            "params": {**wanted.params, **({"dropped_option": dropped[0]} if dropped else {})},
            "global": wanted.global_size,
            "local": wanted.local_size,
            "metric": wanted.metric,
            "unit": wanted.unit,
            "amount": wanted.amount,
            "times_ns": [one.times_ns for one in found if not one.reason],
            "reason": "; ".join(dict.fromkeys(reasons)),
        }


def _experiments(request: Mapping[str, Any], device: Any) -> tuple[Experiment, ...]:
    only = request["only"]
    if request["trace"] is not None:
        return (experiment_of_trace(_open(Path(request["trace"])), only),)
    from gpusim.library.hand import PeakLimits, peak_group
    from gpusim.validation.measure_suite import plan_suite

    limits = PeakLimits(
        n_cores=int(device.max_compute_units),
        max_group=peak_group(int(device.max_work_group_size), "adreno" in device.name.lower()),
        max_allocation_bytes=int(device.max_mem_alloc_size),
    )
    return plan_suite(limits, has_half="cl_khr_fp16" in device.extensions, only=only)


def _open(path: Path) -> Trace:
    from gpusim.trace.reader import RAW_SUFFIX, load_trace

    if path.suffix != RAW_SUFFIX:
        return load_trace(path)
    from gpusim.capture.raw import read_raw
    from gpusim.trace.writer import check_trace

    raw, _ = read_raw(path)
    return check_trace(raw)


if __name__ == "__main__":
    main()
