"""RADU Table II: instructions per job of layer 16 with 93 channels, ACL GEMM, Mali-G72."""

from __future__ import annotations

from typing import Any

import agreement
import l16_counts

NOTE = """
Memory instructions equal the paper's, computed by executing our kernels. Arithmetic instructions
differ where our compiler's code differs from Arm's: addresses, loop control, the rounding of
sizes. What the paper's simulator counts as one instruction is not stated; docs/isa.md gives our
reading.
"""


def main() -> dict[str, Any]:
    """Replay, draw, compare."""
    return l16_counts.compare(93, "radu_table2")


if __name__ == "__main__":
    agreement.show(main()["rows"])
