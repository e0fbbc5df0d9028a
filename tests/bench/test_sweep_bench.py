"""How fast a network's channel sweep is before anything is simulated: points planned per second."""

import time

from gpusim.library.plan import PlanOptions, plan_layer
from gpusim.network import load_network
from gpusim.study import sweep as sweeping

OPTIONS = PlanOptions(target="mali-g72")


def points(layers):
    return sweeping.channel_points(
        "resnet50",
        layers,
        None,
        libraries=["acl-gemm"],
        devices=["mali-g72"],
        options=[OPTIONS],
    )


def test_every_channel_count_of_resnet50_is_planned(benchmark):
    """26,560 points become fewer than 3,000 launches' geometries."""
    network = load_network("resnet50")

    def collapse():
        everything = points(network.convolutions)
        return len(everything), sweeping._collapse(everything)

    n_points, groups = benchmark.pedantic(collapse, rounds=1, iterations=1)
    assert n_points == 26_560
    assert len(groups) < 3000
    assert sum(map(len, groups)) == n_points
    if benchmark.stats is not None:
        benchmark.extra_info["points_per_s"] = n_points / benchmark.stats["mean"]


def test_geometry_costs_a_fraction_of_a_plan():
    """Asked for without a trace, in one run: less than three quarters of the processor time."""
    layer = load_network("resnet50").layer(16)
    layers = [layer.with_out_channels(count) for count in range(1, 129)]
    spent = []
    for ask in (sweeping.run_geometry, plan_layer):
        ask("acl-gemm", layer, OPTIONS)
        start = time.process_time()
        for one in layers:
            ask("acl-gemm", one, OPTIONS)
        spent.append(time.process_time() - start)
    assert spent[0] < 0.75 * spent[1]
