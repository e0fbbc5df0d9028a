"""Times of planned layers: equal to the simulation of the whole plan, computed once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpusim.device import load_device
from gpusim.errors import GpusimError
from gpusim.library import plan
from gpusim.library.plan import Phase, PlannedLayer, PlanOptions
from gpusim.library.planned_trace import PlannedTrace
from gpusim.network import Layer, LayerKind
from gpusim.pipeline import prepare
from gpusim.study import launch_time
from gpusim.study.layer_time import fastest, time_layer, time_plan, time_queue
from gpusim.study.time_store import TimeStore
from gpusim.timing import simulate

SOURCE = """
__kernel void scale(__global float *out, __global const float *in, float factor) {
    size_t i = get_global_id(0);
    out[i] = in[i] * factor;
}
__kernel void dot4(__global float *out, __global const float *a, __global const float *b, int k) {
    float sum = 0.0f;
    for (int i = 0; i < k; i++) sum += a[get_global_id(1) * k + i] * b[i * 64 + get_global_id(0)];
    out[get_global_id(1) * get_global_size(0) + get_global_id(0)] = sum;
}
"""
LAYER = Layer(
    index=0,
    name="conv0",
    kind=LayerKind.CONVOLUTION,
    in_channels=8,
    in_height=8,
    in_width=8,
    out_channels=50,
)


def planned(items: int = 50, *, unused_buffers: int = 0, local: bool = True) -> PlannedLayer:
    trace = PlannedTrace("test plan")
    for _ in range(unused_buffers):
        trace.buffer(100)
    a, b, c = (trace.buffer(1 << 16) for _ in range(3))
    trace.launch(
        Phase.PREPARE,
        source=SOURCE,
        options="",
        kernel="scale",
        global_size=(1024, 1, 1),
        local_size=None,
        arguments=[b, a, np.float32(2)],
    )
    for _ in range(2):
        trace.launch(
            Phase.RUN,
            source=SOURCE,
            options="",
            kernel="dot4",
            global_size=(items, 7, 1),
            local_size=(16, 1, 1) if local else None,
            arguments=[c, a, b, np.int32(64)],
        )
    return PlannedLayer(
        layer=LAYER,
        library="test",
        method="dot",
        options=PlanOptions(target="mali-g72"),
        trace=trace.trace(),
    )


@pytest.mark.parametrize("device", ["mali-t628", "mali-g72", "jetson-tx2", "adreno-530"])
@pytest.mark.parametrize("fidelity", ["analytic", "wave"])
def test_equals_the_simulation_of_all_launches_of_the_phase(device: str, fidelity: str) -> None:
    plan_ = planned()
    spec = load_device(device)
    time = time_plan(plan_, spec, fidelity=fidelity, store=TimeStore(None), prepare=False)
    assert time.failures == ()
    run = tuple(one for phase, one in plan_.launches if phase is Phase.RUN)
    works, failures = prepare(replace(plan_.trace, launches=run), spec)
    assert not failures
    whole = simulate(spec, works, fidelity=fidelity)
    span = int(whole.jobs["end_ps"].max() - whole.jobs["start_ps"].min())
    tolerance = 0 if fidelity == "analytic" else 1e-3
    assert time.run.total_ps == pytest.approx(whole.total_ps, rel=tolerance)
    assert time.run_ps == pytest.approx(span, rel=tolerance)
    assert time.run.n_jobs == len({(row["launch"], row["job"]) for row in whole.jobs}) - sum(
        job.joined for work in works for job in work.jobs
    )
    assert time.evidence == simulate(spec, works, fidelity=fidelity).evidence


def test_phases_are_timed_apart_and_prepare_can_be_left_out() -> None:
    spec = load_device("mali-g72")
    store = TimeStore(None)
    both = time_plan(planned(), spec, store=store)
    assert [one.kernel for one in both.prepare.launches] == ["scale"]
    assert [one.kernel for one in both.run.launches] == ["dot4", "dot4"]
    assert both.prepare.gpu_ps > 0
    only_run = time_plan(planned(), spec, store=store, prepare=False)
    assert only_run.prepare.n_launches == 0
    assert only_run.run == both.run


def test_equal_launches_are_simulated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_device("mali-g72")
    store = TimeStore(None)
    simulated: list[str] = []
    original = launch_time.launch_work

    def counting(launch, trace, device):  # type: ignore[no-untyped-def]
        simulated.append(launch.kernel)
        return original(launch, trace, device)

    monkeypatch.setattr(launch_time, "launch_work", counting)
    first = time_plan(planned(), spec, store=store)
    assert simulated == ["scale", "dot4"]
    assert time_plan(planned(unused_buffers=3), spec, store=store) == first
    assert simulated == ["scale", "dot4"]
    time_plan(planned(51), spec, store=store, prepare=False)
    assert simulated == ["scale", "dot4", "dot4"]
    time_plan(planned(), spec, store=store, prepare=False, clock_khz=500_000)
    time_plan(planned(), spec, store=store, prepare=False, fidelity="wave")
    time_plan(planned(), load_device("mali-t628"), store=store, prepare=False)
    assert len(simulated) == 6


def test_the_file_outlives_the_process_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_device("mali-g72")
    path = tmp_path / "times.sqlite"
    store = TimeStore(path)
    first = time_plan(planned(), spec, store=store)
    store.close()
    monkeypatch.setattr(launch_time, "launch_work", None)
    again = TimeStore(path)
    assert time_plan(planned(), spec, store=again) == first
    again.close()


def test_a_damaged_or_unusable_file_is_no_error(tmp_path: Path) -> None:
    spec = load_device("mali-g72")
    path = tmp_path / "times.sqlite"
    path.write_bytes(b"no database at all" * 500)
    expected = time_plan(planned(), spec, store=TimeStore(None))
    store = TimeStore(path)
    assert time_plan(planned(), spec, store=store) == expected
    store.close()
    blocked = tmp_path / "file"
    blocked.write_text("")
    store = TimeStore(blocked / "times.sqlite")
    assert time_plan(planned(), spec, store=store) == expected


def test_a_slower_clock_takes_longer() -> None:
    spec = load_device("mali-g72")
    store = TimeStore(None)
    times = [
        time_plan(planned(), spec, store=store, clock_khz=khz).run_ps
        for khz in (200_000, 400_000, 767_000)
    ]
    assert times == sorted(times, reverse=True)
    assert times[0] > times[-1]


def test_a_launch_that_cannot_run_is_listed_and_the_others_timed() -> None:
    spec = load_device("mali-g72")
    good = planned()
    broken = replace(
        good.trace.launches[-1], index=3, seq=3, local_size=(1024, 1, 1), global_size=(1024, 1, 1)
    )
    plan_ = replace(good, trace=replace(good.trace, launches=(*good.trace.launches, broken)))
    time = time_plan(plan_, spec, store=TimeStore(None))
    assert [failure.kernel for failure in time.failures] == ["dot4"]
    assert "1024" in time.failures[0].reason
    assert time.run.n_launches == 2


def test_the_fastest_candidate_wins_and_names_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def two(layer: Layer, options: PlanOptions) -> tuple[PlannedLayer, ...]:
        return (
            replace(planned(2048), method="large"),
            replace(planned(16), method="small"),
        )

    monkeypatch.setattr(plan, "import_module", lambda name: type("M", (), {"two": two}))
    monkeypatch.setitem(plan.MODELS, "test", "module:two")
    spec = load_device("mali-g72")
    options = PlanOptions(target="mali-g72")
    best = time_layer("test", LAYER, options, spec, store=TimeStore(None))
    assert best.method == "small"
    assert [name for name, _ in best.others] == ["large"]
    assert best.others[0][1] > best.run_ps
    assert fastest([best]) is best


def test_bad_settings_are_one_line() -> None:
    spec = load_device("mali-g72")
    with pytest.raises(GpusimError, match="fidelity: unknown"):
        time_plan(planned(), spec, fidelity="exact", store=TimeStore(None))
    with pytest.raises(GpusimError, match="clock: not positive"):
        time_plan(planned(), spec, clock_khz=0, store=TimeStore(None))


def test_an_empty_queue_takes_no_time() -> None:
    assert time_queue([], load_device("mali-g72")).total_ps == 0
