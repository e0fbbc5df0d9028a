"""Traces: files -> Trace of Launch, Program, Buffer; the versioned format and its importers."""

from gpusim.trace.reader import load_trace
from gpusim.trace.records import Trace
from gpusim.trace.writer import write_trace

__all__ = ["Trace", "load_trace", "write_trace"]
