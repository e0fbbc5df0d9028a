"""The context block that native code and the worker share: one row of 64-bit words."""

from __future__ import annotations

FIRST_GROUP = 0
N_GROUPS_NOW = 1
JOB_GROUPS = 2
"""Work-groups of the job, x y z (3 words)."""
LOCAL_SIZE = 5
ITEM_BASE = 8
"""Global id of the job's first work-item: launch offset plus the job's item offset."""
GROUP_OFFSET = 11
GLOBAL_SIZE = 14
NUM_GROUPS = 17
ENQUEUED_LOCAL_SIZE = 20
GLOBAL_OFFSET = 23
WORK_DIM = 26
FUEL = 27
ROWS = 28
FRAMES = 29
ARGUMENTS = 30
JUMP_BUFFER = 31
FAULT = 32
"""Code, site, offset, group (linear in the job), local x, y, z, run-time length (8 words)."""
LOOP_START, LOOP_SIZE = 40, 43
"""First local id and number of local ids per dimension that are run (3 words each)."""
WARP_WIDTH, STATES = 46, 47
"""Lanes per warp; address of one 32-bit state per work-item of a group."""
SHAPE_WORDS = 25
"""Words from JOB_GROUPS that describe the NDRange."""
WORDS = 64
JUMP_BUFFER_BYTES = 1024
"""More than a jmp_buf of any C library (aarch64 musl: 0x138 bytes)."""

FAULT_ACCESS = 1
FAULT_FUEL = 2
FAULT_BARRIER = 3
FAULT_UNREACHABLE = 4
FAULT_BUILTIN = 5
