"""Real machine code of Maxwell and Pascal: PTX through ptxas, its loops found in the binary.

A binary of these generations has one control word in front of every three instructions of eight
bytes. Only what is needed is decoded: branches give the loops, memory and barrier instructions are
counted, padding is left out.
"""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from gpusim.compiler.kernel_ir import KernelIR
from gpusim.compiler.ptx import kernel_ptx
from gpusim.errors import CompileError, located

ARCHITECTURES = {"maxwell": "sm_53", "pascal": "sm_62"}
"""ISA family -> what ptxas calls the Jetson's."""

_WORD_BYTES = 8
_GROUP_BYTES = 32
_OPCODE_SHIFT = 48
_TIMEOUT_S = 120
_BRANCHES = (0xE240,)
_NOPS = (0x50B0,)
_KINDS = {
    "global_load": (0xEED0, 0xEED2, 0xEED4, 0xEED5, 0xEED6),
    "global_store": (0xEED8, 0xEEDA, 0xEEDC, 0xEEDD, 0xEEDE),
    "local_load": (0xEF48, 0xEF4A, 0xEF4C, 0xEF4D, 0xEF4E),
    "local_store": (0xEF58, 0xEF5A, 0xEF5C, 0xEF5D, 0xEF5E),
    "private_load": (0xEF40, 0xEF42, 0xEF44, 0xEF45, 0xEF46),
    "private_store": (0xEF50, 0xEF52, 0xEF54, 0xEF55, 0xEF56),
    "barrier": (0xF0A8,),
}
"""Upper 16 bits of an instruction, width bits of accesses included where they lie there."""
_KIND_OF = {code: kind for kind, codes in _KINDS.items() for code in codes}
MESSAGES = tuple(kind for kind in _KINDS if kind != "barrier")


@dataclass(frozen=True, slots=True, kw_only=True)
class SassLoop:
    """A loop of a binary, inner loops apart."""

    depth: int
    """1 = not inside another."""
    instructions: int
    """Of one iteration that takes every own block."""
    messages: int
    """Loads and stores among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SassKernel:
    """What a kernel's binary says about its cost."""

    arch: str
    registers: int
    """Per work-item."""
    instructions: int
    """Padding and control words apart."""
    loops: tuple[SassLoop, ...]
    """By the address of their header."""
    outside: SassLoop
    """What no loop contains."""


@cache
def find_ptxas() -> Path | None:
    """Return the assembler: of the installed extra ``sass``, else of the search path."""
    spec = find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "cuda_nvcc" / "bin" / "ptxas"
        if path.is_file():
            return path
    found = which("ptxas")
    return Path(found) if found else None


def sass_kernel(kernel: KernelIR, isa: str) -> SassKernel:
    """Compile a kernel with ptxas and read its binary.

    Parameters
    ----------
    kernel : KernelIR
    isa : str
        ``maxwell`` or ``pascal``.

    Raises
    ------
    CompileError
        ptxas is not there or refuses the kernel, or the family is another.
    """
    if isa not in ARCHITECTURES:
        families = " or ".join(ARCHITECTURES)
        raise CompileError(located("sass", "no such machine code", expected=families, found=isa))
    assembler = find_ptxas()
    if assembler is None:
        raise CompileError(
            located("sass", "ptxas is not there", expected="pip install 'gpusim[sass]'")
        )
    arch = ARCHITECTURES[isa]
    binary, log = _assemble(assembler, kernel_ptx(kernel, arch), arch, kernel.name)
    used = re.search(r"Used (\d+) registers", log)
    return read_code(
        text_section(binary, kernel.name), arch=arch, registers=int(used.group(1)) if used else 0
    )


def _assemble(assembler: Path, ptx: str, arch: str, kernel: str) -> tuple[bytes, str]:
    with tempfile.TemporaryDirectory(prefix="gpusim-sass-") as folder:
        source, target = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx, encoding="utf-8")
        command = [str(assembler), "-v", "-O3", f"-arch={arch}", "-o", str(target), str(source)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = "takes too long" if isinstance(error, subprocess.TimeoutExpired) else error
            raise CompileError(located(kernel, f"ptxas: {reason}")) from None
        if done.returncode != 0 or not target.is_file():
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            reason = lines[0].split("; ", 1)[-1].strip() if lines else f"code {done.returncode}"
            raise CompileError(located(kernel, f"ptxas: {reason[:200]}"))
        return target.read_bytes(), done.stderr + done.stdout


def text_section(binary: bytes, kernel: str) -> bytes:
    """Return a kernel's instructions out of a 64-bit ELF file.

    Raises
    ------
    CompileError
        There is no such section.
    """
    name = f".text.{kernel}".encode()
    try:
        (table,) = struct.unpack_from("<Q", binary, 0x28)
        entry, n_sections, names = struct.unpack_from("<HHH", binary, 0x3A)
        sections = [
            struct.unpack_from("<IIQQQQ", binary, table + i * entry) for i in range(n_sections)
        ]
        base = sections[names][4]
        for section in sections:
            start = base + section[0]
            if binary[start : binary.index(b"\0", start)] == name:
                return binary[section[4] : section[4] + section[5]]
    except (struct.error, ValueError, IndexError):
        raise CompileError(located(kernel, "ptxas wrote something that is no binary")) from None
    raise CompileError(located(kernel, "no code in the binary of ptxas"))


def read_code(code: bytes, *, arch: str, registers: int) -> SassKernel:
    """Find the loops of a kernel's instructions.

    Parameters
    ----------
    code : bytes
        Groups of a control word and three instructions.
    arch : str
    registers : int
        As ptxas says.
    """
    words = [
        (place, struct.unpack_from("<Q", code, place)[0])
        for place in range(0, len(code) - _WORD_BYTES + 1, _WORD_BYTES)
        if place % _GROUP_BYTES
    ]
    opcodes = [(place, word >> _OPCODE_SHIFT) for place, word in words]
    opcodes = [(place, opcode) for place, opcode in opcodes if opcode not in _NOPS]
    ends: dict[int, int] = {}
    for place, word in words:
        if word >> _OPCODE_SHIFT in _BRANCHES:
            target = place + _WORD_BYTES + _offset(word)
            # A branch to itself is the padding behind the end; a header may be the control word.
            if target < place and place - target > _WORD_BYTES:
                ends[target] = max(place, ends.get(target, 0))
    spans = sorted(ends.items())
    loops = tuple(_loop(spans, position, opcodes) for position in range(len(spans)))
    inside = [(start, end) for start, end in spans]
    free = [opcode for place, opcode in opcodes if not any(a <= place <= b for a, b in inside)]
    return SassKernel(
        arch=arch,
        registers=registers,
        instructions=len(opcodes),
        loops=loops,
        outside=_summary(0, free),
    )


def _offset(word: int) -> int:
    """Return the signed distance of a branch, bits 20 to 43."""
    distance = (word >> 20) & 0xFFFFFF
    return distance - (1 << 24) if distance >> 23 else distance


def _loop(spans: list[tuple[int, int]], position: int, opcodes: list[tuple[int, int]]) -> SassLoop:
    start, end = spans[position]
    inner = [(a, b) for a, b in spans if start <= a and b <= end and (a, b) != (start, end)]
    depth = sum(a <= start and end <= b for a, b in spans)
    own = [
        opcode
        for place, opcode in opcodes
        if start <= place <= end and not any(a <= place <= b for a, b in inner)
    ]
    return _summary(depth, own)


def _summary(depth: int, opcodes: list[int]) -> SassLoop:
    messages = sum(_KIND_OF.get(opcode) in MESSAGES for opcode in opcodes)
    return SassLoop(depth=depth, instructions=len(opcodes), messages=messages)
