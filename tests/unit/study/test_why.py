import json

import pytest

from gpusim.errors import DeviceError, TraceError
from gpusim.pipeline import replay
from gpusim.resources import traces_dir
from gpusim.study.mechanisms import MECHANISMS
from gpusim.study.why import as_json, explain
from gpusim.study.why_words import causal_chain
from gpusim.trace import load_trace
from tests.traces import saxpy_trace

NAMES = [mechanism.name for mechanism in MECHANISMS]


def shipped(channels):
    return load_trace(traces_dir() / f"resnet50-l16-c{channels}.gptrace")


@pytest.fixture(scope="module")
def saxpy():
    """1024 and 1003 work-items in groups of 64: the second one is split."""
    return explain(
        saxpy_trace(n=1024, kernels=("saxpy", "saxpy")),
        saxpy_trace(n=1003, kernels=("saxpy", "saxpy")),
        "mali-g72",
    )


def check_sums(difference):
    effects = sum(effect.contribution_ps for effect in difference.effects)
    assert effects + difference.remainder_ps == difference.difference_ps
    for pair in difference.pairs:
        assert sum(pair.contributions_ps.values()) + pair.remainder_ps == pair.difference_ps
    alone = sum(effect.alone_b_ps - effect.alone_a_ps for effect in difference.effects)
    assert alone + difference.interaction_ps == difference.difference_ps
    if difference.a.launch is None:
        launches = sum(pair.difference_ps for pair in difference.pairs)
        between = difference.between_b_ps - difference.between_a_ps
        assert launches + between == difference.difference_ps


def test_parts_add_up(saxpy):
    assert saxpy.difference_ps != 0
    check_sums(saxpy)


def test_times_are_those_of_a_replay(saxpy):
    report = replay(saxpy_trace(n=1003, kernels=("saxpy", "saxpy")), "mali-g72")
    assert saxpy.b.time_ps == report.total_ps
    assert [pair.b_ps for pair in saxpy.pairs] == [row.predicted_ps for row in report.launches]


def test_the_split_is_named(saxpy):
    split = next(effect for effect in saxpy.effects if effect.name == "job_split")
    assert split.alone_a_ps == 0
    assert split.alone_b_ps > 0
    text = "\n".join(causal_chain(saxpy))
    assert "B becomes 2 jobs, 960x1x1 + 43x1x1, because 1003 is no multiple of 64 in x" in text
    assert "Only B has job 1: 1 work-groups of 43x1x1" in text
    assert "each fills 3 of the 4 lanes of its last warp" in text


def test_one_launch_against_another():
    trace = saxpy_trace(n=1003, kernels=("saxpy", "saxpy"))
    difference = explain(trace, trace, "mali-g72", launch_a=0, launch_b=1)
    check_sums(difference)
    assert (difference.a.launch, difference.b.launch) == (0, 1)
    assert len(difference.pairs) == 1
    assert difference.between_a_ps == difference.between_b_ps == 0
    assert difference.a.time_ps == replay(trace, "mali-g72").launches[0].predicted_ps


def test_no_difference_is_said():
    trace = saxpy_trace()
    difference = explain(trace, trace, "mali-g72", fidelity="analytic")
    assert difference.difference_ps == difference.remainder_ps == 0
    assert all(effect.contribution_ps == 0 for effect in difference.effects)
    chain = causal_chain(difference)
    assert "exactly as" in chain[0]
    assert chain[-1] == "No mechanism moved the sum."


def test_launches_without_counterpart():
    difference = explain(
        saxpy_trace(kernels=("saxpy",)),
        saxpy_trace(kernels=("saxpy", "saxpy", "saxpy")),
        "mali-g72",
        fidelity="analytic",
    )
    check_sums(difference)
    assert [pair.a is None for pair in difference.pairs] == [False, True, True]
    assert "only in B" in "\n".join(causal_chain(difference))


def test_a_failing_launch_is_reported_and_costs_only_itself():
    difference = explain(
        saxpy_trace(kernels=("saxpy", "out_of_bounds")),
        saxpy_trace(kernels=("saxpy",)),
        "mali-g72",
        fidelity="analytic",
    )
    check_sums(difference)
    assert [(side, row.launch) for side, row in difference.failures] == [("A", 1)]
    trace = saxpy_trace(kernels=("saxpy", "out_of_bounds"))
    with pytest.raises(TraceError, match="out_of_bounds"):
        explain(trace, trace, "mali-g72", launch_a=0, launch_b=1)


def test_bad_references_are_one_line():
    trace = saxpy_trace()
    with pytest.raises(TraceError, match="expected both or neither, found A#0"):
        explain(trace, trace, "mali-g72", launch_a=0)
    with pytest.raises(TraceError, match=r"no such launch \(expected 0 to 0, found 7\)"):
        explain(trace, trace, "mali-g72", launch_a=7, launch_b=0)


def test_only_closed_models_are_taken():
    with pytest.raises(DeviceError, match=r"expected analytic or wave, found detailed"):
        explain(saxpy_trace(), saxpy_trace(), "mali-g72", fidelity="detailed")


def test_same_input_same_bytes():
    documents = []
    for _ in range(2):
        difference = explain(
            saxpy_trace(n=1024), saxpy_trace(n=1003), "mali-g72", "mali-t860", fidelity="analytic"
        )
        documents.append(json.dumps(as_json(difference, causal_chain(difference))))
    assert documents[0] == documents[1]


@pytest.mark.slow
@pytest.mark.parametrize("pair", [(92, 93), (96, 97)])
def test_layer_16_changes_level_because_the_gemm_is_split(pair):
    """One channel more: 24 columns of work-items become 25 (23 become 24 for 92 and 93).

    RADU tables I to IV: with 96 channels the GEMM is one job, with 92, 93 and 97 it is two.
    """
    difference = explain(shipped(pair[0]), shipped(pair[1]), "mali-g72")
    check_sums(difference)
    text = "\n".join(causal_chain(difference))
    gemm = next(p for p in difference.pairs if p.kernel == "gemm_mm")
    if pair == (96, 97):
        assert (len(gemm.a.jobs), len(gemm.b.jobs)) == (1, 2)
        assert "25 is no multiple of 4 in x" in text
        split = next(effect for effect in difference.effects if effect.name == "job_split")
        assert split.alone_a_ps == 0
        assert split.alone_b_ps > 0
    else:
        assert (len(gemm.a.jobs), len(gemm.b.jobs)) == (2, 1)
        assert "23 is no multiple of 4 in x" in text
    # The GEMM is what changes, and no more than a hundredth stays without a cause.
    largest = max(difference.pairs, key=lambda p: abs(p.difference_ps))
    assert largest.kernel == "gemm_mm"
    assert abs(difference.remainder_ps) <= 0.01 * abs(difference.difference_ps)


@pytest.mark.slow
def test_one_trace_on_two_devices():
    trace = shipped(97)
    difference = explain(trace, trace, "mali-t860", "mali-g72")
    check_sums(difference)
    text = "\n".join(causal_chain(difference))
    assert "mali-t860: 4 cores" in text
    assert "mali-g72: 12 cores" in text
    assert difference.difference_ps < 0
    assert abs(difference.remainder_ps) <= 0.01 * abs(difference.difference_ps)
