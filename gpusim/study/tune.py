"""Find the local size under which each launch is fastest on a device.

Only launches whose kernel cannot tell its local size are touched: no local ids, group ids, local
memory or barrier, and no size that the kernel requires. Candidates are those of ACL's CLTuner:
per dimension the powers of two and, in the exhaustive search, the divisors of the global size.
The first of equal times wins, x innermost, as there.

Source of the candidate rule: src/runtime/CL/CLTuner.cpp of ACL v19.02, read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gpusim.device import DeviceSpec
from gpusim.errors import GpusimError
from gpusim.study.launch_time import TimedLaunch, launch_kernel, launch_key, time_launch
from gpusim.study.time_store import TimeStore, shared_store
from gpusim.trace.records import ArgumentKind, Launch, Size3, Trace
from gpusim.validation.intervals import Status, gain_interval
from gpusim.validation.nearest import calibration_set

_LIMITS = (64, 32, 32)
"""Largest extent tried in x, y and z."""
_FLAT_Z = 16
"""Above this many slices in z, x and y are left at 1, as the library does."""
_LOCAL_BUILTINS = ("get_local_id", "get_local_size", "get_enqueued_local_size", "get_group_id",
                   "get_num_groups", "get_local_linear_id", "async_work_group",
                   "work_group_")  # fmt: skip

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedLaunch:
    """A launch and the best local size found for it."""

    kernel: str
    label: str
    """Where it comes from: the layer, or the number of the trace's launch."""
    times: int
    """How many launches equal it."""
    global_size: Size3
    given: Size3 | None
    """As the program passes it; None = the driver chooses."""
    resolved: Size3
    """What the driver makes of it."""
    best: Size3 | None
    """None: leave it as it is."""
    given_ps: int
    best_ps: int
    tried: int
    """Candidates that were simulated."""
    skipped: str = ""
    """Why its local size must not change."""
    gain_low: float = 0.0
    """Lower end of the 80 % interval of `gain`; negative = it may be slower."""
    gain_high: float = 0.0
    interval_status: Status = Status.UNCALIBRATED
    """What the interval of the gain rests on."""

    @property
    def gain(self) -> float:
        """Share of its time that the best local size saves."""
        return 1 - self.best_ps / self.given_ps if self.given_ps else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A launch to tune."""

    launch: Launch
    trace: Trace
    label: str


def tune(
    targets: Iterable[Target],
    device: DeviceSpec,
    *,
    fidelity: str = "analytic",
    exhaustive: bool = False,
    store: TimeStore | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[list[TunedLaunch], list[str]]:
    """Return the best local size per distinct launch, and what could not be timed.

    Parameters
    ----------
    targets : iterable of Target
        Launches; equal ones are tuned once.
    device : DeviceSpec
    fidelity : str
        ``analytic``, ``wave`` or ``detailed``.
    exhaustive : bool
        Also try divisors that are no powers of two.
    store : TimeStore, optional
        Times of launches; in the user's cache folder by default.
    on_progress : callable, optional
        Called with (launches done, launches in all).
    """
    store = store or shared_store()
    distinct: dict[str, list[Target]] = {}
    for target in targets:
        key = launch_key(target.launch, target.trace, device, fidelity)
        distinct.setdefault(key, []).append(target)
    tuned: list[TunedLaunch] = []
    failures: list[str] = []
    for number, group in enumerate(distinct.values(), start=1):
        try:
            tuned.append(_tune(group, device, fidelity, exhaustive, store))
        except GpusimError as error:
            failures.append(f"{group[0].label} ({group[0].launch.kernel}): {error}")
        if on_progress is not None:
            on_progress(number, len(distinct))
    return tuned, failures


def _tune(
    group: Sequence[Target], device: DeviceSpec, fidelity: str, exhaustive: bool, store: TimeStore
) -> TunedLaunch:
    target = group[0]
    launch = target.launch

    def timed(local: Size3 | None) -> TimedLaunch:
        changed = replace(launch, local_size=local)
        return time_launch(changed, target.trace, device, fidelity=fidelity, store=store)

    base = timed(launch.local_size)
    skipped = why_fixed(launch, target.trace)
    best, best_ps, tried = None, base.duration_ps, 0
    if not skipped:
        limit = int(device.limits.max_work_group_size.value)
        for local in candidates(launch.global_size, limit, exhaustive=exhaustive):
            duration = timed(local).duration_ps
            tried += 1
            if duration < best_ps:
                best, best_ps = local, duration
    gain = 1 - best_ps / base.duration_ps if base.duration_ps else 0.0
    low, high, status = gain_interval(gain, calibration_set(device), launch.kernel)
    return TunedLaunch(
        kernel=launch.kernel,
        label=target.label,
        times=len(group),
        global_size=launch.global_size,
        given=launch.local_size,
        resolved=base.jobs[0].local_size,
        best=best,
        given_ps=base.duration_ps,
        best_ps=best_ps,
        tried=tried,
        skipped=skipped,
        gain_low=low,
        gain_high=high,
        interval_status=status,
    )


def why_fixed(launch: Launch, trace: Trace) -> str:
    """Return why a launch's local size must not change; empty when it may.

    Raises
    ------
    GpusimError
        When the kernel doesn't compile.
    """
    if any(argument.kind is ArgumentKind.LOCAL for argument in launch.arguments):
        return "takes local memory"
    kernel = launch_kernel(launch, trace)
    if kernel.required_local_size is not None:
        return "requires its local size"
    if kernel.has_barrier:
        return "has barriers"
    if kernel.local_memory_bytes:
        return "uses local memory"
    for callee in kernel.callees:
        for builtin in _LOCAL_BUILTINS:
            if builtin in callee:
                return f"calls {builtin.rstrip('_')}"
    return ""


def candidates(global_size: Size3, limit: int, *, exhaustive: bool = False) -> Iterator[Size3]:
    """Yield local sizes, z outermost, x innermost, (1, 1, 1) left out.

    Parameters
    ----------
    global_size : Size3
    limit : int
        Work-items of the largest work-group.
    exhaustive : bool
        Also the divisors that are no powers of two.
    """
    is_deep = global_size[2] > _FLAT_Z
    axes = []
    for axis, extent in enumerate(global_size):
        most = 1 if is_deep and axis < 2 else min(extent, _LIMITS[axis])
        axes.append(
            [
                size
                for size in range(1, most + 1)
                if size & (size - 1) == 0 or (exhaustive and extent % size == 0)
            ]
        )
    for z in axes[2]:
        for y in axes[1]:
            for x in axes[0]:
                if 1 < x * y * z <= limit:
                    yield (x, y, z)
