"""Small traces built in memory, for tests of the later stages."""

import hashlib

from gpusim.trace.records import (
    Argument,
    ArgumentKind,
    Buffer,
    Command,
    CommandKind,
    Kernel,
    Launch,
    Program,
    Trace,
)

SAXPY = """
__kernel void saxpy(__global const float* x, __global float* y, float a) {
  int i = get_global_id(0);
  y[i] = a * x[i] + y[i];
}
__kernel void out_of_bounds(__global float* y) { y[get_global_id(0) + 1000000] = 1.0f; }
"""


def buffer_argument(index, ref):
    return Argument(index=index, kind=ArgumentKind.BUFFER, size_bytes=8, ref=ref)


def value_argument(index, value):
    return Argument(index=index, kind=ArgumentKind.VALUE, size_bytes=len(value), value=value)


def saxpy_trace(n=1024, local_size=(64, 1, 1), kernels=("saxpy",), name="saxpy.gptrace"):
    """A trace of one program, two buffers of n floats, the kernels named, then a finish."""
    blob = hashlib.sha256(SAXPY.encode()).hexdigest()
    launches = []
    for index, kernel in enumerate(kernels):
        arguments = (
            (
                buffer_argument(0, 0),
                buffer_argument(1, 1),
                value_argument(2, b"\x00\x00\x80\x3f"),
            )
            if kernel == "saxpy"
            else (buffer_argument(0, 1),)
        )
        launches.append(
            Launch(
                index=index,
                seq=index,
                kernel=kernel,
                program=0,
                kernel_id=index,
                work_dim=1,
                global_size=(n, 1, 1),
                local_size=local_size,
                arguments=arguments,
                queue=0,
            )
        )
    return Trace(
        name=name,
        manifest={},
        programs={0: Program(id=0, kind="source", blob=blob)},
        kernels={i: Kernel(id=i, name=kernel, program=0) for i, kernel in enumerate(kernels)},
        buffers={i: Buffer(id=i, size_bytes=4 * n) for i in range(2)},
        launches=tuple(launches),
        commands=(Command(seq=len(launches), kind=CommandKind.FINISH, queue=0),),
        read_blob={blob: SAXPY.encode()}.__getitem__,
    )
