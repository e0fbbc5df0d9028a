"""Loops, lines and the command line: the same figures in every view."""

import json

import pytest

from gpusim.cli.app import main
from gpusim.compiler import compile_kernel
from gpusim.isa import ISAS, cost_kernel, lower_kernel
from gpusim.isa.summary import as_dict, bound, line_costs, loop_costs

SOURCE = """kernel void k(global const float *a, global float *b, int n) {
  int i = get_global_id(0);
  float s = 0;
  for (int j = 0; j < n; j++) {
    for (int m = 0; m < i; m++)
      s += a[j * n + m];
    b[j] = s;
  }
  for (int j = 0; j < n; j++)
    b[j] *= s;
}
"""
UNIT = {"bifrost": "tuples", "midgard": "bundles"}


@pytest.fixture(scope="module")
def kernel():
    return compile_kernel(SOURCE, "k", "")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "k.cl"
    path.write_text(SOURCE)
    return path


def run(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code in (0, None), capsys.readouterr()
    return capsys.readouterr().out


@pytest.mark.parametrize("isa", ISAS)
def test_loops_come_in_source_order(kernel, isa):
    costs = loop_costs(lower_kernel(kernel, isa))
    assert [cost.depth for cost in costs] == [1, 2, 1]
    assert [cost.line for cost in costs] == sorted(cost.line for cost in costs)
    for cost in costs:
        assert cost.per_iteration[UNIT.get(isa, "instructions")] > 0
        assert cost.per_iteration["branches"] >= 1
    assert [cost.per_iteration["messages"] for cost in costs] == [1, 1, 2]


@pytest.mark.parametrize("isa", ISAS)
def test_blocks_of_a_loop_are_its_own(kernel, isa):
    costs = loop_costs(lower_kernel(kernel, isa))
    blocks = [block for cost in costs for block in cost.blocks]
    assert len(blocks) == len(set(blocks))


@pytest.mark.parametrize("isa", ISAS)
def test_cost_and_lower_agree(kernel, isa):
    code, cost = lower_kernel(kernel, isa), cost_kernel(kernel, isa)
    result = as_dict(code, 1, 1.0)
    for row, block in zip(cost.blocks, result["blocks"], strict=True):
        assert row["issue_units"] == block[code.unit]
        assert row["arithmetic_instructions"] == block["arithmetic_instructions"]
        assert row["load_store"] == block["load_store"]
    assert cost.registers == result["registers"]
    assert cost.unit == UNIT.get(isa, "instructions")
    assert cost.figures
    assert set(cost.figures.values()) <= {
        "documented",
        "measured",
        "reverse-engineered",
        "fitted",
        "assumed",
    }


@pytest.mark.parametrize("isa", ISAS)
def test_lines_account_for_every_operation(kernel, isa):
    code = lower_kernel(kernel, isa)
    in_lines = sum(sum(row.values()) for _, row in line_costs(code))
    n_ops = sum(len(block.ops) for block in code.machine.blocks)
    assert n_ops <= in_lines <= n_ops + len(code.blocks)
    assert 6 in [line for line, _ in line_costs(code)]


def test_costs_are_the_same_twice(kernel):
    for isa in ISAS:
        first, second = (cost_kernel(kernel, isa).blocks.tobytes() for _ in range(2))
        assert first == second


def test_the_busiest_pipe_is_the_bound():
    cost = {"issue_cycles": 12.0, "load_store_cycles": 5.0, "texture": 0}
    assert bound(cost, 1, 1.0) == "arithmetic"
    assert bound(cost, 3, 1.0) == "load_store"
    assert bound(cost, 1, 0.25) == "load_store"
    assert bound({"issue_cycles": 0, "load_store_cycles": 0, "texture": 0}, 1, 1.0) == ""


@pytest.mark.parametrize("isa", ISAS)
def test_command_prints_json(file, isa, capsys):
    out = run(["lower", str(file), "--kernel", "k", "--isa", isa, "--json"], capsys)
    result = json.loads(out)
    assert {"registers", "threads_per_core", "loops", "blocks"} <= set(result)
    for loop in result["loops"]:
        assert {"depth", "per_iteration"} <= set(loop)
        assert {"messages", UNIT.get(isa, "instructions")} <= set(loop["per_iteration"])
    if isa == "bifrost":
        assert {"clauses", "fma_slots", "add_slots"} <= set(result["loops"][0]["per_iteration"])


def test_command_shows_lines_and_bound(file, capsys):
    out = run(["lower", str(file), "--kernel", "k", "--isa", "midgard"], capsys)
    assert "s += a[j * n + m];" in out
    assert "bound" in out


def test_device_gives_family_threads_and_whole_groups(file, capsys):
    arguments = ["lower", str(file), "--kernel", "k", "--device", "mali-g72", "--json"]
    free = json.loads(run(arguments, capsys))
    assert free["isa"] == "bifrost"
    assert free["threads_per_core"] == 384
    grouped = json.loads(run([*arguments, "--local", "100"], capsys))
    assert grouped["threads_per_core"] == 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kernel", "k"], "--isa or --device"),
        (["--kernel", "k", "--isa", "sparc"], "no such family"),
        (["--kernel", "nope", "--isa", "bifrost"], "nope"),
        (["--kernel", "k", "--isa", "bifrost", "--local", "4,x"], "--local"),
        (["--kernel", "k", "--device", "mali-g99"], "mali-g99"),
    ],
)
def test_bad_requests_get_one_line(file, arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["lower", str(file), *arguments])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_file_gets_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["lower", str(tmp_path / "gone.cl"), "--kernel", "k", "--isa", "bifrost"])
    assert caught.value.code == 2
    assert "gone.cl" in capsys.readouterr().err
