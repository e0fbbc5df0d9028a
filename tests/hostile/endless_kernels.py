"""Kernels that do not end, or not soon, or not together."""

from __future__ import annotations

import numpy as np

from tests.hostile.launch import A, B, Hostile, Local, Ref

i32, f32 = np.int32, np.float32

FUEL = r"more than 1e\+06 instructions \(raise it with --limit instructions=N, in Python Limits"
TIME = r"after \d s \(raise it with --limit seconds=N, in Python Limits.seconds\)"
BARRIER = "a barrier is not reached by all work-items of the group"


def _endless(body: str, error: str = FUEL, *values: object, **more: object) -> Hostile:
    """Return a kernel on a buffer `a` and int values n, m..."""
    names = "".join(f", int {name}" for name, _ in zip("nmpq", values, strict=False))
    source = f"kernel void k(global int *a{names}) {{ int i = get_global_id(0); {body} }}"
    return Hostile(source=source, error=error, args=(Ref(A), *values), **more)  # type: ignore[arg-type]


CASES = {
    "empty endless loop": _endless("while (1);"),
    "empty endless loop of one work-item": _endless("if (i == 7) for (;;) { } a[i] = 1;"),
    "endless loop that stores": _endless("while (1) a[i]++;"),
    "endless loop that loads": _endless("while (!a[48]) ; a[i] = 1;".replace("48", "0")),
    "endless loop that computes": _endless(
        "uint x = i; do x = x * 5 + 3; while (x | 1); a[i] = x;"
    ),
    "goto itself": _endless("again: goto again;"),
    "goto each other": _endless("one: a[i]++; goto two; two: a[i]--; goto one;"),
    "switch in a circle": _endless(
        "int s = n; for (;;) switch (s) { case 0: s = 1; break; case 1: s = 2; break;"
        " default: s = 0; a[i] = s; }",
        FUEL,
        i32(0),
    ),
    "loop in a called function": Hostile(
        source=(
            "int spin(global int *a) { while (a[0] == 0) ; return 1; }"
            "kernel void k(global int *a) { a[1] = spin(a) + spin(a + 1); }"
        ),
        error=FUEL,
    ),
    "wait for another work-group": _endless(
        "volatile global int *f = a; if (get_group_id(0)) f[1] = 1; else while (f[0] < 1) ;"
    ),
    "spin lock in lock-step": _endless("if (i == 0) while (atomic_cmpxchg(a, 0, 1) != 7) ;"),
    "wait for another work-item": Hostile(
        source=(
            "kernel void k(global int *a) { volatile local int flag; int i = get_local_id(0);"
            " if (i == 3) flag = 1; else while (flag != 1) ; a[i] = 1; }"
        ),
        error=FUEL,
    ),
    "counter that never reaches its end": _endless("for (int j = 1; j != 0; j += 2) a[i] += j;"),
    "unsigned countdown": _endless("for (uint j = n; j >= 0; j--) a[i] += 1;", FUEL, i32(3)),
    "step of zero": _endless("for (int j = 0; j < 10; j += n) a[i]++;", FUEL, i32(0)),
    "float too large to count": _endless("for (float x = 1.6e7f; x < 3e7f; x += 1.0f) a[i]++;"),
    "loop until a NaN is positive": Hostile(
        source=(
            "kernel void k(global float *a, float x) { while (!(x > 0)) x = x * 2 + 1; a[0] = x; }"
        ),
        error=FUEL,
        args=(Ref(A), f32("nan")),
    ),
    "loop until a NaN equals itself": Hostile(
        source="kernel void k(global float *a, float x) { while (x != x) a[0] += x; }",
        error=FUEL,
        args=(Ref(A), f32("nan")),
    ),
    "trip count from a buffer": _endless("for (long j = 0; j < (long)a[63] << 40; j++) a[i] ^= j;"),
    "nested loops": _endless(
        "for (int x = a[0]; x < n; x++) for (int y = 0; y < n; y++) for (int z = 0; z < n; z++)"
        " a[i] += x ^ y ^ z;",
        FUEL,
        i32(1 << 20),
    ),
    "barrier in an endless loop": _endless("while (1) barrier(CLK_LOCAL_MEM_FENCE);"),
    "barriers and work in an endless loop": Hostile(
        source=(
            "kernel void k(global int *a, local int *l) { int i = get_local_id(0);"
            " for (;;) { l[i] = a[i]; barrier(CLK_LOCAL_MEM_FENCE); a[i] = l[3 - i]; } }"
        ),
        error=FUEL,
        args=(Ref(A), Local(16)),
    ),
    "endless loop of prints": _endless('while (1) printf("%d", i);'),
    "endless atomics": _endless("while (atomic_inc(a) != n) ;", FUEL, i32(-1)),
    "endless loop without effect": _endless("uint x = 1; while (x) x = x * 3; a[i] = x;"),
    "endless loop with fuel to burn": _endless(
        "while (a[0] != -1) a[i & 3] = a[(i + 1) & 3] * 5 + 3;",
        TIME,
        limits={"instructions": 10**18},
    ),
    "more work-items than time": _endless(
        "if (a[i & 15] != 99) a[i & 15] = i & 7;",
        TIME,
        global_size=(1 << 40, 1, 1),
        local_size=(256, 1, 1),
    ),
    "more work-groups than time": _endless(
        "if (a[1]) a[0] = i;", TIME, global_size=(1 << 20, 1 << 20, 1), local_size=(1, 1, 1)
    ),
    "barrier for some": _endless("if (i & 1) barrier(CLK_LOCAL_MEM_FENCE); a[i] = 1;", BARRIER),
    "barrier after a return": _endless(
        "if (get_local_id(0) == 2) return; barrier(CLK_GLOBAL_MEM_FENCE); a[i] = 1;", BARRIER
    ),
    "barrier as often as the id": _endless(
        "for (int j = 0; j < (int)get_local_id(0); j++) barrier(CLK_LOCAL_MEM_FENCE);", BARRIER
    ),
    "barrier that data decide on": _endless(
        "if (a[i] > 13) barrier(CLK_LOCAL_MEM_FENCE); a[i] = 0;", BARRIER
    ),
    "different barriers": Hostile(
        source=(
            "kernel void k(global int *a, global int *b) { int i = get_local_id(0);"
            " if (i < 2) { b[i] = 1; barrier(CLK_LOCAL_MEM_FENCE); a[i] = 2; }"
            " else { b[i] = 5; barrier(CLK_GLOBAL_MEM_FENCE); a[i] = 3; } }"
        ),
        error=BARRIER,
        args=(Ref(A), Ref(B)),
    ),
}
