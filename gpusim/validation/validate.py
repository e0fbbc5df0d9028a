"""Predict measured records with frozen parameters and judge the predictions.

A record is simulated as it was timed. Measured values are never read by the prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gpusim.errors import GpusimError, TraceError, located
from gpusim.validation.calibration_record import load_calibration
from gpusim.validation.device_names import is_device
from gpusim.validation.errors import ErrorSummary, summarise_errors
from gpusim.validation.kernel_records import KernelRecord
from gpusim.validation.measured_rows import RATE_UNITS, TIME_UNITS_MS, MeasuredRow
from gpusim.validation.predict import OnProgress, Outcome, Task, predict_all
from gpusim.validation.registry import Case, case_of
from gpusim.validation.variant import load_variant

_MAX_NAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One record: what was predicted and what was measured."""

    line: int
    """The record's id: its ``line`` field, or the line of a CSV."""
    template: str
    dtype: str
    outcome: Outcome
    measured_ms: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    """More keys of its JSON object."""

    @property
    def error(self) -> float | None:
        """(simulated - measured) / measured, of the time."""
        if self.measured_ms is None or self.outcome.simulated_ms is None:
            return None
        return (self.outcome.simulated_ms - self.measured_ms) / self.measured_ms

    @property
    def bound(self) -> str:
        """The bound that alone would take longest."""
        bounds = self.outcome.bounds_ms
        return max(bounds, key=bounds.__getitem__) if bounds else ""

    def as_json(self) -> dict[str, Any]:
        """Return the record's object of ``gpusim validate --json``."""
        row: dict[str, Any] = {"id": self.line, "template": self.template, "dtype": self.dtype}
        row["simulated_ms"] = self.outcome.simulated_ms
        if self.measured_ms is not None:
            row["measured_ms"] = self.measured_ms
        if self.error is not None:
            row["error"] = self.error
        if self.outcome.reason:
            row["reason"] = self.outcome.reason
        else:
            row["roofline_ms"] = self.outcome.roofline_ms
            row["bound"] = self.bound
            row["bounds_ms"] = self.outcome.bounds_ms
        return row | self.details


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Predictions of a file's records, and their errors where measured values are known."""

    device: str
    fidelity: str
    records: tuple[Judged, ...]
    notes: tuple[str, ...] = ()
    """What was left out, in plain words."""

    @property
    def summary(self) -> ErrorSummary:
        """Errors over the records with both values; failures count in `n_tried`."""
        return summarise(self.records)

    def groups(self) -> Iterator[tuple[str, str, ErrorSummary]]:
        """Yield template, dtype and errors of each group, sorted."""
        for template, dtype in sorted({(row.template, row.dtype) for row in self.records}):
            rows = [row for row in self.records if (row.template, row.dtype) == (template, dtype)]
            yield template, dtype, summarise(rows)

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``gpusim validate --json`` prints (design.md section 7)."""
        evidence: dict[str, int] = {}
        for row in self.records:
            for kind, number in row.outcome.evidence.items():
                evidence[kind] = max(evidence.get(kind, 0), number)
        return {
            "device": self.device,
            "fidelity": self.fidelity,
            **self.summary.as_json(),
            "roofline": summarise(self.records, roofline=True).as_json(),
            "groups": [
                {"template": template, "dtype": dtype, **errors.as_json()}
                for template, dtype, errors in self.groups()
            ],
            "evidence": evidence,
            "notes": list(self.notes),
            "records": [row.as_json() for row in self.records],
        }


def summarise(records: Sequence[Judged], *, roofline: bool = False) -> ErrorSummary:
    """Return the errors of some records, or those of the crude roofline on them."""
    pairs = [
        (row.outcome.roofline_ms if roofline else row.outcome.simulated_ms, row.measured_ms)
        for row in records
    ]
    known = [(ours, truth) for ours, truth in pairs if ours is not None and truth is not None]
    return summarise_errors([pair[0] for pair in known], [pair[1] for pair in known], len(records))


def validate(
    records: Sequence[KernelRecord],
    device: str,
    *,
    fidelity: str = "wave",
    predict_only: bool = False,
    uncalibrated: bool = False,
    workers: int = 2,
    on_progress: OnProgress | None = None,
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
    uncalibrated : bool
        Fitted figures as they were before the fit, no session constants.
    workers : int
        Processes; the result does not depend on it.
    on_progress : callable, optional
        Called with (records done, records in all).

    Raises
    ------
    DeviceError
        When the device model can't be loaded.
    """
    spec = load_variant(device, uncalibrated=uncalibrated)
    calibration = None if uncalibrated else load_calibration(spec)
    tasks = [
        Task(
            traces=(record.trace,),
            extra_ps=0
            if calibration is None
            else calibration.launch_ps(record.unix_time) * len(record.trace.launches),
        )
        for record in records
    ]
    outcomes = predict_all(tasks, spec, fidelity, workers=workers, on_progress=on_progress)
    return Validation(
        device=device,
        fidelity=fidelity,
        records=tuple(
            Judged(
                line=record.line,
                template=record.template,
                dtype=record.dtype,
                outcome=outcome,
                measured_ms=(
                    None if predict_only or record.measured_s is None else record.measured_s * 1e3
                ),
            )
            for record, outcome in zip(records, outcomes, strict=True)
        ),
    )


def validate_rows(
    rows: Sequence[MeasuredRow],
    device: str,
    *,
    fidelity: str = "wave",
    predict_only: bool = False,
    uncalibrated: bool = False,
    workers: int = 2,
    on_progress: OnProgress | None = None,
) -> Validation:
    """Predict the rows of a measured table that belong to a device; as :func:`validate`.

    Rows of other devices are left out with a note. A row whose kernel the registry lacks is a
    failure with its reason. Equal rows are simulated once.

    Raises
    ------
    DeviceError
        When the device model can't be loaded.
    TraceError
        When no row belongs to the device.
    """
    spec = load_variant(device, uncalibrated=uncalibrated)
    ours = [row for row in rows if is_device(row.device, spec)]
    others = sorted({row.device for row in rows} - {row.device for row in ours})
    if not ours:
        names = "; ".join(others[:_MAX_NAMES])
        raise TraceError(located("rows", "none of this device", expected=spec.id, found=names))
    cases: list[Case | str] = []
    for row in ours:
        try:
            cases.append(case_of(row, spec))
        except GpusimError as error:
            cases.append(str(error))
    unique = {case.key: case for case in cases if isinstance(case, Case)}
    tasks = [
        Task(traces=tuple(one.trace for one in case.alternatives), timing=case.timing)
        for case in unique.values()
    ]
    outcomes = dict(
        zip(
            unique,
            predict_all(tasks, spec, fidelity, workers=workers, on_progress=on_progress),
            strict=True,
        )
    )
    left_out = len(rows) - len(ours)
    named = ", ".join(others[:_MAX_NAMES]) + (", ..." if len(others) > _MAX_NAMES else "")
    return Validation(
        device=device,
        fidelity=fidelity,
        records=tuple(
            _judge_row(row, case, outcomes, predict_only)
            for row, case in zip(ours, cases, strict=True)
        ),
        notes=(f"{left_out} rows of other devices left out: {named}",) if left_out else (),
    )


def _judge_row(
    row: MeasuredRow,
    case: Case | str,
    outcomes: dict[tuple[object, ...], Outcome],
    predict_only: bool,
) -> Judged:
    value = None if predict_only else row.value
    details: dict[str, Any] = {
        "kernel": row.kernel,
        "global": row.global_size or None,
        "local": row.local_size or None,
        "metric": row.metric,
        "unit": row.unit,
    }
    if isinstance(case, str):
        outcome = Outcome(reason=case)
        return Judged(
            line=row.line, template=row.kernel, dtype="", outcome=outcome, details=details
        )
    outcome = outcomes[case.key]
    amount = case.amount(row.unit)
    if value is not None:
        details["measured"] = value
    if outcome.simulated_ms is not None:
        details["simulated"] = _in_unit(outcome.simulated_ms, row.unit, amount)
    return Judged(
        line=row.line,
        template=case.template,
        dtype=case.dtype,
        outcome=outcome,
        measured_ms=None if value is None else _in_ms(value, row.unit, amount),
        details=details,
    )


def _in_ms(value: float, unit: str, amount: float | None) -> float:
    """Return the time per launch, ms, that a measured value says; `amount` of a rate."""
    if amount is None:
        return value * TIME_UNITS_MS[unit]
    return amount / (value * RATE_UNITS[unit.upper()]) * 1e3


def _in_unit(time_ms: float, unit: str, amount: float | None) -> float:
    if amount is None:
        return time_ms / TIME_UNITS_MS[unit]
    return amount / (time_ms * 1e-3) / RATE_UNITS[unit.upper()]
