"""The context block that native code and the worker share: one row of 64-bit words."""

from __future__ import annotations

BUFFER_BASE = 0x1000_0000_0000
"""Where the buffers are mapped: the same in every run, so pointers seen as integers are too."""

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
IS_STACKED, LEVELS, STACKS = 48, 49, 50
"""In lock-step: 1 = post-dominator stack; address of one 32-bit stack level per work-item; address
of the stacks, `stack_words` 32-bit words per warp."""
WARP_COUNTS = 51
"""Address of `WARP_ROWS` rows of one 64-bit word per block, and a spare, for every warp."""
STREAM, STREAM_END, SINK = 52, 53, 54
"""Where the next warp access is recorded; end of that memory; where unrecorded ones go."""
LANE_OUT, STREAM_LOST = 55, 56
"""Where the current lane writes its addresses; block issues that found no room."""
VARIABLES = 57
"""Address of one word per program-scope variable, filled with its address."""
LOCAL_IDS = 58
"""Address of the local ids of a group's work-items, 32 bits each: all x, all y, all z."""
ISSUES, LANES, DIVERGENCES = 0, 1, 2
"""Rows of the warp counts: times a warp issued the block, lanes that ran it, times they parted."""
WARP_ROWS = 3
STREAM_HEADER_WORDS = 2
"""Of a recorded block issue: state and active lanes (upper half), warp; then the lane mask in
64-bit words, then every active lane's addresses."""
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


def stack_words(warp_width: int) -> int:
    """Return the 32-bit words of a warp's reconvergence stack.

    Every level that is not on top waits for at least two parties, so there are fewer than two
    per lane; each has a state to wait for and the level below it. One word holds the top.
    """
    return 1 + 2 * (2 * warp_width + 2)
