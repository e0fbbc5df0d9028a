"""Limits: every one can be raised by its name, and every message gives that name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gpusim.cli.app import build_app
from gpusim.compiler.limits import how_to_raise
from gpusim.count import Limits, count_kernel
from gpusim.count.limits import parse_limits
from gpusim.errors import CompileError, CountError

SOURCE = (
    "kernel void k(global int *a, int n) { for (int i = 0; i < n; i += a[8] + 1) a[i & 7] = i; }"
)
"""How far it runs depends on contents, so it runs with all checks."""


def test_every_limit_can_be_set() -> None:
    for item in fields(Limits):
        found = parse_limits([f"{item.name}=77"])
        assert getattr(found, item.name) == 77
        assert type(getattr(found, item.name)) is type(item.default)
        others = [other.name for other in fields(Limits) if other.name != item.name]
        assert all(getattr(found, name) == getattr(Limits(), name) for name in others)


def test_the_last_setting_counts() -> None:
    assert parse_limits(["seconds=1", "instructions=1e9", "seconds=2.5"]) == Limits(
        seconds=2.5, instructions=10**9
    )
    assert parse_limits([]) == Limits()


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("second=1", "no such limit .*NAME=VALUE, NAME one of source_bytes.*, found second"),
        ("seconds", "not a limit .*a positive number"),
        ("seconds=", "not a limit"),
        ("seconds=0", "not a limit"),
        ("seconds=-1", "not a limit"),
        ("seconds=nan", "not a limit"),
        ("seconds=inf", "not a limit"),
        ("seconds=1 minute", "not a limit"),
        ("memory_bytes=1e30", "not a limit"),
        ("instructions=0.5", "not a limit .*at least 1"),
    ],
)
def test_settings_that_are_wrong(setting: str, why: str) -> None:
    with pytest.raises(CountError, match=why):
        parse_limits([setting])


MESSAGES = {
    "instructions": (100, "more than 100 instructions"),
    "memory_bytes": (1000, "bring the buffers above 1000 bytes"),
    "source_bytes": (20, "program text is too large"),
}


@pytest.mark.parametrize("name", list(MESSAGES))
def test_messages_name_the_option(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is measured of a program that is in the cache.
    monkeypatch.setenv("GPUSIM_CACHE_DIR", str(tmp_path))
    value, text = MESSAGES[name]
    limits = Limits(**{name: value})  # type: ignore[arg-type]
    with pytest.raises((CountError, CompileError)) as caught:
        count_kernel(SOURCE, "k", (1,), args=["buffer:4096", "i32:99"], mode="full", limits=limits)
    assert text in str(caught.value)
    assert how_to_raise(name) in str(caught.value)
    assert f"--limit {name}=N" in str(caught.value)
    count_kernel(SOURCE, "k", (1,), args=["buffer:4096", "i32:99"], mode="full")


def test_the_command_takes_limits(tmp_path: Path) -> None:
    file = tmp_path / "k.cl"
    file.write_text(SOURCE)
    words = ["count", str(file), "--kernel", "k", "--global", "1", "--mode", "full"]
    words += ["--arg", "buffer:4096", "--arg", "i32:99"]
    app = build_app()
    for extra in (["--limit", "instructions=100"], ["--instructions", "100"]):
        done = CliRunner().invoke(app, [*words, *extra])
        assert isinstance(done.exception, CountError)
        assert "more than 100 instructions" in str(done.exception)
    both = ["--limit", "instructions=100", "--limit", "instructions=1e6", "--limit", "seconds=9"]
    assert CliRunner().invoke(app, [*words, *both]).exit_code == 0
