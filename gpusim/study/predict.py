"""Predict a network's latency under a library: layer by layer, then as one queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpusim.device import DeviceSpec, load_device
from gpusim.errors import GpusimError, located
from gpusim.library.plan import MODELS, PlannedLayer, PlanOptions, plan_layer
from gpusim.network.layers import Layer, LayerKind, Network
from gpusim.network.open import open_network
from gpusim.study.footprint import Footprint, footprint
from gpusim.study.launch_time import TimedLaunch
from gpusim.study.layer_time import (
    LayerTime,
    check_run,
    count_evidence,
    fastest,
    time_plan,
    time_queue,
    weak_figures,
)
from gpusim.study.stand_in import stand_in
from gpusim.study.time_interval import ESTIMATE, Judged, judge_layer, sum_interval
from gpusim.study.time_store import TimeStore, shared_store
from gpusim.validation.intervals import UNCALIBRATED, Interval, Part, template_correlation
from gpusim.validation.nearest import Subject, calibration_set

if TYPE_CHECKING:
    import pandas as pd

_PS_PER_MS = 10**9

LAYOUTS = {"clblast": "nchw", "cudnn": "nchw", "tvm": "nchw", "hand-csr": "nchw"}
"""The layout a library works in when none is asked for; NHWC for the others."""

CPU_LIBRARIES = ("openmp", "openmp-simd")
"""Plain C on a CPU, as compiled and with full vector width; no launches, so no dispatch model."""

SPARSE_LIBRARIES = ("hand-csr",)
"""Libraries that read `PlanOptions.sparsity`."""

ESTIMATED = "estimate"
"""Library of a layer that is estimated from its bytes and operations."""

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPrediction:
    """One layer of a predicted network."""

    layer: Layer
    library: str
    """Whose kernels the time is of; `ESTIMATED` where there are none."""
    method: str
    run_ps: int
    """From the start of its first job to the end of its last, by itself."""
    prepare_ps: int
    launches: tuple[TimedLaunch, ...]
    note: str = ""
    """Why the library asked for did not compute it."""
    unverified: tuple[str, ...] = ()
    others: tuple[tuple[str, int], ...] = ()
    """(library and method, time in ps) of what else could compute it, fastest first."""
    by_library: Mapping[str, int] = field(default_factory=dict)
    """Library asked -> time of its fastest way, ps; those that cannot compute it are missing."""
    kernels: tuple[Judged, ...] = ()
    """Its kernels as they are compared with measured ones, with the spreads of their times."""
    correlation: float = 1.0
    """Of the errors of two of its kernels."""

    @property
    def n_jobs(self) -> int:
        """Jobs at every inference."""
        return sum(launch.n_jobs for launch in self.launches)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its time by kernel, with the spreads of their errors."""
        if self.kernels:
            return tuple(kernel.part for kernel in self.kernels)
        time_ms = self.run_ps / _PS_PER_MS
        return (Part(template=self.library, time_ms=time_ms, spread=UNCALIBRATED),)

    @property
    def interval(self) -> Interval:
        """80 % interval of `run_ps`."""
        return sum_interval(self.parts, self.run_ps / _PS_PER_MS, self.correlation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A library used for all layers that it can compute."""

    library: str
    run_ps: int
    """Sum over the layers."""
    ratio: float
    """To what was predicted."""
    missing: int
    """Layers that another library computes and this one cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPrediction:
    """A network on a device under a library."""

    network: Network
    device: str
    library: str
    options: dict[str, PlanOptions]
    """Library -> what it was told."""
    fidelity: str
    layers: tuple[LayerPrediction, ...]
    total_ps: int
    """One inference, all layers in one queue, host and driver included."""
    gpu_ps: int
    """From the start of the first job to the end of the last."""
    footprint: Footprint
    evidence: dict[str, int]
    correlation: float = 1.0
    """Of the errors of kernels of two templates."""

    @property
    def total_ms(self) -> float:
        """`total_ps` in milliseconds."""
        return self.total_ps / _PS_PER_MS

    @property
    def interval(self) -> Interval:
        """80 % interval of `total_ps`."""
        parts = [part for one in self.layers for part in one.parts]
        return sum_interval(parts, self.total_ms, self.correlation)

    @property
    def weak_figures(self) -> tuple[str, ...]:
        """Paths of the fitted and assumed figures that the times rest on."""
        return weak_figures([launch for one in self.layers for launch in one.launches])

    @property
    def estimated(self) -> tuple[LayerPrediction, ...]:
        """Layers whose time comes from bytes and operations alone."""
        return tuple(layer for layer in self.layers if layer.library == ESTIMATED)

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """What every library that was asked would cost alone, fastest first.

        A layer that it cannot compute counts as predicted here, so that totals compare.
        """
        busy = sum(one.run_ps for one in self.layers) or 1
        rows = []
        for library in self.options:
            times = [one.by_library.get(library, one.run_ps) for one in self.layers]
            missing = sum(library not in one.by_library for one in self.layers if one.by_library)
            rows.append(
                Alternative(
                    library=library, run_ps=sum(times), ratio=sum(times) / busy, missing=missing
                )
            )
        return tuple(sorted(rows, key=lambda row: (row.missing, row.run_ps)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before trusting the numbers, in plain words."""
        names: dict[str, list[str]] = {}
        for one in self.layers:
            if one.note:
                # Layers that differ in nothing but their name share a line.
                note = one.note.replace(f"layer {one.layer.name}: ", "")
                names.setdefault(note, []).append(one.layer.name)
        rows = [f"{', '.join(found)}: {note}" for note, found in names.items()]
        rows += [
            f"unverified: {text}"
            for text in dict.fromkeys(text for one in self.layers for text in one.unverified)
        ]
        return (*rows, *self.network.notes)

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping per layer, the columns of the table."""
        busy = sum(one.run_ps for one in self.layers) or 1
        memory = self.footprint.timeline_bytes
        return [
            {
                "index": one.layer.index,
                "layer": one.layer.name,
                "kind": one.layer.kind.value,
                "shape": shape_words(one.layer),
                "library": one.library,
                "method": one.method,
                "launches": len(one.launches),
                "jobs": one.n_jobs,
                "predicted_ms": one.run_ps / _PS_PER_MS,
                **one.interval.as_json(),
                "share": one.run_ps / busy,
                "prepare_ms": one.prepare_ps / _PS_PER_MS,
                "macs": one.layer.macs,
                "weights": one.layer.weights,
                "memory_bytes": memory[position],
                "note": one.note,
            }
            for position, one in enumerate(self.layers)
        ]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per layer."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def support(self) -> list[dict[str, Any]]:
        """Return per layer its kernels and the measured kernels that are nearest to each."""
        return [
            {"layer": one.layer.name, "kernels": [kernel.as_json() for kernel in one.kernels]}
            for one in self.layers
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``gpusim predict --json`` prints."""
        memory = self.footprint
        return {
            "network": self.network.id,
            "device": self.device,
            "library": self.library,
            "fidelity": self.fidelity,
            "options": {
                library: {
                    "layout": one.layout,
                    "dtype": one.dtype,
                    "batch": one.batch,
                    "tuner": one.tuner,
                }
                for library, one in self.options.items()
            },
            "layers": [
                {
                    **row,
                    "others": [{"what": name, "ms": ps / _PS_PER_MS} for name, ps in one.others],
                }
                for row, one in zip(self.rows(), self.layers, strict=True)
            ],
            "total_ms": self.total_ms,
            **self.interval.as_json(),
            "gpu_ms": self.gpu_ps / _PS_PER_MS,
            "memory": {
                "peak_bytes": memory.peak_bytes,
                "peak_layer": self.network.layers[memory.peak_layer].name,
                "weights_bytes": memory.weights_bytes,
                "prepared_bytes": memory.prepared_bytes,
            },
            "alternatives": [
                {
                    "library": row.library,
                    "ms": row.run_ps / _PS_PER_MS,
                    "ratio": row.ratio,
                    "missing": row.missing,
                }
                for row in self.alternatives
            ],
            "estimated": [one.layer.name for one in self.estimated],
            "notes": list(self.notes),
            "evidence": self.evidence,
            "fitted_and_assumed": list(self.weak_figures),
        }


def predict(
    network: Network | str | Path,
    device: DeviceSpec | str,
    library: str,
    *,
    layout: str | None = None,
    dtype: str = "f32",
    batch: int = 1,
    tuner: str = "none",
    fidelity: str = "wave",
    clock_khz: int | None = None,
    store: TimeStore | None = None,
    image: tuple[int, int] | None = None,
    sparsity: float = 0.0,
    tuning_log: str = "",
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> NetworkPrediction:
    """Predict one inference of a network.

    A layer that the library has no kernel for is computed by the kernels of another library
    where one has some (ACL for poolings and sums), else it is estimated from its bytes and
    operations; both are said in its `note`.

    Parameters
    ----------
    network : Network, str or Path
        A network, an id, or an ONNX file.
    device : DeviceSpec or str
    library : str
        A library id, or ``all``: the fastest library per layer.
    layout, dtype, batch, tuner
        As `PlanOptions`; without a layout each library's own.
    fidelity : str
        ``analytic``, ``wave`` or ``detailed``.
    clock_khz : int, optional
        GPU clock; the device model's by default.
    store : TimeStore, optional
        Times of launches; in the user's cache folder by default.
    image : (height, width), optional
        For an ONNX file that leaves the size of its images open.
    sparsity : float
        Share of zero weights, for libraries that read compressed ones; on a CPU any share above
        0 means CSR.
    tuning_log : str
        File of tuned configurations, for libraries that use one (``tvm``).
    threads : int, optional
        Of a CPU library (``openmp``, ``openmp-simd``); 1 by default.
    on_progress : callable, optional
        Called with (layers done, layers in all).

    Raises
    ------
    GpusimError
        For an unknown network, device, library or option.
    """
    check_run(fidelity, clock_khz)
    if library in CPU_LIBRARIES:
        return _on_cpu(
            network,
            device,
            library,
            dtype=dtype,
            batch=batch,
            clock_khz=clock_khz,
            image=image,
            sparsity=sparsity,
            threads=threads or 1,
            on_progress=on_progress,
        )
    if threads is not None:
        raise GpusimError(
            located("threads", f"not an option of {library}", expected=", ".join(CPU_LIBRARIES))
        )
    if sparsity and library not in SPARSE_LIBRARIES:
        known = ", ".join((*SPARSE_LIBRARIES, *CPU_LIBRARIES))
        raise GpusimError(located("sparsity", f"not an option of {library}", expected=known))
    network = network if isinstance(network, Network) else open_network(network, image=image)
    spec = device if isinstance(device, DeviceSpec) else load_device(device)
    libraries = _libraries(library)
    options = {
        name: PlanOptions(
            target=spec.id,
            layout=layout or LAYOUTS.get(name, "nhwc"),
            dtype=dtype,
            batch=batch,
            tuner=tuner,
            sparsity=sparsity if name in SPARSE_LIBRARIES else 0.0,
            tuning_log=tuning_log,
        )
        for name in dict.fromkeys((*libraries, *_FALLBACK))
    }
    predictor = LayerPredictor(
        device=spec,
        libraries=libraries,
        options=options,
        fidelity=fidelity,
        clock_khz=clock_khz,
        store=store or shared_store(),
    )
    layers, plans = [], []
    for position, layer in enumerate(network.layers):
        one, plan = predictor.layer(layer)
        layers.append(one)
        plans.append(plan)
        if on_progress is not None:
            on_progress(position + 1, len(network.layers))
    launches = [launch for one in layers for launch in one.launches]
    queue = time_queue(launches, spec, clock_khz=clock_khz)
    return NetworkPrediction(
        network=network,
        device=spec.id,
        library=library,
        options={name: options[name] for name in libraries},
        fidelity=fidelity,
        layers=tuple(layers),
        total_ps=queue.total_ps,
        gpu_ps=queue.gpu_ps,
        footprint=footprint(network, plans, dtype=dtype, batch=batch),
        evidence=count_evidence(launches),
        correlation=template_correlation(calibration_set(spec)),
    )


def _on_cpu(
    network: Network | str | Path,
    device: DeviceSpec | str,
    library: str,
    *,
    dtype: str,
    batch: int,
    clock_khz: int | None,
    image: tuple[int, int] | None,
    sparsity: float,
    threads: int,
    on_progress: OnProgress | None,
) -> NetworkPrediction:
    from gpusim.library.sparse.storage import Storage
    from gpusim.study.cpu_predict import predict_cpu

    for name, value, only in (
        ("dtype", dtype, "f32"),
        ("batch", batch, 1),
        ("clock", clock_khz, None),
    ):
        if value != only:
            raise GpusimError(
                located(name, f"not modelled for {library}", expected=str(only), found=value)
            )
    return predict_cpu(
        network,
        device if isinstance(device, str) else device.id,
        library,
        threads=threads,
        storage=Storage.CSR_FILTERS if sparsity else Storage.ROWS,
        sparsity=sparsity,
        image=image,
        on_progress=on_progress,
    )


_FALLBACK = ("acl",)
"""Libraries whose kernels stand in, in this order."""


def _libraries(library: str) -> tuple[str, ...]:
    if library != "all":
        if library not in MODELS:
            known = ", ".join(("all", *sorted((*MODELS, *CPU_LIBRARIES))))
            raise GpusimError(f"library: unknown (expected {known}, found {library})")
        return (library,)
    # Sparse weights are another network than the one that the others compute.
    return tuple(sorted(set(MODELS) - set(SPARSE_LIBRARIES)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPredictor:
    """Predict layer by layer: by the libraries asked for, by a stand-in, or from bytes."""

    device: DeviceSpec
    libraries: tuple[str, ...]
    options: dict[str, PlanOptions]
    fidelity: str
    clock_khz: int | None
    store: TimeStore

    def layer(self, layer: Layer) -> tuple[LayerPrediction, PlannedLayer | None]:
        """Return a layer's prediction, and the plan behind it."""
        if layer.kind is LayerKind.OTHER:
            return self._estimate(layer, f"{layer.name}: no library has a kernel for it"), None
        found: list[tuple[LayerTime, PlannedLayer]] = []
        reasons: list[str] = []
        for library in self.libraries:
            self._try(library, layer, found, reasons)
        note = ""
        if not found:
            note = reasons[0]
            for library in _FALLBACK:
                if library in MODELS and library not in self.libraries and not found:
                    self._try(library, layer, found, reasons)
        if not found:
            return self._estimate(layer, note), None
        best = fastest([time for time, _ in found])
        plan = next(
            plan
            for time, plan in found
            if (time.library, time.method, time.run_ps) == (best.library, best.method, best.run_ps)
        )
        ranked = sorted(
            (
                (f"{time.library} {time.method}", time.run_ps)
                for time, _ in found
                if (time.method, time.run_ps) != (best.method, best.run_ps)
            ),
            key=lambda pair: pair[1],
        )
        kernels = judge_layer(plan, best.run.launches, self.device, self.store)
        return (
            LayerPrediction(
                layer=layer,
                library=best.library,
                method=best.method,
                run_ps=best.run_ps,
                prepare_ps=best.prepare.gpu_ps,
                launches=best.run.launches,
                note=f"computed by {best.library}: {note}" if note else "",
                unverified=best.unverified,
                others=tuple(ranked),
                by_library={
                    library: min(time.run_ps for time, _ in found if time.library == library)
                    for library in dict.fromkeys(time.library for time, _ in found)
                },
                kernels=kernels,
                correlation=template_correlation(calibration_set(self.device)),
            ),
            plan,
        )

    def _try(
        self,
        library: str,
        layer: Layer,
        found: list[tuple[LayerTime, PlannedLayer]],
        reasons: list[str],
    ) -> None:
        try:
            plans = plan_layer(library, layer, self.options[library])
        except GpusimError as error:
            reasons.append(str(error))
            return
        for plan in plans:
            time = time_plan(
                plan,
                self.device,
                fidelity=self.fidelity,
                clock_khz=self.clock_khz,
                store=self.store,
            )
            if time.failures:
                failure = time.failures[0]
                reasons.append(f"{library} {plan.method}: {failure.kernel}: {failure.reason}")
            else:
                found.append((time, plan))

    def _estimate(self, layer: Layer, reason: str) -> LayerPrediction:
        options = self.options[self.libraries[0]]
        launch = stand_in(layer, options, self.device, self.clock_khz)
        judged = Judged(
            subject=Subject(template=ESTIMATED, features={}),
            part=Part(
                template=ESTIMATED,
                time_ms=launch.duration_ps / _PS_PER_MS,
                spread=ESTIMATE,
            ),
        )
        return LayerPrediction(
            layer=layer,
            library=ESTIMATED,
            method="bytes" if not layer.macs else "bytes and operations",
            run_ps=launch.duration_ps,
            prepare_ps=0,
            launches=(launch,),
            note=f"estimated: {reason}",
            kernels=(judged,),
        )


def shape_words(layer: Layer) -> str:
    """Return a layer's shape as people write it: ``128x28x28 -> 256x14x14, 3x3/2``."""
    text = (
        f"{layer.in_channels}x{layer.in_height}x{layer.in_width} -> "
        f"{layer.out_channels}x{layer.out_height}x{layer.out_width}"
    )
    if layer.kind in (LayerKind.CONVOLUTION, LayerKind.POOLING):
        text += f", {layer.kernel_height}x{layer.kernel_width}"
        y, x = layer.strides
        if (y, x) != (1, 1):
            text += f"/{y}" if y == x else f"/{y}x{x}"
    if layer.groups > 1:
        text += f", {layer.groups} groups"
    return text
