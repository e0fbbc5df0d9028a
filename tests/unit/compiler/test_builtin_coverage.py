"""Every built-in function exists for every type, and nothing but the agreed calls is left."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from gpusim.compiler import compile_program
from gpusim.compiler.builtins import maths
from gpusim.compiler.mangling import demangle
from tests.unit.compiler import builtin_calls

INTRINSIC = re.compile(
    r"llvm\.(fma|fmuladd|fabs|floor|ceil|trunc|rint|round|sqrt|minnum|maxnum|copysign|smin|smax|umin"
    r"|umax|abs|ctpop|ctlz|cttz|fshl|fshr|bswap|bitreverse|[us](?:add|sub)\.sat|fpto[us]i\.sat|ucmp"
    r"|scmp|vector\.reduce\.\w+|is\.fpclass)\..*"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [
        builtin_calls.maths,
        builtin_calls.integers,
        builtin_calls.relational,
        builtin_calls.conversions,
    ],
)
def test_every_overload_compiles(
    family: Callable[[], list[tuple[str, str, list[str]]]],
) -> None:
    rows = family()
    assert len(rows) > 400
    program = compile_program(builtin_calls.program(rows), where="calls.cl")
    for name in program.kernels:
        for callee in program.kernel(name).callees:
            if INTRINSIC.fullmatch(callee):
                continue
            signature = demangle(callee)
            assert signature is not None, callee
            assert signature.name in maths.EXTERNAL
            assert all(kind.lanes == 1 for kind in signature.parameters)
