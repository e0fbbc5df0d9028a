"""Programs that attack whoever compiles them."""

from __future__ import annotations

import numpy as np

from tests.hostile.launch import A, Hostile, Local, Ref

i32, i64 = np.int32, np.int64

PLAIN = "kernel void k(global int *a) { a[get_global_id(0)] = 1; }\n"
SECRET = "root:"
"""How /etc/passwd begins: nothing of it may reach a message."""


def _source(source: str, error: str, **more: object) -> Hostile:
    return Hostile(source=source, error=error, **more)  # type: ignore[arg-type]


def _laughs(levels: int) -> str:
    lines = ["#define A0 1+", *(f"#define A{n} {f'A{n - 1} ' * 10}" for n in range(1, levels))]
    return "\n".join([*lines, f"kernel void k(global int *a) {{ a[0] = A{levels - 1} 0; }}"])


def _forks(levels: int) -> str:
    """Return macros that each call themselves twice through the next one."""
    lines = ["#define F0(x) x x"]
    lines += [f"#define F{n}(x) F{n - 1}(x x) F{n - 1}(x x)" for n in range(1, levels)]
    return "\n".join([*lines, f"kernel void k(global int *a) {{ F{levels - 1}(a[0]++;) }}"])


def _deep(opening: str, closing: str, depth: int) -> str:
    return f"kernel void k(global int *a) {{ a[0] = {opening * depth}1{closing * depth}; }}"


def _calls(depth: int, frame_ints: int) -> str:
    """Return a chain of functions, each with an array that must stay in memory."""
    links = [
        f"int f{d}(int n) {{ int s[{frame_ints}]; for (int j = 0; j < {frame_ints}; j++)"
        f" s[j] = f{d - 1}(n + j); return s[n & {frame_ints - 1}]; }}"
        for d in range(1, depth)
    ]
    kernel = f"kernel void k(global int *a) {{ a[0] = f{depth - 1}(a[1]); }}"
    return "\n".join(["int f0(int n) { return n; }", *links, kernel])


FRONT_END = "the front end (failed|ran out|did not finish)"
NOT_FOUND = r"hostile.gptrace: program 1:\d+: .*file not found"

LIMITED = {
    "billion laughs": _source(_laughs(12), FRONT_END),
    "fork bomb of macros": _source(_forks(40), FRONT_END),
    "header that includes itself": _source(
        '#include "again.h"\n' + PLAIN,
        r"again.h:1: #include nested too deeply",
        headers={"again.h": '#include "again.h"\n#include "again.h"\n'},
    ),
    "deep parentheses": _source(_deep("(", ")", 200_000), f"nesting|{FRONT_END}"),
    "deep unary operators": _source(_deep("-~", "", 300_000), f"nesting|{FRONT_END}"),
    "deep blocks": _source(
        f"kernel void k(global int *a) {'{' * 100_000}a[0] = 1;{'}' * 100_000}",
        f"nesting|{FRONT_END}",
    ),
    "deep conditions": _source(_deep("a[1] ? ", " : 0", 100_000), f"nesting|{FRONT_END}"),
    "deep pointers": _source(
        f"kernel void k(global int *a) {{ int {'*' * 200_000} p = 0; a[0] = !p; }}",
        FRONT_END,
    ),
    "huge initialiser": _source(
        "constant char c[1l << 40] = {1}; kernel void k(global char *a) { a[0] = c[a[1]]; }",
        "program 1",
    ),
    "stack of the compiler": _source("#pragma clang __debug overflow_stack\n" + PLAIN, FRONT_END),
    "crash of the compiler": _source("#pragma clang __debug crash\n" + PLAIN, "front end failed"),
    "fatal error of the compiler": _source(
        "#pragma clang __debug llvm_fatal_error\n" + PLAIN, "front end failed"
    ),
}
"""Run with small limits for the front end and for LLVM."""

HARMLESS = {
    "definition that is more than one": _source(
        "kernel void k(global int *a) { a[0] = X; }",
        "",
        options='"-DX=1\n#include \\"/etc/passwd\\"\n"',
    ),
    "ten megabytes of comments": _source(f"{'// ' + 'x' * 97}\n" * 100_000 + PLAIN, ""),
    "prints without end": _source(
        "kernel void k(global int *a) { for (int j = 0; j < 10000; j++)"
        ' printf("%s %d %n %v4f", "x", j); a[0] = 1; }',
        "",
        options="-cl-std=CL1.2",
    ),
    "divisions by zero": _source(
        "kernel void k(global int *a, int zero) { int i = get_global_id(0);"
        " a[i] = i / zero + i % zero + (uint)i / (uint)zero + (5 % 0); }",
        "",
        args=(Ref(A), i32(0)),
    ),
    "quotients that overflow": _source(
        "kernel void k(global int *a, int n, long m) { int i = get_global_id(0);"
        " a[i] = n / (i ? -1 : a[1]) + n % -1; a[i] += (int)(m / (i - i - 1) + m % (i - i - 1)); }",
        "",
        args=(Ref(A), i32(-(2**31)), i64(-(2**63))),
    ),
    "shifts out of range": _source(
        "kernel void k(global int *a, int n) { int i = get_global_id(0);"
        " a[i] = (i << n) + (i >> n) + ((long)i << 2 * n) + (1 << -i); }",
        "",
        args=(Ref(A), i32(33)),
    ),
    "conversions out of range": _source(
        "kernel void k(global int *a, float x) { int i = get_global_id(0);"
        " a[i] = (int)(x * i) + (uchar)(x * 1e30f) + (int)(0 / (x - x)) + (char)-x; }",
        "",
        args=(Ref(A), np.float32(1e20)),
    ),
    "vector index out of range": _source(
        "kernel void k(global int *a, int n) { int4 v = vload4(0, a); v[n] = 7; a[0] = v[n + 9]; }",
        "",
        args=(Ref(A), i32(77)),
    ),
    "uninitialised variables": _source(
        "kernel void k(global int *a) { int x, y[4]; if (a[0]) x = 2; a[1] = x + y[a[2] & 3]; }", ""
    ),
    "constructor": _source(
        "__attribute__((constructor)) void before(void) { while (1); }\n" + PLAIN, ""
    ),
    "table in the section of constructors": _source(
        'constant ulong t[4] __attribute__((section(".init_array"))) = {1, 2, 3, 4};\n'
        "kernel void k(global int *a) { a[0] = t[a[1]]; }",
        "",
    ),
    "kernel in the section of constructors": _source(
        'kernel __attribute__((section(".init_array"))) void k(global int *a) { a[0] = 1; }', ""
    ),
    "huge alignment": _source(
        "kernel void k(global int *a) { __attribute__((aligned(1 << 16))) int p[4];"
        " p[a[0]] = 1; a[1] = p[a[2]]; }",
        "",
    ),
    "unused recursion": _source("int f(int n) { return f(n); }\n" + PLAIN, ""),
    "unused inline assembly's name": _source(
        'int s(constant char *) __asm__("system");\n' + PLAIN, ""
    ),
}
"""Launches that must succeed as well: what they do is defined here, or has no effect."""

CASES = {
    "text above the limit": _source("// " + "x" * (17 << 20) + "\n" + PLAIN, "too large"),
    "bytes that are no text": _source("\x01\x02\x7f" * 50_000, r"program 1:1: "),
    "inline assembly": _source(
        'kernel void k(global int *a) { __asm__("syscall"); a[0] = 1; }', "inline assembly"
    ),
    "inline assembly with operands": _source(
        'kernel void k(global int *a) { int x; __asm__ volatile("mov %0, 1" : "=r"(x));'
        " a[0] = x; }",
        "program 1:1: not supported: inline assembly",
    ),
    "assembly at file scope": _source(
        '__asm__(".globl x\\nx: ret");\n' + PLAIN, "program 1: not supported: inline assembly"
    ),
    "system by another name": _source(
        'int s(constant char *) __asm__("system");\n'
        'kernel void k(global int *a) { a[0] = s("touch owned"); }',
        "found system",
    ),
    "longjmp by another name": _source(
        'void j(global int *, int) __asm__("longjmp");\n'
        "kernel void k(global int *a) { j(a, 1); a[0] = 1; }",
        "found longjmp",
    ),
    "a function with the name of ours": _source(
        'float s(float) __asm__("gpusim.rt.sin.float");\n'
        "kernel void k(global float *a) { a[0] = s(a[1]); }",
        "found gpusim.rt.sin.float",
    ),
    "our entry point called": _source(
        'void e(global int *) __asm__("gpusim.entry");\nkernel void k(global int *a) { e(a); }',
        "found gpusim.entry",
    ),
    "an intrinsic by another name": _source(
        'void t(void) __asm__("llvm.trap");\nkernel void k(global int *a) { t(); a[0] = 1; }',
        "llvm.trap|undefined",
    ),
    "unknown function": _source(
        "int gone(int);\nkernel void k(global int *a) { a[0] = gone(1); }", "found gone"
    ),
    "unknown variable": _source(
        "extern constant int gone;\nkernel void k(global int *a) { a[0] = gone; }", "gone"
    ),
    "recursion": _source(
        "int f(int n) { return n < 2 ? 1 : n * f(n - 1); }\n"
        "kernel void k(global int *a) { a[0] = f(a[1]); }",
        "recursion",
    ),
    "mutual recursion": _source(
        "int g(int); int f(int n) { return g(n) + 1; } int g(int n) { return f(n) + 2; }\n"
        "kernel void k(global int *a) { a[0] = f(a[1]); }",
        "recursion",
    ),
    "a kernel that calls itself": _source(
        "kernel void k(global int *a) { if (a[0]--) k(a); }", "recursion"
    ),
    "recursion through a function pointer": _source(
        "typedef int (*fn)(int); int f(int n) { fn g = f; return g(n); }\n"
        "kernel void k(global int *a) { a[0] = f(1); }",
        "pointers to functions",
    ),
    "a block": _source(
        "kernel void k(global int *a) { int (^f)(int) = ^(int x) { return x + a[0]; };"
        " a[0] = f(1); }",
        "program 1",
        options="-cl-std=CL2.0",
    ),
    "a kernel that enqueues": _source(
        "kernel void k(global int *a) { queue_t q = get_default_queue();"
        " enqueue_kernel(q, 0, ndrange_1D(1), ^{ a[0] = 1; }); }",
        "program 1",
        options="-cl-std=CL2.0",
    ),
    "alias": _source(
        'void f(global int *a) { a[0] = 1; } void g(global int *a) __attribute__((alias("f")));\n'
        "kernel void k(global int *a) { g(a); }",
        "program 1",
    ),
    "indirect function": _source(
        'typedef void fn(void); void *choose(void); void f(void) __attribute__((ifunc("choose")));'
        "\nkernel void k(global int *a) { f(); }",
        "program 1",
    ),
    "return address": _source(
        "kernel void k(global ulong *a) { a[0] = (ulong)__builtin_return_address(0); }",
        "found llvm.returnaddress",
    ),
    "frame address": _source(
        "kernel void k(global ulong *a) { a[0] = (ulong)__builtin_frame_address(0); }",
        "found llvm.frameaddress",
    ),
    "cycle counter": _source(
        "kernel void k(global ulong *a) { a[0] = __builtin_readcyclecounter(); }",
        "found llvm.readcyclecounter",
    ),
    "non-local jump": _source(
        "kernel void k(global int *a) { void *b[5]; if (!__builtin_setjmp(b))"
        " __builtin_longjmp(b, 1); a[0] = 1; }",
        "program 1|setjmp",
    ),
    "trap": _source(
        "kernel void k(global int *a) { if (a[get_global_id(0)] > 3) __builtin_trap(); a[0] = 1; }",
        "trap|undefined",
    ),
    "unreachable": _source(
        "kernel void k(global int *a) { a[0] = 1; __builtin_unreachable(); }", "undefined"
    ),
    "debugger trap": _source(
        "kernel void k(global int *a) { __builtin_debugtrap(); a[0] = 1; }", "found llvm.debugtrap"
    ),
    "variable-size array": _source(
        "kernel void k(global int *a, int n) { int *p = __builtin_alloca(n); p[0] = 1;"
        " a[0] = p[a[1]]; }",
        "variable-size",
        args=(Ref(A), i32(1 << 30)),
    ),
    "computed goto": _source(
        "kernel void k(global int *a) { void *t[] = {&&x, &&y}; goto *t[a[0] & 1];"
        " x: a[0] = 1; y: a[1] = 2; }",
        "program 1",
    ),
    "huge local variable": _source(
        "kernel void k(global int *a) { local int l[1 << 23]; l[a[0]] = a[1]; a[2] = l[a[3]]; }",
        "Limits.local_bytes",
    ),
    "huge local argument": _source(
        "kernel void k(global int *a, local int *l) { l[a[0]] = a[1]; a[2] = l[a[3]]; }",
        "Limits.local_bytes",
        args=(Ref(A), Local(1 << 40)),
    ),
    "huge private array": _source(
        "kernel void k(global int *a) { int p[1 << 23]; p[a[0]] = 1; a[1] = p[a[2]]; }",
        "Limits.private_bytes",
    ),
    "private array of exabytes": _source(
        "kernel void k(global int *a) { int p[1l << 58]; p[a[0]] = 1; a[1] = p[a[2]]; }",
        "variables in private memory are too large",
    ),
    "local array of terabytes": _source(
        "kernel void k(global int *a) { local int l[1l << 40]; l[a[0]] = a[1]; a[2] = l[a[3]]; }",
        "variables in local memory are too large",
    ),
    "stack of many calls": _source(_calls(40, 8192), "Limits.private_bytes"),
    "stack of several calls": _source(_calls(5, 1 << 17), "Limits.private_bytes"),
    "private memory of a work-group across a barrier": _source(
        "kernel void k(global int *a) { int p[1 << 14]; p[a[1] & 7] = 1;"
        " barrier(CLK_LOCAL_MEM_FENCE); a[0] = p[a[2]]; }",
        "Limits.group_memory_bytes",
        limits={"group_memory_bytes": 1 << 17},
    ),
    "include of a host file": _source('#include "/etc/passwd"\n' + PLAIN, NOT_FOUND),
    "include in angle brackets": _source("#include </etc/passwd>\n" + PLAIN, NOT_FOUND),
    "include with dots": _source(
        '#include "../../../../../../../../etc/passwd"\n' + PLAIN, NOT_FOUND
    ),
    "include by macro": _source(
        "#define STR(x) #x\n#define FILE(x) STR(/etc/x)\n#include FILE(passwd)\n" + PLAIN,
        NOT_FOUND,
    ),
    "include next": _source('#include_next "/etc/passwd"\n' + PLAIN, NOT_FOUND),
    "include of a device": _source('#include "/dev/zero"\n' + PLAIN, NOT_FOUND),
    "include of the own process": _source('#include "/proc/self/environ"\n' + PLAIN, NOT_FOUND),
    "import": _source('#import "/etc/passwd"\n' + PLAIN, "program 1"),
    "embed": _source("constant char t[] = {\n#embed </etc/passwd>\n};\n" + PLAIN, "not found"),
    "whether a file exists": _source(
        '#if __has_include("/etc/passwd")\n#error visible\n#else\n#error hidden\n#endif\n' + PLAIN,
        "program 1:4: hidden",
    ),
    "whether a file could be embedded": _source(
        '#if __has_embed("/etc/passwd")\n#error visible\n#else\n#error hidden\n#endif\n' + PLAIN,
        "program 1:4: hidden",
    ),
    "a line that claims another file": _source(
        '#line 7 "/etc/passwd"\n#error look here\n' + PLAIN, "look here"
    ),
    "include folder of the host": _source(
        "#include <passwd>\n" + PLAIN, NOT_FOUND, options="-I/etc -I /etc -I../../../../etc"
    ),
    "include by option": _source(
        "kernel void k(global int *a) { a[0] = root; }",
        "undeclared identifier 'root'",
        options="-include /etc/passwd -imacros /etc/passwd",
    ),
    "options for the compiler's parts": _source(
        "kernel void k(global int *a) { a[0] = gone; }",
        "undeclared identifier 'gone'",
        options="-Xclang -load -Xclang /tmp/evil.so -fplugin=/tmp/evil.so -Wp,-include,/etc/passwd "
        "-mllvm -debug -o /tmp/owned -MD -MF /tmp/owned -save-temps -working-directory /etc",
    ),
    "options from a file": _source(
        "kernel void k(global int *a) { a[0] = gone; }",
        "undeclared identifier 'gone'",
        options="@/etc/passwd --config=/etc/passwd -ivfsoverlay /etc/passwd",
    ),
    "option without its value": _source(PLAIN, "build option -D has no value", options="-D"),
    "quotes that do not close": _source(PLAIN, "malformed", options="-DX='1"),
    "a header's name that climbs": _source(
        PLAIN, "not a relative path", headers={"../../../../tmp/owned.h": "int x;"}
    ),
    "another kernel's name": _source(PLAIN, "no such kernel", kernel="missing"),
    "no kernel at all": _source("int x(int y) { return y; }", "no such kernel"),
    "a global variable": _source(
        "global int counter = 3;\nkernel void k(global int *a) { a[0] = counter++; }",
        "variables of a program in global memory",
        options="-cl-std=CL2.0",
    ),
}
