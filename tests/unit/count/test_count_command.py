"""``gpusim count`` and `count_kernel`: keys, arguments, errors."""

import json

import numpy as np
import pytest

import gpusim
from gpusim.cli.app import main
from gpusim.count.argument_specs import parse_argument
from gpusim.errors import CountError
from tests.unit.count.corpus import KERNELS

REDUCE = [
    *("count", str(KERNELS / "reductions.cl"), "--kernel", "reduce_sum", "--global", "64"),
    *("--local", "16", "--arg", "buffer:4000:random", "--arg", "buffer:16", "--arg", "i32:1000"),
    *("--arg", "local:64"),
]


def run(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    if done.value.code:
        raise AssertionError(done.value.code)


def test_json_keys(capsys) -> None:
    run([*REDUCE, "--json", "--warp-width", "8"])
    found = json.loads(capsys.readouterr().out)
    assert found["work_items"] == 64
    assert found["work_groups"] == 4
    assert found["mode"] in ("slice", "full")
    assert found["instructions"] == sum(found["opcodes"].values())
    assert found["memory"]["global_load"] == 1000
    assert found["memory"]["global_load_bytes"] == 4000
    assert found["memory"]["global_store"] == 4
    # Halving 16 partial sums: 8 + 4 + 2 + 1 additions of two loads and a store, then one load.
    assert found["memory"]["local_load"] == 4 * (15 * 2 + 1)
    assert found["memory"]["local_store"] == 4 * (16 + 15)
    assert found["memory"]["global_atomic"] == found["memory"]["image_read"] == 0
    # One barrier before the loop and one in each of its four rounds.
    assert found["barriers"] == 64 * 5
    assert found["simt"]["warp_width"] == 8
    assert 0 < found["simt"]["efficiency"] <= 1
    assert found["seconds"].keys() == {"compile", "count", "lockstep"}


def test_table(capsys) -> None:
    run(REDUCE)
    out = capsys.readouterr().out
    assert "reduce_sum" in out
    assert "global_load_bytes" in out


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"--global": "0"}, "positive"),
        ({"--global": "x"}, "--global: not a size"),
        ({"--global": "1,2,3,4"}, "one to three"),
        ({"--local": "7"}, "does not divide"),
        ({"--kernel": "nobody"}, "nobody"),
        ({"--mode": "half"}, "unknown mode"),
    ],
)
def test_bad_options_are_one_line(change: dict[str, str], part: str, capsys) -> None:
    arguments = list(REDUCE)
    for option, value in change.items():
        if option in arguments:
            arguments[arguments.index(option) + 1] = value
        else:
            arguments += [option, value]
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 2
    text = capsys.readouterr().err
    assert part in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    "spec",
    [
        "buffer",
        "buffer:0",
        "buffer:-4",
        "buffer:8:ones",
        "buffer:8:no.npy",
        "local:x",
        "i32:",
        "i33:5",
        "i8:300",
        "f32:one",
        "5",
    ],
)
def test_bad_argument_specs(spec: str) -> None:
    with pytest.raises(CountError) as caught:
        parse_argument(spec, None, 2)
    assert "argument 2" in str(caught.value)


def test_argument_specs(tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3, dtype=np.float32))
    assert parse_argument("f32:1.5", None, 0).data == np.float32(1.5).tobytes()
    assert parse_argument("u8:0xff", None, 0).data == b"\xff"
    assert parse_argument("i32:1,2,3", None, 0).size_bytes == 16
    assert parse_argument("buffer:16", None, 0).data is None
    filled = parse_argument(f"buffer:16:{tmp_path / 'x.npy'}", None, 0)
    assert filled.size_bytes == 16
    assert filled.data == np.arange(3, dtype=np.float32).tobytes()


def test_count_kernel_is_public() -> None:
    source = """__kernel void twice(__global const float *a, __global float *b) {
        int i = get_global_id(0); b[i] = 2 * a[i]; }"""
    result = gpusim.count_kernel(
        source, "twice", [8], args=[np.arange(8, dtype=np.float32), "buffer:32"]
    )
    assert result.as_dict()["memory"]["global_load"] == 8
    np.testing.assert_array_equal(result.buffer(1, np.float32), 2 * np.arange(8))


def test_object_code_is_cached(monkeypatch, tmp_path) -> None:
    from gpusim.count.process import shared_worker

    monkeypatch.setenv("GPUSIM_CACHE_DIR", str(tmp_path))
    shared_worker().stop()
    source = "__kernel void k(__global int *a) { a[a[0] & 7] += (int)get_global_id(0) * 12345; }"
    arguments = {"args": ["buffer:64"], "warp_width": 0, "mode": "full"}
    cold = gpusim.count_kernel(source, "k", [8], **arguments)
    stored = sorted(path.name for path in (tmp_path / "jit").rglob("*.o"))
    assert len(stored) == 1
    shared_worker().stop()
    warm = gpusim.count_kernel(source, "k", [8], **arguments)
    assert sorted(path.name for path in (tmp_path / "jit").rglob("*.o")) == stored
    np.testing.assert_array_equal(cold.count.class_blocks, warm.count.class_blocks)
    assert warm.count.compile_seconds < cold.count.compile_seconds


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1] + b"?"])
def test_a_broken_cache_entry_is_made_again(damage, monkeypatch, tmp_path) -> None:
    from gpusim.count.process import shared_worker

    monkeypatch.setenv("GPUSIM_CACHE_DIR", str(tmp_path))
    shared_worker().stop()
    source = "__kernel void k(__global int *a) { a[a[0] & 3] -= 1; }"
    arguments = {"args": ["buffer:64"], "warp_width": 0, "mode": "full"}
    first = gpusim.count_kernel(source, "k", [8], **arguments)
    for path in (tmp_path / "jit").rglob("*.*"):
        path.write_bytes(damage(path.read_bytes()))
    shared_worker().stop()
    again = gpusim.count_kernel(source, "k", [8], **arguments)
    np.testing.assert_array_equal(first.count.class_blocks, again.count.class_blocks)
