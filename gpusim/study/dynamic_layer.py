"""One fully connected layer with and without the list of active kernels, as POTHOS times it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpusim.device.spec import DeviceSpec
from gpusim.library.dynamic import DynamicOptions, plan_static
from gpusim.library.dynamic.launches import plan_indexed
from gpusim.network import Layer, LayerKind
from gpusim.study.layer_time import time_plan
from gpusim.study.time_store import TimeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedLayerTimes:
    """A layer of 256 kernels, 4096 inputs each, for one image; ms."""

    static_ms: float
    kernel_list_ms: float
    """All kernels active, taken from a list."""
    both_lists_ms: float
    """Inputs taken from a list, too."""
    part_ms: float
    """47 active kernels, taken from a list."""

    @property
    def part_speed_up(self) -> float:
        """Of 47 active kernels against all of them from the list."""
        return self.kernel_list_ms / self.part_ms

    @property
    def kernel_list_cost(self) -> float:
        """Share that the list of kernels adds."""
        return self.kernel_list_ms / self.static_ms - 1

    @property
    def both_lists_cost(self) -> float:
        """Share that both lists add."""
        return self.both_lists_ms / self.static_ms - 1


def time_indexed_layer(
    device: DeviceSpec,
    *,
    n_kernels: int = 256,
    n_active: int = 47,
    n_inputs: int = 4096,
    fidelity: str = "wave",
    store: TimeStore | None = None,
) -> IndexedLayerTimes:
    """Return the times of a fully connected layer under the lists.

    Parameters
    ----------
    device : DeviceSpec
    n_kernels, n_active, n_inputs : int
        Size of the layer; which kernels are active is drawn once.
    fidelity : str
        ``analytic``, ``wave`` or ``detailed``.
    store : TimeStore, optional
    """
    layer = Layer(
        index=0,
        name="fully-connected",
        kind=LayerKind.FULLY_CONNECTED,
        in_channels=n_inputs,
        in_height=1,
        in_width=1,
        out_channels=n_kernels,
    )
    options = DynamicOptions(target=device.id)
    every = np.ones((1, n_kernels), np.bool_)
    part = np.zeros_like(every)
    part[0, np.random.default_rng(0).permutation(n_kernels)[:n_active]] = True
    inputs = np.ones((1, n_inputs), np.bool_)
    plans = (
        plan_static(layer, options),
        plan_indexed(layer, options, every, None),
        plan_indexed(layer, options, every, inputs),
        plan_indexed(layer, options, part, None),
    )
    static, kernels, both, few = (
        time_plan(plan, device, fidelity=fidelity, store=store).run_ms for plan in plans
    )
    return IndexedLayerTimes(
        static_ms=static, kernel_list_ms=kernels, both_lists_ms=both, part_ms=few
    )
