"""Kernels that reach for memory that is not theirs."""

from __future__ import annotations

import numpy as np

from tests.hostile.launch import NULL, SUB, A, B, Hostile, Local, Ref

i32, i64, u64 = np.int32, np.int64, np.uint64


def _global(body: str, error: str, *values: object, **more: object) -> Hostile:
    """Return a kernel on a buffer `a` of 64 ints and values n, m... of type long."""
    names = "".join(f", long {name}" for name, _ in zip("nmpq", values, strict=False))
    source = f"kernel void k(global int *a{names}) {{ int i = get_global_id(0); {body} }}"
    return Hostile(source=source, error=error, args=(Ref(A), *values), **more)  # type: ignore[arg-type]


def _local(body: str, error: str, n: int) -> Hostile:
    source = (
        "kernel void k(global int *a, local int *l, int n) {"
        f" local int v[8]; int i = get_local_id(0); l[i] = v[i] = i; {body} }}"
    )
    return Hostile(source=source, error=error, args=(Ref(A), Local(32), i32(n)))


def _private(body: str, error: str, n: int) -> Hostile:
    source = (
        "kernel void k(global int *a, int n) { int p[8];"
        f" for (int j = 0; j < 8; j++) p[j] = a[j]; {body} }}"
    )
    return Hostile(source=source, error=error, args=(Ref(A), i32(n)))


A_WRITE = r"out of bounds global store of 4 bytes at byte {} of argument 0 \(a\) of 256 bytes"
A_READ = r"out of bounds global load of 4 bytes at byte {} of argument 0 \(a\) of 256 bytes"
UNKNOWN = "is outside of every buffer of the kernel, or misaligned"

CASES = {
    "global write past the end": _global("a[i + 50] = i;", A_WRITE.format(256)),
    "global read past the end": _global("a[i] = a[i * 8];", A_READ.format(256)),
    "global write before the start": _global("a[i - 1] = i;", A_WRITE.format(-4)),
    "global read before the start": _global("a[i] = a[i - 5];", A_READ.format(-20)),
    "global write far away": _global("a[n] = i;", A_WRITE.format(4 << 40), i64(1 << 40)),
    "global read far before": _global("a[i] = a[n];", A_READ.format(-(4 << 40)), i64(-(1 << 40))),
    "global write around the address space": _global(
        "((global char *)a)[n] = i;", "out of bounds global store of 1 bytes", i64(2**63 - 1)
    ),
    "global write at a computed index": _global("a[a[i] * a[i]] = 1;", A_WRITE.format(256)),
    "global write at an index from memory": _global("a[a[i] + 63] = 1;", A_WRITE.format(256)),
    "global byte after the end": _global(
        "((global uchar *)a)[n] = 1;",
        r"global store of 1 bytes at byte 256 of argument 0 \(a\) of 256",
        i64(256),
    ),
    "vector load across the end": _global(
        "a[i] = vload4(0, a + 61).x;", r"global load of 16 bytes at byte 244 .* of 256 bytes"
    ),
    "vector store across the end": _global(
        "vstore16((int16)(i), 0, a + n);", r"global store of 64 bytes at byte 196", i64(49)
    ),
    "vector of three across the end": _global(
        "vstore3((int3)(i), 0, a + n);", r"out of bounds global store of .* bytes at byte", i64(62)
    ),
    "half-word store across the end": _global(
        "vstore_half(1.0f, n, (global half *)a);", "global store of 2 bytes at byte 256", i64(128)
    ),
    "whole vector through a cast": _global(
        "((global float4 *)a)[i + 1] = 0;", "global store of 16 bytes at byte 256"
    ),
    "integer made a pointer": _global("*(global int *)(size_t)n = i;", UNKNOWN, i64(0x1234560)),
    "host address made a pointer": _global(
        "a[i] = *(global int *)(size_t)n;", UNKNOWN, i64(0x7FFFFFFFE000)
    ),
    "pointer made an integer and back": _global(
        "*(global int *)((size_t)a + n) = i;", "global store of 4 bytes", i64(1 << 20)
    ),
    "pointer loaded from a buffer": _global(
        "global int *p = (global int *)((global ulong *)a)[i + 1]; *p = 1;", UNKNOWN
    ),
    "null pointer argument": Hostile(
        source="kernel void k(global int *a) { a[get_global_id(0)] = 1; }",
        error=r"global store of 4 bytes through argument 0 \(a\), which is NULL",
        args=(NULL,),
    ),
    "null pointer constant": _global(
        "global int *p = n ? (global int *)0 : a; p[i] = i;", "global store of 4 bytes", i64(1)
    ),
    "one buffer from the other": Hostile(
        source=(
            "kernel void k(global int *a, global int *b, long n) { int i = get_global_id(0);"
            " b[i + n] = a[i]; }"
        ),
        error=r"global store of 4 bytes at byte -65536 of argument 1 \(b\) of 64 bytes",
        args=(Ref(A), Ref(B), i64(-16384)),
    ),
    "difference of two buffers": Hostile(
        source=(
            "kernel void k(global int *a, global int *b) {"
            " b[((size_t)a - (size_t)b) / 4 + get_global_id(0)] = 7; }"
        ),
        error=r"global store of 4 bytes at byte -65536 of argument 1 \(b\) of 64 bytes",
        args=(Ref(A), Ref(B)),
    ),
    "either of two buffers": Hostile(
        source=(
            "kernel void k(global int *a, global int *b, int n) { int i = get_global_id(0);"
            " global int *p = n & i ? a : b; p[i + 1] = i; }"
        ),
        error="global store of 4 bytes",
        args=(Ref(A), Ref(B), i32(0)),
    ),
    "after a sub-buffer": Hostile(
        source="kernel void k(global int *a) { a[get_global_id(0) + 1] = 1; }",
        error=r"global store of 4 bytes at byte 64 of argument 0 \(a\) of 64 bytes",
        args=(Ref(SUB),),
    ),
    "before a sub-buffer": Hostile(
        source="kernel void k(global int *a, int n) { a[get_global_id(0)] = a[n]; }",
        error=r"global load of 4 bytes at byte -64 of argument 0 \(a\) of 64 bytes",
        args=(Ref(SUB), i32(-16)),
    ),
    "atomic past the end": _global(
        "atomic_add(&a[i + n], 1);", r"global atomic\w* of 4 bytes at byte 256 of", i64(49)
    ),
    "compare and swap before the start": _global(
        "atomic_cmpxchg(&a[n], 0, 1);", r"global \w+ of 4 bytes at byte -4 of", i64(-1)
    ),
    "structure past the end": Hostile(
        source=(
            "typedef struct { int head; float8 body; } big;"
            "kernel void k(global big *a, int n) { a[n].body = 1; }"
        ),
        error=r"global store of 32 bytes at byte 288 of argument 0 \(a\) of 256 bytes",
        args=(Ref(A), i32(4)),
    ),
    "structure copied past the end": Hostile(
        source=(
            "typedef struct { int v[40]; } big;kernel void k(global big *a, int n) { a[0] = a[n]; }"
        ),
        error=r"out of bounds global load of \d+ bytes at byte \d+ of argument 0 \(a\)",
        args=(Ref(A), i32(1)),
    ),
    "constant argument past the end": Hostile(
        source="kernel void k(global int *a, constant int *c, int n) { a[0] = c[n]; }",
        error=r"constant load of 4 bytes at byte 64 of argument 1 \(c\) of 64 bytes",
        args=(Ref(A), Ref(B), i32(16)),
    ),
    "constant argument before the start": Hostile(
        source="kernel void k(global int *a, constant int *c, int n) { a[0] = c[n]; }",
        error=r"constant load of 4 bytes at byte -4 of argument 1 \(c\) of 64 bytes",
        args=(Ref(A), Ref(B), i32(-1)),
    ),
    "constant table past the end": Hostile(
        source=(
            "constant int table[4] = {1, 2, 3, 5};"
            "kernel void k(global int *a) { int i = get_global_id(0); a[i] = table[a[i]]; }"
        ),
        error="out of bounds constant load of 4 bytes at byte 16 of variable table",
    ),
    "constant table before the start": Hostile(
        source=(
            "constant int table[4] = {1, 2, 3, 5};"
            "kernel void k(global int *a) { a[0] = table[a[1] - 2]; }"
        ),
        error="out of bounds constant load of 4 bytes at byte -4 of variable table",
    ),
    "local variable past the end": _local(
        "v[i + n] = 1; barrier(CLK_LOCAL_MEM_FENCE); a[i] = v[i];",
        r"local store of 4 bytes at byte 32 of variable \S*v",
        5,
    ),
    "local variable before the start": _local(
        "a[i] = v[n];", r"local load of 4 bytes at byte -4 of variable \S*v", -1
    ),
    "local argument past the end": _local(
        "l[i + n] = 1;", r"local store of 4 bytes at byte 32 of argument 1 \(l\) of 32 bytes", 8
    ),
    "local argument far away": _local(
        "a[i] = l[n];", r"local load of 4 bytes at byte -8589934592 of argument 1", -(1 << 31)
    ),
    "local vector across the end": _local(
        "vstore8((int8)(1), 0, l + n);", "local store of 32 bytes at byte 4 of argument 1", 1
    ),
    "local atomic past the end": _local(
        "atomic_inc(&l[n + i]);", r"local atomic\w* of 4 bytes at byte 32 of argument 1", 8
    ),
    "integer made a local pointer": _local("*(local int *)(size_t)(n + i) = 1;", UNKNOWN, 64),
    "private array past the end": _private(
        "p[n] = 1; a[n & 7] = p[a[1]];", "private store of 4 bytes at byte 32 of a private array", 8
    ),
    "private array before the start": _private(
        "a[0] = p[n];", "private load of 4 bytes at byte -4 of a private array", -1
    ),
    "private array far away": _private(
        "p[n] = 1; a[n & 7] = p[a[1]];", r"private store of 4 bytes at byte 8589934588", 2**31 - 1
    ),
    "integer made a private pointer": _private(
        "*(private int *)(size_t)n = 1; a[0] = p[a[0]];", UNKNOWN, 4096
    ),
    "generic pointer past the end": Hostile(
        source=(
            "int get(int *p, int n) { return p[n]; }"
            "kernel void k(global int *a, int n) { a[0] = get(a, n); }"
        ),
        options="-cl-std=CL2.0",
        error=r"global load of 4 bytes at byte 256 of argument 0 \(a\) of 256 bytes",
        args=(Ref(A), i32(64)),
    ),
    "misaligned integer": _global(
        "*(global int *)((global char *)a + n) = 1;",
        r"misaligned global store of 4 bytes at byte 2 of argument 0 \(a\), .* a multiple of 4",
        i64(2),
    ),
    "misaligned vector": _global(
        "((global float4 *)(a + n))[0] = 1;",
        "misaligned global store of 16 bytes at byte 4 .* a multiple of 16",
        i64(1),
    ),
    "misaligned vector load": _global(
        "a[i] = ((global int8 *)(a + n))[0].s3;", "misaligned global load of 32 bytes", i64(4)
    ),
    "misaligned atomic": _global(
        "atomic_inc((global int *)((global char *)a + n));", "misaligned global", i64(1)
    ),
    "misaligned local vector": _local(
        "*(local int4 *)(l + n) = 1;", "misaligned local store of 16 bytes at byte 4", 1
    ),
    "image of nothing": Hostile(
        source=(
            "kernel void k(read_only image2d_t t, global float4 *a) {"
            " a[0] = read_imagef(t, (int2)(0)); }"
        ),
        error="hostile.gptrace: launch 1",
        args=(Ref(B), Ref(A)),
    ),
}
