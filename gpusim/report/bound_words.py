"""What bounds a job, in plain words."""

from __future__ import annotations

BOUND_WORDS = {
    "arithmetic": "arithmetic issue",
    "load_store": "load/store pipe",
    "special": "special functions",
    "texture": "texture pipe",
    "l2": "L2 cache",
    "dram": "external memory",
    "translation": "address translation",
    "latency": "latency",
    "thread_creation": "thread creation",
    "dispatch": "task dispatch",
    "launch": "starting and flushing the job",
    "gap": "between the jobs of a launch",
    "rest": "rest: tail, idle cores, waits that don't overlap",
}
"""The bounds of a timeline, and the two parts of a launch's time that are none."""
