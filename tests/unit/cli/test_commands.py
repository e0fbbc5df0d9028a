import json
import subprocess
import sys

import pytest

from gpusim.cli import app
from gpusim.errors import TraceError
from gpusim.resources import traces_dir

TRACE = str(traces_dir() / "resnet50-l16-c97.gptrace")


def run(capsys, *arguments):
    """Run the command line in-process; return exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as caught:
        app.main(list(arguments))
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def test_help_lists_every_command(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for command in app.COMMANDS:
        assert command.split("_")[0] in out


def test_replay_json_has_the_promised_keys(capsys):
    code, out, err = run(capsys, "replay", TRACE, "--device", "mali-g72", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert {"launches", "total_ms", "counters", "evidence"} <= set(document)
    launch = document["launches"][2]
    assert {"index", "kernel", "global", "local", "jobs", "predicted_ms"} <= set(launch)
    assert launch["kernel"] == "gemm_mm"
    assert launch["local"] == [4, 1, 1]
    assert document["launches"][0]["local"] is None
    assert {
        "global",
        "local",
        "work_groups",
        "arithmetic_instructions",
        "memory_instructions",
        "start_ps",
        "end_ps",
    } <= set(launch["jobs"][0])


def test_replay_twice_gives_the_same_bytes(capsys):
    first = run(capsys, "replay", TRACE, "--device", "mali-g72", "--json")
    assert first == run(capsys, "replay", TRACE, "--device", "mali-g72", "--json")


def test_replay_csv(capsys):
    code, out, _ = run(capsys, "replay", TRACE, "--device", "mali-t628", "--csv")
    assert code == 0
    assert out.splitlines()[0].startswith("device,launch,kernel")
    assert len(out.splitlines()) == 10


def test_demo_writes_what_it_says(capsys, tmp_path):
    code, out, _ = run(capsys, "demo", "--out", str(tmp_path / "demo"))
    assert code == 0
    assert "side by side" in out
    written = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert all(name in out for name in written)
    assert "replay.png" in written
    assert "timeline-mali-g72.json" in written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "missing.gptrace", "--device", "mali-g72"], "missing.gptrace"),
        (["replay", TRACE, "--device", "mali-g27"], "mali-g72"),
        (["replay", TRACE, "--device", "mali-g72", "--fidelity", "exact"], "wave"),
        (["device", "mali-g27"], "mali-g72"),
        (["info", "missing.gptrace"], "missing.gptrace"),
        (["validate", "missing.jsonl", "--device", "mali-t860"], "missing.jsonl"),
        (["count", "missing.cl", "--kernel", "k", "--global", "1"], "missing.cl"),
        (["lower", "missing.cl", "--kernel", "k", "--isa", "bifrost"], "missing.cl"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_import_stays_light():
    """`import gpusim` must not pull in what only some stages need."""
    code = (
        "import sys, gpusim;"
        "heavy = {'numpy', 'numba', 'llvmlite', 'pandas', 'matplotlib', 'simpy', 'pyarrow'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_public_names_are_frozen():
    import gpusim

    assert dir(gpusim) == [
        "GpusimError",
        "__version__",
        "count_kernel",
        "list_devices",
        "load_device",
        "load_trace",
        "predict",
        "replay",
    ]
    for name in dir(gpusim):
        assert getattr(gpusim, name) is not None


@pytest.mark.parametrize("place", [0, 4])
def test_debug_shows_the_traceback(place):
    arguments = ["replay", "missing.gptrace", "--device", "mali-g72"]
    arguments.insert(place, "--debug")
    with pytest.raises(TraceError):
        app.main(arguments)


def test_debug_of_a_captured_program_is_its_own():
    words = ["capture", "--", "./program", "--debug"]
    assert app._take_debug(words) == (words, False)


def test_a_bug_is_one_line_too(capsys, monkeypatch):
    def broken():
        raise TypeError("two\nlines")

    monkeypatch.setattr(app, "build_app", broken)
    code, _, err = run(capsys, "devices")
    assert code == 1
    assert err == "gpusim: internal error: TypeError: two lines (--debug shows where)\n"
