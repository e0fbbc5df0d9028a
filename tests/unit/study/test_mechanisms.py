import numpy as np
import pytest

from gpusim.device import list_devices, load_device
from gpusim.pipeline import prepare
from gpusim.resources import traces_dir
from gpusim.study.attribution import attribute, n_runs, run_times
from gpusim.study.mechanisms import MECHANISMS, with_figures
from gpusim.timing import simulate
from gpusim.trace import load_trace
from tests.unit.timing.synthetic import device, launch_work

BY_NAME = {mechanism.name: mechanism for mechanism in MECHANISMS}


def works_of(spec):
    """Even and uneven launches, so that every mechanism has something to do."""
    return (
        launch_work(spec, global_size=(4096, 1, 1), index=0),
        launch_work(spec, global_size=(1000, 3, 1), local_size=(64, 1, 1), index=1),
        launch_work(spec, global_size=(65536, 1, 1), trips=3, index=2),
    )


@pytest.mark.parametrize("name", [d if isinstance(d, str) else d.id for d in list_devices()])
def test_every_figure_that_is_switched_exists_on_every_device(name):
    spec = load_device(name)
    for mechanism in MECHANISMS:
        changed, _ = mechanism.off(spec, ())
        same = {
            path
            for path, quantity in changed.figures().items()
            if quantity.value == spec.figures()[path].value
        }
        assert set(spec.figures()) - same <= set(mechanism.figures)


def test_unknown_figures_are_refused():
    with pytest.raises(KeyError, match=r"l2\.size"):
        with_figures(device(), {"l2.size": 1})


def test_other_figures_keep_their_objects():
    spec = device()
    changed = with_figures(spec, {"l2.size_bytes": 1})
    assert changed.l2.size_bytes.value == 1
    assert changed.l2.size_bytes.kind is spec.l2.size_bytes.kind
    assert changed.l1 is spec.l1
    assert spec.l2.size_bytes.value == 262144


def test_splitting_off_makes_one_job():
    spec = device()
    works = works_of(spec)
    _, joined = BY_NAME["job_split"].off(spec, works)
    assert simulate(spec, works).counters["JS1_JOBS"] == 4
    assert simulate(spec, joined).counters["JS1_JOBS"] == 3
    # Rows of joined regions show one and the same time.
    assert len(simulate(spec, joined).jobs) == 4


@pytest.mark.parametrize("family", ["bifrost", "midgard"])
@pytest.mark.parametrize("fidelity", ["wave", "analytic"])
def test_nothing_is_left_with_every_mechanism_off(family, fidelity):
    """The list is complete: what remains is below a thousandth of the time."""
    spec = device(family)
    works = works_of(spec)
    shares = attribute(spec, works, (), fidelity=fidelity)
    assert shares.base[0] == simulate(spec, works, fidelity=fidelity).total_ps
    assert np.all(shares.nothing <= shares.base // 1000)


@pytest.mark.parametrize("name", ["mali-t860", "mali-g72", "mali-g610", "jetson-tx2", "adreno-530"])
def test_nothing_is_left_of_a_shipped_trace(name):
    """The same on every family, with barriers, local memory and the host's copies."""
    spec = load_device(name)
    trace = load_trace(traces_dir() / "reduction.gptrace")
    works, _ = prepare(trace, spec)
    base = simulate(spec, works, commands=trace.commands).total_ps
    bare, less = spec, tuple(works)
    for mechanism in MECHANISMS:
        bare, less = mechanism.off(bare, less)
    assert simulate(bare, less, commands=trace.commands).total_ps <= base // 1000


def test_shares_and_rest_add_up_to_the_time_of_run_and_launches():
    spec = device()
    shares = attribute(spec, works_of(spec), ())
    total = sum(shares.twice_shared.values()) + 2 * shares.nothing
    assert total.tolist() == (2 * shares.base).tolist()


def test_alone_is_the_plain_difference_of_two_runs():
    spec = device()
    works = works_of(spec)
    shares = attribute(spec, works, ())
    for mechanism in MECHANISMS:
        changed, less = mechanism.off(spec, works)
        expected = run_times(simulate(spec, works), works) - run_times(
            simulate(changed, less), less
        )
        assert shares.alone[mechanism.name].tolist() == expected.tolist()


def test_runs_are_counted():
    spec = device()
    runs = []
    attribute(spec, works_of(spec), (), on_run=lambda: runs.append(1))
    assert len(runs) == n_runs()


def test_run_times_by_hand():
    spec = device()
    works = works_of(spec)
    timeline = simulate(spec, works)
    times = run_times(timeline, works)
    assert times[0] == timeline.total_ps
    for position, work in enumerate(works):
        rows = [row for row in timeline.jobs if row["launch"] == work.launch.index]
        longest = max(r["end_ps"] for r in rows) - min(r["start_ps"] for r in rows)
        assert times[1 + position] == longest
