"""Random structured kernels whose branches follow each work-item's own random bits."""

from hypothesis import strategies as st

MAX_STEPS = 60
"""Random decisions of a work-item; then it makes none but the second choice, so loops end."""
_HEAD = f"""#define STEPS {MAX_STEPS}
__kernel void k(__global const uint *bits, __global int *out) {{
    int id = get_global_id(0), n = get_global_size(0), steps = 0, sum = id;
    #define GO (steps < STEPS && (bits[id * 2 + (steps >> 5)] >> (steps++ & 31) & 1))
    #define MARK(i) {{ out[(sum & 3) * n + id] += i; sum = sum * 5 + i; }}
"""


class _Program:
    """Writes statements; every mark has its own number."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._marks = 0

    def mark(self) -> str:
        self._marks += 1
        return f"MARK({self._marks})"

    def body(self, depth: int, loops: int) -> str:
        """Return one to three statements inside of `loops` loops."""
        n = self._draw(st.integers(1, 3 if depth else 1))
        return " ".join(self.statement(depth, loops) for _ in range(n))

    def statement(self, depth: int, loops: int) -> str:
        kinds = ["mark"]
        if depth:
            kinds += ["if", "if", "else", "while", "do", "switch"]
        if loops:
            kinds += ["break", "continue"]
        kind = self._draw(st.sampled_from([*kinds, "return"] if depth < 3 else kinds))
        match kind:
            case "if":
                return f"if (GO) {{ {self.body(depth - 1, loops)} }}"
            case "else":
                first, second = self.body(depth - 1, loops), self.body(depth - 1, loops)
                return f"if (GO) {{ {first} }} else {{ {second} }}"
            case "while":
                return f"while (GO) {{ {self.mark()} {self.body(depth - 1, loops + 1)} }}"
            case "do":
                return f"do {{ {self.mark()} {self.body(depth - 1, loops + 1)} }} while (GO);"
            case "switch":
                cases = " ".join(
                    f"case {i}: {self.mark()} {self.body(depth - 1, 0)}"
                    + (" break;" if self._draw(st.booleans()) else "")
                    for i in range(3)
                )
                return f"switch (GO * 2 + GO) {{ {cases} default: {self.mark()} }}"
            case "break" | "continue" | "return":
                return f"if (GO) {{ {self.mark()} {kind}; }}"
        return self.mark()


@st.composite
def divergent_kernels(draw: st.DrawFn) -> str:
    """Draw the source of a kernel ``k(bits, out)``."""
    program = _Program(draw)
    body = " ".join(program.statement(3, 0) for _ in range(draw(st.integers(1, 3))))
    return f"{_HEAD}    {body} {program.mark()} }}"
