"""Ids, paths, parts and views; each fault is one line that says where and what."""

import shutil
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from gpusim.device import Kind, list_devices, load_device
from gpusim.device.schema import FIGURES
from gpusim.device.spec import SECTIONS
from gpusim.errors import DeviceError
from gpusim.resources import device_models_dir

MALI_T628 = (device_models_dir() / "mali-t628.yaml").read_text()


@pytest.fixture
def board(tmp_path):
    """Write a model file; return a function that loads it (or a view of it)."""

    def load(text, view=""):
        path = tmp_path / "board.yaml"
        path.write_text(text)
        return load_device(f"{path}{view}")

    return load


def message(call, *arguments):
    with pytest.raises(DeviceError) as error:
        call(*arguments)
    text = str(error.value)
    assert len(text.splitlines()) == 1
    return text


def test_schema_and_spec_name_the_same_figures():
    assert list(FIGURES) == list(SECTIONS)
    for section, cls in SECTIONS.items():
        assert set(FIGURES[section]) == {field.name for field in fields(cls)}


def test_values_are_canonical_and_keep_what_the_file_says():
    clock = load_device("jetson-nano").core.clock_khz
    assert clock.value == 921_600
    assert (clock.given, clock.unit) == (921.6, "MHz")
    assert clock.kind is Kind.MEASURED


def test_the_file_that_states_a_figure_is_kept():
    spec = load_device("mali-g72")
    assert spec.core.clock_khz.file == "mali-g72.yaml"
    assert spec.core.fma_per_lane.file == "family/bifrost.yaml"
    assert spec.job_manager.slot_depth.file == "family/mali.yaml"
    assert spec.dram.burst_bytes.file == "memory/lpddr4-64bit.yaml"


def test_a_spec_is_frozen():
    with pytest.raises(FrozenInstanceError):
        load_device("mali-g72").family = "midgard"


@pytest.mark.parametrize(
    ("name", "close"),
    [("Mali-G27", "mali-g72"), ("mali-t628:mp4", "mali-t628:mp2"), ("jetson_nano", "jetson-nano")],
)
def test_an_unknown_id_lists_close_and_known_ones(name, close):
    text = message(load_device, name)
    assert close in text
    if ":" not in name:
        assert all(known in text for known in list_devices())


@pytest.mark.parametrize("name", ["", ":", "mali-g72:", "mali-g72:mp2", "x" * 10_000, "a\nb", ".."])
def test_odd_ids_are_refused(name):
    assert len(message(load_device, name)) < 500


@pytest.mark.parametrize(
    "name", ["absent.yaml", "no/such/place", "/", "./", "a\x00/b.yaml", "y" * 5000 + "/z"]
)
def test_odd_paths_are_refused(name):
    assert "cannot be read" in message(load_device, name)


def test_a_file_of_ones_own_may_use_the_parts_that_ship(board):
    spec = board(MALI_T628)
    assert spec.id == "mali-t628"
    assert spec.file.endswith("board.yaml")
    assert board(MALI_T628, ":mp2").core.n_shader_cores.value == 2


def test_a_part_beside_the_file_wins_over_the_one_that_ships(board, tmp_path):
    (tmp_path / "family").mkdir()
    part = (device_models_dir() / "family/midgard.yaml").read_text()
    (tmp_path / "family/midgard.yaml").write_text(
        part.replace("value: 28, unit: cycle", "value: 9, unit: cycle")
    )
    assert board(MALI_T628).core.arithmetic_latency_cycles.value == 9
    assert load_device("mali-t628").core.arithmetic_latency_cycles.value == 28


def test_a_later_part_overrides_an_earlier_one():
    assert load_device("mali-t880-mp4").core.max_threads.value == {4: 256, 8: 192, 16: 96}
    assert load_device("mali-t880-mp4").core.max_threads.file == "family/midgard-t880.yaml"


@pytest.mark.parametrize(
    ("old", "new", "fragments"),
    [
        ("l2:\n", "l22:\n", ["unknown key 'l22'", "did you mean 'l2'"]),
        ("  n_slices:", "  n_slice:", ["l2: unknown key 'n_slice'", "did you mean 'n_slices'"]),
        (
            "family: midgard",
            "family: midgart",
            ["family: unknown family", "did you mean 'midgard'"],
        ),
        ("family: midgard", "family: [midgard]", ["family: not a line of text"]),
        ("isa: midgard\n", "", ["missing 'isa'"]),
        ("id: mali-t628", "id: Mali T628", ["id: bad device id"]),
        ("name: Mali-T628", "name: ''", ["name: not a line of text"]),
        (", kind: measured}", "}", ["core.n_shader_cores: missing 'kind'"]),
        (
            "clpeak_t628_mp4, dmesg",
            "clpeak_t628_mp, dmesg",
            ["not listed in 'sources'", "did you mean"],
        ),
        ("extends: [", "extends: [family/midgart.yaml, ", ["no such part", "did you mean"]),
        ("extends: [", "extends: [../mali-g72.yaml, ", ["extends: bad part name"]),
        ("extends: [", "extends: [/etc/passwd, ", ["extends: bad part name"]),
        ("extends: [", "extends: [mali-g72.yaml, ", ["mali-g72.yaml: unknown key 'id'"]),
        (
            "extends: [memory/lpddr3-1866-64bit.yaml, family/midgard.yaml]",
            "extends: 3",
            ["not a list"],
        ),
        ("extends: [memory/lpddr3-1866-64bit.yaml, ", "extends: [", ["dram: missing figure"]),
        ("core:\n", "core: 3\nx:\n", ["unknown key 'x'"]),
        (
            "views:\n",
            "sources: {clpeak_t860: other}\nviews:\n",
            ["sources.clpeak_t860", "differently"],
        ),
        ("views:\n", "sources: {a: 3}\nviews:\n", ["not a citation"]),
        ("views:\n", "sources: []\nviews:\n", ["sources: not a mapping"]),
        ("views:\n  mp2:\n", "views:\n  Mp2:\n", ["bad view name"]),
        ("  mp2:\n", "  mp2:\n    family: midgard\n", ["views.mp2: unknown key 'family'"]),
        (
            "      n_shader_cores: {value: 2, unit: count,",
            "      clock_khz: {value: 2, unit: GHz,",
            ["views.mp2.core.clock_khz", "all views"],
        ),
        ("value: 233.3", "value: .nan", ["not a number"]),
        ("value: 233.3", "value: 1e15", ["impossible value"]),
        ("value: 0.46", "value: 1.2", ["dram.efficiency: impossible value"]),
        ("value: 600, unit: MHz", "value: -600, unit: MHz", ["core.clock_khz: impossible value"]),
        ("value: 128, unit: KiB", "value: 100, unit: B", ["l2.size_bytes", "a multiple of 256 B"]),
        ("value: 512, unit: MiB", "value: 4, unit: GiB", ["above limits.global_memory_bytes"]),
    ],
)
def test_each_fault_is_located(board, old, new, fragments):
    assert old in MALI_T628
    text = message(board, MALI_T628.replace(old, new, 1))
    assert ".yaml: " in text
    assert all(fragment in text for fragment in fragments), text


def test_figures_that_contradict_each_other_are_refused(board):
    extra = "\nlimits:\n  max_work_group_size: {value: 512, unit: count, source: recalled"
    extra += ", kind: assumed}\n"
    assert "no core can hold" in message(board, MALI_T628.replace("\nlimits:\n", extra))
    extra = "\ncore:\n  warp_width: {value: 512, unit: count, source: recalled, kind: assumed}\n"
    assert "a warp that no core" in message(board, MALI_T628.replace("\ncore:\n", extra, 1))
    extra = (
        "\ncore:\n  local_memory_bytes: {value: 64, unit: KiB, source: recalled, kind: assumed}\n"
    )
    assert "banks contradict" in message(board, MALI_T628.replace("\ncore:\n", extra, 1))


def test_parts_that_extend_each_other_in_a_circle_are_refused(board, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one.yaml").write_text("extends: [a/two.yaml]\n")
    (tmp_path / "a/two.yaml").write_text("extends: [a/one.yaml]\n")
    text = message(board, MALI_T628.replace("extends: [", "extends: [a/one.yaml, "))
    assert "a part extends itself" in text
    assert "a/one.yaml > a/two.yaml > a/one.yaml" in text


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe\x00", b"", b"[]", b"3", b"\x89PNG\r\n", b"id: \xc3\x28"]
)
def test_files_that_are_no_model_are_refused(tmp_path, raw):
    path = tmp_path / "x.yaml"
    path.write_bytes(raw)
    assert message(load_device, path).startswith(str(path))


def test_a_shipped_model_must_carry_its_files_name(tmp_path, monkeypatch):
    models = tmp_path / "device_models"
    shutil.copytree(device_models_dir(), models)
    shutil.copy(models / "mali-g72.yaml", models / "mali-g99.yaml")
    monkeypatch.setattr("gpusim.device.loader.device_models_dir", lambda: Path(models))
    assert "not the file's name" in message(load_device, "mali-g99")
