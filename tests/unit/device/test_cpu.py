"""CPU models: what ships loads, what is malformed is refused in one line."""

import pytest

from gpusim.device.cpu import list_cpus, load_cpu, parse_cpu
from gpusim.device.quantity import Kind
from gpusim.errors import DeviceError
from gpusim.resources import device_models_dir


def text_of(cpu):
    return (device_models_dir() / "cpu" / f"{cpu}.yaml").read_text()


def test_the_boards_of_the_papers_are_here():
    assert set(list_cpus()) == {"core-i7-3820", "kryo", "odroid-xu4-cpu"}


# Clock x cores x lanes x 2: A15 64 + A7 11.2, Sandy Bridge 230.4, Kryo 34.4 + 25.44 GFLOPS.
@pytest.mark.parametrize(
    ("cpu", "gflops"), [("odroid-xu4-cpu", 75.2), ("core-i7-3820", 230.4), ("kryo", 59.84)]
)
def test_peak_rates_follow_from_clock_cores_and_lanes(cpu, gflops):
    assert load_cpu(cpu).peak_flops() == pytest.approx(gflops * 1e9)


@pytest.mark.parametrize("cpu", list_cpus())
def test_every_figure_cites_and_unverified_ones_are_assumed(cpu):
    spec = load_cpu(cpu)
    for path, figure in spec.figures().items():
        assert figure.path == path
        assert all(spec.sources[key] for key in figure.source)
        if set(figure.source) <= {"recalled", "derived", "start_value"}:
            assert figure.kind is Kind.ASSUMED


@pytest.mark.parametrize("cpu", list_cpus())
def test_every_source_is_used(cpu):
    spec = load_cpu(cpu)
    used = {key for figure in spec.figures().values() for key in figure.source}
    assert used == set(spec.sources)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("n_cores: {value: 4", "n_cors: {value: 4", "n_cors"),
        ("value: 2.0, unit: GHz", "value: 200, unit: GHz", "impossible"),
        ("source: turner, kind: documented}", "source: nobody, kind: documented}", "not cited"),
        ("compiled_lanes: {value: 1,", "compiled_lanes: {value: 9,", "more than the register"),
        ("source: recalled, kind: assumed}", "source: recalled, kind: measured}", "assumed"),
        ("threads:", "thread:", "thread"),
    ],
)
def test_malformed_models_are_refused_in_one_line(old, new, said):
    text = text_of("odroid-xu4-cpu")
    assert old in text
    with pytest.raises(DeviceError) as caught:
        parse_cpu(text.replace(old, new, 1), "board.yaml")
    assert said in str(caught.value)
    assert "board.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_cpu_names_the_known_ones():
    with pytest.raises(DeviceError, match="did you mean 'kryo'"):
        load_cpu("kyro")
