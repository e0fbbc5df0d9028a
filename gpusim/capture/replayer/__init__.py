"""Run recorded launches on a real device: what to run, and a C program for boards."""

from gpusim.capture.replayer.build import (
    REPLAYER_TARGETS,
    build_replayer,
    replayer_name,
)
from gpusim.capture.replayer.experiment import Experiment, Wanted, experiment_of_trace

__all__ = [
    "REPLAYER_TARGETS",
    "Experiment",
    "Wanted",
    "build_replayer",
    "experiment_of_trace",
    "replayer_name",
]
