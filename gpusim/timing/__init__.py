"""From jobs, counts and costs to a timeline on a modelled device."""

from gpusim.timing.work import LaunchWork

__all__ = ["LaunchWork"]
