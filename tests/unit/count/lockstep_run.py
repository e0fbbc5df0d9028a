"""Run the same work-groups in native lock-step and in the oracle, and compare everything."""

from typing import Any

import numpy as np

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.count import Limits, Memory
from gpusim.count.engine import _Request
from gpusim.count.layout import BUFFER_BASE, DIVERGENCES, ISSUES, LANES
from gpusim.count.reconvergence import POLICIES
from gpusim.count.warp_sample import Sample, Warps
from gpusim.lower.job import Job
from gpusim.trace.records import ArgumentKind
from tests.unit.count.ir_interpreter import Interpreter, Shape, Space, unpack
from tests.unit.count.warp_oracle import Group, Record


def native(
    kernel: KernelIR, job: Job, memory: Memory, groups: list[int], width: int, policy: str
) -> Sample:
    """Run groups in lock-step, addresses recorded."""
    request = _Request(kernel, job, memory, Limits(), "")
    checks = "checked" if request.prove().refusal else "proven"
    warps = Warps(width=width, policy=policy, lane_addresses=1 << 20, all_policies=False)
    return request.warps(checks, warps, None, groups)


def oracle(
    kernel: KernelIR, job: Job, memory: Memory, groups: list[int], width: int, policy: str
) -> list[Record]:
    """Do the same with the interpreter, on a copy of the buffers."""
    regions = {
        b.argument.ref: memory.region(b.argument.ref)
        for b in job.arguments
        if b.argument.ref is not None
    }
    buffers = [
        (BUFFER_BASE + region.offset, bytearray(memory.view(ref).tobytes()))
        for ref, region in regions.items()
    ]
    shape = Shape(
        job.launch_global_size, job.local_size, job.launch_num_groups, job.launch_global_offset,
        job.work_dim,
    )  # fmt: skip
    records = []
    for group in groups:
        arguments: list[Any] = []
        for bound, parameter in zip(job.arguments, kernel.parameters, strict=True):
            if bound.argument.kind is ArgumentKind.LOCAL:
                arguments.append((bound.size_bytes,))
            elif bound.argument.ref is not None:
                arguments.append(BUFFER_BASE + regions[bound.argument.ref].offset)
            else:
                arguments.append(unpack(bound.argument.value or b"", _value_type(parameter)))
        interpreter = Interpreter(kernel, shape, Space(list(buffers)), arguments)
        records.append(Group(interpreter, group, width, policy).run())
    return records


def _value_type(parameter: Any) -> str:
    name, size = parameter.type_name, 8 * parameter.size_bytes
    floats = {"float": "float", "double": "double", "half": "half"}
    base = name.rstrip("0123456789")
    if base in floats:
        lanes = name[len(base) :]
        return f"<{lanes} x {floats[base]}>" if lanes else floats[base]
    lanes = name[len(base) :]
    return f"<{lanes} x i{size // int(lanes)}>" if lanes else f"i{size}"


def check(
    kernel: KernelIR, job: Job, memory: Memory, groups: list[int], width: int
) -> dict[str, int]:
    """Assert that both policies do what the oracle does; returns issues per policy."""
    issued = {}
    for policy in POLICIES:
        expected = oracle(kernel, job, memory, groups, width, policy)
        sample = native(kernel, job, memory, groups, width, policy)
        counts = sample.counts[policy]
        for row, record in zip(counts, expected, strict=True):
            np.testing.assert_array_equal(row[:, ISSUES], record.issues, policy)
            np.testing.assert_array_equal(row[:, LANES], record.lanes, policy)
            np.testing.assert_array_equal(row[:, DIVERGENCES], record.parted, policy)
        assert sample.stream is not None
        assert sample.stream.recorded == 1
        found = sample.stream.lanes()
        wanted = [
            (group, warp, instruction, lane, address, size)
            for group, record in zip(groups, expected, strict=True)
            for warp, instruction, lanes, addresses, size in record.accesses
            for lane, address in zip(lanes, addresses, strict=True)
        ]
        columns = [found[name].tolist() for name in ("group", "warp")]
        columns.append(sample.stream.sites["instruction"][found["site"]].tolist())
        columns += [found[name].tolist() for name in ("lane", "address", "bytes")]
        assert list(zip(*columns, strict=True)) == wanted, policy
        issued[policy] = int(counts[:, :, ISSUES].sum())
    return issued
