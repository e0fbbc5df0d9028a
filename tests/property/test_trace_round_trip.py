"""Any valid trace survives every form of the format, to the byte."""

import io

from hypothesis import HealthCheck, given, settings

from gpusim.trace.footprint import footprint
from gpusim.trace.jsonl import dump_jsonl, read_jsonl
from gpusim.trace.reader import read_files
from gpusim.trace.scrub import scrub
from gpusim.trace.storage import MemoryFiles, ZipFiles
from gpusim.trace.summary import summarize
from gpusim.trace.writer import canonical_files, referenced_blobs
from tests.property.trace_mutations import zip_of
from tests.property.trace_strategies import traces
from tests.unit.trace.sample import same

SETTINGS = settings(
    max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@SETTINGS
@given(traces())
def test_every_form_loads_back_equal(trace):
    files = canonical_files(trace, "t")
    loaded = read_files(MemoryFiles("t", files))
    same(trace, loaded)
    for key in ("impersonated", "profile", "provenance"):
        assert loaded.manifest[key] == trace.manifest[key]
    for name in referenced_blobs(trace):
        assert loaded.read_blob(name) == trace.read_blob(name)
    assert canonical_files(loaded, "t") == files
    same(trace, read_files(ZipFiles("t", zip_of(files))))

    lines = list(dump_jsonl(loaded))
    assert all(line.count(b"\n") == 1 for line in lines)
    from_lines = read_jsonl(io.BytesIO(b"".join(lines)), "t")
    same(trace, from_lines)
    assert canonical_files(from_lines, "t") == files
    assert list(dump_jsonl(from_lines)) == lines


@SETTINGS
@given(traces())
def test_whatever_loads_can_be_looked_at_and_scrubbed(trace):
    loaded = read_files(MemoryFiles("t", canonical_files(trace, "t")))
    changes = footprint(loaded)
    assert (changes["bytes"] >= 0).all()
    summary = summarize(loaded)
    assert sum(kernel["launches"] for kernel in summary["kernels"]) == len(trace.launches)
    scrubbed = scrub(loaded).trace
    same_queues = list(scrubbed.launches) == list(trace.launches)
    assert same_queues
    read_files(MemoryFiles("t", canonical_files(scrubbed, "t")))
