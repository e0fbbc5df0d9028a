"""The programs and kernels of a trace, compiled once each, those known beforehand in parallel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from gpusim.errors import CompileError, GpusimError, located

if TYPE_CHECKING:
    from gpusim.compiler.compile import Program
    from gpusim.compiler.kernel_ir import KernelIR
    from gpusim.compiler.limits import CompileLimits
    from gpusim.trace.records import Trace

_Made = TypeVar("_Made")


class TracePrograms:
    """Compiles what a trace's launches name; a failure is remembered like a result.

    Parameters
    ----------
    trace : Trace
    limits : CompileLimits, optional
        What one program may use.
    """

    def __init__(self, trace: Trace, limits: CompileLimits | None = None) -> None:
        self._trace = trace
        self._limits = limits
        self._programs: dict[int, Program | GpusimError] = {}
        self._kernels: dict[tuple[int, str], KernelIR | GpusimError] = {}

    def compile(self, wanted: Iterable[tuple[int, str]], workers: int | None = None) -> None:
        """Compile kernels ahead, as many at once as there are processors; errors wait.

        Parameters
        ----------
        wanted : iterable of (int, str)
            Program number and kernel name.
        workers : int, optional
            Programs or kernels at once.
        """
        pairs = list(dict.fromkeys(wanted))
        numbers = list(dict.fromkeys(number for number, _ in pairs))
        if len(pairs) < 2:
            return
        # Clang and LLVM run in child processes, so threads are enough to wait for them.
        with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
            # What a trace stores is read by this thread alone.
            sources = [(number, self._source(number)) for number in numbers]
            compiled = pool.map(lambda item: _outcome(item[1]), sources)
            self._programs.update(zip(numbers, compiled, strict=True))
            kernels = pool.map(lambda pair: _outcome(lambda: self._new_kernel(*pair)), pairs)
            self._kernels.update(zip(pairs, kernels, strict=True))

    def program(self, number: int) -> Program:
        """Return a program of the trace, compiled.

        Raises
        ------
        CompileError
            There is no source, or it does not compile.
        """
        if number not in self._programs:
            self._programs[number] = _outcome(self._source(number))
        return _result(self._programs[number])

    def kernel(self, number: int, name: str) -> KernelIR:
        """Return a kernel in normalised form.

        Raises
        ------
        CompileError
            Its program does not compile, there is no such kernel, or it is refused.
        """
        if (number, name) not in self._kernels:
            self._kernels[number, name] = _outcome(lambda: self._new_kernel(number, name))
        return _result(self._kernels[number, name])

    def _new_kernel(self, number: int, name: str) -> KernelIR:
        return self.program(number).kernel(name)

    def _source(self, number: int) -> Callable[[], Program]:
        """Read a program's source; returns what compiles it, or what raises why it cannot."""
        from gpusim.compiler.compile import compile_program

        record = self._trace.programs[number]
        where = f"{self._trace.name}: program {number}"

        def failed(error: GpusimError) -> Callable[[], Program]:
            def again() -> Program:
                raise error

            return again

        if record.kind != "source" or record.blob is None:
            return failed(
                CompileError(
                    located(where, "no OpenCL C to compile", expected="source", found=record.kind)
                )
            )
        try:
            headers = {name: self._text(blob) for name, blob in record.headers}
            text = self._text(record.blob)
        except GpusimError as error:
            return failed(error)
        return lambda: compile_program(
            text, record.build_options, headers, where=where, limits=self._limits
        )

    def _text(self, blob: str) -> str:
        return self._trace.read_blob(blob).decode("utf-8", "replace")


def _outcome(make: Callable[[], _Made]) -> _Made | GpusimError:
    try:
        return make()
    except GpusimError as error:
        return error


def _result(found: _Made | GpusimError) -> _Made:
    if isinstance(found, GpusimError):
        raise found
    return found
