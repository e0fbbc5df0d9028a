"""Predict a network on a CPU: every layer a parallel loop of plain C, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpusim.device.cpu import CpuSpec, load_cpu
from gpusim.device.quantity import Evidence, Kind
from gpusim.errors import GpusimError, located
from gpusim.library.openmp.loops import Format, LoopWork, loop_work
from gpusim.library.plan import PlanOptions
from gpusim.library.sparse.pattern import check_sparsity
from gpusim.library.sparse.storage import SPARSE, Storage, stored_bytes
from gpusim.network.layers import Layer, LayerKind, Network
from gpusim.network.open import open_network
from gpusim.study.footprint import Footprint, LayerMemory, footprint
from gpusim.study.launch_time import TimedJob, TimedLaunch
from gpusim.study.predict import LayerPrediction, NetworkPrediction, OnProgress
from gpusim.timing.cpu import LoopTime, check_threads, time_loop


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuLayer:
    """A layer's loop and its time."""

    layer: Layer
    time: LoopTime
    stored_bytes: int
    """Of its weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuRun:
    """A network on a number of threads."""

    layers: tuple[CpuLayer, ...]
    evidence: Evidence

    @property
    def total_ps(self) -> int:
        """Sum over the layers: each joins its threads before the next starts."""
        return sum(one.time.total_ps for one in self.layers)


def run_network(
    network: Network,
    cpu: CpuSpec,
    *,
    threads: int = 1,
    storage: Storage = Storage.ROWS,
    sparsity: float = 0.0,
    vectorise: bool = False,
) -> CpuRun:
    """Return the time of one inference, batch 1, float.

    Parameters
    ----------
    network : Network
    cpu : CpuSpec
    threads : int
    storage : Storage
        How the weights are held: a dense or a sparse storage.
    sparsity : float
        Share of zeros of every layer, for sparse storages.
    vectorise : bool
        Full vector width in dense convolutions.

    Raises
    ------
    GpusimError
        For a layer of kind `OTHER`, a sparsity out of range, or more threads than cores.
    """
    check_threads(cpu, threads)
    check_sparsity(sparsity)
    form = Format.CSR if storage in SPARSE else Format.DENSE
    pointer_bytes = int(cpu.memory.pointer_bytes.value)
    stored = [
        stored_bytes(layer, storage, sparsity=sparsity, pointer_bytes=pointer_bytes)
        for layer in network.layers
    ]
    evidence = Evidence()
    # What fits the last level is still there at the next inference.
    is_resident = sum(stored) <= evidence(cpu.memory.last_level_bytes)
    rows = []
    for layer, n_bytes in zip(network.layers, stored, strict=True):
        if layer.kind is LayerKind.OTHER:
            raise GpusimError(
                located(
                    f"layer {layer.name}",
                    "no loop for it",
                    expected="a convolution, fully connected layer, pooling or sum",
                    found=layer.kind.value,
                )
            )

        def work_of(lanes: int, layer: Layer = layer) -> LoopWork:
            return loop_work(layer, form, sparsity=sparsity, lanes=lanes)

        time = time_loop(
            cpu,
            work_of,
            threads=threads,
            memory_bytes=0 if is_resident else n_bytes,
            vectorise=vectorise,
            evidence=evidence,
        )
        rows.append(CpuLayer(layer=layer, time=time, stored_bytes=n_bytes))
    return CpuRun(layers=tuple(rows), evidence=evidence)


def predict_cpu(
    network: Network | str | Path,
    cpu: CpuSpec | str,
    library: str = "openmp",
    *,
    threads: int = 1,
    storage: Storage = Storage.ROWS,
    sparsity: float = 0.0,
    image: tuple[int, int] | None = None,
    on_progress: OnProgress | None = None,
) -> NetworkPrediction:
    """Predict one inference on a CPU, in the form that `predict` has for a GPU.

    Parameters
    ----------
    network : Network, str or Path
        A network, an id, or an ONNX file.
    cpu : CpuSpec or str
    library : str
        ``openmp``, or ``openmp-simd``: full vector width wherever a row allows it.
    threads, storage, sparsity
        As `run_network`.
    image : (height, width), optional
        For an ONNX file that leaves the size of its images open.
    on_progress : callable, optional
        Called with (layers done, layers in all).

    Raises
    ------
    GpusimError
        As `run_network`, and for an unknown CPU or network.
    """
    network = network if isinstance(network, Network) else open_network(network, image=image)
    spec = cpu if isinstance(cpu, CpuSpec) else load_cpu(cpu)
    run = run_network(
        network,
        spec,
        threads=threads,
        storage=storage,
        sparsity=sparsity,
        vectorise=library == "openmp-simd",
    )
    figures = {path: figure.kind.value for path, figure in run.evidence.used.items()}
    layers = []
    for one in run.layers:
        launch = _as_launch(one, threads, figures)
        layers.append(
            LayerPrediction(
                layer=one.layer,
                library=library,
                method=f"{storage.value}, {one.time.bound}",
                run_ps=one.time.total_ps,
                prepare_ps=0,
                launches=(launch,),
            )
        )
        if on_progress is not None:
            on_progress(len(layers), len(run.layers))
    counted = {kind.value: 0 for kind in Kind} | run.evidence.by_kind()
    return NetworkPrediction(
        network=network,
        device=spec.id,
        library=library,
        options={library: PlanOptions(target=spec.id, layout="nchw")},
        fidelity=f"analytic, {threads} threads",
        layers=tuple(layers),
        total_ps=run.total_ps,
        gpu_ps=run.total_ps,
        footprint=_footprint(network, [one.stored_bytes for one in run.layers]),
        evidence=counted,
    )


def _as_launch(one: CpuLayer, threads: int, figures: dict[str, str]) -> TimedLaunch:
    job = TimedJob(
        global_size=(max(1, one.layer.out_channels), 1, 1),
        local_size=(1, 1, 1),
        duration_ps=one.time.total_ps,
        bound=one.time.bound,
        totals={"threads": threads},
    )
    return TimedLaunch(
        kernel="(parallel loop)",
        global_size=job.global_size,
        local_size=None,
        jobs=(job,),
        gaps_ps=0,
        figures=figures,
    )


def _footprint(network: Network, stored: Sequence[int]) -> Footprint:
    plain = footprint(network, [None] * len(network.layers), dtype="f32", batch=1)
    return Footprint(
        layers=tuple(
            LayerMemory(
                weights_bytes=n_bytes,
                activations_bytes=row.activations_bytes,
                workspace_bytes=0,
                prepared_bytes=0,
            )
            for row, n_bytes in zip(plain.layers, stored, strict=True)
        )
    )
