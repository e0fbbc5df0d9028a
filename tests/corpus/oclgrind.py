"""Run a case's bitcode of clang-14 in Oclgrind and read its instruction histogram."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from tests.conftest import need
from tests.corpus.case import Case, Image, Local
from tests.corpus.run import three


def bitcode(case: Case, folder: Path) -> bytes:
    """Compile a case's file with clang-14 at O2, once per file and options."""
    need(shutil.which("clang-14"), "clang-14")
    target = folder / f"{case.file}.bc"
    if not target.exists():
        source = folder / case.file
        source.write_text(case.source)
        subprocess.run(
            [
                *("clang-14", "-x", "cl", "-cl-std=CL1.2", "--target=spir64", "-O2", "-c"),
                *("-fno-vectorize", "-fno-slp-vectorize", "-emit-llvm", "-w"),
                *("-Xclang", "-finclude-default-header", *shlex.split(case.options)),
                *(str(source), "-o", str(target)),
            ],
            check=True,
            capture_output=True,
        )
    return target.read_bytes()


def simulation(case: Case) -> str:
    """Return the text of an oclgrind-kernel simulation file."""
    sizes = [three(case.global_size), three(case.local_size)]
    lines = [f"{case.file}.bc", case.name, *(" ".join(map(str, size)) for size in sizes)]
    for value in case.data().args:
        if isinstance(value, Local):
            lines.append(f"<size={value.size_bytes}>")
            continue
        raw = np.ascontiguousarray(value).tobytes()
        lines.append(f"<size={len(raw)} hex uchar>")
        lines.append(" ".join(f"{byte:x}" for byte in raw))
    return "\n".join(lines) + "\n"


def instruction_counts(case: Case, folder: Path) -> tuple[Counter[str], str]:
    """Return executed instructions per opcode, and what Oclgrind printed.

    ``load``, ``store`` and ``call`` are sums over address spaces and functions. Oclgrind prints
    its histogram before it ends, so an exit status other than 0 is not looked at.
    """
    need(shutil.which("oclgrind-kernel"), "oclgrind")
    bitcode(case, folder)
    if any(isinstance(value, Image) for value in case.data().args):
        program = folder / f"{case.file}.bc"
        host = [sys.executable, "-m", "tests.corpus.oclgrind_host", case.name, str(program)]
        command = ["oclgrind", "--inst-counts", "--num-threads", "1", *host]
        where = Path(__file__).parents[2]
    else:
        file = folder / f"{case.name}.sim"
        file.write_text(simulation(case))
        command = ["oclgrind-kernel", "--inst-counts", "--num-threads", "1", file.name]
        where = folder
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=240)
    found: Counter[str] = Counter()
    for count, name in re.findall(r"^\s*([\d,]+) - (\S+)", done.stdout, re.MULTILINE):
        found[name] += int(count.replace(",", ""))
    return found, done.stdout + done.stderr
