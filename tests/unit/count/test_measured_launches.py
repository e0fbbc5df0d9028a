"""A sample of the measured TVM launches: all count, slices and full runs alike."""

import gzip
import json
import math
import re
from typing import Any

import numpy as np
import pytest

from gpusim.compiler.compile import compile_kernel
from gpusim.count import Memory, count_job
from gpusim.lower.job import BoundArgument, Job
from gpusim.trace.records import Argument, ArgumentKind
from tests.conftest import need, shared_dir
from tests.unit.count.run_case import per_group, three

BYTES = {"float32": 4, "float16": 2, "int32": 4, "int8": 1, "uint8": 1}
FILES = ["mali_v0.01", "mali_v0.06", "tx2_as_opencl"]


def size(count: int, dtype: str) -> int:
    name, lanes = re.fullmatch(r"([a-z]+\d+)(?:x(\d+))?", dtype).groups()
    return count * BYTES[name] * int(lanes or 1)


def launches(record: dict[str, Any]):
    """Yield (job, memory) of each launch of a record."""
    memory, number = Memory(), {}
    declared = [(f"arg{i}", math.prod(shape), d) for i, (shape, d) in enumerate(record["args"])]
    for name, count, dtype in [*declared, *record["buffers"]["intermediates"]]:
        number[name] = len(number)
        memory.add(number[name], size(count, dtype))
    for i, (launch, bound) in enumerate(zip(record["launches"], record["bindings"], strict=True)):
        sizes, local = three(launch["global"]), three(launch["local"])
        x, y, z = (g // n for g, n in zip(sizes, local, strict=True))
        arguments = tuple(
            BoundArgument(
                argument=Argument(index=k, kind=ArgumentKind.BUFFER, size_bytes=8, ref=number[name])
            )
            for k, (_, name) in enumerate(bound)
        )
        yield (
            Job(
                launch=i,
                index=0,
                kernel="default_function_kernel" + (f"_{i}" if i else ""),
                program=0,
                global_size=sizes,
                local_size=local,
                launch_global_size=sizes,
                launch_num_groups=(x, y, z),
                enqueued_local_size=local,
                arguments=arguments,
            ),
            memory,
        )


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", FILES)
def test_measured_launches_count(name: str) -> None:
    path = shared_dir() / "measured" / f"{name}_kernels.jsonl.gz"
    need(path.is_file(), path.name)
    modes = []
    with gzip.open(path, "rt") as lines:
        for number, line in enumerate(lines):
            if number % 25 != 4:
                continue
            record = json.loads(line)
            for job, memory in launches(record):
                kernel = compile_kernel(record["source"], job.kernel)
                counted = count_job(kernel, job, memory)
                full = count_job(kernel, job, memory, mode="full")
                np.testing.assert_array_equal(per_group(counted), per_group(full))
                modes.append(counted.mode)
    assert "slice" in modes
