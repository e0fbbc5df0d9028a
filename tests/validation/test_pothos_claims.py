"""What Pothos et al. (IJPP 2020) state about dynamic pruning, in direction, on our models.

A claim that fails is asserted as it is, so that the test breaks when the gap closes;
docs/deviations.md explains it.
"""

import numpy as np
import pytest

from gpusim.device import load_device
from gpusim.library.dynamic import ORDERS, DynamicOptions, StepRole, load_profile
from gpusim.library.dynamic.launches import plan_indexed
from gpusim.network.tables import load_network
from gpusim.study.dynamic import open_study
from gpusim.study.dynamic_layer import time_indexed_layer
from gpusim.study.layer_time import time_plan

GPUS = ("adreno-530", "mali-t880-mp12")


@pytest.fixture(scope="module")
def ilsvrc(request):
    def runs(device):
        study = open_study("caffenet-ilsvrc", device)
        return study.gpu(1, dynamic=False), study.gpu(1, dynamic=True)

    return {device: runs(device) for device in GPUS}


@pytest.fixture(scope="module")
def indexed_layer():
    return time_indexed_layer(load_device("adreno-530"))


def test_dynamic_pruning_gains_between_1_3_and_2(ilsvrc):
    """The paper: 1.26x to 2.01x; 1.39x for this network on the T880 MP12."""
    static, dynamic = ilsvrc["mali-t880-mp12"]
    assert 1.25 < static.total_ps / dynamic.total_ps < 2.05


def test_dynamic_pruning_gains_too_little_on_the_adreno(ilsvrc):
    """Ours, one image: below the paper's 1.3x, see docs/deviations.md."""
    static, dynamic = ilsvrc["adreno-530"]
    assert 1.0 < static.total_ps / dynamic.total_ps < 1.25


@pytest.mark.parametrize("device", GPUS)
def test_switched_layers_gain_less_than_their_multiply_accumulates(ilsvrc, device):
    static, dynamic = ilsvrc[device]
    before = sum(one.run_ps for one in static.steps)
    after = sum(one.run_ps for one in dynamic.steps)
    assert 1 - after / before < 1 - dynamic.macs / static.macs


@pytest.mark.parametrize("device", GPUS)
def test_switches_cost_less_than_the_papers_tenth(ilsvrc, device):
    """The paper: near 10 %. Ours: below 5 %, see docs/deviations.md."""
    static, dynamic = ilsvrc[device]
    share = dynamic.switch_ps / sum(one.run_ps for one in static.steps)
    assert 0 < share < 0.05


def test_few_kernels_of_a_fully_connected_layer_are_about_4_times_faster(indexed_layer):
    """The paper: 15.5 ms against 3.5 ms for 47 of 256."""
    assert 3.0 < indexed_layer.part_speed_up < 256 / 47


def test_the_lists_of_a_fully_connected_layer_cost_time(indexed_layer):
    """The paper: up to 25 % for the list of kernels. Ours: nearly nothing for that list, and
    more than 25 % for the list of inputs, see docs/deviations.md."""
    assert 0 <= indexed_layer.kernel_list_cost < 0.02
    assert indexed_layer.both_lists_cost > 0.25


def test_a_small_fully_connected_layer_is_far_from_the_boards_time(indexed_layer):
    """The paper: 12 ms. Ours: below 2 ms, see docs/deviations.md."""
    assert indexed_layer.static_ms < 2


def test_the_order_of_the_global_dimensions_changes_speed():
    """The paper, section 3.1."""
    device = load_device("adreno-530")
    profile = load_profile("caffenet-ilsvrc")
    layer = load_network("caffenet").layer(2)
    times = []
    for order in ORDERS:
        options = DynamicOptions(target=device.id, batch=4, order=order)
        plan = plan_indexed(layer, options, profile.draw(layer, 4), None)
        times.append(time_plan(plan, device, fidelity="wave").run_ps)
    # By how much is not published; ours is 2 %.
    assert max(times) > 1.01 * min(times)


def test_an_index_costs_a_convolution_little():
    device = load_device("adreno-530")
    layer = load_network("caffenet").layer(2)
    every = np.ones((1, layer.out_channels), np.bool_)
    options = DynamicOptions(target=device.id)
    static, indexed = (
        time_plan(plan_indexed(layer, options, kernels, None), device, fidelity="wave").run_ps
        for kernels in (None, every)
    )
    assert static <= indexed < 1.1 * static


def test_a_split_batch_beats_both_alone():
    """Table 2: CaffeNet on the MDP820, 4 images on the CPU and 6 on the GPU."""
    study = open_study("caffenet-food101", "adreno-530", cpu="kryo")
    on_cpu, on_gpu = study.best_split(4, dynamic=True)
    assert on_cpu + on_gpu == 4
    best = study.compare(on_cpu, on_gpu).dynamic_ps
    assert best <= study.compare(4, 0).dynamic_ps
    assert best <= study.compare(0, 4).dynamic_ps


def test_switches_run_before_every_switched_layer():
    study = open_study("caffenet-food101", "adreno-530")
    run = study.gpu(1, dynamic=True)
    roles = [(one.step.layer.name, one.step.role) for one in run.steps]
    for layer in study.profile.layers:
        place = roles.index((layer.name, StepRole.LAYER))
        assert roles[place - 1] == (layer.name, StepRole.SWITCH)
