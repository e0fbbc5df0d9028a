"""Calls of every built-in function with every type it takes, as OpenCL C text."""

from __future__ import annotations

from collections.abc import Iterator

SIZES = ("", "2", "3", "4", "8", "16")
FLOATS = ("half", "float", "double")
SIGNED = ("char", "short", "int", "long")
UNSIGNED = ("uchar", "ushort", "uint", "ulong")
INTEGERS = SIGNED + UNSIGNED
SAME_SIZE = {"half": "short", "float": "int", "double": "long"}

_UNARY = """
acos acosh acospi asin asinh asinpi atan atanh atanpi cbrt ceil cos cosh cospi erf erfc exp exp2
exp10 expm1 fabs floor lgamma log log2 log10 log1p logb rint round rsqrt sin sinh sinpi sqrt tan
tanh tanpi tgamma trunc degrees radians sign
"""
UNARY = _UNARY.split()
_BINARY = """
atan2 atan2pi copysign fdim fmax fmin fmod hypot maxmag minmag nextafter pow powr remainder step
max min
"""
BINARY = _BINARY.split()
TERNARY = ["fma", "mad", "clamp", "mix", "smoothstep"]
_FLOAT_ONLY = """
cos divide exp exp2 exp10 log log2 log10 powr recip rsqrt sin sqrt tan
"""
FLOAT_ONLY = _FLOAT_ONLY.split()
_RELATIONAL = """
isequal isnotequal isgreater isgreaterequal isless islessequal islessgreater isordered
isunordered
"""
RELATIONAL = _RELATIONAL.split()
CLASSIFY = ["isfinite", "isinf", "isnan", "isnormal", "signbit"]


def vectors(scalars: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield type name, scalar and size for all vector sizes."""
    for scalar in scalars:
        for size in SIZES:
            yield scalar + size, scalar, size


def maths() -> list[tuple[str, str, list[str]]]:
    """Return (name, result, arguments) of the mathematical and common functions."""
    rows: list[tuple[str, str, list[str]]] = []
    for kind, scalar, size in vectors(FLOATS):
        rows += [(name, kind, [kind]) for name in UNARY]
        rows += [(name, kind, [kind, kind]) for name in BINARY]
        rows += [(name, kind, [kind, kind, kind]) for name in TERNARY]
        rows += [("ilogb", "int" + size, [kind])]
        rows += [(name, kind, [kind, "int" + size]) for name in ("ldexp", "pown", "rootn")]
        rows += [("nan", kind, ["u" + SAME_SIZE[scalar] + size])]
        if size:
            rows += [(name, kind, [kind, scalar]) for name in ("fmin", "fmax", "min", "max")]
            rows += [("ldexp", kind, [kind, "int"]), ("clamp", kind, [kind, scalar, scalar])]
            rows += [("mix", kind, [kind, kind, scalar]), ("step", kind, [scalar, kind])]
            rows += [("smoothstep", kind, [scalar, scalar, kind])]
        if scalar == "float":
            for prefix in ("native_", "half_"):
                for name in FLOAT_ONLY:
                    count = 2 if name in ("divide", "powr") else 1
                    rows.append((prefix + name, kind, [kind] * count))
        if size in ("", "2", "3", "4"):
            rows += [(name, scalar, [kind, kind]) for name in ("dot", "distance")]
            rows += [("length", scalar, [kind]), ("normalize", kind, [kind])]
            if scalar == "float":
                rows += [("fast_length", scalar, [kind]), ("fast_normalize", kind, [kind])]
                rows += [("fast_distance", scalar, [kind, kind])]
        if size in ("3", "4"):
            rows.append(("cross", kind, [kind, kind]))
    return rows


def integers() -> list[tuple[str, str, list[str]]]:
    """Return the integer functions."""
    rows: list[tuple[str, str, list[str]]] = []
    for kind, scalar, size in vectors(INTEGERS):
        unsigned = (scalar if scalar.startswith("u") else "u" + scalar) + size
        rows += [("abs", unsigned, [kind]), ("abs_diff", unsigned, [kind, kind])]
        pairs = ["add_sat", "sub_sat", "hadd", "rhadd", "mul_hi", "rotate", "max", "min"]
        rows += [(name, kind, [kind, kind]) for name in pairs]
        rows += [(name, kind, [kind]) for name in ("clz", "popcount")]
        rows += [(name, kind, [kind] * 3) for name in ("mad_hi", "mad_sat", "clamp")]
        if size:
            rows += [("max", kind, [kind, scalar]), ("clamp", kind, [kind, scalar, scalar])]
        if scalar in ("int", "uint"):
            rows += [("mul24", kind, [kind, kind]), ("mad24", kind, [kind] * 3)]
        if scalar in ("char", "short", "int"):
            wide = {"char": "short", "short": "int", "int": "long"}[scalar]
            rows.append(("upsample", wide + size, [kind, "u" + kind]))
        if scalar in ("uchar", "ushort", "uint"):
            wide = {"uchar": "ushort", "ushort": "uint", "uint": "ulong"}[scalar]
            rows.append(("upsample", wide + size, [kind, kind]))
        if scalar in SIGNED:
            rows += [(name, "int", [kind]) for name in ("any", "all")]
    return rows


def relational() -> list[tuple[str, str, list[str]]]:
    """Return the relational functions."""
    rows: list[tuple[str, str, list[str]]] = []
    for kind, scalar, size in vectors(FLOATS):
        flag = SAME_SIZE[scalar] + size if size else "int"
        rows += [(name, flag, [kind, kind]) for name in RELATIONAL]
        rows += [(name, flag, [kind]) for name in CLASSIFY]
        rows += [("select", kind, [kind, kind, SAME_SIZE[scalar] + size])]
        rows += [("bitselect", kind, [kind] * 3)]
    for kind, scalar, size in vectors(INTEGERS):
        signed = scalar.removeprefix("u") + size
        rows += [("bitselect", kind, [kind] * 3), ("select", kind, [kind, kind, signed])]
        rows += [("select", kind, [kind, kind, "u" + signed])]
    return rows


def conversions() -> list[tuple[str, str, list[str]]]:
    """Return convert_ with every rounding and with saturation."""
    rows: list[tuple[str, str, list[str]]] = []
    for target in INTEGERS + FLOATS:
        for source in INTEGERS + FLOATS:
            for size in ("", "3", "8"):
                for rounding in ("", "_rte", "_rtz", "_rtp", "_rtn"):
                    name = f"convert_{target}{size}{rounding}"
                    rows.append((name, target + size, [source + size]))
                    if target in INTEGERS:
                        name = f"convert_{target}{size}_sat{rounding}"
                        rows.append((name, target + size, [source + size]))
    return rows


def program(rows: list[tuple[str, str, list[str]]], per_kernel: int = 40) -> str:
    """Return a program whose kernels make some calls each, on values in one buffer."""
    kernels = []
    for first in range(0, len(rows), per_kernel):
        lines = []
        for number, (name, result, kinds) in enumerate(rows[first : first + per_kernel]):
            values = ", ".join(
                f"*(global {kind} *)(m + {128 * (index + 1)})" for index, kind in enumerate(kinds)
            )
            target = f"*(global {result} *)(m + {512 + 128 * number})"
            lines.append(f"  {target} = {name}({values});\n")
        kernels.append(f"kernel void k{first}(global char *m) {{\n{''.join(lines)}}}\n")
    return "".join(kernels)
