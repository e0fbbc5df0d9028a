"""Our CLBlast makes the launches that the real one makes, under every impersonation profile."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gpusim.capture.profile import load_profile
from gpusim.capture.run import capture
from gpusim.capture.runtime import has_system_vendor, system_library
from gpusim.library.clblast.gemm import Operand, Product, Routines
from gpusim.library.clblast.parameters import VERSION, parameters
from gpusim.library.planned_trace import PlannedTrace
from gpusim.trace import load_trace
from tests.conftest import need

CLIENT = Path(__file__).resolve().parent / "programs" / "clblast_calls.c"

PROFILES = [
    "mali-t628",
    "mali-t860",
    "mali-g72",
    "mali-g610",
    "adreno-530",
    "mali-t760",
    "other",
]
"""The last two are made up: a profile under another device name."""

ROWS, COLUMNS, NO, YES = 101, 102, 111, 112

GEMMS = [
    # layout, a and b transposed, m, n, k, beta is zero, padding of a
    (ROWS, NO, NO, 92, 784, 1152, 1, 0),
    (ROWS, NO, NO, 96, 784, 1152, 1, 0),
    (ROWS, NO, NO, 97, 196, 2304, 1, 0),
    (ROWS, NO, NO, 64, 3136, 576, 1, 0),
    (ROWS, NO, NO, 64, 64, 64, 1, 0),
    (ROWS, NO, NO, 127, 127, 130, 1, 0),
    (ROWS, NO, NO, 128, 128, 128, 1, 0),
    (ROWS, NO, NO, 512, 512, 512, 1, 0),
    (ROWS, NO, NO, 1000, 1000, 1000, 1, 0),
    (ROWS, NO, NO, 1000, 1, 2048, 1, 0),
    (ROWS, NO, YES, 1, 4096, 9216, 1, 0),
    (ROWS, NO, YES, 4, 1000, 2048, 1, 0),
    (ROWS, NO, NO, 64, 3136, 1, 0, 0),
    (ROWS, NO, NO, 64, 50176, 1, 0, 0),
    (ROWS, NO, NO, 92, 784, 1152, 0, 0),
    (ROWS, NO, NO, 92, 784, 1152, 1, 3),
    (ROWS, YES, NO, 92, 784, 1152, 1, 0),
    (ROWS, NO, YES, 92, 784, 1152, 1, 0),
    (ROWS, YES, YES, 92, 784, 1152, 1, 0),
    (COLUMNS, NO, NO, 92, 784, 1152, 1, 0),
    (COLUMNS, YES, NO, 96, 768, 1152, 1, 0),
    (COLUMNS, NO, YES, 128, 768, 1152, 1, 0),
    (COLUMNS, NO, YES, 128, 768, 1152, 0, 0),
    (COLUMNS, NO, YES, 128, 768, 1152, 1, 32),
    (COLUMNS, NO, NO, 1024, 1024, 1024, 1, 0),
    (COLUMNS, NO, NO, 7, 5, 3, 1, 0),
    (ROWS, NO, YES, 7, 5, 3, 1, 0),
    (ROWS, YES, YES, 64, 63, 3, 1, 0),
]
IM2COLS = [
    # channels, height, width, kernel, padding, stride, dilation: y and x each
    (3, 224, 224, 7, 7, 3, 3, 2, 2, 1, 1),
    (64, 56, 56, 3, 3, 1, 1, 1, 1, 1, 1),
    (16, 9, 5, 3, 3, 1, 1, 1, 1, 2, 2),
    (256, 56, 56, 1, 1, 0, 0, 2, 2, 1, 1),
    (5, 33, 17, 5, 3, 2, 1, 1, 3, 1, 2),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    need(shutil.which("gcc"), "gcc")
    need(any(Path("/usr/include").glob("**/clblast_c.h")), "libclblast-dev")
    need(system_library() and has_system_vendor(), "an OpenCL runtime (pocl-opencl-icd)")
    header = next(Path("/usr/include").glob("**/clblast.h"), None)
    text = header.read_text() if header else ""
    found = ".".join(
        match[1]
        for name in ("MAJOR", "MINOR", "PATCH")
        if (match := re.search(rf"define CLBLAST_VERSION_{name} (\d+)", text))
    )
    need(found in ("", VERSION), f"CLBlast {VERSION}")
    program = tmp_path_factory.mktemp("clblast") / "calls"
    libraries = ["-lclblast", "-lOpenCL"]
    subprocess.run(["gcc", "-O1", str(CLIENT), "-o", str(program), *libraries], check=True)
    return str(program)


def profile_of(name: str, folder: Path) -> str:
    """Return a profile id, or the path of a shipped profile under another device name."""
    if name not in ("mali-t760", "other"):
        return name
    base = "mali-t860" if name == "mali-t760" else "adreno-530"
    text = load_profile(base).path.read_text()
    text = re.sub(r"(?m)^id: .*", f"id: {name}", text)
    text = text.replace("Mali-T860", "Mali-T760").replace('"QUALCOMM Adreno(TM)"', "A GPU")
    text = text.replace("CL_DEVICE_VENDOR: {value: QUALCOMM", "CL_DEVICE_VENDOR: {value: Nobody")
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return str(path)


def ours(target: str, bits: int) -> list[tuple[object, ...]]:
    plan = PlannedTrace("contract")
    routines = Routines(plan, target, "f32" if bits == 32 else "f16")

    def operand(is_rows: bool, rows: int, columns: int, more: int = 0) -> Operand:
        ld = (columns if is_rows else rows) + more
        return Operand(buffer=plan.buffer(4), offset=0, is_row_major=is_rows, ld=ld)

    for layout, a, b, m, n, k, is_zero, padding in GEMMS:
        by_rows = layout == ROWS
        routines.gemm(
            Product(
                m=m,
                n=n,
                k=k,
                a=operand(by_rows == (a == NO), m, k, padding),
                b=operand(by_rows == (b == NO), k, n),
                c=operand(by_rows, m, n),
                beta=0.0 if is_zero else 1.0,
            )
        )
    for channels, height, width, kh, kw, ph, pw, sh, sw, dh, dw in IM2COLS:
        out_h = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1
        out_w = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
        sizes = (height, width, channels, out_h, out_w, kh, kw, ph, pw, sh, sw, dh, dw)
        routines.im2col(sizes, plan.buffer(4), 0, plan.buffer(4))
    return [(one.kernel, one.global_size, one.local_size) for one in plan.trace().launches]


def captured(client: str, name: str, bits: int, folder: Path):
    arguments = [word for row in GEMMS for word in ("gemm", bits, *row)]
    arguments += [word for row in IM2COLS for word in ("im2col", bits, *row)]
    trace = folder / "calls.gptrace"
    result = capture(
        [client, *map(str, arguments)], output=trace, profile=profile_of(name, folder), dry=True
    )
    assert result.exit_code == 0
    return load_trace(trace)


@pytest.mark.clblast
@pytest.mark.parametrize("bits", [32, 16])
@pytest.mark.parametrize("name", PROFILES)
def test_launches_and_parameters_equal_the_library_s(client, name, bits, tmp_path):
    trace = captured(client, name, bits, tmp_path)
    theirs = [(one.kernel, one.global_size, one.local_size) for one in trace.launches]
    assert ours(name, bits) == theirs
    assert len(theirs) > len(GEMMS)
    expected = parameters(name, "f32" if bits == 32 else "f16")
    texts = [trace.read_blob(program.blob).decode() for program in trace.programs.values()]
    texts = [text for text in texts if re.search(rf"#define PRECISION {bits}\b", text)]
    text = next(text for text in texts if re.search(r"#define MWG ", text))
    for parameter, value in expected.items():
        found = re.search(rf"(?m)^\s*#define {parameter} (\d+)", text)
        assert found is not None, parameter
        assert int(found[1]) == value, parameter
