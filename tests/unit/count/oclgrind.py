"""Run a kernel's bitcode in Oclgrind and read its instruction histogram."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from tests.conftest import need
from tests.unit.count.corpus import Case


def bitcode(case: Case, folder: Path) -> bytes:
    """Compile a case's file with clang-14 at O2, headers included, as Oclgrind 21.10 expects."""
    need(shutil.which("clang-14"), "clang-14")
    source, target = folder / "kernel.cl", folder / "kernel.bc"
    source.write_text(case.source)
    subprocess.run(
        [
            *("clang-14", "-x", "cl", "-cl-std=CL1.2", "--target=spir64", "-O2", "-c"),
            *("-fno-vectorize", "-fno-slp-vectorize", "-emit-llvm"),
            *("-Xclang", "-finclude-default-header", str(source), "-o", str(target)),
        ],
        check=True,
        capture_output=True,
    )
    return target.read_bytes()


def simulation(case: Case, folder: Path) -> str:
    """Return the text of an oclgrind-kernel simulation file; arguments as data files."""
    sizes = [(*case.global_size, 1, 1)[:3], (*case.local_size, 1, 1)[:3]]
    lines = ["kernel.bc", case.kernel, *(" ".join(map(str, size)) for size in sizes)]
    for value in case.arguments():
        if isinstance(value, str):
            lines.append(f"<size={value.split(':')[1]}>")
            continue
        raw = value.tobytes()
        lines.append(f"<size={len(raw)} hex uchar>")
        lines.append(" ".join(f"{byte:x}" for byte in raw))
    (folder / "kernel.sim").write_text("\n".join(lines) + "\n")
    return "kernel.sim"


def instruction_counts(case: Case, folder: Path) -> Counter[str]:
    """Return executed instructions per LLVM opcode (loads, stores and calls summed up)."""
    need(shutil.which("oclgrind-kernel"), "oclgrind")
    done = subprocess.run(
        ["oclgrind-kernel", "--inst-counts", "--num-threads", "1", simulation(case, folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
    )
    found: Counter[str] = Counter()
    for count, name in re.findall(r"^\s*([\d,]+) - (\S+)", done.stdout, re.MULTILINE):
        found[name] += int(count.replace(",", ""))
    assert found, done.stdout + done.stderr
    return found
