"""``gpusim doctor``: it tries things out, says how to get what is missing, and survives."""

import json
import shutil
import subprocess

import pytest

from gpusim.cli import doctor_checks
from gpusim.cli.app import main
from gpusim.errors import CompileError
from tests.conftest import need


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["doctor", *arguments])
    out, _ = capsys.readouterr()
    return stop.value.code, out


def by_name(checks):
    return {check["name"]: check for check in checks}


def test_the_core_works_here(capsys):
    code, out = run(capsys, "--json")
    report = json.loads(out)
    checks = by_name(report["checks"])
    assert (code, report["ok"]) == (0, True)
    core = [check for check in report["checks"] if check["group"] == "core"]
    assert {check["name"] for check in core} == {
        *("Python", "Python packages", "LLVM", "Numba", "clang", "disk cache", "device models")
    }
    assert all(check["status"] == "ok" for check in core)
    assert "compiles OpenCL C" in checks["clang"]["found"]


def test_whatever_is_not_ok_comes_with_a_way_to_get_it(capsys):
    _, out = run(capsys, "--json")
    for check in json.loads(out)["checks"]:
        assert check["status"] in ("ok", "missing", "broken")
        assert bool(check["get"]) == (check["status"] != "ok"), check["name"]


def test_a_missing_clang_and_an_unwritable_cache_fail_the_core(capsys, monkeypatch, tmp_path):
    def no_clang():
        raise CompileError("clang: no usable OpenCL front end")

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GPUSIM_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("gpusim.compiler.find_clang", no_clang)
    code, out = run(capsys)
    assert code == 1
    assert "pip install ziglang" in out
    assert "GPUSIM_CACHE_DIR" in out
    assert "does NOT work" in out


def test_a_check_that_fails_unexpectedly_is_reported_not_raised(monkeypatch):
    def explodes():
        raise RuntimeError("two\nlines")

    (check,) = doctor_checks._guarded(explodes)
    assert check.status == "broken"
    assert check.found == "RuntimeError: two lines"


def test_a_crashing_opencl_driver_is_survived(monkeypatch, tmp_path):
    compiler = shutil.which("cc")
    need(compiler, "a C compiler")
    source = tmp_path / "driver.c"
    source.write_text(
        "#include <stdlib.h>\n__attribute__((constructor)) static void load(void) { abort(); }\n"
    )
    library = tmp_path / "driver.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    (tmp_path / "crash.icd").write_text(f"{library}\n")
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path))
    found = {check.name: check for check in doctor_checks._opencl()}
    assert found["OpenCL loader"].status == "broken"
    assert "exit status" in found["OpenCL loader"].found
    assert found["PoCL"].status == "missing"
    assert "gpusim[pocl]" in found["PoCL"].get


def test_pocl_is_found_and_runs_a_kernel():
    checks = doctor_checks._opencl()
    working = [check for check in checks if check.name == "OpenCL: PoCL" and check.status == "ok"]
    need(working, "a working PoCL")
    assert "runs a kernel" in working[0].found
