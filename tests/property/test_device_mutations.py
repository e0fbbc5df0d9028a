"""A mutated model is refused in one line or is a valid model; nothing else ever happens.

Three thousand mutants, the same ones in every run; ``GPUSIM_FUZZ=1`` makes many more, new ones.
"""

import copy
import os
import random
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpusim.device import DeviceSpec, load_device
from gpusim.device.schema import FIGURES
from gpusim.device.strict_yaml import parse_yaml
from gpusim.errors import DeviceError
from gpusim.resources import device_models_dir

# The device with views and the parts that it is built on: every kind of node occurs.
DEVICE = "mali-t628.yaml"
FILES = (
    DEVICE,
    "family/midgard.yaml",
    "family/mali.yaml",
    "memory/lpddr3-1866-64bit.yaml",
    "sources/hardware.yaml",
)
TEXTS = {name: (device_models_dir() / name).read_text() for name in FILES}
TREES = {name: parse_yaml(text, name) for name, text in TEXTS.items()}

WORDS = (
    *("kHz", "MHz", "GHz", "ps", "us", "B", "KiB", "GB/s", "cycle", "count", "fraction"),
    *("text", "table", "documented", "assumed", "fitted", "recalled", "uniform_and_remainder"),
    *("core", "l2", "views", "extends", "sources", "value", "midgard", "write_back", "../x.yaml"),
)
VALUES = (
    *(None, True, False, 0, 1, -1, 2.5, -0.5, 1.5, 10**6, 10**15, 10**30, 1e-30, 1e300),
    *("", "x", "1", "nan", ".inf", "a\nb", "\x00", "é", "\u2028", "a" * 5000),
    *([], {}, [[]], {"value": 1}, {1: 2}, {64: 384, 4: 1}, {"a": {"b": {"c": {}}}}, ["recalled"]),
)
FRAGMENTS = (
    *("&a ", "*a", "!!python/object/apply:os.system ", "! ", "<<: ", "? ", "- ", "--- ", "...\n"),
    *(
        "{",
        "}",
        "[",
        "]",
        ": ",
        "\t",
        "\x00",
        "\x07",
        "\u2028",
        "\ufeff",
        "#",
        "'",
        '"',
        "|\n",
        "%",
    ),
    *(
        "[" * 40,
        "{a: " * 2000,
        "0x10",
        "1e400",
        "9" * 400,
        "010",
        "1_000",
        "~",
        "null",
        "2020-01-01",
    ),
)


def paths(node, here=()):
    """Every place of a tree, the root left out."""
    children = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, child in children:
        yield (*here, key)
        yield from paths(child, (*here, key))


DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the plain one takes longer than the test
PLACES = [(name, path) for name, tree in TREES.items() for path in paths(tree)]


def misspell(word, rng):
    """Drop, double, swap or change one letter."""
    text = str(word) or "x"
    at = rng.randrange(len(text))
    return rng.choice(
        (
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[: at - 1] + text[at : at + 1] + text[at - 1 : at] + text[at + 1 :],
            text[:at] + rng.choice("xyz_-. ") + text[at + 1 :],
            text.upper(),
        )
    )


def mutate_tree(tree, path, rng):
    """Delete, rename, retype, misspell or move one node."""
    tree = copy.deepcopy(tree)
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    last = path[-1]
    action = rng.choice(("delete", "rename", "retype", "word", "misspell", "wrap", "copy"))
    if action == "rename" and isinstance(parent, dict):
        renamed = {misspell(k, rng) if k == last else k: v for k, v in parent.items()}
        parent.clear()
        parent.update(renamed)
    elif action in ("delete", "rename"):
        del parent[last]
    elif action == "retype":
        parent[last] = rng.choice(VALUES)
    elif action == "word":
        parent[last] = rng.choice(WORDS)
    elif action == "misspell":
        parent[last] = misspell(parent[last], rng)
    elif action == "wrap":
        parent[last] = rng.choice(([parent[last]], {"value": parent[last]}))
    else:
        source = rng.choice([p for p in paths(tree) if p[: len(path)] != path] or [path])
        node = tree
        for key in source:
            node = node[key]
        parent[last] = copy.deepcopy(node)
    return yaml.dump(tree, Dumper=DUMPER, sort_keys=False, allow_unicode=True)


def mutate_text(text, rng):
    """Delete, insert, repeat, cut off or overwrite a piece of the file, as bytes."""
    raw = text.encode()
    at = rng.randrange(len(raw))
    span = rng.randrange(1, 30)
    action = rng.choice(("delete", "insert", "repeat", "cut", "byte", "line"))
    if action == "delete":
        return raw[:at] + raw[at + span :]
    if action == "insert":
        return raw[:at] + rng.choice(FRAGMENTS).encode() + raw[at:]
    if action == "repeat":
        return raw[: at + span] + raw[at : at + span] + raw[at + span :]
    if action == "cut":
        return raw[:at]
    if action == "byte":
        return raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
    lines = raw.splitlines(keepends=True)
    number = rng.randrange(len(lines))
    return b"".join([*lines[: number + 1], *lines[number:]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name in FILES:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(TEXTS[name])
    return root


def check(folder: Path, name: str, mutant: bytes, view: str) -> bool:
    """Load the device with `name` replaced; return whether the mutant was refused."""
    (folder / name).write_bytes(mutant)
    try:
        spec = load_device(f"{folder / DEVICE}{view}")
    except DeviceError as error:
        text = str(error)
        assert len(text.splitlines()) == 1, text
        assert text.isprintable(), text
        assert len(text) < 2500, text
        assert any(file in text for file in FILES), text
        return True
    finally:
        (folder / name).write_text(TEXTS[name])
    assert isinstance(spec, DeviceSpec)
    assert len(spec.figures()) == sum(map(len, FIGURES.values()))
    assert spec.peak_flops() > 0
    return False


# A seed per example: hypothesis searches and prints it, the mutation itself stays cheap.
SEEDS = st.integers(0, 2**32 - 1)
IS_FUZZING = os.environ.get("GPUSIM_FUZZ") == "1"
EXAMPLE = settings(
    max_examples=80_000 if IS_FUZZING else 1600,
    derandomize=not IS_FUZZING,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@EXAMPLE
@given(seed=SEEDS)
def test_mutated_keys_and_values(folder, seed):
    rng = random.Random(seed)
    name, path = rng.choice(PLACES)
    mutant = mutate_tree(TREES[name], path, rng).encode("utf-8", "surrogatepass")
    check(folder, name, mutant, rng.choice(("", ":mp2")))


@EXAMPLE
@given(seed=SEEDS)
def test_mutated_text(folder, seed):
    rng = random.Random(seed)
    name = rng.choice(FILES)
    check(folder, name, mutate_text(TEXTS[name], rng), rng.choice(("", ":mp2")))


def test_most_mutations_are_refused(folder):
    # Otherwise the tests above would pass with a loader that checks nothing.
    rng = random.Random(0)
    refused = 0
    for _ in range(300):
        name, path = rng.choice(PLACES)
        mutant = mutate_tree(TREES[name], path, rng).encode()
        refused += check(folder, name, mutant, "")
    assert refused > 200


def test_the_copy_that_is_mutated_is_valid(folder):
    assert load_device(folder / DEVICE).id == "mali-t628"
    shutil.copy(folder / DEVICE, folder / "copy.yaml")
    assert load_device(f"{folder}/copy.yaml:mp2").id == "mali-t628:mp2"
