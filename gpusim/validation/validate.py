"""Predict measured kernel records with frozen parameters and judge the predictions.

A record is simulated as it was timed: its launches back to back in one in-order queue, many
repetitions, one finish; the prediction is the steady state per repetition. Measured values are
never read by the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gpusim.device import DeviceSpec, load_device
from gpusim.errors import GpusimError
from gpusim.pipeline import prepare
from gpusim.validation.errors import ErrorSummary, summarise_errors
from gpusim.validation.kernel_records import KernelRecord

if TYPE_CHECKING:
    from gpusim.timing import LaunchWork

_REPETITIONS = (3, 7)
"""Steady state per repetition = the difference of two runs by the repetitions between them, so
that filling the queue and the last wake-up cancel out."""
_PS_PER_MS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What became of one record."""

    line: int
    template: str
    dtype: str
    simulated_ms: float | None
    reason: str = ""
    """Why there is no prediction."""
    evidence: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Predictions of a file's records, and their errors where measured values are known."""

    device: str
    fidelity: str
    predictions: tuple[Prediction, ...]
    measured_ms: tuple[float | None, ...]

    @property
    def summary(self) -> ErrorSummary:
        """Errors over the records with both values; failures count in `n_tried`."""
        pairs = [
            (prediction.simulated_ms, measured)
            for prediction, measured in zip(self.predictions, self.measured_ms, strict=True)
            if prediction.simulated_ms is not None and measured is not None
        ]
        return summarise_errors(
            [pair[0] for pair in pairs], [pair[1] for pair in pairs], len(self.predictions)
        )

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``gpusim validate --json`` prints (design.md section 7)."""
        evidence: dict[str, int] = {}
        for prediction in self.predictions:
            for kind, number in prediction.evidence:
                evidence[kind] = max(evidence.get(kind, 0), number)
        return {
            "device": self.device,
            "fidelity": self.fidelity,
            **self.summary.as_json(),
            "evidence": evidence,
            "records": [
                _record_json(prediction, measured)
                for prediction, measured in zip(self.predictions, self.measured_ms, strict=True)
            ],
        }


def _record_json(prediction: Prediction, measured: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": prediction.line,
        "template": prediction.template,
        "dtype": prediction.dtype,
        "simulated_ms": prediction.simulated_ms,
    }
    if measured is not None:
        row["measured_ms"] = measured
        if prediction.simulated_ms is not None:
            row["error"] = (prediction.simulated_ms - measured) / measured
    if prediction.reason:
        row["reason"] = prediction.reason
    return row


def validate(
    records: Sequence[KernelRecord],
    device: str,
    *,
    fidelity: str = "wave",
    predict_only: bool = False,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> Validation:
    """Predict every record; compare where a measured value is there.

    Parameters
    ----------
    records : sequence of KernelRecord
        Of `kernel_records.read_kernel_records`.
    device : str
        Id or file of a device model.
    fidelity : str
        As `replay` takes it.
    predict_only : bool
        Leave the measured values out.
    workers : int
        Processes; the result does not depend on it.
    on_progress : callable, optional
        Called with (records done, records in all).

    Raises
    ------
    DeviceError
        When the device model can't be loaded.
    """
    load_device(device)
    # A trace's blob reader is a bound method of a dictionary: records travel to the workers.
    predict = partial(predict_record, device=device, fidelity=fidelity)
    bare = [replace(record, measured_s=None) for record in records]
    predictions = []
    if workers <= 1:
        results = map(predict, bare)
        predictions = _collect(results, len(bare), on_progress)
    else:
        with ProcessPoolExecutor(workers) as pool:
            predictions = _collect(pool.map(predict, bare, chunksize=4), len(bare), on_progress)
    measured = tuple(
        None if predict_only or record.measured_s is None else record.measured_s * 1e3
        for record in records
    )
    return Validation(
        device=device, fidelity=fidelity, predictions=tuple(predictions), measured_ms=measured
    )


def _collect(
    results: Any, total: int, on_progress: Callable[[int, int], None] | None
) -> list[Prediction]:
    predictions = []
    for result in results:
        predictions.append(result)
        if on_progress is not None:
            on_progress(len(predictions), total)
    return predictions


def predict_record(record: KernelRecord, *, device: str, fidelity: str) -> Prediction:
    """Return the steady-state time per repetition of a record's launches."""
    try:
        spec = load_device(device)
        works, failures = prepare(record.trace, spec)
        if failures:
            raise GpusimError(failures[0].reason)
        steady_ps, evidence = steady_state_ps(spec, works, fidelity)
    except GpusimError as error:
        return Prediction(
            line=record.line,
            template=record.template,
            dtype=record.dtype,
            simulated_ms=None,
            reason=str(error),
        )
    return Prediction(
        line=record.line,
        template=record.template,
        dtype=record.dtype,
        simulated_ms=steady_ps / _PS_PER_MS,
        evidence=tuple(evidence.items()),
    )


def steady_state_ps(
    device: DeviceSpec, works: Sequence[LaunchWork], fidelity: str
) -> tuple[float, dict[str, int]]:
    """Return the time per repetition of a queue that runs `works` over and over.

    Returns
    -------
    float
        ps per repetition.
    dict
        Kind of figure -> number used.
    """
    from gpusim.timing import simulate

    few, many = _REPETITIONS
    totals = {}
    evidence: dict[str, int] = {}
    for repetitions in (few, many):
        run = simulate(device, _repeated(works, repetitions), fidelity=fidelity)
        totals[repetitions] = run.total_ps
        evidence = run.evidence
    return (totals[many] - totals[few]) / (many - few), evidence


def _repeated(works: Sequence[LaunchWork], repetitions: int) -> list[LaunchWork]:
    count = len(works)
    return [
        replace(
            work,
            launch=replace(
                work.launch, index=round_ * count + position, seq=round_ * count + position
            ),
        )
        for round_ in range(repetitions)
        for position, work in enumerate(works)
    ]
