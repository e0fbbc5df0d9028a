"""What dynamic pruning gains: a network with and without it on a GPU, a CPU, and both.

Both sides run the same kernels, the static one without lists. The host reads a switch's answers
before it can launch the layer behind it, so the queue is drained after every switch; what the
host needs to build the lists is not modelled beyond that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gpusim.device import load_device
from gpusim.device.spec import DeviceSpec
from gpusim.errors import GpusimError, located
from gpusim.library.dynamic import (
    ActivityProfile,
    DynamicOptions,
    DynamicStep,
    StepRole,
    load_profile,
    plan_dynamic_network,
    with_classes,
)
from gpusim.network import Network
from gpusim.network.open import open_network
from gpusim.study.dynamic_cpu import CpuBatch, cpu_batch
from gpusim.study.launch_time import TimedLaunch
from gpusim.study.layer_time import LayerTime, check_run, count_evidence, time_plan, time_queue
from gpusim.study.time_store import TimeStore, shared_store

_PS_PER_MS = 10**9

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """One step's GPU time, its launches in a queue of their own."""

    step: DynamicStep
    time: LayerTime

    @property
    def run_ps(self) -> int:
        """For the whole batch."""
        return self.time.run_ps


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuRun:
    """A batch on the GPU."""

    batch: int
    steps: tuple[StepTime, ...]
    total_ps: int
    """From the first host call to the last wake-up."""

    @property
    def ms_per_image(self) -> float:
        """`total_ps` shared out."""
        return self.total_ps / self.batch / _PS_PER_MS

    @property
    def switch_ps(self) -> int:
        """GPU time of the switches."""
        return sum(one.run_ps for one in self.steps if one.step.role is StepRole.SWITCH)

    @property
    def macs(self) -> float:
        """Multiply-accumulates of the layers, per image."""
        return sum(one.step.macs for one in self.steps if one.step.role is StepRole.LAYER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Static against dynamic on one target: GPU, CPU, or a batch split over both."""

    where: str
    cpu_batch: int
    gpu_batch: int
    static_ps: int
    """For the whole batch."""
    dynamic_ps: int

    @property
    def speed_up(self) -> float:
        """Of dynamic pruning."""
        return self.static_ps / self.dynamic_ps

    def row(self) -> dict[str, Any]:
        """Return one row of the table."""
        images = self.cpu_batch + self.gpu_batch
        return {
            "where": self.where,
            "cpu_batch": self.cpu_batch,
            "gpu_batch": self.gpu_batch,
            "static_ms_per_image": self.static_ps / images / _PS_PER_MS,
            "dynamic_ms_per_image": self.dynamic_ps / images / _PS_PER_MS,
            "speed_up": self.speed_up,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicStudy:
    """A network under an activity profile on a device."""

    network: Network
    """With the classes of the profile's data set."""
    profile: ActivityProfile
    device: DeviceSpec
    cpu: str
    """Id of the CPU model; empty for none."""
    order: str
    rows: int
    fidelity: str
    store: TimeStore

    def gpu(self, batch: int, *, dynamic: bool, switches: bool = True) -> GpuRun:
        """Return a batch on the GPU alone.

        Raises
        ------
        GpusimError
            When a launch has no time.
        """
        options = DynamicOptions(
            target=self.device.id, batch=batch, order=self.order, rows=self.rows
        )
        steps = plan_dynamic_network(
            self.network, self.profile if dynamic else None, options, switches=switches
        )
        timed = []
        for step in steps:
            time = time_plan(step.planned, self.device, fidelity=self.fidelity, store=self.store)
            if time.failures:
                failure = time.failures[0]
                raise GpusimError(
                    located(
                        f"layer {step.layer.name}",
                        f"{failure.kernel} has no time: {failure.reason}",
                    )
                )
            timed.append(StepTime(step=step, time=time))
        return GpuRun(batch=batch, steps=tuple(timed), total_ps=self._queue_ps(timed))

    def cpu_run(self, batch: int, *, dynamic: bool) -> CpuBatch:
        """Return a batch on the CPU alone, one image after the other."""
        return cpu_batch(self.network, self.profile if dynamic else None, self.cpu, batch)

    def compare(self, cpu_images: int, gpu_images: int) -> Comparison:
        """Return static against dynamic for a batch of which the CPU takes some images.

        CPU and GPU start together; the batch is done when the slower one is. That they share
        external memory and power is not modelled.

        Raises
        ------
        GpusimError
            Without an image, or for CPU images without a CPU.
        """
        if cpu_images < 0 or gpu_images < 0 or cpu_images + gpu_images == 0:
            raise GpusimError(
                located("batch", "no images", expected="1 or more", found=(cpu_images, gpu_images))
            )
        if cpu_images and not self.cpu:
            raise GpusimError(located("--cpu", "missing", expected="a CPU for its images"))
        static, dynamic = (
            max(
                self.cpu_run(cpu_images, dynamic=flag).total_ps if cpu_images else 0,
                self.gpu(gpu_images, dynamic=flag).total_ps if gpu_images else 0,
            )
            for flag in (False, True)
        )
        words = [name for name, n in (("CPU", cpu_images), ("GPU", gpu_images)) if n]
        return Comparison(
            where=" + ".join(words),
            cpu_batch=cpu_images,
            gpu_batch=gpu_images,
            static_ps=static,
            dynamic_ps=dynamic,
        )

    def best_split(self, images: int, *, dynamic: bool) -> tuple[int, int]:
        """Return (CPU images, GPU images) of the fastest split of a batch, all of them tried.

        The GPU's time need not grow with its images: a batch shares weights.
        """
        best = min(
            range(images + 1),
            key=lambda n: max(self._gpu_ps(n, dynamic), self._cpu_ps(images - n, dynamic)),
        )
        return images - best, best

    def evidence(self, run: GpuRun) -> dict[str, int]:
        """Return the number of hardware figures behind a GPU run, per kind."""
        return count_evidence([launch for one in run.steps for launch in one.time.run.launches])

    def _gpu_ps(self, images: int, dynamic: bool) -> int:
        return self.gpu(images, dynamic=dynamic).total_ps if images else 0

    def _cpu_ps(self, images: int, dynamic: bool) -> int:
        return self.cpu_run(images, dynamic=dynamic).total_ps if images else 0

    def _queue_ps(self, steps: Sequence[StepTime]) -> int:
        """Return the time of the steps with the queue drained behind every switch."""
        total = 0
        waiting: list[TimedLaunch] = []
        for one in steps:
            waiting += one.time.run.launches
            if one.step.role is StepRole.SWITCH:
                total += time_queue(waiting, self.device).total_ps
                waiting = []
        return total + time_queue(waiting, self.device).total_ps


def open_study(
    profile: ActivityProfile | str,
    device: DeviceSpec | str,
    *,
    network: Network | str | None = None,
    cpu: str = "",
    order: str = "batch-kernels-rows",
    rows: int = 1,
    fidelity: str = "wave",
    store: TimeStore | None = None,
) -> DynamicStudy:
    """Return a study.

    Parameters
    ----------
    profile : ActivityProfile or str
        Of `gpusim.library.dynamic`, an id or a YAML file.
    device : DeviceSpec or str
    network : Network or str, optional
        The profile's by default.
    cpu : str
        A CPU model, for `compare` with CPU images.
    order, rows
        As `DynamicOptions`.
    fidelity : str
        ``analytic``, ``wave`` or ``detailed``.
    store : TimeStore, optional

    Raises
    ------
    GpusimError
        For anything unknown, or a profile of another network.
    """
    check_run(fidelity, None)
    activity = profile if isinstance(profile, ActivityProfile) else load_profile(profile)
    spec = device if isinstance(device, DeviceSpec) else load_device(device)
    DynamicOptions(target=spec.id, order=order, rows=rows)
    given = network if network is not None else activity.network
    opened = given if isinstance(given, Network) else open_network(given)
    return DynamicStudy(
        network=with_classes(opened, activity.n_classes),
        profile=activity,
        device=spec,
        cpu=cpu,
        order=order,
        rows=rows,
        fidelity=fidelity,
        store=store or shared_store(),
    )
