"""What is written loads back equal, in every form, to the same bytes."""

import gzip
import io
from dataclasses import replace

import pytest

from gpusim.errors import OutputError, TraceError
from gpusim.trace import load_trace, write_trace
from gpusim.trace.jsonl import dump_jsonl, read_jsonl
from tests.unit.trace.sample import BLOBS, CONTENT, SOURCE, same, sample_trace, sha


@pytest.mark.parametrize("name", ["t.gptrace", "t.gptrace/"])
def test_canonical_form_loads_back_equal(tmp_path, name):
    trace = sample_trace()
    write_trace(trace, f"{tmp_path}/{name}")
    loaded = load_trace(tmp_path / "t.gptrace")
    same(trace, loaded)
    assert loaded.notes == ()
    assert loaded.impersonated
    assert loaded.manifest["profile"] == "mali-g72"
    assert loaded.manifest["provenance"] == trace.manifest["provenance"]
    assert loaded.manifest["completeness"]["untimed_launches"] == 2
    for name_of_blob, contents in BLOBS.items():
        assert loaded.read_blob(name_of_blob) == contents


def test_same_trace_gives_same_bytes_through_any_form(tmp_path):
    first, second, folder = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    write_trace(sample_trace(), first)
    write_trace(load_trace(first), f"{folder}/")
    write_trace(read_jsonl(io.BytesIO(b"".join(dump_jsonl(load_trace(folder)))), "x"), second)
    assert first.read_bytes() == second.read_bytes()


def test_jsonl_loads_back_equal(tmp_path):
    trace = sample_trace()
    text = b"".join(dump_jsonl(trace))
    plain, packed = tmp_path / "t.jsonl", tmp_path / "t.jsonl.gz"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    for path in (plain, packed):
        loaded = load_trace(path)
        same(trace, loaded)
        assert loaded.read_blob(sha(SOURCE)) == SOURCE
        assert b"".join(dump_jsonl(loaded)) == text


def test_jsonl_without_blobs_loads_and_says_what_is_missing(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"".join(dump_jsonl(sample_trace(), with_blobs=False)))
    loaded = load_trace(path)
    same(sample_trace(), loaded)
    with pytest.raises(TraceError, match="blob missing"):
        loaded.read_blob(sha(CONTENT))


def test_zip_of_the_folder_with_its_name_loads(tmp_path):
    import zipfile

    write_trace(sample_trace(), f"{tmp_path}/t.gptrace/")
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted((tmp_path / "t.gptrace").rglob("*")):
            archive.write(file, file.relative_to(tmp_path))
    same(sample_trace(), load_trace(path))


def test_blobs_may_be_given_and_unused_ones_are_left_out(tmp_path):
    trace = replace(sample_trace(), read_blob=lambda name: pytest.fail("asked for a blob"))
    other = b"nobody refers to this"
    write_trace(trace, tmp_path / "t", blobs=[*BLOBS.items(), (sha(other), other)])
    loaded = load_trace(tmp_path / "t")
    assert loaded.read_blob(sha(SOURCE)) == SOURCE
    with pytest.raises(TraceError, match="blob missing"):
        loaded.read_blob(sha(other))


def test_writing_a_blob_under_a_wrong_name_is_refused(tmp_path):
    with pytest.raises(TraceError, match="blob does not match its name"):
        write_trace(sample_trace(), tmp_path / "t", blobs={**BLOBS, sha(SOURCE): b"other"})
    assert list(tmp_path.iterdir()) == []


def test_writing_without_a_blob_that_is_referred_to_is_refused(tmp_path):
    with pytest.raises(TraceError, match=r"programs\.parquet: row 0: blob missing"):
        write_trace(sample_trace(), tmp_path / "t", blobs={})


def test_a_folder_that_is_no_trace_is_not_replaced(tmp_path):
    (tmp_path / "precious").write_text("data")
    with pytest.raises(OutputError, match="not a trace"):
        write_trace(sample_trace(), f"{tmp_path}/")
    assert (tmp_path / "precious").read_text() == "data"


def test_a_folder_trace_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "t.gptrace"
    write_trace(sample_trace(), f"{target}/")
    write_trace(sample_trace(launches=(), commands=()), target)
    assert len(load_trace(target).launches) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.gptrace"]


def test_empty_trace_round_trips(tmp_path):
    from gpusim.trace import Trace

    write_trace(Trace(name="empty"), tmp_path / "t")
    loaded = load_trace(tmp_path / "t")
    assert list(loaded.launches) == []
    assert loaded.devices == ()
