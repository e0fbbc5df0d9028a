"""What holds for every device model that ships, whichever YAML it is in."""

import pickle
import re

import pytest
import yaml

from gpusim.device import Evidence, Kind, list_devices, load_device
from gpusim.device.figure import canonical_unit
from gpusim.device.schema import FIGURES
from gpusim.resources import device_models_dir
from gpusim.units import UNITS, cycles_to_ps
from gpusim.validation.calibrate_write import SOURCE
from gpusim.validation.calibration_record import load_calibration
from gpusim.validation.variant import load_variant
from tests.conftest import shared_dir

DEVICES = list_devices()
UNVERIFIED = {"recalled", "derived", "start_value"}

# Peak fp32 GFLOP/s of multiply-adds as published or worked out in reference/devices.yaml.
PUBLISHED_FP32 = {
    "mali-t628": 38.4,
    "mali-t628:mp2": 19.2,
    "mali-t860": 51.2,
    "mali-t880-mp4": 74.9,
    "mali-t880-mp12": 187.2,
    "mali-g72": 220.9,
    "mali-g52": 4 * 32 * 0.8,  # 32 flop per cycle and core, Arm datasheet 2021
    "mali-g610": 512,
    "jetson-tx2": 665.9,
    "jetson-nano": 235.9,
    "jetson-tx1": 2 * 128 * 2 * 0.9984,  # 128 lanes an SM
    "adreno-530": 319.5,
    "adreno-418": 153.6,
}
PUBLISHED_FP16 = {
    "mali-t860": 102.4,
    "mali-t880-mp4": 149.8,
    "mali-t880-mp12": 374.4,
    "mali-g72": 441.8,
    "mali-g610": 1024,
    "jetson-tx2": 1331.7,
    "jetson-nano": 471.9,
    "adreno-530": 639,
}
# Best GB/s of clpeak's read test, reference/hardware.md section 3.
MEASURED_READ = {
    "mali-t628": 6.85,
    "mali-t860": 7.33,
    "mali-g610": 27.19,
    "jetson-nano": 20.92,
    "adreno-530": 20.2,
}
# clpeak's launch latency in us, same page.
MEASURED_LAUNCH = {
    "mali-t628": 233.3,
    "mali-t628:mp2": 206.34,
    "mali-t860": 78.36,
    "mali-g610": 40.79,
    "jetson-nano": 32.77,
    "adreno-530": 289.83,
}


@pytest.fixture(params=DEVICES)
def spec(request):
    return load_device(request.param)


def test_the_devices_of_the_plan_are_here():
    assert set(DEVICES) == set(PUBLISHED_FP32)


def test_every_yaml_of_the_folder_is_a_device_or_is_used_by_one():
    used = {q.file for name in DEVICES for q in load_device(name).figures().values()}
    used.add("sources/hardware.yaml")  # holds citations, no figures
    root = device_models_dir()
    files = {str(path.relative_to(root)) for path in root.rglob("*.yaml")}
    own_schema = ("isa/", "cpu/", "calibration/")
    assert {name for name in files if not name.startswith(own_schema)} == used


def test_every_figure_is_there_with_unit_source_and_kind(spec):
    figures = spec.figures()
    assert set(figures) == {f"{s}.{name}" for s, rules in FIGURES.items() for name in rules}
    for path, quantity in figures.items():
        assert quantity.path == path
        assert quantity.source
        assert all(spec.sources[key] for key in quantity.source)
        assert UNITS[quantity.unit][0] == FIGURES[path.split(".")[0]][path.split(".")[1]].dimension


def test_what_rests_on_no_document_is_assumed(spec):
    for quantity in spec.figures().values():
        if set(quantity.source) <= UNVERIFIED:
            assert quantity.kind is Kind.ASSUMED, quantity.path


def test_a_start_value_says_where_it_comes_from(spec):
    bare = [
        quantity.path
        for quantity in spec.figures().values()
        if "derived" in quantity.source and not quantity.note
    ]
    assert bare == []


def test_fitted_figures_are_those_of_the_calibration_record(spec):
    # `gpusim calibrate` alone writes them, each with what it was before.
    record = load_calibration(spec)
    known = {} if record is None else {one.name: one for one in record.parameters}
    fitted = {
        path: quantity for path, quantity in spec.figures().items() if quantity.kind is Kind.FITTED
    }
    assert set(fitted) == set(known)
    for path, quantity in fitted.items():
        assert quantity.value == pytest.approx(known[path].after)
        assert known[path].bounds[0] <= quantity.value <= known[path].bounds[1]
    plain = load_variant(spec.id, uncalibrated=True)
    assert all(quantity.kind is not Kind.FITTED for quantity in plain.figures().values())


def test_citations_name_public_places_only():
    for path in device_models_dir().rglob("*.yaml"):
        absolute = re.findall(r"""(?:^|[\s"'(\[])(/\w\S*)""", path.read_text())
        assert absolute == []


def test_every_citation_is_used():
    used = {key for name in DEVICES for key in load_device(name).sources}
    document = yaml.safe_load((device_models_dir() / "sources/hardware.yaml").read_text())
    assert set(document["sources"]) == used - {SOURCE}


def test_peak_rates_are_the_published_ones(spec):
    assert spec.peak_flops() == pytest.approx(PUBLISHED_FP32[spec.id] * 1e9, rel=0.05)
    if spec.id in PUBLISHED_FP16:
        assert spec.peak_flops(half=True) == pytest.approx(PUBLISHED_FP16[spec.id] * 1e9, rel=0.05)


def test_roofline_ridge_is_that_of_an_embedded_gpu(spec):
    bandwidth = spec.dram.peak_bytes_per_s.value * spec.dram.efficiency.value
    assert 1 < spec.peak_flops() / bandwidth < 40  # flop per byte


@pytest.mark.parametrize("name", MEASURED_READ)
def test_achievable_bandwidth_is_what_was_measured(name):
    dram = load_device(name).dram
    gb_per_s = dram.peak_bytes_per_s.value * dram.efficiency.value / 1e9
    assert gb_per_s == pytest.approx(MEASURED_READ[name], rel=0.005)


def test_caches_and_bus_can_carry_what_dram_delivers(spec):
    achieved = spec.dram.peak_bytes_per_s.value * spec.dram.efficiency.value
    clock_hz = spec.core.clock_khz.value * 1000
    n_cores = spec.core.n_shader_cores.value
    assert spec.dram.bus_bytes_per_cycle.value * clock_hz > achieved
    assert spec.l2.bytes_per_cycle.value * n_cores * clock_hz > achieved
    assert spec.l1.bytes_per_cycle.value * n_cores * clock_hz > achieved


def test_misses_in_flight_cover_the_latency_at_the_measured_rate(spec):
    # Little's law: bytes in flight = rate x latency. mali-t628:mp2 reaches 6.41 GB/s.
    achieved = spec.dram.peak_bytes_per_s.value * spec.dram.efficiency.value / 1e12  # B/ps
    clock_khz = spec.core.clock_khz.value
    from_l1 = spec.dram.latency_ps.value
    from_l1 += cycles_to_ps(spec.l2.hit_latency_cycles.value, clock_khz)
    l1, l2 = spec.l1, spec.l2
    n_cores = spec.core.n_shader_cores.value
    assert l2.outstanding_misses.value * l2.line_bytes.value > achieved * spec.dram.latency_ps.value
    assert n_cores * l1.outstanding_misses.value * l1.line_bytes.value > achieved * from_l1


def test_the_parts_of_a_launch_add_up_to_its_latency(spec):
    host, manager = spec.host, spec.job_manager
    n_accesses = host.mmio_writes_per_submit.value + host.mmio_reads_per_submit.value
    total = (
        host.enqueue_ps.value
        + host.submit_ps.value
        + n_accesses * host.mmio_access_ps.value
        + manager.descriptor_fetch_ps.value
        + cycles_to_ps(manager.cache_flush_fixed_cycles.value, spec.core.clock_khz.value)
    )
    assert total == host.launch_latency_ps.value
    if spec.id in MEASURED_LAUNCH:
        assert total == round(MEASURED_LAUNCH[spec.id] * 1e6)
        assert host.launch_latency_ps.kind is Kind.MEASURED
    else:
        assert host.launch_latency_ps.kind is Kind.ASSUMED


def test_the_evidence_log_counts_what_was_read(spec):
    evidence = Evidence()
    assert evidence(spec.core.clock_khz) == spec.core.clock_khz.value
    evidence(spec.core.clock_khz)
    evidence(spec.l2.size_bytes)
    assert set(evidence.used) == {"core.clock_khz", "l2.size_bytes"}
    assert sum(evidence.by_kind().values()) == 2
    assert list(evidence.by_kind()) == [kind.value for kind in Kind]


def test_values_are_in_canonical_units_and_whole_where_time_needs_it(spec):
    for path, quantity in spec.figures().items():
        section, name = path.split(".")
        rule = FIGURES[section][name]
        if rule.dimension in ("frequency", "time", "size", "count", "bandwidth"):
            assert type(quantity.value) is int, path
            assert canonical_unit(rule.dimension) in ("kHz", "ps", "B", "count", "B/s")


def test_a_spec_travels_to_worker_processes(spec):
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_a_pipe_issues_one_warp_per_cycle(spec):
    # `wave` and `analytic` count warps per pipe and cycle and rely on this.
    assert spec.core.lanes_per_pipe.value == spec.core.warp_width.value


def test_latencies_rise_away_from_the_core(spec):
    assert spec.core.arithmetic_latency_cycles.value <= spec.l1.hit_latency_cycles.value
    assert spec.l1.hit_latency_cycles.value < spec.l2.hit_latency_cycles.value
    assert spec.dram.row_miss_ps.value < spec.dram.latency_ps.value
    assert spec.tlb.shared_hit_cycles.value <= spec.tlb.miss_cycles.value


def test_two_views_share_one_gpu():
    main, second = load_device("mali-t628"), load_device("mali-t628:mp2")
    assert main.gpu == second.gpu == "mali-t628"
    assert (main.view, second.view) == ("", "mp2")
    assert main.job_manager == second.job_manager
    assert main.dram == second.dram
    assert main.tlb == second.tlb
    assert main.core.clock_khz == second.core.clock_khz
    assert main.core.n_shader_cores.value + second.core.n_shader_cores.value == 6
    assert main.l2.size_bytes.value == second.l2.size_bytes.value == 128 * 1024


# reference/devices.yaml: device, figure there -> figure here.
REFERENCE = {
    "mali-t628": "mali_t628_mp4",
    "mali-t628:mp2": "mali_t628_mp2",
    "mali-t860": "mali_t860_mp4_rk3399",
    "mali-t880-mp4": "mali_t880_mp4_x20",
    "mali-t880-mp12": "mali_t880_mp12_8890",
    "mali-g72": "mali_g72_mp12_kirin970",
    "mali-g610": "mali_g610_mp4_rk3588_optional",
    "jetson-tx2": "jetson_tx2_gp10b",
    "jetson-nano": "jetson_nano_gm20b",
    "adreno-530": "adreno_530_sd820",
    "adreno-418": "adreno_418_sd808",
}
SAME_FIGURE = {
    "shader_cores": ("core.n_shader_cores", 1),
    "sms": ("core.n_shader_cores", 1),
    "clock": ("core.clock_khz", 1000),
    "arith_pipes_per_core": ("core.n_arithmetic_pipes", 1),
    "engines_per_core": ("core.n_arithmetic_pipes", 1),
    "l1_ls": ("l1.size_bytes", 1024),
    "l2_size": ("l2.size_bytes", 1024),
    "l2_assoc": ("l2.ways", 1),
    "line": ("l2.line_bytes", 1),
    "ext_bus": ("dram.bus_bytes_per_cycle", 1),
    "dram_peak": ("dram.peak_bytes_per_s", 10**9),
    "warp_width": ("core.warp_width", 1),
    "registers": ("core.registers", 1),
    "max_blocks_per_sm": ("core.max_work_groups", 1),
    "shared": ("core.local_memory_bytes", 1024),
    "max_workgroup_size": ("limits.max_work_group_size", 1),
    "job_slots": ("job_manager.n_slots", 1),
}
STRENGTH = {"vendor": 3, "measured": 3, "reverse-engineered": 2, "inferred": 1}
CLAIM = {Kind.DOCUMENTED: 3, Kind.MEASURED: 3, Kind.REVERSE_ENGINEERED: 2, Kind.ASSUMED: 1}


@pytest.mark.shared
@pytest.mark.parametrize("name", REFERENCE)
def test_figures_and_confidence_are_those_of_the_reference(name):
    reference = yaml.safe_load((shared_dir() / "reference/devices.yaml").read_text())
    facts = reference["devices"][REFERENCE[name]]
    figures = load_device(name).figures()
    compared = 0
    for key, (path, factor) in SAME_FIGURE.items():
        fact = facts.get(key)
        if fact is None or fact["value"] is None:
            continue
        compared += 1
        quantity = figures[path]
        assert quantity.value == pytest.approx(fact["value"] * factor, rel=1e-9), path
        # A model may not claim more than the reference knows.
        assert CLAIM[quantity.kind] <= STRENGTH[fact["confidence"]], path
    assert compared >= 2
