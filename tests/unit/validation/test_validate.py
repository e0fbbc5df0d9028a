import pytest

from gpusim.device import load_device
from gpusim.errors import DeviceError, TraceError
from gpusim.library.hand import element_type, plan_copy
from gpusim.pipeline import prepare
from gpusim.validation.kernel_records import KernelRecord
from gpusim.validation.measured_rows import MeasuredRow
from gpusim.validation.predict import Task, predict_task
from gpusim.validation.roofline import roofline_ps
from gpusim.validation.timed import Timing, steady_state_ps, timed
from gpusim.validation.validate import validate, validate_rows

T860 = load_device("mali-t860")
COPY = plan_copy(1 << 16, element_type("float4"), (64, 1, 1))


def rows(*values, unit="GBPS", kernel="clpeak/global_memory_bandwidth/float4"):
    return [
        MeasuredRow(line=i + 2, device="Mali-T860MP4", kernel=kernel, unit=unit, value=value)
        for i, value in enumerate(values)
    ]


def record(measured_s):
    return KernelRecord(
        line=5, template="copy", dtype="float32", trace=COPY.trace, measured_s=measured_s,
        unix_time=None,
    )  # fmt: skip


def test_a_failing_row_counts_and_names_its_reason():
    result = validate_rows([*rows(5.0), *rows(1.0, kernel="convolve")], "mali-t860", workers=1)
    assert (result.summary.n, result.summary.n_tried) == (1, 2)
    document = result.as_json()
    assert "no kernel of ours" in document["records"][1]["reason"]
    assert document["records"][1]["simulated_ms"] is None
    assert document["n"] == 1


def test_a_rate_and_its_time_say_the_same():
    (judged,) = validate_rows(rows(5.0), "mali-t860", workers=1).records
    ratio_of_rates = judged.details["measured"] / judged.details["simulated"]
    assert judged.error == pytest.approx(ratio_of_rates - 1)
    assert judged.bound


def test_predictions_do_not_see_measured_values():
    known = validate([record(1e-3)], "mali-t860", workers=1)
    bare = validate([record(None)], "mali-t860", workers=1)
    blind = validate([record(1e-3)], "mali-t860", workers=1, predict_only=True)
    times = {one.records[0].outcome.simulated_ms for one in (known, bare, blind)}
    assert len(times) == 1
    assert blind.records[0].measured_ms is None
    assert "error" not in blind.as_json()["records"][0]


def test_rows_of_other_devices_are_left_out_with_a_note():
    mixed = [*rows(5.0), MeasuredRow(line=9, device="Mali-T604", kernel="k", unit="s", value=1.0)]
    result = validate_rows(mixed, "mali-t860", workers=1)
    assert len(result.records) == 1
    assert "1 rows of other devices left out: Mali-T604" in result.notes[0]


def test_no_row_of_the_device_is_an_error():
    with pytest.raises(TraceError, match=r"none of this device.*jetson-tx2.*Mali-T860MP4"):
        validate_rows(rows(1.0), "jetson-tx2", workers=1)
    with pytest.raises(DeviceError):
        validate_rows(rows(1.0), "no-such-device", workers=1)


def test_any_number_of_workers_gives_the_same():
    three = [record(1e-3), record(2e-3), record(3e-3)]
    assert validate(three, "mali-t860", workers=1) == validate(three, "mali-t860", workers=2)


def test_groups_split_by_template_and_dtype():
    result = validate_rows([*rows(5.0), *rows(1.0, kernel="convolve")], "mali-t860", workers=1)
    groups = {template: errors for template, _, errors in result.groups()}
    assert groups["clpeak/global_memory_bandwidth"].n == 1
    assert groups["convolve"].n == 0


def test_the_fastest_alternative_counts():
    slow = plan_copy(1 << 18, element_type("float4"), (64, 1, 1))
    both = predict_task(Task(traces=(slow.trace, COPY.trace)), device="mali-t860", fidelity="wave")
    one = predict_task(Task(traces=(COPY.trace,)), device="mali-t860", fidelity="wave")
    assert both.simulated_ms == one.simulated_ms


def test_an_unknown_fidelity_is_a_reason():
    outcome = predict_task(Task(traces=(COPY.trace,)), device="mali-t860", fidelity="exact")
    assert outcome.simulated_ms is None
    assert "fidelity" in outcome.reason


def test_what_a_measured_time_contains_orders_the_timings():
    """A wall clock contains the launch, an event does not; back to back is in between."""
    works, _ = prepare(COPY.trace, T860)
    times = {how: timed(T860, works, how, "wave").time_ps for how in Timing}
    assert times[Timing.EVENT] <= times[Timing.BACK_TO_BACK] <= times[Timing.WALL_CLOCK]
    assert times[Timing.EVENT] < times[Timing.WALL_CLOCK]
    assert times[Timing.LATENCY] == pytest.approx(T860.host.launch_latency_ps.value, rel=0.01)
    assert steady_state_ps(T860, works, "wave")[0] == times[Timing.BACK_TO_BACK]


def test_the_roofline_is_the_busiest_rate_plus_the_launch():
    """By hand, for straight code: its load/store words or half its bundles per work-item."""
    works, _ = prepare(COPY.trace, T860)
    work_items = (1 << 16) // 4
    cost = works[0].cost.blocks
    assert len(cost) == 1
    per_item = max(cost["load_store"].sum(), cost["issue_cycles"].sum() / 2)
    assert per_item >= 2
    cycles = per_item * work_items / 4
    assert roofline_ps(T860, works) == pytest.approx(
        cycles / 800_000 * 1e9 + T860.host.launch_latency_ps.value
    )
