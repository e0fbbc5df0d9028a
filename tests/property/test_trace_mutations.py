"""However a trace is broken: it loads, or one line says what is wrong. Never anything else.

Ten thousand wrecks in memory, the same ones in every run; ``GPUSIM_FUZZ=1`` makes many more, new
ones each time.
"""

import gzip
import io
import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpusim.errors import TraceError
from gpusim.trace.footprint import footprint
from gpusim.trace.jsonl import dump_jsonl, open_jsonl
from gpusim.trace.reader import read_files
from gpusim.trace.scrub import scrub
from gpusim.trace.storage import MemoryFiles, ZipFiles
from gpusim.trace.summary import summarize
from gpusim.trace.writer import referenced_blobs
from tests.property import trace_mutations as mutations
from tests.unit.trace.sample import same, sample_trace

IS_FUZZING = os.environ.get("GPUSIM_FUZZ") == "1"

WAYS = {
    # way to break it: (damage, reader, wrecks per run)
    "files": (mutations.damage_files, "files", 1500),
    "manifest": (mutations.damage_manifest, "files", 1500),
    "devices": (mutations.damage_devices, "files", 500),
    "sealed": (mutations.damage_sealed, "files", 2500),
    "columns": (mutations.damage_columns, "files", 2000),
    "zip": (mutations.damage_zip, "zip", 1000),
    "jsonl": (mutations.damage_jsonl, "jsonl", 1500),
}
assert sum(wrecks for _, _, wrecks in WAYS.values()) >= 10_000


def read(form, wreck):
    if form == "files":
        return read_files(MemoryFiles(mutations.WHERE, wreck))
    if form == "zip":
        return read_files(ZipFiles(mutations.WHERE, wreck))
    return open_jsonl(io.BytesIO(wreck), mutations.WHERE)


def use(trace):
    """Look at all that a user can look at."""
    launches, commands = list(trace.launches), list(trace.commands)
    assert len(launches) == len(trace.launches)
    assert len(commands) == len(trace.commands)
    for name in referenced_blobs(trace):
        trace.read_blob(name)
    summarize(trace)
    footprint(trace)
    scrub(trace)
    for _ in dump_jsonl(trace):
        pass


def survive(form, wreck):
    """Return whether the wreck loads; fail on any error but a one-line TraceError."""
    try:
        use(read(form, wreck))
    except TraceError as error:
        text = str(error)
        assert text.isprintable(), text
        assert mutations.WHERE in text, text
        assert len(text) < 2000, text
        return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(3600 if IS_FUZZING else 300)
@pytest.mark.parametrize("way", WAYS)
def test_a_broken_trace_loads_or_gets_one_line(way):
    damage, form, wrecks = WAYS[way]
    loaded = refused = 0

    @settings(
        max_examples=wrecks * 20 if IS_FUZZING else wrecks,
        derandomize=not IS_FUZZING,
        database=None,
        deadline=timedelta(seconds=30),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def attempt(random):
        nonlocal loaded, refused
        if survive(form, damage(random)):
            loaded += 1
        else:
            refused += 1

    attempt()
    assert loaded + refused >= wrecks * 0.9
    assert refused > 0.3 * (loaded + refused), "the damage is too mild to test anything"


def test_the_undamaged_trace_loads_in_every_form():
    files, packed = mutations.base_files(), mutations.base_zip()
    text = b"".join(mutations.base_jsonl())
    for trace in (
        read("files", mutations.seal(files)),
        read("zip", packed),
        read("jsonl", text),
        read("jsonl", gzip.compress(text)),
    ):
        same(sample_trace(), trace)
        use(trace)


def test_a_gzip_cut_anywhere_is_refused():
    packed = gzip.compress(b"".join(mutations.base_jsonl()), 9)
    for length in range(2, len(packed), 37):
        with pytest.raises(TraceError):
            read("jsonl", packed[:length])
