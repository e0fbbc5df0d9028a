"""The C source of the shim: compiles cleanly, agrees with what Python says about it."""

import hashlib
import random
import re
import shutil
import subprocess

import numpy as np
import pytest

from gpusim.capture import build, raw_layout
from gpusim.capture.profile import list_profiles, load_profile
from gpusim.capture.raw_frames import crc32c
from gpusim.capture.shim_source import SHIM_DIR, api_names, query_names
from gpusim.errors import CaptureError
from tests.conftest import need
from tests.unit.capture.conftest import STRICT_GCC


def crc_by_bit(data: bytes) -> int:
    """CRC-32C by its definition: one bit at a time, polynomial 0x1EDC6F41 reflected."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """Return a function that runs C statements with the whole shim in view."""
    need(shutil.which("gcc"), "gcc")
    folder = tmp_path_factory.mktemp("inside")

    def run(statements: str, data: bytes = b"") -> str:
        source = folder / "inside.c"
        source.write_text(f'#include "shim.c"\nint main(void) {{ {statements} return 0; }}\n')
        flags = ["-O0", "-std=gnu11", "-fvisibility=hidden"]
        subprocess.run(
            [*STRICT_GCC, *flags, str(source), "-o", str(folder / "inside"), "-ldl"], check=True
        )
        done = subprocess.run([folder / "inside"], input=data, capture_output=True, check=True)
        return done.stdout.decode()

    return run


@pytest.mark.parametrize("compiler", ["gcc", "clang-14"])
def test_compiles_without_warnings(compiler, tmp_path):
    need(shutil.which(compiler), compiler)
    flags = ["-Wall", "-Wextra", "-Werror", "-fPIC", "-O2", "-std=gnu11", "-fvisibility=hidden"]
    files = [str(SHIM_DIR / "shim.c"), f"-Wl,--version-script={SHIM_DIR / 'exports.map'}"]
    output = ["-shared", "-o", str(tmp_path / "shim.so")]
    subprocess.run([compiler, *flags, *output, *files], check=True)


def test_exports_are_the_calls_the_layer_interface_and_nothing_else(tmp_path):
    need(shutil.which("nm"), "nm")
    need(shutil.which("gcc"), "gcc")
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(build.build_shim().library)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    symbols = dict(re.findall(r" [TD] (\w+)(?:@@(OPENCL_\d\.\d))?$", listed, re.MULTILINE))
    unversioned = {name for name, version in symbols.items() if not version}
    assert unversioned == {
        "clInitLayer", "clInitLayerWithProperties", "clDeinitLayer", "clGetLayerInfo",
        "clImportMemoryARM", "dlopen", "dlsym",
    }  # fmt: skip
    windows = {name for name in api_names().values() if "D3D1" in name or "DX9" in name}
    assert set(symbols) - unversioned == set(api_names().values()) - windows
    # Versions as the loaders export them: clang's oldest and newest calls.
    assert symbols["clCreateContext"] == "OPENCL_1.0"
    assert symbols["clCreateBufferWithProperties"] == "OPENCL_3.0"


def test_dispatch_table_has_every_place_once():
    # 149 places in the loaders' table as of OpenCL 3.0, in an order that never changes.
    assert sorted(api_names()) == list(range(149))
    assert len(set(api_names().values())) == 149
    assert api_names()[0] == "clGetPlatformIDs"
    assert api_names()[148] == "clSetContextDestructorCallback"


@pytest.mark.parametrize("profile", list_profiles())
def test_shim_knows_every_query_of_the_profiles(profile):
    assert set(load_profile(profile).flat()) <= query_names()


def test_record_layouts_agree(inside):
    names = ("launch_record", "times_record", "command_record", "box", "release_record")
    sizes = inside("".join(f'printf("%zu ", sizeof(struct {name}));' for name in names))
    layouts = (
        raw_layout.LAUNCH,
        raw_layout.TIMES,
        raw_layout.COMMAND,
        raw_layout.BOX,
        raw_layout.RELEASE,
    )
    assert [int(size) for size in sizes.split()] == [layout.itemsize for layout in layouts]


def test_record_types_agree(inside):
    names = [record.name for record in raw_layout.Record]
    values = inside("".join(f'printf("%d ", RECORD_{name});' for name in names))
    assert [int(value) for value in values.split()] == list(raw_layout.Record)


def test_checksums_agree_with_their_definitions(inside):
    random.seed(4)
    # Lengths in bytes, one behind the other: around the blocks of SHA-256 and the steps of the CRC.
    parts = [random.randbytes(size) for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 1000)]
    out = inside(
        "static unsigned char data[4096]; unsigned char digest[32]; char hex[65];"
        "if (fread(data, 1, sizeof data, stdin) == 0) return 1; crc32c_prepare(); size_t at = 0;"
        f"static const size_t sizes[] = {{{', '.join(str(len(part)) for part in parts)}}};"
        "for (size_t i = 0; i < COUNT(sizes); at += sizes[i++]) {"
        " digest_of(data + at, sizes[i], digest); hex_digest(digest, hex);"
        ' printf("%s %u\\n", hex, crc32c(data + at, sizes[i])); }',
        b"".join(parts),
    )
    for part, line in zip(parts, out.splitlines(), strict=True):
        digest, crc = line.split()
        assert digest == hashlib.sha256(part).hexdigest()
        assert int(crc) == crc_by_bit(part)


def test_batched_crc_agrees_with_its_definition():
    rng = np.random.default_rng(5)
    data = rng.integers(0, 256, 4096, dtype=np.uint8)
    starts = np.array([0, 4, 100, 1000, 8])
    sizes = np.array([8, 400, 0, 2000, 400])
    expected = [
        crc_by_bit(data[start : start + size].tobytes())
        for start, size in zip(starts, sizes, strict=True)
    ]
    assert crc32c(data, starts, sizes).tolist() == expected
    # The published check value of CRC-32C is that of the nine digits; here of eight of them.
    assert crc_by_bit(b"123456789") == 0xE3069283


KERNELS = (
    ("kernel void a() { get_global_size(0); } kernel void b() { barrier(1); }", "a", 1),
    ("kernel void a() { get_global_size(0); } kernel void b() { barrier(1); }", "b", 2),
    ("int f() { return get_local_id(0); } __kernel void a() { f(); }", "a", 2),
    ("kernel void a(local int *t) { if (1) { t[0] = 1; } }", "a", 2),
    ("kernel void a() { x.local_size = 1; get_global_id(0); }", "a", 0),
    ("kernel void NAME(a)() { get_local_id(0); } kernel void b() {}", "gone", 2),
    ("kernel __attribute__((reqd_work_group_size(1, 1, 1))) void a () {}", "a", 0),
)
"""Text, kernel, what it sees: 1 = the whole NDRange, 2 = its work-group."""


def test_what_a_kernel_sees_of_its_ndrange(inside):
    # Decides how a non-uniform launch is executed.
    calls = (
        f'{{ static const char t[] = "{text}";'
        f' printf("%u ", words_of_kernel(t, sizeof t - 1, "{name}")); }}'
        for text, name, _ in KERNELS
    )
    assert [int(word) for word in inside("".join(calls)).split()] == [item[2] for item in KERNELS]


def test_parameters_from_the_text(inside):
    text = (
        "kernel void f(__global const float *x, int n, local int *t, const sampler_t s, "
        "read_only image2d_t i, constant uint4 *c, struct T v, float4 w) {}"
    )
    out = inside(
        f'static char t[] = "{text}"; struct program p = {{.text = t, .size = sizeof t - 1}};'
        'struct parameter q[8] = {{0, 0}}; parse_parameters(&p, "f", q, 8);'
        'for (int i = 0; i < 8; i++) printf("%x:%d ", q[i].address, q[i].sampler);'
    )
    # 119b global, 119c local, 119d constant, 119e private; 0: a structure, unknown here.
    assert out.split() == [
        "119b:0",
        "119e:0",
        "119c:0",
        "119e:1",
        "119b:0",
        "119d:0",
        "0:0",
        "119e:0",
    ]


def test_options_are_taken_out_one_by_one(inside):
    asked = (
        '-DA=1 -cl-std=CL2.0 -cl-arm-non-uniform-work-group-size -DB=\\"x y\\" '
        "-DARM_COMPUTE_OPENCL_FP16_ENABLED=1"
    )
    out = inside(
        f'static const char o[] = "{asked}";'
        'puts(options_without(o, REMOVE_ARM_FLAGS, "-more"));'
        "puts(options_without(o, REMOVE_STANDARD | REMOVE_ARM_DEFINES, NULL));"
        'puts(options_without(NULL, 7, NULL)); puts(options_without("", 7, "-more"));'
    ).splitlines()
    assert out == [
        '-DA=1 -cl-std=CL2.0 -DB="x y" -DARM_COMPUTE_OPENCL_FP16_ENABLED=1 -more',
        '-DA=1 -cl-arm-non-uniform-work-group-size -DB="x y"',
        "",
        "-more",
    ]


def test_cached_by_source(monkeypatch):
    need(shutil.which("gcc"), "gcc")
    first = build.build_shim()
    before = first.library.stat().st_mtime_ns
    assert build.build_shim() == first
    assert first.library.stat().st_mtime_ns == before
    monkeypatch.setattr(build, "source_hash", lambda: "0" * 64)
    assert build.build_shim().library != first.library


def test_without_any_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("GPUSIM_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    with pytest.raises(CaptureError, match="install a C compiler or the ziglang package"):
        build.build_shim()


def test_broken_compiler_is_passed_over(monkeypatch, tmp_path):
    need(shutil.which("gcc"), "gcc")
    monkeypatch.setenv("GPUSIM_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CC", "false")
    assert build.build_shim().library.is_file()


def test_unknown_target():
    with pytest.raises(CaptureError, match=r"unknown target .*aarch64-linux-gnu"):
        build.build_shim("riscv64-linux-gnu")


@pytest.mark.parametrize(
    "entry", ["clInitLayer(149, below", "clInitLayerWithProperties(149, below"]
)
def test_layer_interface_of_older_and_newer_loaders(inside, entry):
    rest = ", NULL)" if "Properties" in entry else ")"
    out = inside(
        "static void *below[149]; void *const *table = NULL; cl_uint n = 0, version = 0;"
        "for (int i = 0; i < 149; i++) below[i] = (void *)no_such_call;"
        f"cl_int rc = {entry}, &n, &table{rest};"
        "clGetLayerInfo(0x4240, sizeof version, &version, NULL);"
        "int mine = 0, empty = 0;"
        "for (int i = 0; i < 149; i++) { empty += !table[i]; mine += table[i] != below[i]; }"
        'printf("%d %u %u %d %d %d %d", rc, n, version, empty, mine,'
        " table[SLOT_clFinish] == (void *)shim_clFinish, clDeinitLayer());"
    )
    assert out == "0 149 100 0 149 1 0"
