"""The checkers of scheduled code find what is planted."""

import pytest

from gpusim.isa.machine import MicroOp
from gpusim.isa.schedule_bifrost import Clause, Tuple
from gpusim.isa.schedule_midgard import Word
from tests.unit.isa.legality import bifrost_problems, midgard_problems


def alu(unit, reads=(), writes=(), words=(), lanes=1):
    return MicroOp(name="op", unit=unit, reads=reads, writes=writes, words=words, lanes=lanes)


def load(number):
    return MicroOp(name="load", unit="A", kind="load", writes=(number,), space="global")


F, A = alu("F", (0,), (1,)), alu("A", (1,), (2,))
WIDE = alu("F", (4, 5, 6), (7,))
READER = alu("A", (8,), (9,))
U, C = alu("F", (), (1,), ("u0",)), alu("A", (), (2,), ("c1",))
L1, L2 = load(1), load(2)
USER = alu("A", (1,), (3,))
BRANCH = MicroOp(name="branch", unit="A", kind="branch")
W1, W2 = alu("F", (), (1,)), alu("A", (), (2,))


@pytest.mark.parametrize(
    ("ops", "tuples", "text"),
    [
        ([F], [], "placed 0 times"),
        ([F], [Tuple(fma=F), Tuple(fma=F)], "placed 2 times"),
        ([F], [Tuple(add=F)], "in the add slot"),
        ([F, A], [Tuple(add=A), Tuple(fma=F)], "before"),
        ([WIDE, READER], [Tuple(fma=WIDE, add=READER)], "reads 4 registers"),
        ([U, C], [Tuple(fma=U, add=C)], "1 constants"),
        ([L1, L2], [Tuple(add=L1), Tuple(add=L2)], "2 messages"),
        ([L1, USER], [Tuple(add=L1), Tuple(add=USER)], "of its message"),
        ([BRANCH, F], [Tuple(add=BRANCH), Tuple(fma=F)], "inside a clause"),
        ([W1, W2], [Tuple(fma=W1, add=W2)], "writes"),
    ],
)
def test_bifrost_violations_are_found(ops, tuples, text):
    found = bifrost_problems(ops, [Clause(tuples)], {1, 2})
    assert any(text in line for line in found), found


def test_nine_tuples_are_too_many():
    ops = [alu("F", (), (n,)) for n in range(9)]
    assert bifrost_problems(ops, [Clause([Tuple(fma=op) for op in ops])])


VECTOR = alu("MOST", (0,), (1,), lanes=4)
SELECT = alu("SEL", (0, 1), (2,))
ADD1, ADD2 = alu("ADD", (0,), (1,)), alu("ADD", (1,), (2,))
CONSTANTS = alu("MOST", (), (1,), ("c1", "c2", "c3", "c4", "c5"))
MOVED = MicroOp(name="iadd", unit="MOST")


@pytest.mark.parametrize(
    ("ops", "slots", "text"),
    [
        ([VECTOR], {"SADD": VECTOR}, "vector"),
        ([ADD1], {"VMUL": ADD1}, "(ADD) in VMUL"),
        ([SELECT], {"VADD": SELECT}, "lacks its condition"),
        ([ADD1, ADD2], {"VADD": ADD1, "SADD": ADD2}, "before"),
        ([CONSTANTS], {"VMUL": CONSTANTS}, "5 constants"),
        ([ADD1], {"SADD": ADD1, "VMUL": MOVED}, "from nowhere"),
    ],
)
def test_midgard_violations_are_found(ops, slots, text):
    found = midgard_problems(ops, [Word("alu", slots)])
    assert any(text in line for line in found), found
