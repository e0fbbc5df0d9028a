"""Measure kernels on a real OpenCL device and write the measured schema."""

from __future__ import annotations

import csv
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TextIO

from gpusim.capture.replayer.experiment import size_cell
from gpusim.errors import CaptureError, GpusimError, OutputError, located
from gpusim.validation.measured_rows import COLUMNS, RATE_UNITS, TIME_UNITS_MS, MeasuredRow

_NS_PER_MS = 1e6
_MAX_LOST = 64
"""Kernels that may take their process down before the rest is given up."""

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """How to measure."""

    platform: int | None = None
    device: int | None = None
    repeat: int = 11
    warmup: int = 2
    only: str = ""
    name: str = ""
    """For the ``device`` column; the device's own name by default."""
    timeout_s: float = 300.0
    """Without a sign of life; then the kernel counts as hung."""


@dataclass(slots=True)
class Measured:
    """What a device gave."""

    device: dict[str, Any] = field(default_factory=dict)
    rows: list[MeasuredRow] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    """(kernel and place, reason); such a row has no value."""


def measure(
    trace: Path | None, options: MeasureOptions, on_progress: OnProgress | None = None
) -> Measured:
    """Run a trace's launches, or the micro-benchmark suite, and return median times.

    Parameters
    ----------
    trace : Path, optional
        A trace or raw log; the suite without it.
    options : MeasureOptions
    on_progress : callable, optional
        Called with (experiments done, experiments in all).

    Returns
    -------
    Measured
        One row per launch of the trace, or per test of the suite.

    Raises
    ------
    CaptureError
        When there is no such device, or it brings down every process.
    TraceError
        When the trace can't be read.
    """
    found = Measured()
    skip: list[tuple[int, int, str]] = []
    first = 0
    while len(skip) <= _MAX_LOST:
        session = _Session(trace, options, skip, first)
        lost = session.run(found, on_progress)
        if lost is None:
            if not found.rows:
                raise CaptureError(
                    located(trace or "suite", "nothing to measure", found=options.only)
                )
            return found
        if session.at is None:
            raise CaptureError(located("measure", "the OpenCL driver does not start", found=lost))
        first, launch = session.at
        if launch < 0 or (first, launch) in {one[:2] for one in skip}:
            raise CaptureError(
                located("measure", "the OpenCL driver fails again and again", found=lost)
            )
        skip.append((first, launch, lost))
    raise CaptureError(located("measure", f"{len(skip)} kernels brought the driver down"))


class _Session:
    """One worker process."""

    def __init__(
        self,
        trace: Path | None,
        options: MeasureOptions,
        skip: Sequence[tuple[int, int, str]],
        first: int,
    ) -> None:
        self._options = options
        self.at: tuple[int, int] | None = None
        self._lost: str | None = None
        self._request = {
            "trace": None if trace is None else str(trace),
            "platform": options.platform,
            "device": options.device,
            "repeat": options.repeat,
            "warmup": options.warmup,
            "only": options.only,
            "skip": list(skip),
            "first": first,
        }

    def run(self, found: Measured, on_progress: OnProgress | None) -> str | None:
        """Add what the worker says to `found`; return how it died, or None."""
        command = [sys.executable, "-m", "gpusim.validation.measure_worker"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as worker:
            assert worker.stdin is not None
            assert worker.stdout is not None
            assert worker.stderr is not None
            worker.stdin.write(json.dumps(self._request))
            worker.stdin.close()
            said: queue.Queue[str | None] = queue.Queue()
            errors: list[str] = []
            readers = [
                threading.Thread(target=_forward, args=(worker.stdout, said.put), daemon=True),
                threading.Thread(target=_forward, args=(worker.stderr, errors.append), daemon=True),
            ]
            for reader in readers:
                reader.start()
            try:
                total = 0
                while (line := said.get(timeout=self._options.timeout_s)) is not None:
                    total = self._take(json.loads(line), found, total, on_progress)
            except queue.Empty:
                worker.kill()
                return f"no sign of life for {self._options.timeout_s:g} s"
            except BaseException:
                worker.kill()
                raise
            finally:
                for reader in readers:
                    reader.join(timeout=5)
            code = worker.wait()
        if code == 0:
            return self._lost
        last = next((text.strip() for text in reversed(errors) if text and text.strip()), "")
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"the process was lost: {how}" + (f", {last}" if code > 0 and last else "")

    def _take(
        self,
        line: Mapping[str, Any],
        found: Measured,
        total: int,
        on_progress: OnProgress | None,
    ) -> int:
        if "problem" in line:
            raise CaptureError(line["problem"])
        if "device" in line:
            found.device = dict(line["device"])
        if "experiments" in line:
            total = int(line["experiments"])
        if "at" in line:
            self.at = (int(line["at"][0]), int(line["at"][1]))
        if "lost" in line:
            self._lost = str(line["lost"])
        if "done" in line:
            for row in line["rows"]:
                self._add(row, line["state"], found)
            if on_progress is not None:
                on_progress(int(line["done"]) + 1, total)
        return total

    def _add(self, row: Mapping[str, Any], state: Mapping[str, Any], found: Measured) -> None:
        times = [samples for samples in row["times_ns"] if samples]
        best = min(times, key=median) if times else None
        reason = "" if best else row["reason"] or "no times"
        params = {**row["params"], **summary(best or []), **state}
        if reason:
            params["error"] = reason
            found.failures.append((f"{row['kernel']} {size_cell(row['global'])}", reason))
        found.rows.append(
            MeasuredRow(
                line=len(found.rows) + 2,
                device=self._options.name or found.device["name"],
                kernel=row["kernel"],
                params=params,
                global_size=size_cell(row["global"]),
                local_size=size_cell(row["local"]),
                metric=row["metric"],
                value=in_unit(median(best), row["unit"], row["amount"]) if best else None,
                unit=row["unit"],
                source=f"gpusim measure; {found.device['version']}; {found.device['driver']}",
            )
        )


def _forward(stream: TextIO, put: Callable[[Any], None]) -> None:
    for line in stream:
        put(line)
    put(None)


def summary(times_ns: Sequence[int]) -> dict[str, float]:
    """Return what a row notes of its samples: how many, and how far apart they are.

    ``spread`` is the distance of the quartiles over the median.
    """
    if not times_ns:
        return {"n_samples": 0}
    ordered = sorted(times_ns)
    n = len(ordered)
    low, high = ordered[n // 4], ordered[(3 * n) // 4 if n > 1 else 0]
    return {
        "n_samples": n,
        "min_us": ordered[0] / 1e3,
        "max_us": ordered[-1] / 1e3,
        "spread": round((high - low) / median(ordered), 4),
    }


def in_unit(time_ns: float, unit: str, amount: float) -> float:
    """Return a launch's time in a unit of time, or `amount` per time in a unit of rate."""
    if unit in TIME_UNITS_MS:
        return time_ns / _NS_PER_MS / TIME_UNITS_MS[unit]
    return amount / (time_ns * 1e-9) / RATE_UNITS[unit.upper()]


def write_measured(rows: Sequence[MeasuredRow], path: Path | None) -> None:
    """Write rows as CSV of the measured schema, on stdout without a path.

    Raises
    ------
    OutputError
        When the file can't be written.
    """
    if path is None:
        _write(rows, sys.stdout)
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            _write(rows, file)
    except OSError as error:
        raise OutputError(located(path, "cannot be written", found=error.strerror)) from None


def _write(rows: Sequence[MeasuredRow], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(
            (
                row.device,
                row.kernel,
                json.dumps(row.params),
                row.global_size,
                row.local_size,
                row.metric,
                "" if row.value is None else f"{row.value:.6g}",
                row.unit,
                row.source,
            )
        )


def check_options(options: MeasureOptions) -> None:
    """Refuse numbers that make no measurement.

    Raises
    ------
    GpusimError
        For fewer than one repetition, or a negative number of warm-up passes.
    """
    if options.repeat < 1:
        raise GpusimError(located("--repeat", "too few", expected=">= 1", found=options.repeat))
    if options.warmup < 0:
        raise GpusimError(located("--warmup", "negative", expected=">= 0", found=options.warmup))
