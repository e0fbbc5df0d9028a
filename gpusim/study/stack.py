"""The inference stack of Turner et al. (IISWC 2018): technique x format x system x device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gpusim.device import DeviceSpec, load_device
from gpusim.device.cpu import CpuSpec, load_cpu
from gpusim.library.plan import PlanOptions
from gpusim.network.layers import LayerKind, Network
from gpusim.network.tables import load_network
from gpusim.study.compression import Compressed, Technique, compress
from gpusim.study.cpu_predict import run_network
from gpusim.study.launch_time import TimedLaunch
from gpusim.study.layer_time import time_queue
from gpusim.study.predict import LAYOUTS, LayerPredictor
from gpusim.study.time_store import TimeStore, shared_store

NETWORKS = ("vgg16-cifar10", "resnet18-cifar10", "mobilenet-cifar10")

_WP, _CP, _TTQ = Technique.WEIGHT_PRUNING, Technique.CHANNEL_PRUNING, Technique.TTQ

ELBOW: Mapping[str, Mapping[Technique, float]] = {
    "vgg16-cifar10": {_WP: 0.7654, _CP: 0.8848, _TTQ: 0.6952},
    "resnet18-cifar10": {_WP: 0.8892, _CP: 0.6024, _TTQ: 0.8793},
    "mobilenet-cifar10": {_WP: 0.2346, _CP: 0.8033, _TTQ: 0.9213},
}
"""Published rates where accuracy starts to fall (Turner et al. 2018, Table III)."""

AT_90: Mapping[str, Mapping[Technique, float]] = {
    "vgg16-cifar10": {_WP: 0.85, _CP: 0.94, _TTQ: 0.70},
    "resnet18-cifar10": {_WP: 0.91, _CP: 0.94, _TTQ: 0.80},
    "mobilenet-cifar10": {_WP: 0.42, _CP: 0.96, _TTQ: 0.20},
}
"""Published rates at 90 % accuracy (Turner et al. 2018, Table V)."""

_PS_PER_MS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPoint:
    """One choice per layer of the stack, and what it costs."""

    network: str
    technique: Technique
    rate: float
    device: str
    library: str
    threads: int
    total_ms: float
    macs: int
    weight_bytes: int


def compressed(
    network: str, technique: Technique, rates: Mapping[str, Mapping[Technique, float]]
) -> Compressed:
    """Return a network by id at the rate of a table such as `ELBOW`; plain ones have none."""
    rate = 0.0 if technique is Technique.PLAIN else rates[network][technique]
    return compress(load_network(network), technique, rate)


def on_cpu(one: Compressed, cpu: CpuSpec | str, threads: int) -> StackPoint:
    """Return a compressed network under OpenMP.

    Raises
    ------
    GpusimError
        For an unknown CPU or more threads than it has cores.
    """
    spec = cpu if isinstance(cpu, CpuSpec) else load_cpu(cpu)
    run = run_network(
        one.network, spec, threads=threads, storage=one.storage, sparsity=one.sparsity
    )
    return StackPoint(
        network=one.network.id,
        technique=one.technique,
        rate=one.rate,
        device=spec.id,
        library="openmp",
        threads=threads,
        total_ms=run.total_ps / _PS_PER_MS,
        macs=one.macs,
        weight_bytes=sum(layer.stored_bytes for layer in run.layers),
    )


def on_gpu(
    network: Network,
    device: DeviceSpec | str,
    library: str,
    *,
    fidelity: str = "analytic",
    store: TimeStore | None = None,
) -> float:
    """Return the time of one inference of a plain network, ms: all layers in one queue.

    A depthwise layer under CLBlast is one product per group, thousands in all. One group is
    planned and timed, and its launches are queued once per group.

    Raises
    ------
    GpusimError
        For an unknown device or library.
    """
    spec = device if isinstance(device, DeviceSpec) else load_device(device)
    predictor = LayerPredictor(
        device=spec,
        libraries=(library,),
        options={
            name: PlanOptions(target=spec.id, layout=LAYOUTS.get(name, "nhwc"))
            for name in dict.fromkeys((library, "acl"))
        },
        fidelity=fidelity,
        clock_khz=None,
        store=store or shared_store(),
    )
    launches: list[TimedLaunch] = []
    for layer in network.layers:
        times = 1
        one = layer
        if library == "clblast" and layer.kind is LayerKind.CONVOLUTION and layer.groups > 1:
            times = layer.groups
            one = replace(
                layer,
                groups=1,
                in_channels=layer.in_channels // times,
                out_channels=layer.out_channels // times,
            )
        prediction, _ = predictor.layer(one)
        launches += [*prediction.launches] * times
    return time_queue(launches, spec).total_ps / _PS_PER_MS


def pareto(points: Sequence[StackPoint]) -> tuple[StackPoint, ...]:
    """Return the points that no other beats in both time and memory, fastest first."""
    front: list[StackPoint] = []
    for point in sorted(points, key=lambda one: (one.total_ms, one.weight_bytes)):
        if not front or point.weight_bytes < front[-1].weight_bytes:
            front.append(point)
    return tuple(front)
