"""Open whatever the user names as a trace, raw logs included."""

from __future__ import annotations

from pathlib import Path

from gpusim.trace.reader import RAW_SUFFIX, load_trace
from gpusim.trace.records import Trace


def open_trace(path: str | Path) -> Trace:
    """Load a trace in any form that gpusim knows.

    Parameters
    ----------
    path : str or Path
        A ``.gptrace``, a JSONL trace, or the ``.gpraw`` log of a capture, which is converted in
        memory.

    Raises
    ------
    TraceError
        When it cannot be read or contradicts itself.
    """
    path = Path(path)
    if path.suffix == RAW_SUFFIX:
        return _open_raw(path)
    return load_trace(path)


def _open_raw(path: Path) -> Trace:
    from gpusim.capture.raw import read_raw
    from gpusim.trace.writer import check_trace

    raw, _ = read_raw(path)
    return check_trace(raw)
