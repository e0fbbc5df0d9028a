"""What Radu et al. (IISWC 2019) found about layer 16 in direction, on the simulated Mali-G72.

Only directions: the measured levels (14 and 23 ms) include what no documented mechanism explains.
"""

import pytest

from gpusim import load_trace, replay
from gpusim.resources import traces_dir

CHANNELS = (92, 93, 96, 97)


@pytest.fixture(scope="module", params=["wave", "analytic"])
def reports(request):
    return {
        channels: replay(
            load_trace(traces_dir() / f"resnet50-l16-c{channels}.gptrace"),
            "mali-g72",
            fidelity=request.param,
        )
        for channels in CHANNELS
    }


@pytest.mark.parametrize(("slow", "fast"), [(97, 96), (92, 93)])
def test_the_extra_job_makes_it_slower(reports, slow, fast):
    """The paper: 92 and 97 channels are slower than 93 and 96, by a second job of the GEMM."""
    assert reports[slow].total_ps > reports[fast].total_ps
    extra = [
        (a.predicted_ps, b.predicted_ps)
        for a, b in zip(reports[slow].launches, reports[fast].launches, strict=True)
        if a.kernel == "gemm_mm"
    ]
    assert len(extra) == 4
    assert all(split > whole for split, whole in extra)


def test_channels_of_one_group_of_four_cost_the_same(reports):
    """The paper: each level is a group of 4 channels; 93 to 96 run the same GEMM."""
    gemm = [
        sum(row.predicted_ps for row in reports[channels].launches if row.kernel == "gemm_mm")
        for channels in (93, 96)
    ]
    assert gemm[0] == pytest.approx(gemm[1], rel=0.02)


@pytest.mark.parametrize("channels", [92, 97])
def test_the_extra_job_is_visible_in_the_timeline(reports, channels):
    """The second job of every GEMM has its own span in the job slot, after the first."""
    timeline = reports[channels].timeline
    slot = [number for number, track in enumerate(timeline.tracks) if track == "job_slot[1]"]
    spans = timeline.spans[timeline.spans["track"] == slot[0]]
    for row in reports[channels].launches:
        if row.kernel != "gemm_mm":
            continue
        ours = spans[spans["launch"] == row.index]
        assert set(ours["job"]) == {0, 1}
        first = ours[ours["job"] == 0]["end_ps"].max()
        assert ours[ours["job"] == 1]["start_ps"].min() >= first


def test_the_extra_job_raises_the_systems_counts(reports):
    """Figure 18 of the paper: more jobs, register traffic and interrupts for 97 than for 96."""
    more, fewer = reports[97].counters, reports[96].counters
    for name in ("JS1_JOBS", "driver.register_writes", "driver.interrupts"):
        assert more[name] > fewer[name]
