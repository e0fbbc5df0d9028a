"""Costs of the golden kernels on every family: make the snapshot, or compare with it.

Origin of ``isa_costs.json``: this project's own back ends, written by
``python -m tests.golden.isa_costs``. It is no truth; it makes a change of any cost visible. The
comparison with a real compiler is `tests/validation/test_mali_compiler.py`.
"""

import json
import re
from pathlib import Path

from gpusim.compiler import compile_kernel
from gpusim.isa import ISAS, lower_kernel
from gpusim.isa.summary import loop_costs

FOLDER = Path(__file__).parent
SNAPSHOT = FOLDER / "isa_costs.json"


def costs():
    """Return {kernel: {family: [registers, units of all blocks, units of each loop...]}}."""
    source = (FOLDER / "isa_kernels.cl").read_text()
    result = {}
    for name in re.findall(r"^kernel .*?void (\w+)\(", source, re.M):
        kernel = compile_kernel(source, name, "")
        result[name] = {}
        for isa in ISAS:
            code = lower_kernel(kernel, isa)
            loops = [cost.per_iteration[code.unit] for cost in loop_costs(code)]
            total = sum(block.units for block in code.blocks)
            result[name][isa] = [code.registers, total, *loops]
    return result


if __name__ == "__main__":
    lines = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in costs().items()]
    SNAPSHOT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
