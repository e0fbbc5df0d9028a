"""The subset of YAML: what it reads, what it refuses, and that hostile files end soon."""

import pytest
import yaml

from gpusim.device.strict_yaml import MAX_BYTES, parse_yaml
from gpusim.errors import DeviceError


def test_agrees_with_pyyaml_where_yaml_is_unsurprising():
    text = "a: {b: [1, 2.5, -3, true, null, ~, word, 'quoted 1', \"2\"]}\nc:\n  - d: x\n64: 384\n"
    assert parse_yaml(text, "m.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),  # YAML 1.1: eight
        ("1e3", 1000.0),  # YAML 1.1: text
        ("1:30", "1:30"),  # YAML 1.1: ninety
        ("yes", "yes"),  # YAML 1.1: true
        ("1_000", "1_000"),  # YAML 1.1: a thousand
        ("2020-01-01", "2020-01-01"),  # YAML 1.1: a date
        ("0x10", "0x10"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1.", "1."),
        ("|\n  7", "7\n"),
        ("", None),
    ],
)
def test_surprises_of_yaml_are_left_out(text, value):
    found = parse_yaml(f"x: {text}\n", "m.yaml")["x"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("a: 1\n---\nb: 2\n", "more than one"),
        ("a: 1\nb: 2\na: 3\n", "line 3: key 'a' appears twice"),
        ("a: &x 1\n", "line 1: anchors"),
        ("a: *x\n", "line 1: anchors"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1: tags"),
        ("a: !!int 3\n", "tags"),
        ("? [1]\n: 2\n", "bad key"),
        ("true: 2\n", "bad key"),
        ("a:\n\t- b\n", "line 2: not valid YAML"),
        ("a: 'open\n", "not valid YAML"),
        ("a: \x00\n", "not valid YAML"),
        ("a: \ud800\n", "not valid YAML"),
        ("a: 1e400\n", "too large"),
        ("a: " + "9" * 5000, "too long"),
        ("[" * MAX_BYTES, "nested too deeply"),
        ("{a: " * (MAX_BYTES // 4), "nested too deeply"),
        ("- " * (MAX_BYTES // 2), "nested too deeply"),
        ("a" * (MAX_BYTES + 1), "too large"),
    ],
)
@pytest.mark.timeout(20)
def test_what_is_refused_is_named_with_its_line(text, fragment):
    with pytest.raises(DeviceError) as error:
        parse_yaml(text, "m.yaml")
    message = str(error.value)
    assert message.startswith("m.yaml: ")
    assert fragment in message
    assert len(message.splitlines()) == 1


def test_an_alias_bomb_is_refused_at_its_first_anchor():
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    with pytest.raises(DeviceError, match="line 1: anchors"):
        parse_yaml("\n".join(lines), "m.yaml")
