"""A clang of the system does where the ziglang package is missing."""

from __future__ import annotations

import pytest

from gpusim.compiler import clang as front_end
from gpusim.compiler.clang import Clang
from gpusim.compiler.extract import kernel_from_program
from gpusim.compiler.options import parse_options
from gpusim.compiler.packing import pack_kernel, unpack_kernel
from gpusim.errors import CompileError
from tests.conftest import need
from tests.unit.compiler.test_normalise import ACCUMULATE, LIBRARY, accesses


def system_clangs() -> list[Clang]:
    """Return the usable clangs on the PATH."""
    found = [
        front_end._probe(command, origin)
        for command, origin in front_end._candidates()
        if origin == "system"
    ]
    limits = range(front_end.MINIMUM_MAJOR, front_end.MAXIMUM_MAJOR + 1)
    return [clang for clang in found if clang is not None and clang.major in limits]


def test_the_system_clang_gives_the_same_kind_of_ir(monkeypatch: pytest.MonkeyPatch) -> None:
    clangs = system_clangs()
    need(clangs, "a clang of version 15 to 22")
    for clang in clangs:
        monkeypatch.setattr(front_end, "find_clang", lambda clang=clang: clang)
        text = front_end.clang_to_ir(ACCUMULATE, parse_options("", where="x"), {}, where="x")
        extracted = kernel_from_program(text, "k", where="x")
        kernel = unpack_kernel(pack_kernel(extracted, pipeline="", key="", source_lines=[]))
        assert set(accesses(kernel, in_loops=True)) == {("load", 1, 4)}
        options = parse_options("-cl-std=CL2.0", where="x")
        text = front_end.clang_to_ir(LIBRARY, options, {}, where="x")
        assert "addrspace(4)" not in kernel_from_program(text, "k", where="x").text


def test_without_any_clang_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(front_end, "_candidates", lambda: [(("/nowhere/clang",), "system")])
    with pytest.raises(CompileError, match="pip install ziglang"):
        front_end.find_clang.__wrapped__()
