"""The native functions of images: coordinates to texels, texels to colours, and back.

An image is described by `WORDS`. Every texel that is touched lies inside the image: a read outside
gives the border colour, or with ``CLK_ADDRESS_NONE`` the nearest texel of the edge, and a write
outside does nothing, as on GPUs (OpenCL leaves both undefined). A coordinate that is not a number
is 0. Nearest sampling only.
"""

from __future__ import annotations

from gpusim.count.image_format import CHANNEL_TYPES, LANES, ORDERS, ChannelType

WORDS = (
    *("data", "row", "slice", "width", "height", "layers", "texel", "case", "order"),
    *("type_number", "order_number"),
)
"""The 64-bit words of an image's description."""
LANE_TYPES = {"f": "float", "i": "i32", "ui": "i32"}
"""LLVM type of a colour's lane, per family of image functions."""


def _word(name: str) -> str:
    return f"call i64 @gpusim.image.word(ptr %d, i64 {WORDS.index(name)})"


_PLACES = f"""
@gpusim.image.border = internal constant [16 x i8] zeroinitializer, align 16
define internal i64 @gpusim.image.word(ptr %d, i64 %n) alwaysinline nounwind {{
  %at = getelementptr i64, ptr %d, i64 %n
  %w = load i64, ptr %at
  ret i64 %w
}}
define internal i64 @gpusim.image.nearest(i64 %i, i64 %n) alwaysinline nounwind {{
  %last = sub i64 %n, 1
  %low = call i64 @llvm.smax.i64(i64 %i, i64 0)
  %r = call i64 @llvm.smin.i64(i64 %low, i64 %last)
  ret i64 %r
}}
define internal i64 @gpusim.image.edge(i64 %i, i64 %n, i32 %s) alwaysinline nounwind {{
  %near = call i64 @gpusim.image.nearest(i64 %i, i64 %n)
  %mode = and i32 %s, 14
  %clamps = icmp eq i32 %mode, 4
  %outside = icmp ne i64 %near, %i
  %border = and i1 %outside, %clamps
  %r = select i1 %border, i64 -1, i64 %near
  ret i64 %r
}}
define internal i64 @gpusim.image.whole(float %u) alwaysinline nounwind {{
  %f = call float @llvm.floor.f32(float %u)
  %i = call i64 @llvm.fptosi.sat.i64.f32(float %f)
  ret i64 %i
}}
define internal i64 @gpusim.image.scaled(float %c, i64 %n, i32 %s) alwaysinline nounwind {{
  ; OpenCL 1.2, section 8.2: nearest filter, one formula per address mode.
  %size = uitofp i64 %n to float
  %is.normal = trunc i32 %s to i1
  %mode = and i32 %s, 14
  %repeats = icmp eq i32 %mode, 6
  %mirrors = icmp eq i32 %mode, 8
  %below = call float @llvm.floor.f32(float %c)
  %part = fsub float %c, %below
  %half = fmul float %c, 5.0e-1
  %even.half = call float @llvm.rint.f32(float %half)
  %even = fmul float %even.half, 2.0
  %off = fsub float %c, %even
  %mirrored = call float @llvm.fabs.f32(float %off)
  %a = select i1 %repeats, float %part, float %c
  %b = select i1 %mirrors, float %mirrored, float %a
  %long = fmul float %b, %size
  %u = select i1 %is.normal, float %long, float %c
  %i = call i64 @gpusim.image.whole(float %u)
  %over = icmp sge i64 %i, %n
  %wraps = and i1 %over, %repeats
  %less = sub i64 %i, %n
  %j = select i1 %wraps, i64 %less, i64 %i
  %r = call i64 @gpusim.image.edge(i64 %j, i64 %n, i32 %s)
  ret i64 %r
}}
define internal ptr @gpusim.image.address(ptr %d, i64 %x, i64 %y, i64 %z) alwaysinline nounwind {{
  %data.w = {_word("data")}
  %row = {_word("row")}
  %slice = {_word("slice")}
  %texel = {_word("texel")}
  %data = inttoptr i64 %data.w to ptr
  %a = mul i64 %x, %texel
  %b = mul i64 %y, %row
  %c = mul i64 %z, %slice
  %ab = add i64 %a, %b
  %abc = add i64 %ab, %c
  %p = getelementptr i8, ptr %data, i64 %abc
  ret ptr %p
}}
define internal ptr @gpusim.image.texel(ptr %d, i64 %x, i64 %y, i64 %z) alwaysinline nounwind {{
  %both = or i64 %x, %y
  %border = icmp slt i64 %both, 0
  %p = call ptr @gpusim.image.address(ptr %d, i64 %x, i64 %y, i64 %z)
  %r = select i1 %border, ptr @gpusim.image.border, ptr %p
  ret ptr %r
}}
define internal ptr @gpusim.image.find.i(ptr %d, i32 %x, i32 %y, i32 %z, i32 %s)
    alwaysinline nounwind {{
  %w = {_word("width")}
  %h = {_word("height")}
  %n = {_word("layers")}
  %xw = sext i32 %x to i64
  %yw = sext i32 %y to i64
  %zw = sext i32 %z to i64
  %xi = call i64 @gpusim.image.edge(i64 %xw, i64 %w, i32 %s)
  %yi = call i64 @gpusim.image.edge(i64 %yw, i64 %h, i32 %s)
  %zi = call i64 @gpusim.image.nearest(i64 %zw, i64 %n)
  %r = call ptr @gpusim.image.texel(ptr %d, i64 %xi, i64 %yi, i64 %zi)
  ret ptr %r
}}
define internal ptr @gpusim.image.find.f(ptr %d, float %x, float %y, float %z, i32 %s)
    alwaysinline nounwind {{
  %w = {_word("width")}
  %h = {_word("height")}
  %n = {_word("layers")}
  %xi = call i64 @gpusim.image.scaled(float %x, i64 %w, i32 %s)
  %yi = call i64 @gpusim.image.scaled(float %y, i64 %h, i32 %s)
  %zr = call float @llvm.rint.f32(float %z)
  %zw = call i64 @llvm.fptosi.sat.i64.f32(float %zr)
  %zi = call i64 @gpusim.image.nearest(i64 %zw, i64 %n)
  %r = call ptr @gpusim.image.texel(ptr %d, i64 %xi, i64 %yi, i64 %zi)
  ret ptr %r
}}"""


def _mask(lanes: tuple[int, ...]) -> str:
    return f"<{len(lanes)} x i32> <{', '.join(f'i32 {lane}' for lane in lanes)}>"


def _splat(lanes: int, kind: str, value: str) -> str:
    return f"<{', '.join([f'{kind} {value}'] * lanes)}>"


def _decode(kind: ChannelType, n: int, stem: str) -> list[str]:
    """Return the lines that turn `n` stored channels ``STEM.m`` into lanes ``STEM.c``."""
    wide = f"<{n} x {LANE_TYPES[kind.family]}>"
    stored = f"<{n} x {kind.ir}>"
    if kind.family != "f":
        if kind.bytes == 4:
            return [f"{stem}.c = freeze {wide} {stem}.m"]
        extend = "sext" if kind.is_signed else "zext"
        return [f"{stem}.c = {extend} {stored} {stem}.m to {wide}"]
    if kind.name == "FLOAT":
        return [f"{stem}.c = freeze {wide} {stem}.m"]
    if kind.name == "HALF_FLOAT":
        return [f"{stem}.c = fpext {stored} {stem}.m to {wide}"]
    convert = "sitofp" if kind.is_signed else "uitofp"
    lines = [
        f"{stem}.i = {convert} {stored} {stem}.m to {wide}",
        f"{stem}.q = fdiv {wide} {stem}.i, {_splat(n, 'float', f'{kind.scale}.0')}",
    ]
    if not kind.is_signed:
        return [*lines, f"{stem}.c = freeze {wide} {stem}.q"]
    # Both -127 and -128 are -1.
    lowest = _splat(n, "float", "-1.0")
    return [
        *lines,
        f"{stem}.c = call {wide} @llvm.maxnum.v{n}f32({wide} {stem}.q, {wide} {lowest})",
    ]


def _read(family: str) -> str:
    lane = LANE_TYPES[family]
    one = "1.0" if lane == "float" else "1"
    zero = "0.0" if lane == "float" else "0"
    fill = f"<4 x {lane}> <{lane} {zero}, {lane} {one}, {lane} {zero}, {lane} {zero}>"
    lines = [
        f"define internal <4 x {lane}> @gpusim.image.read.{family}(ptr %d, ptr %p) nounwind {{",
        f"  %case = {_word('case')}",
        f"  %order = {_word('order')}",
    ]
    cases, blocks, incoming = [], [], ["[ zeroinitializer, %none ]"]
    for number, kind in enumerate(CHANNEL_TYPES):
        for position, n in enumerate(LANES):
            if kind.family != family:
                continue
            code = number * len(LANES) + position
            cases.append(f"i64 {code}, label %case{code}")
            stem, wide = f"%c{code}", f"<{n} x {lane}>"
            padded = _mask(tuple(min(i, n - 1) for i in range(4)))
            blocks += [
                f"case{code}:",
                f"  {stem}.m = load <{n} x {kind.ir}>, ptr %p, align {kind.bytes}",
                *(f"  {line}" for line in _decode(kind, n, stem)),
                f"  {stem}.v = shufflevector {wide} {stem}.c, {wide} zeroinitializer, {padded}",
                "  br label %stored",
            ]
            incoming.append(f"[ {stem}.v, %case{code} ]")
    lines += [
        f"  switch i64 %case, label %none [ {' '.join(cases)} ]",
        "none:",
        "  br label %stored",
        *blocks,
        "stored:",
        f"  %v = phi <4 x {lane}> {', '.join(incoming)}",
        "  switch i64 %order, label %plain [ "
        + " ".join(f"i64 {i}, label %order{i}" for i in range(len(ORDERS)))
        + " ]",
        "plain:",
        f"  ret <4 x {lane}> %v",
    ]
    for number, order in enumerate(ORDERS):
        lines += [
            f"order{number}:",
            f"  %r{number} = shufflevector <4 x {lane}> %v, {fill}, {_mask(order.read)}",
            f"  ret <4 x {lane}> %r{number}",
        ]
    return "\n".join([*lines, "}"])


def _encode(kind: ChannelType, n: int, stem: str) -> list[str]:
    """Return the lines that turn lanes ``STEM.c`` into stored channels ``STEM.m``."""
    wide = f"<{n} x {LANE_TYPES[kind.family]}>"
    whole = f"<{n} x i32>"
    stored = f"<{n} x {kind.ir}>"
    if kind.name == "FLOAT" or (kind.family != "f" and kind.bytes == 4):
        return [f"{stem}.m = freeze {wide} {stem}.c"]
    if kind.name == "HALF_FLOAT":
        return [f"{stem}.m = fptrunc {wide} {stem}.c to {stored}"]
    high = 2 ** (8 * kind.bytes - kind.is_signed) - 1
    low = -high - 1 if kind.is_signed else 0
    lines, value = [], f"{stem}.c"
    if kind.family == "f":
        value = f"{stem}.w"
        lines = [
            f"{stem}.k = fmul {wide} {stem}.c, {_splat(n, 'float', f'{kind.scale}.0')}",
            f"{stem}.n = call {wide} @llvm.rint.v{n}f32({wide} {stem}.k)",
            f"{value} = call {whole} @llvm.fptosi.sat.v{n}i32.v{n}f32({wide} {stem}.n)",
        ]
    name = "s" if kind.is_signed or kind.family == "f" else "u"
    above, below = (f"{whole} {_splat(n, 'i32', str(limit))}" for limit in (high, low))
    lines += [
        f"{stem}.h = call {whole} @llvm.{name}min.v{n}i32({whole} {value}, {above})",
        f"{stem}.l = call {whole} @llvm.{name}max.v{n}i32({whole} {stem}.h, {below})",
        f"{stem}.m = trunc {whole} {stem}.l to {stored}",
    ]
    return lines


def _write(family: str) -> str:
    lane = LANE_TYPES[family]
    vector = f"<4 x {lane}>"
    formals = f"ptr %d, ptr %p, {vector} %v"
    lines = [
        f"define internal void @gpusim.image.store.{family}({formals}) nounwind {{",
        f"  %case = {_word('case')}",
        f"  %order = {_word('order')}",
        "  switch i64 %order, label %none [ "
        + " ".join(f"i64 {i}, label %order{i}" for i in range(len(ORDERS)))
        + " ]",
    ]
    incoming = []
    for number, order in enumerate(ORDERS):
        mask = tuple(order.written[min(i, order.channels - 1)] for i in range(4))
        lines += [
            f"order{number}:",
            f"  %s{number} = shufflevector {vector} %v, {vector} zeroinitializer, {_mask(mask)}",
            "  br label %ordered",
        ]
        incoming.append(f"[ %s{number}, %order{number} ]")
    cases, blocks = [], []
    for number, kind in enumerate(CHANNEL_TYPES):
        for position, n in enumerate(LANES):
            if kind.family != family:
                continue
            code = number * len(LANES) + position
            cases.append(f"i64 {code}, label %case{code}")
            stem, first = f"%c{code}", _mask(tuple(range(n)))
            blocks += [
                f"case{code}:",
                f"  {stem}.c = shufflevector {vector} %o, {vector} zeroinitializer, {first}",
                *(f"  {line}" for line in _encode(kind, n, stem)),
                f"  store <{n} x {kind.ir}> {stem}.m, ptr %p, align {kind.bytes}",
                "  ret void",
            ]
    lines += [
        "ordered:",
        f"  %o = phi {vector} {', '.join(incoming)}",
        f"  switch i64 %case, label %none [ {' '.join(cases)} ]",
        *blocks,
        "none:",
        "  ret void",
    ]
    return "\n".join([*lines, "}", _write_inside(family, vector)])


def _write_inside(family: str, vector: str) -> str:
    return f"""
define internal void @gpusim.image.write.{family}(ptr %d, i32 %x, i32 %y, i32 %z, {vector} %v)
    alwaysinline nounwind {{
  %w = {_word("width")}
  %h = {_word("height")}
  %n = {_word("layers")}
  %xw = sext i32 %x to i64
  %yw = sext i32 %y to i64
  %zw = sext i32 %z to i64
  %xo = icmp ult i64 %xw, %w
  %yo = icmp ult i64 %yw, %h
  %zo = icmp ult i64 %zw, %n
  %xyo = and i1 %xo, %yo
  %all = and i1 %xyo, %zo
  br i1 %all, label %inside, label %outside
inside:
  %p = call ptr @gpusim.image.address(ptr %d, i64 %xw, i64 %yw, i64 %zw)
  call void @gpusim.image.store.{family}(ptr %d, ptr %p, {vector} %v)
  ret void
outside:
  ret void
}}"""


def image_definitions() -> dict[str, str]:
    """Return the run-time functions of images; unused ones vanish."""
    found = {"gpusim.image": _PLACES}
    for family in LANE_TYPES:
        found[f"gpusim.image.read.{family}"] = _read(family)
        found[f"gpusim.image.write.{family}"] = _write(family)
    return found
