import gzip
import json

import pytest

from gpusim.errors import TraceError
from gpusim.validation.kernel_records import read_kernel_records
from tests.conftest import shared_dir

RECORD = {
    "line": 7,
    "task": "conv.mali",
    "costs": [2e-3, 4e-3],
    "args": [[[1, 8, 4, 4], "float16"], [[8, 3], "float16"]],
    "launches": [
        {"global": [4, 4], "local": [2, 2]},
        {"global": [8, 4, 4], "local": [1, 1, 8]},
    ],
    "source": "__kernel void default_function_kernel(__global half* a) {}",
    "bindings": [[["a", "data_vec"]], [["x", "arg0"], ["y", "arg1"]]],
    "buffers": {"intermediates": [["data_vec", 10, "float32x4"]]},
    "record": {"result": [[2e-3], 0, 1.0, 1538220868.9]},
}


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_record_becomes_a_trace(tmp_path):
    (record,) = read_kernel_records(write(tmp_path / "r.jsonl", RECORD))
    assert (record.line, record.template, record.dtype) == (7, "conv.mali", "float16")
    assert record.measured_s == pytest.approx(3e-3)
    assert record.unix_time == pytest.approx(1538220868.9)
    first, second = record.trace.launches
    assert first.kernel == "default_function_kernel"
    assert second.kernel == "default_function_kernel_1"
    assert first.global_size == (4, 4, 1)
    assert [argument.ref for argument in second.arguments] == [0, 1]
    sizes = {number: buffer.size_bytes for number, buffer in record.trace.buffers.items()}
    assert sizes == {0: 1 * 8 * 4 * 4 * 2, 1: 8 * 3 * 2, 2: 10 * 16}
    program = record.trace.programs[first.program]
    assert record.trace.read_blob(program.blob).decode() == RECORD["source"]


def test_without_costs_nothing_is_measured(tmp_path):
    bare = {key: value for key, value in RECORD.items() if key not in ("costs", "record")}
    (record,) = read_kernel_records(write(tmp_path / "r.jsonl", bare))
    assert record.measured_s is None
    assert record.unix_time is None


def test_gzip_by_content_not_by_name(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(gzip.compress(json.dumps(RECORD).encode()))
    assert len(read_kernel_records(path)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bindings": [[["a", "nowhere"]], []]}, "unknown buffer"),
        ({"bindings": [[]]}, "malformed"),
        ({"args": [[[4], "complex64"]]}, "malformed"),
        ({"costs": [0.0]}, "not positive"),
        ({"launches": [{"global": [0], "local": [1]}] * 2}, "below 1"),
        ({"launches": [], "bindings": []}, "without launches"),
        ({"source": 3}, "malformed"),
    ],
)
def test_bad_records_name_file_and_line(tmp_path, change, message):
    path = write(tmp_path / "r.jsonl", RECORD, RECORD | change)
    with pytest.raises(TraceError, match=rf"r\.jsonl:2.*{message}") as caught:
        read_kernel_records(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n", b"\x1f\x8b\x08broken"])
def test_bad_files(tmp_path, content):
    path = tmp_path / "r.jsonl"
    path.write_bytes(content)
    with pytest.raises(TraceError):
        read_kernel_records(path)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "number"), [("mali_v0.06", 249), ("mali_v0.01", 26), ("tx2_as_opencl", 82)]
)
def test_the_measured_files_read_completely(name, number):
    path = shared_dir() / "measured" / f"{name}_kernels.jsonl.gz"
    records = read_kernel_records(path)
    assert len(records) == number
    assert all(record.measured_s for record in records)
