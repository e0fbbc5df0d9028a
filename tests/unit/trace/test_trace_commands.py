"""gpusim info and gpusim trace, as a user types them."""

import gzip
import json

import pytest

from gpusim.cli.app import main
from gpusim.cli.info import format_bytes
from gpusim.trace import load_trace, write_trace
from tests.unit.trace.sample import same, sample_trace


@pytest.fixture
def path(tmp_path):
    write_trace(sample_trace(), tmp_path / "t.gptrace")
    return tmp_path / "t.gptrace"


def run(capsysbinary, *arguments):
    """Return exit code, stdout and stderr of one command."""
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = end.code or 0
    captured = capsysbinary.readouterr()
    return code, captured.out.decode(), captured.err.decode()


def test_info_tells_what_is_in_the_trace(path, capsysbinary):
    code, out, err = run(capsysbinary, "info", path)
    assert (code, err) == (0, "")
    assert "Mali-G72 (profile mali-g72), run by pthread-skylake" in out
    assert "5 launches, 1 of them failed, 5 other commands" in out
    assert "3 of 5 launches, of the real device, not of the presented one" in out
    assert "calls not recorded: clEnqueueSVMMap" in out
    assert "at most 1344 B at a time" in out
    assert "16×1×1" in out
    assert "NULL" in out


def test_info_json_is_one_object(path, capsysbinary):
    code, out, _ = run(capsysbinary, "info", path, "--json")
    summary = json.loads(out)
    assert code == 0
    assert summary["counts"]["launches"] == 5
    assert summary["kernels"][0]["kernel"] == "scale"


def test_info_shows_brackets_and_control_characters_as_text(tmp_path, capsysbinary):
    from dataclasses import replace

    trace = sample_trace()
    options = "-DA=[/red] -DB=\x1b[2J"
    program = replace(trace.programs[1], build_options=options)
    write_trace(sample_trace(programs={**trace.programs, 1: program}), tmp_path / "t")
    code, out, _ = run(capsysbinary, "info", tmp_path / "t")
    assert code == 0
    assert "-DA=[/red] -DB=\\x1b[2J" in out


def test_dump_and_convert_round_trip(path, tmp_path, capsysbinary):
    code, out, _ = run(capsysbinary, "trace", "dump", "--jsonl", path)
    assert code == 0
    assert all(json.loads(line) for line in out.splitlines())
    for name in ("t.jsonl", "t.jsonl.gz"):
        run(capsysbinary, "trace", "dump", path, "-o", tmp_path / name)
        code, message, _ = run(
            capsysbinary, "trace", "convert", tmp_path / name, "-o", tmp_path / "back"
        )
        assert (code, message) == (0, f"{tmp_path}/back: 5 launches, 5 other commands\n")
        assert (tmp_path / "back").read_bytes() == path.read_bytes()
    assert (tmp_path / "t.jsonl").read_text() == out
    assert gzip.decompress((tmp_path / "t.jsonl.gz").read_bytes()).decode() == out


def test_dump_without_blobs(path, capsysbinary):
    _, out, _ = run(capsysbinary, "trace", "dump", "--jsonl", "--no-blobs", path)
    assert '"record": "blob"' not in out
    assert json.loads(out.splitlines()[0])["completeness"]["blobs_omitted"] is True


def test_convert_to_a_folder(path, tmp_path, capsysbinary):
    code, out, _ = run(capsysbinary, "trace", "convert", path, "-o", f"{tmp_path}/d/", "--json")
    assert code == 0
    assert json.loads(out)["launches"] == 5
    assert (tmp_path / "d" / "manifest.json").is_file()
    same(sample_trace(), load_trace(tmp_path / "d"))


def test_scrub_says_what_went(path, tmp_path, capsysbinary):
    code, out, err = run(capsysbinary, "trace", "scrub", path, "-o", tmp_path / "s")
    assert code == 0
    assert "removed provenance: argv\n" in out
    assert "removed program 1: build options\n" in out
    assert err == "gpusim: note: contents of buffers are kept as they are\n"
    assert b"somebody" not in (tmp_path / "s").read_bytes()


@pytest.mark.parametrize("command", [["info"], ["trace", "dump"], ["trace", "convert", "-o", "x"]])
def test_bad_input_is_one_line_and_exit_code_2(command, tmp_path, capsysbinary):
    bad = tmp_path / "bad.gptrace"
    bad.write_bytes(b"PK\x03\x04 nothing more")
    code, out, err = run(capsysbinary, *command, bad)
    assert (code, out) == (2, "")
    assert err.startswith(f"gpusim: {bad}: damaged zip")
    assert err.count("\n") == 1


def test_output_that_cannot_be_written_is_named(path, tmp_path, capsysbinary):
    target = tmp_path / "none" / "t"
    code, _, err = run(capsysbinary, "trace", "convert", path, "-o", target)
    assert code == 2
    assert err == f"gpusim: {target}: cannot be written (found No such file or directory)\n"


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "-"), (0, "0 B"), (10_239, "10239 B"), (10_240, "10.0 KiB"), (3 << 30, "3,072.0 MiB")],
)
def test_sizes_for_people(size, text):
    assert format_bytes(size) == text
