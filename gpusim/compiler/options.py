"""OpenCL build options -> options of the clang front end.

Every option that a library passes is accepted; one that gpusim does not know is reported by name
and otherwise ignored, because a captured program was already built once by a real driver.
"""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import dataclass

from gpusim.errors import CompileError, located

_FAST_MATH = {
    "-cl-single-precision-constant",
    "-cl-no-signed-zeros",
    "-cl-finite-math-only",
    "-cl-unsafe-math-optimizations",
    "-cl-fast-relaxed-math",
    "-cl-mad-enable",
}
"""Passed on to clang under the same name."""

_IGNORED = {
    "-cl-denorms-are-zero",
    "-cl-fp32-correctly-rounded-divide-sqrt",
    "-cl-opt-disable",
    "-cl-strict-aliasing",
    "-cl-uniform-work-group-size",
    "-cl-no-subgroup-ifp",
    "-cl-kernel-arg-info",
    "-cl-arm-non-uniform-work-group-size",
    "-qcom-accelerate-16-bit",
    "-Werror",
    "-w",
    "-g",
}
"""Accepted without effect: the pipeline is pinned, or the effect is not on counts."""

_IGNORED_PREFIXES = ("-O", "-W", "-cl-nv-", "-cl-intel-", "-cl-arm-", "-cl-qcom-")

_STANDARDS = {
    "CL1.0": "CL1.2",
    "CL1.1": "CL1.2",
    "CL1.2": "CL1.2",
    "CL2.0": "CL2.0",
    "CL3.0": "CL3.0",
}
"""OpenCL C 1.0 and 1.1 programs are compiled as 1.2, which contains them."""

DEFAULT_STANDARD = "CL1.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEndOptions:
    """What the front end needs to know of a build-option string."""

    standard: str
    macros: tuple[str, ...]
    """``-DNAME=VALUE`` and ``-UNAME``, in order."""
    include_dirs: tuple[str, ...]
    """Folders of the program's own headers, relative, ``/`` separated."""
    math: tuple[str, ...]
    """Fast-math flags under clang's names."""
    warnings: tuple[str, ...]
    """One line for each option that was not understood."""


def parse_options(options: str, *, where: str) -> FrontEndOptions:
    """Translate a build-option string.

    Parameters
    ----------
    options : str
        As given to clBuildProgram.
    where : str
        Name of the program, for messages.

    Returns
    -------
    FrontEndOptions

    Raises
    ------
    CompileError
        Unbalanced quotes, or an option without its value.
    """
    try:
        words = shlex.split(options.replace("\0", " "))
    except ValueError as error:
        raise CompileError(located(where, f"build options are malformed: {error}")) from error
    standard = DEFAULT_STANDARD
    macros: list[str] = []
    include_dirs: list[str] = []
    math: list[str] = []
    warnings: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word in ("-D", "-U", "-I"):
            if position == len(words):
                raise CompileError(located(where, f"build option {word} has no value"))
            word += words[position]
            position += 1
        if word.startswith(("-D", "-U")):
            macros.append(word)
        elif word.startswith("-I"):
            include_dirs.append(_relative_dir(word[2:]))
        elif word.startswith("-cl-std="):
            wanted = word.removeprefix("-cl-std=")
            if wanted in _STANDARDS:
                standard = _STANDARDS[wanted]
            else:
                warnings.append(f"{where}: build option {word} is not known, used {standard}")
        elif word in _FAST_MATH:
            math.append(word)
        elif word not in _IGNORED and not word.startswith(_IGNORED_PREFIXES):
            warnings.append(f"{where}: build option {word} is not known and has no effect")
    return FrontEndOptions(
        standard=standard,
        macros=tuple(macros),
        include_dirs=tuple(dict.fromkeys(include_dirs)),
        math=tuple(dict.fromkeys(math)),
        warnings=tuple(warnings),
    )


def _relative_dir(folder: str) -> str:
    """Return an include folder as a place among the given headers; host paths mean nothing."""
    parts = [part for part in posixpath.normpath(folder.replace("\\", "/")).split("/") if part]
    return "/".join(part for part in parts if part not in (".", ".."))
