"""From jobs, counts and costs to a timeline on a modelled device."""

from gpusim.timing.clock_schedule import ClockSchedule
from gpusim.timing.flush_policy import FLUSH_POLICIES
from gpusim.timing.options import FIDELITIES, SimulationOptions
from gpusim.timing.simulate import simulate
from gpusim.timing.timeline import BOUNDS, Timeline
from gpusim.timing.traffic_memo import TrafficMemo
from gpusim.timing.work import LaunchWork

__all__ = [
    "BOUNDS",
    "FIDELITIES",
    "FLUSH_POLICIES",
    "ClockSchedule",
    "LaunchWork",
    "SimulationOptions",
    "Timeline",
    "TrafficMemo",
    "simulate",
]
