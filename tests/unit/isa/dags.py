"""Random straight-line machine code for the schedulers' tests."""

from hypothesis import strategies as st

from gpusim.isa.machine import MicroOp

BIFROST_UNITS = ("F", "A", "E", "T")
MIDGARD_UNITS = ("ADD", "MUL", "FMUL", "MOST", "SEL", "ANY", "LUT", "VMUL", "VADD")


@st.composite
def blocks(draw, units, max_ops=14, messages=True, lanes=(1,)):
    """Return (operations, registers live at the end); the first registers come from outside."""
    n_inputs = draw(st.integers(1, 5))
    registers = list(range(n_inputs))
    ops = []
    for _ in range(draw(st.integers(1, max_ops))):
        reads = draw(st.lists(st.sampled_from(registers), min_size=1, max_size=3, unique=True))
        kinds = ["alu"] * 6 + (["load", "store", "barrier"] if messages else [])
        kind = draw(st.sampled_from(kinds))
        number = len(registers)
        if kind == "alu":
            words = draw(st.sampled_from([(), (), (), ("c1",), ("u0",), ("c2", "c3"), ("u1",)]))
            ops.append(
                MicroOp(
                    name="op",
                    unit=draw(st.sampled_from(units)),
                    reads=tuple(reads),
                    writes=(number,),
                    words=words,
                    lanes=draw(st.sampled_from(lanes)),
                )
            )
            registers.append(number)
        elif kind == "load":
            ops.append(access(kind, units, reads=tuple(reads[:1]), writes=(number,)))
            registers.append(number)
        elif kind == "store":
            ops.append(access(kind, units, reads=tuple(reads[:1]), staging=tuple(reads[-1:])))
        else:
            ops.append(access(kind, units))
    if draw(st.booleans()):
        unit = "BR" if "LUT" in units else "A"
        ops.append(MicroOp(name="branch", unit=unit, kind="branch", reads=(registers[-1],)))
    live = draw(st.sets(st.sampled_from(registers)))
    return ops, live


def access(kind, units, reads=(), writes=(), staging=()):
    is_midgard = "LUT" in units
    unit = ("TEX" if kind == "barrier" else "LS") if is_midgard else "A"
    return MicroOp(
        name=kind,
        unit=unit,
        kind=kind,
        reads=reads,
        writes=writes,
        staging=staging,
        space="" if kind == "barrier" else "global",
        bytes=4,
    )
