"""``gpusim predict`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpusim.cli.app import main
from tests.conftest import need

COMMON = ["--device", "mali-g72", "--library", "clblast", "--fidelity", "analytic"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    need(_has_onnx(), "the onnx package")
    from tests.unit.network.onnx_models import mobilenet_like

    graph, output = mobilenet_like()
    return graph.save(tmp_path, output)


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict", *arguments])
    assert caught.value.code == 0


def _has_onnx() -> bool:
    from importlib.util import find_spec

    return find_spec("onnx") is not None


def test_json_is_one_object_with_the_agreed_keys(model, capsys):
    run(str(model), *COMMON, "--json")
    document = json.loads(capsys.readouterr().out)
    assert {"network", "device", "library", "layers", "total_ms", "memory", "evidence"} <= set(
        document
    )
    assert document["layers"][0]["method"] == "im2col+gemm direct"
    assert document["layers"][0]["predicted_ms"] > 0


def test_the_table_names_layers_totals_and_notes(model, capsys):
    run(str(model), *COMMON)
    out = capsys.readouterr().out
    assert "3x32x32 -> 16x16x16, 3x3/2" in out
    assert "total " in out
    assert "memory " in out
    assert "note: fused into the layer before or after: 3 Relu" in out


def test_csv_has_a_row_per_layer(model, capsys):
    run(str(model), *COMMON, "--csv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("index,layer,kind,shape,library,method,launches,jobs,predicted_ms")
    assert len(lines) == 1 + 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonet", *COMMON], "network: unknown"),
        (["resnet18", *COMMON[:2], "--library", "mkl"], "library: unknown"),
        (["resnet18", *COMMON, "--image", "12"], "--image: no size"),
        (["nofile.onnx", *COMMON], "nofile.onnx: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["predict", *arguments])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
