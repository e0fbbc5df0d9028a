"""Measured values as samples of a fit, and workers that simulate them again and again.

Counting and costing a kernel takes most of a prediction and depends on none of the figures that
are fitted. Each worker does it once for its share of the samples and then answers for any
figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gpusim.device import DeviceSpec
from gpusim.errors import GpusimError, TraceError, located
from gpusim.trace.records import Trace
from gpusim.validation.device_names import is_device
from gpusim.validation.kernel_records import KernelRecord, read_kernel_records
from gpusim.validation.measured_rows import (
    RATE_UNITS,
    TIME_UNITS_MS,
    MeasuredRow,
    read_measured_rows,
)
from gpusim.validation.registry import case_of
from gpusim.validation.timed import Timing, quick_time_ps
from gpusim.validation.variant import with_figures

if TYPE_CHECKING:
    from gpusim.timing import LaunchWork, TrafficMemo

Floats = npt.NDArray[np.float64]

_PS_PER_S = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measured time, and the program that it belongs to."""

    traces: tuple[Trace, ...]
    """Programs of which the fastest counts."""
    timing: Timing
    measured_s: float
    template: str
    dtype: str
    file: str
    """Name of its file, without the folder."""
    shape: tuple[int, ...] = ()
    macs: float = 0.0
    unix_time: float | None = None
    weight: float = 1.0

    @property
    def n_launches(self) -> int:
        """Launches of one repetition."""
        return len(self.traces[0].launches)


def read_samples(path: Path, device: DeviceSpec, keep: str = "") -> list[Sample]:
    """Read the samples of a measured file that belong to a device.

    Parameters
    ----------
    path : Path
        Kernel records or a CSV of measured rows.
    device : DeviceSpec
    keep : str
        Rows of a CSV whose kernel does not contain this are left out.

    Raises
    ------
    TraceError
        For an unreadable file, or one without a measured value for the device.
    """
    if path.suffix.lower() == ".csv":
        samples = list(_row_samples(read_measured_rows(path), device, path.name, keep))
    else:
        samples = list(_record_samples(read_kernel_records(path), path.name))
    if not samples:
        raise TraceError(located(path, "no measured value to fit to", expected=device.id))
    return samples


def _record_samples(records: Iterable[KernelRecord], file: str) -> Iterable[Sample]:
    for record in records:
        if record.measured_s is not None:
            yield Sample(
                traces=(record.trace,),
                timing=Timing.BACK_TO_BACK,
                measured_s=record.measured_s,
                template=record.template,
                dtype=record.dtype,
                file=file,
                shape=record.shape,
                macs=record.macs,
                unix_time=record.unix_time,
            )


def _row_samples(
    rows: Iterable[MeasuredRow], device: DeviceSpec, file: str, keep: str
) -> Iterable[Sample]:
    """Yield a sample per distinct case: the mean of its rows, so that repetitions don't count."""
    found: dict[tuple[object, ...], list[tuple[Sample, float]]] = {}
    for row in rows:
        if row.value is None or keep not in row.kernel or not is_device(row.device, device):
            continue
        try:
            case = case_of(row, device)
        except GpusimError:
            continue  # no kernel of ours: nothing to learn from it
        if case.timing is Timing.LATENCY:
            continue  # a figure of the model, read off directly
        amount = case.amount(row.unit)
        seconds = (
            row.value * TIME_UNITS_MS[row.unit] * 1e-3
            if amount is None
            else amount / (row.value * RATE_UNITS[row.unit.upper()])
        )
        sample = Sample(
            traces=tuple(one.trace for one in case.alternatives),
            timing=case.timing,
            measured_s=seconds,
            template=case.template,
            dtype=case.dtype,
            file=file,
            macs=float(case.alternatives[0].operations) / 2,
        )
        found.setdefault(case.key, []).append((sample, seconds))
    for members in found.values():
        mean = sum(seconds for _, seconds in members) / len(members)
        yield replace(members[0][0], measured_s=mean)


@dataclass(slots=True)
class _Share:
    """What a worker keeps."""

    device: DeviceSpec
    fidelity: str
    prepared: dict[int, list[list[LaunchWork]]]
    timings: dict[int, Timing]
    memo: TrafficMemo


_share: list[_Share] = []
"""Of this worker process."""


def _prepare(device: DeviceSpec, fidelity: str, samples: Mapping[int, Sample]) -> dict[int, str]:
    """Count and cost a worker's samples; return the reasons of those that fail."""
    from gpusim.pipeline import prepare
    from gpusim.timing import TrafficMemo

    prepared, failed = {}, {}
    for index, sample in samples.items():
        works = []
        for trace in sample.traces:
            done, failures = prepare(trace, device)
            if failures:
                failed[index] = failures[0].reason
            works.append(done)
        if index not in failed:
            prepared[index] = works
    timings = {index: samples[index].timing for index in prepared}
    _share[:] = [
        _Share(
            device=device, fidelity=fidelity, prepared=prepared, timings=timings, memo=TrafficMemo()
        )
    ]
    return failed


def _simulate(values: Mapping[str, float], indices: Sequence[int]) -> dict[int, float]:
    """Return the seconds of some of the worker's samples on a variant of its device."""
    share = _share[0]
    device = with_figures(share.device, values)
    return {
        index: min(
            quick_time_ps(device, works, share.timings[index], share.fidelity, share.memo)
            for works in share.prepared[index]
        )
        / _PS_PER_S
        for index in indices
        if index in share.prepared
    }


def _describe(values: Mapping[str, float]) -> dict[int, dict[str, Any]]:
    """Return features and bounds of the worker's samples on a variant of its device."""
    from gpusim.validation.features import describe

    share = _share[0]
    device = with_figures(share.device, values)
    return {
        index: describe(device, works[0], share.timings[index], share.fidelity, share.memo)
        for index, works in share.prepared.items()
    }


class Bench:
    """Worker processes that hold the samples of a fit.

    Parameters
    ----------
    device : DeviceSpec
    samples : sequence of Sample
    fidelity : str
        ``analytic`` or ``wave``.
    workers : int

    Raises
    ------
    GpusimError
        When a sample can't be predicted at all, or a worker dies.
    """

    def __init__(
        self, device: DeviceSpec, samples: Sequence[Sample], fidelity: str, workers: int
    ) -> None:
        self.device = device
        self.samples = tuple(samples)
        n_workers = max(1, min(workers, len(samples)))
        # Dealt in turn: neighbours in a file take about equally long.
        self._dealt = [list(range(start, len(samples), n_workers)) for start in range(n_workers)]
        self._pools = [ProcessPoolExecutor(1) for _ in self._dealt]
        futures = [
            pool.submit(_prepare, device, fidelity, {index: samples[index] for index in dealt})
            for pool, dealt in zip(self._pools, self._dealt, strict=True)
        ]
        failed: dict[int, str] = {}
        for future in futures:
            failed.update(self._result(future))
        if failed:
            index, reason = next(iter(sorted(failed.items())))
            sample = samples[index]
            self.close()
            raise GpusimError(f"{sample.file}: {sample.template}: {reason}")

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)

    def seconds(self, values: Mapping[str, float], chosen: npt.ArrayLike | None = None) -> Floats:
        """Return (n_sample,) simulated seconds with figures changed; nan where not chosen."""
        wanted = np.ones(len(self.samples), bool) if chosen is None else np.asarray(chosen)
        futures = [
            pool.submit(_simulate, dict(values), [index for index in dealt if wanted[index]])
            for pool, dealt in zip(self._pools, self._dealt, strict=True)
        ]
        times = np.full(len(self.samples), np.nan)
        for future in futures:
            for index, seconds in self._result(future).items():
                times[index] = seconds
        return times

    def describe(self, values: Mapping[str, float]) -> list[dict[str, Any]]:
        """Return per sample ``features`` and ``bound``, see :mod:`gpusim.validation.features`."""
        futures = [pool.submit(_describe, dict(values)) for pool in self._pools]
        found: dict[int, dict[str, Any]] = {}
        for future in futures:
            found.update(self._result(future))
        return [found[index] for index in range(len(self.samples))]

    @staticmethod
    def _result(future: Any) -> Any:
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise GpusimError("a worker process died: out of memory or killed") from error
